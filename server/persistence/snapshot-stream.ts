/**
 * The bytes of one snapshot, in order: what is written now, and at the side the old content of other records
 * while one is open. What waits at the side goes first in, first out, a chunk a step; each chunk selects its
 * database by itself.
 */
import type { SnapshotOutput } from './chunk-output.ts';
import { CHUNK_ROOM, type RdbChunk } from './rdb-chunk.ts';
import { RdbError } from './rdb-source.ts';
import { type Compression, RdbWriter } from './rdb-writer.ts';
import { SideLog, type SpillFile } from './side-log.ts';

/** Old content cannot wait: with so much on its way to the disk it waits for it. */
const BLOCK_BYTES = 32 * 1024 * 1024;
const BLOCK_MS_MAX = 5000;
const FLUSH_BYTES = CHUNK_ROOM / 2;

export class SnapshotStream {
  readonly writer: RdbWriter;
  readonly #side: RdbWriter;
  readonly #sideLog: SideLog;
  readonly #output: SnapshotOutput;

  constructor(output: SnapshotOutput, compression: Compression, spill: SpillFile) {
    this.#output = output;
    this.writer = new RdbWriter(compression, CHUNK_ROOM);
    this.#side = new RdbWriter(compression, CHUNK_ROOM);
    this.#sideLog = new SideLog(spill);
  }

  /** Memory it holds, with what the output has not worked off. */
  get heldBytes(): number {
    return this.#output.pendingBytes + this.writer.length + this.#side.length + this.#sideLog.memoryBytes;
  }

  /** Where old content goes now. More joins what waits at the side until that is empty. */
  before(recordOpen: boolean): RdbWriter {
    const aside = recordOpen || this.#side.length !== 0 || !this.#sideLog.isEmpty;
    return aside ? this.#side : this.writer;
  }

  /** A record is complete. Throws RdbError when neither disk nor memory has room for it. */
  written(writer: RdbWriter): void {
    if (writer === this.writer) this.flush(FLUSH_BYTES);
    else if (writer.length >= FLUSH_BYTES) this.#sideLog.push(writer.takeChunk(null, CHUNK_ROOM));
  }

  /** What waits at the side follows, a chunk a call, while no record is open. False when there is none. */
  emitSide(): boolean {
    if (this.#sideLog.isEmpty && this.#side.length === 0) return false;
    if (this.#sideLog.isEmpty) this.#sideLog.push(this.#side.takeChunk(null, CHUNK_ROOM));
    // What is written next has to select its database again.
    this.flush(0);
    const chunk = this.#sideLog.shift();
    if (chunk !== null) this.#put(chunk);
    return true;
  }

  flush(bytesMin = FLUSH_BYTES): void {
    if (this.writer.length === 0 || this.writer.length < bytesMin) return;
    this.#put(this.writer.takeChunk(this.#output.empty(), CHUNK_ROOM));
  }

  #put(chunk: RdbChunk): void {
    const output = this.#output;
    output.chunk(chunk);
    if (output.pendingBytes <= BLOCK_BYTES || output.drainTo(BLOCK_BYTES, BLOCK_MS_MAX)) return;
    throw new RdbError(`the disk took less than ${BLOCK_BYTES} bytes in ${BLOCK_MS_MAX} ms`, -1);
  }
}
