/**
 * HalfSipHash-1-3: a keyed 32-bit hash made for 32-bit arithmetic, so that nobody can choose keys that
 * collide. Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", reduced to 32-bit words.
 */
import { randomBytes } from 'node:crypto';

const seed = randomBytes(8);
let key0 = seed.readInt32LE(0);
let key1 = seed.readInt32LE(4);

/** Fixes the key, for tests that want the same order every time. */
export function setHashKey(first: number, second: number): void {
  key0 = first | 0;
  key1 = second | 0;
}

/** Hash of `length` bytes at `start`: a signed 32-bit integer. */
export function hashBytes(bytes: Uint8Array, start: number, length: number): number {
  let v0 = key0;
  let v1 = key1;
  let v2 = 0x6c796765 ^ key0;
  let v3 = 0x74656462 ^ key1;
  const end = start + (length & ~3);
  let at = start;
  for (; at < end; at += 4) {
    const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  let last = length << 24;
  const rest = length & 3;
  if (rest > 2) last |= bytes[at + 2] << 16;
  if (rest > 1) last |= bytes[at + 1] << 8;
  if (rest > 0) last |= bytes[at];
  v3 ^= last;
  for (let round = 0; round < 4; round++) {
    if (round === 1) {
      v0 ^= last;
      v2 ^= 0xff;
    }
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  return v1 ^ v3;
}
