/**
 * Random commands on strings, bitmaps, HyperLogLogs and keys of any type, valid ones and such that are
 * refused.
 */
import type { Random } from '../../server/structures/prng.ts';
import type { Word } from '../support/raw-connection.ts';
import type { RandomCommand } from './commands.ts';

type Words = readonly Word[];

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random.below(items.length)] as Item;
}

/** Up to `most` of the choices, one after another. */
function some(random: Random, most: number, choices: readonly Words[]): Word[] {
  return Array.from({ length: random.below(most + 1) }, () => pick(random, choices)).flat();
}

const exact = (words: Words): RandomCommand => ({ words: [...words], agreement: 'exact' });

const keys = ['a', 'b', 'c', 'd', 'list'];
const integers = [
  ...['0', '1', '-1', '7', '100', '9223372036854775807', '-9223372036854775808', '9223372036854775808'],
  ...['1.5', '-0', '+1', ' 1', '1 ', 'abc', '', '9007199254740993', '-9007199254740992', '00', '1e3'],
];
const floats = [
  ...['0', '1', '-1', '0.1', '3.0e3', '1e-5', 'inf', '-inf', 'nan', 'abc', '', ' 1', '1.', '0x10', '0x1p-3'],
  ...['1e400', '1e4932', '-1.1e4932', '123456789.987654321', '0.000000000000000001', '1e17', '17179869184'],
  ...['-0', '5.0e-20', '1e5000', '99999999999999999999.5'],
];
const values: Words = [
  ...['', 'x', 'hello', '10', '-5', '3.14', '12345678901234567890', 'x'.repeat(44), 'y'.repeat(45)],
  ...['ohmytext', 'mynewtext', Buffer.from([0, 255, 1, 128]), 'a'.repeat(300)],
];
const positions = [
  '0',
  '1',
  '-1',
  '3',
  '-3',
  '100',
  '-100',
  '9223372036854775807',
  '-9223372036854775808',
  'x',
];
const setOptions: Words[] = [
  ...[['NX'], ['XX'], ['GET'], ['KEEPTTL'], ['EX', '100'], ['PX', '100000'], ['EX', '0'], ['EX', '-1']],
  ...[['EX', 'abc'], ['EXAT', '4000000000'], ['PXAT', '4000000000000'], ['PXAT', '1'], ['EXAT', '1'], ['EX']],
  ...[['ex', '9223372036854775807'], ['px', '9223372036854775807'], ['PERSIST'], ['bogus']],
];
const lcsOptions: Words[] = [
  ...[[], ['LEN'], ['IDX'], ['IDX', 'WITHMATCHLEN'], ['IDX', 'MINMATCHLEN', '2', 'WITHMATCHLEN']],
  ...[['LEN', 'IDX'], ['MINMATCHLEN'], ['MINMATCHLEN', '-3', 'IDX'], ['bogus'], ['MINMATCHLEN', 'x']],
];

/** For a server whose proto-max-bulk-len is 1 MiB. */
export function stringCommand(random: Random): RandomCommand {
  const key = pick(random, keys);
  const other = pick(random, keys);
  const value = pick(random, values);
  const at = (): string => pick(random, positions);
  const choices: readonly (() => Words)[] = [
    () => ['SET', key, value],
    () => ['SET', key, value, ...some(random, 3, setOptions)],
    () => ['SET', key, value, ...some(random, 3, setOptions)],
    () => ['SET', key, pick(random, integers)],
    () => ['SET', key, pick(random, floats)],
    () => ['GET', key],
    () => ['GETEX', key, ...some(random, 2, setOptions)],
    () => ['GETDEL', key],
    () => ['GETSET', key, value],
    () => ['APPEND', key, value],
    () => ['STRLEN', key],
    () => ['SETRANGE', key, pick(random, [...positions, '1048575', '1048576', '600']), value],
    () => [pick(random, ['GETRANGE', 'SUBSTR']), key, at(), at()],
    () => [pick(random, ['INCR', 'DECR']), key],
    () => [pick(random, ['INCRBY', 'DECRBY']), key, pick(random, integers)],
    () => ['INCRBYFLOAT', key, pick(random, floats)],
    () => ['INCRBYFLOAT', key, pick(random, floats)],
    () => [pick(random, ['MSET', 'MSETNX']), key, value, other, pick(random, values)],
    () => ['MSET', key, value, other],
    () => ['MGET', key, other, 'nosuch'],
    () => ['SETEX', key, pick(random, ['10', '0', '-1', 'abc', '9223372036854775807']), value],
    () => ['PSETEX', key, pick(random, ['100000', '0', 'x']), value],
    () => ['SETNX', key, value],
    () => ['LCS', key, other, ...pick(random, lcsOptions)],
    () => ['OBJECT', 'ENCODING', key],
    () => ['DEL', key],
    () => ['PERSIST', key],
    () => ['RPUSH', 'list', '1'],
  ];
  return exact(pick(random, choices)());
}

const bitmaps: Words = [
  ...['', 'foobar', 'abcdef', '10', 'a'.repeat(100), Buffer.alloc(40, 255), Buffer.alloc(37)],
  ...[Buffer.from([0, 0, 0, 255]), Buffer.from([255, 255, 255]), Buffer.from([255, 240, 0])],
];
/** The last ones are about the ends of the chunks that a long string is made of. */
const bitOffsets = [
  ...['0', '1', '5', '7', '8', '30', '63', '100', '1000', '-1', 'abc', '#1', '', '4294967296'],
  ...['2097151', '2097152', '2097149', '4194303', '3000000'],
];
const fieldTypes = ['u8', 'i8', 'i64', 'u63', 'u1', 'i5', 'u13', 'i32', 'u64', 'i65', 'x8', 'u0', 'i'];
const amounts = [
  ...['0', '1', '-1', '100', '255', '256', '-129', '4294967296', '9223372036854775807'],
  ...['-9223372036854775807', '-9223372036854775808', '9223372036854775808', 'x'],
];

function bitfield(random: Random, key: string): Words {
  const steps = Array.from({ length: random.below(5) }, () => {
    const type = pick(random, fieldTypes);
    const offset = pick(random, [
      '0',
      '1',
      '5',
      '7',
      '8',
      '30',
      '#0',
      '#1',
      '#3',
      '63',
      '100',
      '-1',
      '2097130',
    ]);
    const amount = pick(random, amounts);
    return pick<Words>(random, [
      ['GET', type, offset],
      ['SET', type, offset, amount],
      ['INCRBY', type, offset, amount],
      ['INCRBY', type, offset, amount],
      ['OVERFLOW', pick(random, ['WRAP', 'SAT', 'FAIL', 'sat', 'bogus'])],
      ['GET', type],
    ]);
  });
  return [random.below(6) === 0 ? 'BITFIELD_RO' : 'BITFIELD', key, ...steps.flat()];
}

export function bitmapCommand(random: Random): RandomCommand {
  const key = pick(random, keys);
  const other = pick(random, keys);
  const at = (): string =>
    pick(random, ['0', '1', '-1', '3', '-3', '100', '-100', '17', '-8', 'x', '262143', '2097153']);
  const unit = (): Words => pick(random, [[], ['BIT'], ['BYTE'], ['bit'], ['nope']]);
  const range = (): Words => pick(random, [[], [at()], [at(), at(), ...unit()], [at(), at(), ...unit()]]);
  const choices: readonly (() => Words)[] = [
    () => ['SET', key, pick(random, bitmaps)],
    () => ['SETBIT', key, pick(random, bitOffsets), pick(random, ['0', '1', '1', '0', '2', '-1', 'x'])],
    () => ['SETBIT', key, String(random.below(400)), String(random.below(2))],
    () => ['GETBIT', key, pick(random, bitOffsets)],
    () => ['BITCOUNT', key, ...range()],
    () => ['BITPOS', key, pick(random, ['0', '1', '0', '1', '2', 'x']), ...range()],
    () => ['BITPOS', key, String(random.below(2)), ...range()],
    () => [
      'BITOP',
      pick(random, ['AND', 'OR', 'XOR', 'and', 'bogus']),
      key,
      other,
      pick(random, keys),
      'nosuch',
    ],
    () => ['BITOP', 'NOT', key, other],
    () => ['BITOP', 'NOT', key, other, key],
    () => bitfield(random, key),
    () => bitfield(random, key),
    () => ['DEL', key],
    () => ['OBJECT', 'ENCODING', key],
    () => ['GET', key],
    () => ['RPUSH', 'list', '1'],
  ];
  return exact(pick(random, choices)());
}

const sketches = ['h1', 'h2', 'h3', 'h4', 's'];

/** Elements of few names, so that sketches overlap, and of any bytes. */
function element(random: Random): Word {
  if (random.below(10) > 0) return `e${random.below(random.below(4) === 0 ? 100_000 : 50)}`;
  return Buffer.from(Array.from({ length: random.below(30) }, () => random.below(256)));
}

/** For a server whose hll-sparse-max-bytes changes now and then. */
export function hyperloglogCommand(random: Random): RandomCommand {
  const key = pick(random, sketches);
  const other = pick(random, sketches);
  const elements = (most: number): Word[] =>
    Array.from({ length: random.below(most) }, () => element(random));
  const choices: readonly (() => Words)[] = [
    () => ['PFADD', key, ...elements(6)],
    () => ['PFADD', key, ...elements(6)],
    () => ['PFADD', key, ...elements(random.below(4) === 0 ? 300 : 6)],
    () => ['PFCOUNT', key],
    () => ['PFCOUNT', key, other, 'nosuch'],
    () => ['PFMERGE', key, other, pick(random, sketches)],
    () => ['GET', key],
    () => ['GET', key],
    () => ['PFDEBUG', pick(random, ['ENCODING', 'DECODE', 'TODENSE', 'GETREG', 'bogus']), key],
    () => ['CONFIG', 'SET', 'hll-sparse-max-bytes', pick(random, ['100', '300', '3000', '20'])],
    () => ['SET', 's', pick(random, ['foo', 'HYLL', '12'])],
    () => (random.below(3) === 0 ? ['DEL', key] : ['STRLEN', key]),
  ];
  return exact(pick(random, choices)());
}

const anyKeys = ['a', 'b', 'c', 'l', 's', 'z', 't'];
const times = ['100000', '-1', '0', 'abc', '9223372036854775807', '-9223372036854775807', '9999999999'];
const conditions: Words[] = [
  ...[[], ['NX'], ['XX'], ['GT'], ['LT'], ['NX', 'XX'], ['GT', 'LT'], ['XX', 'GT'], ['xx', 'lt'], ['bogus']],
];
const copyOptions: Words[] = [
  ...[[], ['REPLACE'], ['DB', '1'], ['DB', '1', 'REPLACE'], ['DB', '99'], ['DB', 'x'], ['DB'], ['bogus']],
];
const sortOptions: Words[] = [
  ...[['ASC'], ['DESC'], ['LIMIT', '0', '2'], ['LIMIT', '1', '-1'], ['LIMIT', '-1', '5']],
  ...[
    ['LIMIT', 'x', '2'],
    ['LIMIT', '9', '9'],
  ],
  ...[['GET', '#'], ['GET', 'o_*'], ['GET', 'const'], ['STORE', 'l'], ['STORE', 'c'], ['bogus']],
];

/** Not together: where BY leads to nothing, ALPHA leaves the order open. */
const sortOrders: Words[] = [...[[], ['ALPHA'], ['BY', 'w_*'], ['BY', 'nosort'], ['BY', 'nokey_*']]];

/** Elements are numbers, so that no peer stumbles over a stale errno of strtod. */
export function genericCommand(random: Random): RandomCommand {
  const key = pick(random, anyKeys);
  const other = pick(random, anyKeys);
  const database = (): string => pick(random, ['0', '1', '2', '99', 'x', '-1', '99999999999']);
  const near: readonly (() => Words)[] = [
    () => [pick(random, ['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME']), key],
  ];
  const choices: readonly (() => Words)[] = [
    () => ['SET', key, pick(random, ['12', 'hello', 'x'.repeat(60), '1.5'])],
    () => ['RPUSH', key, '1', '22', '3'],
    () => ['SADD', key, '1', '2', '30'],
    () => ['ZADD', key, '1', '5', '2.5', '6'],
    () => ['XADD', key, `1-${1 + random.below(5)}`, 'f', 'v'],
    () => ['MSET', 'w_1', '9', 'w_2', '3', 'w_5', '7', 'o_1', 'x', 'o_5', 'y'],
    () => ['TYPE', key],
    // Not REFCOUNT: whether a small integer is shared depends on how it came to be, by SET or by COPY.
    () => ['OBJECT', 'ENCODING', key],
    () => ['EXISTS', key, other, key],
    () => [pick(random, ['DEL', 'UNLINK', 'TOUCH']), key, other],
    () => [pick(random, ['RENAME', 'RENAMENX']), key, other],
    () => ['COPY', key, other, ...pick(random, copyOptions)],
    () => ['MOVE', key, database()],
    () => [
      pick(random, ['EXPIRE', 'PEXPIRE', 'EXPIREAT', 'PEXPIREAT']),
      key,
      pick(random, times),
      ...pick(random, conditions),
    ],
    () => ['PERSIST', key],
    () => ['SELECT', pick(random, ['0', '1', '0'])],
    () => ['SWAPDB', pick(random, ['0', '1', '2', '99', 'x']), pick(random, ['0', '1', '2', 'y'])],
    () => ['DBSIZE'],
    () => [
      pick(random, ['SORT', 'SORT_RO']),
      key,
      ...pick(random, sortOrders),
      ...some(random, 3, sortOptions),
    ],
    () => ['LRANGE', key, '0', '-1'],
    () => ['DUMP', key],
  ];
  if (random.below(10) === 0) return { words: [...pick(random, near)()], agreement: 'near' };
  if (random.below(15) === 0)
    return { words: ['KEYS', pick(random, ['*', '[a-c]', '?'])], agreement: 'any order' };
  return exact(pick(random, choices)());
}
