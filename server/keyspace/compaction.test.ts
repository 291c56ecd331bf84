import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Prng } from '../structures/prng.ts';
import { Compaction } from './compaction.ts';
import { NO_EXPIRY } from './database.ts';
import { Keyspace } from './keyspace.ts';
import { Stats } from './stats.ts';

describe('Compaction', () => {
  it('gives back what random deletes scattered, in slices, and loses no key', async () => {
    const seed = Date.now() & 0xffff;
    for (const perSlot of [false, true]) {
      const prng = new Prng(seed);
      const random = () => prng.fraction();
      const keyspace = new Keyspace({ databases: 2, perSlot, stats: new Stats(), random });
      const compaction = new Compaction(keyspace, { monotonicMs: () => performance.now() });
      const database = keyspace.databases[0];
      const kept = new Map<string, Buffer>();
      for (let index = 0; index < 200_000; index++) {
        const long = index % 100_000 === 0;
        const value = Buffer.alloc(long ? 600_000 : index % 300, String(index));
        const key = Buffer.from(`key:${index}`);
        database.setString(key, 0, key.length, value, 0, value.length, NO_EXPIRY);
        if (long || random() < 0.1) kept.set(key.toString(), value);
      }
      for (let index = 0; index < 200_000; index++) {
        const key = Buffer.from(`key:${index}`);
        if (!kept.has(key.toString())) database.remove(key, 0, key.length);
      }
      const { arena, records } = keyspace;
      const reservedBefore = arena.reservedBytes;
      for (let round = 0; round < 200 && (round === 0 || compaction.running); round++) {
        if (round === 0) compaction.tick();
        await sleep(10);
      }
      expect(compaction.runs, `seed ${seed}`).toBe(1);
      arena.releaseSome(1000);
      expect(arena.reservedBytes, `seed ${seed}`).toBeLessThan(reservedBefore * 0.7);
      for (const [name, value] of kept) {
        const key = Buffer.from(name);
        const ref = database.find(key, 0, key.length);
        const found = Buffer.alloc(records.valueLength(ref));
        records.copyValue(ref, 0, found.length, found, 0);
        if (!found.equals(value)) expect.fail(`seed ${seed}: ${name} has changed`);
      }
      expect(database.flush()).toBe(kept.size);
      expect(arena.usedBytes).toBe(0);
    }
  });

  it('does not begin while a snapshot holds refs', async () => {
    const keyspace = new Keyspace({ databases: 1, perSlot: false, stats: new Stats(), random: Math.random });
    for (const ref of Array.from({ length: 10 }, () => keyspace.arena.allocate(4_000_000)))
      keyspace.arena.free(ref);
    const refs = Array.from({ length: 4000 }, () => keyspace.arena.allocate(32_000));
    for (const [index, ref] of refs.entries()) if (index % 100 !== 0) keyspace.arena.free(ref);
    const compaction = new Compaction(keyspace, { monotonicMs: () => performance.now() });
    keyspace.snapshotHook = () => {};
    compaction.tick();
    expect([compaction.running, compaction.runs]).toEqual([false, 0]);
    keyspace.snapshotHook = null;
    compaction.tick();
    for (let round = 0; round < 200 && compaction.running; round++) await sleep(10);
    expect(compaction.runs).toBe(1);
  });

  it('waits while the data shrinks, which may empty segments by itself, but not for ever', () => {
    const keyspace = new Keyspace({ databases: 1, perSlot: false, stats: new Stats(), random: Math.random });
    const refs = Array.from({ length: 4000 }, () => keyspace.arena.allocate(32_000));
    let now = 0;
    const compaction = new Compaction(keyspace, { monotonicMs: () => now });
    const freeSome = (): void => {
      for (let count = 0; count < 25; count++)
        keyspace.arena.free(refs.splice((count * 37) % refs.length, 1)[0] ?? 0);
    };
    compaction.tick();
    expect(compaction.runs).toBe(0);
    for (; now < 9000; now += 100) {
      freeSome();
      compaction.tick();
      expect(compaction.runs, `after ${now} ms`).toBe(0);
    }
    for (; now < 15_000 && compaction.runs === 0; now += 100) {
      freeSome();
      compaction.tick();
    }
    expect(compaction.runs).toBe(1);
  });
});
