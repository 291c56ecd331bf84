import { describe, expect, it } from 'vitest';
import { RewriteLimit } from './rewrite-limit.ts';

describe('RewriteLimit', () => {
  it('holds nothing before three failures in a row', () => {
    const limit = new RewriteLimit(() => {
      throw new Error('told');
    });
    for (let failures = 0; failures < 3; failures += 1) expect(limit.holds(failures, 0)).toBe(false);
  });

  it('waits one minute, then twice as long after each failure, an hour at most', () => {
    const waits: number[] = [];
    const limit = new RewriteLimit((minutes) => waits.push(minutes));
    let now = 0;
    for (let failures = 3; failures < 12; failures += 1) {
      expect(limit.holds(failures, now)).toBe(true);
      const minutes = waits.at(-1) as number;
      expect(limit.holds(failures, now + minutes * 60_000 - 1)).toBe(true);
      now += minutes * 60_000;
      expect(limit.holds(failures, now)).toBe(false);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
  });

  it('begins anew when a rewrite succeeded or somebody asked for one', () => {
    const waits: number[] = [];
    const limit = new RewriteLimit((minutes) => waits.push(minutes));
    limit.holds(3, 0);
    limit.holds(3, 60_000);
    limit.holds(4, 60_000);
    expect(limit.holds(0, 60_001)).toBe(false);
    limit.holds(3, 60_002);
    expect(waits).toEqual([1, 2, 1]);
  });
});
