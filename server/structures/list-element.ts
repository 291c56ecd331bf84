/** An element of a list where it lies, integers as the text they stand for. */
import { INT64_TEXT_MAX, writeInt64Text } from './int64.ts';
import * as listpack from './listpack.ts';

/** One element as it was read: bytes[start, end), valid until the next change or read. Reused. */
export class ListElement {
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  readonly entry = new listpack.ListpackEntry();
  readonly #digits = Buffer.alloc(INT64_TEXT_MAX);

  /** Reads the entry at `at` of the listpack at bytes[packStart, …); returns the next one's place or 0. */
  read(bytes: Buffer, packStart: number, at: number): number {
    const entry = this.entry;
    const next = listpack.read(bytes, packStart, at, entry);
    if (entry.isInteger) {
      if (this.bytes !== this.#digits) this.bytes = this.#digits;
      this.start = 0;
      this.end = writeInt64Text(entry.high, entry.low, this.#digits, 0);
    } else {
      // Storing a reference costs more than comparing.
      if (this.bytes !== bytes) this.bytes = bytes;
      this.start = entry.start;
      this.end = entry.start + entry.length;
    }
    return next;
  }

  equals(needle: Uint8Array, start: number, length: number): boolean {
    if (this.end - this.start !== length) return false;
    const { bytes, start: own } = this;
    for (let index = 0; index < length; index++)
      if (bytes[own + index] !== needle[start + index]) return false;
    return true;
  }

  /** The element in a buffer of its own. */
  copy(): Buffer {
    return Buffer.from(this.bytes.subarray(this.start, this.end));
  }
}
