/**
 * Hash table of records over the arena that grows one segment at a time: no rehash stop, however large it is.
 *
 *   header (32 bytes)                directory (2^depth refs)        table segment (64 x 64 bytes)
 *   | count | root | shape | ... |-->| s0 | s0 | s1 | s2 |...|------>| head | bucket 0 | ... | bucket 62 |
 *
 *   bucket (64 bytes):  12 refs | 12 tags (8 bits of the hash) | reach, chained, -, -
 *
 * A small table has 1 to 32 buckets and no directory: the header's root is the first bucket. A hash chooses
 * the directory entry by its top bits, the bucket by its low 16 bits taken as a fraction of the bucket count
 * (so that the order of buckets is the same for every size, which SCAN needs), the tag by a product of all
 * its bits. A record stands in its home bucket or in one of the next three: `reach` tells how far to look.
 *
 * Invariants: a record's home is within `reach` before its place; a segment of local depth l is named by
 * 2^(depth-l) neighbouring directory entries; a segment that cannot split any more is chained to another.
 * Complexity: find, insert, remove O(1): one bucket line and one record; a split moves at most 756 records.
 * After: Dash (Lu et al., 2020) for the splitting, Valkey's hashtable for the bucket.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { hashBytes } from './hash.ts';
import type { Records } from './record.ts';
import { collectRefs, putInBuckets, tagOf } from './table-buckets.ts';
import {
  BUCKET_WORDS,
  CHAIN,
  CHAINED,
  COUNT,
  CURSOR_DEPTHS,
  CURSOR_POSITIONS,
  CURSOR_TOP,
  DEPTH_MAX,
  DIRECTORY,
  DIRECTORY_EXCESS_MAX,
  EXPIRING,
  LOCAL_DEPTH,
  lowerMinimum,
  META_WORD,
  MIN_EXPIRY_LOW,
  POSITIONS,
  ROOT,
  resetMinimum,
  SEGMENT_BUCKETS,
  SEGMENTS,
  SHAPE,
  SLOTS_PER_BUCKET,
  SMALL_BUCKETS_MAX,
  TABLE_HEADER_BYTES,
  TABLE_SEGMENT_BYTES,
  TAG_WORD,
} from './table-layout.ts';

/** How full `prepare` expects buckets to become; a segment splits somewhat above that. */
const PREPARED_FILL = 0.7;

/** Records that are read before they are hashed: as many as the processor loads at once, and some. */
const READ_AHEAD = 32;

export class Table {
  readonly #arena: Arena;
  readonly #records: Records;
  readonly #words: Uint32Array[];
  /** Tables there are. */
  live = 0;
  /** The ref that the last `find` ended at, as long as it stands where it was found; 0: none. */
  found = 0;
  /** Keeps what was read ahead from being left out as unused. */
  sum = 0;
  /** Where it stands: arena segment, first word of the bucket, slot. */
  #foundSegment = 0;
  #foundAt = 0;
  #foundSlot = 0;

  constructor(arena: Arena, records: Records) {
    this.#arena = arena;
    this.#records = records;
    this.#words = arena.words;
  }

  /** A new empty table: the ref of its header. */
  create(): number {
    const header = this.#arena.allocate(TABLE_HEADER_BYTES);
    this.live++;
    const at = (header & UNIT_MASK) << 1;
    const words = this.#words[header >>> SEGMENT_SHIFT];
    words.fill(0, at, at + TABLE_HEADER_BYTES / 4);
    words[at + SHAPE] = 1 << 16;
    words[at + ROOT] = this.#newBuckets(1);
    resetMinimum(words, at);
    return header;
  }

  /** Gives an empty table room for about `count` records, so that it need not grow while they come. */
  prepare(header: number, count: number): void {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    if (words[at + COUNT] !== 0 || words[at + SHAPE] !== 1 << 16 || count <= SLOTS_PER_BUCKET) return;
    this.#arena.free(words[at + ROOT]);
    const wanted = count / (SLOTS_PER_BUCKET * PREPARED_FILL);
    if (wanted <= SMALL_BUCKETS_MAX) {
      const buckets = 2 ** Math.ceil(Math.log2(wanted));
      words[at + ROOT] = this.#newBuckets(buckets);
      words[at + SHAPE] = buckets << 16;
      return;
    }
    const depth = Math.min(DEPTH_MAX, Math.ceil(Math.log2(Math.max(wanted / SEGMENT_BUCKETS, 1))));
    const segments = 2 ** depth;
    const root = this.#arena.allocate(Math.max(segments * 4, 8));
    for (let entry = 0; entry < segments; entry++) {
      const segment = this.#newSegment(depth);
      this.#words[root >>> SEGMENT_SHIFT][((root & UNIT_MASK) << 1) + entry] = segment;
    }
    words[at + ROOT] = root;
    words[at + SHAPE] = DIRECTORY | depth;
    words[at + SEGMENTS] = segments;
  }

  count(header: number): number {
    return this.#words[header >>> SEGMENT_SHIFT][((header & UNIT_MASK) << 1) + COUNT];
  }

  /** Records that have an expiry. */
  expiring(header: number): number {
    return this.#words[header >>> SEGMENT_SHIFT][((header & UNIT_MASK) << 1) + EXPIRING];
  }

  /** The record with this key, 0 when there is none. `hash` is `hashBytes` of the key. */
  find(header: number, hash: number, key: Uint8Array, start: number, length: number): number {
    const headerWords = this.#words[header >>> SEGMENT_SHIFT];
    const headerAt = (header & UNIT_MASK) << 1;
    const shape = headerWords[headerAt + SHAPE];
    let segment = headerWords[headerAt + ROOT];
    let buckets = shape >>> 16;
    let skip = 0;
    if ((shape & DIRECTORY) !== 0) {
      const depth = shape & 31;
      const entry = depth === 0 ? 0 : hash >>> (32 - depth);
      segment = this.#words[segment >>> SEGMENT_SHIFT][((segment & UNIT_MASK) << 1) + entry];
      buckets = SEGMENT_BUCKETS;
      skip = BUCKET_WORDS;
    }
    const pattern = Math.imul(tagOf(hash), 0x01010101);
    const records = this.#records;
    for (;;) {
      const words = this.#words[segment >>> SEGMENT_SHIFT];
      const base = ((segment & UNIT_MASK) << 1) + skip;
      let bucket = ((hash & 0xffff) * buckets) >>> 16;
      const meta = words[base + bucket * BUCKET_WORDS + META_WORD];
      for (let reach = meta & 3; ; reach--) {
        const at = base + bucket * BUCKET_WORDS;
        for (let group = 0; group < 3; group++) {
          const difference = words[at + TAG_WORD + group] ^ pattern;
          let match = (difference - 0x01010101) & ~difference & 0x80808080;
          while (match !== 0) {
            const slot = group * 4 + ((31 - Math.clz32(match & -match)) >>> 3);
            const ref = words[at + slot];
            if (ref !== 0 && records.keyEquals(ref, key, start, length)) {
              this.#foundSegment = segment >>> SEGMENT_SHIFT;
              this.#foundAt = at;
              this.#foundSlot = slot;
              this.found = ref;
              return ref;
            }
            match &= match - 1;
          }
        }
        if (reach === 0) break;
        if (++bucket === buckets) bucket = 0;
      }
      if ((meta & CHAINED) === 0) {
        this.found = 0;
        return 0;
      }
      segment = words[base - skip + CHAIN];
    }
  }

  /** Points the place that `find` just returned to another ref of its key; nothing may happen in between. */
  replaceFound(ref: number): void {
    this.#words[this.#foundSegment][this.#foundAt + this.#foundSlot] = ref;
    this.found = ref;
  }

  /** Adds a record whose key is not in the table. */
  insert(header: number, hash: number, ref: number): void {
    this.found = 0;
    this.#place(header, hash, ref);
    this.#words[header >>> SEGMENT_SHIFT][((header & UNIT_MASK) << 1) + COUNT]++;
  }

  /** Takes the record that `find` just returned out of the table; the caller frees it. */
  removeFound(header: number): void {
    const words = this.#words[this.#foundSegment];
    const at = this.#foundAt;
    const slot = this.#foundSlot;
    this.found = 0;
    words[at + slot] = 0;
    words[at + TAG_WORD + (slot >>> 2)] &= ~(0xff << ((slot & 3) << 3));
    this.#words[header >>> SEGMENT_SHIFT][((header & UNIT_MASK) << 1) + COUNT]--;
  }

  /** Told whenever a record gets (+1) or loses (-1) an expiry; `expiresAtMs` matters for +1 and 0 alike. */
  noteExpiry(header: number, change: number, hash: number, expiresAtMs: number): void {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    words[at + EXPIRING] += change;
    if (change < 0) return;
    const small = (words[at + SHAPE] & DIRECTORY) === 0;
    const place = small ? header : this.#segmentOf(words, at, hash);
    const minimum = ((place & UNIT_MASK) << 1) + MIN_EXPIRY_LOW;
    lowerMinimum(this.#words[place >>> SEGMENT_SHIFT], minimum, expiresAtMs);
  }

  /** Frees buckets, directory and header; `visit` gets every record and frees it. */
  destroy(header: number, visit: (ref: number) => void): void {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    const shape = words[at + SHAPE];
    const root = words[at + ROOT];
    if ((shape & DIRECTORY) === 0) {
      for (const ref of this.#refsIn(root, shape >>> 16, 0)) visit(ref);
      this.#arena.free(root);
    } else {
      const entries = 1 << (shape & 31);
      const directory = this.#words[root >>> SEGMENT_SHIFT];
      const first = (root & UNIT_MASK) << 1;
      let last = 0;
      for (let entry = 0; entry < entries; entry++) {
        const segment = directory[first + entry];
        if (segment !== last) this.#destroySegment(segment, visit);
        last = segment;
      }
      this.#arena.free(root);
    }
    this.#arena.free(header);
    this.live--;
  }

  /**
   * One step of an iteration that sees every record that is there from its first to its last step at least
   * once, however the table grows and shrinks meanwhile. Starts and ends with cursor 0; a cursor is an
   * integer below 2^35. Of segments that were merged it goes through the range it was in, then the
   * neighbour's.
   */
  scan(header: number, cursor: number, visit: (ref: number) => void): number {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    const shape = words[at + SHAPE];
    const position = Math.min(cursor % CURSOR_POSITIONS, POSITIONS - 1);
    const range = Math.floor(cursor / CURSOR_POSITIONS);
    const top = Math.floor(range / CURSOR_DEPTHS);
    if (top >= CURSOR_TOP) return 0;
    const directory = (shape & DIRECTORY) !== 0;
    const buckets = directory ? SEGMENT_BUCKETS : shape >>> 16;
    const bucket = Math.floor((position * buckets) / POSITIONS);
    let segment = words[at + ROOT];
    let depth = 0;
    if (directory) {
      segment = this.#segmentOf(words, at, top << (32 - DEPTH_MAX));
      depth = this.#words[segment >>> SEGMENT_SHIFT][((segment & UNIT_MASK) << 1) + LOCAL_DEPTH];
    }
    if (position !== 0) depth = Math.max(depth, Math.min(range % CURSOR_DEPTHS, DEPTH_MAX));
    this.#visitHome(segment, buckets, directory ? BUCKET_WORDS : 0, bucket, visit);
    if (bucket + 1 < buckets)
      return (top * CURSOR_DEPTHS + depth) * CURSOR_POSITIONS + ((bucket + 1) * POSITIONS) / buckets;
    const width = 1 << (DEPTH_MAX - depth);
    const next = (Math.floor(top / width) + 1) * width;
    return next >= CURSOR_TOP ? 0 : next * CURSOR_DEPTHS * CURSOR_POSITIONS;
  }

  /** A record chosen by `random` (a function to [0, 1)), 0 in an empty table. Close to uniform. */
  sample(header: number, random: () => number): number {
    if (this.count(header) === 0) return 0;
    const found: number[] = [];
    const range = Math.floor(random() * CURSOR_TOP) * CURSOR_DEPTHS + DEPTH_MAX;
    let cursor = range * CURSOR_POSITIONS + Math.floor(random() * POSITIONS);
    while (found.length === 0) cursor = this.scan(header, cursor, (ref) => found.push(ref));
    return found[Math.floor(random() * found.length)];
  }

  #segmentOf(words: Uint32Array, at: number, hash: number): number {
    const depth = words[at + SHAPE] & 31;
    const root = words[at + ROOT];
    const entry = depth === 0 ? 0 : hash >>> (32 - depth);
    return this.#words[root >>> SEGMENT_SHIFT][((root & UNIT_MASK) << 1) + entry];
  }

  #newBuckets(count: number): number {
    const bytes = count * BUCKET_WORDS * 4;
    const ref = this.#arena.allocate(bytes);
    const at = (ref & UNIT_MASK) << 1;
    this.#words[ref >>> SEGMENT_SHIFT].fill(0, at, at + bytes / 4);
    return ref;
  }

  #newSegment(localDepth: number): number {
    const segment = this.#newBuckets(TABLE_SEGMENT_BYTES / (BUCKET_WORDS * 4));
    const words = this.#words[segment >>> SEGMENT_SHIFT];
    const at = (segment & UNIT_MASK) << 1;
    words[at + LOCAL_DEPTH] = localDepth;
    resetMinimum(words, at);
    return segment;
  }

  /** Puts a ref into the table, growing it as often as needed. */
  #place(header: number, hash: number, ref: number): void {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    for (;;) {
      const shape = words[at + SHAPE];
      if ((shape & DIRECTORY) === 0) {
        if (this.#put(words[at + ROOT], shape >>> 16, 0, hash, ref)) return;
        this.#growSmall(words, at, shape >>> 16);
        continue;
      }
      const segment = this.#segmentOf(words, at, hash);
      if (this.#put(segment, SEGMENT_BUCKETS, BUCKET_WORDS, hash, ref)) return;
      if (!this.#split(header, words, at, segment, hash)) {
        this.#putChained(segment, hash, ref);
        return;
      }
    }
  }

  #put(segment: number, buckets: number, skip: number, hash: number, ref: number): boolean {
    const words = this.#words[segment >>> SEGMENT_SHIFT];
    return putInBuckets(words, ((segment & UNIT_MASK) << 1) + skip, buckets, hash, ref);
  }

  #refsIn(segment: number, buckets: number, skip: number): Uint32Array {
    const words = this.#words[segment >>> SEGMENT_SHIFT];
    return collectRefs(words, ((segment & UNIT_MASK) << 1) + skip, buckets);
  }

  #putChained(segment: number, hash: number, ref: number): void {
    for (;;) {
      const words = this.#words[segment >>> SEGMENT_SHIFT];
      const at = (segment & UNIT_MASK) << 1;
      const home = ((hash & 0xffff) * SEGMENT_BUCKETS) >>> 16;
      words[at + BUCKET_WORDS + home * BUCKET_WORDS + META_WORD] |= CHAINED;
      if (words[at + CHAIN] === 0) words[at + CHAIN] = this.#newSegment(words[at + LOCAL_DEPTH]);
      segment = words[at + CHAIN];
      if (this.#put(segment, SEGMENT_BUCKETS, BUCKET_WORDS, hash, ref)) return;
    }
  }

  /** More buckets, as many as it takes: refs that come in the order of another table crowd into few. */
  #growSmall(words: Uint32Array, at: number, buckets: number): void {
    const old = words[at + ROOT];
    const moving = this.#refsIn(old, buckets, 0);
    this.#arena.free(old);
    for (let more = buckets * 2; more <= SMALL_BUCKETS_MAX; more *= 2) {
      const root = this.#newBuckets(more);
      if (moving.every((ref) => this.#put(root, more, 0, this.#hashOf(ref), ref))) {
        words[at + ROOT] = root;
        words[at + SHAPE] = more << 16;
        return;
      }
      this.#arena.free(root);
    }
    const segment = this.#newSegment(0);
    const segmentAt = (segment & UNIT_MASK) << 1;
    const segmentWords = this.#words[segment >>> SEGMENT_SHIFT];
    segmentWords[segmentAt + MIN_EXPIRY_LOW] = words[at + MIN_EXPIRY_LOW];
    segmentWords[segmentAt + MIN_EXPIRY_LOW + 1] = words[at + MIN_EXPIRY_LOW + 1];
    const directory = this.#arena.allocate(8);
    this.#words[directory >>> SEGMENT_SHIFT][(directory & UNIT_MASK) << 1] = segment;
    words[at + ROOT] = directory;
    words[at + SHAPE] = DIRECTORY;
    words[at + SEGMENTS] = 1;
    this.#replace(words, at, moving);
  }

  /** Puts collected refs back into the segments of a directory. */
  #replace(words: Uint32Array, at: number, refs: Uint32Array): void {
    for (let index = 0; index < refs.length; index++) {
      if (index % READ_AHEAD === 0) this.#readAhead(refs, index, Math.min(index + READ_AHEAD, refs.length));
      const ref = refs[index];
      const hash = this.#hashOf(ref);
      const segment = this.#segmentOf(words, at, hash);
      if (!this.#put(segment, SEGMENT_BUCKETS, BUCKET_WORDS, hash, ref)) this.#putChained(segment, hash, ref);
    }
  }

  /** Reads records that are hashed next, all at once: one hash after the other would wait for each. */
  #readAhead(refs: Uint32Array, from: number, to: number): void {
    let sum = 0;
    for (let index = from; index < to; index++) {
      const ref = refs[index];
      sum ^= this.#words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1];
    }
    this.sum = sum;
  }

  #hashOf(ref: number): number {
    const records = this.#records;
    return hashBytes(records.segment(ref), records.keyStart(ref), records.keyLength(ref));
  }

  /** Splits the segment of `hash`; false when it is chained or as deep as it may be. */
  #split(header: number, words: Uint32Array, at: number, segment: number, hash: number): boolean {
    const old = this.#words[segment >>> SEGMENT_SHIFT];
    const oldAt = (segment & UNIT_MASK) << 1;
    const localDepth = old[oldAt + LOCAL_DEPTH];
    if (localDepth >= DEPTH_MAX || old[oldAt + CHAIN] !== 0) return false;
    if (localDepth === (words[at + SHAPE] & 31)) {
      if (1 << localDepth > words[at + SEGMENTS] * DIRECTORY_EXCESS_MAX) return false;
      this.#doubleDirectory(header);
    }
    const moving = this.#refsIn(segment, SEGMENT_BUCKETS, BUCKET_WORDS);
    const sibling = this.#newSegment(localDepth + 1);
    const siblingWords = this.#words[sibling >>> SEGMENT_SHIFT];
    const siblingAt = (sibling & UNIT_MASK) << 1;
    siblingWords[siblingAt + MIN_EXPIRY_LOW] = old[oldAt + MIN_EXPIRY_LOW];
    siblingWords[siblingAt + MIN_EXPIRY_LOW + 1] = old[oldAt + MIN_EXPIRY_LOW + 1];
    old.fill(0, oldAt + BUCKET_WORDS, oldAt + TABLE_SEGMENT_BYTES / 4);
    old[oldAt + LOCAL_DEPTH] = localDepth + 1;
    const depth = words[at + SHAPE] & 31;
    const width = 1 << (depth - localDepth);
    const first = depth === 0 ? 0 : (hash >>> (32 - depth)) & ~(width - 1);
    const root = words[at + ROOT];
    const directory = this.#words[root >>> SEGMENT_SHIFT];
    const directoryAt = (root & UNIT_MASK) << 1;
    directory.fill(sibling, directoryAt + first + (width >>> 1), directoryAt + first + width);
    words[at + SEGMENTS]++;
    this.#replace(words, at, moving);
    return true;
  }

  #doubleDirectory(header: number): void {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    const depth = words[at + SHAPE] & 31;
    const entries = 1 << depth;
    const old = words[at + ROOT];
    const oldWords = this.#words[old >>> SEGMENT_SHIFT];
    const oldAt = (old & UNIT_MASK) << 1;
    const next = this.#arena.allocate(entries * 8);
    const nextWords = this.#words[next >>> SEGMENT_SHIFT];
    const nextAt = (next & UNIT_MASK) << 1;
    for (let entry = 0; entry < entries; entry++) {
      nextWords[nextAt + entry * 2] = oldWords[oldAt + entry];
      nextWords[nextAt + entry * 2 + 1] = oldWords[oldAt + entry];
    }
    words[at + ROOT] = next;
    words[at + SHAPE] = DIRECTORY | (depth + 1);
    this.#arena.free(old);
  }

  #visitHome(
    segment: number,
    buckets: number,
    skip: number,
    home: number,
    visit: (ref: number) => void,
  ): void {
    for (;;) {
      const words = this.#words[segment >>> SEGMENT_SHIFT];
      const base = ((segment & UNIT_MASK) << 1) + skip;
      const meta = words[base + home * BUCKET_WORDS + META_WORD];
      const refs: number[] = [];
      for (let reach = 0, bucket = home; reach <= (meta & 3); reach++) {
        const at = base + bucket * BUCKET_WORDS;
        for (let slot = 0; slot < SLOTS_PER_BUCKET; slot++) {
          const ref = words[at + slot];
          if (ref !== 0 && ((this.#hashOf(ref) & 0xffff) * buckets) >>> 16 === home) refs.push(ref);
        }
        if (++bucket === buckets) bucket = 0;
      }
      const next = (meta & CHAINED) === 0 ? 0 : words[base - skip + CHAIN];
      for (const ref of refs) visit(ref);
      if (next === 0) return;
      segment = next;
    }
  }

  #destroySegment(segment: number, visit: (ref: number) => void): void {
    while (segment !== 0) {
      for (const ref of this.#refsIn(segment, SEGMENT_BUCKETS, BUCKET_WORDS)) visit(ref);
      const next = this.#words[segment >>> SEGMENT_SHIFT][((segment & UNIT_MASK) << 1) + CHAIN];
      this.#arena.free(segment);
      segment = next;
    }
  }
}
