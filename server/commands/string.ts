/** String commands: one byte sequence a key. */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_GENERIC, NOTIFY_STRING } from '../keyspace/events.ts';
import { TYPE_STRING } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { expiryText, readExpiresAt } from './expiry-arguments.ts';
import {
  ALL_KEYS,
  DENYOOM,
  FAST,
  MOVABLE_KEYS,
  NO_KEY,
  ONE_KEY,
  PAIR_KEYS,
  READONLY,
  type Row,
  TWO_KEYS,
  WRITE,
} from './row.ts';
import {
  checkKey,
  checkLength,
  digestOf,
  findString,
  growString,
  isOver,
  readString,
  removeKey,
  removeOver,
  storeWord,
  writePart,
  writeString,
} from './string-access.ts';
import { lcs } from './string-lcs.ts';
import { decr, decrby, incr, incrby, incrbyfloat } from './string-number.ts';
import { readStringOptions } from './string-options.ts';
import {
  delex,
  delifeq,
  getset,
  mset,
  msetex,
  msetexKeys,
  msetnx,
  psetex,
  set,
  setex,
  setnx,
} from './string-set.ts';
import { readKeysAhead } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const stringCommands: readonly Row[] = [
  // name        arity flags                   keys       since    run       summary
  ['APPEND',     3,    WRITE | DENYOOM | FAST, ONE_KEY,   '2.0.0', append,   'Appends a string to the value of a key. Creates the key if it doesn\'t exist.'],
  ['DECR',       2,    WRITE | DENYOOM | FAST, ONE_KEY,   '1.0.0', decr,     'Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn\'t exist.'],
  ['DECRBY',     3,    WRITE | DENYOOM | FAST, ONE_KEY,   '1.0.0', decrby,   'Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn\'t exist.'],
  ['DELEX',      -2,   WRITE | FAST,           ONE_KEY,   '8.4.0', delex,    'Deletes a key when its string is, or is not, the given one.'],
  ['DELIFEQ',    3,    WRITE | FAST,           ONE_KEY,   '9.0.0', delifeq,  'Deletes a key when its string is the given one.'],
  ['DIGEST',     2,    READONLY | FAST,        ONE_KEY,   '8.4.0', digest,   'Returns the XXH3 hash of a string value.'],
  ['GET',        2,    READONLY | FAST,        ONE_KEY,   '1.0.0', get,      'Returns the string value of a key.'],
  ['GETDEL',     2,    WRITE | FAST,           ONE_KEY,   '6.2.0', getdel,   'Returns the string value of a key after deleting the key.'],
  ['GETEX',      -2,   WRITE | FAST,           ONE_KEY,   '6.2.0', getex,    'Returns the string value of a key after setting its expiration time.'],
  ['GETRANGE',   4,    READONLY,               ONE_KEY,   '2.4.0', getrange, 'Returns a substring of the string stored at a key.'],
  ['GETSET',     3,    WRITE | DENYOOM | FAST, ONE_KEY,   '1.0.0', getset,   'Returns the previous string value of a key after setting it to a new value.'],
  ['INCR',       2,    WRITE | DENYOOM | FAST, ONE_KEY,   '1.0.0', incr,     'Increments the integer value of a key by one. Uses 0 as initial value if the key doesn\'t exist.'],
  ['INCRBY',     3,    WRITE | DENYOOM | FAST, ONE_KEY,   '1.0.0', incrby,   'Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn\'t exist.'],
  ['INCRBYFLOAT', 3,   WRITE | DENYOOM | FAST, ONE_KEY,   '2.6.0', incrbyfloat, 'Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn\'t exist.'],
  ['LCS',        -3,   READONLY,               TWO_KEYS,  '7.0.0', lcs,      'Finds the longest common substring.'],
  ['MGET',       -2,   READONLY | FAST,        ALL_KEYS,  '1.0.0', mget,     'Atomically returns the string values of one or more keys.', {tips: ['request_policy:multi_shard']}],
  ['MSET',       -3,   WRITE | DENYOOM,        PAIR_KEYS, '1.0.1', mset,     'Atomically creates or modifies the string values of one or more keys.', {tips: ['request_policy:multi_shard', 'response_policy:all_succeeded']}],
  ['MSETEX',     -4,   WRITE | DENYOOM | MOVABLE_KEYS, NO_KEY, '8.4.0', msetex, 'Sets several strings with one expiration time.', {keys: msetexKeys}],
  ['MSETNX',     -3,   WRITE | DENYOOM,        PAIR_KEYS, '1.0.1', msetnx,   'Atomically modifies the string values of one or more keys only when all keys don\'t exist.'],
  ['PSETEX',     4,    WRITE | DENYOOM,        ONE_KEY,   '2.6.0', psetex,   'Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn\'t exist.'],
  ['SET',        -3,   WRITE | DENYOOM,        ONE_KEY,   '1.0.0', set,      'Sets the string value of a key, ignoring its type. The key is created if it doesn\'t exist.'],
  ['SETEX',      4,    WRITE | DENYOOM,        ONE_KEY,   '2.0.0', setex,    'Sets the string value and expiration time of a key. Creates the key if it doesn\'t exist.'],
  ['SETNX',      3,    WRITE | DENYOOM | FAST, ONE_KEY,   '1.0.0', setnx,    'Set the string value of a key only when the key doesn\'t exist.'],
  ['SETRANGE',   4,    WRITE | DENYOOM,        ONE_KEY,   '2.2.0', setrange, 'Overwrites a part of a string value with another by an offset. Creates the key if it doesn\'t exist.'],
  ['STRLEN',     2,    READONLY | FAST,        ONE_KEY,   '2.2.0', strlen,   'Returns the length of a string value.'],
  ['SUBSTR',     4,    READONLY,               ONE_KEY,   '1.0.0', getrange, 'Returns a substring from a string value.'],
];

function append(call: Call): void {
  const ref = findString(call, 1);
  if (ref < 0 || !checkKey(call, 1)) return;
  const added = call.argLength[2];
  let length = added;
  if (ref === 0) storeWord(call, 1, 2, NO_EXPIRY);
  else {
    const { records } = call.context.keyspace;
    const former = records.valueLength(ref);
    length += former;
    if (!checkLength(call, length)) return;
    const next = call.database.resizeString(ref, length);
    records.writeValue(next, former, call.bytes, call.argStart[2], call.argStart[2] + added);
  }
  call.notify(NOTIFY_STRING, 'append', 1);
  call.reply.integer(length);
}

function digest(call: Call): void {
  const ref = readString(call, 1);
  if (ref < 0) return;
  if (ref === 0) call.reply.nullBulk();
  else call.reply.bulkLatin1(digestOf(call, ref));
}

function get(call: Call): void {
  const ref = call.database.read(call.bytes, call.argStart[1], call.argLength[1]);
  if (ref === 0) call.reply.nullBulk();
  else if (call.context.keyspace.records.type(ref) !== TYPE_STRING) call.reply.error(errors.WRONG_TYPE);
  else writeString(call, ref);
}

function getdel(call: Call): void {
  const ref = readString(call, 1);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.nullBulk();
    return;
  }
  writeString(call, ref);
  removeKey(call, 1, ref);
}

function getex(call: Call): void {
  const options = readStringOptions(call, 2, 'get');
  if (options === null) return;
  const ref = readString(call, 1);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.nullBulk();
    return;
  }
  const { unit } = options;
  const expiresAtMs = unit === undefined ? NO_EXPIRY : readExpiresAt(call, options.time, unit, true);
  if (Number.isNaN(expiresAtMs)) return;
  writeString(call, ref);
  if (unit !== undefined) expireRead(call, ref, expiresAtMs);
  else if (options.persists && call.context.keyspace.records.expires(ref)) {
    call.database.setExpiry(ref, NO_EXPIRY);
    call.notify(NOTIFY_GENERIC, 'persist', 1);
    call.propagateAs(['PERSIST', call.copy(1)]);
  }
}

function expireRead(call: Call, ref: number, expiresAtMs: number): void {
  if (isOver(call, expiresAtMs)) {
    removeOver(call, 1);
    return;
  }
  call.database.setExpiry(ref, expiresAtMs);
  call.notify(NOTIFY_GENERIC, 'expire', 1);
  if (!call.context.propagation.active) return;
  call.propagateAs(['PEXPIREAT', call.copy(1), expiryText(expiresAtMs)]);
}

function getrange(call: Call): void {
  const first = call.integer64(2);
  const last = call.integer64(3);
  if (first === null || last === null) {
    call.reply.error(errors.NOT_INTEGER);
    return;
  }
  let start = Number(first);
  let end = Number(last);
  const ref = readString(call, 1);
  if (ref < 0) return;
  const length = ref === 0 ? 0 : call.context.keyspace.records.valueLength(ref);
  const backwards = start < 0 && end < 0 && start > end;
  if (start < 0) start = Math.max(0, length + start);
  if (end < 0) end = Math.max(0, length + end);
  end = Math.min(end, length - 1);
  if (length === 0 || backwards || start > end) {
    call.reply.bulkHead(0);
    call.reply.crlf();
    return;
  }
  writePart(call, ref, start, end - start + 1);
}

function mget(call: Call): void {
  call.reply.array(call.argc - 1);
  const records = call.context.keyspace.records;
  for (let index = 1, ahead = 1; index < call.argc; index++) {
    if (index === ahead) ahead = readKeysAhead(call, index, 1);
    const ref = call.database.read(call.bytes, call.argStart[index], call.argLength[index]);
    if (ref === 0 || records.type(ref) !== TYPE_STRING) call.reply.nullBulk();
    else writeString(call, ref);
  }
}

function setrange(call: Call): void {
  const wide = call.integer64(2);
  if (wide === null) {
    call.reply.error(errors.NOT_INTEGER);
    return;
  }
  const offset = Number(wide);
  if (offset < 0) {
    call.reply.error(errors.OFFSET_OUT_OF_RANGE);
    return;
  }
  const ref = findString(call, 1);
  if (ref < 0) return;
  const { records } = call.context.keyspace;
  const added = call.argLength[3];
  const length = ref === 0 ? 0 : records.valueLength(ref);
  if (added === 0) {
    call.reply.integer(length);
    return;
  }
  if (!checkLength(call, offset + added) || !checkKey(call, 1)) return;
  const needed = Math.max(length, offset + added);
  const target = growString(call, 1, ref, needed);
  records.writeValue(target, offset, call.bytes, call.argStart[3], call.argStart[3] + added);
  call.notify(NOTIFY_STRING, 'setrange', 1);
  call.reply.integer(needed);
}

function strlen(call: Call): void {
  const ref = readString(call, 1);
  if (ref >= 0) call.reply.integer(ref === 0 ? 0 : call.context.keyspace.records.valueLength(ref));
}
