import { describe, expect, it } from 'vitest';
import { SnapshotPacing } from './snapshot-pacing.ts';

describe('SnapshotPacing', () => {
  it('rests three times as long as a slice took, not at all while the server does nothing else', () => {
    const pacing = new SnapshotPacing(0, 10);
    expect(pacing.pauseMs(1, 11, false)).toBe(3);
    expect(pacing.pauseMs(1.2, 12, false)).toBe(4);
    expect(pacing.pauseMs(1, 12, false)).toBe(0);
    expect(pacing.pauseMs(20, 99, true)).toBe(0);
  });

  it('waits the delay of keys in whole milliseconds and owes the rest', () => {
    const pacing = new SnapshotPacing(300, 0);
    pacing.note(3);
    expect(pacing.owes).toBe(false);
    pacing.note(4);
    expect(pacing.owes).toBe(true);
    expect(pacing.pauseMs(0, 0, false)).toBe(1);
    pacing.note(7);
    expect(pacing.owes).toBe(true);
    expect(pacing.pauseMs(0, 0, true)).toBe(1);
  });
});
