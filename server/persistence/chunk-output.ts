/**
 * Where the chunks of one snapshot go: compressed, counted into a checksum for each target, written to the
 * target's file or handed back. It runs on a thread of its own (chunk-thread.ts), in tests on the caller's.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { asError } from '../config/failure.ts';
import { Crc64 } from '../structures/crc64.ts';
import type { RdbChunk } from './rdb-chunk.ts';
import { rdbTrailer } from './rdb-writer.ts';
import { StringPacker } from './string-packer.ts';

/** The disk gets so much at once, so that the end of a file is no long wait. */
const SYNC_EVERY_BYTES = 8 * 1024 * 1024;

/** What comes back. */
export interface OutputEvents {
  /** Bytes for targets without a file. True: nobody keeps them, they may be written over. */
  relay(bytes: Uint8Array, targets: readonly number[]): boolean;
  /** The target has everything, a file is safe on the disk. */
  ended(target: number): void;
  failed(target: number, error: Error): void;
}

/** Takes chunks; `target` is a number of the caller's. */
export interface SnapshotOutput {
  /** Bytes taken and not worked off. */
  readonly pendingBytes: number;
  /**
   * A target that gets all chunks from now on: a file that is there, or null: its bytes are handed back.
   * `incrementalFsync`: the disk gets the file piece by piece.
   */
  open(target: number, file: string | null, checksum: boolean, incrementalFsync: boolean): void;
  /** Bytes for one target only: its header. */
  own(target: number, bytes: Uint8Array): void;
  /** For all; the caller does not touch it any more. */
  chunk(chunk: RdbChunk): void;
  /** No more comes: the trailer is written. */
  end(target: number): void;
  drop(target: number): void;
  /** A chunk that was worked off, to be written into. */
  empty(): RdbChunk | null;
  /** Blocks until no more than so many bytes are pending; false when that takes longer than `waitMs`. */
  drainTo(bytes: number, waitMs: number): boolean;
  /** Nothing is called after it. */
  close(): void;
}

interface OutputTarget {
  readonly descriptor: number;
  readonly checksum: boolean;
  readonly syncEveryBytes: number;
  readonly crc: Crc64;
  unsyncedBytes: number;
}

export class ChunkOutput implements SnapshotOutput {
  readonly pendingBytes = 0;
  readonly #events: OutputEvents;
  readonly #packer = new StringPacker();
  readonly #targets = new Map<number, OutputTarget>();

  constructor(events: OutputEvents) {
    this.#events = events;
  }

  open(target: number, file: string | null, checksum: boolean, incrementalFsync: boolean): void {
    try {
      const syncEveryBytes = incrementalFsync ? SYNC_EVERY_BYTES : Number.POSITIVE_INFINITY;
      const descriptor = file === null ? -1 : openSync(file, 'r+');
      const crc = new Crc64();
      this.#targets.set(target, { descriptor, checksum, syncEveryBytes, crc, unsyncedBytes: 0 });
    } catch (error) {
      this.#events.failed(target, asError(error));
    }
  }

  own(target: number, bytes: Uint8Array): void {
    const known = this.#targets.get(target);
    if (known !== undefined && this.#put(target, known, bytes)) this.#events.relay(bytes, [target]);
  }

  chunk(chunk: RdbChunk): void {
    this.feed(chunk);
  }

  /** True when the chunk's own bytes were handed back. */
  feed(chunk: RdbChunk): boolean {
    const bytes = this.#packer.pack(chunk);
    const relayed: number[] = [];
    for (const [target, known] of this.#targets) {
      if (this.#put(target, known, bytes)) relayed.push(target);
    }
    if (relayed.length === 0 || bytes.length === 0) return false;
    this.#events.relay(bytes, relayed);
    return bytes.buffer === chunk.bytes.buffer;
  }

  end(target: number): void {
    const known = this.#targets.get(target);
    if (known === undefined) return;
    const trailer = rdbTrailer(known.crc, known.checksum);
    if (known.descriptor < 0) this.#events.relay(trailer, [target]);
    else if (!this.#attempt(target, known, () => this.#finish(known.descriptor, trailer))) return;
    this.#targets.delete(target);
    this.#events.ended(target);
  }

  drop(target: number): void {
    const known = this.#targets.get(target);
    if (known === undefined) return;
    this.#targets.delete(target);
    if (known.descriptor >= 0) closeSync(known.descriptor);
  }

  empty(): null {
    return null;
  }

  drainTo(): boolean {
    return true;
  }

  close(): void {
    for (const target of [...this.#targets.keys()]) this.drop(target);
  }

  /** True when the bytes are to be handed back. */
  #put(target: number, known: OutputTarget, bytes: Uint8Array): boolean {
    if (known.checksum) known.crc.update(bytes, 0, bytes.length);
    if (known.descriptor < 0) return true;
    this.#attempt(target, known, () => {
      writeAll(known.descriptor, bytes);
      known.unsyncedBytes += bytes.length;
      if (known.unsyncedBytes < known.syncEveryBytes) return;
      known.unsyncedBytes = 0;
      fdatasyncSync(known.descriptor);
    });
    return false;
  }

  #finish(descriptor: number, trailer: Uint8Array): void {
    writeAll(descriptor, trailer);
    fsyncSync(descriptor);
    closeSync(descriptor);
  }

  /** A target whose file fails gets nothing any more. */
  #attempt(target: number, known: OutputTarget, write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      this.#targets.delete(target);
      closeSync(known.descriptor);
      this.#events.failed(target, asError(error));
      return false;
    }
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at, bytes.length - at);
}
