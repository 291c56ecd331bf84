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

/** Pages of 8 KiB in one slab of a class: enough blocks a slab that little is lost at its end. */
export function slabPages(sizeClass: number): number {
  const size = CLASS_BYTES[sizeClass];
  return size <= 512 ? 2 : size <= 4096 ? 8 : 32;
}
