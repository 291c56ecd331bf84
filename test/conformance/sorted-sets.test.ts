/**
 * Random sorted set and geo commands to this server and to valkey-server: replies, encodings, payloads,
 * content and digest of every sorted set must be equal, and each takes the other's payloads.
 * `SEEDS` and `SEED` as in differential.test.ts.
 */
import { it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import type { Word } from '../support/raw-connection.ts';
import { compareSeeds, Dialogue, FIRST_SEED, seedCount, serverPair } from './server-pair.ts';
import { SortedSetCommands } from './sorted-set-commands.ts';

const SEEDS = seedCount(8);
const COMMANDS_PER_SEED = 1500;
const LOOK_EVERY = 50;

const argv = ['--save', '', '--enable-debug-command', 'yes', '--rdbcompression', 'no'];
const keys = ['a', 'b', 'c', 'd', 'geo', 'geo2', 'lex'];
const pair = serverPair(argv);

/** Compares what the keys hold. */
async function look(dialogue: Dialogue): Promise<string | undefined> {
  for (const key of keys) {
    const questions: Word[][] = [
      ['OBJECT', 'ENCODING', key],
      ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
    ];
    const encoding = await dialogue.ours.call(['OBJECT', 'ENCODING', key]);
    if (encoding.includes('listpack')) questions.push(['DUMP', key], ['ZSCAN', key, '0']);
    for (const words of questions) {
      const difference = await dialogue.compare(words);
      if (difference !== undefined) return difference;
    }
  }
  const far = await dialogue.compare(['ZRANGE', 'far', '0', '-1']);
  return far ?? (await dialogue.compare(['DEBUG', 'DIGEST-VALUE', ...keys]));
}

/** Gives each server the other one's payload of a key. */
async function exchange(dialogue: Dialogue, key: string): Promise<string | undefined> {
  const payloads = await dialogue.both(['DUMP', key]);
  const [our, their] = payloads.map((reply) => reply.subarray(reply.indexOf('\n') + 1, -2));
  if (our === undefined || their === undefined || our.length === 0) return undefined;
  const answers = await Promise.all([
    dialogue.ours.call(['RESTORE', 'copied', '0', their, 'REPLACE']),
    dialogue.theirs.call(['RESTORE', 'copied', '0', our, 'REPLACE']),
  ]);
  if (!answers.every((answer) => answer.toString() === '+OK\r\n'))
    return `RESTORE of ${key}: ${answers.join()}`;
  const unlike = await dialogue.compare(['OBJECT', 'ENCODING', 'copied']);
  return unlike ?? (await dialogue.compare(['DEBUG', 'DIGEST-VALUE', 'copied']));
}

async function runSeed(seed: number): Promise<string | undefined> {
  const random = new Prng(seed);
  const dialogue = await Dialogue.open(pair);
  const entries = ['128', '16', '0', '1000'][seed % 4] as string;
  try {
    const lex = Array.from({ length: 200 }, (_, index) => ['0', `m${index}`]).flat();
    const setup: Word[][] = [
      ['FLUSHALL'],
      ['CONFIG', 'SET', 'zset-max-listpack-entries', entries],
      ['HELLO', seed % 3 === 1 ? '3' : '2'],
      ['SET', 'text', 'x'],
      ['SET', 'string', 'x'],
      ['SADD', 'set', 'm1', 'm2', 'm3', '1', '2', 'other'],
      ['ZADD', 'lex', ...lex.slice(0, seed % 2 === 0 ? 400 : 60)],
    ];
    for (const words of setup) await dialogue.both(words);
    const commands = new SortedSetCommands(random, 10 + random.below(400));
    for (let step = 0; step < COMMANDS_PER_SEED; step++) {
      let difference = await dialogue.compare(commands.next());
      if (step % LOOK_EVERY === 0) difference ??= await look(dialogue);
      if (step % LOOK_EVERY === 25) difference ??= await exchange(dialogue, keys[step % 7] as string);
      if (difference !== undefined) return difference;
    }
    return await look(dialogue);
  } finally {
    dialogue.close();
  }
}

it(
  `sorted sets agree on ${SEEDS} random sequences from seed ${FIRST_SEED} on`,
  () => compareSeeds(SEEDS, runSeed),
  600_000,
);
