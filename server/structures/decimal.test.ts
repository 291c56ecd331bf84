import { describe, expect, it } from 'vitest';
import { writeDecimal } from './decimal.ts';
import { Prng } from './prng.ts';

function written(value: number): string {
  const target = Buffer.alloc(24, 46);
  const end = writeDecimal(target, 3, value);
  expect(target.toString('latin1', 0, 3) + target[end]).toBe('...46');
  return target.toString('latin1', 3, end);
}

describe('writeDecimal', () => {
  it.each([0, 9, 10, 99, 100, 999_999_999, 1_000_000_000, 1_000_000_001, 2 ** 31, 2 ** 32, 2 ** 53])(
    'writes %d as JavaScript does',
    (value) => {
      expect(written(value)).toBe(String(value));
    },
  );

  it('writes numbers of every length as JavaScript does', () => {
    const random = new Prng(Date.now() % 1_000_000);
    for (let round = 0; round < 50_000; round++) {
      const value = Math.floor(
        (random.below(2 ** 32) * 2 ** 21 + random.below(2 ** 21)) / 2 ** random.below(53),
      );
      expect(written(value), `seed ${random.seed}`).toBe(String(value));
    }
  });
});
