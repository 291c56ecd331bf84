/** What LMPOP, ZMPOP and their blocking forms read: keys, an end to pop from, how many. */
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { readAtLeast } from './list-arguments.ts';

export interface PopRequest {
  /** Words of the keys. */
  readonly firstKey: number;
  readonly keyCount: number;
  /** From which of the two ends. */
  readonly end: 0 | 1;
  readonly count: number;
}

/**
 * `numkeys key … <end> [COUNT n]` from word `index` on, where `ends` are the words for the two ends; null
 * after an error was answered.
 */
export function readPopRequest(
  call: Call,
  index: number,
  ends: readonly [string, string],
): PopRequest | null {
  const keyCount = readAtLeast(call, index, 1, 'ERR numkeys should be greater than 0');
  if (Number.isNaN(keyCount)) return null;
  const endAt = index + 1 + keyCount;
  const end = endAt < call.argc ? ends.findIndex((word) => call.is(endAt, word)) : -1;
  const counted = call.argc > endAt + 1;
  if (end < 0 || (counted && (call.argc < endAt + 3 || !call.is(endAt + 1, 'COUNT')))) {
    call.reply.error(errors.SYNTAX);
    return null;
  }
  const count = counted ? readAtLeast(call, endAt + 2, 1, 'ERR count should be greater than 0') : 1;
  if (Number.isNaN(count)) return null;
  if (call.argc > endAt + 3) {
    call.reply.error(errors.SYNTAX);
    return null;
  }
  return { firstKey: index + 1, keyCount, end: end === 0 ? 0 : 1, count };
}

/** Fills `call.keyPositions` with the keys behind their number in word `index`; -1 when it is none. */
export function countedKeys(call: Call, index: number): number {
  const count = call.integer(index);
  if (Number.isNaN(count) || count < 1 || index + count >= call.argc) return -1;
  call.reserveKeys(count);
  for (let key = 0; key < count; key++) call.keyPositions[key] = index + 1 + key;
  return count;
}
