import { describe, expect, it } from 'vitest';
import { Prng } from './prng.ts';

describe('Prng', () => {
  it('repeats itself for a seed and differs between seeds', () => {
    const run = (seed: number): number[] => {
      const random = new Prng(seed);
      return Array.from({ length: 20 }, () => random.bits());
    };
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });

  it('fills its range evenly', () => {
    const random = new Prng(1);
    const seen = new Array<number>(10).fill(0);
    for (let round = 0; round < 10_000; round += 1) seen[random.below(10)]! += 1;
    expect(Math.min(...seen)).toBeGreaterThan(850);
    expect(Math.max(...seen)).toBeLessThan(1150);
  });

  it('gives fractions below one', () => {
    const random = new Prng(3);
    for (let round = 0; round < 1000; round += 1) {
      const fraction = random.fraction();
      expect(fraction >= 0 && fraction < 1).toBe(true);
    }
  });
});
