import { describe, expect, it } from 'vitest';
import { Prng } from '../structures/prng.ts';
import { DatasetProfile } from './dataset-profile.ts';
import { Keyspace } from './keyspace.ts';
import { Stats } from './stats.ts';

function filled(seed: number): Keyspace {
  const prng = new Prng(seed);
  const random = () => prng.fraction();
  const keyspace = new Keyspace({ databases: 3, perSlot: false, stats: new Stats(), random });
  const put = (database: number, name: string, bytes: number, expiresAtMs: number): void => {
    const key = Buffer.from(name);
    const value = Buffer.alloc(bytes);
    keyspace.databases[database].setString(key, 0, key.length, value, 0, bytes, expiresAtMs);
  };
  for (let index = 0; index < 3000; index++) put(0, `session:${index}`, 10, 4_000_000_000_000);
  for (let index = 0; index < 1000; index++) put(2, `image:${index}`, 1000, -1);
  for (let index = 0; index < 100; index++) put(0, `lonely${index}`, 10, -1);
  return keyspace;
}

describe('DatasetProfile', () => {
  it('counts keys without TTL exactly and estimates what prefixes hold', () => {
    const seed = Date.now() & 0xffff;
    const keyspace = filled(seed);
    const profile = new DatasetProfile(keyspace);
    for (let tick = 0; tick < 600; tick++) profile.tick(tick * 100);
    const report = profile.report(60_000, 2);
    expect(report.keysWithoutTtl).toBe(1100);
    expect(report.prefixes.map(({ prefix }) => prefix)).toEqual(['image:', 'session:']);
    const [image, session] = report.prefixes;
    expect(Math.abs(image.keys - 1000), `seed ${seed}`).toBeLessThan(200);
    expect(image.keysWithoutTtl).toBe(image.keys);
    expect(session.keysWithoutTtl).toBe(0);
    const share = report.bytesWithoutTtl / keyspace.arena.usedBytes;
    expect(share, `seed ${seed}`).toBeGreaterThan(0.75);
    expect(share).toBeLessThan(0.98);
  });

  it('tells how fast keys without TTL become more', () => {
    const keyspace = filled(1);
    const profile = new DatasetProfile(keyspace);
    for (let second = 0; second <= 60; second++) {
      profile.tick(second * 1000);
      const key = Buffer.from(`new:${second}`);
      keyspace.databases[0].setString(key, 0, key.length, key, 0, 1, -1);
    }
    expect(profile.report(60_000, 1).growthPerMinute).toBeGreaterThanOrEqual(59);
    expect(profile.report(60_000, 1).growthPerMinute).toBeLessThanOrEqual(61);
  });

  it('says nothing of an empty dataset', () => {
    const keyspace = filled(2);
    const profile = new DatasetProfile(keyspace);
    profile.tick(0);
    keyspace.flushAll();
    profile.tick(100);
    expect(profile.report(200, 5)).toEqual({
      keysWithoutTtl: 0,
      bytesWithoutTtl: 0,
      growthPerMinute: 0,
      samples: 0,
      prefixes: [],
    });
  });
});
