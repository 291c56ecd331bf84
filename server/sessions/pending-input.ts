/**
 * Input of one connection that is not executed yet: a torn command, or what waits for its turn. The buffer is
 * kept for a while when it is empty, because who sends large commands sends more of them; `shrink` gives back
 * what was not needed lately.
 *
 *   buffer  [ executed | waiting              | room ]
 *                      start                  end    capacity
 */
import { RequestParser } from '../wire/request.ts';

/** The least that is allocated. */
const BUFFER_BYTES_MIN = 16 * 1024;
/** Beyond this a buffer is not doubled for what may come. */
const GROWTH_BYTES_MAX = 64 * 1024 * 1024;
/** A buffer of a client that was silent for so long is cut to what it holds. */
const IDLE_MS = 2000;
/** Buffers up to this size are left to clients that are active. */
const KEPT_BYTES = 32 * 1024;
/** Buffers of this size and more do not wait for a garbage collection, which may be long in coming. */
const LARGE_BYTES = 1024 * 1024;
const NOTHING = Buffer.alloc(0);

const parser = new RequestParser();

/** Gives a large buffer back when the turn is over: the command that is being executed may stand in it. */
function release({ buffer, length }: Buffer): void {
  if (length >= LARGE_BYTES) setImmediate(() => (buffer as ArrayBuffer).transfer(0));
}

export class PendingInput {
  buffer: Buffer = NOTHING;
  start = 0;
  end = 0;
  /** The most that waited since the last `shrink`. */
  #peak = 0;
  /** What the torn command takes in all, as far as is known. */
  #needed = 0;

  /** Bytes that wait. */
  get bytes(): number {
    return this.end - this.start;
  }

  get capacity(): number {
    return this.buffer.length;
  }

  /** Adds bytes[start, end); a command that is torn is known to need `needed` bytes in all. */
  keep(bytes: Uint8Array, start: number, end: number, needed: number): void {
    const length = end - start;
    const waiting = this.bytes;
    this.#needed = needed;
    if (this.end + length > this.buffer.length) {
      const doubled = Math.min(waiting * 2, GROWTH_BYTES_MAX);
      const size = Math.max(waiting + length, needed, doubled, BUFFER_BYTES_MIN);
      const next = this.start > 0 && size <= this.buffer.length ? this.buffer : Buffer.allocUnsafeSlow(size);
      this.buffer.copy(next, 0, this.start, this.end);
      if (next !== this.buffer) release(this.buffer);
      this.buffer = next;
      this.start = 0;
      this.end = waiting;
    }
    Buffer.prototype.copy.call(bytes, this.buffer, this.end, start, end);
    this.end += length;
    if (this.bytes > this.#peak) this.#peak = this.bytes;
  }

  /** Everything was executed. */
  clear(): void {
    this.start = 0;
    this.end = 0;
    this.#needed = 0;
  }

  /** The connection has gone. */
  drop(): void {
    release(this.buffer);
    this.buffer = NOTHING;
    this.clear();
  }

  /** Gives back room that was not used lately; true when nothing is left to give back. */
  shrink(idleMs: number): boolean {
    const waiting = this.bytes;
    const peak = Math.max(this.#peak, waiting);
    this.#peak = waiting;
    if (idleMs > IDLE_MS) {
      if (waiting === 0) this.drop();
      else if (this.capacity > waiting + BUFFER_BYTES_MIN) this.#resize(waiting);
      return true;
    }
    const wanted = Math.max(peak, this.#needed, BUFFER_BYTES_MIN);
    if (this.capacity > KEPT_BYTES && wanted < this.capacity / 2) this.#resize(wanted);
    return false;
  }

  /** Bytes of the torn command behind its words that are complete: the argument under way. */
  get tornBytes(): number {
    if (this.bytes === 0) return 0;
    parser.bulkBytesMax = Number.POSITIVE_INFINITY;
    parser.tornStart = this.start;
    parser.parse(this.buffer, this.start, this.end, true);
    return this.end - parser.tornStart;
  }

  #resize(size: number): void {
    const next = Buffer.allocUnsafeSlow(size);
    this.buffer.copy(next, 0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    release(this.buffer);
    this.buffer = next;
  }
}
