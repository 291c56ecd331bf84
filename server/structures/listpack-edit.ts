/**
 * Changes of a listpack where it lies: the caller has made room for what is added. Sizes come first
 * (`textEntryBytes`, `integerEntryBytes`), then room, then the change.
 */
import { Int64, parseInt64, TWO_32 } from './int64.ts';
import { backlenBytes, COUNT_UNKNOWN, EMPTY_BYTES, END, HEADER_BYTES, totalBytes } from './listpack.ts';
import { copyBytes } from './record.ts';

const number = new Int64();

/** Writes a listpack without entries: EMPTY_BYTES. */
export function writeEmpty(bytes: Uint8Array, start: number): void {
  bytes[start + 4] = 0;
  bytes[start + 5] = 0;
  bytes[start + HEADER_BYTES] = END;
  writeUint32(bytes, start, EMPTY_BYTES);
}

/** Bytes that this text takes as an entry: canonical integers are stored as such. */
export function textEntryBytes(source: Uint8Array, start: number, length: number): number {
  if (parseInt64(source, start, length, number)) return integerEntryBytes(number.high, number.low);
  const size = length + (length < 64 ? 1 : length < 4096 ? 2 : 5);
  return size + backlenBytes(size);
}

/** Bytes that an integer takes as an entry. */
export function integerEntryBytes(high: number, low: number): number {
  if (high === 0) {
    if (low <= 127) return 2;
    if (low <= 4095) return 3;
    if (low <= 32767) return 4;
    if (low <= 8388607) return 5;
    return low <= 2147483647 ? 6 : 10;
  }
  if (high !== -1) return 10;
  if (low >= TWO_32 - 4096) return 3;
  if (low >= TWO_32 - 32768) return 4;
  if (low >= TWO_32 - 8388608) return 5;
  return low >= TWO_32 - 2147483648 ? 6 : 10;
}

/** Writes an entry at a position (absolute); returns its bytes. */
export function writeTextEntry(
  bytes: Uint8Array,
  position: number,
  source: Uint8Array,
  start: number,
  length: number,
): number {
  if (parseInt64(source, start, length, number)) {
    return writeIntegerEntry(bytes, position, number.high, number.low);
  }
  let at = position;
  if (length < 64) bytes[at++] = 0x80 | length;
  else if (length < 4096) {
    bytes[at++] = 0xe0 | (length >>> 8);
    bytes[at++] = length & 0xff;
  } else {
    bytes[at++] = 0xf0;
    writeUint32(bytes, at, length);
    at += 4;
  }
  copyBytes(source, start, start + length, bytes, at);
  at += length;
  return at - position + writeBacklen(bytes, at, at - position);
}

/** Writes an integer entry at a position (absolute); returns its bytes. */
export function writeIntegerEntry(bytes: Uint8Array, position: number, high: number, low: number): number {
  if (high === 0 && low <= 127) {
    bytes[position] = low;
    bytes[position + 1] = 1;
    return 2;
  }
  const size = integerEntryBytes(high, low) - 1;
  if (size === 2) {
    bytes[position] = 0xc0 | ((low >>> 8) & 0x1f);
    bytes[position + 1] = low & 0xff;
  } else {
    bytes[position] = size === 9 ? 0xf4 : 0xee + size;
    let rest = low;
    for (let at = 1; at < size && at < 5; at++) {
      bytes[position + at] = rest & 0xff;
      rest >>>= 8;
    }
    if (size === 9) writeUint32(bytes, position + 5, high);
  }
  bytes[position + size] = size;
  return size + 1;
}

function writeBacklen(bytes: Uint8Array, at: number, size: number): number {
  if (size <= 127) {
    bytes[at] = size;
    return 1;
  }
  const length = backlenBytes(size);
  let rest = size;
  for (let index = length - 1; index >= 0; index--) {
    bytes[at + index] = (rest % 128) | (index === 0 ? 0 : 0x80);
    rest = Math.floor(rest / 128);
  }
  return length;
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >>> 8) & 0xff;
  bytes[at + 2] = (value >>> 16) & 0xff;
  bytes[at + 3] = value >>> 24;
}

/**
 * Replaces `removed` bytes at `at` by `added` undefined ones, which the caller fills, and changes the entry
 * count by `change`.
 */
export function splice(
  bytes: Uint8Array,
  start: number,
  at: number,
  removed: number,
  added: number,
  change: number,
): void {
  const total = totalBytes(bytes, start);
  if (removed !== added) {
    if (at + removed === total - 1) bytes[start + at + added] = END;
    else bytes.copyWithin(start + at + added, start + at + removed, start + total);
    writeUint32(bytes, start, total - removed + added);
  }
  changeCount(bytes, start, change);
}

function changeCount(bytes: Uint8Array, start: number, change: number): void {
  if (change === 0) return;
  const known = bytes[start + 4] | (bytes[start + 5] << 8);
  if (known === COUNT_UNKNOWN) return;
  const counted = Math.min(known + change, COUNT_UNKNOWN);
  bytes[start + 4] = counted & 0xff;
  bytes[start + 5] = counted >>> 8;
}

/** Inserts before the entry at `at` (or at the end mark); there must be room for `textEntryBytes`. */
export function insertText(
  bytes: Uint8Array,
  start: number,
  at: number,
  source: Uint8Array,
  from: number,
  length: number,
): void {
  splice(bytes, start, at, 0, textEntryBytes(source, from, length), 1);
  writeTextEntry(bytes, start + at, source, from, length);
}
