/**
 * Random commands on strings, bitmaps, HyperLogLogs and keys of any type to this server and to valkey-server:
 * every reply must be the same, byte for byte. `SEEDS` and `SEED` as in differential.test.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Prng, type Random } from '../../server/structures/prng.ts';
import { RawConnection, type Word } from '../support/raw-connection.ts';
import { type ServerKind, ServerProcess } from '../support/server-process.ts';
import { agree } from './agreement.ts';
import type { RandomCommand } from './commands.ts';
import { bitmapCommand, genericCommand, hyperloglogCommand, stringCommand } from './string-commands.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 6);
const FIRST_SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const COMMANDS_PER_SEED = 500;
const HISTORY_SHOWN = 10;
const THEIRS = (process.env['CONFORMANCE_PEER'] ?? 'valkey-server') as ServerKind;

const argv = ['--save', '', '--enable-debug-command', 'yes', '--rdbcompression', 'no'];
let ours: ServerProcess;
let theirs: ServerProcess;

beforeAll(async () => {
  theirs = await ServerProcess.start(THEIRS, argv);
  ours = await ServerProcess.start('redwarden-server', argv);
}, 300_000);

afterAll(async () => {
  await ours?.stop();
  await theirs?.stop();
});

function show(words: readonly Word[]): string {
  return words.map((word) => JSON.stringify(Buffer.from(word).toString('latin1').slice(0, 60))).join(' ');
}

/** The payload without its version and checksum, which differ between servers. */
function comparable(command: RandomCommand, reply: Buffer): Buffer {
  return command.words[0] === 'DUMP' && reply.length > 16 ? reply.subarray(0, -12) : reply;
}

async function runSeed(seed: number, next: (random: Random) => RandomCommand): Promise<string | undefined> {
  const random = new Prng(seed);
  const [our, their] = [await RawConnection.open(ours.port), await RawConnection.open(theirs.port)];
  const both = (words: readonly Word[]): Promise<[Buffer, Buffer]> =>
    Promise.all([our.call(words), their.call(words)]);
  const history: string[] = [];
  try {
    await both(['FLUSHALL']);
    await both(['CONFIG', 'SET', 'proto-max-bulk-len', next === stringCommand ? '1mb' : '512mb']);
    await both(['HELLO', String(2 + (seed % 2))]);
    for (let step = 0; step < COMMANDS_PER_SEED; step += 1) {
      const command = next(random);
      const [left, right] = (await both(command.words)).map((reply) => comparable(command, reply));
      history.push(show(command.words));
      if (left === undefined || right === undefined || agree(command.agreement, left, right)) continue;
      const before = history.slice(-HISTORY_SHOWN).join('\n  ');
      return `after\n  ${before}\nours   ${show([left])}\ntheirs ${show([right])}`;
    }
    const [left, right] = await both(['DEBUG', 'DIGEST']);
    return left.equals(right)
      ? undefined
      : `digests differ after\n  ${history.slice(-HISTORY_SHOWN).join('\n  ')}`;
  } finally {
    our.close();
    their.close();
  }
}

describe(`this server and ${THEIRS}`, () => {
  it.each([
    ['strings', stringCommand],
    ['bitmaps', bitmapCommand],
    ['HyperLogLogs', hyperloglogCommand],
    ['keys of any type', genericCommand],
  ] as const)(
    'agree on %s',
    async (_, next) => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
        const difference = await runSeed(seed, next);
        expect(difference, `SEED=${seed}: ${difference}`).toBeUndefined();
      }
    },
    600_000,
  );
});
