/**
 * Signed 64-bit integers as two words, without allocation: `high` is a signed 32-bit integer, `low` an
 * unsigned one. `value` is the same number as a double, exact within ±2^53.
 */

export const TWO_32 = 4294967296;
/** Longest decimal text of an int64, the sign included. */
export const INT64_TEXT_MAX = 20;
/** Digits a double holds whatever they are. */
const SAFE_DIGITS = 15;

export class Int64 {
  high = 0;
  low = 0;
  value = 0;

  set(high: number, low: number): void {
    this.high = high | 0;
    this.low = low >>> 0;
    this.value = this.high * TWO_32 + this.low;
  }

  /** `value` within ±2^53. */
  setNumber(value: number): void {
    this.value = value;
    this.high = Math.floor(value / TWO_32) | 0;
    this.low = value >>> 0;
  }

  get safe(): boolean {
    return Number.isSafeInteger(this.value);
  }

  toBigInt(): bigint {
    return BigInt(this.high) * 0x100000000n + BigInt(this.low);
  }
}

/** Reads a canonical decimal (no '+', no leading zero, no "-0"); false when it is none or does not fit. */
export function parseInt64(bytes: Uint8Array, start: number, length: number, into: Int64): boolean {
  if (length === 0 || length > INT64_TEXT_MAX) return false;
  const end = start + length;
  const negative = bytes[start] === 45;
  let at = negative ? start + 1 : start;
  const digits = end - at;
  if (digits === 0 || digits > INT64_TEXT_MAX - 1) return false;
  let value = bytes[at] - 48;
  if (value < 0 || value > 9) return false;
  if (value === 0) {
    if (length !== 1) return false;
    into.setNumber(0);
    return true;
  }
  const safeEnd = digits > SAFE_DIGITS ? at + SAFE_DIGITS : end;
  for (at++; at < safeEnd; at++) {
    const digit = bytes[at] - 48;
    if (digit < 0 || digit > 9) return false;
    value = value * 10 + digit;
  }
  if (at === end) {
    into.setNumber(negative ? -value : value);
    return true;
  }
  return parseWide(bytes, at, end, value, negative, into);
}

function parseWide(
  bytes: Uint8Array,
  at: number,
  end: number,
  leading: number,
  negative: boolean,
  into: Int64,
): boolean {
  let high = Math.floor(leading / TWO_32);
  let low = leading - high * TWO_32;
  for (; at < end; at++) {
    const digit = bytes[at] - 48;
    if (digit < 0 || digit > 9) return false;
    low = low * 10 + digit;
    const carry = Math.floor(low / TWO_32);
    low -= carry * TWO_32;
    high = high * 10 + carry;
  }
  if (high >= 0x80000000 && !(negative && high === 0x80000000 && low === 0)) return false;
  if (!negative) into.set(high, low);
  else into.set(low === 0 ? -high : ~high, low === 0 ? 0 : TWO_32 - low);
  return true;
}

/** Bytes of the decimal text. */
export function int64TextLength(high: number, low: number): number {
  const value = high * TWO_32 + low;
  if (!Number.isSafeInteger(value)) return wideText(high, low).length;
  const magnitude = value < 0 ? -value : value;
  let digits = value < 0 ? 2 : 1;
  for (let limit = 10; magnitude >= limit; limit *= 10) digits++;
  return digits;
}

/** Writes the decimal text at `at`, which has room for INT64_TEXT_MAX bytes; returns where it ends. */
export function writeInt64Text(high: number, low: number, target: Uint8Array, at: number): number {
  const value = high * TWO_32 + low;
  if (!Number.isSafeInteger(value)) {
    const text = wideText(high, low);
    for (let index = 0; index < text.length; index++) target[at++] = text.charCodeAt(index);
    return at;
  }
  const end = at + int64TextLength(high, low);
  if (value < 0) target[at] = 45;
  let rest = value < 0 ? -value : value;
  let to = end;
  while (rest > 0x7fffffff) {
    const quotient = Math.floor(rest / 10);
    target[--to] = 48 + rest - quotient * 10;
    rest = quotient;
  }
  do {
    const quotient = (rest / 10) | 0;
    target[--to] = 48 + rest - quotient * 10;
    rest = quotient;
  } while (rest !== 0);
  return end;
}

function wideText(high: number, low: number): string {
  return (BigInt(high) * 0x100000000n + BigInt(low)).toString();
}

/** Negative, zero or positive as first < second, equal, greater. */
export function compareInt64(
  firstHigh: number,
  firstLow: number,
  secondHigh: number,
  secondLow: number,
): number {
  if (firstHigh !== secondHigh) return firstHigh - secondHigh;
  return firstLow - secondLow;
}
