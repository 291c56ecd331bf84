/** What the commands on strings share: finding, writing out, storing and removing with what goes with it. */
import { KEEP_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_EXPIRED, NOTIFY_GENERIC, NOTIFY_STRING } from '../keyspace/events.ts';
import { UNIT_MASK } from '../structures/arena.ts';
import { CHUNK_BYTES, ENCODING_RAW, KEY_BYTES_MAX, type Records, TYPE_STRING } from '../structures/record.ts';
import { xxh3 } from '../structures/xxh3.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { findValue, readValue, touched } from './value-access.ts';

const NOTHING = Buffer.alloc(0);
export const DIGEST_DIGITS = 16;

/** The string at word `index` for a change: its record, 0 when there is none, -1 after WRONGTYPE. */
export function findString(call: Call, index: number): number {
  return findValue(call, index, TYPE_STRING);
}

/** Like `findString`, for a read: counts hit or miss and refreshes the access clock. */
export function readString(call: Call, index: number): number {
  return readValue(call, index, TYPE_STRING);
}

/** Answers with the whole string at `ref`. */
export function writeString(call: Call, ref: number): void {
  const records = call.context.keyspace.records;
  const length = records.valueLength(ref);
  if (records.chunked(ref)) writePart(call, ref, 0, length);
  else {
    const start = records.valueStart(ref);
    call.reply.bulkRange(records.segment(ref), start, start + length);
  }
}

export function writePart(call: Call, ref: number, from: number, length: number): void {
  const reply = call.reply;
  reply.bulkHead(length);
  call.context.keyspace.records.copyValue(ref, from, length, reply.buffer, reply.at);
  reply.at += length;
  reply.crlf();
}

/** A copy of the string at `ref`; empty for 0. */
export function copyString(call: Call, ref: number): Buffer {
  if (ref === 0) return NOTHING;
  const records = call.context.keyspace.records;
  const value = Buffer.allocUnsafe(records.valueLength(ref));
  records.copyValue(ref, 0, value.length, value, 0);
  return value;
}

/**
 * Sets word `key` to word `value` and tells listeners `set`; false after answering that the key is too long.
 * `expiresAtMs`: unix ms, NO_EXPIRY or KEEP_EXPIRY.
 */
export function setPlain(call: Call, key: number, value: number, expiresAtMs: number): boolean {
  if (!checkKey(call, key)) return false;
  storeWord(call, key, value, expiresAtMs);
  call.notify(NOTIFY_STRING, 'set', key);
  return true;
}

/** Sets word `key`, which is short enough, to word `value`. */
export function storeWord(call: Call, key: number, value: number, expiresAtMs: number): void {
  call.database.setString(
    call.bytes,
    call.argStart[key],
    call.argLength[key],
    call.bytes,
    call.argStart[value],
    call.argLength[value],
    expiresAtMs,
  );
}

/** Sets the key in word `index`, which is short enough, to `value[0, length)`; its expiry stays. */
export function storeBytes(
  call: Call,
  index: number,
  value: Uint8Array,
  length: number,
  encoding: number,
): void {
  const { database, bytes } = call;
  const start = call.argStart[index];
  database.setString(bytes, start, call.argLength[index], value, 0, length, KEEP_EXPIRY, encoding);
}

/**
 * Makes the string in word `index` (`ref`: what was just found there, 0 for a new key, which is short enough)
 * `length` bytes long, new bytes zero; returns the record to write into.
 */
export function growString(call: Call, index: number, ref: number, length: number): number {
  const { keyspace } = call.context;
  if (ref !== 0) {
    if (length !== keyspace.records.valueLength(ref)) return call.database.resizeString(ref, length);
    changeInPlace(call, ref);
    touched(call, index);
    return ref;
  }
  storeBytes(call, index, NOTHING, 0, 0);
  // The key is made and grows in one change.
  keyspace.dirty--;
  const made = call.database.findAny(call.bytes, call.argStart[index], call.argLength[index]);
  return call.database.resizeString(made, length);
}

/** False after answering that the key in word `key` is too long. */
export function checkKey(call: Call, key: number): boolean {
  if (call.argLength[key] <= KEY_BYTES_MAX) return true;
  call.reply.error(errors.KEY_TOO_LONG);
  return false;
}

/** False after answering that a string of `length` bytes is too long. Our primary's word counts. */
export function checkLength(call: Call, length: number): boolean {
  if (length <= call.context.config.values['proto-max-bulk-len']) return true;
  if (call.client.kind === 'primary' || call.client.kind === 'aof') return true;
  call.reply.error(errors.STRING_TOO_LONG);
  return false;
}

/** True when the string at `ref` is word `index`. */
export function equalsWord(call: Call, ref: number, index: number): boolean {
  const records = call.context.keyspace.records;
  const length = call.argLength[index];
  if (records.valueLength(ref) !== length) return false;
  const start = call.argStart[index];
  const word = call.bytes.subarray(start, start + length);
  if (records.chunked(ref)) return copyString(call, ref).equals(word);
  const valueStart = records.valueStart(ref);
  return records
    .segment(ref)
    .subarray(valueStart, valueStart + length)
    .equals(word);
}

/** The digest of the string at `ref`: 16 hexadecimal digits in lower case. */
export function digestOf(call: Call, ref: number): string {
  return xxh3(copyString(call, ref)).toString(16).padStart(DIGEST_DIGITS, '0');
}

/** Deletes the key in word `index`, whose record was just found; listeners and replicas hear of `del`. */
export function removeKey(call: Call, index: number, ref: number): void {
  call.database.removeFound(ref);
  call.notify(NOTIFY_GENERIC, 'del', index);
  call.propagateAs(['DEL', call.copy(index)]);
}

/**
 * True when a key that ends at `expiresAtMs` need not be made at all: its time is over, and we are who says
 * so.
 */
export function isOver(call: Call, expiresAtMs: number): boolean {
  const { keyspace } = call.context;
  return expiresAtMs <= keyspace.nowMs && keyspace.deletesExpired && !keyspace.seesExpired;
}

/**
 * Deletes the key in word `index`, whose time is over, if it is there: DEL or UNLINK as lazyfree-lazy-expire
 * says.
 */
export function removeOver(call: Call, index: number): void {
  const ref = call.database.find(call.bytes, call.argStart[index], call.argLength[index]);
  if (ref === 0) {
    call.propagateNothing();
    return;
  }
  call.database.removeFound(ref);
  call.context.stats.expiredKeys++;
  call.notify(NOTIFY_EXPIRED, 'expired', index);
  const lazy = call.context.config.values['lazyfree-lazy-expire'];
  call.propagateAs([lazy ? 'UNLINK' : 'DEL', call.copy(index)]);
}

/**
 * Prepares the string at `ref` for a change of its bytes in place; afterwards it is raw. The change itself is
 * reported with `touched`.
 */
export function changeInPlace(call: Call, ref: number): void {
  const { keyspace } = call.context;
  call.database.beforeChange(ref);
  keyspace.records.setMark(ref, keyspace.epoch);
  keyspace.records.setEncoding(ref, ENCODING_RAW);
}

/** Bytes of a string that lie side by side: bytes[start, end). Filled by `pieceAt`. */
export interface Piece {
  bytes: Buffer;
  start: number;
  end: number;
}

/** The piece of the string at `ref` that holds byte `at` < its length, from there on. */
export function pieceAt(records: Records, ref: number, at: number, piece: Piece): void {
  const length = records.valueLength(ref);
  if (!records.chunked(ref)) {
    piece.bytes = records.segment(ref);
    piece.start = records.valueStart(ref) + at;
    piece.end = records.valueStart(ref) + length;
    return;
  }
  const index = Math.floor(at / CHUNK_BYTES);
  const chunk = records.chunk(ref, index);
  const first = (chunk & UNIT_MASK) << 3;
  piece.bytes = records.segment(chunk);
  piece.start = first + (at % CHUNK_BYTES);
  piece.end = first + Math.min(CHUNK_BYTES, length - index * CHUNK_BYTES);
}
