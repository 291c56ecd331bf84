/**
 * Writes RDB: strings, lengths and opcodes into a growing buffer that is handed over chunk by chunk.
 * The format is drawn in rdb-format.ts. Nothing here knows files or sockets.
 */
import type { Crc64 } from '../structures/crc64.ts';
import { lzfCompress } from '../structures/lzf.ts';
import { copyBytes } from '../structures/record.ts';
import type { RdbChunk } from './rdb-chunk.ts';
import {
  ENCODED_INT8,
  ENCODED_INT16,
  ENCODED_INT32,
  ENCODED_LZF,
  LENGTH_14,
  LENGTH_32,
  LENGTH_64,
  LIBRARY_FIELD,
  OPCODE_AUX,
  OPCODE_EOF,
  OPCODE_EXPIRE_MS,
  OPCODE_FREQUENCY,
  OPCODE_FUNCTION2,
  OPCODE_IDLE,
  OPCODE_RESIZEDB,
  OPCODE_SELECTDB,
  VALKEY_RDB_VERSION,
} from './rdb-format.ts';

/** Shorter strings are not worth the attempt, as in Redis. */
const COMPRESS_BYTES_MIN = 21;
/** Longer strings are stored as they are: one attempt must stay well below a snapshot's slice of time. */
const COMPRESS_BYTES_MAX = 256 * 1024;
/** Where somebody else compresses (StringPacker), the attempt may take its time. */
export const PACK_BYTES_MAX = 16 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
const MARKS_MIN = 1024;
const NO_MARKS = new Uint32Array(0);
const INT32_DIGITS_MAX = 11;

const encoder = new TextEncoder();
let scratch: Uint8Array = new Uint8Array(4096);
const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/**
 * The integer that bytes[start, end) spell, NaN when they are no int32 in canonical form
 * (no plus, no leading zeros, no minus zero), because only those come back as the same bytes.
 */
export function canonicalInt32(bytes: Uint8Array, start: number, end: number): number {
  if (end <= start || end - start > INT32_DIGITS_MAX) return Number.NaN;
  const negative = bytes[start] === 45;
  let at = negative ? start + 1 : start;
  if (at === end || (bytes[at] === 48 && (negative || end - at > 1))) return Number.NaN;
  let value = 0;
  for (; at < end; at += 1) {
    const digit = bytes[at] - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  if (negative) value = -value;
  return value === (value | 0) ? value : Number.NaN;
}

/**
 * Whether strings are LZF-compressed where that saves four bytes (`rdbcompression`); `later`: their places
 * are marked, and a StringPacker does it.
 */
export type Compression = boolean | 'later';

/** A growing byte buffer that speaks RDB. */
export class RdbWriter {
  compression: Compression;
  /** Longer strings are stored as they are. */
  packBytesMax: number;
  #bytes: Uint8Array;
  #length = 0;
  #marks: Uint32Array = NO_MARKS;
  #markCount = 0;
  #database = -1;

  constructor(compression: Compression, room = CHUNK_BYTES) {
    this.compression = compression;
    this.packBytesMax = compression === 'later' ? PACK_BYTES_MAX : COMPRESS_BYTES_MAX;
    this.#bytes = new Uint8Array(room);
  }

  /** Bytes written since the last `take`. */
  get length(): number {
    return this.#length;
  }

  /** Hands over what was written; the caller owns it. The writer goes on in a fresh buffer. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = new Uint8Array(CHUNK_BYTES);
    this.#length = 0;
    return taken;
  }

  /** What was written, valid until more is; `clear` begins anew in the same buffer. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /**
   * Hands over what was written, with its marks. What follows begins in the room of `empty`, and stands for
   * itself: which database was selected is forgotten.
   */
  takeChunk(empty: RdbChunk | null, room = CHUNK_BYTES): RdbChunk {
    const chunk: RdbChunk = {
      bytes: this.#bytes,
      length: this.#length,
      marks: this.#marks,
      markCount: this.#markCount,
    };
    this.#bytes = empty?.bytes ?? new Uint8Array(room);
    this.#marks = empty?.marks ?? NO_MARKS;
    this.#length = 0;
    this.#markCount = 0;
    this.#database = -1;
    return chunk;
  }

  /** Appends a chunk that is part of a record. */
  append({ bytes, length, marks, markCount }: RdbChunk): void {
    for (let index = 0; index < markCount; index += 1) this.#mark(this.#length + marks[index]);
    this.raw(bytes, 0, length);
  }

  /** The length of a string whose bytes follow by `raw`. */
  openString(length: number): void {
    if (this.compression === 'later' && length <= this.packBytesMax) this.#mark(this.#length);
    this.size(length);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  raw(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    copyBytes(bytes, start, end, this.#bytes, this.#length);
    this.#length += end - start;
  }

  /** A length of 0 to 2^53. */
  size(value: number): void {
    this.#reserve(9);
    if (value < 64) this.#bytes[this.#length++] = value;
    else if (value < 16384) {
      this.#bytes[this.#length++] = LENGTH_14 | (value >>> 8);
      this.#bytes[this.#length++] = value & 255;
    } else if (value <= 0xffff_ffff) {
      this.#bytes[this.#length++] = LENGTH_32;
      this.#bigEndian32(value >>> 0);
    } else {
      this.#bytes[this.#length++] = LENGTH_64;
      this.#bigEndian32(Math.floor(value / 0x1_0000_0000));
      this.#bigEndian32(value >>> 0);
    }
  }

  /** A string, in the shortest of its forms. */
  string(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length <= INT32_DIGITS_MAX) {
      const value = canonicalInt32(bytes, start, end);
      if (!Number.isNaN(value)) {
        this.integer(value);
        return;
      }
    }
    if (this.compression === 'later' && length >= COMPRESS_BYTES_MIN && length <= this.packBytesMax) {
      this.#mark(this.#length);
    } else if (this.compression && length >= COMPRESS_BYTES_MIN && length <= this.packBytesMax) {
      if (scratch.length < length) scratch = new Uint8Array(length * 2);
      const packed = lzfCompress(bytes, start, end, scratch, 0, length - 4);
      if (packed !== 0) {
        this.byte(ENCODED_LZF);
        this.size(packed);
        this.size(length);
        this.raw(scratch, 0, packed);
        return;
      }
    }
    this.size(length);
    this.raw(bytes, start, end);
  }

  /** An int32 as a string in its binary form. */
  integer(value: number): void {
    this.#reserve(5);
    const width = value === (value << 24) >> 24 ? 1 : value === (value << 16) >> 16 ? 2 : 4;
    this.#bytes[this.#length++] = width === 1 ? ENCODED_INT8 : width === 2 ? ENCODED_INT16 : ENCODED_INT32;
    for (let k = 0; k < width; k += 1) this.#bytes[this.#length++] = (value >> (8 * k)) & 255;
  }

  text(value: string): void {
    const bytes = encoder.encode(value);
    this.string(bytes, 0, bytes.length);
  }

  /** A double in eight bytes, little-endian. */
  double(value: number): void {
    this.#reserve(8);
    double[0] = value;
    for (let k = 0; k < 8; k += 1) this.#bytes[this.#length++] = doubleBytes[k];
  }

  /** An int64 of at most 53 bits in eight bytes, little-endian: times in ms. */
  milliseconds(value: number): void {
    this.#reserve(8);
    let low = value >>> 0;
    let high = Math.floor(value / 0x1_0000_0000);
    for (let k = 0; k < 4; k += 1, low >>>= 8) this.#bytes[this.#length++] = low & 255;
    for (let k = 0; k < 4; k += 1, high >>>= 8) this.#bytes[this.#length++] = high & 255;
  }

  /** Magic, version, fields, libraries (`LIBRARY_FIELD`). */
  header(version: number, fields: readonly (readonly [name: string, value: string])[]): void {
    const magic = version >= VALKEY_RDB_VERSION ? 'VALKEY' : 'REDIS';
    const bytes = encoder.encode(magic + String(version).padStart(9 - magic.length, '0'));
    this.raw(bytes, 0, bytes.length);
    for (const [name, value] of fields) {
      if (name === LIBRARY_FIELD) continue;
      this.byte(OPCODE_AUX);
      this.text(version >= VALKEY_RDB_VERSION && name === 'redis-ver' ? 'valkey-ver' : name);
      this.text(value);
    }
    for (const [name, value] of fields) {
      if (name !== LIBRARY_FIELD) continue;
      const code = Buffer.from(value, 'latin1');
      this.byte(OPCODE_FUNCTION2);
      this.string(code, 0, code.length);
    }
  }

  /** What follows belongs to this database; says so only when it was another before. */
  selectDatabase(index: number): void {
    if (index === this.#database) return;
    this.#database = index;
    this.byte(OPCODE_SELECTDB);
    this.size(index);
  }

  /** A hint for the loader's tables. */
  resize(keys: number, expires: number): void {
    this.byte(OPCODE_RESIZEDB);
    this.size(keys);
    this.size(expires);
  }

  /** What stands before a key's type: expiry in Unix ms, idle seconds, LFU counter; -1 for none of each. */
  attributes(expireAtMs: number, idleSeconds: number, frequency: number): void {
    if (expireAtMs >= 0) {
      this.byte(OPCODE_EXPIRE_MS);
      this.milliseconds(expireAtMs);
    }
    if (idleSeconds >= 0) {
      this.byte(OPCODE_IDLE);
      this.size(idleSeconds);
    }
    if (frequency >= 0) {
      this.byte(OPCODE_FREQUENCY);
      this.byte(frequency);
    }
  }

  /** Type byte and key; the value follows. */
  key(rdbType: number, bytes: Uint8Array, start: number, end: number): void {
    this.byte(rdbType);
    this.string(bytes, start, end);
  }

  #mark(place: number): void {
    if (this.#markCount === this.#marks.length) {
      const grown = new Uint32Array(Math.max(MARKS_MIN, this.#marks.length * 2));
      grown.set(this.#marks);
      this.#marks = grown;
    }
    this.#marks[this.#markCount++] = place;
  }

  #bigEndian32(value: number): void {
    for (let shift = 24; shift >= 0; shift -= 8) this.#bytes[this.#length++] = (value >>> shift) & 255;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** The end of a file: EOF and the checksum over everything before, zeros without `checksum`. */
export function rdbTrailer(crc: Crc64, checksum: boolean): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = OPCODE_EOF;
  if (checksum) {
    crc.update(bytes, 0, 1);
    crc.writeTo(bytes, 1);
  }
  return bytes;
}
