/**
 * Key specifications: where a command's keys stand and what it does with them, as COMMAND INFO and COMMAND
 * GETKEYSANDFLAGS print them. Most follow from the command's row; the rest are written down here.
 *
 *   OW update @1 r0,1,0     flags, keys from word 1: the last one 0 words on, step 1, no limit
 *   RO access @1 n0,1,1     a count stands in word 1, keys begin 1 word after it, step 1
 *   ?STORE,6                keys follow the word STORE, looked for from word 6 (negative: from the end)
 *   *                       cannot be written down
 */
import type { CommandEntry } from './command-table.ts';
import { MOVABLE_KEYS, READONLY } from './row.ts';

export type BeginSearch =
  | { readonly type: 'index'; readonly index: number }
  | { readonly type: 'keyword'; readonly keyword: string; readonly from: number }
  | { readonly type: 'unknown' };

export type FindKeys =
  | { readonly type: 'range'; readonly last: number; readonly step: number; readonly limit: number }
  | { readonly type: 'keynum'; readonly countAt: number; readonly first: number; readonly step: number }
  | { readonly type: 'unknown' };

export interface KeySpec {
  readonly flags: readonly string[];
  readonly begin: BeginSearch;
  readonly find: FindKeys;
}

/** Flags of commands whose keys stand where the row says. */
const flagsOfNames: readonly (readonly [flags: string, names: string])[] = [
  [
    'RW insert',
    'append hsetnx linsert lpush lpushx pfadd rpush rpushx sadd xgroup|create ' + 'xgroup|createconsumer',
  ],
  ['RW update access variable_flags', 'bitfield'],
  ['RW access delete', 'blpop brpop bzpopmax bzpopmin getdel lpop rpop spop zpopmax zpopmin'],
  [
    'RW access update',
    'decr decrby getex getset hincrby hincrbyfloat incr incrby incrbyfloat move setbit ' + 'zincrby',
  ],
  ['RM delete', 'del unlink'],
  [
    'RO',
    'exists hexists hlen hstrlen llen memory|usage object|encoding object|freq ' +
      'object|idletime object|refcount scard sismember strlen touch type watch xlen zcard',
  ],
  [
    'RW update',
    'expire expireat geoadd hmset hset lset persist pexpire pexpireat setrange xack xadd ' +
      'xclaim xgroup|setid xsetid zadd',
  ],
  [
    'RW delete',
    'hdel lrem ltrim srem xautoclaim xdel xgroup|delconsumer xgroup|destroy xtrim zrem ' +
      'zremrangebylex zremrangebyrank zremrangebyscore',
  ],
  ['OW update', 'mset psetex restore restore-asking setex'],
  ['OW insert', 'msetnx setnx'],
  ['RW access', 'pfcount pfdebug'],
  ['RW access update variable_flags', 'set'],
  ['not_key', 'spublish ssubscribe sunsubscribe'],
];

/** Commands with several specifications, or with keys that are counted or named by a word. */
// biome-ignore format: a table, one command a row
const wholeSpecs: ReadonlyMap<string, string> = new Map([
  ['bitop', 'OW update @2 r0,1,0 | RO access @3 r-1,1,0'],
  ['blmove', 'RW access delete @1 r0,1,0 | RW insert @2 r0,1,0'],
  ['blmpop', 'RW access delete @2 n0,1,1'],
  ['brpoplpush', 'RW access delete @1 r0,1,0 | RW insert @2 r0,1,0'],
  ['bzmpop', 'RW access delete @2 n0,1,1'],
  ['copy', 'RO access @1 r0,1,0 | OW update @2 r0,1,0'],
  ['eval', 'RW access update @2 n0,1,1'],
  ['eval_ro', 'RO access @2 n0,1,1'],
  ['evalsha', 'RW access update @2 n0,1,1'],
  ['evalsha_ro', 'RO access @2 n0,1,1'],
  ['fcall', 'RW access update @2 n0,1,1'],
  ['fcall_ro', 'RO access @2 n0,1,1'],
  ['georadius', 'RO access @1 r0,1,0 | OW update ?STORE,6 r0,1,0 | OW update ?STOREDIST,6 r0,1,0'],
  ['georadiusbymember', 'RO access @1 r0,1,0 | OW update ?STORE,5 r0,1,0 | OW update ?STOREDIST,5 r0,1,0'],
  ['geosearchstore', 'OW update @1 r0,1,0 | RO access @2 r0,1,0'],
  ['lmove', 'RW access delete @1 r0,1,0 | RW insert @2 r0,1,0'],
  ['lmpop', 'RW access delete @1 n0,1,1'],
  ['migrate', 'RW access delete @3 r0,1,0 | RW access delete incomplete ?KEYS,-2 r-1,1,0'],
  ['pfmerge', 'RW access insert @1 r0,1,0 | RO access @2 r-1,1,0'],
  ['rename', 'RW access delete @1 r0,1,0 | OW update @2 r0,1,0'],
  ['renamenx', 'RW access delete @1 r0,1,0 | OW insert @2 r0,1,0'],
  ['rpoplpush', 'RW access delete @1 r0,1,0 | RW insert @2 r0,1,0'],
  ['sdiffstore', 'OW update @1 r0,1,0 | RO access @2 r-1,1,0'],
  ['sintercard', 'RO access @1 n0,1,1'],
  ['sinterstore', 'OW update @1 r0,1,0 | RO access @2 r-1,1,0'],
  ['smove', 'RW access delete @1 r0,1,0 | RW insert @2 r0,1,0'],
  ['sort', 'RO access @1 r0,1,0 | RO access * * | OW update * *'],
  ['sort_ro', 'RO access @1 r0,1,0 | RO access * *'],
  ['sunionstore', 'OW update @1 r0,1,0 | RO access @2 r-1,1,0'],
  ['xread', 'RO access ?STREAMS,1 r-1,1,2'],
  ['xreadgroup', 'RO access ?STREAMS,4 r-1,1,2'],
  ['zdiff', 'RO access @1 n0,1,1'],
  ['zdiffstore', 'OW update @1 r0,1,0 | RO access @2 n0,1,1'],
  ['zinter', 'RO access @1 n0,1,1'],
  ['zintercard', 'RO access @1 n0,1,1'],
  ['zinterstore', 'OW update @1 r0,1,0 | RO access @2 n0,1,1'],
  ['zmpop', 'RW access delete @1 n0,1,1'],
  ['zrangestore', 'OW update @1 r0,1,0 | RO access @2 r0,1,0'],
  ['zunion', 'RO access @1 n0,1,1'],
  ['zunionstore', 'OW update @1 r0,1,0 | RO access @2 n0,1,1'],
]);

const flagsByName: ReadonlyMap<string, string> = new Map(
  flagsOfNames.flatMap(([flags, names]) => names.split(' ').map((name) => [name, flags] as const)),
);

/** The specifications of a command, in the order of its words. */
export function keySpecs(entry: CommandEntry): readonly KeySpec[] {
  const whole = wholeSpecs.get(entry.name);
  if (whole !== undefined) return whole.split(' | ').map(parseSpec);
  if (entry.firstKey === 0 || (entry.flags & MOVABLE_KEYS) !== 0) return [];
  const readOnly = (entry.flags & READONLY) !== 0;
  const flags = flagsByName.get(entry.name) ?? (readOnly ? 'RO access' : 'RW update');
  const last = entry.lastKey < 0 ? entry.lastKey : entry.lastKey - entry.firstKey;
  return [
    {
      flags: flags.split(' '),
      begin: { type: 'index', index: entry.firstKey },
      find: { type: 'range', last, step: entry.keyStep, limit: 0 },
    },
  ];
}

function parseSpec(text: string): KeySpec {
  const words = text.split(' ');
  return {
    flags: words.slice(0, -2),
    begin: parseBegin(words.at(-2) ?? ''),
    find: parseFind(words.at(-1) ?? ''),
  };
}

function parseBegin(text: string): BeginSearch {
  if (text.startsWith('@')) return { type: 'index', index: Number(text.slice(1)) };
  if (!text.startsWith('?')) return { type: 'unknown' };
  const [keyword = '', from] = text.slice(1).split(',');
  return { type: 'keyword', keyword, from: Number(from) };
}

function parseFind(text: string): FindKeys {
  const [first = 0, second = 0, third = 0] = text.slice(1).split(',').map(Number);
  if (text.startsWith('r')) return { type: 'range', last: first, step: second, limit: third };
  if (text.startsWith('n')) return { type: 'keynum', countAt: first, first: second, step: third };
  return { type: 'unknown' };
}
