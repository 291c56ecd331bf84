/** The half of a product of 32-bit integers that JavaScript does not give. */

/** High 32 bits of the product of two 32-bit integers without sign; `Math.imul` gives the low ones. */
export function productHigh(left: number, right: number): number {
  const leftLow = left & 0xffff;
  const leftHigh = left >>> 16;
  const rightLow = right & 0xffff;
  const rightHigh = right >>> 16;
  // None of these sums reaches 2^32.
  const middle = leftHigh * rightLow + ((leftLow * rightLow) >>> 16);
  const other = leftLow * rightHigh + (middle & 0xffff);
  return (leftHigh * rightHigh + (middle >>> 16) + (other >>> 16)) | 0;
}
