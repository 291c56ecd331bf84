/**
 * Finds what has expired in a table without looking at every record: each segment knows a lower bound of its
 * earliest expiry, and only segments whose time has come are looked into.
 *
 * Positions are the top DEPTH_MAX bits of the hash, so that a walk over several calls means the same however
 * the table grows or shrinks meanwhile. Cost: O(segments) for the bounds, O(records) in segments that are
 * due.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import type { Records } from './record.ts';
import { collectRefs } from './table-buckets.ts';
import {
  BUCKET_WORDS,
  CHAIN,
  CURSOR_TOP,
  DEPTH_MAX,
  DIRECTORY,
  EXPIRING,
  LOCAL_DEPTH,
  lowerMinimum,
  MIN_EXPIRY_LOW,
  ROOT,
  readMs,
  resetMinimum,
  SEGMENT_BUCKETS,
  SHAPE,
} from './table-layout.ts';

export class TableExpiry {
  /** Lower bound of the expiries that calls of `expire` have left behind since it was last set; unix ms. */
  soonestMs = Number.POSITIVE_INFINITY;
  readonly #records: Records;
  readonly #words: Uint32Array[];

  constructor(arena: Arena, records: Records) {
    this.#records = records;
    this.#words = arena.words;
  }

  /**
   * Hands out what expired by `nowMs`, from position `from` on, in at most `segmentsMax` segments. Who gets a
   * record may take it out of the table. Returns the position to go on with, 0 at the end.
   */
  expire(
    header: number,
    from: number,
    segmentsMax: number,
    nowMs: number,
    expired: (ref: number) => void,
  ): number {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    if (words[at + EXPIRING] === 0) return 0;
    for (let top = from; top < CURSOR_TOP; segmentsMax--) {
      if (segmentsMax === 0) return top;
      const shape = words[at + SHAPE];
      const root = words[at + ROOT];
      if ((shape & DIRECTORY) === 0) {
        this.#look(words, at, root, shape >>> 16, 0, nowMs, expired);
        return 0;
      }
      const entry = top >>> (DEPTH_MAX - (shape & 31));
      const segment = this.#words[root >>> SEGMENT_SHIFT][((root & UNIT_MASK) << 1) + entry];
      const head = (segment & UNIT_MASK) << 1;
      const segmentWords = this.#words[segment >>> SEGMENT_SHIFT];
      const width = 1 << (DEPTH_MAX - segmentWords[head + LOCAL_DEPTH]);
      this.#look(segmentWords, head, segment, SEGMENT_BUCKETS, BUCKET_WORDS, nowMs, expired);
      top = (Math.floor(top / width) + 1) * width;
    }
    return 0;
  }

  /** A small table, or a segment with its chain; `minimumAt`: where the words with their bound begin. */
  #look(
    minimumWords: Uint32Array,
    minimumAt: number,
    first: number,
    buckets: number,
    skip: number,
    nowMs: number,
    expired: (ref: number) => void,
  ): void {
    const bound = minimumAt + MIN_EXPIRY_LOW;
    if (readMs(minimumWords, bound) <= nowMs) {
      resetMinimum(minimumWords, minimumAt);
      const due: number[] = [];
      for (let part = first; part !== 0; ) {
        const words = this.#words[part >>> SEGMENT_SHIFT];
        const start = (part & UNIT_MASK) << 1;
        for (const ref of collectRefs(words, start + skip, buckets)) {
          const expiresAtMs = this.#records.expiresAtMs(ref);
          if (expiresAtMs < 0) continue;
          if (expiresAtMs <= nowMs) due.push(ref);
          else lowerMinimum(minimumWords, bound, expiresAtMs);
        }
        part = skip === 0 ? 0 : words[start + CHAIN];
      }
      this.#keepSoonest(readMs(minimumWords, bound));
      for (const ref of due) expired(ref);
    } else this.#keepSoonest(readMs(minimumWords, bound));
  }

  #keepSoonest(ms: number): void {
    if (ms < this.soonestMs) this.soonestMs = ms;
  }
}
