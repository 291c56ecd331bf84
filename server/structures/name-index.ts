/**
 * Blocks found by their names: an ascending array of refs in the arena, searched by halves. Made for few and
 * long-lived things (groups of a stream, consumers of a group); adding and removing one is O(n) words.
 *
 *   head, at word `offset` of the holder's block:  ref of the array (0: empty) | entries
 *   every named block:                             name length at word `lengthWord`, name from `nameWord` on
 *
 * Names are compared byte by byte, the shorter of two first, as Redis' radix tree orders them.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';

const FIRST_BYTES = 16;

export class NameIndex {
  readonly #arena: Arena;
  readonly #offset: number;
  readonly #lengthWord: number;
  readonly #nameWord: number;
  #slot = 0;

  constructor(arena: Arena, offset: number, lengthWord: number, nameWord: number) {
    this.#arena = arena;
    this.#offset = offset;
    this.#lengthWord = lengthWord;
    this.#nameWord = nameWord;
  }

  clear(holder: number): void {
    this.#setHead(holder, 0, 0);
  }

  count(holder: number): number {
    return this.#head(holder, 1);
  }

  /** The ref at a place of the order. */
  at(holder: number, slot: number): number {
    const array = this.#head(holder, 0);
    return this.#arena.words[array >>> SEGMENT_SHIFT][((array & UNIT_MASK) << 1) + slot];
  }

  /** The block with this name, 0 when there is none; an `insertFound` after it adds a block of this name. */
  find(holder: number, name: Uint8Array, start: number, length: number): number {
    let low = 0;
    let high = this.count(holder);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#compare(this.at(holder, middle), name, start, length);
      if (order === 0) {
        this.#slot = middle;
        return this.at(holder, middle);
      }
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    this.#slot = low;
    return 0;
  }

  /** Adds a block whose name `find` has just not found. */
  insertFound(holder: number, ref: number): void {
    const count = this.count(holder);
    let array = this.#head(holder, 0);
    const held = array === 0 ? 0 : this.#arena.blockBytes(array);
    if (array === 0 || (count + 1) * 4 > held) array = this.#grown(array, count, held);
    const words = this.#arena.words[array >>> SEGMENT_SHIFT];
    const at = (array & UNIT_MASK) << 1;
    words.copyWithin(at + this.#slot + 1, at + this.#slot, at + count);
    words[at + this.#slot] = ref;
    this.#setHead(holder, array, count + 1);
  }

  /** Takes out the block that `find` has just found; the caller frees it. */
  removeFound(holder: number): void {
    const count = this.count(holder) - 1;
    const array = this.#head(holder, 0);
    const at = ((array & UNIT_MASK) << 1) + this.#slot;
    this.#arena.words[array >>> SEGMENT_SHIFT].copyWithin(at, at + 1, at + count - this.#slot + 1);
    this.#setHead(holder, array, count);
    if (count === 0) this.free(holder);
  }

  /** Takes out the last block of the order; 0 when there is none. */
  pop(holder: number): number {
    const count = this.count(holder);
    if (count === 0) return 0;
    const ref = this.at(holder, count - 1);
    this.#setHead(holder, this.#head(holder, 0), count - 1);
    if (count === 1) this.free(holder);
    return ref;
  }

  /** Frees the array, not the blocks. */
  free(holder: number): void {
    const array = this.#head(holder, 0);
    if (array !== 0) this.#arena.free(array);
    this.clear(holder);
  }

  heldBytes(holder: number): number {
    const array = this.#head(holder, 0);
    return array === 0 ? 0 : this.#arena.blockBytes(array);
  }

  #grown(array: number, count: number, held: number): number {
    const next = this.#arena.allocate(Math.max(FIRST_BYTES, held * 2));
    if (array === 0) return next;
    const words = this.#arena.words[array >>> SEGMENT_SHIFT];
    const at = (array & UNIT_MASK) << 1;
    const target = this.#arena.words[next >>> SEGMENT_SHIFT];
    target.set(words.subarray(at, at + count), (next & UNIT_MASK) << 1);
    this.#arena.free(array);
    return next;
  }

  /** The block's name against `name`. */
  #compare(ref: number, name: Uint8Array, start: number, length: number): number {
    const segment = ref >>> SEGMENT_SHIFT;
    const at = (ref & UNIT_MASK) << 1;
    const own = this.#arena.words[segment][at + this.#lengthWord];
    const bytes = this.#arena.bytes[segment];
    const ownStart = (at + this.#nameWord) << 2;
    const shared = Math.min(own, length);
    for (let index = 0; index < shared; index++) {
      const difference = bytes[ownStart + index] - name[start + index];
      if (difference !== 0) return difference;
    }
    return own - length;
  }

  #head(holder: number, index: number): number {
    return this.#arena.words[holder >>> SEGMENT_SHIFT][((holder & UNIT_MASK) << 1) + this.#offset + index];
  }

  #setHead(holder: number, array: number, count: number): void {
    const words = this.#arena.words[holder >>> SEGMENT_SHIFT];
    const at = ((holder & UNIT_MASK) << 1) + this.#offset;
    words[at] = array;
    words[at + 1] = count;
  }
}
