/**
 * Random set and hash commands to this server and to valkey-server, with thresholds so low that encodings
 * change all the time: replies, the encoding of every key, the DUMP of every intset and every compact hash
 * and the digest of all data must be equal. `SEEDS` and `SEED` as in differential.test.ts.
 */
import { it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import type { Word } from '../support/raw-connection.ts';
import type { Agreement } from './commands.ts';
import { compareSeeds, Dialogue, FIRST_SEED, PEER, seedCount, serverPair } from './server-pair.ts';

const SEEDS = seedCount(6);
const COMMANDS_PER_SEED = 1500;
const LOOK_EVERY = 30;

const argv = ['--save', '', '--enable-debug-command', 'yes', '--rdbcompression', 'no'];
const pair = serverPair(argv);

const setKeys = ['a', 'b', 'c'];
const hashKeys = ['h', 'i'];
const limits = [0, 1, 3, 8, 16, 128];
const defaults = [
  'set-max-intset-entries',
  '16',
  'set-max-listpack-entries',
  '8',
  'hash-max-listpack-entries',
  '8',
  'set-max-listpack-value',
  '64',
  'hash-max-listpack-value',
  '64',
];

interface Command {
  readonly words: readonly Word[];
  readonly agreement: Agreement;
}

class Commands {
  readonly #random: Prng;
  constructor(random: Prng) {
    this.#random = random;
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)] as Item;
  }

  #set(): string {
    if (this.#random.below(60) === 0) return this.#pick([...hashKeys, 'missing']);
    return this.#pick(setKeys);
  }

  #hash(): string {
    return this.#random.below(60) === 0 ? this.#pick([...setKeys, 'missing']) : this.#pick(hashKeys);
  }

  #element(): Word {
    const random = this.#random;
    const kind = random.below(20);
    if (kind < 12) return String(random.below(24) - 4);
    if (kind < 13) return String(random.below(2 ** 32) - 2 ** 31);
    if (kind < 14) {
      return this.#pick([
        '',
        '007',
        '-0',
        '9223372036854775807',
        '-9223372036854775808',
        '9223372036854775808',
      ]);
    }
    if (kind < 19) return `m${random.below(10)}`;
    return Buffer.alloc(random.below(80), 97 + random.below(20));
  }

  #elements(): Word[] {
    const random = this.#random;
    const count = random.below(15) === 0 ? 1 + random.below(30) : 1 + random.below(3);
    return Array.from({ length: count }, () => this.#element());
  }

  #number(): string {
    const random = this.#random;
    if (random.below(8) === 0)
      return this.#pick(['x', '9223372036854775807', '-9223372036854775808', '1.5', '']);
    return String(random.below(40) - 20);
  }

  #float(): string {
    return this.#pick(['0.1', '-3', '1e3', '3.0e-2', '0.30000000000000004', 'x', '1e5000', 'inf', '5']);
  }

  #sets(): Word[] {
    return Array.from({ length: 1 + this.#random.below(3) }, () => this.#set());
  }

  #setCommand(): Command {
    const kind = this.#random.below(20);
    if (kind < 7) return { words: ['SADD', this.#set(), ...this.#elements()], agreement: 'exact' };
    if (kind < 10) return { words: ['SREM', this.#set(), ...this.#elements()], agreement: 'exact' };
    if (kind < 11) return { words: ['SMISMEMBER', this.#set(), ...this.#elements()], agreement: 'exact' };
    if (kind < 12) return { words: ['SMOVE', this.#set(), this.#set(), this.#element()], agreement: 'exact' };
    if (kind < 14) {
      const name = this.#pick(['SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE']);
      return { words: [name, this.#set(), ...this.#sets()], agreement: 'exact' };
    }
    if (kind < 16) {
      return { words: [this.#pick(['SINTER', 'SUNION', 'SDIFF']), ...this.#sets()], agreement: 'any order' };
    }
    if (kind < 17) {
      const keys = this.#sets();
      const limit = this.#random.below(2) === 0 ? [] : ['LIMIT', this.#number()];
      const count = this.#random.below(8) === 0 ? this.#number() : String(keys.length);
      return { words: ['SINTERCARD', count, ...keys, ...limit], agreement: 'exact' };
    }
    if (kind < 18) return { words: ['SMEMBERS', this.#set()], agreement: 'any order' };
    if (kind < 19) return { words: ['SCARD', this.#set()], agreement: 'exact' };
    const name = this.#pick(['SRANDMEMBER', 'SSCAN']);
    return { words: [name, this.#set(), this.#number()], agreement: 'type' };
  }

  #pairs(): Word[] {
    return this.#elements().flatMap((field) => [field, this.#element()]);
  }

  #hashCommand(): Command {
    const kind = this.#random.below(20);
    const key = this.#hash();
    if (kind < 6)
      return { words: [this.#pick(['HSET', 'HSET', 'HMSET']), key, ...this.#pairs()], agreement: 'exact' };
    if (kind < 7) return { words: ['HSETNX', key, this.#element(), this.#element()], agreement: 'exact' };
    if (kind < 10) return { words: ['HDEL', key, ...this.#elements()], agreement: 'exact' };
    if (kind < 12) return { words: ['HINCRBY', key, this.#element(), this.#number()], agreement: 'exact' };
    if (kind < 14)
      return { words: ['HINCRBYFLOAT', key, this.#element(), this.#float()], agreement: 'exact' };
    if (kind < 15)
      return {
        words: [this.#pick(['HGET', 'HSTRLEN', 'HEXISTS']), key, this.#element()],
        agreement: 'exact',
      };
    if (kind < 16) return { words: ['HMGET', key, ...this.#elements()], agreement: 'exact' };
    if (kind < 18) return { words: [this.#pick(['HGETALL', 'HKEYS', 'HVALS']), key], agreement: 'any order' };
    if (kind < 19) return { words: ['HLEN', key], agreement: 'exact' };
    const words = ['HRANDFIELD', key, this.#number(), ...(this.#random.below(2) === 0 ? ['WITHVALUES'] : [])];
    return { words, agreement: 'type' };
  }

  next(): Command {
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 48) return this.#setCommand();
    if (kind < 96) return this.#hashCommand();
    if (kind < 97) return { words: ['DEL', this.#pick([...setKeys, ...hashKeys])], agreement: 'exact' };
    if (kind < 98) {
      const [from, to] = random.below(2) === 0 ? setKeys : hashKeys;
      return { words: ['COPY', from as string, to as string, 'REPLACE'], agreement: 'exact' };
    }
    return { words: ['CONFIG', 'SET', ...this.#limits()], agreement: 'exact' };
  }

  /** Fewer integers than other members would make the encoding depend on the order of a table. */
  #limits(): Word[] {
    const entries = this.#random.below(limits.length);
    const integers = entries + this.#random.below(limits.length - entries);
    return this.#pick<Word[]>([
      [
        'set-max-intset-entries',
        String(limits[integers]),
        'set-max-listpack-entries',
        String(limits[entries]),
      ],
      ['set-max-listpack-value', String(this.#pick(limits))],
      ['hash-max-listpack-entries', String(this.#pick(limits))],
      ['hash-max-listpack-value', String(this.#pick(limits))],
    ]);
  }
}

/** Compares encodings, and the bytes of what is no table. */
async function look(dialogue: Dialogue): Promise<string | undefined> {
  for (const key of [...setKeys, ...hashKeys]) {
    const difference = await dialogue.compare(['OBJECT', 'ENCODING', key]);
    if (difference !== undefined) return difference;
    const encoding = (await dialogue.ours.call(['OBJECT', 'ENCODING', key])).toString();
    const type = (await dialogue.ours.call(['TYPE', key])).toString();
    // In a listpack that was made from tables the members stand as the tables had them.
    if (encoding.includes('hashtable') || (encoding.includes('listpack') && type.includes('set'))) continue;
    const bytes = await dialogue.compare(['DUMP', key]);
    if (bytes !== undefined) return bytes;
  }
  return dialogue.compare(['DEBUG', 'DIGEST']);
}

async function runSeed(seed: number): Promise<string | undefined> {
  const commands = new Commands(new Prng(seed));
  const dialogue = await Dialogue.open(pair);
  try {
    await dialogue.both(['FLUSHALL']);
    await dialogue.both(['CONFIG', 'SET', ...defaults]);
    if (seed % 2 === 1) await dialogue.both(['HELLO', '3']);
    for (let step = 0; step < COMMANDS_PER_SEED; step++) {
      const { words, agreement } = commands.next();
      const difference = await dialogue.compare(words, agreement);
      const unlike = difference ?? (step % LOOK_EVERY === 0 ? await look(dialogue) : undefined);
      if (unlike !== undefined) return unlike;
    }
    return await look(dialogue);
  } finally {
    dialogue.close();
  }
}

it(
  `sets and hashes agree with ${PEER} on ${SEEDS} random sequences from seed ${FIRST_SEED} on`,
  () => compareSeeds(SEEDS, runSeed),
  600_000,
);
