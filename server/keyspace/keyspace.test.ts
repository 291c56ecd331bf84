import { describe, expect, it } from 'vitest';
import { Database, NO_EXPIRY } from './database.ts';
import { Keyspace } from './keyspace.ts';
import { Stats } from './stats.ts';
import { watchName } from './watch.ts';

function makeKeyspace(perSlot: boolean): Keyspace {
  const databases = perSlot ? 1 : 3;
  const keyspace = new Keyspace({ databases, perSlot, stats: new Stats(), random: () => 0.5 });
  keyspace.setNow(1_000_000);
  return keyspace;
}

function set(database: Database, name: string, expiresAtMs = NO_EXPIRY): void {
  const key = Buffer.from(name);
  database.setString(key, 0, key.length, key, 0, key.length, expiresAtMs);
}

function has(database: Database, name: string): boolean {
  const key = Buffer.from(name);
  return database.find(key, 0, key.length) !== 0;
}

function fill(database: Database, count: number): void {
  for (let index = 0; index < count; index++)
    set(database, `key:${index}`, index % 3 === 0 ? 2_000_000 : NO_EXPIRY);
}

describe('Keyspace.flushAll', () => {
  it('leaves nothing, with one table and with a table a slot, and the keyspace can be filled again', () => {
    for (const perSlot of [false, true]) {
      const keyspace = makeKeyspace(perSlot);
      for (let round = 0; round < 3; round++) {
        for (const database of keyspace.databases) fill(database, 5000);
        expect(keyspace.flushAll()).toBe(5000 * keyspace.databases.length);
        expect(keyspace.arena.usedBytes).toBe(0);
        for (const database of keyspace.databases) {
          expect([database.size, database.expiring, database.tables]).toEqual([0, 0, 0]);
          expect(has(database, 'key:1')).toBe(false);
          expect(database.scan(0, () => expect.fail('a key is left'))).toBe(0);
        }
      }
    }
  });

  it('shows every record to a running snapshot', () => {
    const keyspace = makeKeyspace(false);
    fill(keyspace.databases[0], 100);
    let shown = 0;
    keyspace.epoch++;
    keyspace.snapshotHook = () => shown++;
    expect(keyspace.flushAll()).toBe(100);
    expect(shown).toBe(100);
  });

  it('breaks the WATCH of a key that goes', () => {
    const keyspace = makeKeyspace(false);
    fill(keyspace.databases[0], 10);
    const watcher = { watchBroken: false };
    keyspace.watches.add(watchName(0, Buffer.from('key:1'), 0, 5), watcher);
    keyspace.flushAll();
    expect(watcher.watchBroken).toBe(true);
  });

  it('leaves alone a dataset that is being loaded in the same arena', () => {
    const keyspace = makeKeyspace(false);
    fill(keyspace.databases[0], 100);
    const loading = new Database(keyspace, 0);
    fill(loading, 50);
    expect(keyspace.flushAll()).toBe(100);
    expect(keyspace.databases[0].size).toBe(0);
    expect(has(loading, 'key:49')).toBe(true);
    keyspace.databases = [loading];
    expect(keyspace.flushAll()).toBe(50);
    expect(keyspace.arena.usedBytes).toBe(0);
  });
});

describe('Database.findAny', () => {
  const removals: [string, (keyspace: Keyspace, database: Database) => void][] = [
    ['removed', (_, database) => void database.remove(Buffer.from('key:1'), 0, 5)],
    ['flushed', (_, database) => void database.flush()],
    ['flushed with all others', (keyspace) => void keyspace.flushAll()],
  ];
  it.each(removals)('finds a key twice in a row, and not once it was %s', (_, take) => {
    for (const perSlot of [false, true]) {
      const keyspace = makeKeyspace(perSlot);
      const [database] = keyspace.databases;
      set(database, 'key:1');
      expect([has(database, 'key:1'), has(database, 'key:1')]).toEqual([true, true]);
      take(keyspace, database);
      expect(has(database, 'key:1')).toBe(false);
    }
  });

  it('tells the same key of two databases apart, and keys of one length', () => {
    const keyspace = makeKeyspace(false);
    const [first, second] = keyspace.databases;
    set(first, 'key:1');
    expect([has(first, 'key:1'), has(second, 'key:1')]).toEqual([true, false]);
    expect([has(first, 'key:1'), has(first, 'key:2'), has(first, 'bey:1')]).toEqual([true, false, false]);
    set(second, 'key:1');
    expect(first.findAny(Buffer.from('key:1'), 0, 5)).not.toBe(second.findAny(Buffer.from('key:1'), 0, 5));
  });

  it('follows a record that moves while it grows, and a table that splits', () => {
    const keyspace = makeKeyspace(false);
    const [database] = keyspace.databases;
    const key = Buffer.from('key:1');
    set(database, 'key:1');
    database.setExpiry(database.findAny(key, 0, 5), 2_000_000);
    const moved = database.findAny(key, 0, 5);
    expect(keyspace.records.expiresAtMs(moved)).toBe(2_000_000);
    for (let count = 2; count < 3000; count++) {
      set(database, `key:${count}`);
      if (count % 7 === 0) expect([count, database.findAny(key, 0, 5)]).toEqual([count, moved]);
    }
    database.resizeString(moved, 500);
    expect(keyspace.records.valueLength(database.findAny(key, 0, 5))).toBe(500);
  });
});
