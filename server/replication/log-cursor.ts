/** A place in a log from which bytes are handed on; what is in files is read ahead. */
import type { BacklogReader } from './backlog.ts';

/** What can be read at positions: a log, or a file. */
export interface ReadableBytes {
  /** Position behind the last byte there is. */
  readonly end: number;
  /** Bytes at `position`, null when they must be read from a file. Valid until the next change. */
  view(position: number): Uint8Array | null;
  read(position: number, done: (error: Error | null, bytes: Uint8Array) => void): void;
}

const NOTHING: Uint8Array = new Uint8Array(0);

export class LogCursor implements BacklogReader {
  /** Position behind what was handed on. */
  position: number;
  /** Bytes from a file, the first of which stands at `#windowStart`. */
  #window = NOTHING;
  #windowStart = 0;
  /** `wake` will be called. */
  reading = false;

  constructor(position: number) {
    this.position = position;
  }

  /**
   * Hands on at most about `bytesMax` bytes (one piece more) and returns how many. When the next are in a
   * file, `wake` is called once they are there, with the error if they cannot be read.
   */
  pull(
    log: ReadableBytes,
    bytesMax: number,
    write: (bytes: Uint8Array) => void,
    wake: (error: Error | null) => void,
  ): number {
    const from = this.position;
    while (this.position < log.end && this.position - from < bytesMax) {
      const view = this.#next(log);
      if (view === null) {
        this.#readAhead(log, wake);
        break;
      }
      write(view);
      this.position += view.length;
    }
    return this.position - from;
  }

  #next(log: ReadableBytes): Uint8Array | null {
    const at = this.position - this.#windowStart;
    if (at >= 0 && at < this.#window.length) return this.#window.subarray(at);
    this.#window = NOTHING;
    return log.view(this.position);
  }

  #readAhead(log: ReadableBytes, wake: (error: Error | null) => void): void {
    if (this.reading) return;
    this.reading = true;
    const { position } = this;
    log.read(position, (error, bytes) => {
      this.reading = false;
      if (error === null) {
        this.#window = bytes;
        this.#windowStart = position;
      }
      wake(error);
    });
  }
}
