/**
 * A file read as the C library's streams read it, because the texts of a checker follow from how far a stream
 * had come: bytes, lines of a bounded length, an end-of-file mark that is set by a read that runs short.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';

const BUFFER_BYTES = 256 * 1024;

export class AofCheckFile {
  readonly size: number;
  /** Offset of the next byte. */
  position = 0;
  /** The last read met the end of the file. */
  atEnd = false;
  readonly #descriptor: number;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #bufferStart = 0;
  #bufferEnd = 0;

  /** Opens for reading and writing; throws the system's error. */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'r+');
    this.size = fstatSync(this.#descriptor).size;
  }

  /** The next byte, which stays the next one; -1 at the end. */
  peek(): number {
    this.atEnd = false;
    if (!this.#fill()) return -1;
    return this.#buffer[this.position - this.#bufferStart] as number;
  }

  /**
   * Up to and with the next line feed, at most `most` bytes, in latin1; null at the end. A line that ends
   * with the file sets `atEnd`.
   */
  line(most: number): string | null {
    let text = '';
    while (text.length < most && this.#fill()) {
      const from = this.position - this.#bufferStart;
      const until = Math.min(this.#bufferEnd, from + most - text.length);
      const feed = this.#buffer.subarray(from, until).indexOf(10);
      const to = feed < 0 ? until : from + feed + 1;
      text += this.#buffer.latin1Slice(from, to);
      this.position += to - from;
      if (feed >= 0) return text;
    }
    return text === '' ? null : text;
  }

  /** Passes over `count` bytes; how many there were. The first of them, at most `keep`, go to `head`. */
  skip(count: number, keep: number): number {
    const start = this.position;
    this.head = '';
    while (this.position - start < Math.min(count, keep) && this.#fill()) {
      const from = this.position - this.#bufferStart;
      const to = Math.min(this.#bufferEnd, from + Math.min(count, keep) - this.head.length);
      this.head += this.#buffer.latin1Slice(from, to);
      this.position += to - from;
    }
    const whole = start + count;
    if (whole > this.size) this.atEnd = true;
    this.position = Math.min(whole, this.size);
    return this.position - start;
  }

  /** What `skip` kept, in latin1. */
  head = '';

  /** Shortens the file. Throws the system's error. */
  truncate(size: number): void {
    ftruncateSync(this.#descriptor, size);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** Makes sure that the next byte is in the buffer; false at the end. */
  #fill(): boolean {
    if (this.position >= this.#bufferStart && this.position < this.#bufferStart + this.#bufferEnd)
      return true;
    this.#bufferStart = this.position;
    this.#bufferEnd = readSync(this.#descriptor, this.#buffer, 0, BUFFER_BYTES, this.position);
    if (this.#bufferEnd === 0) this.atEnd = true;
    return this.#bufferEnd !== 0;
  }
}
