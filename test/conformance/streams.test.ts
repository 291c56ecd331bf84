/**
 * Random stream commands to this server and to valkey-server: replies, what XINFO tells, the DUMP of streams
 * without pending entries and the digest of all data must be equal. Times are taken out of the replies.
 * `SEEDS` and `SEED` as in differential.test.ts.
 */
import { it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import type { Word } from '../support/raw-connection.ts';
import { compareSeeds, Dialogue, FIRST_SEED, PEER, seedCount, serverPair } from './server-pair.ts';

const SEEDS = seedCount(6);
const COMMANDS_PER_SEED = 1500;
const LOOK_EVERY = 50;
const HUGE = '18446744073709551615';

const argv = ['--save', '', '--enable-debug-command', 'yes'];
const pair = serverPair(argv);

/** The first two get no groups. */
const keys = ['plain', 'other', 'grouped', 'more'];
const groups = ['g', 'team', ''];
const consumers = ['alice', 'bob', 'carol'];
const fields = ['f', 'name', '12', '', 'longer than a few bytes', '-5'];

class Commands {
  readonly #random: Prng;
  #clock = 1;
  readonly #odd: boolean;
  constructor(random: Prng, odd: boolean) {
    this.#random = random;
    this.#odd = odd;
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)] as Item;
  }

  #newId(): string {
    const random = this.#random;
    const kind = random.below(20);
    if (kind < 8) this.#clock += random.below(4);
    if (kind === 8) this.#clock += random.below(100_000);
    if (kind < 12) return `${this.#clock}-*`;
    if (this.#odd && random.below(40) === 0)
      return this.#pick(['0-0', 'x', '1-', '5-0', '+', '-', '0-*', '007']);
    return `${this.#clock}-${random.below(6) === 0 ? random.below(2 ** 32) : random.below(50)}`;
  }

  #id(): string {
    const random = this.#random;
    const near = Math.max(1, this.#clock - random.below(60));
    if (this.#odd && random.below(60) === 0)
      return this.#pick(['x', '-', '+', '(', '1-x', `${HUGE}-${HUGE}`, '', '5-*', '-1', '0-0']);
    return random.below(3) === 0 ? String(near) : `${near}-${random.below(8)}`;
  }

  #bound(): string {
    const random = this.#random;
    if (random.below(4) === 0) return this.#pick(['-', '+']);
    return (random.below(5) === 0 ? '(' : '') + this.#id();
  }

  #count(): string {
    if (this.#odd && this.#random.below(40) === 0) return this.#pick(['x', '-1', '9999999', '0']);
    return String(this.#random.below(9));
  }

  #pairs(): Word[] {
    const random = this.#random;
    const words: Word[] = [];
    const shape = random.below(3);
    const count = shape === 0 ? 1 : shape === 1 ? 2 : 1 + random.below(5);
    for (let pair = 0; pair < count; pair++) {
      words.push(shape < 2 ? (fields[pair] as string) : this.#pick(fields), this.#value());
    }
    if (this.#odd && random.below(50) === 0) words.pop();
    return words;
  }

  #value(): Word {
    const random = this.#random;
    const kind = random.below(12);
    if (kind < 4) return String(random.below(100_000) - 50_000);
    if (kind < 5)
      return this.#pick(['9223372036854775807', '-9223372036854775808', '9223372036854775808', '01', '']);
    const bytes = Buffer.alloc(kind < 11 ? random.below(40) : random.below(5000));
    for (let at = 0; at < bytes.length; at++) bytes[at] = random.below(256);
    return bytes;
  }

  #trim(): Word[] {
    const random = this.#random;
    const words: Word[] = [];
    const byLength = random.below(2) === 0;
    words.push(this.#pick(byLength ? ['MAXLEN', 'maxlen'] : ['MINID', 'minid']));
    const how = this.#pick(['~', '=', '']);
    if (how !== '') words.push(how);
    words.push(byLength ? String(random.below(200)) : this.#id());
    if (random.below(how === '~' ? 3 : 25) === 0)
      words.push('LIMIT', this.#pick(['0', '1', '5', '100', '-1', 'x']));
    return words;
  }

  #add(): Word[] {
    const random = this.#random;
    const words: Word[] = ['XADD', this.#pick(keys)];
    if (random.below(15) === 0) words.push('NOMKSTREAM');
    if (random.below(8) === 0) words.push(...this.#trim());
    words.push(this.#newId(), ...this.#pairs());
    return words;
  }

  #group(): Word[] {
    const random = this.#random;
    const key = this.#pick(keys.slice(2));
    const group = random.below(3) === 0 ? this.#pick(groups) : 'g';
    const consumer = this.#pick(consumers);
    const kind = random.below(30);
    const options = (...all: Word[][]): Word[] =>
      all.flatMap((words) => (random.below(3) === 0 ? words : []));
    if (kind < 3)
      return [
        'XGROUP',
        'CREATE',
        key,
        group,
        this.#pick(['0', '$', this.#id()]),
        ...options(['MKSTREAM'], ['ENTRIESREAD', this.#count()]),
      ];
    if (kind < 4)
      return [
        'XGROUP',
        'SETID',
        key,
        group,
        this.#pick(['0', '$', '-', '+', this.#id()]),
        ...options(['ENTRIESREAD', this.#count()]),
      ];
    if (kind < 5 && random.below(6) === 0) return ['XGROUP', 'DESTROY', key, group];
    if (kind < 6)
      return [
        'XGROUP',
        this.#pick(['CREATECONSUMER', 'DELCONSUMER', 'CREATECONSUMER']),
        key,
        group,
        consumer,
      ];
    if (kind < 15)
      return [
        'XREADGROUP',
        'GROUP',
        group,
        consumer,
        ...options(['COUNT', this.#count()], ['NOACK']),
        'STREAMS',
        key,
        this.#pick(['>', '>', '>', '0', this.#id()]),
      ];
    if (kind < 16)
      return [
        'XREADGROUP',
        'GROUP',
        group,
        consumer,
        ...options(['BLOCK', '1']),
        'STREAMS',
        'grouped',
        'more',
        '>',
        this.#pick(['>', '0', '$']),
      ];
    if (kind < 20) return ['XACK', key, group, this.#id(), this.#id(), this.#id()];
    if (kind < 22)
      return [
        'XPENDING',
        key,
        group,
        ...options(['IDLE', '0']),
        this.#bound(),
        this.#bound(),
        this.#count(),
        ...options([consumer]),
      ];
    if (kind < 23) return ['XPENDING', key, group];
    if (kind < 27)
      return [
        'XCLAIM',
        key,
        group,
        consumer,
        this.#pick(['0', '0', '100000', '-1', 'x']),
        this.#id(),
        this.#id(),
        ...options(['FORCE'], ['JUSTID'], ['RETRYCOUNT', '7'], ['LASTID', this.#id()], ['IDLE', '5000']),
      ];
    if (kind < 29)
      return [
        'XAUTOCLAIM',
        key,
        group,
        consumer,
        this.#pick(['0', '0', '100000']),
        this.#bound(),
        ...options(['COUNT', this.#count()], ['JUSTID']),
      ];
    return ['XINFO', 'CONSUMERS', key, group];
  }

  next(): readonly Word[] {
    const random = this.#random;
    const key = this.#pick(keys);
    const kind = random.below(60);
    if (kind < 22) return this.#add();
    if (kind < 40) return this.#group();
    if (kind < 43) return ['XDEL', key, this.#id(), this.#id(), this.#id()];
    if (kind < 44) return ['XTRIM', key, ...this.#trim()];
    if (kind < 49)
      return [
        this.#pick(['XRANGE', 'XREVRANGE']),
        key,
        this.#bound(),
        this.#bound(),
        ...(random.below(2) === 0 ? ['COUNT', this.#count()] : []),
      ];
    if (kind < 52)
      return [
        'XREAD',
        ...(random.below(2) === 0 ? ['COUNT', this.#count()] : []),
        'STREAMS',
        key,
        'plain',
        this.#id(),
        this.#pick(['$', this.#id()]),
      ];
    if (kind < 54) return ['XINFO', 'STREAM', key, ...(random.below(2) === 0 ? ['FULL'] : [])];
    if (kind < 55) return ['XINFO', 'GROUPS', key];
    return this.#pick<Word[]>([
      ['XLEN', key],
      [
        'XSETID',
        key,
        `${this.#clock}-${random.below(9)}`,
        ...(random.below(2) === 0 ? ['ENTRIESADDED', String(random.below(900))] : []),
      ],
      ['XSETID', key, this.#id(), 'MAXDELETEDID', this.#id()],
      ['XREAD', 'BLOCK', '1', 'STREAMS', key, '$'],
      ['COPY', key, this.#pick(keys.slice(2)), ...(random.below(6) === 0 ? ['REPLACE'] : [])],
      ['COPY', 'plain', 'other', ...(random.below(6) === 0 ? ['REPLACE'] : [])],
      ['TYPE', key],
      ['OBJECT', 'ENCODING', key],
      random.below(20) === 0 ? ['DEL', key] : ['EXISTS', key],
      random.below(30) === 0 ? ['SET', key, 'x'] : ['XADD', key],
      ['XREADGROUP', 'STREAMS', key, '>'],
      ['XINFO', 'STREAM', key, 'FULL', 'COUNT', this.#count()],
    ]);
  }
}

function bulkOf(reply: Buffer): Buffer {
  return reply.subarray(reply.indexOf('\n') + 1, reply.length - 2);
}

/**
 * A reply without the times in it, which differ, and without counters that Valkey 8.1 keeps better than 8.0.
 */
function timeless(words: readonly Word[], reply: Buffer): Buffer {
  if (words[0] !== 'XINFO' && words[0] !== 'XPENDING') return reply;
  const text = reply
    .toString('latin1')
    .replace(/(\r\n(?:alice|bob|carol)\r\n):\d+/g, '$1:T')
    .replace(/((?:seen-time|active-time|idle|inactive)\r\n):\d+/g, '$1:T')
    .replace(/(entries-read\r\n)(?::\d+|\$-1|_)(\r\n\$3\r\nlag\r\n)(?::-?\d+|\$-1|_)/g, '$1:N$2:N')
    .replace(/:\d{13}\r/g, ':T\r');
  return Buffer.from(text, 'latin1');
}

async function difference(seed: number): Promise<string | undefined> {
  const random = new Prng(seed);
  const dialogue = await Dialogue.open(pair);
  const compare = (words: readonly Word[]) =>
    dialogue.compare(words, 'exact', (reply) => timeless(words, reply));
  try {
    const commands = new Commands(random, random.below(2) === 0);
    await compare(['FLUSHALL']);
    await compare(['CONFIG', 'SET', 'stream-node-max-entries', ['100', '3', '10', '60'][seed % 4] ?? '']);
    await compare(['CONFIG', 'SET', 'stream-node-max-bytes', ['4096', '0', '300'][seed % 3] ?? '']);
    await compare(['CONFIG', 'SET', 'rdbcompression', 'no']);
    if (seed % 2 === 1) await dialogue.both(['HELLO', '3']);
    for (let step = 0; step < COMMANDS_PER_SEED; step++) {
      const found = await compare(commands.next());
      if (found !== undefined) return found;
      if (step % LOOK_EVERY !== 0) continue;
      for (const key of keys) {
        const unlike =
          (await compare(['XINFO', 'STREAM', key, 'FULL', 'COUNT', '0'])) ??
          (await compare(['XREVRANGE', key, '+', '-'])) ??
          (keys.indexOf(key) < 2 ? await compare(['DUMP', key]) : undefined);
        if (unlike !== undefined) return unlike;
      }
    }
    for (const key of keys) {
      const [mine, other] = await dialogue.both(['DUMP', key]);
      if (mine.toString() === '$-1\r\n' || mine.toString() === '_\r\n') continue;
      // Each reads what the other has written, pending entries and their times included.
      await dialogue.ours.call(['RESTORE', 'restored', '0', bulkOf(other), 'REPLACE']);
      await dialogue.theirs.call(['RESTORE', 'restored', '0', bulkOf(mine), 'REPLACE']);
      const unlike = await compare(['XINFO', 'STREAM', 'restored', 'FULL', 'COUNT', '0']);
      if (unlike !== undefined) return unlike;
    }
    return await compare(['DEBUG', 'DIGEST']);
  } finally {
    dialogue.close();
  }
}

it(
  `agrees with ${PEER} on streams, ${SEEDS} seeds from ${FIRST_SEED} on`,
  () => compareSeeds(SEEDS, difference),
  300_000,
);
