/**
 * Random commands on strings, bitmaps, HyperLogLogs and keys of any type to this server and to valkey-server:
 * every reply must be the same, byte for byte. `SEEDS` and `SEED` as in differential.test.ts.
 */
import { describe, it } from 'vitest';
import { Prng, type Random } from '../../server/structures/prng.ts';
import type { RandomCommand } from './commands.ts';
import { compareSeeds, Dialogue, PEER, seedCount, serverPair } from './server-pair.ts';
import { bitmapCommand, genericCommand, hyperloglogCommand, stringCommand } from './string-commands.ts';

const SEEDS = seedCount(6);
const COMMANDS_PER_SEED = 500;

const argv = ['--save', '', '--enable-debug-command', 'yes', '--rdbcompression', 'no'];
const pair = serverPair(argv);

/** The payload without its version and checksum, which differ between servers. */
function comparable(command: RandomCommand, reply: Buffer): Buffer {
  return command.words[0] === 'DUMP' && reply.length > 16 ? reply.subarray(0, -12) : reply;
}

async function runSeed(seed: number, next: (random: Random) => RandomCommand): Promise<string | undefined> {
  const random = new Prng(seed);
  const dialogue = await Dialogue.open(pair);
  try {
    await dialogue.both(['FLUSHALL']);
    await dialogue.both(['CONFIG', 'SET', 'proto-max-bulk-len', next === stringCommand ? '1mb' : '512mb']);
    await dialogue.both(['HELLO', String(2 + (seed % 2))]);
    for (let step = 0; step < COMMANDS_PER_SEED; step += 1) {
      const command = next(random);
      const { words, agreement } = command;
      const difference = await dialogue.compare(words, agreement, (reply) => comparable(command, reply));
      if (difference !== undefined) return difference;
    }
    return await dialogue.compare(['DEBUG', 'DIGEST']);
  } finally {
    dialogue.close();
  }
}

describe(`this server and ${PEER}`, () => {
  it.each([
    ['strings', stringCommand],
    ['bitmaps', bitmapCommand],
    ['HyperLogLogs', hyperloglogCommand],
    ['keys of any type', genericCommand],
  ] as const)('agree on %s', (_, next) => compareSeeds(SEEDS, (seed) => runSeed(seed, next)), 600_000);
});
