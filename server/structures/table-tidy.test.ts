import { describe, expect, it } from 'vitest';
import { Arena, UsedMemory } from './arena.ts';
import { hashBytes } from './hash.ts';
import { Prng } from './prng.ts';
import { Records } from './record.ts';
import { Table } from './table.ts';
import { TableTidy } from './table-tidy.ts';

class Model {
  readonly arena = new Arena();
  readonly records = new Records(this.arena);
  readonly table = new Table(this.arena, this.records);
  readonly tidy = new TableTidy(this.arena, this.records);
  header = this.table.create();
  readonly names = new Set<string>();
  #entry = 0;

  add(name: string): void {
    if (this.names.has(name)) return;
    const key = Buffer.from(name);
    const hash = hashBytes(key, 0, key.length);
    this.table.insert(this.header, hash, this.records.newMember(0, key, 0, key.length));
    this.names.add(name);
  }

  find(name: string): number {
    const key = Buffer.from(name);
    return this.table.find(this.header, hashBytes(key, 0, key.length), key, 0, key.length);
  }

  remove(name: string): void {
    if (!this.names.delete(name)) return;
    const ref = this.find(name);
    this.table.removeFound(this.header);
    this.records.release(ref);
  }

  /** One step of tidying; true at the end of a round. */
  step(): boolean {
    if (this.#entry === 0) this.header = this.tidy.moveHeader(this.header);
    this.#entry = this.tidy.step(this.header, this.#entry, (ref) =>
      this.arena.leaves(ref) ? this.arena.move(ref) : ref,
    );
    return this.#entry === 0;
  }

  nameOf(ref: number): string {
    const start = this.records.keyStart(ref);
    return this.records.segment(ref).latin1Slice(start, start + this.records.keyLength(ref));
  }

  check(note: string): void {
    expect(this.table.count(this.header), note).toBe(this.names.size);
    for (const name of this.names) if (this.find(name) === 0) expect.fail(`${note}: ${name} is lost`);
    const seen: string[] = [];
    let cursor = 0;
    do cursor = this.table.scan(this.header, cursor, (ref) => seen.push(this.nameOf(ref)));
    while (cursor !== 0);
    expect(seen.length, note).toBe(this.names.size);
    expect(new Set(seen).size, note).toBe(this.names.size);
  }
}

describe('TableTidy', () => {
  it('makes a table small again after random removals, and it grows again', () => {
    const seed = Date.now() & 0xffff;
    const prng = new Prng(seed);
    const model = new Model();
    for (const size of [60_000, 3000, 200, 20_000, 1]) {
      for (let index = 0; model.names.size < size; index++) model.add(`key:${size}:${index}`);
      for (const name of [...model.names]) {
        if (model.names.size > size / 20 && prng.fraction() < 0.97) model.remove(name);
      }
      const before = model.arena.usedBytes;
      while (!model.step());
      while (!model.step());
      model.check(`seed ${seed} size ${size}`);
      const elements = [...model.names].reduce((sum, name) => sum + Arena.roundUp(4 + name.length), 0);
      expect(model.arena.usedBytes, `seed ${seed} size ${size}`).toBeLessThanOrEqual(before);
      expect(model.arena.usedBytes - elements, `seed ${seed}`).toBeLessThan(model.names.size * 18 + 4500);
    }
  });

  it('keeps the guarantee of scans while tables grow, are tidied and shrink', () => {
    const seed = Date.now() & 0xffff;
    const prng = new Prng(seed);
    for (let round = 0; round < 8; round++) {
      const model = new Model();
      const stay = Array.from({ length: Math.floor(prng.fraction() ** 3 * 3000) }, (_, k) => `stay:${k}`);
      for (const name of stay) model.add(name);
      for (let k = prng.fraction() * 30_000; k > 0; k--) model.add(`go:${Math.floor(k)}`);
      const going = [...model.names].filter((name) => name.startsWith('go:'));
      const seen = new Set<string>();
      let cursor = 0;
      do {
        cursor = model.table.scan(model.header, cursor, (ref) => seen.add(model.nameOf(ref)));
        const speed = prng.fraction() * 400;
        for (let k = 0; k < speed && going.length > 0; k++) model.remove(going.pop() ?? '');
        for (let k = 0; k < prng.fraction() * 8; k++) model.step();
        if (prng.fraction() < 0.1) for (let k = 0; k < 200; k++) model.add(`new:${prng.fraction()}`);
      } while (cursor !== 0);
      for (const name of stay) if (!seen.has(name)) expect.fail(`seed ${seed} round ${round}: ${name}`);
      model.check(`seed ${seed} round ${round}`);
    }
  });

  it('empties the segments that are to become empty, and they go back to the system', () => {
    const seed = Date.now() & 0xffff;
    const prng = new Prng(seed);
    const model = new Model();
    for (let index = 0; index < 300_000; index++) model.add(`key:${index}:${'x'.repeat(index % 40)}`);
    for (const name of [...model.names]) if (prng.fraction() < 0.9) model.remove(name);
    expect(model.arena.reservedBytes).toBeGreaterThan(model.arena.usedBytes * 2);
    for (let round = 0; round < 2; round++) {
      const { arena } = model;
      const used = new UsedMemory(arena.bytes.length);
      arena.countUsed(used, 0, arena.slabs);
      for (const segment of arena.startLeaving(used, 1.05)) arena.leaveSlabs(segment, used.blocks);
      arena.relink(0, arena.slabs);
      while (!model.step());
      arena.stopLeaving();
      arena.relink(0, arena.slabs);
    }
    model.check(`seed ${seed}`);
    model.arena.releaseSome(1000);
    expect(model.arena.reservedBytes).toBeLessThan(model.arena.usedBytes * 1.2 + 12 * 1024 * 1024);
    model.table.destroy(model.header, (ref) => model.records.release(ref));
    expect(model.arena.usedBytes, `seed ${seed}`).toBe(0);
  });
});
