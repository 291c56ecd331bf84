/**
 * What listpacks replaced: ziplists (before Redis 7) and zipmaps (before 2.6), read and turned into
 * listpacks.
 *
 *   ziplist  | bytes u32 | last entry u32 | entries u16 | entry ... | 0xff |
 *            entry = | bytes of the one before: 1, or 254 and u32 | encoding | data |
 *   zipmap   | pairs u8 | length, field | length, free u8, value, free bytes | ... | 0xff |
 *            length = 1 byte below 254, or 254 and u32
 *
 * Both answer a listpack in a buffer of its own, or a sentence that says what is wrong: every length is
 * checked before it is followed.
 */
import { Int64 } from '../../structures/int64.ts';
import { COUNT_UNKNOWN, EMPTY_BYTES, end, totalBytes } from '../../structures/listpack.ts';
import {
  integerEntryBytes,
  splice,
  textEntryBytes,
  writeEmpty,
  writeIntegerEntry,
  writeTextEntry,
} from '../../structures/listpack-edit.ts';

const ZIPLIST_HEADER_BYTES = 10;
const END = 0xff;
const LONG_LENGTH = 254;
/** A listpack entry is at most this much longer than the text in it. */
const ENTRY_OVERHEAD_MAX = 10;

/** Collects entries into a listpack. */
class ListpackBuilder {
  bytes: Buffer;
  constructor(bytesHint: number) {
    this.bytes = Buffer.allocUnsafe(bytesHint + EMPTY_BYTES);
    writeEmpty(this.bytes, 0);
  }

  addText(source: Buffer, start: number, length: number): void {
    this.#reserve(length + ENTRY_OVERHEAD_MAX);
    const at = end(this.bytes, 0);
    splice(this.bytes, 0, at, 0, textEntryBytes(source, start, length), 1);
    writeTextEntry(this.bytes, at, source, start, length);
  }

  addInteger(high: number, low: number): void {
    this.#reserve(ENTRY_OVERHEAD_MAX);
    const at = end(this.bytes, 0);
    splice(this.bytes, 0, at, 0, integerEntryBytes(high, low), 1);
    writeIntegerEntry(this.bytes, at, high, low);
  }

  finish(): Buffer {
    return this.bytes.subarray(0, totalBytes(this.bytes, 0));
  }

  #reserve(bytes: number): void {
    const used = totalBytes(this.bytes, 0);
    if (used + bytes <= this.bytes.length) return;
    const next = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, used + bytes));
    this.bytes.copy(next, 0, 0, used);
    this.bytes = next;
  }
}

/** One entry's encoding: a string of `length` bytes behind `head` bytes, or an integer in `number`. */
class ZiplistEntry {
  isInteger = false;
  head = 0;
  length = 0;
  readonly number = new Int64();
}

/** The ziplist that `bytes` is, as a listpack; otherwise why it is none. */
export function listpackOfZiplist(bytes: Buffer): Buffer | string {
  if (bytes.length < ZIPLIST_HEADER_BYTES + 1) return 'a ziplist of fewer than 11 bytes';
  if (bytes.readUInt32LE(0) !== bytes.length) return 'the ziplist says another size than it has';
  const stop = bytes.length - 1;
  if (bytes[stop] !== END) return 'the ziplist has no end mark';
  const builder = new ListpackBuilder(bytes.length + (bytes.length >>> 2));
  const entry = new ZiplistEntry();
  let at = ZIPLIST_HEADER_BYTES;
  let before = 0;
  let last = ZIPLIST_HEADER_BYTES;
  let counted = 0;
  while (at < stop) {
    const long = bytes[at] === LONG_LENGTH;
    if (bytes[at] === END || (long && at + 5 > stop)) return 'a ziplist entry is cut off';
    if ((long ? bytes.readUInt32LE(at + 1) : bytes[at]) !== before) {
      return 'a ziplist entry says another length of the one before it';
    }
    const head = at + (long ? 5 : 1);
    if (head >= stop || !readEncoding(bytes, head, stop, entry)) {
      return 'a ziplist entry is cut off or has an unknown encoding';
    }
    const after = head + entry.head + entry.length;
    if (after > stop) return 'a ziplist entry reaches beyond the end';
    if (entry.isInteger) builder.addInteger(entry.number.high, entry.number.low);
    else builder.addText(bytes, head + entry.head, entry.length);
    last = at;
    before = after - at;
    at = after;
    counted++;
  }
  if (bytes.readUInt32LE(4) !== last) return 'the ziplist says another last entry';
  const known = bytes.readUInt16LE(8);
  if (known !== COUNT_UNKNOWN && known !== counted) return 'the ziplist has another number of entries';
  return builder.finish();
}

/** False when the encoding is unknown or an integer is cut off; a string's end is the caller's to check. */
function readEncoding(bytes: Buffer, at: number, stop: number, into: ZiplistEntry): boolean {
  const code = bytes[at];
  into.isInteger = code >= 0xc0;
  if (into.isInteger) {
    into.head = 1;
    into.length = integerBytes(code);
    return into.length >= 0 && at + 1 + into.length <= stop && readInteger(bytes, at + 1, code, into.number);
  }
  into.head = code < 0x40 ? 1 : code < 0x80 ? 2 : 5;
  if (at + into.head > stop) return false;
  if (into.head === 1) into.length = code;
  else if (into.head === 2) into.length = ((code & 0x3f) << 8) | bytes[at + 1];
  else into.length = bytes.readUInt32BE(at + 1);
  return true;
}

function integerBytes(code: number): number {
  if (code === 0xc0) return 2;
  if (code === 0xd0) return 4;
  if (code === 0xe0) return 8;
  if (code === 0xf0) return 3;
  if (code === 0xfe) return 1;
  return code >= 0xf1 && code <= 0xfd ? 0 : -1;
}

function readInteger(bytes: Buffer, at: number, code: number, into: Int64): boolean {
  if (code === 0xc0) into.setNumber(bytes.readInt16LE(at));
  else if (code === 0xd0) into.setNumber(bytes.readInt32LE(at));
  else if (code === 0xe0) into.set(bytes.readInt32LE(at + 4), bytes.readUInt32LE(at));
  else if (code === 0xf0) into.setNumber(bytes.readIntLE(at, 3));
  else if (code === 0xfe) into.setNumber(bytes.readInt8(at));
  else into.setNumber((code & 15) - 1);
  return true;
}

/** The zipmap that `bytes` is, as a listpack of fields and values in turn; otherwise why it is none. */
export function listpackOfZipmap(bytes: Buffer): Buffer | string {
  const stop = bytes.length - 1;
  if (stop < 1 || bytes[stop] !== END) return 'the zipmap has no end mark';
  const builder = new ListpackBuilder(bytes.length * 2);
  let at = 1;
  let words = 0;
  while (at < stop) {
    const long = bytes[at] === LONG_LENGTH;
    const isValue = (words & 1) === 1;
    const head = at + (long ? 5 : 1) + (isValue ? 1 : 0);
    if (bytes[at] === END || head > stop) return 'a zipmap entry is cut off';
    const length = long ? bytes.readUInt32LE(at + 1) : bytes[at];
    const after = head + length + (isValue ? bytes[head - 1] : 0);
    if (after > stop) return 'a zipmap entry reaches beyond the end';
    builder.addText(bytes, head, length);
    at = after;
    words++;
  }
  if (words === 0) return 'a zipmap without fields';
  if ((words & 1) === 1) return 'a zipmap with a field without value';
  if (bytes[0] < LONG_LENGTH && bytes[0] !== words / 2) return 'the zipmap has another number of pairs';
  return builder.finish();
}
