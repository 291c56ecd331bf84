/** Strings as numbers: INCR and its relatives. */
import { NOTIFY_STRING } from '../keyspace/events.ts';
import { writeDecimal } from '../structures/decimal.ts';
import {
  addLongDouble,
  formatLongDouble,
  type LongDouble,
  parseLongDouble,
} from '../structures/long-double.ts';
import { ENCODING_AUTO, ENCODING_TEXT } from '../structures/record.ts';
import { type Call, fitsInt64, parseInteger, parseInteger64 } from './call.ts';
import * as errors from './errors.ts';
import { checkKey, copyString, findString, storeBytes } from './string-access.ts';
import { touched } from './value-access.ts';

const NUMBER = Buffer.alloc(24);
const ZERO: LongDouble = { mantissa: 0n, exponent: 0, infinite: 0 };
const NO_NUMBER = 'ERR increment would produce NaN or Infinity';
/** Longer text is no number whatever stands in it. */
const FLOAT_TEXT_MAX = 8192;

export function decr(call: Call): void {
  addInteger(call, -1, -1n);
}

export function decrby(call: Call): void {
  const amount = call.integer64(2);
  if (amount === null) call.reply.error(errors.NOT_INTEGER);
  else if (amount === -(1n << 63n)) call.reply.error('ERR decrement would overflow');
  else addInteger(call, -Number(amount), -amount);
}

export function incr(call: Call): void {
  addInteger(call, 1, 1n);
}

export function incrby(call: Call): void {
  const short = call.integer(2);
  if (!Number.isNaN(short)) {
    addInteger(call, short, null);
    return;
  }
  const amount = call.integer64(2);
  if (amount === null) call.reply.error(errors.NOT_INTEGER);
  else addInteger(call, Number(amount), amount);
}

export function incrbyfloat(call: Call): void {
  const ref = findString(call, 1);
  if (ref < 0 || !checkKey(call, 1)) return;
  const value = ref === 0 ? ZERO : storedFloat(call, ref);
  const amount = value === null ? null : parseLongDouble(call.bytes, call.argStart[2], call.argLength[2]);
  if (value === null || amount === null) {
    call.reply.error(errors.NOT_FLOAT);
    return;
  }
  const sum = addLongDouble(value, amount);
  if (sum === null || sum.infinite !== 0) {
    call.reply.error(NO_NUMBER);
    return;
  }
  const text = Buffer.from(formatLongDouble(sum), 'latin1');
  storeBytes(call, 1, text, text.length, ENCODING_TEXT);
  call.notify(NOTIFY_STRING, 'incrbyfloat', 1);
  call.propagateAs(['SET', call.copy(1), text, 'KEEPTTL']);
  call.reply.bulk(text);
}

// --- what the commands share

function storedFloat(call: Call, ref: number): LongDouble | null {
  if (call.context.keyspace.records.valueLength(ref) > FLOAT_TEXT_MAX) return null;
  const text = copyString(call, ref);
  return parseLongDouble(text, 0, text.length);
}

/**
 * Adds to an integer, in 53 bits where they suffice. `amount` and `wide` are the same number; null when
 * `amount` is exact.
 */
function addInteger(call: Call, amount: number, wide: bigint | null): void {
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
    if (Number.isNaN(value)) {
      addWide(call, parseInteger64(records.segment(ref), start, start + length), wide ?? BigInt(amount));
      return;
    }
  }
  const sum = value + amount;
  if (!Number.isSafeInteger(amount) || !Number.isSafeInteger(sum)) {
    addWide(call, BigInt(value), wide ?? BigInt(amount));
    return;
  }
  if (!storeNumber(call, ref, printNumber(sum))) return;
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
  if (storeNumber(call, 0, NUMBER.latin1Write(sum.toString(), 0))) call.reply.integer64(sum);
}

/** Writes an integer of at most 53 bits to the begin of NUMBER; returns its length. */
function printNumber(value: number): number {
  if (value >= 0) return writeDecimal(NUMBER, 0, value);
  NUMBER[0] = 45;
  return writeDecimal(NUMBER, 1, -value);
}

/** Stores NUMBER's first bytes; `ref`: the key's record that was just found, 0 to look for it. */
function storeNumber(call: Call, ref: number, length: number): boolean {
  if (ref !== 0 && call.database.overwriteString(ref, NUMBER, length, ENCODING_AUTO)) touched(call, 1);
  else {
    if (!checkKey(call, 1)) return false;
    storeBytes(call, 1, NUMBER, length, ENCODING_AUTO);
  }
  call.notify(NOTIFY_STRING, 'incrby', 1);
  return true;
}
