/** Expiry options that SET, GETEX and EXPIRE share: EX, PX, EXAT, PXAT with their checks. */
import type { Call } from './call.ts';
import { invalidExpire, NOT_INTEGER } from './errors.ts';

/**
 * Beyond this a time in ms would not survive arithmetic; Redis' own limit is 2^63, and nobody is born later.
 */
const EXPIRES_AT_MAX = Number.MAX_SAFE_INTEGER;

export interface ExpiryUnit {
  readonly seconds: boolean;
  readonly relative: boolean;
}

/** The unit that a word names, undefined when it is none. */
export function expiryUnit(call: Call, index: number): ExpiryUnit | undefined {
  if (call.is(index, 'EX')) return { seconds: true, relative: true };
  if (call.is(index, 'PX')) return { seconds: false, relative: true };
  if (call.is(index, 'EXAT')) return { seconds: true, relative: false };
  if (call.is(index, 'PXAT')) return { seconds: false, relative: false };
  return undefined;
}

/**
 * Reads word `index` as a time and returns unix ms. Not an integer, not positive (when `positive`) or too far
 * away: answers the error and returns NaN.
 */
export function readExpiresAt(call: Call, index: number, unit: ExpiryUnit, positive: boolean): number {
  const value = call.integer64(index);
  if (value === null) {
    call.reply.error(NOT_INTEGER);
    return Number.NaN;
  }
  let ms = Number(value) * (unit.seconds ? 1000 : 1);
  if (unit.relative) ms += call.context.keyspace.nowMs;
  if ((positive && value <= 0n) || ms > EXPIRES_AT_MAX || ms < -EXPIRES_AT_MAX) {
    call.reply.error(invalidExpire(call.entry.name));
    return Number.NaN;
  }
  return ms;
}
