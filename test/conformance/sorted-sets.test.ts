/**
 * Random sorted set and geo commands to this server and to valkey-server: replies, encodings, payloads,
 * content and digest of every sorted set must be equal, and each takes the other's payloads.
 * `SEEDS` and `SEED` as in differential.test.ts.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { RawConnection, type Word } from '../support/raw-connection.ts';
import { type ServerKind, ServerProcess } from '../support/server-process.ts';
import { SortedSetCommands } from './sorted-set-commands.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 8);
const FIRST_SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const COMMANDS_PER_SEED = 1500;
const THEIRS = (process.env['CONFORMANCE_PEER'] ?? 'valkey-server') as ServerKind;
const LOOK_EVERY = 50;
const HISTORY_SHOWN = 6;

const argv = ['--save', '', '--enable-debug-command', 'yes', '--rdbcompression', 'no'];
const keys = ['a', 'b', 'c', 'd', 'geo', 'geo2', 'lex'];
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
  return words
    .map((word) => JSON.stringify(typeof word === 'string' ? word : Buffer.from(word).toString('latin1')))
    .join(' ');
}

/** Runs a command on both; '' when the replies agree, otherwise what they were. */
async function compare(pair: readonly RawConnection[], words: readonly Word[]): Promise<string> {
  const [our, their] = await Promise.all(pair.map((connection) => connection.call(words)));
  if (our?.equals(their ?? Buffer.alloc(0))) return '';
  const shown = (reply: Buffer | undefined): string =>
    JSON.stringify(reply?.toString('latin1').slice(0, 1500));
  return `${show(words)}\nours   ${shown(our)}\ntheirs ${shown(their)}`;
}

/** Compares what the keys hold. */
async function look(pair: readonly RawConnection[]): Promise<string> {
  for (const key of keys) {
    const questions: Word[][] = [
      ['OBJECT', 'ENCODING', key],
      ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
    ];
    const encoding = await pair[0]?.call(['OBJECT', 'ENCODING', key]);
    if (encoding?.includes('listpack')) questions.push(['DUMP', key], ['ZSCAN', key, '0']);
    for (const words of questions) {
      const difference = await compare(pair, words);
      if (difference !== '') return difference;
    }
  }
  const far = await compare(pair, ['ZRANGE', 'far', '0', '-1']);
  if (far !== '') return far;
  return await compare(pair, ['DEBUG', 'DIGEST-VALUE', ...keys]);
}

/** Gives each server the other one's payload of a key. */
async function exchange(pair: readonly RawConnection[], key: string): Promise<string> {
  const payloads = await Promise.all(pair.map((connection) => connection.call(['DUMP', key])));
  const [our, their] = payloads.map((reply) => reply.subarray(reply.indexOf('\n') + 1, -2));
  if (our === undefined || their === undefined || our.length === 0) return '';
  const answers = await Promise.all([
    pair[0]?.call(['RESTORE', 'copied', '0', their, 'REPLACE']),
    pair[1]?.call(['RESTORE', 'copied', '0', our, 'REPLACE']),
  ]);
  if (!answers.every((answer) => answer?.toString() === '+OK\r\n'))
    return `RESTORE of ${key}: ${answers.join()}`;
  const same = await compare(pair, ['OBJECT', 'ENCODING', 'copied']);
  return same === '' ? await compare(pair, ['DEBUG', 'DIGEST-VALUE', 'copied']) : same;
}

async function runSeed(seed: number): Promise<string> {
  const random = new Prng(seed);
  const pair = [await RawConnection.open(ours.port), await RawConnection.open(theirs.port)];
  const history: string[] = [];
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
    for (const words of setup) await Promise.all(pair.map((connection) => connection.call(words)));
    const commands = new SortedSetCommands(random, 10 + random.below(400));
    for (let step = 0; step < COMMANDS_PER_SEED; step++) {
      const words = commands.next();
      history.push(show(words));
      let difference = await compare(pair, words);
      if (difference === '' && step % LOOK_EVERY === 0) difference = await look(pair);
      if (difference === '' && step % LOOK_EVERY === 25)
        difference = await exchange(pair, keys[step % 7] as string);
      if (difference !== '') return `${difference}\nafter\n${history.slice(-HISTORY_SHOWN).join('\n')}`;
    }
    return await look(pair);
  } catch (error) {
    const printed = `${ours.output.slice(-3000)}\n${theirs.output.slice(-1000)}`;
    throw new Error(`after\n${history.slice(-HISTORY_SHOWN).join('\n')}\n${printed}`, { cause: error });
  } finally {
    for (const connection of pair) connection.close();
  }
}

it(`sorted sets agree on ${SEEDS} random sequences from seed ${FIRST_SEED} on`, async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const difference = await runSeed(seed);
    expect(difference, `SEED=${seed}: ${difference}`).toBe('');
  }
}, 600_000);
