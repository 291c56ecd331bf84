import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { hashBytes } from './hash.ts';
import { Prng } from './prng.ts';
import { Records } from './record.ts';
import { Table } from './table.ts';
import { TableExpiry } from './table-expiry.ts';
import { TableTidy } from './table-tidy.ts';

const NOTHING = Buffer.alloc(0);

describe('TableExpiry', () => {
  it('hands out each record once, in time, while the table grows and shrinks', () => {
    const seed = Date.now() & 0xffff;
    const prng = new Prng(seed);
    const arena = new Arena();
    const records = new Records(arena);
    const table = new Table(arena, records);
    const expiry = new TableExpiry(arena, records);
    const tidy = new TableTidy(arena, records);
    const header = table.create();
    const due = new Map<string, number>();
    let nowMs = 1000;
    const add = (name: string): void => {
      const key = Buffer.from(name);
      const hash = hashBytes(key, 0, key.length);
      const expiresAtMs = prng.fraction() < 0.2 ? -1 : nowMs + 1 + Math.floor(prng.fraction() * 500);
      const ref = records.newField(0, key, 0, key.length, NOTHING, 0, 0, expiresAtMs);
      table.insert(header, hash, ref);
      if (expiresAtMs < 0) return;
      table.noteExpiry(header, 1, hash, expiresAtMs);
      due.set(name, expiresAtMs);
    };
    const expired = (ref: number): void => {
      const key = records.copyKey(ref);
      const hash = hashBytes(key, 0, key.length);
      expect(due.get(key.toString()), `seed ${seed}`).toBeLessThanOrEqual(nowMs);
      due.delete(key.toString());
      expect(table.find(header, hash, key, 0, key.length)).toBe(ref);
      table.noteExpiry(header, -1, hash, -1);
      table.removeFound(header);
      records.release(ref);
      tidy.shrink(header, () => prng.fraction());
    };
    for (let round = 0; round < 60; round++) {
      for (let count = prng.fraction() ** 3 * 3000; count > 0; count--) add(`${round}:${Math.floor(count)}`);
      nowMs += Math.floor(prng.fraction() * 60);
      expiry.soonestMs = Number.POSITIVE_INFINITY;
      let from = 0;
      do from = expiry.expire(header, from, 1 + Math.floor(prng.fraction() * 3), nowMs, expired);
      while (from !== 0);
      const soonest = Math.min(...due.values());
      expect(soonest, `seed ${seed} round ${round}`).toBeGreaterThan(nowMs);
      expect(expiry.soonestMs, `seed ${seed} round ${round}`).toBeLessThanOrEqual(soonest);
    }
  });
});
