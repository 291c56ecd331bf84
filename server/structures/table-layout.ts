/** Numbers of the hash table's layout (table.ts draws it) and the expiry minimum that its headers hold. */

export const TABLE_HEADER_BYTES = 32;
export const BUCKET_WORDS = 16;
export const SLOTS_PER_BUCKET = 12;
export const TAG_WORD = 12;
export const META_WORD = 15;
export const REACH_MAX = 3;
export const CHAINED = 0x100;
export const SMALL_BUCKETS_MAX = 32;
export const SEGMENT_BUCKETS = 63;
export const TABLE_SEGMENT_BYTES = 4096;
/** More would make the directory too large; equal hashes beyond it are chained. */
export const DEPTH_MAX = 19;
/**
 * A directory this many times larger than its segments means that hashes are equal, not that keys are many.
 */
export const DIRECTORY_EXCESS_MAX = 64;
/**
 * Cursor of a scan: ((top * 32) + depth) * 2048 + position. Top: DEPTH_MAX bits of the hash; depth: how many
 * of them the range has that the scan goes through; position within it in units of 1/2016 of the buckets,
 * which every number of buckets (1, 2, 4 … 32, 63) divides.
 */
export const CURSOR_TOP = 1 << DEPTH_MAX;
export const CURSOR_DEPTHS = 32;
export const CURSOR_POSITIONS = 2048;
export const POSITIONS = 2016;

// Words of the header.
export const COUNT = 0;
export const ROOT = 1;
export const SHAPE = 2;
export const SEGMENTS = 3;
export const MIN_EXPIRY_LOW = 4;
export const EXPIRING = 6;
export const DIRECTORY = 0x80;

// Words of a table segment's head.
export const LOCAL_DEPTH = 0;
export const CHAIN = 1;

export const NO_EXPIRY_LOW = 0xffffffff;

/** No record expires, says the header or segment that begins at `at`. */
export function resetMinimum(words: Uint32Array, at: number): void {
  words[at + MIN_EXPIRY_LOW] = NO_EXPIRY_LOW;
  words[at + MIN_EXPIRY_LOW + 1] = NO_EXPIRY_LOW;
}

export function readMs(words: Uint32Array, at: number): number {
  return words[at + 1] === NO_EXPIRY_LOW ? Number.POSITIVE_INFINITY : words[at + 1] * 4294967296 + words[at];
}

export function writeMs(words: Uint32Array, at: number, ms: number): void {
  const none = ms === Number.POSITIVE_INFINITY;
  words[at] = none ? NO_EXPIRY_LOW : ms % 4294967296;
  words[at + 1] = none ? NO_EXPIRY_LOW : ms / 4294967296;
}

export function lowerMinimum(words: Uint32Array, at: number, ms: number): void {
  if (ms < readMs(words, at)) writeMs(words, at, ms);
}
