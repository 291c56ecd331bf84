import { describe, expect, it } from 'vitest';
import { lzfCompress, lzfDecompress } from './lzf.ts';

/** A small generator so that a failing seed can be run again. */
function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}

describe('lzf', () => {
  it('gives back what it was given, for random inputs of all shapes', () => {
    const seed = Date.now() & 0x7fffffff;
    const next = random(seed);
    for (let round = 0; round < 3000; round += 1) {
      const length = Math.floor(next() * (round % 50 === 0 ? 40_000 : 300));
      const alphabet = 1 + Math.floor(next() * (round % 3 === 0 ? 256 : 4));
      const input = new Uint8Array(length + 7);
      for (let k = 0; k < input.length; k += 1) input[k] = Math.floor(next() * alphabet);
      const packed = new Uint8Array(length + (length >> 5) + 64);
      const size = lzfCompress(input, 3, 3 + length, packed, 5, packed.length);
      if (length === 0) continue;
      const output = new Uint8Array(length + 2).fill(9);
      expect(size, `seed ${seed} round ${round}`).toBeGreaterThan(0);
      expect(lzfDecompress(packed, 5, 5 + size, output, 1, 1 + length), `seed ${seed}`).toBe(true);
      expect(Buffer.compare(output.subarray(1, 1 + length), input.subarray(3, 3 + length))).toBe(0);
    }
  });

  it('compresses repetition well and says 0 when the result does not fit', () => {
    const input = new Uint8Array(1000).fill(120);
    const out = new Uint8Array(1000);
    expect(lzfCompress(input, 0, 1000, out, 0, 996)).toBeLessThan(30);
    for (let limit = 0; limit < 12; limit += 1) {
      out.fill(7);
      lzfCompress(input, 0, 1000, out, 0, limit);
      expect(out[limit + 4]).toBe(7);
    }
    const noise = Uint8Array.from({ length: 64 }, (_, k) => (k * 101) & 255);
    expect(lzfCompress(noise, 0, 64, out, 0, 60)).toBe(0);
  });

  it('refuses damaged input and never writes outside its range', () => {
    const seed = Date.now() & 0x7fffffff;
    const next = random(seed);
    const input = new Uint8Array(400);
    for (let k = 0; k < input.length; k += 1) input[k] = Math.floor(next() * 3);
    const packed = new Uint8Array(500);
    const size = lzfCompress(input, 0, 400, packed, 0, 500);
    for (let round = 0; round < 5000; round += 1) {
      const damaged = packed.slice(0, 1 + Math.floor(next() * size));
      damaged[Math.floor(next() * damaged.length)] = Math.floor(next() * 256);
      const output = new Uint8Array(420).fill(255);
      lzfDecompress(damaged, 0, damaged.length, output, 10, 410);
      for (let k = 0; k < 10; k += 1) expect(output[k] & output[410 + k], `seed ${seed}`).toBe(255);
    }
    expect(lzfDecompress(Uint8Array.of(0x20, 0), 0, 2, new Uint8Array(9), 0, 9)).toBe(false);
  });
});
