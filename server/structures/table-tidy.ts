/**
 * Makes tables smaller again and moves them out of segments of the arena that are to become empty, a segment
 * of the table at a time: neighbours that fit into one are merged, the directory is halved when no segment
 * needs its depth, a directory of one segment becomes a small table.
 *
 *   depth 3  | a | a | b | c | d | d | d | d |   b and c hold little: merged into e, of depth 2
 *            | a | a | e | e | d | d | d | d |   nobody needs depth 3 any more
 *   depth 2  | a | e | d | d |
 *
 * Nothing may iterate over a table by its refs meanwhile (a snapshot does); cursors of scans stay good.
 * Merging is O(1), halving and looking for it O(directory), which is a fraction of a millisecond at 2^19
 * entries. After: the buddies of Dash (Lu et al., 2020), which splits and never merges.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { hashBytes } from './hash.ts';
import type { Records } from './record.ts';
import { collectRefs, putInBuckets } from './table-buckets.ts';
import {
  BUCKET_WORDS,
  CHAIN,
  COUNT,
  DIRECTORY,
  LOCAL_DEPTH,
  lowerMinimum,
  MIN_EXPIRY_LOW,
  ROOT,
  readMs,
  resetMinimum,
  SEGMENT_BUCKETS,
  SEGMENTS,
  SHAPE,
  SLOTS_PER_BUCKET,
  SMALL_BUCKETS_MAX,
  TABLE_SEGMENT_BYTES,
} from './table-layout.ts';

/** Neighbours are merged when the sum of their records is at most this share of one segment. */
const MERGED_FILL_MAX = 0.55;
/** A small table is halved when its records are at most this share of the half. */
const HALVED_FILL_MAX = 0.4;
/** A table whose records fill less than this is too large for them. */
const SPARSE_FILL = 0.15;
/** Looking whether the directory can be halved goes over all of it: one call in so many. */
const END_EVERY = 64;

export class TableTidy {
  readonly #arena: Arena;
  readonly #records: Records;
  readonly #words: Uint32Array[];

  constructor(arena: Arena, records: Records) {
    this.#arena = arena;
    this.#records = records;
    this.#words = arena.words;
  }

  /** The table's header in a segment that stays: its new ref, or the old one. */
  moveHeader(header: number): number {
    return this.#arena.leaves(header) ? this.#arena.move(header) : header;
  }

  /**
   * Works on the segment at directory entry `entry` (a small table whole). `moveRecord` gets every record in
   * it and returns its ref from now on. Returns the entry to go on with, 0 at the end.
   */
  step(header: number, entry: number, moveRecord: (ref: number) => number): number {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    if (this.#arena.leaves(words[at + ROOT])) words[at + ROOT] = this.#arena.move(words[at + ROOT]);
    const shape = words[at + SHAPE];
    if ((shape & DIRECTORY) === 0) {
      this.#halveSmall(words, at);
      this.#moveRecords(words[at + ROOT], words[at + SHAPE] >>> 16, 0, moveRecord);
      return 0;
    }
    const depth = shape & 31;
    if (entry >= 1 << depth) return this.#end(words, at);
    while (this.#merge(words, at, entry));
    const segment = this.#moveSegment(words, at, entry);
    for (let part = segment; part !== 0; part = this.#chainOf(part))
      this.#moveRecords(part, SEGMENT_BUCKETS, BUCKET_WORDS, moveRecord);
    const width = 1 << (depth - this.#localDepth(segment));
    const next = (Math.floor(entry / width) + 1) * width;
    return next >= 1 << depth ? this.#end(words, at) : next;
  }

  /**
   * After a removal: when the table is much too large for what is left, one step towards its right size at a
   * random place, so that sampling stays O(1). Nothing may walk over the table by its places.
   */
  shrink(header: number, random: () => number): void {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    const shape = words[at + SHAPE];
    if ((shape & DIRECTORY) === 0) {
      if (words[at + COUNT] < (shape >>> 16) * SLOTS_PER_BUCKET * SPARSE_FILL) this.#halveSmall(words, at);
      return;
    }
    const segments = words[at + SEGMENTS];
    if (words[at + COUNT] >= segments * SEGMENT_BUCKETS * SLOTS_PER_BUCKET * SPARSE_FILL) return;
    const entries = 1 << (shape & 31);
    const entry = Math.floor(random() * entries);
    while (this.#merge(words, at, entry));
    if ((segments === 1 || segments * 4 <= entries) && random() * END_EVERY < 1) this.#end(words, at);
  }

  #localDepth(segment: number): number {
    return this.#words[segment >>> SEGMENT_SHIFT][((segment & UNIT_MASK) << 1) + LOCAL_DEPTH];
  }

  #chainOf(segment: number): number {
    return this.#words[segment >>> SEGMENT_SHIFT][((segment & UNIT_MASK) << 1) + CHAIN];
  }

  #setChain(segment: number, chain: number): void {
    this.#words[segment >>> SEGMENT_SHIFT][((segment & UNIT_MASK) << 1) + CHAIN] = chain;
  }

  #segmentAt(words: Uint32Array, at: number, entry: number): number {
    const root = words[at + ROOT];
    return this.#words[root >>> SEGMENT_SHIFT][((root & UNIT_MASK) << 1) + entry];
  }

  /** Lets the entries that named one segment, or two neighbours, name another. */
  #pointTo(words: Uint32Array, at: number, entry: number, localDepth: number, segment: number): void {
    const width = 1 << ((words[at + SHAPE] & 31) - localDepth);
    const first = Math.floor(entry / width) * width;
    const root = words[at + ROOT];
    const directory = (root & UNIT_MASK) << 1;
    this.#words[root >>> SEGMENT_SHIFT].fill(segment, directory + first, directory + first + width);
  }

  #refs(segment: number, buckets: number, skip: number): Uint32Array {
    const words = this.#words[segment >>> SEGMENT_SHIFT];
    return collectRefs(words, ((segment & UNIT_MASK) << 1) + skip, buckets);
  }

  #hashOf(ref: number): number {
    const records = this.#records;
    return hashBytes(records.segment(ref), records.keyStart(ref), records.keyLength(ref));
  }

  #moveRecords(segment: number, buckets: number, skip: number, moveRecord: (ref: number) => number): void {
    const words = this.#words[segment >>> SEGMENT_SHIFT];
    const base = ((segment & UNIT_MASK) << 1) + skip;
    for (let bucket = 0; bucket < buckets; bucket++) {
      const place = base + bucket * BUCKET_WORDS;
      for (let slot = place; slot < place + SLOTS_PER_BUCKET; slot++) {
        if (words[slot] !== 0) words[slot] = moveRecord(words[slot]);
      }
    }
  }

  #moveSegment(words: Uint32Array, at: number, entry: number): number {
    let segment = this.#segmentAt(words, at, entry);
    if (this.#arena.leaves(segment)) {
      const localDepth = this.#localDepth(segment);
      segment = this.#arena.move(segment);
      this.#pointTo(words, at, entry, localDepth, segment);
    }
    for (let part = segment, next = this.#chainOf(part); next !== 0; next = this.#chainOf(part)) {
      if (this.#arena.leaves(next)) this.#setChain(part, this.#arena.move(next));
      part = this.#chainOf(part);
    }
    return segment;
  }

  /** Merges the segment at `entry` with its neighbour; false when they do not fit into one. */
  #merge(words: Uint32Array, at: number, entry: number): boolean {
    const segment = this.#segmentAt(words, at, entry);
    const localDepth = this.#localDepth(segment);
    if (localDepth === 0) return false;
    const neighbour = this.#segmentAt(words, at, entry ^ (1 << ((words[at + SHAPE] & 31) - localDepth)));
    if (this.#localDepth(neighbour) !== localDepth) return false;
    if (this.#chainOf(segment) !== 0 || this.#chainOf(neighbour) !== 0) return false;
    const first = this.#refs(segment, SEGMENT_BUCKETS, BUCKET_WORDS);
    const second = this.#refs(neighbour, SEGMENT_BUCKETS, BUCKET_WORDS);
    const most = SEGMENT_BUCKETS * SLOTS_PER_BUCKET * MERGED_FILL_MAX;
    if (first.length + second.length > most) return false;
    const merged = this.#arena.allocate(TABLE_SEGMENT_BYTES);
    const mergedWords = this.#words[merged >>> SEGMENT_SHIFT];
    const mergedAt = (merged & UNIT_MASK) << 1;
    mergedWords.fill(0, mergedAt, mergedAt + TABLE_SEGMENT_BYTES / 4);
    mergedWords[mergedAt + LOCAL_DEPTH] = localDepth - 1;
    resetMinimum(mergedWords, mergedAt);
    for (const old of [segment, neighbour]) {
      const minimum = readMs(this.#words[old >>> SEGMENT_SHIFT], ((old & UNIT_MASK) << 1) + MIN_EXPIRY_LOW);
      lowerMinimum(mergedWords, mergedAt + MIN_EXPIRY_LOW, minimum);
    }
    if (!this.#putAll(merged, SEGMENT_BUCKETS, BUCKET_WORDS, [first, second])) return false;
    this.#pointTo(words, at, entry, localDepth - 1, merged);
    this.#arena.free(segment);
    this.#arena.free(neighbour);
    words[at + SEGMENTS]--;
    return true;
  }

  /** Puts refs into fresh buckets; frees them and returns false when one of the refs finds no place. */
  #putAll(block: number, buckets: number, skip: number, groups: readonly Uint32Array[]): boolean {
    const words = this.#words[block >>> SEGMENT_SHIFT];
    const base = ((block & UNIT_MASK) << 1) + skip;
    for (const group of groups) {
      for (const ref of group) {
        if (putInBuckets(words, base, buckets, this.#hashOf(ref), ref)) continue;
        this.#arena.free(block);
        return false;
      }
    }
    return true;
  }

  #halveSmall(words: Uint32Array, at: number): void {
    let buckets = words[at + SHAPE] >>> 16;
    const most = (count: number): number => count * SLOTS_PER_BUCKET * HALVED_FILL_MAX;
    const old = buckets;
    while (buckets > 1 && words[at + COUNT] <= most(buckets / 2)) buckets /= 2;
    if (buckets !== old) this.#makeSmall(words, at, this.#refs(words[at + ROOT], old, 0), buckets);
  }

  /** Puts all records of a table into `buckets` buckets; false when they do not fit. Frees the old ones. */
  #makeSmall(words: Uint32Array, at: number, refs: Uint32Array, buckets: number): boolean {
    const block = this.#arena.allocate(buckets * BUCKET_WORDS * 4);
    const start = (block & UNIT_MASK) << 1;
    this.#words[block >>> SEGMENT_SHIFT].fill(0, start, start + buckets * BUCKET_WORDS);
    if (!this.#putAll(block, buckets, 0, [refs])) return false;
    this.#arena.free(words[at + ROOT]);
    words[at + ROOT] = block;
    words[at + SHAPE] = buckets << 16;
    return true;
  }

  /** After the last segment: a smaller directory where the segments allow it. Always 0. */
  #end(words: Uint32Array, at: number): number {
    const depth = words[at + SHAPE] & 31;
    let needed = 0;
    for (let entry = 0; entry < 1 << depth && needed < depth; ) {
      const localDepth = this.#localDepth(this.#segmentAt(words, at, entry));
      needed = Math.max(needed, localDepth);
      entry += 1 << (depth - localDepth);
    }
    if (needed < depth) this.#shrinkDirectory(words, at, depth, needed);
    if (needed === 0) this.#dropDirectory(words, at);
    return 0;
  }

  #shrinkDirectory(words: Uint32Array, at: number, depth: number, needed: number): void {
    const old = words[at + ROOT];
    const next = this.#arena.allocate(Math.max(8, 4 << needed));
    const nextWords = this.#words[next >>> SEGMENT_SHIFT];
    const nextAt = (next & UNIT_MASK) << 1;
    for (let entry = 0; entry < 1 << needed; entry++)
      nextWords[nextAt + entry] = this.#segmentAt(words, at, entry << (depth - needed));
    words[at + ROOT] = next;
    words[at + SHAPE] = DIRECTORY | needed;
    this.#arena.free(old);
  }

  /** One segment with few records becomes a small table; `#makeSmall` frees the directory. */
  #dropDirectory(words: Uint32Array, at: number): void {
    const segment = this.#segmentAt(words, at, 0);
    if (this.#chainOf(segment) !== 0) return;
    const most = (SMALL_BUCKETS_MAX / 2) * SLOTS_PER_BUCKET * HALVED_FILL_MAX * 2;
    if (words[at + COUNT] > most) return;
    const refs = this.#refs(segment, SEGMENT_BUCKETS, BUCKET_WORDS);
    const minimum = readMs(
      this.#words[segment >>> SEGMENT_SHIFT],
      ((segment & UNIT_MASK) << 1) + MIN_EXPIRY_LOW,
    );
    if (!this.#makeSmall(words, at, refs, SMALL_BUCKETS_MAX)) return;
    this.#arena.free(segment);
    words[at + SEGMENTS] = 0;
    resetMinimum(words, at);
    lowerMinimum(words, at + MIN_EXPIRY_LOW, minimum);
  }
}
