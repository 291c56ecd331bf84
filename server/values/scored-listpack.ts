/**
 * A small sorted set as one listpack: member, score, member, score … in the order (score, member bytes).
 * Integral scores are integer entries, the others their shortest text, as in Redis. A place is that of a
 * member.
 */
import type { Arena } from '../structures/arena.ts';
import { formatDouble, parseDouble } from '../structures/double.ts';
import * as listpack from '../structures/listpack.ts';
import { ListpackBlocks } from '../structures/listpack-block.ts';

/** Integral scores up to this are integer entries. */
const INTEGER_SCORE_MAX = 2 ** 62;

const SCORE_TEXT = Buffer.alloc(40);

export class ScoredListpack {
  readonly blocks: ListpackBlocks;
  readonly #entry = new listpack.ListpackEntry();
  readonly #digits = Buffer.alloc(24);
  /** The member that `readMember` read. */
  bytes: Uint8Array = this.#digits;
  start = 0;
  length = 0;

  constructor(arena: Arena) {
    this.blocks = new ListpackBlocks(arena);
  }

  count(ref: number): number {
    return this.blocks.count(ref) >>> 1;
  }

  /** Place of the member, 0 when it is not there. */
  find(ref: number, member: Uint8Array, start: number, length: number): number {
    return this.blocks.find(ref, member, start, length, 1);
  }

  /** Score of the member at `at`. */
  scoreAt(ref: number, at: number): number {
    return this.#readScore(ref, this.blocks.next(ref, at));
  }

  #readScore(ref: number, at: number): number {
    const entry = this.#entry;
    const bytes = this.blocks.segment(ref);
    listpack.read(bytes, this.blocks.start(ref), at, entry);
    return entry.isInteger ? entry.value : parseDouble(bytes, entry.start, entry.length);
  }

  /**
   * Reads the member at `at` into bytes, start and length: valid until the listpack or this reader is used.
   */
  readMember(ref: number, at: number): void {
    const entry = this.#entry;
    this.blocks.read(ref, at, entry);
    if (entry.isInteger) {
      this.bytes = this.#digits;
      this.start = 0;
      this.length = entry.writeText(this.#digits, this.#digits, 0);
    } else {
      this.bytes = this.blocks.segment(ref);
      this.start = entry.start;
      this.length = entry.length;
    }
  }

  /** Place of the member of this rank, 0 behind the last. */
  seek(ref: number, rank: number): number {
    return this.blocks.seek(ref, rank * 2);
  }

  /** Place of the next member, 0 at the end. */
  next(ref: number, at: number): number {
    return this.blocks.next(ref, this.blocks.next(ref, at));
  }

  /** Place of the member before, 0 at the start. */
  previous(ref: number, at: number): number {
    const score = this.blocks.previous(ref, at);
    return score === 0 ? 0 : this.blocks.previous(ref, score);
  }

  rankAt(ref: number, at: number): number {
    let rank = 0;
    for (let place = this.blocks.first(ref); place !== at; place = this.next(ref, place)) rank++;
    return rank;
  }

  /** Members with a score below `score`, or of at most that when `inclusive`. */
  countBelowScore(ref: number, score: number, inclusive: boolean): number {
    let rank = 0;
    for (let at = this.blocks.first(ref); at !== 0; at = this.next(ref, at)) {
      const own = this.scoreAt(ref, at);
      if (inclusive ? own > score : own >= score) return rank;
      rank++;
    }
    return rank;
  }

  /** Members below the given one, or up to it when `inclusive`; all scores are taken for equal. */
  countBelowMember(
    ref: number,
    member: Uint8Array,
    start: number,
    length: number,
    inclusive: boolean,
  ): number {
    let rank = 0;
    for (let at = this.blocks.first(ref); at !== 0; at = this.next(ref, at)) {
      const order = this.#compareMember(ref, at, member, start, length);
      if (inclusive ? order > 0 : order >= 0) return rank;
      rank++;
    }
    return rank;
  }

  /** Adds a member that is not there; it must not lie in this listpack. Returns the ref from then on. */
  insert(ref: number, member: Uint8Array, start: number, length: number, score: number): number {
    const at = this.#placeFor(ref, member, start, length, score);
    return this.#insertAt(ref, at === 0 ? this.blocks.bytes(ref) - 1 : at, member, start, length, score);
  }

  /** Adds a member behind all others, where it belongs; otherwise like `insert`. */
  append(ref: number, member: Uint8Array, start: number, length: number, score: number): number {
    return this.#insertAt(ref, this.blocks.bytes(ref) - 1, member, start, length, score);
  }

  #insertAt(
    ref: number,
    at: number,
    member: Uint8Array,
    start: number,
    length: number,
    score: number,
  ): number {
    const { blocks } = this;
    ref = blocks.insert(ref, at, member, start, length);
    const scoreAt = at + blocks.entryBytes(ref, at);
    if (Number.isInteger(score) && Math.abs(score) <= INTEGER_SCORE_MAX) {
      return blocks.insertInteger(ref, scoreAt, Math.floor(score / 4294967296) | 0, score >>> 0);
    }
    const text = SCORE_TEXT.latin1Write(formatDouble(score), 0);
    return blocks.insert(ref, scoreAt, SCORE_TEXT, 0, text);
  }

  /** Place of the first member behind the one to add, 0 at the end. */
  #placeFor(ref: number, member: Uint8Array, start: number, length: number, score: number): number {
    for (let at = this.blocks.first(ref); at !== 0; at = this.next(ref, at)) {
      const own = this.scoreAt(ref, at);
      if (own > score) return at;
      if (own === score && this.#compareMember(ref, at, member, start, length) > 0) return at;
    }
    return 0;
  }

  #compareMember(ref: number, at: number, member: Uint8Array, start: number, length: number): number {
    this.readMember(ref, at);
    const shared = Math.min(this.length, length);
    for (let index = 0; index < shared; index++) {
      const difference = this.bytes[this.start + index] - member[start + index];
      if (difference !== 0) return difference;
    }
    return this.length - length;
  }

  /** Deletes `count` members from `at` on; returns the ref from then on. */
  delete(ref: number, at: number, count: number): number {
    return this.blocks.delete(ref, at, count * 2);
  }
}
