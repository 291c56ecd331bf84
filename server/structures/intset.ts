/**
 * Intset: a sorted array of distinct integers, byte-identical to Redis', in one block of the arena.
 *
 *   | encoding u32: 2, 4 or 8 bytes an integer | count u32 | integers, ascending, little endian |
 *
 * The encoding widens when an integer needs it and never narrows. Changes return the ref that is valid from
 * then on. Cost: search O(log n), add and remove O(n) bytes moved.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { compareInt64, Int64, TWO_32 } from './int64.ts';
import { copyBytes } from './record.ts';

export const INTSET_HEADER_BYTES = 8;
const HEADER_WORDS = 2;
/** Free bytes below which a block is never worth to be moved to a smaller one. */
const SPARE_BYTES_MIN = 64;

function encodingOf(high: number, low: number): number {
  const value = high * TWO_32 + low;
  if (value >= -32768 && value <= 32767) return 2;
  return value >= -2147483648 && value <= 2147483647 ? 4 : 8;
}

export class Intsets {
  readonly arena: Arena;
  readonly #words: Uint32Array[];
  /** Where `search` ended: the integer's place, or where it would stand. */
  #place = 0;
  readonly #moving = new Int64();

  constructor(arena: Arena) {
    this.arena = arena;
    this.#words = arena.words;
  }

  create(): number {
    const ref = this.arena.allocate(INTSET_HEADER_BYTES + 8);
    this.#setHeader(ref, 2, 0);
    return ref;
  }

  /** A copy of the intset in bytes[start, start + length), which must be valid. */
  copyIn(bytes: Uint8Array, start: number, length: number): number {
    const ref = this.arena.allocate(length);
    copyBytes(bytes, start, start + length, this.segment(ref), this.start(ref));
    return ref;
  }

  copy(ref: number): number {
    return this.copyIn(this.segment(ref), this.start(ref), this.bytes(ref));
  }

  free(ref: number): void {
    this.arena.free(ref);
  }

  segment(ref: number): Buffer {
    return this.arena.bytes[ref >>> SEGMENT_SHIFT];
  }

  start(ref: number): number {
    return (ref & UNIT_MASK) << 3;
  }

  /** Bytes an integer takes: 2, 4 or 8. */
  encoding(ref: number): number {
    return this.#words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1];
  }

  count(ref: number): number {
    return this.#words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 1];
  }

  /** Bytes of header and integers. */
  bytes(ref: number): number {
    return INTSET_HEADER_BYTES + this.encoding(ref) * this.count(ref);
  }

  /** Reads the integer at `index`, 0 ≤ index < count. */
  get(ref: number, index: number, into: Int64): void {
    const words = this.#words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    this.#read(words, at, words[at], index, into);
  }

  has(ref: number, high: number, low: number): boolean {
    return encodingOf(high, low) <= this.encoding(ref) && this.#search(ref, high, low);
  }

  /** Adds an integer; the count tells whether it was new. */
  add(ref: number, high: number, low: number): number {
    const encoding = this.encoding(ref);
    const count = this.count(ref);
    if (encodingOf(high, low) > encoding) return this.#widen(ref, high, low);
    if (this.#search(ref, high, low)) return ref;
    const place = this.#place;
    const next = this.#roomFor(ref, INTSET_HEADER_BYTES + (count + 1) * encoding);
    const bytes = this.segment(next);
    const at = this.start(next) + INTSET_HEADER_BYTES;
    if (place < count)
      bytes.copyWithin(at + (place + 1) * encoding, at + place * encoding, at + count * encoding);
    this.#setHeader(next, encoding, count + 1);
    this.#write(next, encoding, place, high, low);
    return next;
  }

  /** Removes an integer; the count tells whether it was there. */
  remove(ref: number, high: number, low: number): number {
    return this.has(ref, high, low) ? this.removeAt(ref, this.#place) : ref;
  }

  removeAt(ref: number, index: number): number {
    const encoding = this.encoding(ref);
    const count = this.count(ref);
    const bytes = this.segment(ref);
    const at = this.start(ref) + INTSET_HEADER_BYTES;
    bytes.copyWithin(at + index * encoding, at + (index + 1) * encoding, at + count * encoding);
    this.#setHeader(ref, encoding, count - 1);
    const total = this.bytes(ref);
    return this.arena.blockBytes(ref) - total > total + SPARE_BYTES_MIN
      ? this.#moved(ref, total, total)
      : ref;
  }

  heldBytes(ref: number): number {
    return this.arena.blockBytes(ref);
  }

  #widen(ref: number, high: number, low: number): number {
    const old = this.encoding(ref);
    const encoding = encodingOf(high, low);
    const count = this.count(ref);
    const next = this.#roomFor(ref, INTSET_HEADER_BYTES + (count + 1) * encoding);
    const words = this.#words[next >>> SEGMENT_SHIFT];
    const at = (next & UNIT_MASK) << 1;
    // What widens the encoding lies outside of all there is: before the first or behind the last.
    const shift = high < 0 ? 1 : 0;
    const moving = this.#moving;
    for (let index = count - 1; index >= 0; index--) {
      this.#read(words, at, old, index, moving);
      this.#write(next, encoding, index + shift, moving.high, moving.low);
    }
    this.#write(next, encoding, shift === 1 ? 0 : count, high, low);
    this.#setHeader(next, encoding, count + 1);
    return next;
  }

  #search(ref: number, high: number, low: number): boolean {
    const words = this.#words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    const encoding = words[at];
    const found = this.#moving;
    let first = 0;
    let last = words[at + 1] - 1;
    while (first <= last) {
      const middle = (first + last) >>> 1;
      this.#read(words, at, encoding, middle, found);
      const order = compareInt64(high, low, found.high, found.low);
      if (order === 0) {
        this.#place = middle;
        return true;
      }
      if (order > 0) first = middle + 1;
      else last = middle - 1;
    }
    this.#place = first;
    return false;
  }

  #read(words: Uint32Array, at: number, encoding: number, index: number, into: Int64): void {
    const first = at + HEADER_WORDS;
    if (encoding === 8) {
      into.set(words[first + index * 2 + 1], words[first + index * 2]);
      return;
    }
    if (encoding === 4) into.setNumber(words[first + index] | 0);
    else into.setNumber(((words[first + (index >>> 1)] >>> ((index & 1) << 4)) << 16) >> 16);
  }

  #write(ref: number, encoding: number, index: number, high: number, low: number): void {
    const words = this.#words[ref >>> SEGMENT_SHIFT];
    const first = ((ref & UNIT_MASK) << 1) + HEADER_WORDS;
    if (encoding === 8) {
      words[first + index * 2] = low;
      words[first + index * 2 + 1] = high;
    } else if (encoding === 4) words[first + index] = low;
    else {
      const shift = (index & 1) << 4;
      const at = first + (index >>> 1);
      words[at] = (words[at] & ~(0xffff << shift)) | ((low & 0xffff) << shift);
    }
  }

  #setHeader(ref: number, encoding: number, count: number): void {
    const words = this.#words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    words[at] = encoding;
    words[at + 1] = count;
  }

  #roomFor(ref: number, total: number): number {
    return total <= this.arena.blockBytes(ref) ? ref : this.#moved(ref, total, this.bytes(ref));
  }

  #moved(ref: number, total: number, used: number): number {
    const next = this.arena.allocate(total);
    const start = this.start(ref);
    copyBytes(this.segment(ref), start, start + used, this.segment(next), this.start(next));
    this.arena.free(ref);
    return next;
  }
}

/** Why bytes[start, start + length) is no intset, '' when it is one. `deep` looks at every integer. */
export function validateIntset(bytes: Buffer, start: number, length: number, deep: boolean): string {
  if (length < INTSET_HEADER_BYTES) return 'an intset of fewer than 8 bytes';
  const encoding = bytes.readUInt32LE(start);
  const count = bytes.readUInt32LE(start + 4);
  if (encoding !== 2 && encoding !== 4 && encoding !== 8) return 'an intset of an unknown encoding';
  if (count * encoding + INTSET_HEADER_BYTES !== length) return 'the intset says another size than it has';
  if (count === 0) return 'an intset without integers';
  if (!deep) return '';
  const first = start + INTSET_HEADER_BYTES;
  const before = new Int64();
  const current = new Int64();
  for (let index = 0; index < count; index++) {
    const at = first + index * encoding;
    if (encoding === 2) current.setNumber(bytes.readInt16LE(at));
    else if (encoding === 4) current.setNumber(bytes.readInt32LE(at));
    else current.set(bytes.readInt32LE(at + 4), bytes.readUInt32LE(at));
    const ordered = compareInt64(before.high, before.low, current.high, current.low) < 0;
    if (index > 0 && !ordered) return 'the intset is not in order';
    before.set(current.high, current.low);
  }
  return '';
}
