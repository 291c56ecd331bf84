/**
 * The log of the replication stream: one byte sequence that all replicas read, each at its own position.
 *
 *   position:  start                         reader A        reader B      end
 *              |----------- kept ------------|---------------|-------------|
 *              [ block ][ block ][ block ][ block ][ block ][ block ]
 *
 * A position counts the bytes before it, so `end` is the replication offset and the byte at position p has
 * the offset p + 1, as PSYNC counts. At least the last `bytesMax` bytes are kept (fewer when fewer were
 * written), and all that a reader has not passed yet; whole blocks are given back, so up to one block more
 * may stay. Append copies each byte once; reading copies nothing.
 *
 * Redis keeps the same shape (a list of blocks with counted references); here readers hold positions instead.
 */

/** Who reads the log. What lies at or behind its position is kept. */
export interface BacklogReader {
  position: number;
}

const BLOCK_BYTES = 64 * 1024;
const LOOP_COPY_BYTES = 48;
const EMPTY = new Uint8Array(0);

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

  /** An empty log whose next byte stands at `position`; `bytesMax` is repl-backlog-size. */
  constructor(position: number, bytesMax: number) {
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

  /** What the log costs, whole blocks counted. */
  get memoryBytes(): number {
    return (this.#blocks.length - this.#head) * BLOCK_BYTES;
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    while (start < end) {
      const within = (this.#end - this.#headPosition) % BLOCK_BYTES;
      if (this.#end - this.#headPosition === (this.#blocks.length - this.#head) * BLOCK_BYTES) {
        this.#blocks.push(new Uint8Array(BLOCK_BYTES));
        this.#trim();
      }
      const block = this.#blocks[this.#blocks.length - 1] as Uint8Array;
      const length = Math.min(end - start, BLOCK_BYTES - within);
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
   * The bytes at `position`, as far as they lie in one piece; empty at the end of the log. A view, valid
   * until the next append or resize. `position` is within [start, end].
   */
  view(position: number): Uint8Array {
    if (position < this.#start || position > this.#end) {
      throw new RangeError(`backlog holds [${this.#start}, ${this.#end}], asked for ${position}`);
    }
    if (position === this.#end) return EMPTY;
    const distance = position - this.#headPosition;
    const within = distance % BLOCK_BYTES;
    const block = this.#blocks[this.#head + (distance - within) / BLOCK_BYTES] as Uint8Array;
    return block.subarray(within, Math.min(BLOCK_BYTES, within + this.#end - position));
  }

  addReader(reader: BacklogReader): void {
    this.#readers.add(reader);
  }

  removeReader(reader: BacklogReader): void {
    this.#readers.delete(reader);
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
    while (this.#head < this.#blocks.length - 1 && this.#headPosition + BLOCK_BYTES <= keepFrom) {
      this.#blocks[this.#head] = EMPTY;
      this.#head++;
      this.#headPosition += BLOCK_BYTES;
      this.#start = this.#headPosition;
    }
    if (this.#head > 64 && this.#head * 2 > this.#blocks.length) {
      this.#blocks = this.#blocks.slice(this.#head);
      this.#head = 0;
    }
  }
}
