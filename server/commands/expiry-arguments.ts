/** Expiry options that SET, GETEX and EXPIRE share: EX, PX, EXAT, PXAT with their checks. */
import type { Call } from './call.ts';
import { invalidExpire, NOT_INTEGER } from './errors.ts';

export interface ExpiryUnit {
  readonly seconds: boolean;
  readonly relative: boolean;
}

export const EX: ExpiryUnit = { seconds: true, relative: true };
export const PX: ExpiryUnit = { seconds: false, relative: true };
export const EXAT: ExpiryUnit = { seconds: true, relative: false };
export const PXAT: ExpiryUnit = { seconds: false, relative: false };

/** Below this a time in ms is exact as a number, the clock added. */
const EXACT_MAX = Number.MAX_SAFE_INTEGER / 1000 - 1e13;
const INT64_MIN = -(1n << 63n);
const INT64_MAX = (1n << 63n) - 1n;

/**
 * A time that `readExpiresAt` returned as other servers read it: rounding may have lifted it out of 64 bits.
 */
export function expiryText(expiresAtMs: number): string {
  const value = BigInt(expiresAtMs);
  return (value > INT64_MAX ? INT64_MAX : value).toString();
}

/** The unit that a word names, undefined when it is none. */
export function expiryUnit(call: Call, index: number): ExpiryUnit | undefined {
  if (call.is(index, 'EX')) return EX;
  if (call.is(index, 'PX')) return PX;
  if (call.is(index, 'EXAT')) return EXAT;
  if (call.is(index, 'PXAT')) return PXAT;
  return undefined;
}

/**
 * Reads word `index` as a time and returns unix ms; times more than 285,000 years away are rounded to what a
 * double holds. Not an integer, not positive (when `positive`) or outside of 64 bits: answers the error and
 * returns NaN.
 */
export function readExpiresAt(call: Call, index: number, unit: ExpiryUnit, positive: boolean): number {
  const nowMs = unit.relative ? call.context.keyspace.nowMs : 0;
  const short = call.integer(index);
  if (short > (positive ? 0 : -EXACT_MAX) && short < EXACT_MAX) {
    return short * (unit.seconds ? 1000 : 1) + nowMs;
  }
  const value = call.integer64(index);
  if (value === null) {
    call.reply.error(NOT_INTEGER);
    return Number.NaN;
  }
  const ms = unit.seconds ? value * 1000n : value;
  const expiresAtMs = ms + BigInt(nowMs);
  if ((positive && value <= 0n) || ms < INT64_MIN || ms > INT64_MAX || expiresAtMs > INT64_MAX) {
    call.reply.error(invalidExpire(call.entry.name));
    return Number.NaN;
  }
  return Number(expiresAtMs);
}
