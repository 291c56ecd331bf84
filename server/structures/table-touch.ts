/**
 * Reads what `Table.find` will read for several hashes: first all buckets, then all records. Loads that do
 * not depend on each other overlap in the processor, where one lookup after the other waits for the memory.
 *
 *   hash 0 ... hash n  ->  header, directory, bucket line of each  ->  first record with the same tag of each
 *
 * Changes nothing; O(1) a hash. Follows table.ts, without overflow into neighbours and chains: it is rare.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { tagOf } from './table-buckets.ts';
import {
  BUCKET_WORDS,
  DIRECTORY,
  META_WORD,
  ROOT,
  SEGMENT_BUCKETS,
  SHAPE,
  TAG_WORD,
} from './table-layout.ts';

/** Hashes that one `read` may be about. */
export const TOUCH_MAX = 32;
/** Data that the processor's cache holds is there anyway; measured even at about 7 MB. */
export const ARENA_BYTES_MIN = 8 * 1024 * 1024;
/** Longer keys are not worth a second hash. */
export const KEY_BYTES_MAX = 64;

export class TableTouch {
  readonly #words: Uint32Array[];
  /** Segment (0: no table) and word of the bucket, for each hash. */
  readonly #places = new Uint32Array(TOUCH_MAX * 2);

  constructor(arena: Arena) {
    this.#words = arena.words;
  }

  /**
   * `headers[places[i]]` is the header of the table of hash i, 0 when there is none. Returns a sum of what
   * was read, which keeps the compiler from leaving the loads out.
   */
  read(headers: Uint32Array, places: Uint16Array, hashes: Int32Array, count: number): number {
    let sum = 0;
    for (let index = 0; index < count; index++)
      sum ^= this.#readBucket(headers[places[index]], hashes[index], index);
    for (let index = 0; index < count; index++) sum ^= this.#readRecord(hashes[index], index);
    return sum;
  }

  #readBucket(header: number, hash: number, index: number): number {
    this.#places[index * 2] = 0;
    if (header === 0) return 0;
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
    const bucket = ((hash & 0xffff) * buckets) >>> 16;
    const at = ((segment & UNIT_MASK) << 1) + skip + bucket * BUCKET_WORDS;
    this.#places[index * 2] = segment;
    this.#places[index * 2 + 1] = at;
    return this.#words[segment >>> SEGMENT_SHIFT][at + META_WORD];
  }

  #readRecord(hash: number, index: number): number {
    const segment = this.#places[index * 2];
    if (segment === 0) return 0;
    const words = this.#words[segment >>> SEGMENT_SHIFT];
    const at = this.#places[index * 2 + 1];
    const pattern = Math.imul(tagOf(hash), 0x01010101);
    for (let group = 0; group < 3; group++) {
      const difference = words[at + TAG_WORD + group] ^ pattern;
      const match = (difference - 0x01010101) & ~difference & 0x80808080;
      if (match === 0) continue;
      const ref = words[at + group * 4 + ((31 - Math.clz32(match & -match)) >>> 3)];
      return this.#words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1];
    }
    return 0;
  }
}
