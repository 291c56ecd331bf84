/** What list commands read from their words. */
import type { Lists } from '../values/list.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';

const INT64_MIN = -(1n << 63n);

/** The lists of this server. */
export function listsOf(call: Call): Lists {
  return call.context.keyspace.values.lists;
}

/** Word `index` as an integer; NaN after an error was answered. Beyond ±2^53 it is only near. */
export function readLong(call: Call, index: number, error: string = errors.NOT_INTEGER): number {
  const value = call.integer(index);
  if (!Number.isNaN(value)) return value;
  const long = call.integer64(index);
  if (long !== null) return Number(long);
  call.reply.error(error);
  return Number.NaN;
}

/** Where a range of `count` elements begins whose first index may count from their end. */
export function rangeStart(first: number, count: number): number {
  return first < 0 ? Math.max(0, first + count) : first;
}

/** Behind its last element; at most its start when there is none. */
export function rangeEnd(last: number, count: number): number {
  return Math.min(last < 0 ? last + count : last, count - 1) + 1;
}

/** Like `readLong`, refusing the smallest 64-bit integer, whose opposite is none. */
export function readSigned(call: Call, index: number): number {
  if (call.integer64(index) === INT64_MIN) {
    call.reply.error(
      'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807',
    );
    return Number.NaN;
  }
  return readLong(call, index);
}

/** Word `index` as an integer of at least `least`; NaN after the error was answered. */
export function readAtLeast(call: Call, index: number, least: number, error: string): number {
  const value = readLong(call, index, error);
  if (Number.isNaN(value) || value >= least) return value;
  call.reply.error(error);
  return Number.NaN;
}

export const LEFT = 1;
export const RIGHT = 0;
/** The word is neither; the error was answered. */
export const NO_SIDE = -1;

export function readSide(call: Call, index: number): number {
  if (call.is(index, 'LEFT')) return LEFT;
  if (call.is(index, 'RIGHT')) return RIGHT;
  call.reply.error(errors.SYNTAX);
  return NO_SIDE;
}
