import { expect, it } from 'vitest';
import { RewriteRecord } from './rewrite-record.ts';

it('RewriteRecord keeps how long the last one took and whether it failed', () => {
  const record = new RewriteRecord(() => {});
  record.started(10_000);
  expect([record.startedMs, record.lastSeconds]).toEqual([10_000, -1]);
  record.ended(12_900, 77);
  record.failed();
  expect([record.startedMs, record.lastSeconds, record.lastCopyOnWriteBytes]).toEqual([0, 2, 77]);
  expect([record.lastOk, record.consecutiveFailures]).toEqual([false, 1]);
  record.succeeded();
  expect([record.lastOk, record.consecutiveFailures]).toEqual([true, 0]);
});

it('RewriteRecord makes the next one wait after failures in a row, unless somebody asks', () => {
  const waits: number[] = [];
  const record = new RewriteRecord((minutes) => waits.push(minutes));
  for (let failure = 0; failure < 3; failure += 1) {
    expect(record.holds(0)).toBe(false);
    record.failed();
  }
  expect([record.holds(1), waits]).toEqual([true, [1]]);
  record.forgive();
  expect([record.holds(2), record.lastOk]).toEqual([false, false]);
});
