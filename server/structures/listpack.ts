/**
 * Listpack: a sequence of strings and integers in one run of bytes, byte-identical to Redis', because RDB
 * files and DUMP payloads carry it.
 *
 *   | total bytes u32 | entries u16 | entry | entry | ... | 0xff |
 *   entry = | encoding | data | length of both, readable backwards (1-5 bytes) |
 *
 *   0xxxxxxx uint7     10xxxxxx string to 63 bytes      110xxxxx int13    1110xxxx string to 4095 bytes
 *   11110000 string, u32 length     11110001 int16    ...0010 int24    ...0011 int32    ...0100 int64
 *
 * An entry is named by its distance `at` from the listpack's start, so that it stays valid when the listpack
 * moves; 0 means "none". The entry count is 65535 when there are more; then counting walks.
 * Functions here read; `listpack-edit.ts` writes, `listpack-block.ts` keeps listpacks in the arena.
 * Everything but `validate` trusts the bytes. Cost: first, last, next, previous O(1), the rest O(entries).
 */
import { INT64_TEXT_MAX, Int64, int64TextLength, parseInt64, TWO_32, writeInt64Text } from './int64.ts';
import { copyBytes } from './record.ts';

export const HEADER_BYTES = 6;
/** A listpack without entries. */
export const EMPTY_BYTES = 7;
export const COUNT_UNKNOWN = 65535;
export const END = 0xff;

/** One entry as it was read: an integer, or a string at bytes[start, start + length). Reused. */
export class ListpackEntry {
  isInteger = false;
  /** Position in the bytes that were read (absolute, not relative to the listpack). */
  start = 0;
  /** Of a string; of an integer 0, see `textLength`. */
  length = 0;
  high = 0;
  low = 0;
  /** The integer as a double, exact within ±2^53. */
  value = 0;

  /** Bytes of the entry as text. */
  textLength(): number {
    return this.isInteger ? int64TextLength(this.high, this.low) : this.length;
  }

  /** Writes the entry as text at `at`, with room for max(textLength, 20); returns where it ends. */
  writeText(bytes: Uint8Array, target: Uint8Array, at: number): number {
    if (this.isInteger) return writeInt64Text(this.high, this.low, target, at);
    copyBytes(bytes, this.start, this.start + this.length, target, at);
    return at + this.length;
  }

  /** The text in a buffer of its own. */
  copyText(bytes: Uint8Array): Buffer {
    const text = Buffer.allocUnsafe(this.isInteger ? INT64_TEXT_MAX : this.length);
    return text.subarray(0, this.writeText(bytes, text, 0));
  }
}

export function totalBytes(bytes: Uint8Array, start: number): number {
  return readUint32(bytes, start);
}

/** Entries; O(entries) beyond 65534. The count is written back once it fits again. */
export function count(bytes: Uint8Array, start: number): number {
  const known = bytes[start + 4] | (bytes[start + 5] << 8);
  if (known !== COUNT_UNKNOWN) return known;
  let counted = 0;
  for (let at = first(bytes, start); at !== 0; at = next(bytes, start, at)) counted++;
  if (counted < COUNT_UNKNOWN) {
    bytes[start + 4] = counted & 0xff;
    bytes[start + 5] = counted >>> 8;
  }
  return counted;
}

export function first(bytes: Uint8Array, start: number): number {
  return bytes[start + HEADER_BYTES] === END ? 0 : HEADER_BYTES;
}

export function last(bytes: Uint8Array, start: number): number {
  return previous(bytes, start, totalBytes(bytes, start) - 1);
}

/** Where the end mark stands: the place to insert at for an append. */
export function end(bytes: Uint8Array, start: number): number {
  return totalBytes(bytes, start) - 1;
}

export function next(bytes: Uint8Array, start: number, at: number): number {
  const after = at + entryBytes(bytes, start + at);
  return bytes[start + after] === END ? 0 : after;
}

/** `at` may be the end mark's place. */
export function previous(bytes: Uint8Array, start: number, at: number): number {
  if (at <= HEADER_BYTES) return 0;
  const size = readBacklen(bytes, start + at - 1);
  return at - size - backlenBytes(size);
}

/** The entry at `index`, negative from the end (-1 is the last); 0 when there is none. */
export function seek(bytes: Uint8Array, start: number, index: number): number {
  const known = bytes[start + 4] | (bytes[start + 5] << 8);
  if (known !== COUNT_UNKNOWN) {
    if (index < 0) index += known;
    if (index < 0 || index >= known) return 0;
    if (index > known >>> 1) index -= known;
  }
  if (index >= 0) {
    let at = first(bytes, start);
    while (index-- > 0 && at !== 0) at = next(bytes, start, at);
    return at;
  }
  let at = last(bytes, start);
  while (++index < 0 && at !== 0) at = previous(bytes, start, at);
  return at;
}

/** Reads the entry at `at` (not 0); returns where the next one stands, 0 when it was the last. */
export function read(bytes: Uint8Array, start: number, at: number, into: ListpackEntry): number {
  const position = start + at;
  const head = bytes[position];
  let size: number;
  if (head < 0x80) {
    setInteger(into, head);
    size = 1;
  } else if (head < 0xc0) {
    into.isInteger = false;
    into.start = position + 1;
    into.length = head & 0x3f;
    size = 1 + into.length;
  } else if (head < 0xe0) {
    setInteger(into, (((head & 0x1f) << 27) >> 19) | bytes[position + 1]);
    size = 2;
  } else {
    size = readLong(bytes, position, head, into);
  }
  const after = at + size + backlenBytes(size);
  return bytes[start + after] === END ? 0 : after;
}

function setInteger(into: ListpackEntry, value: number): void {
  into.isInteger = true;
  into.length = 0;
  into.value = value;
  into.high = value < 0 ? -1 : 0;
  into.low = value >>> 0;
}

function readLong(bytes: Uint8Array, position: number, head: number, into: ListpackEntry): number {
  if (head < 0xf1) {
    const short = head < 0xf0;
    into.isInteger = false;
    into.length = short ? ((head & 15) << 8) | bytes[position + 1] : readUint32(bytes, position + 1);
    into.start = position + (short ? 2 : 5);
    return into.start - position + into.length;
  }
  if (head === 0xf1) {
    setInteger(into, ((bytes[position + 2] << 24) >> 16) | bytes[position + 1]);
    return 3;
  }
  if (head === 0xf2) {
    const top = (bytes[position + 3] << 24) >> 8;
    setInteger(into, top | (bytes[position + 2] << 8) | bytes[position + 1]);
    return 4;
  }
  if (head === 0xf3) {
    setInteger(into, readUint32(bytes, position + 1) | 0);
    return 5;
  }
  into.isInteger = true;
  into.length = 0;
  into.low = readUint32(bytes, position + 1);
  into.high = readUint32(bytes, position + 5) | 0;
  into.value = into.high * TWO_32 + into.low;
  return 9;
}

const sought = new Int64();
const found = new ListpackEntry();

/**
 * The first entry from `at` on that equals the needle, comparing every (skip + 1)-th entry; 0 when there is
 * none. A needle that is a canonical integer also equals an integer entry.
 */
export function find(
  bytes: Uint8Array,
  start: number,
  at: number,
  needle: Uint8Array,
  needleStart: number,
  needleLength: number,
  skip: number,
): number {
  if (at === 0) return 0;
  const isInteger = parseInt64(needle, needleStart, needleLength, sought);
  const high = sought.high;
  const low = sought.low;
  const small = isInteger && high === 0 && low < 0x80 ? low : -1;
  const last = needleLength === 0 ? 0 : needle[needleStart + needleLength - 1];
  let position = start + at;
  for (;;) {
    const head = bytes[position];
    if (head < 0x80) {
      if (head === small) return position - start;
      position += 2;
    } else if (head < 0xc0) {
      const length = head & 0x3f;
      // The last byte first: names that stand together often begin alike.
      if (length === needleLength && (length === 0 || bytes[position + length] === last)) {
        let same = 0;
        while (same < length && bytes[position + 1 + same] === needle[needleStart + same]) same++;
        if (same === length) return position - start;
      }
      position += length + 2;
    } else {
      if (head === END) return 0;
      if (equalsLong(bytes, position, needle, needleStart, needleLength, isInteger, high, low)) {
        return position - start;
      }
      position += entryBytes(bytes, position);
    }
    for (let skipping = skip; skipping > 0; skipping--) {
      const skipped = bytes[position];
      if (skipped < 0x80) position += 2;
      else if (skipped < 0xc0) position += (skipped & 0x3f) + 2;
      else if (skipped === END) return 0;
      else position += entryBytes(bytes, position);
    }
  }
}

/** Compares an entry that is neither a uint7 nor a short string. */
function equalsLong(
  bytes: Uint8Array,
  position: number,
  needle: Uint8Array,
  needleStart: number,
  needleLength: number,
  isInteger: boolean,
  high: number,
  low: number,
): boolean {
  read(bytes, position, 0, found);
  if (found.isInteger) return isInteger && found.low === low && found.high === high;
  if (found.length !== needleLength) return false;
  const from = found.start;
  let same = 0;
  while (same < needleLength && bytes[from + same] === needle[needleStart + same]) same++;
  return same === needleLength;
}

/** True when the entry at `at` equals the needle, as `find` compares. */
export function equals(
  bytes: Uint8Array,
  start: number,
  at: number,
  needle: Uint8Array,
  needleStart: number,
  needleLength: number,
): boolean {
  read(bytes, start, at, found);
  if (found.isInteger) {
    if (!parseInt64(needle, needleStart, needleLength, sought)) return false;
    return sought.low === found.low && sought.high === found.high;
  }
  if (found.length !== needleLength) return false;
  for (let index = 0; index < needleLength; index++) {
    if (bytes[found.start + index] !== needle[needleStart + index]) return false;
  }
  return true;
}

/** Bytes of the entry at a position (absolute), its backwards length included. */
export function entryBytes(bytes: Uint8Array, position: number): number {
  const size = encodedBytes(bytes, position);
  return size + backlenBytes(size);
}

/** Encoding and data of the entry at a position, in bytes. */
function encodedBytes(bytes: Uint8Array, position: number): number {
  const head = bytes[position];
  if (head < 0x80) return 1;
  if (head < 0xc0) return 1 + (head & 0x3f);
  if (head < 0xe0) return 2;
  if (head < 0xf0) return 2 + (((head & 15) << 8) | bytes[position + 1]);
  if (head === 0xf0) return 5 + readUint32(bytes, position + 1);
  return head === 0xf4 ? 9 : head - 0xee;
}

/** Bytes in which an entry of `size` bytes says its length; the limits are Redis', one below the obvious. */
export function backlenBytes(size: number): number {
  if (size <= 127) return 1;
  if (size < 16383) return 2;
  if (size < 2097151) return 3;
  return size < 268435455 ? 4 : 5;
}

/** The length that ends at a position; -1 when it is longer than 5 bytes. */
function readBacklen(bytes: Uint8Array, position: number): number {
  let size = 0;
  let scale = 1;
  for (let index = 0; index < 5; index++) {
    const byte = bytes[position - index];
    size += (byte & 0x7f) * scale;
    if (byte < 0x80) return size;
    scale *= 128;
  }
  return -1;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/** Why bytes[start, start + length) is no listpack, '' when it is one. `deep` looks at every entry. */
export function validate(bytes: Uint8Array, start: number, length: number, deep: boolean): string {
  if (length < EMPTY_BYTES) return 'a listpack of fewer than 7 bytes';
  if (totalBytes(bytes, start) !== length) return 'the listpack says another size than it has';
  if (bytes[start + length - 1] !== END) return 'the listpack has no end mark';
  if (!deep) return '';
  const stop = length - 1;
  let at = HEADER_BYTES;
  let counted = 0;
  while (at < stop) {
    const size = boundedEncodedBytes(bytes, start + at, stop - at);
    if (size < 0) return 'a listpack entry is cut off or has an unknown encoding';
    const backwards = backlenBytes(size);
    if (at + size + backwards > stop) return 'a listpack entry reaches beyond the end';
    if (readBacklen(bytes, start + at + size + backwards - 1) !== size) {
      return 'a listpack entry says another length backwards than forwards';
    }
    at += size + backwards;
    counted++;
  }
  const known = bytes[start + 4] | (bytes[start + 5] << 8);
  if (known !== COUNT_UNKNOWN && known !== counted) return 'the listpack has another number of entries';
  return '';
}

function boundedEncodedBytes(bytes: Uint8Array, position: number, room: number): number {
  const head = bytes[position];
  if (head > 0xf4) return -1;
  if (head === 0xf0 && room < 5) return -1;
  if (head >= 0xc0 && head < 0xf0 && room < 2) return -1;
  const size = encodedBytes(bytes, position);
  return size > room ? -1 : size;
}
