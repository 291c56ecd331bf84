/**
 * The same random commands to this server and to Debian's redis-server: every reply must agree, and at the
 * end the digest of all data must be equal. `SEEDS` says how many sequences, `SEED` where they start.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { RawConnection, type Word } from '../support/raw-connection.ts';
import { type ServerKind, ServerProcess } from '../support/server-process.ts';
import { agree } from './agreement.ts';
import { type RandomCommand, randomCommand } from './commands.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 8);
const FIRST_SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const COMMANDS_PER_SEED = 400;
const OURS = (process.env['CONFORMANCE_SERVER'] ?? 'redwarden-server') as ServerKind;
const THEIRS = (process.env['CONFORMANCE_PEER'] ?? 'redis-server') as ServerKind;
const HISTORY_SHOWN = 12;

const argv = ['--save', '', '--enable-debug-command', 'yes'];
let ours: ServerProcess;
let theirs: ServerProcess;

beforeAll(async () => {
  theirs = await ServerProcess.start(THEIRS, argv);
  ours = await ServerProcess.start(OURS, argv);
}, 300_000);

afterAll(async () => {
  await ours?.stop();
  await theirs?.stop();
});

function show(words: readonly Word[]): string {
  return words
    .map((word) => (typeof word === 'string' ? word : Buffer.from(word).toString('latin1')))
    .map((word) => JSON.stringify(word.length > 60 ? `${word.slice(0, 60)}…` : word))
    .join(' ');
}

/** A pair of connections on which the same commands are sent. */
class Pair {
  readonly ours: RawConnection;
  readonly theirs: RawConnection;
  readonly history: string[] = [];
  /** Agreements of the commands queued by MULTI, undefined outside of one. */
  #queued: RandomCommand[] | undefined;

  constructor(ourConnection: RawConnection, theirConnection: RawConnection) {
    this.ours = ourConnection;
    this.theirs = theirConnection;
  }

  static async open(): Promise<Pair> {
    return new Pair(await RawConnection.open(ours.port), await RawConnection.open(theirs.port));
  }

  async both(words: readonly Word[]): Promise<[Buffer, Buffer]> {
    return Promise.all([this.ours.call(words), this.theirs.call(words)]);
  }

  /** Inside of MULTI another MULTI and WATCH fail the transaction since Valkey 8.1, and not in Redis 7.0. */
  differs(command: RandomCommand): boolean {
    const name = String(command.words[0]).toUpperCase();
    return this.#queued !== undefined && (name === 'MULTI' || name === 'WATCH');
  }

  /** Runs one command on both; the description of a difference, undefined when they agree. */
  async compare(command: RandomCommand): Promise<string | undefined> {
    const [our, their] = await this.both(command.words);
    this.history.push(show(command.words));
    const name = String(command.words[0]).toUpperCase();
    const loose = name === 'EXEC' && (this.#queued ?? []).some((queued) => queued.agreement !== 'exact');
    if (name === 'MULTI') this.#queued ??= [];
    else if (name === 'EXEC' || name === 'DISCARD') this.#queued = undefined;
    else this.#queued?.push(command);
    const queuing = their.toString('latin1') === '+QUEUED\r\n';
    const agreement = loose ? 'type' : queuing ? 'exact' : command.agreement;
    if (agree(agreement, our, their)) return undefined;
    const before = this.history.slice(-HISTORY_SHOWN).join('\n  ');
    return `after\n  ${before}\nours   ${JSON.stringify(our.toString('latin1'))}\ntheirs ${JSON.stringify(their.toString('latin1'))}`;
  }

  close(): void {
    this.ours.close();
    this.theirs.close();
  }
}

async function runSeed(seed: number): Promise<string | undefined> {
  const random = new Prng(seed);
  const nowSeconds = Math.floor(Date.now() / 1000);
  const pair = await Pair.open();
  try {
    await pair.both(['FLUSHALL']);
    await pair.both(['CONFIG', 'SET', 'appendfsync', 'everysec', 'lfu-log-factor', '10']);
    if (seed % 2 === 1) await pair.both(['HELLO', '3']);
    for (let step = 0; step < COMMANDS_PER_SEED; step += 1) {
      const command = randomCommand(random, nowSeconds);
      if (pair.differs(command)) continue;
      const difference = await pair.compare(command);
      if (difference !== undefined) return difference;
    }
    await pair.both(['DISCARD']);
    return await pair.compare({ words: ['DEBUG', 'DIGEST'], agreement: 'exact' });
  } finally {
    pair.close();
  }
}

describe(`${OURS} and ${THEIRS}`, () => {
  it(`agree on ${SEEDS} random sequences from seed ${FIRST_SEED} on`, async () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
      const difference = await runSeed(seed);
      expect(difference, `SEED=${seed}: ${difference}`).toBeUndefined();
    }
  }, 600_000);
});
