/**
 * Random commands of the slice: a table of shapes, the values they are filled with, and how replies compare.
 */
import type { Random } from '../../server/structures/prng.ts';
import type { Word } from '../support/raw-connection.ts';

/** How the replies of two servers must agree. */
export type Agreement =
  /** Byte for byte. */
  | 'exact'
  /** The same elements in any order. */
  | 'any order'
  /** Integers that time moves: at most a second or two apart, with the same sign. */
  | 'near'
  /** The same type of reply. */
  | 'type';

export interface RandomCommand {
  readonly words: readonly Word[];
  readonly agreement: Agreement;
}

/**
 * A shape: the name and what its words are, with one letter for what is filled in.
 *
 *   K key   V value   I integer or nonsense   S seconds ahead   M milliseconds ahead   T time of day, seconds
 *   U time of day, milliseconds   D database   P pattern   O flags of SET   X flags of EXPIRE
 *   E options of GETEX   Z small count   = the word after it as it stands
 */
type Shape = readonly [name: string, words: string, agreement?: Agreement];

// biome-ignore format: a table, some shapes a row
const shapes: readonly Shape[] = [
  ['SET', 'K V'], ['SET', 'K V O'], ['SET', 'K V O O'], ['SET', 'K V O O O'], ['SET', 'K I'], ['SETNX', 'K V'],
  ['GET', 'K'], ['GETSET', 'K V'], ['GETDEL', 'K'], ['GETEX', 'K E'], ['GETEX', 'K'], ['STRLEN', 'K'],
  ['APPEND', 'K V'], ['GETRANGE', 'K I I'], ['SUBSTR', 'K Z Z'], ['SETRANGE', 'K Z V'], ['SETEX', 'K S V'],
  ['PSETEX', 'K M V'], ['SETEX', 'K I V'], ['INCR', 'K'], ['DECR', 'K'], ['INCRBY', 'K I'], ['DECRBY', 'K I'],
  ['INCR', 'K'], ['INCRBY', 'K Z'], ['MGET', 'K K K'], ['MSET', 'K V K V'], ['MSET', 'K V K'], ['MSETNX', 'K V K V'],
  ['DEL', 'K'], ['DEL', 'K K'], ['UNLINK', 'K'], ['EXISTS', 'K K K'], ['TYPE', 'K'], ['TOUCH', 'K K'],
  ['RENAME', 'K K'], ['RENAMENX', 'K K'], ['COPY', 'K K'], ['COPY', 'K K =REPLACE'], ['COPY', 'K K =DB D'],
  ['MOVE', 'K D'], ['DBSIZE', ''], ['KEYS', 'P', 'any order'], ['RANDOMKEY', '', 'type'],
  ['EXPIRE', 'K S'], ['EXPIRE', 'K S X'], ['EXPIRE', 'K I'], ['PEXPIRE', 'K M'], ['PEXPIRE', 'K M X'],
  ['EXPIREAT', 'K T'], ['EXPIREAT', 'K T X'], ['PEXPIREAT', 'K U'], ['PEXPIREAT', 'K U X'], ['PERSIST', 'K'],
  ['TTL', 'K', 'near'], ['PTTL', 'K', 'near'], ['EXPIRETIME', 'K', 'near'], ['PEXPIRETIME', 'K', 'near'],
  ['OBJECT', '=ENCODING K'], ['OBJECT', '=REFCOUNT K', 'type'], ['OBJECT', '=NOPE K'], ['SELECT', 'D'], ['SELECT', 'I'],
  ['PING', ''], ['PING', 'V'], ['PING', 'V V'], ['ECHO', 'V'], ['GET', ''], ['SET', 'K'], ['NOSUCH', 'K V'],
  ['INCR', 'K K'], ['CONFIG', '=GET =maxmemory'], ['CONFIG', '=SET =lfu-log-factor I'], ['TIME', '', 'type'],
  ['CONFIG', '=SET =appendfsync V'], ['CONFIG', '=NOPE'], ['CLIENT', '=SETNAME V'], ['CLIENT', '=GETNAME'],
  ['MULTI', ''], ['EXEC', ''], ['DISCARD', ''], ['WATCH', 'K'], ['UNWATCH', ''], ['FLUSHDB', ''], ['SCAN', '=0', 'type'],
  ['COMMAND', '=GETKEYS =MSET K V K V'], ['COMMAND', '=GETKEYS =GET K'],
];

const values: readonly Word[] = [
  '',
  '0',
  '1',
  '-5',
  '10',
  '007',
  '3.0',
  ' 12',
  '9223372036854775807',
  '-9223372036854775808',
  'abc',
  'Hello World',
  'x'.repeat(44),
  'y'.repeat(45),
  'z'.repeat(1000),
  Uint8Array.of(0, 255, 13, 10, 128),
];
const integers = [
  '0',
  '1',
  '-1',
  '2',
  '5',
  '-3',
  '100',
  '-100',
  '9223372036854775807',
  '-9223372036854775808',
];
const nonsense = ['', 'x', '1.5', '+1', '01', ' 1', '9223372036854775808', '1e3', '-'];
const setFlags = [
  'NX',
  'XX',
  'GET',
  'KEEPTTL',
  'EX 1000',
  'PX 1000000',
  'EXAT',
  'ex 0',
  'px -1',
  'bogus',
  'EX',
];
const expireFlags = ['NX', 'XX', 'GT', 'LT', 'nope'];
const getexOptions = ['PERSIST', 'EX 1000', 'PX 1000000', 'EX 0', 'EX x', 'bogus'];
const patterns = ['*', 'key:*', 'key:?', 'key:[1-3]', 'none', '\\*'];

const HOUR_SECONDS = 3600;

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)] as T;
}

/** The words that one letter of a shape stands for. */
function fill(letter: string, random: Random, nowSeconds: number): readonly Word[] {
  const ahead = HOUR_SECONDS + random.below(HOUR_SECONDS);
  switch (letter) {
    case 'K':
      return [`key:${random.below(6)}`];
    case 'V':
      return [pick(random, values)];
    case 'I':
      return [random.below(4) === 0 ? pick(random, nonsense) : pick(random, integers)];
    case 'Z':
      return [String(random.below(12))];
    case 'S':
      return [String(ahead)];
    case 'M':
      return [String(ahead * 1000)];
    case 'T':
      return [String(random.below(8) === 0 ? 1 : nowSeconds + ahead)];
    case 'U':
      return [String(random.below(8) === 0 ? 1 : (nowSeconds + ahead) * 1000)];
    case 'D':
      return [pick(random, ['0', '0', '0', '1', '2', '15', '16', '-1'])];
    case 'P':
      return [pick(random, patterns)];
    case 'O':
      return pick(random, setFlags).split(' ');
    case 'X':
      return [pick(random, expireFlags)];
    default:
      return pick(random, getexOptions).split(' ');
  }
}

/** A command made from a random shape. */
export function randomCommand(random: Random, nowSeconds: number): RandomCommand {
  const [name, shape, agreement = 'exact'] = pick(random, shapes);
  const words: Word[] = [random.below(10) === 0 ? name.toLowerCase() : name];
  for (const part of shape === '' ? [] : shape.split(' ')) {
    if (part.startsWith('=')) words.push(part.slice(1));
    else words.push(...fill(part, random, nowSeconds));
  }
  return { words, agreement };
}
