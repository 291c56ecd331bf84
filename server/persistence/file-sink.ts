/**
 * A snapshot on its way into a file: under a temporary name until it is complete and safe, then rename and
 * fsync of the folder; the file that was there before stays whole whatever happens.
 *
 * An RDB is written by the snapshot's thread (chunk-output.ts), which knows the temporary name. What is made
 * of one on this thread (commands) comes by `write`: chunks go out one after the other by asynchronous
 * writes, every SYNC_EVERY_BYTES are flushed to the disk so that the end is no stall. Above BLOCK_BYTES the
 * next chunk is written at once, blocking.
 */
import { close, closeSync, fdatasync, fsync, openSync, rmSync, write, writeSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { asError } from '../config/failure.ts';
import type { SnapshotSink } from './snapshot.ts';

const fsyncAsync = promisify(fsync);
const SYNC_EVERY_BYTES = 8 * 1024 * 1024;
const BLOCK_BYTES = 64 * 1024 * 1024;

/** Makes a rename or a deletion in this folder outlive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export class FileSink implements SnapshotSink {
  pendingBytes = 0;
  failure: Error | null = null;
  /** Under its temporary name. */
  readonly file: string;
  readonly #final: string;
  /** Opened by the first `write`. */
  #descriptor = -1;
  readonly #queue: Uint8Array[] = [];
  #position = 0;
  #unsynced = 0;
  #busy = false;
  #aborted = false;
  #drained: (() => void) | null = null;

  /** Creates the file under its temporary name; throws when that is impossible. */
  constructor(temporary: string, final: string) {
    this.file = temporary;
    this.#final = final;
    closeSync(openSync(temporary, 'w', 0o644));
  }

  write(chunk: Uint8Array): void {
    if (this.failure !== null || this.#aborted) return;
    if (!this.#opened()) return;
    if (this.pendingBytes > BLOCK_BYTES) {
      this.#writeNow(chunk);
      return;
    }
    this.pendingBytes += chunk.length;
    this.#queue.push(chunk);
    if (!this.#busy) this.#next();
  }

  async finish(): Promise<void> {
    if (this.#busy || this.#queue.length !== 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    try {
      if (this.failure !== null) throw this.failure;
      if (this.#aborted) throw new Error('aborted');
      if (this.#descriptor >= 0) await fsyncAsync(this.#descriptor);
      this.#close();
      await rename(this.file, this.#final);
      await syncFolder(dirname(this.#final));
    } catch (error) {
      this.failure = asError(error);
      throw this.failure;
    }
  }

  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#queue.length = 0;
    this.pendingBytes = 0;
    // At once, because the process may end next; the space goes when the file is closed.
    try {
      rmSync(this.file, { force: true });
    } catch (error) {
      this.failure = asError(error);
    }
    if (!this.#busy) this.#discard();
  }

  #opened(): boolean {
    if (this.#descriptor >= 0) return true;
    try {
      this.#descriptor = openSync(this.file, 'r+');
      return true;
    } catch (error) {
      this.failure = asError(error);
      return false;
    }
  }

  /** Takes the next chunk in hand; writes keep their order by position. */
  #next(): void {
    if (this.#aborted) {
      this.#busy = false;
      this.#discard();
      return;
    }
    if (this.#unsynced >= SYNC_EVERY_BYTES) {
      this.#busy = true;
      this.#unsynced = 0;
      fdatasync(this.#descriptor, (error) => this.#done(error));
      return;
    }
    const chunk = this.failure === null ? this.#queue.shift() : undefined;
    if (chunk === undefined) {
      this.#busy = false;
      this.#drained?.();
      return;
    }
    this.#busy = true;
    this.#writeChunk(chunk, 0, this.#take(chunk));
  }

  /** The chunk's place in the file. */
  #take(chunk: Uint8Array): number {
    const position = this.#position;
    this.#position += chunk.length;
    this.#unsynced += chunk.length;
    return position;
  }

  #writeChunk(chunk: Uint8Array, from: number, position: number): void {
    write(this.#descriptor, chunk, from, chunk.length - from, position, (error, count) => {
      if (error === null && from + count < chunk.length) {
        this.#writeChunk(chunk, from + count, position + count);
        return;
      }
      this.pendingBytes = Math.max(0, this.pendingBytes - chunk.length);
      this.#done(error);
    });
  }

  #done(error: Error | null): void {
    if (error !== null) this.failure = error;
    this.#next();
  }

  /** Everything queued so far and this chunk, blocking. */
  #writeNow(chunk: Uint8Array): void {
    try {
      for (const waiting of [...this.#queue.splice(0), chunk]) {
        let position = this.#take(waiting);
        for (let at = 0; at < waiting.length; ) {
          const count = writeSync(this.#descriptor, waiting, at, waiting.length - at, position);
          at += count;
          position += count;
        }
      }
      this.pendingBytes = 0;
    } catch (error) {
      this.failure = asError(error);
    }
  }

  #close(): void {
    if (this.#descriptor < 0) return;
    closeSync(this.#descriptor);
    this.#descriptor = -1;
  }

  /** Freeing the blocks of a large file takes time: not on this thread. */
  #discard(): void {
    this.#drained?.();
    const descriptor = this.#descriptor;
    if (descriptor < 0) return;
    this.#descriptor = -1;
    close(descriptor, (error) => {
      if (error !== null && error !== undefined) this.failure = error;
    });
  }
}
