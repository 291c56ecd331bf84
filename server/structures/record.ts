/**
 * One record in the arena: a key of a database, a field of a hash, a member of a set or of a sorted set.
 *
 *   word 0   snapshot mark 8 | expires 1 | chunked 1 | form 2 | key length 20
 *   key      word 1: type 4 | encoding 4 | access clock 24;  word 2: value length in bytes, or root
 *   field    word 1: value length in bytes
 *   member   nothing more
 *   scored   words 1-2: score, a double
 *   then expiry, unix ms, low and high word (only when it expires), the key's bytes, the value's bytes
 *   (chunked: refs of the chunks, 4 bytes each)
 *
 * A string above CHUNKED_BYTES_MIN is a list of chunks of CHUNK_BYTES, the last one shorter. A key of another
 * type keeps the root of its value in word 2 and nothing behind its name: so it never moves when the value
 * grows.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { PinnedChunks } from './pinned-chunks.ts';

export const TYPE_STRING = 0;
export const TYPE_LIST = 1;
export const TYPE_SET = 2;
export const TYPE_ZSET = 3;
export const TYPE_HASH = 4;
export const TYPE_STREAM = 6;

/** Encodings of a string: derived from the content, or kept raw after APPEND and SETRANGE. */
export const ENCODING_AUTO = 0;
export const ENCODING_RAW = 1;
/** A string that is not taken for an integer although it may look like one. */
export const ENCODING_TEXT = 8;
/** Encodings of the other types. */
export const ENCODING_LISTPACK = 2;
export const ENCODING_INTSET = 3;
export const ENCODING_TABLE = 4;
export const ENCODING_SKIPLIST = 5;
export const ENCODING_QUICKLIST = 6;
export const ENCODING_STREAM = 7;

export const KEY_BYTES_MAX = 0xfffff;
export const CHUNK_BYTES = 256 * 1024;
/** Values longer than this are chunked. */
export const CHUNKED_BYTES_MIN = CHUNK_BYTES;

const HEADER_BYTES = 12;
const EXPIRY_BYTES = 8;
const EXPIRES = 1 << 23;
const CHUNKED = 1 << 22;
const FORM_FIELD = 1 << 20;
const FORM_MEMBER = 2 << 20;
const FORM_SCORED = 3 << 20;
const FORM_MASK = 3 << 20;
/** Bytes before expiry and key, a nibble a form: key 12, field 8, member 4, scored 12. */
const FORM_BYTES = 0xc48c;
const KEY_LENGTH_MASK = 0xfffff;
const TWO_32 = 4294967296;

const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);

/** Bytes before the key, from a record's word 0. */
function headerBytes(head: number): number {
  return ((FORM_BYTES >>> ((head >>> 18) & 12)) & 15) + ((head >>> 20) & EXPIRY_BYTES);
}

/** Access to the records of one arena. Methods are small so that the compiler inlines them. */
export class Records {
  readonly arena: Arena;
  readonly words: Uint32Array[];
  readonly bytes: Buffer[];
  /** Chunks that a snapshot has still to write. */
  readonly pins: PinnedChunks;

  constructor(arena: Arena) {
    this.arena = arena;
    this.pins = new PinnedChunks(arena);
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

  /**
   * Writes words 0 to 2 of a key and its expiry (-1: none); key and value bytes are the caller's. `first`:
   * type, encoding and access clock as word 1 holds them; `valueLength`: the root for other types than
   * strings.
   */
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
    words[at] = (mark << 24) | (expiresAtMs >= 0 ? EXPIRES : 0) | (chunked ? CHUNKED : 0) | keyLength;
    words[at + 1] = first;
    words[at + 2] = valueLength;
    if (expiresAtMs >= 0) {
      words[at + 3] = expiresAtMs % TWO_32;
      words[at + 4] = expiresAtMs / TWO_32;
    }
  }

  /**
   * True when a string of `valueLength` bytes, with or without expiry, takes the place of the key's inline
   * string as it is.
   */
  fits(ref: number, valueLength: number, expires: boolean): boolean {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    return (
      words[at + 2] === valueLength &&
      (words[at] & (EXPIRES | CHUNKED)) === (expires ? EXPIRES : 0) &&
      (words[at + 1] & 15) === TYPE_STRING
    );
  }

  /** Overwrites mark, word 1, expiry and value of a record that `fits`. */
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
    const head = (words[at] & 0xffffff) | (mark << 24);
    words[at] = head;
    words[at + 1] = first;
    let to = ((ref & UNIT_MASK) << 3) + HEADER_BYTES + (head & KEY_LENGTH_MASK);
    if (expiresAtMs >= 0) {
      words[at + 3] = expiresAtMs % TWO_32;
      words[at + 4] = expiresAtMs / TWO_32;
      to += EXPIRY_BYTES;
    }
    copyBytes(value, start, end, this.bytes[segment], to);
  }

  /** Only of a key. */
  type(ref: number): number {
    return this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 1] & 15;
  }

  /** Only of a key. */
  encoding(ref: number): number {
    return (this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 1] >>> 4) & 15;
  }

  setEncoding(ref: number, encoding: number): void {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = ((ref & UNIT_MASK) << 1) + 1;
    words[at] = (words[at] & ~0xf0) | (encoding << 4);
  }

  /** The value of a key that is no string: what it means is its type's and encoding's. */
  root(ref: number): number {
    return this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 2];
  }

  setRoot(ref: number, root: number): void {
    this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 2] = root;
  }

  /** Makes a key an empty string; what it held is the caller's. */
  setEmptyString(ref: number): void {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    words[at + 1] &= ~0xff;
    words[at + 2] = 0;
  }

  /** 24 bits of a key: LRU seconds, or LFU minutes and counter. */
  accessClock(ref: number): number {
    return this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 1] >>> 8;
  }

  setAccessClock(ref: number, clock: number): void {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = ((ref & UNIT_MASK) << 1) + 1;
    words[at] = (words[at] & 0xff) | (clock << 8);
  }

  /** Number of the last snapshot that has this record, or that it is newer than; 8 bits. */
  mark(ref: number): number {
    return this.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1] >>> 24;
  }

  setMark(ref: number, mark: number): void {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    words[at] = (words[at] & 0xffffff) | (mark << 24);
  }

  expires(ref: number): boolean {
    return (this.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1] & EXPIRES) !== 0;
  }

  /** Unix ms, or -1 without expiry. */
  expiresAtMs(ref: number): number {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    const head = words[at];
    if ((head & EXPIRES) === 0) return -1;
    const expiry = at + (headerBytes(head) >>> 2) - 2;
    return words[expiry + 1] * TWO_32 + words[expiry];
  }

  /** Only for a record that has an expiry already. */
  setExpiresAtMs(ref: number, expiresAtMs: number): void {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    const expiry = at + (headerBytes(words[at]) >>> 2) - 2;
    words[expiry] = expiresAtMs % TWO_32;
    words[expiry + 1] = expiresAtMs / TWO_32;
  }

  chunked(ref: number): boolean {
    return (this.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1] & CHUNKED) !== 0;
  }

  keyLength(ref: number): number {
    return this.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1] & KEY_LENGTH_MASK;
  }

  /** Of a string or of a hash field, in bytes. */
  valueLength(ref: number): number {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    return (words[at] & FORM_FIELD) === 0 ? words[at + 2] : words[at + 1];
  }

  /** Bytes behind the key within the record's block: the inline value or the refs of its chunks. */
  tailBytes(ref: number): number {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    const form = words[at] & FORM_MASK;
    if (form === FORM_MEMBER || form === FORM_SCORED) return 0;
    if (form === 0 && (words[at + 1] & 15) !== TYPE_STRING) return 0;
    const length = this.valueLength(ref);
    return (words[at] & CHUNKED) === 0 ? length : Records.chunkCount(length) * 4;
  }

  /** Only of a string. */
  setValueLength(ref: number, length: number): void {
    this.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 2] = length;
  }

  /** The segment's bytes, in which `keyStart` and `valueStart` are positions. */
  segment(ref: number): Buffer {
    return this.bytes[ref >>> SEGMENT_SHIFT];
  }

  keyStart(ref: number): number {
    const unit = ref & UNIT_MASK;
    return (unit << 3) + headerBytes(this.words[ref >>> SEGMENT_SHIFT][unit << 1]);
  }

  valueStart(ref: number): number {
    return this.keyStart(ref) + this.keyLength(ref);
  }

  /** The key in a buffer of its own. */
  copyKey(ref: number): Buffer {
    const start = this.keyStart(ref);
    return Buffer.from(this.segment(ref).subarray(start, start + this.keyLength(ref)));
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
    const head = this.words[segment][(ref & UNIT_MASK) << 1];
    if ((head & KEY_LENGTH_MASK) !== length) return false;
    const bytes = this.bytes[segment];
    const own = ((ref & UNIT_MASK) << 3) + headerBytes(head);
    for (let at = 0; at < length; at++) if (bytes[own + at] !== key[start + at]) return false;
    return true;
  }

  /**
   * Like `keyEquals`, for a key that mostly is another one: names that resemble each other differ at the end.
   */
  keyMatches(ref: number, key: Uint8Array, start: number, length: number): boolean {
    const segment = ref >>> SEGMENT_SHIFT;
    const head = this.words[segment][(ref & UNIT_MASK) << 1];
    if ((head & KEY_LENGTH_MASK) !== length) return false;
    const bytes = this.bytes[segment];
    const own = ((ref & UNIT_MASK) << 3) + headerBytes(head);
    for (let at = length - 1; at >= 0; at--) if (bytes[own + at] !== key[start + at]) return false;
    return true;
  }

  /** A new key of another type than string; `first` as in `writeHeader`, `expiresAtMs` -1 for none. */
  newKey(
    first: number,
    mark: number,
    key: Uint8Array,
    start: number,
    length: number,
    root: number,
    expiresAtMs: number,
  ): number {
    const ref = this.arena.allocate(Records.inlineBytes(length, 0, expiresAtMs >= 0));
    this.writeHeader(ref, first, mark, length, root, expiresAtMs, false);
    copyBytes(key, start, start + length, this.segment(ref), this.keyStart(ref));
    return ref;
  }

  /** A new member of a set. */
  newMember(mark: number, key: Uint8Array, start: number, length: number): number {
    const ref = this.arena.allocate(4 + length);
    const unit = ref & UNIT_MASK;
    this.words[ref >>> SEGMENT_SHIFT][unit << 1] = (mark << 24) | FORM_MEMBER | length;
    copyBytes(key, start, start + length, this.bytes[ref >>> SEGMENT_SHIFT], (unit << 3) + 4);
    return ref;
  }

  /** A new member of a sorted set. */
  newScored(mark: number, key: Uint8Array, start: number, length: number, score: number): number {
    const ref = this.arena.allocate(HEADER_BYTES + length);
    const unit = ref & UNIT_MASK;
    this.words[ref >>> SEGMENT_SHIFT][unit << 1] = (mark << 24) | FORM_SCORED | length;
    this.setScore(ref, score);
    copyBytes(key, start, start + length, this.bytes[ref >>> SEGMENT_SHIFT], (unit << 3) + HEADER_BYTES);
    return ref;
  }

  /** Only of a member of a sorted set. */
  score(ref: number): number {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    doubleWords[0] = words[at + 1];
    doubleWords[1] = words[at + 2];
    return double[0];
  }

  setScore(ref: number, score: number): void {
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    double[0] = score;
    words[at + 1] = doubleWords[0];
    words[at + 2] = doubleWords[1];
  }

  /** A new field of a hash; `expiresAtMs`: unix ms, -1 for none. The bytes must not lie in the arena. */
  newField(
    mark: number,
    key: Uint8Array,
    start: number,
    length: number,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
    expiresAtMs: number,
  ): number {
    const chunked = valueLength > CHUNKED_BYTES_MIN;
    const expires = expiresAtMs >= 0;
    const tail = chunked ? Records.chunkCount(valueLength) * 4 : valueLength;
    const ref = this.arena.allocate(8 + (expires ? EXPIRY_BYTES : 0) + length + tail);
    const words = this.words[ref >>> SEGMENT_SHIFT];
    const at = (ref & UNIT_MASK) << 1;
    words[at] = (mark << 24) | (expires ? EXPIRES : 0) | (chunked ? CHUNKED : 0) | FORM_FIELD | length;
    words[at + 1] = valueLength;
    if (expires) {
      words[at + 2] = expiresAtMs % TWO_32;
      words[at + 3] = expiresAtMs / TWO_32;
    }
    copyBytes(key, start, start + length, this.segment(ref), this.keyStart(ref));
    if (chunked) {
      for (let index = 0; index < Records.chunkCount(valueLength); index++) {
        const bytes = Math.min(CHUNK_BYTES, valueLength - index * CHUNK_BYTES);
        this.setChunk(ref, index, this.arena.allocate(bytes));
      }
    }
    this.writeValue(ref, 0, value, valueStart, valueStart + valueLength);
    return ref;
  }

  /** True when a field's value of `valueLength` bytes takes the place of the inline one as it is. */
  fitsField(ref: number, valueLength: number): boolean {
    return this.valueLength(ref) === valueLength && !this.chunked(ref);
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
      const chunk = this.pins.size === 0 ? this.chunk(ref, index) : this.#ownChunk(ref, index);
      const target = this.bytes[chunk >>> SEGMENT_SHIFT];
      copyBytes(source, start, start + take, target, ((chunk & UNIT_MASK) << 3) + within);
      start += take;
      at += take;
    }
  }

  /** Frees the record and its chunks, not what a root names. */
  release(ref: number): void {
    if (this.chunked(ref)) {
      const count = Records.chunkCount(this.valueLength(ref));
      for (let index = 0; index < count; index++) this.pins.free(this.chunk(ref, index));
    }
    this.arena.free(ref);
  }

  /** Chunk `index` to be written to: a copy of it when a snapshot needs it as it is. */
  #ownChunk(ref: number, index: number): number {
    const chunk = this.chunk(ref, index);
    if (!this.pins.has(chunk)) return chunk;
    const bytes = this.arena.blockBytes(chunk);
    const copy = this.arena.allocate(bytes);
    const start = (chunk & UNIT_MASK) << 3;
    const source = this.bytes[chunk >>> SEGMENT_SHIFT];
    source.copy(this.bytes[copy >>> SEGMENT_SHIFT], (copy & UNIT_MASK) << 3, start, start + bytes);
    this.setChunk(ref, index, copy);
    this.pins.free(chunk);
    return copy;
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
