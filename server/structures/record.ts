/**
 * One record in the arena: a key of a database, later a field of a hash or a member of a set.
 *
 *   word 0   type 4 | encoding 4 | access clock 24
 *   word 1   snapshot mark 8 | expires 1 | chunked 1 | spare 2 | key length 20
 *   word 2   value length in bytes
 *   word 3-4 expiry, unix ms, low and high word           (only when it expires)
 *   key bytes, then value bytes                           (chunked: refs of the chunks, 4 bytes each)
 *
 * A value above CHUNKED_BYTES_MIN is a list of chunks of CHUNK_BYTES, the last one shorter.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';

export const TYPE_STRING = 0;
/** Encodings of a string: derived from the content, or kept raw after APPEND and SETRANGE. */
export const ENCODING_AUTO = 0;
export const ENCODING_RAW = 1;

export const KEY_BYTES_MAX = 0xfffff;
export const CHUNK_BYTES = 256 * 1024;
/** Values longer than this are chunked. */
export const CHUNKED_BYTES_MIN = CHUNK_BYTES;

const HEADER_BYTES = 12;
const EXPIRY_BYTES = 8;
const EXPIRES = 1 << 23;
const CHUNKED = 1 << 22;
const KEY_LENGTH_MASK = 0xfffff;
const TWO_32 = 4294967296;

/** Access to the records of one arena. Methods are small so that the compiler inlines them. */
export class Records {
  readonly arena: Arena;
  readonly words: Uint32Array[];
  readonly bytes: Buffer[];

  constructor(arena: Arena) {
    this.arena = arena;
    this.words = arena.words;
    this.bytes = arena.bytes;
  }

  /** Bytes of a record with an inline value. */
  static inlineBytes(keyLength: number, valueLength: number, expires: boolean): number {
    return HEADER_BYTES + (expires ? EXPIRY_BYTES : 0) + keyLength + valueLength;
  }

  static chunkCount(valueLength: number): number {
    return Math.ceil(valueLength / CHUNK_BYTES);
  }

  /** Writes words 0 to 2 and the expiry (-1: none); key and value bytes are the caller's. */
  writeHeader(
    ref: number,
    first: number,
    mark: number,
    keyLength: number,
    valueLength: number,
    expiresAtMs: number,
    chunked: boolean,
  ): void {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    words[at] = first;
    words[at + 1] = (mark << 24) | (expiresAtMs >= 0 ? EXPIRES : 0) | (chunked ? CHUNKED : 0) | keyLength;
    words[at + 2] = valueLength;
    if (expiresAtMs >= 0) {
      words[at + 3] = expiresAtMs % TWO_32;
      words[at + 4] = expiresAtMs / TWO_32;
    }
  }

  /**
   * True when a value of `valueLength` bytes, with or without expiry, takes the place of the inline one as it
   * is.
   */
  fits(ref: number, valueLength: number, expires: boolean): boolean {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    return words[at + 2] === valueLength && (words[at + 1] & (EXPIRES | CHUNKED)) === (expires ? EXPIRES : 0);
  }

  /** Overwrites word 0, mark, expiry and value of a record that `fits`. */
  overwrite(
    ref: number,
    first: number,
    mark: number,
    expiresAtMs: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    const segment = ref >>> SEGMENT_SHIFT;
    const words = this.words[segment];
    const at = (ref & UNIT_MASK) << 1;
    words[at] = first;
    const second = (words[at + 1] & 0xffffff) | (mark << 24);
    words[at + 1] = second;
    let to = ((ref & UNIT_MASK) << 3) + HEADER_BYTES + (second & KEY_LENGTH_MASK);
    if (expiresAtMs >= 0) {
      words[at + 3] = expiresAtMs % TWO_32;
      words[at + 4] = expiresAtMs / TWO_32;
      to += EXPIRY_BYTES;
    }
    copyBytes(value, start, end, this.bytes[segment], to);
  }

  type(ref: number): number {
    return this.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1] & 15;
  }

  encoding(ref: number): number {
    return (this.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1] >>> 4) & 15;
  }

  setEncoding(ref: number, encoding: number): void {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    words[at] = (words[at] & ~0xf0) | (encoding << 4);
  }

  /** 24 bits: LRU seconds, or LFU minutes and counter. */
  accessClock(ref: number): number {
    return this.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1] >>> 8;
  }

  setAccessClock(ref: number, clock: number): void {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    words[at] = (words[at] & 0xff) | (clock << 8);
  }

  /** Number of the last snapshot that has this record, or that it is newer than; 8 bits. */
  mark(ref: number): number {
    return this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 1] >>> 24;
  }

  setMark(ref: number, mark: number): void {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = ((ref & UNIT_MASK) << 1) + 1;
    words[at] = (words[at] & 0xffffff) | (mark << 24);
  }

  expires(ref: number): boolean {
    return (this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 1] & EXPIRES) !== 0;
  }

  /** Unix ms, or -1 without expiry. */
  expiresAtMs(ref: number): number {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    return (words[at + 1] & EXPIRES) === 0 ? -1 : words[at + 4] * TWO_32 + words[at + 3];
  }

  /** Only for a record that has an expiry already. */
  setExpiresAtMs(ref: number, expiresAtMs: number): void {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    words[at + 3] = expiresAtMs % TWO_32;
    words[at + 4] = expiresAtMs / TWO_32;
  }

  chunked(ref: number): boolean {
    return (this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 1] & CHUNKED) !== 0;
  }

  keyLength(ref: number): number {
    return this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 1] & KEY_LENGTH_MASK;
  }

  valueLength(ref: number): number {
    return this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 2];
  }

  setValueLength(ref: number, length: number): void {
    this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 2] = length;
  }

  /** The segment's bytes, in which `keyStart` and `valueStart` are positions. */
  segment(ref: number): Buffer {
    return this.bytes[ref >>> SEGMENT_SHIFT];
  }

  keyStart(ref: number): number {
    return ((ref & UNIT_MASK) << 3) + HEADER_BYTES + (this.expires(ref) ? EXPIRY_BYTES : 0);
  }

  valueStart(ref: number): number {
    return this.keyStart(ref) + this.keyLength(ref);
  }

  /** Ref of chunk `index` of a chunked value. */
  chunk(ref: number, index: number): number {
    return this.segment(ref).readUInt32LE(this.valueStart(ref) + index * 4);
  }

  setChunk(ref: number, index: number, chunk: number): void {
    this.segment(ref).writeUInt32LE(chunk, this.valueStart(ref) + index * 4);
  }

  keyEquals(ref: number, key: Uint8Array, start: number, length: number): boolean {
    const segment = ref >>> SEGMENT_SHIFT;
    const head = this.words[segment][((ref & UNIT_MASK) << 1) + 1];
    if ((head & KEY_LENGTH_MASK) !== length) return false;
    const bytes = this.bytes[segment];
    const own =
      ((ref & UNIT_MASK) << 3) + ((head & EXPIRES) !== 0 ? HEADER_BYTES + EXPIRY_BYTES : HEADER_BYTES);
    for (let at = 0; at < length; at++) if (bytes[own + at] !== key[start + at]) return false;
    return true;
  }

  /** Copies `length` bytes of the value from `from` on into `target` at `at`. */
  copyValue(ref: number, from: number, length: number, target: Uint8Array, at: number): void {
    if (!this.chunked(ref)) {
      const start = this.valueStart(ref) + from;
      copyBytes(this.segment(ref), start, start + length, target, at);
      return;
    }
    const end = from + length;
    while (from < end) {
      const index = Math.floor(from / CHUNK_BYTES);
      const within = from - index * CHUNK_BYTES;
      const take = Math.min(end - from, CHUNK_BYTES - within);
      const chunk = this.chunk(ref, index);
      const start = ((chunk & UNIT_MASK) << 3) + within;
      copyBytes(this.bytes[chunk >>> SEGMENT_SHIFT], start, start + take, target, at);
      from += take;
      at += take;
    }
  }

  /** Overwrites `source[start, end)` into the value at `at`; the value must be long enough. */
  writeValue(ref: number, at: number, source: Uint8Array, start: number, end: number): void {
    if (!this.chunked(ref)) {
      copyBytes(source, start, end, this.segment(ref), this.valueStart(ref) + at);
      return;
    }
    while (start < end) {
      const index = Math.floor(at / CHUNK_BYTES);
      const within = at - index * CHUNK_BYTES;
      const take = Math.min(end - start, CHUNK_BYTES - within);
      const chunk = this.chunk(ref, index);
      const target = this.bytes[chunk >>> SEGMENT_SHIFT];
      copyBytes(source, start, start + take, target, ((chunk & UNIT_MASK) << 3) + within);
      start += take;
      at += take;
    }
  }

  /** Frees the record and its chunks. */
  release(ref: number): void {
    if (this.chunked(ref)) {
      const count = Records.chunkCount(this.valueLength(ref));
      for (let index = 0; index < count; index++) this.arena.free(this.chunk(ref, index));
    }
    this.arena.free(ref);
  }

  /** Bytes of the arena that the record holds, chunks included. */
  heldBytes(ref: number): number {
    let bytes = this.arena.blockBytes(ref);
    if (this.chunked(ref)) {
      const count = Records.chunkCount(this.valueLength(ref));
      for (let index = 0; index < count; index++) bytes += this.arena.blockBytes(this.chunk(ref, index));
    }
    return bytes;
  }
}

/** Below this a loop is faster than the call into the runtime. */
const LOOP_COPY_BYTES_MAX = 48;

/** Copies source[start, end) to target at `at`; buffers must not overlap. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): void {
  if (end - start <= LOOP_COPY_BYTES_MAX) {
    while (start < end) target[at++] = source[start++];
    return;
  }
  Buffer.prototype.copy.call(source, target, at, start, end);
}
