import { describe, expect, it, vi } from 'vitest';
import { ActiveExpiry } from './active-expiry.ts';
import { Keyspace } from './keyspace.ts';
import { Stats } from './stats.ts';

const KEYS = 20_000;
const START_MS = 1_000_000;

/** A keyspace full of keys that have expired, and a clock that moves by a tenth of a slice a look. */
function make(perSlot: boolean, allowed = (): boolean => true) {
  const keyspace = new Keyspace({ databases: 1, perSlot, stats: new Stats(), random: () => 0.5 });
  keyspace.setNow(START_MS);
  const value = Buffer.from('v');
  for (let index = 0; index < KEYS; index++) {
    const key = Buffer.from(`key:${index}`);
    const expiresAtMs = index % 2 === 0 ? START_MS + 1 : Number.MAX_SAFE_INTEGER;
    keyspace.databases[0].setString(key, 0, key.length, value, 0, 1, expiresAtMs);
  }
  keyspace.setNow(START_MS + 2);
  let clock = 0;
  const slices: number[] = [];
  const expiry = new ActiveExpiry(keyspace, {
    allowed,
    afterSlice: () => slices.push(keyspace.databases[0].size),
    monotonicMs: () => (clock += 0.1),
  });
  return { keyspace, expiry, slices };
}

describe('ActiveExpiry', () => {
  it('deletes what has expired in slices, with one table and with a table a slot', () => {
    vi.useFakeTimers({ now: START_MS + 2 });
    try {
      for (const perSlot of [false, true]) {
        const { keyspace, expiry, slices } = make(perSlot);
        expiry.tick();
        expect(keyspace.databases[0].size).toBeGreaterThan(KEYS / 2);
        expiry.tick();
        expect(slices.length).toBe(1);
        vi.advanceTimersByTime(60_000);
        expect(keyspace.databases[0].size).toBe(KEYS / 2);
        expect(slices.length).toBeGreaterThan(2);
      }
    } finally {
      vi.useRealTimers();
    }
  });

  it('deletes nothing while it is not allowed, and nothing after stop', () => {
    vi.useFakeTimers({ now: START_MS + 2 });
    try {
      const forbidden = make(false, () => false);
      forbidden.expiry.tick();
      expect(forbidden.keyspace.databases[0].size).toBe(KEYS);
      const stopped = make(false);
      stopped.expiry.tick();
      stopped.expiry.stop();
      const { size } = stopped.keyspace.databases[0];
      vi.advanceTimersByTime(1000);
      expect(stopped.keyspace.databases[0].size).toBe(size);
    } finally {
      vi.useRealTimers();
    }
  });

  it('comes at the moment of the soonest expiry, however late the next tick is', () => {
    vi.useFakeTimers({ now: START_MS });
    try {
      const keyspace = new Keyspace({ databases: 2, perSlot: false, stats: new Stats(), random: () => 0.5 });
      keyspace.setNow(START_MS);
      const options = { allowed: () => true, afterSlice: () => {}, monotonicMs: () => 0 };
      const expiry = new ActiveExpiry(keyspace, options);
      expiry.tick();
      const put = (name: string, expiresAtMs: number): void => {
        const key = Buffer.from(name);
        keyspace.databases[1].setString(key, 0, key.length, key, 0, 1, expiresAtMs);
      };
      put('later', START_MS + 60);
      put('soon', START_MS + 20);
      put('far', START_MS + 60_000);
      vi.advanceTimersByTime(19);
      expect(keyspace.databases[1].size).toBe(3);
      vi.advanceTimersByTime(3);
      expect(keyspace.databases[1].size).toBe(2);
      vi.advanceTimersByTime(42);
      expect(keyspace.databases[1].size).toBe(1);
      expiry.stop();
    } finally {
      vi.useRealTimers();
    }
  });
});
