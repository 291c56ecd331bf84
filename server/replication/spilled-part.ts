/**
 * The oldest part of a log, in files, when memory has no room for it.
 *
 *   position:   start                                             end
 *               |== segment ==|== segment ==|== segment ==|== ....|
 *
 * Bytes are added at the end and given back from the start, whole segments at a time. A segment stays open
 * while something reads or writes it. Invariant: what lies in [start, end) is in the files.
 */
import { asError } from '../config/failure.ts';
import type { Spill, SpillFile } from './spill.ts';

interface Segment {
  readonly file: SpillFile;
  /** Position of its first byte. */
  readonly from: number;
  /** Bytes of the budget that it holds. */
  bytes: number;
  /** Reads and writes under way. */
  busy: number;
  dropped: boolean;
}

export class SpilledPart {
  readonly #spill: Spill;
  readonly #segmentBytes: number;
  #segments: Segment[] = [];
  #start = 0;
  #end = 0;

  constructor(spill: Spill) {
    this.#spill = spill;
    this.#segmentBytes = spill.sizes.segmentBytes;
  }

  get empty(): boolean {
    return this.#start === this.#end;
  }

  get end(): number {
    return this.#end;
  }

  /** Bytes that one write at `position` may have at most. */
  roomAt(position: number): number {
    const last = this.#segments.at(-1);
    if (last === undefined || this.empty) return this.#segmentBytes;
    const room = last.from + this.#segmentBytes - position;
    return room === 0 ? this.#segmentBytes : room;
  }

  /**
   * Adds the bytes at `position`, the end unless nothing is there; at most `roomAt` of them. They belong to
   * the part when `done` is called without an error, and stay the caller's until then.
   */
  write(position: number, bytes: Uint8Array, done: (error: Error | null) => void): void {
    let segment: Segment;
    try {
      segment = this.#segmentFor(position, bytes.length);
    } catch (error) {
      done(asError(error));
      return;
    }
    segment.busy += 1;
    segment.file.write(bytes, position - segment.from, (error) => {
      segment.busy -= 1;
      this.#closeIfDone(segment);
      if (error === null && !segment.dropped) this.#reached(position + bytes.length);
      done(error);
    });
  }

  /** The same, blocking; the error, or null. May repeat a write that is under way. */
  writeNow(position: number, bytes: Uint8Array): Error | null {
    try {
      const segment = this.#segmentFor(position, bytes.length);
      segment.file.writeNow(bytes, position - segment.from);
      this.#reached(position + bytes.length);
      return null;
    } catch (error) {
      return asError(error);
    }
  }

  /** At most `lengthMax` bytes from `position` on, which is within the part. */
  read(position: number, lengthMax: number, done: (error: Error | null, bytes: Uint8Array) => void): void {
    const segment = this.#segments.findLast(({ from }) => from <= position) as Segment;
    const stop = Math.min(position + lengthMax, this.#end, segment.from + this.#segmentBytes);
    const bytes = new Uint8Array(stop - position);
    segment.busy += 1;
    segment.file.read(bytes, position - segment.from, (error) => {
      segment.busy -= 1;
      this.#closeIfDone(segment);
      done(error, bytes);
    });
  }

  /** Nobody needs what lies before `position` any more. */
  trim(position: number): void {
    if (position >= this.#end) {
      for (const segment of this.#segments.splice(0)) this.#drop(segment);
      this.#start = 0;
      this.#end = 0;
      return;
    }
    this.#start = Math.max(this.#start, position);
    while (this.#segments.length > 1 && (this.#segments[1] as Segment).from <= position) {
      this.#drop(this.#segments.shift() as Segment);
    }
  }

  #segmentFor(position: number, length: number): Segment {
    let last = this.#segments.at(-1);
    const fits = last !== undefined && position >= last.from && position < last.from + this.#segmentBytes;
    if (last === undefined || !fits) {
      if (this.empty) this.trim(Number.POSITIVE_INFINITY);
      last = { file: this.#spill.openFile(), from: position, bytes: 0, busy: 0, dropped: false };
      this.#segments.push(last);
      if (this.empty) {
        this.#start = position;
        this.#end = position;
      }
    }
    const more = position + length - last.from - last.bytes;
    if (more > 0) {
      last.bytes += more;
      this.#spill.take(more);
    }
    return last;
  }

  #reached(position: number): void {
    this.#end = Math.max(this.#end, position);
  }

  #drop(segment: Segment): void {
    segment.dropped = true;
    this.#spill.giveBack(segment.bytes);
    this.#closeIfDone(segment);
  }

  #closeIfDone(segment: Segment): void {
    if (segment.dropped && segment.busy === 0) segment.file.close();
  }
}
