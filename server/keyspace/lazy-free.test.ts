import { describe, expect, it } from 'vitest';
import { ENCODING_TABLE, TYPE_SET } from '../structures/record.ts';
import { Keyspace } from './keyspace.ts';
import { Stats } from './stats.ts';

function makeKeyspace(): Keyspace {
  const keyspace = new Keyspace({ databases: 2, perSlot: false, stats: new Stats(), random: Math.random });
  // Time stands still: every slice goes on until nothing waits.
  keyspace.lazyFree.start({ monotonicMs: () => 0 });
  return keyspace;
}

function addSet(keyspace: Keyspace, name: string, members: number, database = 0): void {
  const { sets } = keyspace.values;
  const key = Buffer.from(name);
  const root = sets.newRoot(ENCODING_TABLE);
  const ref = keyspace.databases[database].addValue(key, 0, key.length, TYPE_SET, ENCODING_TABLE, root);
  for (let index = 0; index < members; index++) {
    const member = Buffer.from(`member${index}`);
    sets.add(ref, member, 0, member.length);
  }
}

function addStrings(keyspace: Keyspace, count: number, database: number): void {
  for (let index = 0; index < count; index++) {
    const key = Buffer.from(`string:${index}`);
    keyspace.databases[database].setString(key, 0, key.length, key, 0, key.length, -1);
  }
}

function remove(keyspace: Keyspace, name: string): void {
  const key = Buffer.from(name);
  expect(keyspace.databases[0].remove(key, 0, key.length)).toBe(true);
}

const notLate = (): boolean => false;

describe('LazyFree', () => {
  it('frees small values at once and large ones in slices, counted only when that is wanted', () => {
    const keyspace = makeKeyspace();
    const { lazyFree, arena, stats } = keyspace;
    addSet(keyspace, 'small', 10);
    addSet(keyspace, 'medium', 1000);
    addSet(keyspace, 'large', 20_000);
    addSet(keyspace, 'unlinked', 1000);
    remove(keyspace, 'small');
    remove(keyspace, 'medium');
    expect(lazyFree.waiting).toBe(0);
    remove(keyspace, 'large');
    expect([lazyFree.waiting, lazyFree.pendingObjects]).toEqual([1, 0]);
    expect(lazyFree.pendingBytes).toBeGreaterThan(200_000);
    expect(lazyFree.pendingBytes).toBeLessThan(arena.usedBytes);
    lazyFree.lazily = true;
    remove(keyspace, 'unlinked');
    expect([lazyFree.waiting, lazyFree.pendingObjects]).toEqual([2, 1]);
    let looks = 0;
    expect(lazyFree.freeSome(() => ++looks === 3)).toBe(false);
    expect(lazyFree.waiting).toBe(2);
    expect(lazyFree.freeSome(notLate)).toBe(true);
    expect([lazyFree.pendingObjects, lazyFree.pendingBytes, stats.lazyfreedObjects]).toEqual([0, 0, 1]);
    keyspace.flushAll();
    expect(arena.usedBytes).toBe(0);
    lazyFree.stop();
  });

  it('frees the tables of a flushed database in slices while the other one lives', () => {
    const keyspace = makeKeyspace();
    const { lazyFree, databases, arena, stats } = keyspace;
    addStrings(keyspace, 30_000, 0);
    addStrings(keyspace, 500, 1);
    const both = arena.usedBytes;
    addSet(keyspace, 'set', 9000);
    const used = arena.usedBytes;
    lazyFree.lazily = true;
    expect(databases[0].flush()).toBe(30_001);
    expect(databases[0].size).toBe(0);
    expect(arena.usedBytes).toBe(used);
    expect(lazyFree.pendingObjects).toBe(30_001);
    addStrings(keyspace, 10, 0);
    expect(lazyFree.freeSome(notLate)).toBe(true);
    expect(stats.lazyfreedObjects).toBe(30_001);
    expect(arena.usedBytes).toBeLessThan(both / 20);
    expect(databases[1].size).toBe(500);
    lazyFree.stop();
  });

  it('forgets what waits when all memory goes', () => {
    const keyspace = makeKeyspace();
    const { lazyFree, arena } = keyspace;
    addStrings(keyspace, 20_000, 0);
    addStrings(keyspace, 20_000, 1);
    keyspace.databases[0].flush();
    expect(lazyFree.pendingTables).toBe(1);
    expect(keyspace.flushAll()).toBe(20_000);
    expect([arena.usedBytes, lazyFree.waiting, lazyFree.pendingTables, lazyFree.pendingBytes]).toEqual([
      0, 0, 0, 0,
    ]);
    lazyFree.stop();
  });

  it('frees all at once where nobody has started it', () => {
    const keyspace = makeKeyspace();
    keyspace.lazyFree.stop();
    addSet(keyspace, 'large', 20_000);
    const used = keyspace.arena.usedBytes;
    remove(keyspace, 'large');
    expect(keyspace.lazyFree.waiting).toBe(0);
    expect(keyspace.arena.usedBytes).toBeLessThan(used / 10);
  });
});
