import { describe, expect, it } from 'vitest';
import { Prng } from '../structures/prng.ts';
import { CHUNK_BYTES } from '../structures/record.ts';
import { type Database, KEEP_EXPIRY, NO_EXPIRY } from './database.ts';
import { Keyspace } from './keyspace.ts';
import { Stats } from './stats.ts';

function makeKeyspace(perSlot = false): Keyspace {
  const prng = new Prng(1);
  const keyspace = new Keyspace({ databases: 1, perSlot, stats: new Stats(), random: () => prng.fraction() });
  keyspace.setNow(1_000_000);
  return keyspace;
}

function set(database: Database, name: string, value: Buffer, expiresAtMs = NO_EXPIRY): void {
  const key = Buffer.from(name);
  database.setString(key, 0, key.length, value, 0, value.length, expiresAtMs);
}

function refOf(database: Database, name: string): number {
  const key = Buffer.from(name);
  return database.find(key, 0, key.length);
}

function get(keyspace: Keyspace, name: string): Buffer | null {
  const ref = refOf(keyspace.databases[0], name);
  if (ref === 0) return null;
  const value = Buffer.alloc(keyspace.records.valueLength(ref));
  keyspace.records.copyValue(ref, 0, value.length, value, 0);
  return value;
}

function remove(database: Database, name: string): boolean {
  const key = Buffer.from(name);
  return database.remove(key, 0, key.length);
}

describe('Database', () => {
  it('agrees with a Map over random sets, resizes, expiries and removals, and returns all memory', () => {
    const seed = Date.now() & 0xffff;
    const prng = new Prng(seed);
    const keyspace = makeKeyspace();
    const [database] = keyspace.databases;
    const model = new Map<string, { value: Buffer; expiresAtMs: number }>();
    const sizes = [
      0,
      1,
      7,
      30,
      200,
      5000,
      CHUNK_BYTES - 1,
      CHUNK_BYTES,
      CHUNK_BYTES + 1,
      CHUNK_BYTES * 3 + 5,
    ];
    for (let step = 0; step < 4000; step++) {
      const name = `key:${prng.below(60)}`;
      const known = model.get(name);
      const action = prng.below(10);
      if (action < 4) {
        const value = Buffer.alloc(
          sizes[prng.below(step % 20 === 0 ? sizes.length : 6)],
          65 + prng.below(26),
        );
        const choice = prng.below(3);
        const expiresAtMs =
          choice === 0 ? 2_000_000 + prng.below(1000) : choice === 1 ? KEEP_EXPIRY : NO_EXPIRY;
        set(database, name, value, expiresAtMs);
        const kept = expiresAtMs === KEEP_EXPIRY ? (known?.expiresAtMs ?? NO_EXPIRY) : expiresAtMs;
        model.set(name, { value, expiresAtMs: kept });
      } else if (action < 6 && known !== undefined) {
        const length = sizes[prng.below(step % 20 === 0 ? sizes.length : 6)];
        database.resizeString(refOf(database, name), length);
        const value = Buffer.alloc(length);
        known.value.copy(value);
        known.value = value;
      } else if (action < 8 && known !== undefined) {
        known.expiresAtMs = prng.below(2) === 0 ? NO_EXPIRY : 3_000_000;
        database.setExpiry(refOf(database, name), known.expiresAtMs);
      } else if (remove(database, name) !== model.delete(name)) expect.fail(`seed ${seed} step ${step}`);
      const now = model.get(name);
      const found = get(keyspace, name);
      if (now === undefined ? found !== null : !found?.equals(now.value))
        expect.fail(`seed ${seed} step ${step}`);
      const expiry = now === undefined ? -1 : keyspace.records.expiresAtMs(refOf(database, name));
      if (now !== undefined && expiry !== now.expiresAtMs) expect.fail(`seed ${seed} step ${step} expiry`);
    }
    expect(database.size).toBe(model.size);
    expect(database.expiring).toBe([...model.values()].filter((entry) => entry.expiresAtMs >= 0).length);
    database.flush();
    expect([database.size, database.expiring, keyspace.arena.usedBytes]).toEqual([0, 0, 0]);
  });

  it('expires keys when they are met and by the walk, tells it, and not on a replica', () => {
    const keyspace = makeKeyspace();
    const [database] = keyspace.databases;
    const gone: string[] = [];
    keyspace.onExpired = (_, key, start, length) => {
      gone.push(Buffer.from(key.subarray(start, start + length)).toString());
    };
    for (let index = 0; index < 5000; index++)
      set(database, `k${index}`, Buffer.from('v'), 1_000_010 + index);
    keyspace.setNow(1_000_500);
    keyspace.deletesExpired = false;
    expect(refOf(database, 'k0')).toBe(0);
    expect(gone).toEqual([]);
    keyspace.deletesExpired = true;
    expect(refOf(database, 'k0')).toBe(0);
    expect(gone).toEqual(['k0']);
    expect(database.expireSome(100_000, () => false)).toBe(true);
    expect(gone.length).toBe(491);
    keyspace.setNow(2_000_000);
    expect(database.expireSome(100_000, () => false)).toBe(true);
    expect([gone.length, database.size, database.expiring]).toEqual([5000, 0, 0]);
  });

  it('counts, lists, scans and flushes by slot in cluster mode', () => {
    const keyspace = makeKeyspace(true);
    const [database] = keyspace.databases;
    for (let index = 0; index < 3000; index++) set(database, `{tag${index % 3}}:${index}`, Buffer.from('v'));
    const seen = new Set<number>();
    let cursor = 0;
    do cursor = database.scan(cursor, (ref) => seen.add(ref));
    while (cursor !== 0);
    expect(seen.size).toBe(3000);
    const slots = Array.from({ length: 16384 }, (_, slot) => slot).filter(
      (slot) => database.countInSlot(slot) > 0,
    );
    expect(slots.map((slot) => database.countInSlot(slot))).toEqual([1000, 1000, 1000]);
    expect(database.keysInSlot(slots[0], 10).length).toBe(10);
    expect(database.flushSlot(slots[0])).toBe(1000);
    expect([database.size, database.countInSlot(slots[0])]).toEqual([2000, 0]);
  });

  it('tells the snapshot of every record before it changes or goes, once', () => {
    const keyspace = makeKeyspace();
    const [database] = keyspace.databases;
    for (const name of ['set', 'resized', 'expired', 'removed', 'kept'])
      set(database, name, Buffer.from('old'));
    keyspace.epoch = 2;
    const told: string[] = [];
    keyspace.snapshotHook = (_, ref) => {
      const start = keyspace.records.keyStart(ref);
      told.push(
        keyspace.records.segment(ref).toString('latin1', start, start + keyspace.records.keyLength(ref)),
      );
      keyspace.records.setMark(ref, keyspace.epoch);
    };
    for (let twice = 0; twice < 2; twice++) {
      set(database, 'set', Buffer.from('new'));
      set(database, 'added', Buffer.from('new'));
      database.resizeString(refOf(database, 'resized'), 100);
      database.setExpiry(refOf(database, 'expired'), 5_000_000);
      remove(database, 'removed');
    }
    expect(told).toEqual(['set', 'resized', 'expired', 'removed']);
  });
});
