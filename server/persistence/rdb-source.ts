/**
 * The primitives of RDB over bytes that may end in the middle: lengths, strings, numbers. What needs more
 * bytes than there are throws NEED_MORE; who reads starts that step again when there are more.
 */
import { lzfDecompress } from '../structures/lzf.ts';
import * as format from './rdb-format.ts';
import { RdbText } from './rdb-text.ts';

/** What is wrong with a file; `offset` in bytes from its start. */
export class RdbError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.name = 'RdbError';
    this.offset = offset;
  }
}

/** Thrown when a step needs more bytes than there are. */
export const NEED_MORE: unique symbol = Symbol('more bytes are needed');

/** Room is made for so many elements before they come, 30 MB: a damaged file may promise any number. */
const PREPARED_ELEMENTS_MAX = 4 * 1024 * 1024;
/** Bytes that are taken to come when nobody knows how many there are. */
const BYTES_TO_COME = 256 * 1024;
const LZF_RATIO_MAX = 264;
const latin1 = new TextDecoder('latin1');
const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/** A key as a message may show it. */
export function printable(bytes: Uint8Array): string {
  const shown = latin1.decode(bytes.subarray(0, 64)).replace(/[^\x20-\x7e]/g, '?');
  return bytes.length > 64 ? `${shown}…` : shown;
}

/** Bytes from `at` to `end`; steps that fail begin anew at `stepStart`. */
export class RdbSource {
  bytes: Buffer = Buffer.alloc(0);
  /** End of what may be read in `bytes`. */
  end = 0;
  /** Where the next read begins. */
  at = 0;
  /** Where the step began that is repeated when it finds too few bytes. */
  stepStart = 0;
  /** Where the last read began that found too few bytes. */
  stoppedAt = 0;
  /** Whether values are looked at for what only a damaged or foreign file has (sanitize-dump-payload). */
  thorough = true;
  /** Position up to which there must be bytes before the failed step is worth another attempt. */
  needed = 0;
  /** Words of the last length that had 64 bits; highLength 0: it had fewer. */
  highLength = 0;
  lowLength = 0;
  /** Read on as Redis does where nothing is harmed by it: what is read will only be looked at. */
  lenient = false;
  /** What is said when the file ends here, '' for most values. */
  missing = '';
  /** Bytes that may come behind those there are. */
  bytesToCome: number = BYTES_TO_COME;
  /** RDB version of what is read. */
  version = 0;
  #encoding = -1;

  /** Makes `bytes` all there is. */
  open(bytes: Buffer): void {
    this.bytes = bytes;
    this.end = bytes.length;
    this.at = 0;
    this.stepStart = 0;
  }

  /** What was read so far need not be read again; the bytes of texts stay. */
  settle(): void {
    this.stepStart = this.at;
  }

  /** Ends the reading: the value is damaged or cannot be kept here. */
  fail(message: string): never {
    throw new RdbError(message, -1);
  }

  /** For how many of `count` promised elements room is made: each takes a byte at least. */
  roomFor(count: number): number {
    return Math.min(count, PREPARED_ELEMENTS_MAX, this.end - this.at + this.bytesToCome);
  }

  byte(): number {
    return this.bytes[this.take(1)];
  }

  /** `count` bytes as they are, valid until the step ends. */
  raw(count: number): Uint8Array {
    const at = this.take(count);
    return this.bytes.subarray(at, at + count);
  }

  /** A double in eight bytes, little-endian. */
  double(): number {
    const at = this.take(8);
    const bytes = this.bytes;
    for (let k = 0; k < 8; k += 1) doubleBytes[k] = bytes[at + k];
    return double[0];
  }

  /** A double as text, as old sorted sets have it. */
  textDouble(): number {
    const length = this.byte();
    if (length === 253) return Number.NaN;
    if (length === 254) return Number.POSITIVE_INFINITY;
    if (length === 255) return Number.NEGATIVE_INFINITY;
    const text = latin1.decode(this.raw(length));
    const value = Number(text);
    if (text === '' || Number.isNaN(value)) this.fail(`'${text}' is no score`);
    return value;
  }

  /** Moves on by `count` bytes and returns where they start. */
  take(count: number): number {
    const at = this.at;
    if (this.end - at < count) {
      this.needed = at + count;
      this.stoppedAt = at;
      throw NEED_MORE;
    }
    this.at = at + count;
    return at;
  }

  /**
   * A plain length. An encoded one, allowed for strings only, leaves its number in #encoding and returns -1.
   */
  #lengthOrEncoding(): number {
    const first = this.bytes[this.take(1)];
    this.highLength = 0;
    if (first < format.LENGTH_14) return first;
    if (first < format.LENGTH_32) return ((first & 63) << 8) | this.bytes[this.take(1)];
    if (first === format.LENGTH_32) return this.#bigEndian32();
    if (first === format.LENGTH_64) {
      this.highLength = this.#bigEndian32();
      this.lowLength = this.#bigEndian32();
      return this.highLength * 0x1_0000_0000 + this.lowLength;
    }
    if (first < format.ENCODED_INT8)
      throw new RdbError(`Unknown length encoding ${first >>> 6} in rdbLoadLen()`, -1);
    this.#encoding = first;
    return -1;
  }

  /** A length: 0 to 2^53. */
  size(): number {
    const length = this.#lengthOrEncoding();
    if (length < 0 && this.lenient) return this.#encoding & 63;
    if (length < 0)
      throw new RdbError(`A length is expected and a string encoding ${this.#encoding} found`, -1);
    return length;
  }

  /** A string. */
  read(into: RdbText): void {
    const length = this.#lengthOrEncoding();
    if (length >= 0) {
      this.#checkStringBytes(length);
      const at = this.take(length);
      into.point(this.bytes, at, at + length);
      return;
    }
    switch (this.#encoding) {
      case format.ENCODED_INT8:
        into.setInteger((this.bytes[this.take(1)] << 24) >> 24);
        return;
      case format.ENCODED_INT16: {
        const at = this.take(2);
        into.setInteger(((this.bytes[at] | (this.bytes[at + 1] << 8)) << 16) >> 16);
        return;
      }
      case format.ENCODED_INT32:
        into.setInteger(this.littleEndian32() | 0);
        return;
      case format.ENCODED_LZF:
        this.#unpack(into);
        return;
    }
    throw new RdbError(`Unknown RDB string encoding type ${this.#encoding & 63}`, -1);
  }

  /** A string of what is read seldom; valid until the step ends. */
  string(): Buffer {
    const text = new RdbText();
    this.read(text);
    return text.bytes.subarray(text.start, text.end);
  }

  #unpack(into: RdbText): void {
    const packed = this.size();
    const length = this.size();
    this.#checkStringBytes(Math.max(packed, length));
    const at = this.take(packed);
    const possible = length <= packed * LZF_RATIO_MAX;
    if (!possible || !lzfDecompress(this.bytes, at, at + packed, into.room(length), 0, length)) {
      throw new RdbError('Invalid LZF compressed string', -1);
    }
  }

  #checkStringBytes(length: number): void {
    if (length <= format.STRING_BYTES_MAX || this.lenient) return;
    throw new RdbError(`A string of ${length} bytes is longer than ${format.STRING_BYTES_MAX}`, -1);
  }

  #bigEndian32(): number {
    const at = this.take(4);
    const bytes = this.bytes;
    return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
  }

  littleEndian32(): number {
    const at = this.take(4);
    const bytes = this.bytes;
    return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
  }

  /** An int64 in ms. What lies beyond 2^53 becomes that: no clock reaches it. */
  milliseconds(): number {
    const at = this.take(8);
    const bytes = this.bytes;
    const low = (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
    const high = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24);
    const value = high * 0x1_0000_0000 + low;
    return Math.min(Math.max(value, 0), Number.MAX_SAFE_INTEGER);
  }
}
