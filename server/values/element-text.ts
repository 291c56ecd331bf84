/** An element of a value as it lies in memory: an integer, or bytes. Reused, without allocation. */
import { INT64_TEXT_MAX, writeInt64Text } from '../structures/int64.ts';
import type { ListpackEntry } from '../structures/listpack.ts';

const NO_BYTES = Buffer.alloc(0);

/** An integer, or text at bytes[start, start + length). */
export class ElementText {
  isInteger = false;
  high = 0;
  low = 0;
  bytes: Buffer = NO_BYTES;
  start = 0;
  length = 0;
  readonly #text = Buffer.alloc(INT64_TEXT_MAX);

  setInteger(high: number, low: number): void {
    this.isInteger = true;
    this.high = high;
    this.low = low;
  }

  setText(bytes: Buffer, start: number, length: number): void {
    this.isInteger = false;
    this.bytes = bytes;
    this.start = start;
    this.length = length;
  }

  setEntry(bytes: Buffer, entry: ListpackEntry): void {
    if (entry.isInteger) this.setInteger(entry.high, entry.low);
    else this.setText(bytes, entry.start, entry.length);
  }

  /** Makes `bytes`, `start` and `length` the text, an integer's as well. */
  asText(): void {
    if (!this.isInteger) return;
    this.bytes = this.#text;
    this.start = 0;
    this.length = writeInt64Text(this.high, this.low, this.#text, 0);
  }

  /** The text in a buffer of its own. */
  copy(): Buffer {
    this.asText();
    return Buffer.from(this.bytes.subarray(this.start, this.start + this.length));
  }
}
