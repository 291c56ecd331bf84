/**
 * Ranges of sorted sets as commands name them, by score, by member or by rank; each becomes a range of ranks.
 */
import { parseRangeDouble } from '../structures/double.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { readLong } from './list-arguments.ts';
import { BAD_LEX_RANGE, BAD_RANGE } from './sorted-set-access.ts';

export const BY_RANK = 0;
export const BY_SCORE = 1;
export const BY_MEMBER = 2;

const MINUS = 45;
const PLUS = 43;
const OPEN = 40;
const CLOSED = 91;

/** One end of a range. */
class Bound {
  exclusive = false;
  score = 0;
  /** -1: below all members, 1: above all, 0: the member in bytes[start, start + length). */
  side = 0;
  start = 0;
  length = 0;
}

/** A range that was read, and the ranks that it covers in a sorted set: `from` … `to` - 1. Reused. */
export class Interval {
  kind = BY_RANK;
  from = 0;
  to = 0;
  readonly #low = new Bound();
  readonly #high = new Bound();
  #first = 0;
  #last = 0;

  /** Reads the ends in words `low` and `high`; false after an error was answered. */
  read(call: Call, kind: number, low: number, high: number): boolean {
    this.kind = kind;
    if (kind === BY_RANK) {
      this.#first = readLong(call, low);
      if (Number.isNaN(this.#first)) return false;
      this.#last = readLong(call, high);
      return !Number.isNaN(this.#last);
    }
    const good =
      kind === BY_SCORE
        ? readScore(call, low, this.#low) && readScore(call, high, this.#high)
        : readMember(call, low, this.#low) && readMember(call, high, this.#high);
    if (!good) call.reply.error(kind === BY_SCORE ? BAD_RANGE : BAD_LEX_RANGE);
    return good;
  }

  /** Sets `from` and `to`; ranks that were read count from the other end when `reverse`. */
  resolve(call: Call, body: SortedSetBody, reverse: boolean): void {
    const count = body.count;
    if (this.kind === BY_RANK) {
      const first = Math.max(0, this.#first < 0 ? count + this.#first : this.#first);
      const last = Math.min(count - 1, this.#last < 0 ? count + this.#last : this.#last);
      this.from = reverse ? count - 1 - last : first;
      this.to = reverse ? count - first : last + 1;
    } else if (this.kind === BY_SCORE) {
      this.from = body.countBelowScore(this.#low.score, this.#low.exclusive);
      this.to = body.countBelowScore(this.#high.score, !this.#high.exclusive);
    } else {
      this.from = memberRank(call, body, this.#low, this.#low.exclusive);
      this.to = memberRank(call, body, this.#high, !this.#high.exclusive);
    }
    if (this.to < this.from || this.from > count) this.to = this.from;
  }

  /** Leaves `limit` (negative: all) ranks behind the first `offset`; a negative offset leaves none. */
  limit(offset: number, limit: number, reverse: boolean): void {
    const found = this.to - this.from;
    const skipped = offset < 0 ? found : Math.min(offset, found);
    const kept = limit < 0 ? found - skipped : Math.min(limit, found - skipped);
    if (reverse) {
      this.to -= skipped;
      this.from = this.to - kept;
    } else {
      this.from += skipped;
      this.to = this.from + kept;
    }
  }
}

function readScore(call: Call, index: number, bound: Bound): boolean {
  const start = call.argStart[index];
  const length = call.argLength[index];
  bound.exclusive = length > 0 && call.bytes[start] === OPEN;
  const skipped = bound.exclusive ? 1 : 0;
  bound.score = parseRangeDouble(call.bytes, start + skipped, length - skipped);
  return !Number.isNaN(bound.score);
}

function readMember(call: Call, index: number, bound: Bound): boolean {
  const length = call.argLength[index];
  if (length === 0) return false;
  const start = call.argStart[index];
  const first = call.bytes[start];
  bound.exclusive = first === OPEN;
  bound.start = start + 1;
  bound.length = length - 1;
  bound.side = 0;
  if (first === OPEN || first === CLOSED) return true;
  if (length !== 1 || (first !== PLUS && first !== MINUS)) return false;
  bound.side = first === PLUS ? 1 : -1;
  return true;
}

function memberRank(call: Call, body: SortedSetBody, bound: Bound, inclusive: boolean): number {
  if (bound.side !== 0) return bound.side < 0 ? 0 : body.count;
  return body.countBelowMember(call.bytes, bound.start, bound.length, inclusive);
}

/** `LIMIT offset count` in words `index` and following into `into`; false after an error was answered. */
export function readLimit(call: Call, index: number, into: { offset: number; limit: number }): boolean {
  into.offset = readLong(call, index + 1, errors.NOT_INTEGER);
  if (Number.isNaN(into.offset)) return false;
  into.limit = readLong(call, index + 2, errors.NOT_INTEGER);
  return !Number.isNaN(into.limit);
}
