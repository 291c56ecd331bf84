import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { hashBytes } from './hash.ts';
import { Prng } from './prng.ts';
import { Records } from './record.ts';
import { Table } from './table.ts';
import { TableSample } from './table-sample.ts';

function makeTable(keys: number, expires: (index: number) => boolean) {
  const arena = new Arena();
  const records = new Records(arena);
  const table = new Table(arena, records);
  const header = table.create();
  const refs: number[] = [];
  for (let index = 0; index < keys; index++) {
    const key = Buffer.from(`key:${index}`);
    const ends = expires(index);
    const ref = arena.allocate(Records.inlineBytes(key.length, 0, ends));
    records.writeHeader(ref, 0, 0, key.length, 0, ends ? 1000 + index : -1, false);
    records.segment(ref).set(key, records.keyStart(ref));
    const hash = hashBytes(key, 0, key.length);
    table.insert(header, hash, ref);
    if (ends) table.noteExpiry(header, 1, hash, 1000 + index);
    refs.push(ref);
  }
  return { sample: new TableSample(arena, records), header, refs };
}

const into = new Uint32Array(64);

describe('TableSample', () => {
  it('takes nothing from an empty table, and nothing that expires where nothing does', () => {
    const random = new Prng(1);
    const empty = makeTable(0, () => false);
    expect(empty.sample.take(empty.header, () => random.fraction(), into, 5, false)).toBe(0);
    const lasting = makeTable(500, () => false);
    expect(lasting.sample.take(lasting.header, () => random.fraction(), into, 5, true)).toBe(0);
  });

  it.each([3, 40, 300, 20_000])('meets each of %i records, none of them twice at once', (keys) => {
    const random = new Prng(keys);
    const made = makeTable(keys, () => false);
    const seen = new Map<number, number>();
    const rounds = Math.max(4000, keys * 4);
    for (let round = 0; round < rounds; round++) {
      const count = made.sample.take(made.header, () => random.fraction(), into, 5, false);
      expect(count).toBe(Math.min(5, keys));
      const taken = new Set(into.subarray(0, count));
      expect(taken.size).toBe(count);
      for (const ref of taken) seen.set(ref, (seen.get(ref) ?? 0) + 1);
    }
    expect(seen.size).toBeGreaterThan(keys * 0.999);
    const mean = (rounds * Math.min(5, keys)) / keys;
    // Counts of equal chances spread by about the root of their mean.
    expect(Math.max(...seen.values())).toBeLessThan(mean * 1.6 + 12 * Math.sqrt(mean));
  });

  it.each([1, 7, 5000])('finds the %i that expire among 30,000', (expiring) => {
    const random = new Prng(expiring);
    const every = Math.floor(30_000 / expiring);
    const made = makeTable(30_000, (index) => index % every === 0 && index / every < expiring);
    const wanted = new Set(made.refs.filter((_, index) => index % every === 0 && index / every < expiring));
    for (let round = 0; round < 300; round++) {
      const count = made.sample.take(made.header, () => random.fraction(), into, 16, true);
      expect(count).toBe(Math.min(16, expiring));
      for (const ref of into.subarray(0, count)) expect(wanted.has(ref)).toBe(true);
    }
  });
});
