/** Records of strings that change their size: inline ones that move, long ones made of chunks. */
import { type Arena, BLOCK_BYTES_MAX, UNIT_MASK } from '../structures/arena.ts';
import {
  CHUNK_BYTES,
  CHUNKED_BYTES_MIN,
  copyBytes,
  ENCODING_RAW,
  Records,
  TYPE_STRING,
} from '../structures/record.ts';

export class StringRecords {
  readonly arena: Arena;
  readonly records: Records;

  constructor(arena: Arena, records: Records) {
    this.arena = arena;
    this.records = records;
  }

  /** A copy of an inline record in a block of `bytes`. */
  moveInline(ref: number, bytes: number): number {
    const { arena, records } = this;
    const next = arena.allocate(bytes);
    const start = (ref & UNIT_MASK) << 3;
    const end = records.valueStart(ref) + records.valueLength(ref);
    copyBytes(records.segment(ref), start, end, records.segment(next), (next & UNIT_MASK) << 3);
    return next;
  }

  /** The block of a chunked record; header, key and chunks are the caller's. */
  allocateChunked(keyLength: number, valueLength: number, expires: boolean): number {
    const bytes = Records.inlineBytes(keyLength, Records.chunkCount(valueLength) * 4, expires);
    if (bytes > BLOCK_BYTES_MAX) throw new RangeError('the value is too large');
    return this.arena.allocate(bytes);
  }

  /** Gives a chunked record its chunks, of undefined content. */
  fillChunks(ref: number, valueLength: number): void {
    const { arena, records } = this;
    const count = Records.chunkCount(valueLength);
    for (let index = 0; index < count; index++) {
      const bytes = Math.min(CHUNK_BYTES, valueLength - index * CHUNK_BYTES);
      records.setChunk(ref, index, arena.allocate(bytes));
    }
  }

  /** A new chunked (or, when it shrank, inline) record with the old content; the old chunks are freed. */
  resizeChunked(
    ref: number,
    key: Buffer,
    oldLength: number,
    length: number,
    expiresAtMs: number,
    epoch: number,
  ): number {
    const { arena, records } = this;
    const inline = length <= CHUNKED_BYTES_MIN;
    const bytes = Records.inlineBytes(key.length, inline ? length : 0, expiresAtMs >= 0);
    const next = inline ? arena.allocate(bytes) : this.allocateChunked(key.length, length, expiresAtMs >= 0);
    const first = TYPE_STRING | (ENCODING_RAW << 4) | (records.accessClock(ref) << 8);
    records.writeHeader(next, first, epoch, key.length, length, expiresAtMs, !inline);
    copyBytes(key, 0, key.length, records.segment(next), records.keyStart(next));
    const kept = Math.min(oldLength, length);
    const oldChunks = records.chunked(ref) ? Records.chunkCount(oldLength) : 0;
    const wholeKept = inline
      ? 0
      : Math.min(oldChunks, Math.floor(oldLength / CHUNK_BYTES), Records.chunkCount(length));
    const count = inline ? 0 : Records.chunkCount(length);
    for (let index = 0; index < count; index++) {
      const size = Math.min(CHUNK_BYTES, length - index * CHUNK_BYTES);
      const reuse = index < wholeKept && size === CHUNK_BYTES;
      records.setChunk(next, index, reuse ? records.chunk(ref, index) : newZeroChunk(arena, records, size));
    }
    const moved = inline ? 0 : Math.min(wholeKept, Math.floor(length / CHUNK_BYTES));
    const from = moved * CHUNK_BYTES;
    if (inline) records.segment(next).fill(0, records.valueStart(next), records.valueStart(next) + length);
    if (kept > from) {
      const rest = Buffer.allocUnsafe(kept - from);
      records.copyValue(ref, from, kept - from, rest, 0);
      records.writeValue(next, from, rest, 0, rest.length);
    }
    for (let index = moved; index < oldChunks; index++) records.pins.free(records.chunk(ref, index));
    return next;
  }
}

function newZeroChunk(arena: Arena, records: Records, bytes: number): number {
  const chunk = arena.allocate(bytes);
  const segment = records.segment(chunk);
  const start = (chunk & UNIT_MASK) << 3;
  segment.fill(0, start, start + bytes);
  return chunk;
}
