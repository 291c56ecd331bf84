/**
 * Nodes of a stream: listpacks, byte-identical to Redis', because RDB and DUMP carry them.
 *
 *   | live | deleted | fields | name … | 0 |  then each entry:
 *   | flags | ms above the node's id | seq above it | values … | entries of this |        the node's fields
 *   | flags | ms above the node's id | seq above it | fields | name | value | … | entries of this |   others
 *
 * A node is one block; its first word is the listpack's size. One that is larger than a block can be (a
 * single
 * entry with a huge value, as a rule) is a list of chunks:  | size | chunk ref | chunk ref | …
 */
import { type Arena, BLOCK_BYTES_MAX, SEGMENT_SHIFT, UNIT_MASK } from '../structures/arena.ts';
import * as listpack from '../structures/listpack.ts';
import * as edit from '../structures/listpack-edit.ts';
import { CHUNK_BYTES, copyBytes } from '../structures/record.ts';

/** Flags of an entry. */
export const ENTRY_DELETED = 1;
export const ENTRY_SAME_FIELDS = 2;

const TWO_32 = 4294967296;
/** Free bytes below which a full node is not moved to a smaller block. */
const SPARE_BYTES_MIN = 16;

/**
 * Where a node's listpack lies: in a segment of the arena, or put together from chunks. Void after changes.
 */
export class NodeView {
  bytes: Uint8Array = Buffer.alloc(0);
  start = 0;
}

const entry = new listpack.ListpackEntry();

export class StreamNodes {
  readonly #arena: Arena;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** Bytes of the listpack. */
  bytes(ref: number): number {
    return this.#arena.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1];
  }

  open(ref: number, view: NodeView): void {
    const total = this.bytes(ref);
    if (total <= BLOCK_BYTES_MAX) {
      view.bytes = this.#arena.bytes[ref >>> SEGMENT_SHIFT];
      view.start = (ref & UNIT_MASK) << 3;
      return;
    }
    view.bytes = this.#joined(ref, total, 0);
    view.start = 0;
  }

  /** A node with this listpack, which must be valid. */
  store(bytes: Uint8Array, start: number): number {
    const total = listpack.totalBytes(bytes, start);
    if (total <= BLOCK_BYTES_MAX) {
      const ref = this.#arena.allocate(total);
      copyBytes(bytes, start, start + total, this.#arena.bytes[ref >>> SEGMENT_SHIFT], byteAt(ref));
      return ref;
    }
    const chunks = Math.ceil(total / CHUNK_BYTES);
    const ref = this.#arena.allocate(4 + chunks * 4);
    const words = this.#arena.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    words[at] = total;
    for (let index = 0; index < chunks; index++) {
      const from = start + index * CHUNK_BYTES;
      const to = Math.min(from + CHUNK_BYTES, start + total);
      const chunk = this.#arena.allocate(to - from);
      copyBytes(bytes, from, to, this.#arena.bytes[chunk >>> SEGMENT_SHIFT], byteAt(chunk));
      words[at + 1 + index] = chunk;
    }
    return ref;
  }

  free(ref: number): void {
    const total = this.bytes(ref);
    if (total > BLOCK_BYTES_MAX) {
      const words = this.#arena.words[ref >>> SEGMENT_SHIFT];
      const at = (ref & UNIT_MASK) << 1;
      for (let index = Math.ceil(total / CHUNK_BYTES); index > 0; index--)
        this.#arena.free(words[at + index]);
    }
    this.#arena.free(ref);
  }

  /** Bytes of the arena that a node holds. */
  heldBytes(ref: number): number {
    const total = this.bytes(ref);
    const chunks = total > BLOCK_BYTES_MAX ? total : 0;
    return chunks + this.#arena.blockBytes(ref);
  }

  /**
   * Makes room for a listpack of `total` bytes, at most BLOCK_BYTES_MAX, and half as much again up to
   * `bytesMax`. Returns the ref that is valid from then on.
   */
  reserve(ref: number, total: number, bytesMax: number): number {
    if (this.#arena.blockBytes(ref) >= total) return ref;
    return this.#moved(ref, Math.max(total, Math.min(Math.ceil(total * 1.5), bytesMax)));
  }

  /** Gives back what `reserve` took too much; returns the ref that is valid from then on. */
  shrink(ref: number): number {
    const total = this.bytes(ref);
    if (total > BLOCK_BYTES_MAX || this.#arena.blockBytes(ref) - total < SPARE_BYTES_MIN) return ref;
    return this.#moved(ref, total);
  }

  /** The integer at a place of the listpack. */
  integer(view: NodeView, at: number): number {
    listpack.read(view.bytes, view.start, at, entry);
    return entry.value;
  }

  /** Replaces the integer at a place; returns the ref that is valid from then on. */
  replaceInteger(ref: number, at: number, value: number): number {
    const total = this.bytes(ref);
    if (total > BLOCK_BYTES_MAX) {
      const bytes = this.#joined(ref, total, 16);
      replaceIntegerIn(bytes, 0, at, value);
      this.free(ref);
      return this.store(bytes, 0);
    }
    const segment = this.#arena.bytes[ref >>> SEGMENT_SHIFT];
    const old = listpack.entryBytes(segment, byteAt(ref) + at);
    const next = total - old + edit.integerEntryBytes(Math.floor(value / TWO_32), value >>> 0);
    if (next > BLOCK_BYTES_MAX) {
      const bytes = Buffer.alloc(next);
      copyBytes(segment, byteAt(ref), byteAt(ref) + total, bytes, 0);
      replaceIntegerIn(bytes, 0, at, value);
      this.free(ref);
      return this.store(bytes, 0);
    }
    const roomy = this.reserve(ref, next, next);
    replaceIntegerIn(this.#arena.bytes[roomy >>> SEGMENT_SHIFT], byteAt(roomy), at, value);
    return roomy;
  }

  #moved(ref: number, bytes: number): number {
    const next = this.#arena.allocate(bytes);
    const from = byteAt(ref);
    const segment = this.#arena.bytes[ref >>> SEGMENT_SHIFT];
    copyBytes(segment, from, from + this.bytes(ref), this.#arena.bytes[next >>> SEGMENT_SHIFT], byteAt(next));
    this.#arena.free(ref);
    return next;
  }

  #joined(ref: number, total: number, spare: number): Buffer {
    const joined = Buffer.allocUnsafe(total + spare);
    const words = this.#arena.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    for (let index = 0, to = 0; to < total; index++, to += CHUNK_BYTES) {
      const chunk = words[at + 1 + index];
      const size = Math.min(CHUNK_BYTES, total - to);
      const from = byteAt(chunk);
      copyBytes(this.#arena.bytes[chunk >>> SEGMENT_SHIFT], from, from + size, joined, to);
    }
    return joined;
  }
}

function replaceIntegerIn(bytes: Uint8Array, start: number, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  const removed = listpack.entryBytes(bytes, start + at);
  edit.splice(bytes, start, at, removed, edit.integerEntryBytes(high, value >>> 0), 0);
  edit.writeIntegerEntry(bytes, start + at, high, value >>> 0);
}

function byteAt(ref: number): number {
  return (ref & UNIT_MASK) << 3;
}
