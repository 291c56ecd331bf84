/**
 * Several records of a hash table at once, from a random place on: what eviction compares. Neighbours in the
 * table have nothing to do with each other, so they are as good as records from everywhere, and cheaper.
 *
 * Follows table.ts, which draws the layout. Cost: O(records wanted) when all may be taken; when only those
 * that expire are wanted, segments without one are passed over, so that few of them among many are found as
 * well.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import type { Records } from './record.ts';
import {
  BUCKET_WORDS,
  CHAIN,
  COUNT,
  DIRECTORY,
  EXPIRING,
  LOCAL_DEPTH,
  MIN_EXPIRY_LOW,
  NO_EXPIRY_LOW,
  ROOT,
  SEGMENT_BUCKETS,
  SHAPE,
  SLOTS_PER_BUCKET,
} from './table-layout.ts';

/** Slots tried blindly for each record wanted, before all are gone through in their order. */
const TRIES = 8;

export class TableSample {
  readonly #words: Uint32Array[];
  readonly #records: Records;
  #expiring = false;

  constructor(arena: Arena, records: Records) {
    this.#words = arena.words;
    this.#records = records;
  }

  /**
   * Fills `into` with up to `max` records, only with ones that have an expiry when `expiring`; returns how
   * many there are. `random` answers a number in [0, 1).
   */
  take(header: number, random: () => number, into: Uint32Array, max: number, expiring: boolean): number {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    if (words[at + (expiring ? EXPIRING : COUNT)] === 0) return 0;
    this.#expiring = expiring;
    const shape = words[at + SHAPE];
    const root = words[at + ROOT];
    if ((shape & DIRECTORY) === 0) {
      const buckets = shape >>> 16;
      return this.#fromSlots(root, 0, buckets, random, into, 0, max);
    }
    const directory = this.#words[root >>> SEGMENT_SHIFT];
    const first = (root & UNIT_MASK) << 1;
    const entries = 1 << (shape & 31);
    let entry = Math.floor(random() * entries);
    let found = 0;
    for (let left = entries; left > 0 && found < max; ) {
      const segment = directory[first + entry];
      found = this.#fromSegment(segment, random, into, found, max);
      const head = (segment & UNIT_MASK) << 1;
      const width = entries >>> this.#words[segment >>> SEGMENT_SHIFT][head + LOCAL_DEPTH];
      // Entries of one segment lie side by side, from a multiple of their number on.
      entry = ((entry & ~(width - 1)) + width) & (entries - 1);
      left -= width;
    }
    return found;
  }

  #fromSegment(segment: number, random: () => number, into: Uint32Array, found: number, max: number): number {
    const words = this.#words[segment >>> SEGMENT_SHIFT];
    const head = (segment & UNIT_MASK) << 1;
    if (this.#expiring && words[head + MIN_EXPIRY_LOW + 1] === NO_EXPIRY_LOW) return found;
    for (let part = segment; part !== 0 && found < max; ) {
      found = this.#fromSlots(part, BUCKET_WORDS, SEGMENT_BUCKETS, random, into, found, max);
      part = this.#words[part >>> SEGMENT_SHIFT][((part & UNIT_MASK) << 1) + CHAIN];
    }
    return found;
  }

  /** From slots chosen by chance; when too few of them help, from all that follow a chosen one. */
  #fromSlots(
    part: number,
    skip: number,
    buckets: number,
    random: () => number,
    into: Uint32Array,
    found: number,
    max: number,
  ): number {
    const words = this.#words[part >>> SEGMENT_SHIFT];
    const first = ((part & UNIT_MASK) << 1) + skip;
    const places = buckets * SLOTS_PER_BUCKET;
    const from = found;
    for (let tries = (max - found) * TRIES; tries > 0; tries--) {
      const ref = words[slotAt(first, Math.floor(random() * places))];
      if (!this.#wants(ref) || isIn(into, from, found, ref)) continue;
      into[found++] = ref;
      if (found === max) return found;
    }
    const start = Math.floor(random() * places);
    for (let step = 0; step < places; step++) {
      const ref = words[slotAt(first, (start + step) % places)];
      if (!this.#wants(ref) || isIn(into, from, found, ref)) continue;
      into[found++] = ref;
      if (found === max) return found;
    }
    return found;
  }

  #wants(ref: number): boolean {
    return ref !== 0 && (!this.#expiring || this.#records.expires(ref));
  }
}

function slotAt(first: number, place: number): number {
  const bucket = Math.floor(place / SLOTS_PER_BUCKET);
  return first + bucket * BUCKET_WORDS + place - bucket * SLOTS_PER_BUCKET;
}

function isIn(refs: Uint32Array, from: number, end: number, ref: number): boolean {
  for (let index = from; index < end; index++) if (refs[index] === ref) return true;
  return false;
}
