import { describe, expect, it } from 'vitest';
import { Prng } from '../structures/prng.ts';
import type { EvictionPolicy } from './eviction.ts';
import { EvictionPool } from './eviction-pool.ts';
import { Keyspace } from './keyspace.ts';
import { Stats } from './stats.ts';

function makeKeyspace(policy: EvictionPolicy, seed = 1): Keyspace {
  const random = new Prng(seed);
  const keyspace = new Keyspace({
    databases: 2,
    perSlot: false,
    stats: new Stats(),
    random: () => random.fraction(),
  });
  keyspace.eviction.policy = policy;
  keyspace.eviction.setTenacity(100);
  const clock = /(lfu|lrm)$/.exec(policy)?.[0] as 'lfu' | 'lrm' | undefined;
  keyspace.useClock(clock ?? 'lru', 1, 10);
  return keyspace;
}

const value = Buffer.alloc(100);

function set(keyspace: Keyspace, name: string, expiresAtMs = -1, database = 0): void {
  const key = Buffer.from(name);
  keyspace.databases[database].setString(key, 0, key.length, value, 0, value.length, expiresAtMs);
}

function read(keyspace: Keyspace, name: string): boolean {
  const key = Buffer.from(name);
  return keyspace.databases[0].read(key, 0, key.length) !== 0;
}

function has(keyspace: Keyspace, name: string, database = 0): boolean {
  const key = Buffer.from(name);
  return keyspace.databases[database].findAny(key, 0, key.length) !== 0;
}

/** Evicts, in a turn of its own, until only about `share` of the data is left. */
function shrinkTo(keyspace: Keyspace, share: number): boolean {
  keyspace.turn++;
  keyspace.eviction.maxmemory = Math.floor(keyspace.arena.usedBytes * share);
  return keyspace.eviction.makeRoom();
}

function countLeft(keyspace: Keyspace, from: number, to: number): number {
  let left = 0;
  for (let index = from; index < to; index++) if (has(keyspace, `key:${index}`)) left++;
  return left;
}

describe('Eviction', () => {
  it('evicts nothing under noeviction', () => {
    const keyspace = makeKeyspace('noeviction');
    for (let index = 0; index < 100; index++) set(keyspace, `key:${index}`);
    expect(shrinkTo(keyspace, 0.5)).toBe(false);
    expect(keyspace.databases[0].size).toBe(100);
  });

  it.each(['allkeys-lru', 'allkeys-lrm', 'allkeys-lfu'] as const)('%s keeps what is used', (policy) => {
    const keyspace = makeKeyspace(policy);
    keyspace.setNow(1_000_000_000);
    for (let index = 0; index < 4000; index++) set(keyspace, `key:${index}`);
    for (let second = 1; second <= 60; second++) {
      keyspace.setNow(1_000_000_000 + second * 1000);
      for (let index = 0; index < 400; index++) {
        if (policy === 'allkeys-lrm') set(keyspace, `key:${index}`);
        else read(keyspace, `key:${index}`);
      }
    }
    expect(shrinkTo(keyspace, 0.5)).toBe(true);
    expect(countLeft(keyspace, 0, 400)).toBeGreaterThan(396);
    expect(countLeft(keyspace, 0, 4000)).toBeLessThan(2100);
    expect(keyspace.stats.evictedKeys).toBe(4000 - countLeft(keyspace, 0, 4000));
    const counted = keyspace.stats.eviction.byPolicy.get(policy)?.get('string');
    expect(counted).toBe(keyspace.stats.evictedKeys);
  });

  it('LRM does not care what is read', () => {
    const keyspace = makeKeyspace('allkeys-lrm');
    keyspace.setNow(1_000_000_000);
    for (let index = 0; index < 1000; index++) set(keyspace, `key:${index}`);
    keyspace.setNow(1_000_050_000);
    for (let index = 1000; index < 2000; index++) set(keyspace, `key:${index}`);
    keyspace.setNow(1_000_090_000);
    for (let index = 0; index < 1000; index++) read(keyspace, `key:${index}`);
    shrinkTo(keyspace, 0.6);
    expect(countLeft(keyspace, 1000, 2000)).toBeGreaterThan(950);
  });

  it.each(['volatile-lru', 'volatile-lfu', 'volatile-lrm', 'volatile-random', 'volatile-ttl'] as const)(
    '%s touches only keys that expire, however few, and then gives up',
    (policy) => {
      const keyspace = makeKeyspace(policy, 7);
      keyspace.setNow(1_000_000_000);
      for (let index = 0; index < 20_000; index++) set(keyspace, `lasting:${index}`);
      for (let index = 0; index < 20; index++) set(keyspace, `key:${index}`, 2_000_000_000 + index);
      set(keyspace, 'key:other', 2_000_000_000, 1);
      keyspace.eviction.maxmemory = keyspace.arena.usedBytes - 1;
      expect(keyspace.eviction.makeRoom()).toBe(true);
      expect(keyspace.stats.evictedKeys).toBe(1);
      if (policy === 'volatile-ttl')
        expect(has(keyspace, 'key:0') && has(keyspace, 'key:other', 1)).toBe(false);
      expect(shrinkTo(keyspace, 0.5)).toBe(false);
      expect(keyspace.databases[0].size).toBe(20_000);
      expect(keyspace.databases[1].size).toBe(0);
      expect(keyspace.stats.evictedKeys).toBe(21);
    },
  );

  it('allkeys-random takes from every database and ends with the last key', () => {
    const keyspace = makeKeyspace('allkeys-random');
    for (let index = 0; index < 300; index++) {
      set(keyspace, `key:${index}`);
      set(keyspace, `key:${index}`, -1, 1);
    }
    shrinkTo(keyspace, 0.5);
    expect(keyspace.databases[0].size).toBeGreaterThan(100);
    expect(keyspace.databases[1].size).toBeGreaterThan(100);
    keyspace.turn++;
    keyspace.eviction.maxmemory = 1;
    expect(keyspace.eviction.makeRoom()).toBe(false);
    expect(keyspace.size).toBe(0);
  });

  it('evicts for long once a turn, and again only when the data grew meanwhile', () => {
    const keyspace = makeKeyspace('allkeys-lru');
    for (let index = 0; index < 1000; index++) set(keyspace, `key:${index}`);
    let now = 0;
    keyspace.eviction.monotonicMs = () => now++;
    keyspace.eviction.turnMs = 5;
    const evictedBy = (act: () => void): number => {
      const before = keyspace.stats.evictedKeys;
      act();
      return keyspace.stats.evictedKeys - before;
    };
    const first = evictedBy(() => shrinkTo(keyspace, 0.2));
    const next = evictedBy(() => keyspace.eviction.makeRoom());
    expect(next).toBeGreaterThan(0);
    expect(next).toBeLessThan(first / 2);
    for (let index = 0; index < 200; index++) set(keyspace, `more:${index}`);
    expect(evictedBy(() => keyspace.eviction.makeRoom())).toBe(first);
    keyspace.eviction.stop();
  });

  it('tells of every key it evicts, and stops when its turn is over', () => {
    const keyspace = makeKeyspace('allkeys-lru');
    const told: string[] = [];
    keyspace.eviction.onEvicted = (database, key) => told.push(`${database} ${key}`);
    for (let index = 0; index < 1000; index++) set(keyspace, `key:${index}`);
    let now = 0;
    keyspace.eviction.monotonicMs = () => now++;
    keyspace.eviction.turnMs = 0.5;
    expect(shrinkTo(keyspace, 0.2)).toBe(true);
    expect(told).toHaveLength(8);
    expect(new Set(told).size).toBe(8);
    for (const line of told) expect(has(keyspace, line.slice(2))).toBe(false);
    keyspace.eviction.stop();
  });
});

describe('EvictionPool', () => {
  it('keeps the best sixteen of many and hands them out best first (seed 3)', () => {
    const random = new Prng(3);
    const pool = new EvictionPool();
    const offered: [number, string][] = [];
    for (let round = 0; round < 500; round++) {
      const score = random.below(100_000);
      const name = round % 50 === 0 ? `long${round}`.repeat(100) : `key${round}`;
      const key = Buffer.from(`xx${name}`);
      if (pool.wants(score)) pool.add(score, round % 3, key, 2, key.length - 2);
      offered.push([score, name]);
    }
    const best = offered.sort(([a], [b]) => b - a).slice(0, 16);
    for (const [score, name] of best) {
      expect(pool.pop()).toBe(true);
      expect([pool.score, pool.key.toString('latin1', 0, pool.keyLength)]).toEqual([score, name]);
    }
    expect(pool.pop()).toBe(false);
  });
});
