/**
 * Compresses the strings of a stream of chunks, so that who reads the dataset need not: LZF costs more than
 * all the rest of a snapshot. A string may begin in one chunk and end some chunks later; it is gathered, up
 * to PACK_BYTES_MAX. Cost: O(bytes).
 */
import type { RdbChunk } from './rdb-chunk.ts';
import { LENGTH_14, LENGTH_32 } from './rdb-format.ts';
import { PACK_BYTES_MAX, RdbWriter } from './rdb-writer.ts';

const LENGTH_KIND = 0xc0;

export class StringPacker {
  readonly #out = new RdbWriter(true);
  /** A string whose end has not come, and how much of it has. */
  #open: Uint8Array | null = null;
  #openBytes = 0;

  constructor() {
    this.#out.packBytesMax = PACK_BYTES_MAX;
  }

  /** What the chunk becomes: bytes of its own, or the chunk's when there is nothing to compress. */
  pack({ bytes, length, marks, markCount }: RdbChunk): Uint8Array {
    if (markCount === 0 && this.#open === null) return bytes.subarray(0, length);
    let at = this.#open === null ? 0 : this.#goOn(this.#open, bytes, length);
    for (let index = 0; index < markCount; index += 1) {
      const mark = marks[index];
      this.#out.raw(bytes, at, mark);
      at = this.#string(bytes, mark, length);
    }
    this.#out.raw(bytes, at, length);
    return this.#out.take();
  }

  /** The string at a mark; returns where it ends in these bytes. */
  #string(bytes: Uint8Array, mark: number, end: number): number {
    const first = bytes[mark];
    const kind = first & LENGTH_KIND;
    let start = mark + 1;
    let length = first;
    if (kind === LENGTH_14) length = ((first & ~LENGTH_KIND) << 8) | bytes[start++];
    else if (first === LENGTH_32) {
      length = 0;
      for (let k = 0; k < 4; k += 1) length = length * 256 + bytes[start++];
    } else if (kind !== 0) throw new Error('a mark stands where no string begins');
    if (start + length <= end) {
      this.#out.string(bytes, start, start + length);
      return start + length;
    }
    this.#open = new Uint8Array(length);
    this.#open.set(bytes.subarray(start, end));
    this.#openBytes = end - start;
    return end;
  }

  #goOn(open: Uint8Array, bytes: Uint8Array, length: number): number {
    const count = Math.min(open.length - this.#openBytes, length);
    open.set(bytes.subarray(0, count), this.#openBytes);
    this.#openBytes += count;
    if (this.#openBytes === open.length) {
      this.#open = null;
      this.#out.string(open, 0, open.length);
    }
    return count;
  }
}
