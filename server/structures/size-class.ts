/**
 * Sizes of blocks: steps of 8 bytes to 128, eight steps a doubling to 1 KiB (at most 12.5 % lost), sixteen to
 * 32 KiB (at most 6.25 % lost). Larger blocks are whole pages.
 */

const SMALL_BYTES_MAX = 1024;
const CLASSED_BYTES_MAX = 32 * 1024;

function makeClasses(): number[] {
  const sizes: number[] = [];
  for (let size = 8; size <= 128; size += 8) sizes.push(size);
  for (let base = 128; base < CLASSED_BYTES_MAX; base *= 2) {
    const steps = base < SMALL_BYTES_MAX ? 8 : 16;
    for (let step = 1; step <= steps; step++) sizes.push(base + (base / steps) * step);
  }
  return sizes;
}

/** Block size of every class, in bytes. */
export const CLASS_BYTES: Uint32Array = Uint32Array.from(makeClasses());
export const CLASS_COUNT = CLASS_BYTES.length;
/** Classes to 128 bytes, and eight for each of the three doublings to 1 KiB. */
const FIRST_CLASS_ABOVE_SMALL = 16 + 3 * 8;
const SMALL_EXPONENT = 10;
/** Blocks of whole pages. */
export const LARGE_CLASS = CLASS_COUNT;

const SMALL_CLASS: Uint8Array = new Uint8Array(SMALL_BYTES_MAX / 8 + 1);
for (let units = 0, sizeClass = 0; units < SMALL_CLASS.length; units++) {
  while (CLASS_BYTES[sizeClass] < units * 8) sizeClass++;
  SMALL_CLASS[units] = sizeClass;
}

/** The smallest class whose blocks hold `bytes`. */
export function classOfBytes(bytes: number): number {
  if (bytes <= SMALL_BYTES_MAX) return SMALL_CLASS[(bytes + 7) >>> 3];
  if (bytes > CLASSED_BYTES_MAX) return LARGE_CLASS;
  // 2^k < bytes <= 2^(k+1): sixteen classes lie in between.
  const exponent = 31 - Math.clz32(bytes - 1);
  const step = ((bytes - 1) >>> (exponent - 4)) - 15;
  return FIRST_CLASS_ABOVE_SMALL + (exponent - SMALL_EXPONENT) * 16 + step - 1;
}

const PAGE_BYTES = 8192;
const SLAB_PAGES = [2, 4, 8, 16, 32];
const BLOCKS_MIN = 4;
/** Share of a slab that may be lost at its end. */
const LOST_MAX = 1 / 32;

/** The fewest pages whose blocks lose little: small slabs find room between others. */
function fewestPages(size: number): number {
  for (const pages of SLAB_PAGES) {
    const bytes = pages * PAGE_BYTES;
    if (bytes >= size * BLOCKS_MIN && bytes % size <= bytes * LOST_MAX) return pages;
  }
  return SLAB_PAGES[SLAB_PAGES.length - 1];
}

const PAGES_OF_SLAB: Uint8Array = Uint8Array.from(CLASS_BYTES, fewestPages);

/** Pages of 8 KiB in one slab of a class. */
export function slabPages(sizeClass: number): number {
  return PAGES_OF_SLAB[sizeClass];
}
