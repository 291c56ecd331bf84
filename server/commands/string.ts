/** String commands: one byte sequence a key. */
import { KEEP_EXPIRY, NO_EXPIRY } from '../keyspace/database.ts';
import { KEY_BYTES_MAX, TYPE_STRING } from '../structures/record.ts';
import { type Call, fitsInt64, parseInteger, parseInteger64 } from './call.ts';
import * as errors from './errors.ts';
import { type ExpiryUnit, expiryUnit, readExpiresAt } from './expiry-arguments.ts';
import { ALL_KEYS, DENYOOM, FAST, ONE_KEY, PAIR_KEYS, READONLY, type Row, WRITE } from './row.ts';

// biome-ignore format: a table, one command a row
export const stringCommands: readonly Row[] = [
  // name        arity flags                   keys       since    run       summary
  ['APPEND',     3,    WRITE | DENYOOM | FAST, ONE_KEY,   '2.0.0', append,   'Appends a string to the value of a key. Creates the key if it doesn\'t exist.'],
  ['DECR',       2,    WRITE | DENYOOM | FAST, ONE_KEY,   '1.0.0', decr,     'Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn\'t exist.'],
  ['DECRBY',     3,    WRITE | DENYOOM | FAST, ONE_KEY,   '1.0.0', decrby,   'Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn\'t exist.'],
  ['GET',        2,    READONLY | FAST,        ONE_KEY,   '1.0.0', get,      'Returns the string value of a key.'],
  ['GETDEL',     2,    WRITE | FAST,           ONE_KEY,   '6.2.0', getdel,   'Returns the string value of a key after deleting the key.'],
  ['GETEX',      -2,   WRITE | FAST,           ONE_KEY,   '6.2.0', getex,    'Returns the string value of a key after setting its expiration time.'],
  ['GETRANGE',   4,    READONLY,               ONE_KEY,   '2.4.0', getrange, 'Returns a substring of the string stored at a key.'],
  ['GETSET',     3,    WRITE | DENYOOM | FAST, ONE_KEY,   '1.0.0', getset,   'Returns the previous string value of a key after setting it to a new value.'],
  ['INCR',       2,    WRITE | DENYOOM | FAST, ONE_KEY,   '1.0.0', incr,     'Increments the integer value of a key by one. Uses 0 as initial value if the key doesn\'t exist.'],
  ['INCRBY',     3,    WRITE | DENYOOM | FAST, ONE_KEY,   '1.0.0', incrby,   'Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn\'t exist.'],
  ['MGET',       -2,   READONLY | FAST,        ALL_KEYS,  '1.0.0', mget,     'Atomically returns the string values of one or more keys.'],
  ['MSET',       -3,   WRITE | DENYOOM,        PAIR_KEYS, '1.0.1', mset,     'Atomically creates or modifies the string values of one or more keys.'],
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
  if (ref < 0) return;
  const addedStart = call.argStart[2];
  const added = call.argLength[2];
  if (ref === 0) {
    if (!setPlain(call, 1, 2, NO_EXPIRY)) return;
    call.reply.integer(added);
    return;
  }
  const records = call.context.keyspace.records;
  const length = records.valueLength(ref);
  if (!checkLength(call, length + added)) return;
  const next = call.database.resizeString(ref, length + added);
  records.writeValue(next, length, call.bytes, addedStart, addedStart + added);
  call.reply.integer(length + added);
}

function decr(call: Call): void {
  addInteger(call, -1, -1n);
}

function decrby(call: Call): void {
  const amount = call.integer64(2);
  if (amount === null) call.reply.error(errors.NOT_INTEGER);
  else if (amount === -(1n << 63n)) call.reply.error('ERR decrement would overflow');
  else addInteger(call, -Number(amount), -amount);
}

function get(call: Call): void {
  const ref = call.database.read(call.bytes, call.argStart[1], call.argLength[1]);
  if (ref === 0) call.reply.nullBulk();
  else writeString(call, ref);
}

function getdel(call: Call): void {
  const ref = findString(call, 1);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.nullBulk();
    return;
  }
  writeString(call, ref);
  call.database.removeFound(ref);
  call.propagateAs(['DEL', call.copy(1)]);
}

function getex(call: Call): void {
  const unit = call.argc === 4 ? expiryUnit(call, 2) : undefined;
  const persist = call.argc === 3 && call.is(2, 'PERSIST');
  if (call.argc > 2 && unit === undefined && !persist) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  const ref = findString(call, 1);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.nullBulk();
    return;
  }
  let expiresAtMs = Number.NaN;
  if (unit !== undefined) {
    expiresAtMs = readExpiresAt(call, 3, unit, true);
    if (Number.isNaN(expiresAtMs)) return;
  }
  writeString(call, ref);
  const key = call.copy(1);
  if (persist) {
    if (!call.context.keyspace.records.expires(ref)) return;
    call.database.setExpiry(ref, NO_EXPIRY);
    call.propagateAs(['PERSIST', key]);
  } else if (expiresAtMs <= call.context.keyspace.nowMs) {
    call.database.removeFound(ref);
    call.propagateAs(['DEL', key]);
  } else if (!Number.isNaN(expiresAtMs)) {
    call.database.setExpiry(ref, expiresAtMs);
    call.propagateAs(['PEXPIREAT', key, String(expiresAtMs)]);
  }
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
  const ref = findString(call, 1, true);
  if (ref < 0) return;
  const records = call.context.keyspace.records;
  const length = ref === 0 ? 0 : records.valueLength(ref);
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

function getset(call: Call): void {
  const ref = findString(call, 1);
  if (ref < 0) return;
  if (ref === 0) call.reply.nullBulk();
  else writeString(call, ref);
  setPlain(call, 1, 2, NO_EXPIRY);
  call.propagateAs(['SET', call.copy(1), call.copy(2)]);
}

function incr(call: Call): void {
  addInteger(call, 1, 1n);
}

function incrby(call: Call): void {
  const amount = call.integer64(2);
  if (amount === null) call.reply.error(errors.NOT_INTEGER);
  else addInteger(call, Number(amount), amount);
}

function mget(call: Call): void {
  call.reply.array(call.argc - 1);
  const records = call.context.keyspace.records;
  for (let index = 1; index < call.argc; index++) {
    const ref = call.database.read(call.bytes, call.argStart[index], call.argLength[index]);
    if (ref === 0 || records.type(ref) !== TYPE_STRING) call.reply.nullBulk();
    else writePart(call, ref, 0, records.valueLength(ref));
  }
}

function mset(call: Call): void {
  if (!checkPairs(call)) return;
  for (let index = 1; index < call.argc; index += 2) setPlain(call, index, index + 1, NO_EXPIRY);
  call.reply.ok();
}

function msetnx(call: Call): void {
  if (!checkPairs(call)) return;
  for (let index = 1; index < call.argc; index += 2) {
    if (call.database.find(call.bytes, call.argStart[index], call.argLength[index]) !== 0) {
      call.reply.integer(0);
      return;
    }
  }
  for (let index = 1; index < call.argc; index += 2) setPlain(call, index, index + 1, NO_EXPIRY);
  call.reply.integer(1);
}

function psetex(call: Call): void {
  setWithExpiry(call, { seconds: false, relative: true });
}

function set(call: Call): void {
  if (call.argc === 3) {
    if (setPlain(call, 1, 2, NO_EXPIRY)) call.reply.ok();
    return;
  }
  setWithOptions(call);
}

function setex(call: Call): void {
  setWithExpiry(call, { seconds: true, relative: true });
}

function setnx(call: Call): void {
  if (call.database.find(call.bytes, call.argStart[1], call.argLength[1]) !== 0) {
    call.reply.integer(0);
    return;
  }
  if (setPlain(call, 1, 2, NO_EXPIRY)) call.reply.integer(1);
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
  const records = call.context.keyspace.records;
  const added = call.argLength[3];
  const length = ref === 0 ? 0 : records.valueLength(ref);
  if (added === 0) {
    call.reply.integer(length);
    return;
  }
  const needed = Math.max(length, offset + added);
  if (!checkLength(call, offset + added)) return;
  let target = ref;
  if (ref === 0) {
    if (!checkKey(call, 1)) return;
    call.database.setString(call.bytes, call.argStart[1], call.argLength[1], NOTHING, 0, 0, NO_EXPIRY);
    target = call.database.find(call.bytes, call.argStart[1], call.argLength[1]);
  }
  target = call.database.resizeString(target, needed);
  records.writeValue(target, offset, call.bytes, call.argStart[3], call.argStart[3] + added);
  call.reply.integer(needed);
}

function strlen(call: Call): void {
  const ref = findString(call, 1, true);
  if (ref < 0) return;
  call.reply.integer(ref === 0 ? 0 : call.context.keyspace.records.valueLength(ref));
}

// --- what the commands share

const NOTHING = Buffer.alloc(0);
const NUMBER = Buffer.alloc(24);

/**
 * The string at word `index`: its record, 0 when there is none, -1 after answering that it is of another
 * type.
 */
function findString(call: Call, index: number, reading = false): number {
  const { database } = call;
  const start = call.argStart[index];
  const length = call.argLength[index];
  const ref = reading ? database.read(call.bytes, start, length) : database.find(call.bytes, start, length);
  if (ref !== 0 && call.context.keyspace.records.type(ref) !== TYPE_STRING) {
    call.reply.error(errors.WRONG_TYPE);
    return -1;
  }
  return ref;
}

function writeString(call: Call, ref: number): void {
  const records = call.context.keyspace.records;
  if (records.type(ref) !== TYPE_STRING) {
    call.reply.error(errors.WRONG_TYPE);
    return;
  }
  if (records.chunked(ref)) writePart(call, ref, 0, records.valueLength(ref));
  else {
    const start = records.valueStart(ref);
    call.reply.bulkRange(records.segment(ref), start, start + records.valueLength(ref));
  }
}

function writePart(call: Call, ref: number, from: number, length: number): void {
  const reply = call.reply;
  reply.bulkHead(length);
  call.context.keyspace.records.copyValue(ref, from, length, reply.buffer, reply.at);
  reply.at += length;
  reply.crlf();
}

/** Sets word `key` to word `value`; false after answering that the key is too long. */
function setPlain(call: Call, key: number, value: number, expiresAtMs: number): boolean {
  if (!checkKey(call, key)) return false;
  call.database.setString(
    call.bytes,
    call.argStart[key],
    call.argLength[key],
    call.bytes,
    call.argStart[value],
    call.argLength[value],
    expiresAtMs,
  );
  return true;
}

function checkKey(call: Call, key: number): boolean {
  if (call.argLength[key] <= KEY_BYTES_MAX) return true;
  call.reply.error(errors.KEY_TOO_LONG);
  return false;
}

function checkPairs(call: Call): boolean {
  if (call.argc % 2 === 0) {
    call.reply.error(errors.wrongArity(call.entry.name));
    return false;
  }
  for (let index = 1; index < call.argc; index += 2) if (!checkKey(call, index)) return false;
  return true;
}

function checkLength(call: Call, length: number): boolean {
  if (length <= call.context.config.values['proto-max-bulk-len']) return true;
  call.reply.error(errors.STRING_TOO_LONG);
  return false;
}

function setWithExpiry(call: Call, unit: ExpiryUnit): void {
  const expiresAtMs = readExpiresAt(call, 2, unit, true);
  if (Number.isNaN(expiresAtMs)) return;
  if (!setPlain(call, 1, 3, expiresAtMs)) return;
  call.propagateAs(['SET', call.copy(1), call.copy(3), 'PXAT', String(expiresAtMs)]);
  call.reply.ok();
}

/** SET with NX, XX, GET, KEEPTTL, EX, PX, EXAT, PXAT. */
function setWithOptions(call: Call): void {
  let condition = '';
  let answersOld = false;
  let expiresAtMs = NO_EXPIRY;
  let timed: ExpiryUnit | undefined;
  let timeIndex = 0;
  for (let index = 3; index < call.argc; index++) {
    const unit = expiryUnit(call, index);
    if (call.is(index, 'NX') && condition !== 'XX') condition = 'NX';
    else if (call.is(index, 'XX') && condition !== 'NX') condition = 'XX';
    else if (call.is(index, 'GET')) answersOld = true;
    else if (call.is(index, 'KEEPTTL') && timed === undefined) expiresAtMs = KEEP_EXPIRY;
    else if (
      unit !== undefined &&
      mayFollow(timed, unit) &&
      expiresAtMs !== KEEP_EXPIRY &&
      index + 1 < call.argc
    ) {
      timed = unit;
      timeIndex = ++index;
    } else {
      call.reply.error(errors.SYNTAX);
      return;
    }
  }
  if (timed !== undefined) {
    expiresAtMs = readExpiresAt(call, timeIndex, timed, true);
    if (Number.isNaN(expiresAtMs)) return;
  }
  const ref = answersOld
    ? findString(call, 1)
    : call.database.find(call.bytes, call.argStart[1], call.argLength[1]);
  if (ref < 0 || !checkKey(call, 1)) return;
  const refused = (condition === 'NX' && ref !== 0) || (condition === 'XX' && ref === 0);
  if (answersOld) {
    if (ref === 0) call.reply.nullBulk();
    else writeString(call, ref);
  } else if (refused) call.reply.nullBulk();
  if (refused) return;
  if (timed !== undefined && expiresAtMs <= call.context.keyspace.nowMs) {
    // A time in the past: the key is gone at once, and replicas are told so.
    call.database.remove(call.bytes, call.argStart[1], call.argLength[1]);
    call.propagateAs(['DEL', call.copy(1)]);
  } else {
    setPlain(call, 1, 2, expiresAtMs);
    if (timed !== undefined)
      call.propagateAs(['SET', call.copy(1), call.copy(2), 'PXAT', String(expiresAtMs)]);
  }
  if (!answersOld) call.reply.ok();
}

/** The same unit may be given again and the last time counts; another one is an error. */
function mayFollow(former: ExpiryUnit | undefined, unit: ExpiryUnit): boolean {
  return former === undefined || (former.seconds === unit.seconds && former.relative === unit.relative);
}

/** Adds to an integer, in 53 bits where they suffice. `amount` and `wide` are the same number. */
function addInteger(call: Call, amount: number, wide: bigint): void {
  const ref = findString(call, 1);
  if (ref < 0) return;
  const records = call.context.keyspace.records;
  let value = 0;
  if (ref !== 0) {
    const length = records.valueLength(ref);
    if (length > 20) {
      call.reply.error(errors.NOT_INTEGER);
      return;
    }
    const start = records.valueStart(ref);
    value = parseInteger(records.segment(ref), start, start + length);
    if (Number.isNaN(value) || !Number.isSafeInteger(amount)) {
      addWide(call, parseInteger64(records.segment(ref), start, start + length), wide);
      return;
    }
  }
  const sum = value + amount;
  if (!Number.isSafeInteger(sum)) {
    addWide(call, BigInt(value), wide);
    return;
  }
  storeNumber(call, String(sum));
  call.reply.integer(sum);
}

function addWide(call: Call, value: bigint | null, amount: bigint): void {
  if (value === null) {
    call.reply.error(errors.NOT_INTEGER);
    return;
  }
  const sum = value + amount;
  if (!fitsInt64(sum)) {
    call.reply.error(errors.OVERFLOW);
    return;
  }
  storeNumber(call, sum.toString());
  call.reply.integer64(sum);
}

function storeNumber(call: Call, text: string): void {
  if (!checkKey(call, 1)) return;
  const length = NUMBER.latin1Write(text, 0);
  call.database.setString(call.bytes, call.argStart[1], call.argLength[1], NUMBER, 0, length, KEEP_EXPIRY);
}
