/**
 * The same random commands to this server and to Debian's redis-server: every reply must agree, and at the
 * end the digest of all data must be equal. `SEEDS` says how many sequences, `SEED` where they start.
 */
import { describe, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import type { ServerKind } from '../support/server-process.ts';
import { type RandomCommand, randomCommand } from './commands.ts';
import { compareSeeds, Dialogue, FIRST_SEED, seedCount, serverPair } from './server-pair.ts';

const SEEDS = seedCount(8);
const COMMANDS_PER_SEED = 400;
const OURS = (process.env['CONFORMANCE_SERVER'] ?? 'redwarden-server') as ServerKind;
const THEIRS = (process.env['CONFORMANCE_PEER'] ?? 'redis-server') as ServerKind;

const argv = ['--save', '', '--enable-debug-command', 'yes'];
const pair = serverPair(argv, THEIRS, OURS);

/** Both servers, and what was queued on them. */
class Conversation {
  readonly dialogue: Dialogue;
  /** The commands queued by MULTI, undefined outside of one. */
  #queued: RandomCommand[] | undefined;

  constructor(dialogue: Dialogue) {
    this.dialogue = dialogue;
  }

  /** Inside of MULTI another MULTI and WATCH fail the transaction since Valkey 8.1, and not in Redis 7.0. */
  differs(command: RandomCommand): boolean {
    const name = String(command.words[0]).toUpperCase();
    return this.#queued !== undefined && (name === 'MULTI' || name === 'WATCH');
  }

  /** Runs one command on both; the description of a difference, undefined when they agree. */
  async compare(command: RandomCommand): Promise<string | undefined> {
    const [our, their] = await this.dialogue.both(command.words);
    const name = String(command.words[0]).toUpperCase();
    const loose = name === 'EXEC' && (this.#queued ?? []).some((queued) => queued.agreement !== 'exact');
    if (name === 'MULTI') this.#queued ??= [];
    else if (name === 'EXEC' || name === 'DISCARD') this.#queued = undefined;
    else this.#queued?.push(command);
    const queuing = their.toString('latin1') === '+QUEUED\r\n';
    return this.dialogue.difference(our, their, loose ? 'type' : queuing ? 'exact' : command.agreement);
  }
}

async function runSeed(seed: number): Promise<string | undefined> {
  const random = new Prng(seed);
  const nowSeconds = Math.floor(Date.now() / 1000);
  const dialogue = await Dialogue.open(pair);
  const conversation = new Conversation(dialogue);
  try {
    await dialogue.both(['FLUSHALL']);
    await dialogue.both(['CONFIG', 'SET', 'appendfsync', 'everysec', 'lfu-log-factor', '10']);
    if (seed % 2 === 1) await dialogue.both(['HELLO', '3']);
    for (let step = 0; step < COMMANDS_PER_SEED; step += 1) {
      const command = randomCommand(random, nowSeconds);
      if (conversation.differs(command)) continue;
      const difference = await conversation.compare(command);
      if (difference !== undefined) return difference;
    }
    await dialogue.both(['DISCARD']);
    return await dialogue.compare(['DEBUG', 'DIGEST']);
  } finally {
    dialogue.close();
  }
}

describe(`${OURS} and ${THEIRS}`, () => {
  it(
    `agree on ${SEEDS} random sequences from seed ${FIRST_SEED} on`,
    () => compareSeeds(SEEDS, runSeed),
    600_000,
  );
});
