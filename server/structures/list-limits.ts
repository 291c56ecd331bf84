/**
 * How much one node of a list holds: `list-max-listpack-size`, called fill, as Redis 7.2 reads it.
 *
 *   fill ≥ 0   so many elements (0 means 1), and at most SAFE_BYTES
 *   fill < 0   so many bytes: -1 is 4 KiB, each step down doubles it, -5 and below are 64 KiB
 *
 * `packBytes` is the size of the listpack, header and end mark included.
 */

/** No node of several elements grows beyond this when fill counts elements. */
const SAFE_BYTES = 8192;
const FIRST_LIMIT_BYTES = 4096;
const FILL_MIN = -5;
const FILL_MAX = 32767;
const COMPRESS_DEPTH_MAX = 65535;
/** What an element takes at most besides its bytes, as Redis guesses it before inserting. */
const ENTRY_OVERHEAD_BYTES = 8;
/** Longer elements have a node of their own whatever the fill is: they must fit well into one block. */
const PACKED_ELEMENT_BYTES_MAX = 64 * 1024;

export function clampFill(fill: number): number {
  return Math.max(FILL_MIN, Math.min(FILL_MAX, fill));
}

export function clampCompressDepth(depth: number): number {
  return Math.max(0, Math.min(COMPRESS_DEPTH_MAX, depth));
}

function fillBytes(fill: number): number {
  return FIRST_LIMIT_BYTES << (-Math.max(fill, FILL_MIN) - 1);
}

/** What a node of several elements may come to hold; 0 when their number ends it. */
export function nodeBytesMax(fill: number): number {
  return fill < 0 ? fillBytes(fill) : 0;
}

/** True when a node of this size and count is too large. */
export function exceedsNode(fill: number, packBytes: number, count: number): boolean {
  if (fill < 0) return packBytes > fillBytes(fill);
  return packBytes > SAFE_BYTES || count > (fill === 0 ? 1 : fill);
}

/** True when one more element of `length` bytes makes the node too large. */
export function exceedsWithElement(fill: number, packBytes: number, count: number, length: number): boolean {
  return exceedsNode(fill, packBytes + length + ENTRY_OVERHEAD_BYTES, count + 1);
}

/** True when a list of one node is small enough to be a plain listpack: at most the limit, or half of it. */
export function fitsListpack(fill: number, packBytes: number, count: number, halved: boolean): boolean {
  const divisor = halved ? 2 : 1;
  if (fill < 0) return packBytes <= fillBytes(fill) / divisor;
  return count <= Math.floor((fill === 0 ? 1 : fill) / divisor);
}

/**
 * True when an element gets a node of its own. `threshold` is DEBUG QUICKLIST-PACKED-THRESHOLD's, 0 for none.
 */
export function isLargeElement(fill: number, length: number, threshold: number): boolean {
  if (length > PACKED_ELEMENT_BYTES_MAX) return true;
  if (threshold !== 0) return length >= threshold;
  return length > (fill >= 0 ? SAFE_BYTES : fillBytes(fill));
}
