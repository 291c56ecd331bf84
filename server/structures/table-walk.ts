/**
 * Going over the records of a hash table in the order of their places: all of them, a random one, or all of
 * them to free the table piece by piece. Nothing is hashed. Follows table.ts, which draws the layout.
 *
 * A walk is valid while nothing is put into the table; records may leave it meanwhile.
 * Cost: `next` O(1) amortised over the table's slots, `sample` O(1) expected while the table is not far
 * emptier than it once was.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import type { Table } from './table.ts';
import {
  BUCKET_WORDS,
  CHAIN,
  COUNT,
  DIRECTORY,
  EXPIRING,
  LOCAL_DEPTH,
  MIN_EXPIRY_LOW,
  ROOT,
  readMs,
  SEGMENT_BUCKETS,
  SEGMENTS,
  SHAPE,
  SLOTS_PER_BUCKET,
  TABLE_HEADER_BYTES,
  TABLE_SEGMENT_BYTES,
} from './table-layout.ts';

/** Blind attempts of `sample` before it counts what there is. */
const SAMPLE_ATTEMPTS_MAX = 400;

export class TableWalk {
  readonly #arena: Arena;
  readonly #words: Uint32Array[];
  /** The directory being walked; entries 0 for a small table. */
  #directory = 0;
  #entry = 0;
  #entries = 0;
  /** The next segment of the same chain, 0 for none. */
  #chain = 0;
  /** Where the walk stands: words, the bucket's first word, slot, buckets after this one. */
  #bucketWords: Uint32Array = new Uint32Array(0);
  #bucketAt = 0;
  #slot = SLOTS_PER_BUCKET;
  #bucketsLeft = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#words = arena.words;
  }

  /** Begins a walk over the table of this header. */
  open(header: number): void {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    const shape = words[at + SHAPE];
    const root = words[at + ROOT];
    this.#chain = 0;
    this.#entry = 0;
    if ((shape & DIRECTORY) !== 0) {
      this.#directory = root;
      this.#entries = 1 << (shape & 31);
      this.#slot = SLOTS_PER_BUCKET;
      this.#bucketsLeft = 0;
      return;
    }
    this.#entries = 0;
    this.#enter(root, shape >>> 16, 0);
  }

  /** The next record, 0 at the end. */
  next(): number {
    for (;;) {
      while (this.#slot < SLOTS_PER_BUCKET) {
        const ref = this.#bucketWords[this.#bucketAt + this.#slot++];
        if (ref !== 0) return ref;
      }
      if (this.#bucketsLeft > 0) {
        this.#bucketsLeft--;
        this.#bucketAt += BUCKET_WORDS;
        this.#slot = 0;
      } else if (!this.#nextSegment()) return 0;
    }
  }

  #nextSegment(): boolean {
    let segment = this.#chain;
    while (segment === 0) {
      if (this.#entry >= this.#entries) return false;
      const root = this.#directory;
      segment = this.#words[root >>> SEGMENT_SHIFT][((root & UNIT_MASK) << 1) + this.#entry];
      this.#entry += this.#widthOf(segment);
    }
    this.#chain = this.#words[segment >>> SEGMENT_SHIFT][((segment & UNIT_MASK) << 1) + CHAIN];
    this.#enter(segment, SEGMENT_BUCKETS, BUCKET_WORDS);
    return true;
  }

  /** Directory entries that name this segment. */
  #widthOf(segment: number): number {
    if (segment === 0) return 1;
    const words = this.#words[segment >>> SEGMENT_SHIFT];
    return this.#entries >>> words[((segment & UNIT_MASK) << 1) + LOCAL_DEPTH];
  }

  #enter(segment: number, buckets: number, skip: number): void {
    this.#bucketWords = this.#words[segment >>> SEGMENT_SHIFT];
    this.#bucketAt = ((segment & UNIT_MASK) << 1) + skip;
    this.#slot = 0;
    this.#bucketsLeft = buckets - 1;
  }

  /** A record, each with the same chance; 0 in an empty table. `random` answers a number in [0, 1). */
  sample(header: number, random: () => number): number {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    if (words[at + COUNT] === 0) return 0;
    const shape = words[at + SHAPE];
    const root = words[at + ROOT];
    for (let attempt = 0; attempt < SAMPLE_ATTEMPTS_MAX; attempt++) {
      const ref =
        (shape & DIRECTORY) === 0
          ? this.#slotIn(root, shape >>> 16, 0, random)
          : this.#slotOfDirectory(root, shape & 31, random);
      if (ref !== 0) return ref;
    }
    let index = Math.floor(random() * words[at + COUNT]);
    this.open(header);
    let ref = this.next();
    while (index-- > 0) ref = this.next();
    return ref;
  }

  #slotIn(segment: number, buckets: number, skip: number, random: () => number): number {
    const place = Math.floor(random() * buckets * SLOTS_PER_BUCKET);
    const bucket = Math.floor(place / SLOTS_PER_BUCKET);
    const at = ((segment & UNIT_MASK) << 1) + skip + bucket * BUCKET_WORDS;
    return this.#words[segment >>> SEGMENT_SHIFT][at + place - bucket * SLOTS_PER_BUCKET];
  }

  #slotOfDirectory(root: number, depth: number, random: () => number): number {
    this.#entries = 1 << depth;
    const entry = Math.floor(random() * this.#entries);
    const first = this.#words[root >>> SEGMENT_SHIFT][((root & UNIT_MASK) << 1) + entry];
    // A segment that several entries name would be met more often than the others.
    const width = this.#widthOf(first);
    if (width > 1 && random() * width >= 1) return 0;
    let segment = first;
    for (;;) {
      const chain = this.#words[segment >>> SEGMENT_SHIFT][((segment & UNIT_MASK) << 1) + CHAIN];
      if (chain === 0 || random() < 0.5) break;
      segment = chain;
    }
    return this.#slotIn(segment, SEGMENT_BUCKETS, BUCKET_WORDS, random);
  }

  /** Bytes of header, directory and buckets. */
  static heldBytes(arena: Arena, header: number): number {
    const words = arena.words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    const bytes = TABLE_HEADER_BYTES + arena.blockBytes(words[at + ROOT]);
    return (words[at + SHAPE] & DIRECTORY) === 0 ? bytes : bytes + words[at + SEGMENTS] * TABLE_SEGMENT_BYTES;
  }

  /**
   * When the first record of a table may expire, unix ms or a little earlier than that; infinite when none
   * does.
   */
  static earliestExpiry(arena: Arena, header: number): number {
    const words = arena.words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    const shape = words[at + SHAPE];
    if ((shape & DIRECTORY) === 0) return readMs(words, at + MIN_EXPIRY_LOW);
    const root = words[at + ROOT];
    const directory = arena.words[root >>> SEGMENT_SHIFT];
    const first = (root & UNIT_MASK) << 1;
    const entries = 1 << (shape & 31);
    let earliest = Number.POSITIVE_INFINITY;
    for (let entry = 0; entry < entries; ) {
      const segment = directory[first + entry];
      const head = (segment & UNIT_MASK) << 1;
      const segmentWords = arena.words[segment >>> SEGMENT_SHIFT];
      earliest = Math.min(earliest, readMs(segmentWords, head + MIN_EXPIRY_LOW));
      entry += entries >>> segmentWords[head + LOCAL_DEPTH];
    }
    return earliest;
  }

  /**
   * Frees about `budget` records, each handed to `release`, and the segments they were in, of a table that
   * nobody uses any more. True when all of it has gone; otherwise only this may be called for it again.
   */
  releaseSome(table: Table, header: number, budget: number, release: (ref: number) => void): boolean {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    const shape = words[at + SHAPE];
    const root = words[at + ROOT];
    if ((shape & DIRECTORY) !== 0) {
      this.#entries = 1 << (shape & 31);
      const directory = this.#words[root >>> SEGMENT_SHIFT];
      const first = (root & UNIT_MASK) << 1;
      // The count of expiring records has no other use any more: it keeps the entry to go on with.
      let entry = words[at + SEGMENTS] === 0 ? words[at + EXPIRING] : 0;
      words[at + SEGMENTS] = 0;
      while (entry < this.#entries) {
        if (budget <= 0) {
          words[at + EXPIRING] = entry;
          return false;
        }
        const segment = directory[first + entry];
        entry += this.#widthOf(segment);
        budget -= this.#releaseChain(segment, release);
      }
    } else {
      this.#enter(root, shape >>> 16, 0);
      this.#releaseEntered(release);
    }
    this.#arena.free(root);
    this.#arena.free(header);
    table.live--;
    return true;
  }

  #releaseChain(segment: number, release: (ref: number) => void): number {
    let released = 0;
    while (segment !== 0) {
      const chain = this.#words[segment >>> SEGMENT_SHIFT][((segment & UNIT_MASK) << 1) + CHAIN];
      this.#enter(segment, SEGMENT_BUCKETS, BUCKET_WORDS);
      released += this.#releaseEntered(release);
      this.#arena.free(segment);
      segment = chain;
    }
    return released;
  }

  #releaseEntered(release: (ref: number) => void): number {
    let released = 0;
    for (let left = this.#bucketsLeft; left >= 0; left--, this.#bucketAt += BUCKET_WORDS) {
      for (let slot = 0; slot < SLOTS_PER_BUCKET; slot++) {
        const ref = this.#bucketWords[this.#bucketAt + slot];
        if (ref === 0) continue;
        release(ref);
        released++;
      }
    }
    return released;
  }
}
