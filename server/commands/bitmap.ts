/** Bitmaps: strings whose bits are set, counted and combined. */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_GENERIC, NOTIFY_STRING } from '../keyspace/events.ts';
import { type BitOperation, combineBits, countBits, firstBitIn, firstByteWith } from '../structures/bits.ts';
import { ENCODING_RAW } from '../structures/record.ts';
import { bitfield, bitfieldRo, bitOffset } from './bitfield.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { DENYOOM, FAST, type KeyPlace, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';
import {
  changeInPlace,
  checkKey,
  copyString,
  findString,
  growString,
  type Piece,
  pieceAt,
  readString,
} from './string-access.ts';
import { touched } from './value-access.ts';

const FROM_SECOND: KeyPlace = [2, -1, 1];

// biome-ignore format: a table, one command a row
export const bitmapCommands: readonly Row[] = [
  // name         arity flags                   keys         since    run         summary
  ['BITCOUNT',    -2,   READONLY,               ONE_KEY,     '2.6.0', bitcount,   'Counts the number of set bits (population counting) in a string.'],
  ['BITFIELD',    -2,   WRITE | DENYOOM,        ONE_KEY,     '3.2.0', bitfield,   'Performs arbitrary bitfield integer operations on strings.'],
  ['BITFIELD_RO', -2,   READONLY | FAST,        ONE_KEY,     '6.0.0', bitfieldRo, 'Performs arbitrary read-only bitfield integer operations on strings.'],
  ['BITOP',       -4,   WRITE | DENYOOM,        FROM_SECOND, '2.6.0', bitop,      'Performs bitwise operations on multiple strings, and stores the result.'],
  ['BITPOS',      -3,   READONLY,               ONE_KEY,     '2.8.7', bitpos,     'Finds the first set (1) or clear (0) bit in a string.'],
  ['GETBIT',      3,    READONLY | FAST,        ONE_KEY,     '2.2.0', getbit,     'Returns a bit value by offset.'],
  ['SETBIT',      4,    WRITE | DENYOOM,        ONE_KEY,     '2.2.0', setbit,     'Sets or clears the bit at offset of the string value. Creates the key if it doesn\'t exist.'],
];

const BAD_BIT = 'ERR bit is not an integer or out of range';
const BAD_BIT_ARGUMENT = 'ERR The bit argument must be 1 or 0.';
const ONE_SOURCE = 'ERR BITOP NOT must be called with a single source key.';
const OPERATIONS: readonly BitOperation[] = ['AND', 'OR', 'XOR', 'NOT', 'DIFF', 'DIFF1', 'ANDOR', 'ONE'];

const ONE_BYTE = Buffer.alloc(1);
const piece: Piece = { bytes: Buffer.alloc(0), start: 0, end: 0 };

function bitcount(call: Call): void {
  if (call.argc > 5) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  if (!readRange(call, 2)) return;
  const ref = readString(call, 1);
  if (ref < 0) return;
  if (ref === 0 || (range.endGiven && range.start < 0 && range.end < 0 && range.start > range.end)) {
    call.reply.integer(0);
    return;
  }
  if (!bitRange(call.context.keyspace.records.valueLength(ref))) call.reply.integer(0);
  else call.reply.integer(countRange(call, ref, range.start, range.end));
}

function bitop(call: Call): void {
  const operation = OPERATIONS.find((name) => call.is(1, name));
  if (operation === undefined) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  if (operation === 'NOT' && call.argc !== 4) {
    call.reply.error(ONE_SOURCE);
    return;
  }
  if ((operation === 'DIFF' || operation === 'DIFF1' || operation === 'ANDOR') && call.argc < 5) {
    call.reply.error(`ERR BITOP ${operation} must be called with at least two source keys.`);
    return;
  }
  const sources: Buffer[] = [];
  for (let index = 3; index < call.argc; index++) {
    const ref = readString(call, index);
    if (ref < 0) return;
    sources.push(copyString(call, ref));
  }
  if (!checkKey(call, 2)) return;
  const result = combineBits(operation, sources);
  const { database, bytes } = call;
  const start = call.argStart[2];
  const length = call.argLength[2];
  if (result.length > 0) {
    database.setString(bytes, start, length, result, 0, result.length, NO_EXPIRY, ENCODING_RAW);
    call.notify(NOTIFY_STRING, 'set', 2);
  } else if (database.remove(bytes, start, length)) call.notify(NOTIFY_GENERIC, 'del', 2);
  call.reply.integer(result.length);
}

function bitpos(call: Call): void {
  const bit = call.integer64(2);
  if (bit === null) {
    call.reply.error(errors.NOT_INTEGER);
    return;
  }
  if (bit !== 0n && bit !== 1n) {
    call.reply.error(BAD_BIT_ARGUMENT);
    return;
  }
  if (call.argc > 6) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  if (!readRange(call, 3)) return;
  const ref = readString(call, 1);
  if (ref < 0) return;
  const wanted = Number(bit);
  if (ref === 0) {
    call.reply.integer(wanted === 1 ? -1 : 0);
    return;
  }
  if (!bitRange(call.context.keyspace.records.valueLength(ref))) {
    call.reply.integer(-1);
    return;
  }
  const found = findBit(call, ref, range.start, range.end, wanted);
  // Behind a string stand zeros, unless the caller said where it ends.
  if (found < 0 && wanted === 0 && call.argc < 5) call.reply.integer(range.end + 1);
  else call.reply.integer(found);
}

function getbit(call: Call): void {
  const offset = bitOffset(call, 2, 0);
  if (offset < 0) return;
  const ref = readString(call, 1);
  if (ref < 0) return;
  const { records } = call.context.keyspace;
  const at = Math.floor(offset / 8);
  if (ref === 0 || at >= records.valueLength(ref)) {
    call.reply.integer(0);
    return;
  }
  pieceAt(records, ref, at, piece);
  call.reply.integer((piece.bytes[piece.start] >>> (7 - (offset % 8))) & 1);
}

function setbit(call: Call): void {
  const offset = bitOffset(call, 2, 0);
  if (offset < 0) return;
  const bit = call.integer(3);
  if (bit !== 0 && bit !== 1) {
    call.reply.error(BAD_BIT);
    return;
  }
  const ref = findString(call, 1);
  if (ref < 0 || !checkKey(call, 1)) return;
  const { records } = call.context.keyspace;
  const at = Math.floor(offset / 8);
  const mask = 128 >>> (offset % 8);
  const grows = ref === 0 || at >= records.valueLength(ref);
  const target = grows ? growString(call, 1, ref, at + 1) : ref;
  pieceAt(records, target, at, piece);
  const former = piece.bytes[piece.start];
  const value = bit === 1 ? former | mask : former & ~mask;
  if (!grows) {
    if (value === former) records.setEncoding(ref, ENCODING_RAW);
    else {
      changeInPlace(call, ref);
      touched(call, 1);
    }
  }
  ONE_BYTE[0] = value;
  records.writeValue(target, at, ONE_BYTE, 0, 1);
  if (grows || value !== former) call.notify(NOTIFY_STRING, 'setbit', 1);
  call.reply.integer((former & mask) === 0 ? 0 : 1);
}

// --- what the commands share

/** Positions of the command in hand: bytes or bits as given, then bits, both ends included. */
const range = { start: 0, end: 0, endGiven: false, bits: false };

/** Reads `[start [end [BIT | BYTE]]]` from word `index` on; false after an error was answered. */
function readRange(call: Call, index: number): boolean {
  range.start = 0;
  range.end = -1;
  range.endGiven = call.argc > index + 1;
  range.bits = false;
  if (call.argc > index) {
    const start = call.integer64(index);
    if (start === null) {
      call.reply.error(errors.NOT_INTEGER);
      return false;
    }
    range.start = Number(start);
  }
  if (call.argc > index + 2) {
    range.bits = call.is(index + 2, 'BIT');
    if (!range.bits && !call.is(index + 2, 'BYTE')) {
      call.reply.error(errors.SYNTAX);
      return false;
    }
  }
  if (range.endGiven) {
    const end = call.integer64(index + 1);
    if (end === null) {
      call.reply.error(errors.NOT_INTEGER);
      return false;
    }
    range.end = Number(end);
  }
  return true;
}

/** Makes the range one of bits in a string of `length` bytes; false when it is empty. */
function bitRange(length: number): boolean {
  const total = range.bits ? length * 8 : length;
  if (!range.endGiven) range.end = total - 1;
  const start = Math.max(0, range.start < 0 ? total + range.start : range.start);
  const end = Math.min(total - 1, Math.max(0, range.end < 0 ? total + range.end : range.end));
  if (start > end) return false;
  range.start = range.bits ? start : start * 8;
  range.end = range.bits ? end : end * 8 + 7;
  return true;
}

function countRange(call: Call, ref: number, first: number, last: number): number {
  const { records } = call.context.keyspace;
  const from = Math.floor(first / 8);
  const to = Math.floor(last / 8);
  let count = 0;
  for (let at = from; at <= to; ) {
    pieceAt(records, ref, at, piece);
    const end = Math.min(piece.end, piece.start + to + 1 - at);
    count += countBits(piece.bytes, piece.start, end);
    at += end - piece.start;
  }
  return count - countBits(edges(call, ref, first, last), 0, 2);
}

const EDGES = Buffer.alloc(2);

/** The bits of the first and the last byte that stand outside of the range. */
function edges(call: Call, ref: number, first: number, last: number): Buffer {
  const { records } = call.context.keyspace;
  pieceAt(records, ref, Math.floor(first / 8), piece);
  EDGES[0] = piece.bytes[piece.start] & ~(0xff >>> (first % 8));
  pieceAt(records, ref, Math.floor(last / 8), piece);
  EDGES[1] = piece.bytes[piece.start] & ((1 << (7 - (last % 8))) - 1);
  return EDGES;
}

/** The first bit of value `bit` from `first` to `last`, -1 when there is none. */
function findBit(call: Call, ref: number, first: number, last: number, bit: number): number {
  const { records } = call.context.keyspace;
  const from = Math.floor(first / 8);
  const to = Math.floor(last / 8);
  for (let at = from; at <= to; ) {
    pieceAt(records, ref, at, piece);
    const end = Math.min(piece.end, piece.start + to + 1 - at);
    const found = firstByteWith(piece.bytes, piece.start, end, bit);
    at += found - piece.start;
    if (found === end) continue;
    // The bit may stand outside of the range within the first byte, or behind it in the last one.
    const position = firstBitIn(
      piece.bytes[found],
      bit,
      at === from ? first % 8 : 0,
      at === to ? last % 8 : 7,
    );
    if (position < 8) return at * 8 + position;
    at++;
  }
  return -1;
}
