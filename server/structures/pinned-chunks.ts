/**
 * Chunks of long strings that a snapshot has still to write: they keep their bytes. Who changes one gets a
 * copy in its place, who frees one leaves it to the end of its pin. Empty while no snapshot runs.
 */
import type { Arena } from './arena.ts';

export class PinnedChunks {
  /** Bytes of chunks that nobody but the snapshot holds. */
  orphanBytes = 0;
  readonly #arena: Arena;
  /** Chunk -> whether nobody else holds it any more. */
  readonly #pinned = new Map<number, boolean>();

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  get size(): number {
    return this.#pinned.size;
  }

  has(chunk: number): boolean {
    return this.#pinned.has(chunk);
  }

  pin(chunk: number): void {
    this.#pinned.set(chunk, false);
  }

  unpin(chunk: number): void {
    if (this.#pinned.get(chunk) === true) {
      this.orphanBytes -= this.#arena.blockBytes(chunk);
      this.#arena.free(chunk);
    }
    this.#pinned.delete(chunk);
  }

  /** Frees a chunk, now or at the end of its pin. */
  free(chunk: number): void {
    if (!this.#pinned.has(chunk)) {
      this.#arena.free(chunk);
      return;
    }
    this.#pinned.set(chunk, true);
    this.orphanBytes += this.#arena.blockBytes(chunk);
  }
}
