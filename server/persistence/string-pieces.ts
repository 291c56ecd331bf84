/** A long string on its way into a snapshot, a chunk at a time; its chunks are pinned until then. */
import { UNIT_MASK } from '../structures/arena.ts';
import { CHUNK_BYTES, Records } from '../structures/record.ts';
import type { RdbWriter } from './rdb-writer.ts';
import type { PieceWriter } from './value-codec.ts';

export class StringPieces implements PieceWriter {
  readonly #records: Records;
  readonly #length: number;
  readonly #chunks: Uint32Array;
  #at = 0;

  constructor(records: Records, ref: number) {
    this.#records = records;
    this.#length = records.valueLength(ref);
    this.#chunks = new Uint32Array(Records.chunkCount(this.#length));
    for (let index = 0; index < this.#chunks.length; index += 1) {
      const chunk = records.chunk(ref, index);
      this.#chunks[index] = chunk;
      records.pins.pin(chunk);
    }
  }

  head(writer: RdbWriter): void {
    writer.openString(this.#length);
  }

  step(writer: RdbWriter): boolean {
    const chunk = this.#chunks[this.#at];
    const start = (chunk & UNIT_MASK) << 3;
    const count = Math.min(CHUNK_BYTES, this.#length - this.#at * CHUNK_BYTES);
    writer.raw(this.#records.segment(chunk), start, start + count);
    this.#records.pins.unpin(chunk);
    this.#at += 1;
    return this.#at === this.#chunks.length;
  }

  end(): void {
    for (; this.#at < this.#chunks.length; this.#at += 1) this.#records.pins.unpin(this.#chunks[this.#at]);
  }
}
