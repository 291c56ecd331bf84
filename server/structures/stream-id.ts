/**
 * The id of a stream entry: two unsigned 64-bit numbers, milliseconds and a sequence, each kept as two 32-bit
 * halves, because a double holds only 53 bits and BigInt allocates.
 */
import { writeDecimal } from './decimal.ts';

const TWO_32 = 4294967296;
const MAX_32 = 0xffffffff;

export class StreamId {
  msHigh = 0;
  msLow = 0;
  seqHigh = 0;
  seqLow = 0;

  /** An id of numbers below 2^53. */
  static of(ms: number, seq: number): StreamId {
    const id = new StreamId();
    id.setMs(ms);
    id.seqHigh = Math.floor(seq / TWO_32);
    id.seqLow = seq >>> 0;
    return id;
  }

  set(msHigh: number, msLow: number, seqHigh: number, seqLow: number): void {
    this.msHigh = msHigh;
    this.msLow = msLow;
    this.seqHigh = seqHigh;
    this.seqLow = seqLow;
  }

  copyFrom(other: StreamId): void {
    this.msHigh = other.msHigh;
    this.msLow = other.msLow;
    this.seqHigh = other.seqHigh;
    this.seqLow = other.seqLow;
  }

  /** Only the milliseconds, below 2^53. */
  setMs(ms: number): void {
    this.msHigh = Math.floor(ms / TWO_32);
    this.msLow = ms >>> 0;
  }

  setMax(): void {
    this.set(MAX_32, MAX_32, MAX_32, MAX_32);
  }

  isZero(): boolean {
    return this.msLow === 0 && this.seqLow === 0 && this.msHigh === 0 && this.seqHigh === 0;
  }

  isMax(): boolean {
    return (
      this.seqLow === MAX_32 && this.msLow === MAX_32 && this.seqHigh === MAX_32 && this.msHigh === MAX_32
    );
  }

  sameMs(other: StreamId): boolean {
    return this.msLow === other.msLow && this.msHigh === other.msHigh;
  }

  equals(other: StreamId): boolean {
    return this.sameMs(other) && this.seqLow === other.seqLow && this.seqHigh === other.seqHigh;
  }

  /** Negative, zero or positive. */
  compare(other: StreamId): number {
    if (this.msHigh !== other.msHigh) return this.msHigh - other.msHigh;
    if (this.msLow !== other.msLow) return this.msLow - other.msLow;
    if (this.seqHigh !== other.seqHigh) return this.seqHigh - other.seqHigh;
    return this.seqLow - other.seqLow;
  }

  /** The next id; false, and unchanged, at the last one. */
  increment(): boolean {
    if (this.isMax()) return false;
    if (this.seqLow !== MAX_32) this.seqLow++;
    else {
      this.seqLow = 0;
      if (this.seqHigh !== MAX_32) this.seqHigh++;
      else {
        this.seqHigh = 0;
        if (this.msLow !== MAX_32) this.msLow++;
        else {
          this.msLow = 0;
          this.msHigh++;
        }
      }
    }
    return true;
  }

  /** The id before; false, and unchanged, at zero. */
  decrement(): boolean {
    if (this.isZero()) return false;
    if (this.seqLow !== 0) this.seqLow--;
    else {
      this.seqLow = MAX_32;
      if (this.seqHigh !== 0) this.seqHigh--;
      else {
        this.seqHigh = MAX_32;
        if (this.msLow !== 0) this.msLow--;
        else {
          this.msLow = MAX_32;
          this.msHigh--;
        }
      }
    }
    return true;
  }

  /** From four words: high and low of ms, high and low of seq. */
  readWords(words: Uint32Array, at: number): void {
    this.msHigh = words[at];
    this.msLow = words[at + 1];
    this.seqHigh = words[at + 2];
    this.seqLow = words[at + 3];
  }

  writeWords(words: Uint32Array, at: number): void {
    words[at] = this.msHigh;
    words[at + 1] = this.msLow;
    words[at + 2] = this.seqHigh;
    words[at + 3] = this.seqLow;
  }

  /** From 16 bytes, big-endian, as in RDB. */
  readBytes(bytes: Uint8Array, at: number): void {
    this.msHigh = bigEndian(bytes, at);
    this.msLow = bigEndian(bytes, at + 4);
    this.seqHigh = bigEndian(bytes, at + 8);
    this.seqLow = bigEndian(bytes, at + 12);
  }

  writeBytes(bytes: Uint8Array, at: number): void {
    putBigEndian(bytes, at, this.msHigh);
    putBigEndian(bytes, at + 4, this.msLow);
    putBigEndian(bytes, at + 8, this.seqHigh);
    putBigEndian(bytes, at + 12, this.seqLow);
  }

  /** Writes `ms-seq` at `at`, at most 41 bytes (`textBytes`); returns where it ends. */
  writeText(target: Uint8Array, at: number): number {
    this.#know();
    for (let index = 0; index < knownLength; index++) target[at++] = knownText[index];
    target[at] = 45;
    return writeDecimal64(target, at + 1, this.seqHigh, this.seqLow);
  }

  /** Bytes that `writeText` will write. */
  textBytes(): number {
    this.#know();
    if (this.seqHigh !== 0) return knownLength + 1 + decimal64(this.seqHigh, this.seqLow).length;
    let digits = 1;
    for (let limit = 10; this.seqLow >= limit; limit *= 10) digits++;
    return knownLength + 1 + digits;
  }

  #know(): void {
    if (this.msLow === knownLow && this.msHigh === knownHigh) return;
    knownHigh = this.msHigh;
    knownLow = this.msLow;
    knownLength = writeDecimal64(knownText, 0, knownHigh, knownLow);
  }

  toString(): string {
    return `${decimal64(this.msHigh, this.msLow)}-${decimal64(this.seqHigh, this.seqLow)}`;
  }
}

/** The milliseconds that were written last, as text: ids of one moment follow each other. */
let knownHigh = 0;
let knownLow = 0;
let knownLength = 1;
const knownText = new Uint8Array(20).fill(48);

/** What `parseStreamId` found. */
export const ID_INVALID = 0;
export const ID_COMPLETE = 1;
/** Only milliseconds; the sequence is what the caller wants in its place. */
export const ID_WITHOUT_SEQUENCE = 2;
/** `ms-*`: the sequence is to be made. */
export const ID_OPEN_SEQUENCE = 3;

const TEXT_BYTES_MAX = 127;

/**
 * Reads `ms`, `ms-seq` or `ms-*` into `id` (sequence 0 where none stands). `-` and `+` are the caller's.
 * Numbers are read as generously as strtoull does: blanks, a plus and zeros may stand in front.
 */
export function parseStreamId(bytes: Uint8Array, start: number, length: number, id: StreamId): number {
  if (length > TEXT_BYTES_MAX) return ID_INVALID;
  const end = start + length;
  let dash = start;
  while (dash < end && bytes[dash] !== 45) dash++;
  if (!parseUnsigned64(bytes, start, dash)) return ID_INVALID;
  id.msHigh = parsedHigh;
  id.msLow = parsedLow;
  id.seqHigh = 0;
  id.seqLow = 0;
  if (dash === end) return ID_WITHOUT_SEQUENCE;
  if (end - dash === 2 && bytes[dash + 1] === 42) return ID_OPEN_SEQUENCE;
  if (!parseUnsigned64(bytes, dash + 1, end)) return ID_INVALID;
  id.seqHigh = parsedHigh;
  id.seqLow = parsedLow;
  return ID_COMPLETE;
}

let parsedHigh = 0;
let parsedLow = 0;

/**
 * Leaves the number in `parsedHigh` and `parsedLow`; false when there is none or it is longer than 64 bits.
 */
function parseUnsigned64(bytes: Uint8Array, start: number, end: number): boolean {
  while (start < end && (bytes[start] === 32 || (bytes[start] >= 9 && bytes[start] <= 13))) start++;
  if (start < end && bytes[start] === 43) start++;
  if (start === end) return false;
  let high = 0;
  let low = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at] - 48;
    if (digit < 0 || digit > 9) return false;
    low = low * 10 + digit;
    high *= 10;
    if (low >= TWO_32) {
      high += Math.floor(low / TWO_32);
      low >>>= 0;
    }
    if (high >= TWO_32) return false;
  }
  parsedHigh = high;
  parsedLow = low;
  return true;
}

/** An unsigned 64-bit number in decimal. */
export function decimal64(high: number, low: number): string {
  if (high < 0x200000) return String(high * TWO_32 + low);
  return ((BigInt(high) << 32n) | BigInt(low)).toString();
}

/** Writes an unsigned 64-bit number in decimal at `at`; returns where it ends. */
export function writeDecimal64(target: Uint8Array, at: number, high: number, low: number): number {
  if (high >= 0x200000) {
    const text = decimal64(high, low);
    for (let index = 0; index < text.length; index++) target[at++] = text.charCodeAt(index);
    return at;
  }
  return writeDecimal(target, at, high * TWO_32 + low);
}

function bigEndian(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

function putBigEndian(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = (value >>> 16) & 255;
  bytes[at + 2] = (value >>> 8) & 255;
  bytes[at + 3] = value & 255;
}
