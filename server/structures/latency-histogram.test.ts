import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from './latency-histogram.ts';
import { Prng } from './prng.ts';

describe('LatencyHistogram', () => {
  it('names the levels at which the count rises as Redis does', () => {
    const histogram = new LatencyHistogram();
    for (const micros of [0.5, 1.5, 3, 3, 20, 900]) histogram.record(micros * 1000, 1);
    const printed = histogram.levels().map(({ upToNs, count }) => [Math.floor(upToNs / 1000), count]);
    expect(printed).toEqual([
      [1, 1],
      [2, 2],
      [4, 4],
      [33, 5],
      [1056, 6],
    ]);
  });

  it('has no levels and percentile 0 while it is empty, and again after reset', () => {
    const histogram = new LatencyHistogram();
    expect([histogram.levels(), histogram.percentile(50)]).toEqual([[], 0]);
    histogram.record(5, 3);
    histogram.reset();
    expect([histogram.levels(), histogram.percentile(99), histogram.total]).toEqual([[], 0, 0]);
  });

  it('counts what is longer than a second as a second, and nothing as a nanosecond', () => {
    const histogram = new LatencyHistogram();
    histogram.record(1e12, 1);
    histogram.record(-3, 1);
    histogram.record(Number.NaN, 0);
    expect(histogram.levels().at(-1)?.count).toBe(2);
    expect(histogram.percentile(1)).toBe(1);
  });

  const seed = Date.now() % 1_000_000;
  it(`a percentile is at most 1 % above the exact one (seed ${seed})`, () => {
    const random = new Prng(seed);
    for (let round = 0; round < 50; round++) {
      const histogram = new LatencyHistogram();
      const values: number[] = [];
      const count = 1 + random.below(500);
      for (let index = 0; index < count; index++) {
        const value = 1 + random.below(2 ** (1 + random.below(29)));
        values.push(value);
        histogram.record(value, 1);
      }
      values.sort((a, b) => a - b);
      for (const percent of [1, 50, 90, 99, 99.9, 100]) {
        const rank = Math.max(1, Math.floor((percent / 100) * count + 0.5));
        const exact = values[rank - 1] ?? 0;
        const found = histogram.percentile(percent);
        expect(found).toBeGreaterThanOrEqual(exact);
        expect(found).toBeLessThanOrEqual(exact + exact / 100);
      }
      expect(histogram.levels().at(-1)?.count).toBe(count);
    }
  });
});
