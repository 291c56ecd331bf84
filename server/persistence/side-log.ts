/**
 * Old content that waits until the record being written is complete: in memory up to MEMORY_BYTES_MAX, beyond
 * it in a temporary file without a name, which ends with the process. First in, first out. What it can come
 * to on the disk is the dataset of T0 at most, because every record waits once.
 */
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemMessage } from '../config/system-message.ts';
import type { RdbChunk } from './rdb-chunk.ts';
import { RdbError } from './rdb-source.ts';

const MEMORY_BYTES_MAX = 4 * 1024 * 1024;

/** A chunk in the file: its bytes, then its marks. */
interface Spilled {
  readonly position: number;
  readonly length: number;
  readonly markCount: number;
}

/** The file behind the logs of one snapshot; made when the first chunk comes. */
export class SpillFile {
  /** Bytes written to it so far. */
  bytesTotal = 0;
  readonly #folder: () => string;
  #descriptor = -1;

  constructor(folder: () => string) {
    this.#folder = folder;
  }

  /** Throws RdbError when the disk does not take it: the snapshot has to end. */
  put({ bytes, length, marks, markCount }: RdbChunk): Spilled {
    const position = this.bytesTotal;
    const places = new Uint8Array(marks.buffer, marks.byteOffset, markCount * 4);
    try {
      if (this.#descriptor < 0) this.#open();
      this.#write(bytes.subarray(0, length));
      this.#write(places);
    } catch (error) {
      throw new RdbError(`Old content cannot be put aside: ${systemMessage(error)}`, -1);
    }
    return { position, length, markCount };
  }

  get({ position, length, markCount }: Spilled): RdbChunk {
    const bytes = new Uint8Array(length);
    const marks = new Uint32Array(markCount);
    try {
      this.#read(bytes, position);
      this.#read(new Uint8Array(marks.buffer), position + length);
    } catch (error) {
      throw new RdbError(`Old content cannot be read again: ${systemMessage(error)}`, -1);
    }
    return { bytes, length, marks, markCount };
  }

  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor);
    this.#descriptor = -1;
  }

  #open(): void {
    const path = join(this.#folder(), `temp-${process.pid}.side`);
    this.#descriptor = openSync(path, 'w+', 0o600);
    unlinkSync(path);
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const count = writeSync(this.#descriptor, bytes, at, bytes.length - at, this.bytesTotal);
      at += count;
      this.bytesTotal += count;
    }
  }

  #read(bytes: Uint8Array, position: number): void {
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(this.#descriptor, bytes, at, bytes.length - at, position + at);
      if (count === 0) throw new Error('the file is shorter than what was written to it');
      at += count;
    }
  }
}

export class SideLog {
  /** Bytes that wait in memory. */
  memoryBytes = 0;
  readonly #spill: SpillFile;
  readonly #memoryBytesMax: number;
  #waiting: (RdbChunk | Spilled)[] = [];
  #first = 0;

  /** `memoryBytesMax` 0: everything goes to the file. */
  constructor(spill: SpillFile, memoryBytesMax = MEMORY_BYTES_MAX) {
    this.#spill = spill;
    this.#memoryBytesMax = memoryBytesMax;
  }

  get isEmpty(): boolean {
    return this.#first === this.#waiting.length;
  }

  /** Throws RdbError when the disk does not take it. */
  push(chunk: RdbChunk): void {
    const room = chunk.bytes.length + chunk.marks.byteLength;
    if (this.memoryBytes + room > this.#memoryBytesMax) {
      this.#waiting.push(this.#spill.put(chunk));
      return;
    }
    this.memoryBytes += room;
    this.#waiting.push(chunk);
  }

  /** The oldest; null when there is none. */
  shift(): RdbChunk | null {
    const next = this.#waiting[this.#first];
    if (this.#first === this.#waiting.length || next === undefined) return null;
    this.#first += 1;
    if (this.isEmpty) {
      this.#waiting = [];
      this.#first = 0;
    }
    if (!('bytes' in next)) return this.#spill.get(next);
    this.memoryBytes -= next.bytes.length + next.marks.byteLength;
    return next;
  }
}
