/**
 * Where the RDB that a primary sends ends.
 *
 *   $<length>\r\n   <length bytes>                      then the stream, maybe in the same packet
 *   $EOF:<mark40>\r\n   <bytes of unknown length> <mark40>   nothing more before our first ACK
 *
 * In the second form the last 40 bytes received are held back, because they may be the mark.
 */

const MARK_BYTES = 40;

/** Receives the payload without its frame. It may keep the bytes if the reader's caller lets it. */
export type PayloadSink = (bytes: Uint8Array, start: number, end: number) => void;

export class PayloadReader {
  /** Bytes announced; null when the end is a mark. */
  readonly bytesTotal: number | null;
  bytesRead = 0;
  done = false;
  #left: number;
  readonly #mark: Uint8Array;
  readonly #tail: Uint8Array = new Uint8Array(MARK_BYTES);
  #tailLength = 0;

  private constructor(bytesTotal: number | null, mark: Uint8Array) {
    this.bytesTotal = bytesTotal;
    this.#left = bytesTotal ?? 0;
    this.#mark = mark;
    this.done = bytesTotal === 0;
  }

  /** From the header line without its line end, or null when it is none. */
  static fromHeader(line: string): PayloadReader | null {
    if (line.startsWith('$EOF:') && line.length === 5 + MARK_BYTES) {
      return new PayloadReader(null, new TextEncoder().encode(line.slice(5)));
    }
    if (/^\$\d{1,15}$/.test(line)) return new PayloadReader(Number(line.slice(1)), new Uint8Array(0));
    return null;
  }

  /** Takes what belongs to the payload and returns the index of the first byte that does not. */
  read(bytes: Uint8Array, start: number, end: number, sink: PayloadSink): number {
    if (this.bytesTotal !== null) {
      const stop = Math.min(end, start + this.#left);
      this.#left -= stop - start;
      this.bytesRead += stop - start;
      this.done = this.#left === 0;
      if (stop > start) sink(bytes, start, stop);
      return stop;
    }
    this.#readMarked(bytes, start, end, sink);
    return end;
  }

  #readMarked(bytes: Uint8Array, start: number, end: number, sink: PayloadSink): void {
    const fresh = end - start;
    this.bytesRead += fresh;
    const release = Math.max(0, this.#tailLength + fresh - MARK_BYTES);
    const releaseOld = Math.min(release, this.#tailLength);
    if (releaseOld > 0) {
      sink(this.#tail.slice(0, releaseOld), 0, releaseOld);
      this.#tail.copyWithin(0, releaseOld, this.#tailLength);
      this.#tailLength -= releaseOld;
    }
    const releaseFresh = release - releaseOld;
    if (releaseFresh > 0) sink(bytes, start, start + releaseFresh);
    this.#tail.set(bytes.subarray(start + releaseFresh, end), this.#tailLength);
    this.#tailLength += fresh - releaseFresh;
    this.done = this.#tailLength === MARK_BYTES && this.#mark.every((byte, at) => byte === this.#tail[at]);
  }
}
