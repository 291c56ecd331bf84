import { describe, expect, it } from 'vitest';
import { Rate } from './rate.ts';

describe('Rate', () => {
  it('is the mean growth a second over the last samples', () => {
    const rate = new Rate();
    expect(rate.perSecond).toBe(0);
    for (let step = 0; step <= 20; step += 1) rate.sample(1000 + step * 100, step * 50);
    expect(rate.perSecond).toBeCloseTo(500);
  });

  it('survives a counter that was reset', () => {
    const rate = new Rate();
    rate.sample(1000, 100);
    rate.sample(1100, 0);
    rate.sample(1200, 10);
    expect(rate.perSecond).toBeCloseTo(100);
  });
});
