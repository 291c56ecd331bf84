import { describe, expect, it } from 'vitest';
import { hashBytes } from './hash.ts';

describe('hashBytes', () => {
  it('depends on the bytes in the range and on nothing around them', () => {
    const bytes = Buffer.from('xxkey:12345yy');
    const key = Buffer.from('key:12345');
    expect(hashBytes(bytes, 2, 9)).toBe(hashBytes(key, 0, 9));
    expect(hashBytes(bytes, 2, 8)).not.toBe(hashBytes(key, 0, 9));
  });

  it('spreads 100,000 keys evenly over top and low bits', () => {
    const top = new Uint32Array(64);
    const low = new Uint32Array(64);
    for (let index = 0; index < 100_000; index++) {
      const key = Buffer.from(`key:${index}`);
      const hash = hashBytes(key, 0, key.length);
      top[hash >>> 26]++;
      low[hash & 63]++;
    }
    // 1562 in the mean; six standard deviations are about 240.
    for (const count of [...top, ...low]) expect(Math.abs(count - 1562)).toBeLessThan(240);
  });

  it('tells keys of every length from 0 to 40 apart', () => {
    const zeros = Buffer.alloc(40);
    const hashes = new Set(Array.from({ length: 41 }, (_, length) => hashBytes(zeros, 0, length)));
    expect(hashes.size).toBe(41);
  });
});
