import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Prng } from '../structures/prng.ts';
import { Deadlines } from './deadlines.ts';

interface Item {
  readonly deadlineMs: number;
  heapIndex: number;
}

describe('Deadlines', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('expires what is due, the earliest first, and nothing that was removed', () => {
    const seed = Number(process.env['SEED'] ?? 20261);
    console.log(`seed ${seed}`);
    const prng = new Prng(seed);
    const expired: Item[] = [];
    const deadlines = new Deadlines<Item>((item) => expired.push(item));
    let kept: Item[] = [];
    for (let round = 0; round < 2000; round++) {
      if (prng.below(3) === 0 && kept.length > 0) {
        const [item] = kept.splice(prng.below(kept.length), 1);
        if (item !== undefined) deadlines.remove(item);
      } else {
        const item = { deadlineMs: 1000 + prng.below(5000), heapIndex: -1 };
        kept.push(item);
        deadlines.add(item);
      }
    }
    expect(deadlines.size).toBe(kept.length);
    for (const untilMs of [1500, 1501, 3000, 7000]) {
      vi.advanceTimersByTime(untilMs - Date.now());
      const due = kept.filter((item) => item.deadlineMs <= untilMs);
      kept = kept.filter((item) => item.deadlineMs > untilMs);
      expect(new Set(expired.splice(0).slice().sort(byDeadline))).toEqual(new Set(due));
    }
    expect(deadlines.size).toBe(0);
  });

  test('one timer waits for all, and moves when an earlier deadline comes', () => {
    const expired: Item[] = [];
    const deadlines = new Deadlines<Item>((item) => expired.push(item));
    for (const deadlineMs of [9000, 5000, 7000, 2000]) deadlines.add({ deadlineMs, heapIndex: -1 });
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(1000);
    expect(expired.map((item) => item.deadlineMs)).toEqual([2000]);
    vi.advanceTimersByTime(8000);
    expect(expired.map((item) => item.deadlineMs)).toEqual([2000, 5000, 7000, 9000]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a deadline further away than a timer reaches is waited for in pieces', () => {
    const expired: Item[] = [];
    const deadlines = new Deadlines<Item>((item) => expired.push(item));
    deadlines.add({ deadlineMs: 1000 + 2 ** 31 + 5, heapIndex: -1 });
    vi.advanceTimersByTime(2 ** 31 - 1);
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(6);
    expect(expired.length).toBe(1);
  });
});

function byDeadline(one: Item, other: Item): number {
  return one.deadlineMs - other.deadlineMs;
}
