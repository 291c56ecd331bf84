import { describe, expect, it } from 'vitest';
import { backoffMs, ManualClock, sleep } from './clock.ts';

describe('sleep', () => {
  it('ends after its time', async () => {
    const clock = new ManualClock();
    let ended = false;
    void sleep(clock, 100, new AbortController().signal).then(() => {
      ended = true;
    });
    await clock.advance(99);
    expect(ended).toBe(false);
    await clock.advance(1);
    expect(ended).toBe(true);
  });

  it('ends at once when the signal aborts, and leaves no timer', async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const asleep = sleep(clock, 1e9, abort.signal);
    abort.abort();
    await asleep;
    await sleep(clock, 1e9, abort.signal);
    expect(clock.waiting).toBe(0);
  });
});

describe('backoffMs', () => {
  it('doubles up to the maximum, half of it random', () => {
    const options = { firstMs: 100, maxMs: 1000 };
    expect([1, 2, 3, 4, 5, 100].map((failures) => backoffMs(failures, options, () => 0))).toEqual([
      50, 100, 200, 400, 500, 500,
    ]);
    expect(backoffMs(1, options, () => 0.999)).toBe(100);
    expect(backoffMs(1e6, options, () => 0.999)).toBe(1000);
  });
});
