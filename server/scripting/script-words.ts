/** The words of one command as canonical RESP in a buffer that is used again for the next. */
import type { ScriptWords } from './script-engine.ts';

const INITIAL_BYTES = 4096;
/** A larger buffer is given back after the command. */
const BYTES_KEPT = 1024 * 1024;
/** `$`, ten digits and two line ends. */
const WORD_OVERHEAD = 16;
const STAR = 42;
const DOLLAR = 36;
const CR = 13;
const LF = 10;

export class WordBuffer implements ScriptWords {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  argc = 0;
  start = 0;
  argStart: Int32Array = new Int32Array(64);
  argLength: Int32Array = new Int32Array(64);
  end = 0;

  begin(count: number): void {
    if (this.bytes.length > BYTES_KEPT) this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    if (count > this.argStart.length) {
      this.argStart = new Int32Array(count);
      this.argLength = new Int32Array(count);
    }
    this.argc = 0;
    this.end = 0;
    this.#head(STAR, count);
  }

  /** Adds from[start, start + length). */
  add(from: Uint8Array, start: number, length: number): void {
    this.#reserve(length + WORD_OVERHEAD);
    this.#head(DOLLAR, length);
    this.argStart[this.argc] = this.end;
    this.argLength[this.argc++] = length;
    this.bytes.set(from.subarray(start, start + length), this.end);
    this.end += length;
    this.bytes[this.end++] = CR;
    this.bytes[this.end++] = LF;
  }

  #head(type: number, value: number): void {
    this.#reserve(WORD_OVERHEAD);
    this.bytes[this.end++] = type;
    this.end += this.bytes.latin1Write(String(value), this.end);
    this.bytes[this.end++] = CR;
    this.bytes[this.end++] = LF;
  }

  #reserve(more: number): void {
    if (this.end + more <= this.bytes.length) return;
    const next = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.end + more));
    this.bytes.copy(next, 0, 0, this.end);
    this.bytes = next;
  }
}
