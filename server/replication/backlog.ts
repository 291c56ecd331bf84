/**
 * The log of the replication stream: one byte sequence that all replicas read, each at its own position.
 *
 *   position:  start                         reader A        reader B      end
 *              |----------- kept ------------|---------------|-------------|
 *              [ block ][ block ][ block ][ block ][ block ][ block ]
 *              |== in files ==|================ in memory ================|
 *
 * A position counts the bytes before it, so `end` is the replication offset and the byte at position p has
 * the offset p + 1, as PSYNC counts. At least the last `bytesMax` bytes are kept (fewer when fewer were
 * written), and all that a reader has not passed yet; whole blocks are given back, so up to one block more
 * may stay. Append copies each byte once; reading from memory copies nothing.
 *
 * Memory keeps `bytesMax` and some more for slow readers (SpillSizes); older blocks go to files (spill.ts) in
 * the background, or blocking when the disk does not keep up with the appends. When that is impossible, for
 * lack of room or by an error, `onTrouble` is told who holds the log back and must let go. What waits for a
 * slow disk never makes the log larger than `memoryBytesMax`, if that leaves room for what memory keeps.
 *
 * Redis keeps the same shape (a list of blocks with counted references) all in memory; here readers hold
 * positions instead.
 */
import type { Spill } from './spill.ts';
import { SpilledPart } from './spilled-part.ts';

/** Who reads the log. What lies at or behind its position is kept. */
export interface BacklogReader {
  position: number;
}

/** The log cannot keep what `readers` lack; the owner must remove them soon, not during the call. */
export type BacklogTrouble = (reason: string, readers: readonly BacklogReader[]) => void;

/** Small blocks for small logs, which may keep one or two more than they should. */
const BLOCK_BYTES_MIN = 16 * 1024;
const BLOCK_BYTES_MAX = 64 * 1024;
const LARGE_LOG_BYTES = 1024 * 1024;
const LOOP_COPY_BYTES = 48;
const EMPTY = new Uint8Array(0);
const SPILL_BYTES = 1024 * 1024;
const READ_BYTES = 512 * 1024;
/** Blocks given back that wait to be filled again: fresh ones cost more than what is written to them. */
const FREE_BYTES_MAX = 2 * 1024 * 1024;

export class Backlog {
  #blocks: Uint8Array[] = [];
  /** Index of the first live block in `#blocks`; those before it are given back in bulk. */
  #head = 0;
  /** Position of the first byte of the block at `#head`. */
  #headPosition: number;
  #start: number;
  #end: number;
  #bytesMax: number;
  readonly #readers: Set<BacklogReader> = new Set();
  readonly #blockBytes: number;
  readonly #spill: Spill | null;
  readonly #spilled: SpilledPart | null;
  /** Index of the first block that is in memory; those from `#head` to it are in files. */
  #memoryHead = 0;
  #free: Uint8Array[] = [];
  #writing = false;
  /** Told, and nobody was removed since. */
  #troubled = false;
  onTrouble: BacklogTrouble = () => {};
  /** More in memory makes the owner drop readers: appends wait for the disk before. */
  memoryBytesMax: () => number = () => Number.POSITIVE_INFINITY;

  /**
   * An empty log whose next byte stands at `position`; `bytesMax` is repl-backlog-size. Without `spill` all
   * of it stays in memory.
   */
  constructor(position: number, bytesMax: number, spill: Spill | null = null) {
    this.#blockBytes = bytesMax < LARGE_LOG_BYTES ? BLOCK_BYTES_MIN : BLOCK_BYTES_MAX;
    this.#spill = spill;
    this.#spilled = spill === null ? null : new SpilledPart(spill);
    this.#headPosition = position;
    this.#start = position;
    this.#end = position;
    this.#bytesMax = bytesMax;
  }

  /** Position of the oldest byte kept. */
  get start(): number {
    return this.#start;
  }

  /** Position after the newest byte: the replication offset. */
  get end(): number {
    return this.#end;
  }

  get historyBytes(): number {
    return this.#end - this.#start;
  }

  /** What the log costs in memory, whole blocks counted. */
  get memoryBytes(): number {
    return (this.#blocks.length - this.#memoryHead) * this.#blockBytes;
  }

  /** Position of the oldest byte in memory. */
  get memoryStart(): number {
    return this.#headPosition + (this.#memoryHead - this.#head) * this.#blockBytes;
  }

  /** Bytes that are in files only. */
  get spilledBytes(): number {
    return (this.#memoryHead - this.#head) * this.#blockBytes;
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    while (start < end) {
      const within = (this.#end - this.#headPosition) % this.#blockBytes;
      if (this.#end - this.#headPosition === (this.#blocks.length - this.#head) * this.#blockBytes) {
        this.#trim();
        this.#blocks.push(this.#free.pop() ?? new Uint8Array(this.#blockBytes));
        this.#relieve();
      }
      const block = this.#blocks[this.#blocks.length - 1] as Uint8Array;
      const length = Math.min(end - start, this.#blockBytes - within);
      if (length <= LOOP_COPY_BYTES) {
        for (let i = 0; i < length; i++) block[within + i] = bytes[start + i] as number;
      } else {
        block.set(bytes.subarray(start, start + length), within);
      }
      this.#end += length;
      start += length;
    }
  }

  /**
   * The bytes at `position`, as far as they lie in one piece; empty at the end of the log, null when they are
   * in a file. A view, valid until the next append or resize. `position` is within [start, end].
   */
  view(position: number): Uint8Array | null {
    if (position < this.#start || position > this.#end) {
      throw new RangeError(`backlog holds [${this.#start}, ${this.#end}], asked for ${position}`);
    }
    if (position === this.#end) return EMPTY;
    if (position < this.memoryStart) return null;
    const distance = position - this.#headPosition;
    const within = distance % this.#blockBytes;
    const block = this.#blocks[this.#head + (distance - within) / this.#blockBytes] as Uint8Array;
    return block.subarray(within, Math.min(this.#blockBytes, within + this.#end - position));
  }

  /** Some of the bytes at `position`, where `view` is null. The error is one of the disk. */
  read(position: number, done: (error: Error | null, bytes: Uint8Array) => void): void {
    (this.#spilled as SpilledPart).read(position, READ_BYTES, done);
  }

  /** Nobody uses the log any more. */
  close(): void {
    this.#readers.clear();
    this.#blocks = [];
    this.#free = [];
    this.#head = 0;
    this.#memoryHead = 0;
    this.#headPosition = this.#end;
    this.#start = this.#end;
    this.#spilled?.trim(Number.POSITIVE_INFINITY);
  }

  addReader(reader: BacklogReader): void {
    this.#readers.add(reader);
  }

  removeReader(reader: BacklogReader): void {
    this.#readers.delete(reader);
    this.#troubled = false;
    this.#trim();
  }

  /** CONFIG SET repl-backlog-size: what is kept stays as far as the new size allows. */
  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#trim();
  }

  #trim(): void {
    let keepFrom = this.#end - this.#bytesMax;
    for (const reader of this.#readers) keepFrom = Math.min(keepFrom, reader.position);
    while (this.#head < this.#blocks.length - 1 && this.#headPosition + this.#blockBytes <= keepFrom) {
      this.#reuse(this.#head);
      this.#head++;
      this.#headPosition += this.#blockBytes;
      this.#start = this.#headPosition;
    }
    if (this.#memoryHead < this.#head) this.#memoryHead = this.#head;
    // An empty part may have a file that is being written to for the first time.
    if (this.#spilled !== null && !(this.#spilled.empty && this.#writing)) {
      this.#spilled.trim(this.#headPosition);
    }
    if (this.#head > 64 && this.#head * 2 > this.#blocks.length) {
      this.#blocks = this.#blocks.slice(this.#head);
      this.#memoryHead -= this.#head;
      this.#head = 0;
    }
  }

  /** Moves the oldest blocks into files when memory holds too many. */
  #relieve(): void {
    if (this.#spill === null || this.#spill.bytesMax === 0) return;
    const { memoryBytes, writeBehindBytes } = this.#spill.sizes;
    const excess = this.memoryBytes - this.#bytesMax - memoryBytes;
    if (excess <= 0 || this.#troubled) return;
    if (this.#writing && excess <= Math.min(writeBehindBytes, this.#roomBehind(memoryBytes))) return;
    const position = this.memoryStart;
    const spilled = this.#spilled as SpilledPart;
    // The last block is still being filled.
    const full = this.#blocks.length - this.#memoryHead - 1;
    const count = Math.min(SPILL_BYTES / this.#blockBytes, full, spilled.roomAt(position) / this.#blockBytes);
    if (count <= 0) return;
    if (!this.#spill.hasRoom(count * this.#blockBytes)) {
      this.#giveUp('what waits for it is more than repl-spill-max', this.#slowest());
      return;
    }
    const bytes = Buffer.concat(this.#blocks.slice(this.#memoryHead, this.#memoryHead + count));
    if (this.#writing) {
      this.#written(spilled.writeNow(position, bytes));
      return;
    }
    this.#writing = true;
    spilled.write(position, bytes, (error) => {
      this.#writing = false;
      this.#written(error);
      this.#trim();
      if (error !== null) return;
      this.#relieve();
    });
  }

  /** What may wait for the disk before the owner drops readers; a limit below what memory keeps is theirs. */
  #roomBehind(memoryBytes: number): number {
    const room = this.memoryBytesMax() - this.#bytesMax - memoryBytes - this.#blockBytes;
    return room < 0 ? Number.POSITIVE_INFINITY : room;
  }

  /** Blocks are in files now; or the log was trimmed beyond them meanwhile. */
  #written(error: Error | null): void {
    if (error !== null) {
      const start = this.#end - this.#bytesMax - (this.#spill as Spill).sizes.memoryBytes;
      const behind = [...this.#readers].filter((reader) => reader.position < start);
      this.#giveUp(`the spill file cannot be written: ${error.message}`, behind);
      return;
    }
    const { end } = this.#spilled as SpilledPart;
    while (this.memoryStart < end && this.#memoryHead < this.#blocks.length - 1) {
      this.#reuse(this.#memoryHead);
      this.#memoryHead++;
    }
  }

  #reuse(index: number): void {
    const block = this.#blocks[index] as Uint8Array;
    this.#blocks[index] = EMPTY;
    if (block.length !== 0 && this.#free.length * this.#blockBytes < FREE_BYTES_MAX) this.#free.push(block);
  }

  #slowest(): BacklogReader[] {
    let slowest: BacklogReader | null = null;
    for (const reader of this.#readers) {
      if (slowest === null || reader.position < slowest.position) slowest = reader;
    }
    return slowest === null ? [] : [slowest];
  }

  #giveUp(reason: string, readers: readonly BacklogReader[]): void {
    if (readers.length === 0) return;
    this.#troubled = true;
    this.onTrouble(reason, readers);
  }
}
