/** A value on its way into a snapshot piece by piece, as it was at T0: its type keeps the old pieces. */
import type { RdbChunk } from './rdb-chunk.ts';
import type { RdbWriter } from './rdb-writer.ts';
import type { PieceWriter } from './value-codec.ts';

export class OpenPieces {
  readonly database: number;
  readonly #pieces: PieceWriter;
  /** The record up to its first piece. */
  readonly #head: RdbChunk;

  constructor(database: number, head: RdbChunk, pieces: PieceWriter) {
    this.database = database;
    this.#head = head;
    this.#pieces = pieces;
  }

  begin(writer: RdbWriter): void {
    writer.append(this.#head);
  }

  /** True when the record is complete. */
  step(writer: RdbWriter): boolean {
    return this.#pieces.step(writer);
  }

  end(): void {
    this.#pieces.end();
  }
}
