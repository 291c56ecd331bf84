/**
 * What a list's node holds, in one block of the arena: a listpack with room at both ends, one long element,
 * or a compressed listpack.
 *
 *   PACKED    | kind 2, offset 30 | free | listpack | free |     elements shorter than the node's limit
 *   PLAIN     | kind 2, length 30 | bytes |                      one element
 *   CHUNKED   | kind 2, length 30 | refs of chunks of CHUNK_BYTES, the last one shorter |
 *   LZF       | kind 2, length 30 | bytes unpacked u32 | compressed listpack |
 *
 * The room in front makes pushing and popping at the head as cheap as at the tail. The listpack itself is
 * Redis' byte for byte, so that it is written into an RDB as it lies. A change answers with the ref that is
 * valid from then on; entries are named by their distance `at` from the listpack's start, as in listpack.ts.
 * Sources of new entries must not lie in the arena: a block may move before they are read. A snapshot pins
 * the bodies that it has yet to write: who changes one works on a copy, who frees one leaves it to the
 * snapshot.
 * Cost: push and pop O(1), the rest O(bytes of the body).
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import type { ListElement } from './list-element.ts';
import * as listpack from './listpack.ts';
import * as edit from './listpack-edit.ts';
import { lzfCompress, lzfDecompress } from './lzf.ts';
import { CHUNK_BYTES, CHUNKED_BYTES_MIN, copyBytes } from './record.ts';

export const BODY_PACKED = 0;
export const BODY_PLAIN = 1;
export const BODY_CHUNKED = 2;
export const BODY_LZF = 3;

const KIND_SHIFT = 30;
const VALUE_MASK = 0x3fffffff;
/** What a block holds besides a listpack or an element. */
export const HEAD_BYTES = 4;
const LZF_HEAD_BYTES = 8;
/** Smaller listpacks are not compressed, nor those that become less than this smaller, as in Redis. */
const COMPRESS_BYTES_MIN = 48;
const COMPRESS_GAIN_MIN = 8;
/** From this size on a growing block gets an eighth more than it needs. */
const SLACK_BYTES_MIN = 512;
/** A block is moved to a smaller one when this much and more than half of it is free. */
const SPARE_BYTES_MIN = 64;

let scratch = Buffer.allocUnsafeSlow(16 * 1024);

function scratchOf(bytes: number): Buffer {
  if (scratch.length < bytes) scratch = Buffer.allocUnsafeSlow(bytes * 2);
  return scratch;
}

export class ListBodies {
  readonly arena: Arena;
  readonly #words: Uint32Array[];
  readonly #bytes: Buffer[];

  /** Bodies that a snapshot has yet to write, null while there is none. */
  #pinned: Set<number> | null = null;
  /** Pinned bodies that no node has any more. */
  readonly #left = new Set<number>();

  constructor(arena: Arena) {
    this.arena = arena;
    this.#words = arena.words;
    this.#bytes = arena.bytes;
  }

  kind(body: number): number {
    return this.#words[body >>> SEGMENT_SHIFT][(body & UNIT_MASK) << 1] >>> KIND_SHIFT;
  }

  segment(body: number): Buffer {
    return this.#bytes[body >>> SEGMENT_SHIFT];
  }

  /** Where the listpack of a packed body starts in `segment`. */
  packStart(body: number): number {
    return ((body & UNIT_MASK) << 3) + this.#value(body);
  }

  /** Bytes of the listpack or of the one element; of an LZF body what it unpacks to. */
  bytes(body: number): number {
    const kind = this.kind(body);
    if (kind === BODY_PACKED) return listpack.totalBytes(this.segment(body), this.packStart(body));
    if (kind !== BODY_LZF) return this.#value(body);
    return this.#words[body >>> SEGMENT_SHIFT][((body & UNIT_MASK) << 1) + 1];
  }

  /** Bytes of the listpack of a packed body, 0 of any other. */
  packBytes(body: number): number {
    const segment = body >>> SEGMENT_SHIFT;
    const head = this.#words[segment][(body & UNIT_MASK) << 1];
    if (head > VALUE_MASK) return 0;
    return listpack.totalBytes(this.#bytes[segment], ((body & UNIT_MASK) << 3) + head);
  }

  /** Entries of a packed body. */
  count(body: number): number {
    return listpack.count(this.segment(body), this.packStart(body));
  }

  // --- making and freeing

  /** A packed body without entries, with room for a listpack of `packBytes`. */
  createPacked(packBytes: number = listpack.EMPTY_BYTES): number {
    const body = this.arena.allocate(HEAD_BYTES + Math.max(packBytes, listpack.EMPTY_BYTES));
    this.#setHead(body, BODY_PACKED, HEAD_BYTES);
    edit.writeEmpty(this.segment(body), this.packStart(body));
    return body;
  }

  /** A packed body with a copy of the listpack in bytes[start, …), which must be valid. */
  copyIn(bytes: Uint8Array, start: number): number {
    const total = listpack.totalBytes(bytes, start);
    const body = this.arena.allocate(HEAD_BYTES + total);
    this.#setHead(body, BODY_PACKED, HEAD_BYTES);
    copyBytes(bytes, start, start + total, this.segment(body), this.packStart(body));
    return body;
  }

  /** One element of at most 512 MB: PLAIN, or CHUNKED when it is long. */
  createPlain(source: Uint8Array, start: number, length: number): number {
    const { arena } = this;
    if (length <= CHUNKED_BYTES_MIN) {
      const body = arena.allocate(HEAD_BYTES + length);
      this.#setHead(body, BODY_PLAIN, length);
      copyBytes(source, start, start + length, this.segment(body), ((body & UNIT_MASK) << 3) + HEAD_BYTES);
      return body;
    }
    const chunks = Math.ceil(length / CHUNK_BYTES);
    const body = arena.allocate(HEAD_BYTES + chunks * 4);
    this.#setHead(body, BODY_CHUNKED, length);
    for (let index = 0, from = start; index < chunks; index++, from += CHUNK_BYTES) {
      const end = Math.min(start + length, from + CHUNK_BYTES);
      const chunk = arena.allocate(end - from);
      copyBytes(source, from, end, this.segment(chunk), (chunk & UNIT_MASK) << 3);
      this.#words[body >>> SEGMENT_SHIFT][((body & UNIT_MASK) << 1) + 1 + index] = chunk;
    }
    return body;
  }

  copy(body: number): number {
    const kind = this.kind(body);
    if (kind === BODY_PACKED) return this.copyIn(this.segment(body), this.packStart(body));
    if (kind === BODY_CHUNKED) {
      const whole = this.#joined(body);
      return this.createPlain(whole, 0, whole.length);
    }
    const bytes = (kind === BODY_LZF ? LZF_HEAD_BYTES : HEAD_BYTES) + this.#value(body);
    const next = this.arena.allocate(bytes);
    const from = (body & UNIT_MASK) << 3;
    this.#copyWithin(body, from, from + bytes, next, (next & UNIT_MASK) << 3);
    return next;
  }

  /** Keeps a body as it is until `unpin`. */
  pin(body: number): void {
    this.#pinned ??= new Set();
    this.#pinned.add(body);
  }

  unpin(body: number): void {
    this.#pinned?.delete(body);
    if (this.#pinned?.size === 0) this.#pinned = null;
    if (this.#left.delete(body)) this.free(body);
  }

  /** A body that may be changed in the place of this one: itself, or a copy while it is pinned. */
  owned(body: number): number {
    if (this.#pinned === null || !this.#pinned.has(body)) return body;
    this.#left.add(body);
    return this.copy(body);
  }

  free(body: number): void {
    if (this.#pinned?.has(body) === true) {
      this.#left.add(body);
      return;
    }
    if (this.kind(body) === BODY_CHUNKED) {
      const chunks = Math.ceil(this.#value(body) / CHUNK_BYTES);
      for (let index = 0; index < chunks; index++) this.arena.free(this.#chunk(body, index));
    }
    this.arena.free(body);
  }

  /** Bytes of the arena that it holds. */
  heldBytes(body: number): number {
    let bytes = this.arena.blockBytes(body);
    if (this.kind(body) !== BODY_CHUNKED) return bytes;
    const chunks = Math.ceil(this.#value(body) / CHUNK_BYTES);
    for (let index = 0; index < chunks; index++) bytes += this.arena.blockBytes(this.#chunk(body, index));
    return bytes;
  }

  // --- reading

  /** Reads the one element of a plain or chunked body. */
  readPlain(body: number, element: ListElement): void {
    const length = this.#value(body);
    if (this.kind(body) === BODY_PLAIN) {
      element.bytes = this.segment(body);
      element.start = ((body & UNIT_MASK) << 3) + HEAD_BYTES;
    } else {
      element.bytes = this.#joined(body);
      element.start = 0;
    }
    element.end = element.start + length;
  }

  /** Unpacks an LZF body into a buffer that the next call may overwrite: the listpack starts at 0. */
  unpacked(body: number): Buffer {
    const bytes = this.bytes(body);
    const target = scratchOf(bytes);
    const from = ((body & UNIT_MASK) << 3) + LZF_HEAD_BYTES;
    if (!lzfDecompress(this.segment(body), from, from + this.#value(body), target, 0, bytes)) {
      throw new Error('a compressed list node is damaged');
    }
    return target;
  }

  /** Where the compressed bytes of an LZF body lie in `segment`. */
  lzfStart(body: number): number {
    return ((body & UNIT_MASK) << 3) + LZF_HEAD_BYTES;
  }

  lzfBytes(body: number): number {
    return this.#value(body);
  }

  // --- changing packed bodies

  /** Puts an element in front of the others. */
  prepend(body: number, source: Uint8Array, start: number, length: number): number {
    const added = edit.textEntryBytes(source, start, length);
    if (this.#pinned !== null) body = this.owned(body);
    let words = this.#words[body >>> SEGMENT_SHIFT];
    let offset = words[(body & UNIT_MASK) << 1];
    if (offset - HEAD_BYTES < added) {
      body = this.#roomInFront(body, added);
      words = this.#words[body >>> SEGMENT_SHIFT];
      offset = words[(body & UNIT_MASK) << 1];
    }
    words[(body & UNIT_MASK) << 1] = offset - added;
    const bytes = this.#bytes[body >>> SEGMENT_SHIFT];
    const own = ((body & UNIT_MASK) << 3) + offset;
    const total = listpack.totalBytes(bytes, own) + added;
    writeHeader(bytes, own - added, total, countAt(bytes, own) + 1);
    edit.writeTextEntry(bytes, own - added + listpack.HEADER_BYTES, source, start, length);
    return body;
  }

  append(body: number, source: Uint8Array, start: number, length: number): number {
    const added = edit.textEntryBytes(source, start, length);
    if (this.#pinned !== null) body = this.owned(body);
    let offset = this.#words[body >>> SEGMENT_SHIFT][(body & UNIT_MASK) << 1];
    let own = ((body & UNIT_MASK) << 3) + offset;
    const total = listpack.totalBytes(this.#bytes[body >>> SEGMENT_SHIFT], own);
    if (offset + total + added > this.arena.blockBytes(body)) {
      body = this.#roomBehind(body, added);
      offset = this.#words[body >>> SEGMENT_SHIFT][(body & UNIT_MASK) << 1];
      own = ((body & UNIT_MASK) << 3) + offset;
    }
    const bytes = this.#bytes[body >>> SEGMENT_SHIFT];
    edit.writeTextEntry(bytes, own + total - 1, source, start, length);
    bytes[own + total + added - 1] = listpack.END;
    writeHeader(bytes, own, total + added, countAt(bytes, own) + 1);
    return body;
  }

  /** Deletes the first entry. */
  dropFirst(body: number): number {
    if (this.#pinned !== null) body = this.owned(body);
    const words = this.#words[body >>> SEGMENT_SHIFT];
    const bytes = this.#bytes[body >>> SEGMENT_SHIFT];
    const offset = words[(body & UNIT_MASK) << 1];
    const own = ((body & UNIT_MASK) << 3) + offset;
    const removed = listpack.entryBytes(bytes, own + listpack.HEADER_BYTES);
    const total = listpack.totalBytes(bytes, own) - removed;
    writeHeader(bytes, own + removed, total, countAt(bytes, own) - 1);
    words[(body & UNIT_MASK) << 1] = offset + removed;
    return this.#shrunk(body, total);
  }

  /** Deletes the last entry. */
  dropLast(body: number): number {
    if (this.#pinned !== null) body = this.owned(body);
    const bytes = this.#bytes[body >>> SEGMENT_SHIFT];
    const own = this.packStart(body);
    const at = listpack.last(bytes, own);
    const count = countAt(bytes, own) - 1;
    bytes[own + at] = listpack.END;
    writeHeader(bytes, own, at + 1, count);
    return this.#shrunk(body, at + 1);
  }

  /** Replaces the `removed` bytes at `at`, `entries` entries, by an element. */
  replace(
    body: number,
    at: number,
    removed: number,
    entries: number,
    source: Uint8Array,
    start: number,
    length: number,
  ): number {
    const added = edit.textEntryBytes(source, start, length);
    body = this.owned(body);
    const total = this.bytes(body);
    const more = added - removed;
    if (this.#value(body) + total + more > this.arena.blockBytes(body)) body = this.#roomBehind(body, more);
    edit.splice(this.segment(body), this.packStart(body), at, removed, added, 1 - entries);
    edit.writeTextEntry(this.segment(body), this.packStart(body) + at, source, start, length);
    return this.#shrunk(body, this.bytes(body));
  }

  /** Deletes up to `entries` entries from `at` on; what followed them stands at `at` then. */
  delete(body: number, at: number, entries: number): number {
    body = this.owned(body);
    const bytes = this.segment(body);
    const own = this.packStart(body);
    let after = at;
    let deleted = 0;
    for (; deleted < entries && bytes[own + after] !== listpack.END; deleted++) {
      after += listpack.entryBytes(bytes, own + after);
    }
    const removed = after - at;
    if (at - listpack.HEADER_BYTES < listpack.totalBytes(bytes, own) - after) {
      const total = listpack.totalBytes(bytes, own) - removed;
      const count = listpack.count(bytes, own) - deleted;
      bytes.copyWithin(own + listpack.HEADER_BYTES + removed, own + listpack.HEADER_BYTES, own + at);
      writeHeader(bytes, own + removed, total, count);
      this.#setHead(body, BODY_PACKED, this.#value(body) + removed);
    } else edit.splice(bytes, own, at, removed, 0, -deleted);
    return this.#shrunk(body, this.bytes(body));
  }

  /** Moves the entries from `at` on, the last `entries` ones, into a new body; this one must be `owned`. */
  split(body: number, at: number, entries: number): number {
    const total = this.bytes(body);
    const moved = total - at - 1;
    const next = this.createPacked(moved + listpack.EMPTY_BYTES);
    const from = this.packStart(body) + at;
    this.#copyWithin(body, from, from + moved, next, this.packStart(next) + listpack.HEADER_BYTES);
    const bytes = this.segment(next);
    bytes[this.packStart(next) + listpack.HEADER_BYTES + moved] = listpack.END;
    writeHeader(bytes, this.packStart(next), moved + listpack.EMPTY_BYTES, entries);
    const left = this.count(body) - entries;
    this.segment(body)[from] = listpack.END;
    writeHeader(this.segment(body), this.packStart(body), at + 1, left);
    return next;
  }

  /** Gives back what `split` has made superfluous. */
  trimmed(body: number): number {
    return this.#shrunk(body, this.bytes(body));
  }

  /** Appends the entries of `second` to `first` and frees `second`. */
  merge(first: number, second: number): number {
    first = this.owned(first);
    const added = this.bytes(second) - listpack.EMPTY_BYTES;
    const entries = this.count(first) + this.count(second);
    const total = this.bytes(first);
    if (this.#value(first) + total + added > this.arena.blockBytes(first))
      first = this.#roomBehind(first, added);
    const from = this.packStart(second) + listpack.HEADER_BYTES;
    const own = this.packStart(first);
    this.#copyWithin(second, from, from + added, first, own + total - 1);
    const bytes = this.segment(first);
    bytes[own + total + added - 1] = listpack.END;
    writeHeader(bytes, own, total + added, entries);
    this.free(second);
    return first;
  }

  /** An LZF body in the place of a packed one, which is freed; the body itself when it gains nothing. */
  compress(body: number): number {
    const bytes = this.bytes(body);
    if (bytes < COMPRESS_BYTES_MIN) return body;
    const target = scratchOf(bytes);
    const start = this.packStart(body);
    const packed = lzfCompress(this.segment(body), start, start + bytes, target, 0, bytes);
    if (packed === 0 || packed + COMPRESS_GAIN_MIN >= bytes) return body;
    const next = this.arena.allocate(LZF_HEAD_BYTES + packed);
    this.#setHead(next, BODY_LZF, packed);
    this.#words[next >>> SEGMENT_SHIFT][((next & UNIT_MASK) << 1) + 1] = bytes;
    copyBytes(target, 0, packed, this.segment(next), this.lzfStart(next));
    this.free(body);
    return next;
  }

  /** A packed body in the place of an LZF one, which is freed. */
  decompress(body: number): number {
    const next = this.copyIn(this.unpacked(body), 0);
    this.free(body);
    return next;
  }

  // --- inside

  #value(body: number): number {
    return this.#words[body >>> SEGMENT_SHIFT][(body & UNIT_MASK) << 1] & VALUE_MASK;
  }

  #setHead(body: number, kind: number, value: number): void {
    this.#words[body >>> SEGMENT_SHIFT][(body & UNIT_MASK) << 1] = (kind << KIND_SHIFT) | value;
  }

  #chunk(body: number, index: number): number {
    return this.#words[body >>> SEGMENT_SHIFT][((body & UNIT_MASK) << 1) + 1 + index];
  }

  #joined(body: number): Buffer {
    const length = this.#value(body);
    const whole = Buffer.allocUnsafe(length);
    for (let index = 0, at = 0; at < length; index++, at += CHUNK_BYTES) {
      const chunk = this.#chunk(body, index);
      const start = (chunk & UNIT_MASK) << 3;
      const take = Math.min(CHUNK_BYTES, length - at);
      copyBytes(this.segment(chunk), start, start + take, whole, at);
    }
    return whole;
  }

  /** Copies bytes of one block into another, which may lie in the same segment. */
  #copyWithin(from: number, start: number, end: number, to: number, at: number): void {
    const source = this.segment(from);
    const target = this.segment(to);
    if (source === target) target.copyWithin(at, start, end);
    else copyBytes(source, start, end, target, at);
  }

  /** Moves the listpack to the end of its block, or to the end of a larger one. */
  #roomInFront(body: number, added: number): number {
    const total = this.bytes(body);
    const held = this.arena.blockBytes(body);
    if (HEAD_BYTES + total + added <= held) return this.#placed(body, body, total, held - total);
    const next = this.arena.allocate(withSlack(HEAD_BYTES + total + added));
    return this.#placed(body, next, total, this.arena.blockBytes(next) - total);
  }

  #roomBehind(body: number, added: number): number {
    const total = this.bytes(body);
    const held = this.arena.blockBytes(body);
    if (HEAD_BYTES + total + added <= held) return this.#placed(body, body, total, HEAD_BYTES);
    return this.#placed(body, this.arena.allocate(withSlack(HEAD_BYTES + total + added)), total, HEAD_BYTES);
  }

  /** Moves the listpack to `offset` of `next`, the body itself or a new block. */
  #placed(body: number, next: number, total: number, offset: number): number {
    const from = this.packStart(body);
    this.#copyWithin(body, from, from + total, next, ((next & UNIT_MASK) << 3) + offset);
    this.#setHead(next, BODY_PACKED, offset);
    if (next !== body) this.arena.free(body);
    return next;
  }

  #shrunk(body: number, total: number): number {
    if (this.arena.blockBytes(body) < HEAD_BYTES + total * 2 + SPARE_BYTES_MIN) return body;
    return this.#placed(body, this.arena.allocate(HEAD_BYTES + total), total, HEAD_BYTES);
  }
}

/** An eighth more, but no more than the next power of two: a full node just fits a block of its limit. */
function withSlack(bytes: number): number {
  if (bytes < SLACK_BYTES_MIN) return bytes;
  return Math.min(bytes + (bytes >>> 3), 1 << (32 - Math.clz32(bytes - 1)));
}

/** The count in a listpack's header; bodies have fewer entries than it can say. */
function countAt(bytes: Buffer, start: number): number {
  return bytes[start + 4] | (bytes[start + 5] << 8);
}

function writeHeader(bytes: Buffer, start: number, total: number, count: number): void {
  bytes[start] = total & 0xff;
  bytes[start + 1] = (total >>> 8) & 0xff;
  bytes[start + 2] = (total >>> 16) & 0xff;
  bytes[start + 3] = total >>> 24;
  bytes[start + 4] = count & 0xff;
  bytes[start + 5] = (count >>> 8) & 0xff;
}
