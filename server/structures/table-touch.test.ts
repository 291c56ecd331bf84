import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { hashBytes } from './hash.ts';
import { Records } from './record.ts';
import { Table } from './table.ts';
import { TableTouch, TOUCH_MAX } from './table-touch.ts';

const MARK = 0x12;

/** A table whose records all carry the same mark, so that the sum tells what was read. */
function fill(keys: number) {
  const arena = new Arena();
  const records = new Records(arena);
  const table = new Table(arena, records);
  const header = table.create();
  for (let index = 0; index < keys; index++) {
    const key = Buffer.from(`key:${index}`);
    const ref = arena.allocate(Records.inlineBytes(key.length, 0, false));
    records.writeHeader(ref, 0, MARK, key.length, 0, -1, false);
    records.segment(ref).set(key, records.keyStart(ref));
    table.insert(header, hashBytes(key, 0, key.length), ref);
  }
  return { arena, table, header };
}

describe('TableTouch', () => {
  it('reads buckets and records of tables of every size, of missing keys and of no table, and changes nothing', () => {
    for (const keys of [0, 1, 12, 300, 20_000]) {
      const { arena, table, header } = fill(keys);
      const before = arena.words.map((words) => words.slice());
      const touch = new TableTouch(arena);
      const hashes = Int32Array.from({ length: TOUCH_MAX }, (_, index) => {
        const key = Buffer.from(`key:${index * 7}`);
        return hashBytes(key, 0, key.length);
      });
      const places = Uint16Array.from(hashes, (_, index) => index % 2);
      const headers = Uint32Array.of(header, 0);
      for (let count = 0; count <= TOUCH_MAX; count++) {
        expect(Number.isInteger(touch.read(headers, places, hashes, count))).toBe(true);
      }
      expect(table.count(header)).toBe(keys);
      expect(arena.words.map((words) => words.slice())).toEqual(before);
    }
  });

  it('reads the record of a single key', () => {
    const { arena, header } = fill(1);
    const key = Buffer.from('key:0');
    const hashes = Int32Array.of(hashBytes(key, 0, key.length));
    const sum = new TableTouch(arena).read(Uint32Array.of(header), new Uint16Array(1), hashes, 1);
    expect(sum).toBe((MARK << 24) | key.length);
  });
});
