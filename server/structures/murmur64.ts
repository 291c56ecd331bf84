/** MurmurHash64A, in halves of 32 bits: the hash that HyperLogLogs are built on. */

import { productHigh } from './product.ts';

const M_LOW = 0x5bd1e995;
const M_HIGH = 0xc6a4a793;

/** The 64 bits of the last hash, each half as a signed 32-bit integer. */
export const hashed = { low: 0, high: 0 };

/** Multiplies (`high`, `low`) with the hash's constant; the high half goes to `carried`. */
let carried = 0;
function multiplied(high: number, low: number): number {
  carried = (productHigh(low, M_LOW) + Math.imul(low, M_HIGH) + Math.imul(high, M_LOW)) | 0;
  return Math.imul(low, M_LOW);
}

/** Hashes bytes[start, start + length) into `hashed`. The seed has 32 bits. */
export function murmur64(bytes: Uint8Array, start: number, length: number, seed: number): void {
  let low = multiplied(0, length) ^ seed;
  let high = carried;
  const whole = start + (length & ~7);
  let at = start;
  for (; at < whole; at += 8) {
    let wordLow = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    let wordHigh = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24);
    wordLow = multiplied(wordHigh, wordLow);
    // Shifted right by 47: only bits of the high half are left.
    wordLow ^= carried >>> 15;
    wordHigh = carried;
    wordLow = multiplied(wordHigh, wordLow);
    low = multiplied(high ^ carried, low ^ wordLow);
    high = carried;
  }
  const rest = length & 7;
  if (rest !== 0) {
    for (let index = 0; index < rest; index++) {
      const byte = bytes[at + index];
      if (index < 4) low ^= byte << (index * 8);
      else high ^= byte << ((index - 4) * 8);
    }
    low = multiplied(high, low);
    high = carried;
  }
  low = multiplied(high, low ^ (high >>> 15));
  high = carried;
  hashed.low = low ^ (high >>> 15);
  hashed.high = high;
}
