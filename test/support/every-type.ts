/** Commands that make values of every type and encoding that Redis 7.0 knows. */
import type { Random } from '../../server/structures/prng.ts';
import type { Word } from './raw-connection.ts';

function words(count: number, make: (index: number) => readonly Word[]): Word[] {
  return Array.from({ length: count }, (_, index) => make(index)).flat();
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}

/** One command an element; every type, every encoding, and what lies at the borders between them. */
export function everyType(random: Random): readonly (readonly Word[])[] {
  const long = 'x'.repeat(100);
  return [
    ['SET', 'string', 'value'],
    ['SET', 'string:int', '-1234567890123'],
    ['SET', 'string:long', 'abcdefgh'.repeat(50_000)],
    ['SET', 'string:noise', noise(random, 3000)],
    ['SETBIT', 'string:bits', '100000', '1'],
    ['SET', 'string:expiring', '1', 'PXAT', '4000000000123'],
    ['PFADD', 'hll', ...words(500, (index) => [`e${index}`])],
    ['RPUSH', 'list', 'a', '1', '-5', '99999999999', '', long],
    [
      'RPUSH',
      'list:quick',
      ...words(3000, (index) => [index % 3 === 0 ? String(index * 7919) : `element ${index}`]),
    ],
    ['RPUSH', 'list:plain', 'a', 'p'.repeat(20_000), 'b', noise(random, 10_000), 'c'],
    ['RPUSH', 'list:huge', 'a', 'h'.repeat(600_000)],
    ['SADD', 'set:int16', '1', '2', '3', '-5'],
    ['SADD', 'set:int32', '1', '100000'],
    ['SADD', 'set:int64', '1', '10000000000', '-9223372036854775808'],
    ['SADD', 'set:small', 'a', 'b', '17', ''],
    ['SADD', 'set:table', ...words(700, (index) => [`member:${index}`])],
    ['SADD', 'set:long', 'a', long],
    [
      'ZADD',
      'zset',
      '1',
      'a',
      '2.5',
      'b',
      '-inf',
      'c',
      '+inf',
      'd',
      '3.0000000000000004',
      'e',
      '1e300',
      '17',
    ],
    ['ZADD', 'zset:big', ...words(900, (index) => [String((index * 7919) % 1009), `m${index}`])],
    ['ZADD', 'zset:fraction', ...words(200, (index) => [String(index / 7), `m${index}`])],
    ['GEOADD', 'geo', '13.361389', '38.115556', 'Palermo', '15.087269', '37.502669', 'Catania'],
    ['HSET', 'hash', 'f', 'v', 'n', '17', 'empty', '', '', 'no name'],
    ['HSET', 'hash:table', ...words(900, (index) => [`field:${index}`, `value:${index}`])],
    ['HSET', 'hash:long', 'f', long],
    ['EXPIRE', 'hash', '100000000'],
    ...Array.from({ length: 250 }, (_, index) => [
      'XADD',
      'stream',
      `${1000 + index}-${index % 3}`,
      'f',
      `v${index}`,
      'g',
      '2',
    ]),
    ['XADD', 'stream', '5000-1', 'other', 'fields', 'here', long],
    ['XDEL', 'stream', '1007-1', '1100-1'],
    ['XGROUP', 'CREATE', 'stream', 'group', '0'],
    ['XREADGROUP', 'GROUP', 'group', 'alice', 'COUNT', '10', 'STREAMS', 'stream', '>'],
    ['XREADGROUP', 'GROUP', 'group', 'bob', 'COUNT', '5', 'STREAMS', 'stream', '>'],
    ['XACK', 'stream', 'group', '1003-0'],
    ['XGROUP', 'CREATECONSUMER', 'stream', 'group', 'idle'],
    ['XADD', 'stream:empty', '1-1', 'a', 'b'],
    ['XDEL', 'stream:empty', '1-1'],
  ];
}
