import { describe, expect, it } from 'vitest';
import { SLICE_ENDS_MS, Slices, sliceKinds } from './slices.ts';

describe('Slices', () => {
  it('counts each kind by itself, in classes whose upper end belongs to them', () => {
    const slices = new Slices();
    const free = slices.of('free');
    free.note(0.25);
    free.note(0.26);
    free.note(1.5);
    free.note(1000);
    expect(free.count).toBe(4);
    expect(free.longestMs).toBe(1000);
    expect(free.sumMs).toBeCloseTo(1002.01);
    expect([...free.classes]).toEqual([1, 1, 0, 1, 0, 0, 0, 0, 1]);
    expect(free.classes).toHaveLength(SLICE_ENDS_MS.length + 1);
    for (const kind of sliceKinds) if (kind !== 'free') expect(slices.of(kind).count).toBe(0);
  });

  it('forgets all on reset', () => {
    const slices = new Slices();
    slices.of('evict').note(3);
    slices.reset();
    expect(slices.of('evict').count).toBe(0);
    expect(slices.of('evict').longestMs).toBe(0);
    expect([...slices.of('evict').classes].every((count) => count === 0)).toBe(true);
  });
});
