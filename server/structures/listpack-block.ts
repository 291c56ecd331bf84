/**
 * Listpacks in the arena: one block each, which moves when it grows beyond its size class or shrinks to less
 * than half of it. Every change returns the ref that is valid from then on; entries are named by their
 * distance `at` from the listpack's start, which survives the move.
 *
 * Sources must not lie within the listpack that changes: its block may be freed before they are read.
 * A listpack is at most BLOCK_BYTES_MAX long; `allocate` throws beyond, so callers look at `bytes` first.
 */
import { Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import * as listpack from './listpack.ts';
import * as edit from './listpack-edit.ts';
import { copyBytes } from './record.ts';

/** Free bytes below which a block is never worth to be moved to a smaller one. */
const SPARE_BYTES_MIN = 64;

export class ListpackBlocks {
  readonly arena: Arena;

  constructor(arena: Arena) {
    this.arena = arena;
  }

  /** An empty listpack, with room for `bytesHint` bytes in all. */
  create(bytesHint: number = listpack.EMPTY_BYTES): number {
    const ref = this.arena.allocate(Math.max(bytesHint, listpack.EMPTY_BYTES));
    edit.writeEmpty(this.segment(ref), this.start(ref));
    return ref;
  }

  /** A copy of the listpack in bytes[start, …), which must be valid. */
  copyIn(bytes: Uint8Array, start: number): number {
    const total = listpack.totalBytes(bytes, start);
    const ref = this.arena.allocate(total);
    copyBytes(bytes, start, start + total, this.segment(ref), this.start(ref));
    return ref;
  }

  copy(ref: number): number {
    return this.copyIn(this.segment(ref), this.start(ref));
  }

  free(ref: number): void {
    this.arena.free(ref);
  }

  /** The buffer in which `start` is a position; valid until the next change. */
  segment(ref: number): Buffer {
    return this.arena.bytes[ref >>> SEGMENT_SHIFT];
  }

  start(ref: number): number {
    return (ref & UNIT_MASK) << 3;
  }

  /** Bytes of the listpack, header and end mark included. */
  bytes(ref: number): number {
    return this.arena.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1];
  }

  count(ref: number): number {
    return listpack.count(this.segment(ref), this.start(ref));
  }

  first(ref: number): number {
    return listpack.first(this.segment(ref), this.start(ref));
  }

  last(ref: number): number {
    return listpack.last(this.segment(ref), this.start(ref));
  }

  next(ref: number, at: number): number {
    return listpack.next(this.segment(ref), this.start(ref), at);
  }

  previous(ref: number, at: number): number {
    return listpack.previous(this.segment(ref), this.start(ref), at);
  }

  seek(ref: number, index: number): number {
    return listpack.seek(this.segment(ref), this.start(ref), index);
  }

  /** Reads the entry at `at`; returns where the next one stands, 0 when it was the last. */
  read(ref: number, at: number, into: listpack.ListpackEntry): number {
    return listpack.read(this.segment(ref), this.start(ref), at, into);
  }

  /** As `listpack.find`, from the first entry on. */
  find(ref: number, needle: Uint8Array, start: number, length: number, skip: number): number {
    const bytes = this.segment(ref);
    const own = this.start(ref);
    return listpack.find(bytes, own, listpack.first(bytes, own), needle, start, length, skip);
  }

  append(ref: number, source: Uint8Array, start: number, length: number): number {
    return this.insert(ref, this.bytes(ref) - 1, source, start, length);
  }

  prepend(ref: number, source: Uint8Array, start: number, length: number): number {
    return this.insert(ref, listpack.HEADER_BYTES, source, start, length);
  }

  /** Inserts before the entry at `at`, which may be the end mark's place (`bytes - 1`). */
  insert(ref: number, at: number, source: Uint8Array, start: number, length: number): number {
    const added = edit.textEntryBytes(source, start, length);
    const next = this.#spliced(ref, at, 0, added, 1);
    edit.writeTextEntry(this.segment(next), this.start(next) + at, source, start, length);
    return next;
  }

  insertAfter(ref: number, at: number, source: Uint8Array, start: number, length: number): number {
    return this.insert(ref, at + this.entryBytes(ref, at), source, start, length);
  }

  /** Appends words `from`, `from + step`, … below `to` of a request in one move. */
  appendWords(
    ref: number,
    source: Uint8Array,
    starts: Int32Array,
    lengths: Int32Array,
    from: number,
    to: number,
    step: number,
  ): number {
    let added = 0;
    let entries = 0;
    for (let word = from; word < to; word += step, entries++) {
      added += edit.textEntryBytes(source, starts[word], lengths[word]);
    }
    const at = this.bytes(ref) - 1;
    const next = this.#spliced(ref, at, 0, added, entries);
    const bytes = this.segment(next);
    let position = this.start(next) + at;
    for (let word = from; word < to; word += step) {
      position += edit.writeTextEntry(bytes, position, source, starts[word], lengths[word]);
    }
    return next;
  }

  appendInteger(ref: number, high: number, low: number): number {
    return this.insertInteger(ref, this.bytes(ref) - 1, high, low);
  }

  /** Appends an integer within ±2^53. */
  appendNumber(ref: number, value: number): number {
    return this.insertInteger(ref, this.bytes(ref) - 1, Math.floor(value / 4294967296) | 0, value >>> 0);
  }

  insertInteger(ref: number, at: number, high: number, low: number): number {
    const next = this.#spliced(ref, at, 0, edit.integerEntryBytes(high, low), 1);
    edit.writeIntegerEntry(this.segment(next), this.start(next) + at, high, low);
    return next;
  }

  /** Replaces the entry at `at`, which keeps its place. */
  replace(ref: number, at: number, source: Uint8Array, start: number, length: number): number {
    const added = edit.textEntryBytes(source, start, length);
    const next = this.#spliced(ref, at, this.entryBytes(ref, at), added, 0);
    edit.writeTextEntry(this.segment(next), this.start(next) + at, source, start, length);
    return next;
  }

  replaceInteger(ref: number, at: number, high: number, low: number): number {
    const next = this.#spliced(ref, at, this.entryBytes(ref, at), edit.integerEntryBytes(high, low), 0);
    edit.writeIntegerEntry(this.segment(next), this.start(next) + at, high, low);
    return next;
  }

  /** Replaces the entry at `at` by an integer within ±2^53. */
  replaceNumber(ref: number, at: number, value: number): number {
    return this.replaceInteger(ref, at, Math.floor(value / 4294967296) | 0, value >>> 0);
  }

  /** Deletes up to `entries` entries from `at` on; what followed them stands at `at` then. */
  delete(ref: number, at: number, entries: number = 1): number {
    const bytes = this.segment(ref);
    const start = this.start(ref);
    let after = at;
    let deleted = 0;
    while (deleted < entries && bytes[start + after] !== listpack.END) {
      after += listpack.entryBytes(bytes, start + after);
      deleted++;
    }
    return this.#spliced(ref, at, after - at, 0, -deleted);
  }

  /** Deletes up to `entries` entries from `index` (negative: from the end) on. */
  deleteRange(ref: number, index: number, entries: number): number {
    const at = this.seek(ref, index);
    return at === 0 || entries <= 0 ? ref : this.delete(ref, at, entries);
  }

  /** Appends the entries of `second` to `first` and frees `second`. */
  merge(first: number, second: number): number {
    const added = this.bytes(second) - listpack.EMPTY_BYTES;
    const entries = this.count(second);
    const at = this.bytes(first) - 1;
    const next = this.#spliced(first, at, 0, added, entries);
    const from = this.start(second) + listpack.HEADER_BYTES;
    const to = this.start(next) + at;
    copyBytes(this.segment(second), from, from + added, this.segment(next), to);
    this.arena.free(second);
    return next;
  }

  /** Bytes of the entry at `at`, its backwards length included. */
  entryBytes(ref: number, at: number): number {
    return listpack.entryBytes(this.segment(ref), this.start(ref) + at);
  }

  /** Bytes of the arena that the listpack holds. */
  heldBytes(ref: number): number {
    return this.arena.blockBytes(ref);
  }

  #spliced(ref: number, at: number, removed: number, added: number, change: number): number {
    const total = this.bytes(ref) - removed + added;
    const held = this.arena.blockBytes(ref);
    if (total > held) ref = this.#moved(ref, total);
    edit.splice(this.segment(ref), this.start(ref), at, removed, added, change);
    if (held - total > total + SPARE_BYTES_MIN) ref = this.#moved(ref, total);
    return ref;
  }

  #moved(ref: number, total: number): number {
    const next = this.arena.allocate(total);
    const start = this.start(ref);
    const used = Math.min(this.bytes(ref), Arena.roundUp(total));
    copyBytes(this.segment(ref), start, start + used, this.segment(next), this.start(next));
    this.arena.free(ref);
    return next;
  }
}
