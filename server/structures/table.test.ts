import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { hashBytes } from './hash.ts';
import { Prng } from './prng.ts';
import { Records } from './record.ts';
import { Table } from './table.ts';

function makeTable() {
  const arena = new Arena();
  const records = new Records(arena);
  const table = new Table(arena, records);
  return { arena, records, table, header: table.create() };
}

type Made = ReturnType<typeof makeTable>;

function add(made: Made, name: string): number {
  const key = Buffer.from(name);
  const ref = made.arena.allocate(Records.inlineBytes(key.length, 0, false));
  made.records.writeHeader(ref, 0, 0, key.length, 0, -1, false);
  made.records.segment(ref).set(key, made.records.keyStart(ref));
  made.table.insert(made.header, hashBytes(key, 0, key.length), ref);
  return ref;
}

function find(made: Made, name: string): number {
  const key = Buffer.from(name);
  return made.table.find(made.header, hashBytes(key, 0, key.length), key, 0, key.length);
}

function remove(made: Made, name: string): boolean {
  const ref = find(made, name);
  if (ref === 0) return false;
  made.table.removeFound(made.header);
  made.records.release(ref);
  return true;
}

function nameOf(made: Made, ref: number): string {
  const start = made.records.keyStart(ref);
  return made.records
    .segment(ref)
    .subarray(start, start + made.records.keyLength(ref))
    .toString();
}

describe('Table', () => {
  it('finds each of 200,000 keys after all of its growth, and none that was never added', () => {
    const made = makeTable();
    for (let index = 0; index < 200_000; index++) add(made, `key:${index}`);
    expect(made.table.count(made.header)).toBe(200_000);
    for (let index = 0; index < 200_000; index++) {
      const ref = find(made, `key:${index}`);
      if (ref === 0 || nameOf(made, ref) !== `key:${index}`) expect.fail(`key:${index} is lost`);
    }
    for (let index = 0; index < 1000; index++) expect(find(made, `other:${index}`)).toBe(0);
  });

  it('prepared for any number of records, it takes and shows as many as come, fewer or more', () => {
    for (const [promised, coming] of [
      [0, 30],
      [12, 12],
      [13, 400],
      [250, 250],
      [300, 3000],
      [5000, 5000],
      [100_000, 70],
      [20_000, 50_000],
    ]) {
      const made = makeTable();
      made.table.prepare(made.header, promised);
      for (let index = 0; index < coming; index++) add(made, `key:${index}`);
      for (let index = 0; index < coming; index++) expect(find(made, `key:${index}`)).not.toBe(0);
      const seen = new Set<number>();
      let cursor = 0;
      do cursor = made.table.scan(made.header, cursor, (ref) => seen.add(ref));
      while (cursor !== 0);
      expect(seen.size, `${promised} promised`).toBe(coming);
      // A table that has records already keeps what it is.
      made.table.prepare(made.header, promised * 4);
      expect(made.table.count(made.header)).toBe(coming);
      made.table.destroy(made.header, (ref) => made.records.release(ref));
      expect(made.arena.usedBytes, `${promised} promised`).toBe(0);
    }
  });

  it('agrees with a Map over random inserts and removals', () => {
    const seed = Date.now() & 0xffff;
    const prng = new Prng(seed);
    const random = () => prng.fraction();
    const made = makeTable();
    const model = new Set<string>();
    for (let step = 0; step < 50_000; step++) {
      const name = `k${Math.floor(random() * 5000)}`;
      if (random() < 0.5) {
        if (!model.has(name)) add(made, name);
        model.add(name);
      } else if (remove(made, name) !== model.delete(name)) expect.fail(`seed ${seed} step ${step}`);
    }
    expect(made.table.count(made.header), `seed ${seed}`).toBe(model.size);
    for (const name of model) expect(find(made, name), `seed ${seed} ${name}`).not.toBe(0);
  });

  it('scans every key that stays, while others come and go and the table grows', () => {
    const seed = Date.now() & 0xffff;
    const prng = new Prng(seed);
    const random = () => prng.fraction();
    for (const size of [0, 1, 5, 40, 300, 3000]) {
      const made = makeTable();
      const stay = new Set(Array.from({ length: size }, (_, index) => `stay:${index}`));
      for (const name of stay) add(made, name);
      const seen = new Set<string>();
      let cursor = 0;
      let added = 0;
      do {
        cursor = made.table.scan(made.header, cursor, (ref) => seen.add(nameOf(made, ref)));
        for (let count = random() * 20; count > 1; count--) {
          if (added < 20_000) add(made, `new:${added++}`);
        }
        if (random() < 0.3) remove(made, `new:${Math.floor(random() * added)}`);
      } while (cursor !== 0);
      for (const name of stay) expect(seen.has(name), `seed ${seed} size ${size} ${name}`).toBe(true);
    }
  });

  it('chains records of equal hash without splitting for ever', () => {
    const made = makeTable();
    // Equal bytes have equal hashes; the table leaves it to its caller that keys differ.
    const refs = new Set(Array.from({ length: 3000 }, () => add(made, 'same')));
    const seen = new Set<number>();
    let cursor = 0;
    do cursor = made.table.scan(made.header, cursor, (ref) => seen.add(ref));
    while (cursor !== 0);
    expect(seen).toEqual(refs);
    expect(made.arena.usedBytes).toBeLessThan(3_000_000);
    for (let count = 0; count < 3000; count++) expect(remove(made, 'same')).toBe(true);
    expect(find(made, 'same')).toBe(0);
  });

  it('takes keys in the order of their hashes, as another table hands them out', () => {
    for (const keys of [40, 60, 100, 300, 700, 3000]) {
      const made = makeTable();
      const names = Array.from({ length: keys }, (_, index) => `key:${index}`);
      for (const name of names) add(made, name);
      const ordered: string[] = [];
      let cursor = 0;
      do cursor = made.table.scan(made.header, cursor, (ref) => ordered.push(nameOf(made, ref)));
      while (cursor !== 0);
      const again = makeTable();
      for (const name of ordered) add(again, name);
      for (const name of names) expect(find(again, name)).not.toBe(0);
    }
  });

  it('gives all its memory back when it is destroyed', () => {
    const made = makeTable();
    for (let index = 0; index < 20_000; index++) add(made, `key:${index}`);
    made.table.destroy(made.header, (ref) => made.records.release(ref));
    expect(made.arena.usedBytes).toBe(0);
  });
});
