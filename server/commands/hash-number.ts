/** HINCRBY and HINCRBYFLOAT. */
import { NOTIFY_HASH } from '../keyspace/events.ts';
import { addLongDouble, formatLongDouble, parseLongDouble } from '../structures/long-double.ts';
import { TYPE_HASH } from '../structures/record.ts';
import { FIELD_WAS_EXPIRED, NO_FIELD_EXPIRY } from '../values/hash.ts';
import { type Call, fitsInt64, parseInteger, parseInteger64 } from './call.ts';
import * as errors from './errors.ts';
import { changedBy, checkFields, createHash, hashesOf, noteExpired } from './hash-access.ts';
import { DENYOOM, FAST, ONE_KEY, type Row, WRITE } from './row.ts';
import { findValue, WRONG } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const hashNumberCommands: readonly Row[] = [
  // name          arity flags                   keys     since    run           summary
  ['HINCRBY',      4,    WRITE | DENYOOM | FAST, ONE_KEY, '2.0.0', hincrby,      'Increments the integer value of a field in a hash by a number. Uses 0 as initial value if the field doesn\'t exist.'],
  ['HINCRBYFLOAT', 4,    WRITE | DENYOOM | FAST, ONE_KEY, '2.6.0', hincrbyfloat, 'Increments the floating point value of a field by a number. Uses 0 as initial value if the field doesn\'t exist.'],
];

const NOT_FLOAT = 'ERR value is not a valid float';
/** No number has a longer text. */
const NUMBER_TEXT_MAX = 5 * 1024;
const text = Buffer.alloc(32);

function hincrby(call: Call): void {
  const amount = call.integer(3);
  const wide = Number.isNaN(amount) ? call.integer64(3) : null;
  if (Number.isNaN(amount) && wide === null) {
    call.reply.error(errors.NOT_INTEGER);
    return;
  }
  const ref = findValue(call, 1, TYPE_HASH);
  if (ref === WRONG || !checkFields(call, 2, 2)) return;
  let value = 0;
  if (ref !== 0 && readField(call, ref)) {
    const { reading } = hashesOf(call);
    const length = reading.valueLength();
    const start = reading.value.start;
    const long = reading.chunked || length > 20;
    value = long ? Number.NaN : parseInteger(reading.value.bytes, start, start + length);
    if (Number.isNaN(value)) {
      const old = long ? null : parseInteger64(reading.value.bytes, start, start + length);
      if (old === null) call.reply.error('ERR hash value is not an integer');
      else addWide(call, ref, old, wide ?? BigInt(amount));
      return;
    }
  }
  const sum = value + amount;
  if (wide !== null || !Number.isSafeInteger(sum)) {
    addWide(call, ref, BigInt(value), wide ?? BigInt(amount));
    return;
  }
  storeInteger(call, ref, String(sum));
  call.reply.integer(sum);
}

function hincrbyfloat(call: Call): void {
  const start = call.argStart[3];
  const amount = parseLongDouble(call.bytes, start, call.argLength[3]);
  if (amount === null) {
    call.reply.error(NOT_FLOAT);
    return;
  }
  if (amount.infinite !== 0) {
    call.reply.error('ERR value is NaN or Infinity');
    return;
  }
  const ref = findValue(call, 1, TYPE_HASH);
  if (ref === WRONG || !checkFields(call, 2, 2)) return;
  let sum: typeof amount | null = amount;
  if (ref !== 0 && readField(call, ref)) {
    const { reading } = hashesOf(call);
    const length = reading.valueLength();
    const from = reading.value.start;
    const long = reading.chunked || length > NUMBER_TEXT_MAX;
    const old = long ? null : parseLongDouble(reading.value.bytes, from, length);
    if (old === null) {
      call.reply.error('ERR hash value is not a float');
      return;
    }
    sum = addLongDouble(old, amount);
  }
  if (sum === null || sum.infinite !== 0) {
    call.reply.error('ERR increment would produce NaN or Infinity');
    return;
  }
  const result = Buffer.from(formatLongDouble(sum), 'latin1');
  const expiresAtMs = storeNumber(call, ref, result, result.length, 'hincrbyfloat');
  propagateSet(call, result, expiresAtMs);
  call.reply.bulk(result);
}

// --- what the commands share

/** Reads the value of the field in word 2 into `hashes.reading`. */
function readField(call: Call, ref: number): boolean {
  const hashes = hashesOf(call);
  return hashes.get(ref, call.bytes, call.argStart[2], call.argLength[2], hashes.reading);
}

function addWide(call: Call, ref: number, value: bigint, amount: bigint): void {
  const sum = value + amount;
  if (!fitsInt64(sum)) {
    call.reply.error(errors.OVERFLOW);
    return;
  }
  storeInteger(call, ref, sum.toString());
  call.reply.integer64(sum);
}

function storeInteger(call: Call, ref: number, digits: string): void {
  const length = text.latin1Write(digits, 0);
  const volatile = ref !== 0 && hashesOf(call).expiring(ref) !== 0;
  const expiresAtMs = storeNumber(call, ref, text, length, 'hincrby');
  // What the field is when the command reaches a replica nobody knows: the result goes, not the sum.
  if (volatile) propagateSet(call, Buffer.from(digits, 'latin1'), expiresAtMs);
}

/**
 * Sets the field in word 2 to number[0, length); its expiry stays. Returns that expiry, NO_FIELD_EXPIRY
 * without one.
 */
function storeNumber(call: Call, found: number, number: Buffer, length: number, event: string): number {
  const hashes = hashesOf(call);
  const start = call.argStart[2];
  const fieldLength = call.argLength[2];
  let ref = found;
  if (ref === 0) ref = createHash(call);
  else call.database.beforeChange(ref);
  const expires = hashes.expiring(ref) !== 0;
  const old = expires ? hashes.fieldExpiry(ref, call.bytes, start, fieldLength) : NO_FIELD_EXPIRY;
  const expiresAtMs = Number.isNaN(old) ? NO_FIELD_EXPIRY : old;
  const answer = hashes.set(ref, call.bytes, start, fieldLength, number, 0, length, expiresAtMs);
  changedBy(call, ref, 1);
  noteExpired(call, answer === FIELD_WAS_EXPIRED ? 1 : 0);
  call.notify(NOTIFY_HASH, event, 1);
  return expiresAtMs;
}

function propagateSet(call: Call, value: Buffer, expiresAtMs: number): void {
  const key = call.copy(1);
  const field = call.copy(2);
  if (expiresAtMs < 0) call.propagateAs(['HSET', key, field, value]);
  else call.propagateAs(['HSETEX', key, 'PXAT', String(expiresAtMs), 'FIELDS', '1', field, value]);
}
