import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { hashBytes } from './hash.ts';
import { Prng } from './prng.ts';
import { Records } from './record.ts';
import { Table } from './table.ts';
import { TableWalk } from './table-walk.ts';

function filled(members: number): { arena: Arena; records: Records; table: Table; header: number } {
  const arena = new Arena();
  const records = new Records(arena);
  const table = new Table(arena, records);
  const header = table.create();
  for (let index = 0; index < members; index++) {
    const key = Buffer.from(`member:${index}`);
    table.insert(header, hashBytes(key, 0, key.length), records.newMember(1, key, 0, key.length));
  }
  return { arena, records, table, header };
}

describe('TableWalk', () => {
  it('meets every record once, whatever the size of the table', () => {
    for (const members of [0, 1, 12, 13, 300, 400, 5000, 40_000]) {
      const { arena, header } = filled(members);
      const walk = new TableWalk(arena);
      const seen = new Set<number>();
      walk.open(header);
      for (let ref = walk.next(); ref !== 0; ref = walk.next()) seen.add(ref);
      expect(seen.size).toBe(members);
      expect(walk.next()).toBe(0);
    }
  });

  it('samples every record about equally often', () => {
    const prng = new Prng(Date.now());
    for (const members of [1, 7, 100, 2000]) {
      const { arena, header } = filled(members);
      const walk = new TableWalk(arena);
      const counts = new Map<number, number>();
      const draws = members * 40;
      for (let draw = 0; draw < draws; draw++) {
        const ref = walk.sample(header, () => prng.fraction());
        counts.set(ref, (counts.get(ref) ?? 0) + 1);
      }
      let chiSquare = (members - counts.size) * 40;
      for (const count of counts.values()) chiSquare += (count - 40) ** 2 / 40;
      // Mean members - 1, standard deviation sqrt(2 (members - 1)): seven of them are out of reach of chance.
      const limit = members + 7 * Math.sqrt(2 * members);
      expect(chiSquare, `seed ${prng.seed} members ${members}`).toBeLessThan(limit);
    }
    expect(new TableWalk(filled(0).arena).sample(filled(0).header, () => 0)).toBe(0);
  });

  it('samples what is left of a table that was large', () => {
    const prng = new Prng(Date.now());
    const { arena, records, table, header } = filled(20_000);
    for (let index = 0; index < 19_999; index++) {
      const key = Buffer.from(`member:${index}`);
      const ref = table.find(header, hashBytes(key, 0, key.length), key, 0, key.length);
      table.removeFound(header);
      records.release(ref);
    }
    const ref = new TableWalk(arena).sample(header, () => prng.fraction());
    expect(records.keyEquals(ref, Buffer.from('member:19999'), 0, 12)).toBe(true);
  });

  it('frees a table in pieces until nothing is left', () => {
    for (const members of [0, 5, 380, 30_000]) {
      const { arena, records, table, header } = filled(members);
      const walk = new TableWalk(arena);
      let released = 0;
      let steps = 1;
      const release = (ref: number): void => {
        released++;
        records.release(ref);
      };
      expect(TableWalk.heldBytes(arena, header)).toBeLessThan(arena.usedBytes + 1);
      while (!walk.releaseSome(table, header, 1000, release)) steps++;
      expect(released).toBe(members);
      expect(steps).toBeGreaterThanOrEqual(members / 2000);
      expect(arena.usedBytes).toBe(0);
      expect(table.live).toBe(0);
    }
  });
});
