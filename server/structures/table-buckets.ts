/** The buckets of the hash table (table.ts draws them): putting a ref in, and going over all. */
import { BUCKET_WORDS, META_WORD, REACH_MAX, SLOTS_PER_BUCKET, TAG_WORD } from './table-layout.ts';

/** The tag of a hash: 8 bits that depend on all of it. */
export function tagOf(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> 24;
}

/** Puts a ref into its home bucket or one of the next; false when they are full. `base`: word of bucket 0. */
export function putInBuckets(
  words: Uint32Array,
  base: number,
  buckets: number,
  hash: number,
  ref: number,
): boolean {
  const home = ((hash & 0xffff) * buckets) >>> 16;
  const reachMax = Math.min(REACH_MAX, buckets - 1);
  for (let reach = 0, bucket = home; reach <= reachMax; reach++) {
    const at = base + bucket * BUCKET_WORDS;
    for (let slot = 0; slot < SLOTS_PER_BUCKET; slot++) {
      if (words[at + slot] !== 0) continue;
      words[at + slot] = ref;
      words[at + TAG_WORD + (slot >>> 2)] |= tagOf(hash) << ((slot & 3) << 3);
      const meta = base + home * BUCKET_WORDS + META_WORD;
      if ((words[meta] & 3) < reach) words[meta] = (words[meta] & ~3) | reach;
      return true;
    }
    if (++bucket === buckets) bucket = 0;
  }
  return false;
}

/** All refs of the buckets, in the order of their places. */
export function collectRefs(words: Uint32Array, base: number, buckets: number): Uint32Array {
  const refs = new Uint32Array(buckets * SLOTS_PER_BUCKET);
  let count = 0;
  for (let bucket = 0; bucket < buckets; bucket++) {
    const at = base + bucket * BUCKET_WORDS;
    for (let slot = 0; slot < SLOTS_PER_BUCKET; slot++) {
      if (words[at + slot] !== 0) refs[count++] = words[at + slot];
    }
  }
  return refs.subarray(0, count);
}
