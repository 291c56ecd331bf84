/**
 * What a command does with each of its keys: reads its value, writes it, or only asks whether it is there.
 */
import { KEY_READ, KEY_WRITE } from '../acl/acl-selector.ts';
import type { Call } from './call.ts';
import type { CommandEntry } from './command-table.ts';
import { WRITE } from './row.ts';

const R = KEY_READ;
const W = KEY_WRITE;
const RW = KEY_READ | KEY_WRITE;
const NAMED = 0;

/** The access to the first key, and to all others. */
type Access = readonly [first: number, others: number];

const WRITES: Access = [W, W];
const ASKS: Access = [NAMED, NAMED];
/** Keys are read and the first one is written. */
const STORES: Access = [W, R];
/** The first key is read and the others are written. */
const READS_FIRST: Access = [R, W];
/** Something is taken from the first key and put into the second. */
const MOVES: Access = [RW, W];

const names = (text: string, access: Access): [string, Access][] =>
  text.split(' ').map((name) => [name, access]);

/** Commands that do otherwise than `R` for one that reads and `RW` for one that writes. */
const accessByName: ReadonlyMap<string, Access> = new Map([
  ...names('append setex psetex setnx setrange mset msetnx msetex del unlink delifeq delex', WRITES),
  ...names('expire pexpire expireat pexpireat persist restore restore-asking', WRITES),
  ...names('hset hmset hsetnx hdel hexpire hpexpire hexpireat hpexpireat hpersist hsetex', WRITES),
  ...names('linsert lpush lpushx rpush rpushx lrem lset ltrim sadd srem geoadd pfadd', WRITES),
  ...names('zadd zrem zremrangebylex zremrangebyrank zremrangebyscore', WRITES),
  ...names('xack xadd xautoclaim xclaim xdel xsetid xtrim xgroup|create xgroup|createconsumer', WRITES),
  ...names('xgroup|delconsumer xgroup|destroy xgroup|setid', WRITES),
  ...names('exists touch type watch hexists hlen hstrlen llen scard sismember strlen xlen zcard', ASKS),
  ...names('memory|usage object|encoding object|freq object|idletime object|refcount', ASKS),
  ...names('bitop geosearchstore sdiffstore sinterstore sunionstore', STORES),
  ...names('zdiffstore zinterstore zunionstore zrangestore', STORES),
  ...names('copy sort georadius georadiusbymember', READS_FIRST),
  ...names('lmove blmove rpoplpush brpoplpush rename renamenx smove', MOVES),
  ['pfmerge', [RW, R]],
  ['pfdebug', [R, R]],
  ['xreadgroup', [R, R]],
  ['eval', [RW, RW]],
  ['evalsha', [RW, RW]],
  ['fcall', [RW, RW]],
]);

/** Words that look like keys for routing, but name channels. */
export const channelsAsKeys: ReadonlySet<string> = new Set(['spublish', 'ssubscribe', 'sunsubscribe']);

/** KEY_READ, KEY_WRITE, both or 0 for key `index` of a call. */
export function keyAccess(call: Call, entry: CommandEntry, index: number): number {
  if (entry.name === 'set') return hasWord(call, 3, 'GET') ? RW : W;
  if (entry.name === 'bitfield') return onlyGets(call) ? R : RW;
  const access = accessByName.get(entry.name);
  if (access !== undefined) return access[index === 0 ? 0 : 1];
  return (entry.flags & WRITE) !== 0 ? RW : R;
}

function hasWord(call: Call, first: number, word: string): boolean {
  for (let index = first; index < call.argc; index++) if (call.is(index, word)) return true;
  return false;
}

/** `BITFIELD key GET type offset GET …` */
function onlyGets(call: Call): boolean {
  for (let index = 2; index < call.argc; index += 3) if (!call.is(index, 'GET')) return false;
  return true;
}
