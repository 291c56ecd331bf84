/** A string as it came out of RDB. */
import { copyBytes } from '../structures/record.ts';

/** Longer ones give their buffer back when they are not needed any more. */
const KEPT_BYTES_MAX = 1024 * 1024;

/**
 * bytes[start, end): in what was read or, when it stood there in another form, in a buffer of this object.
 * Valid until the reader's step ends or the object takes another string.
 */
export class RdbText {
  bytes: Buffer;
  start = 0;
  end = 0;
  #own: Buffer = Buffer.allocUnsafeSlow(64);

  constructor() {
    this.bytes = this.#own;
  }

  get length(): number {
    return this.end - this.start;
  }

  point(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  /** Makes this a string of `length` bytes that the caller writes into `bytes` from 0 on. */
  room(length: number): Buffer {
    const kept = this.#own.length > KEPT_BYTES_MAX ? 0 : this.#own.length;
    if (length > this.#own.length || kept === 0) this.#own = Buffer.allocUnsafeSlow(Math.max(length * 2, 64));
    this.bytes = this.#own;
    this.start = 0;
    this.end = length;
    return this.#own;
  }

  /** Moves the string into this object, so that it outlives what was read. */
  keep(): void {
    const { bytes, start, end } = this;
    if (bytes === this.#own) return;
    copyBytes(bytes, start, end, this.room(end - start), 0);
  }

  /** Takes the decimal digits of an int32. */
  setInteger(value: number): void {
    const own = this.room(0);
    let left = Math.abs(value);
    let at = 11;
    do {
      own[at--] = 48 + (left % 10);
      left = Math.floor(left / 10);
    } while (left > 0);
    if (value < 0) own[at--] = 45;
    this.start = at + 1;
    this.end = 12;
  }

  /** In a buffer of its own. */
  copy(): Buffer {
    return Buffer.from(this.bytes.subarray(this.start, this.end));
  }

  /** One character a byte. */
  toString(): string {
    return this.bytes.latin1Slice(this.start, this.end);
  }
}
