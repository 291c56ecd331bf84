import { beforeEach, describe, expect, it } from 'vitest';
import { CHUNK_BYTES, TYPE_LIST } from '../structures/record.ts';
import type { Database } from './database.ts';
import { moveKey, swapDatabases } from './key-moves.ts';
import { Keyspace } from './keyspace.ts';
import { Stats } from './stats.ts';

let keyspace: Keyspace;
let first: Database;
let second: Database;

function key(name: string): Buffer {
  return Buffer.from(name);
}

function set(database: Database, name: string, value: Buffer, expiresAtMs = -1): void {
  database.setString(key(name), 0, name.length, value, 0, value.length, expiresAtMs);
}

function get(database: Database, name: string): string | null {
  const ref = database.findAny(key(name), 0, name.length);
  if (ref === 0) return null;
  const value = Buffer.alloc(keyspace.records.valueLength(ref));
  keyspace.records.copyValue(ref, 0, value.length, value, 0);
  return value.toString('latin1');
}

function move(from: Database, name: string, to: Database, other: string): void {
  const ref = from.find(key(name), 0, name.length);
  moveKey(keyspace, from, ref, to, key(other), 0, other.length);
}

beforeEach(() => {
  keyspace = new Keyspace({ databases: 2, perSlot: false, stats: new Stats(), random: Math.random });
  keyspace.setNow(1000);
  [first, second] = keyspace.databases as [Database, Database];
});

describe('moveKey', () => {
  it.each([
    ['short', 5],
    ['of one block', 5000],
    ['made of chunks', CHUNK_BYTES * 2 + 7],
  ])('moves a string %s with its expiry, and leaves nothing behind', (_, length) => {
    const value = Buffer.alloc(length, 'abcdefg');
    set(first, 'a', value, 9000);
    const held = keyspace.arena.usedBytes;
    move(first, 'a', second, 'b');
    expect(get(second, 'b')).toBe(value.toString('latin1'));
    expect(get(first, 'a')).toBe(null);
    expect([first.size, first.expiring, second.size, second.expiring]).toEqual([0, 0, 1, 1]);
    expect(keyspace.records.expiresAtMs(second.findAny(key('b'), 0, 1))).toBe(9000);
    move(second, 'b', first, 'a');
    expect(keyspace.arena.usedBytes - held).toBeLessThan(4096);
    first.remove(key('a'), 0, 1);
    expect([first.size, first.expiring]).toEqual([0, 0]);
  });

  it('takes the place of what the other key held', () => {
    set(first, 'a', key('new'));
    set(first, 'b', key('old'), 5000);
    move(first, 'a', first, 'b');
    expect(get(first, 'b')).toBe('new');
    expect([first.size, first.expiring]).toEqual([1, 0]);
  });

  it('moves the root of a value that is no string', () => {
    const { lists } = keyspace.values;
    const { encoding, root } = lists.create();
    const ref = first.addValue(key('l'), 0, 1, TYPE_LIST, encoding, root);
    lists.push(ref, false, key('x'), 0, 1);
    move(first, 'l', second, 'list');
    const moved = second.findAny(key('list'), 0, 4);
    expect(keyspace.records.type(moved)).toBe(TYPE_LIST);
    expect(lists.count(moved)).toBe(1);
    expect(lists.readEnd(moved, true).copy().toString()).toBe('x');
  });

  it('shows a snapshot the key as it was, under its old name', () => {
    set(first, 'a', key('value'));
    const seen: string[] = [];
    keyspace.epoch = 2;
    keyspace.snapshotHook = (database, ref) => {
      const { records } = keyspace;
      const start = records.keyStart(ref);
      const name = records.segment(ref).toString('latin1', start, start + records.keyLength(ref));
      seen.push(`${database} ${name}`);
    };
    move(first, 'a', second, 'b');
    expect(seen).toEqual(['0 a']);
    expect(keyspace.records.mark(second.findAny(key('b'), 0, 1))).toBe(2);
  });
});

describe('swapDatabases', () => {
  it('exchanges the content of two numbers', () => {
    set(first, 'a', key('1'));
    set(second, 'b', key('2'));
    swapDatabases(keyspace, 0, 1);
    expect(keyspace.databases.map((database) => [database.index, database.size])).toEqual([
      [0, 1],
      [1, 1],
    ]);
    expect([
      get(keyspace.databases[0] as Database, 'b'),
      get(keyspace.databases[1] as Database, 'a'),
    ]).toEqual(['2', '1']);
  });

  it('lets a running snapshot keep the numbers from before', () => {
    set(first, 'a', key('1'));
    const seen: number[] = [];
    keyspace.epoch = 2;
    keyspace.snapshotHook = (database) => seen.push(database);
    swapDatabases(keyspace, 0, 1);
    set(keyspace.databases[1] as Database, 'a', key('2'));
    expect(seen).toEqual([0]);
  });
});
