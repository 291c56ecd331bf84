import { describe, expect, it } from 'vitest';
import { Arena } from '../structures/arena.ts';
import { Prng } from '../structures/prng.ts';
import { ENCODING_LISTPACK, Records, TYPE_SET } from '../structures/record.ts';
import { Sets } from './set.ts';
import { ValueStore } from './value-store.ts';

class World {
  readonly prng: Prng;
  readonly arena = new Arena();
  readonly records = new Records(this.arena);
  readonly store: ValueStore;
  readonly sets: Sets;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.store = new ValueStore(this.arena, this.records, () => this.prng.fraction());
    this.sets = new Sets(this.store);
  }

  /** A key without name that holds an empty set. */
  key(encoding: number): number {
    const ref = this.arena.allocate(12);
    const root = this.sets.newRoot(encoding);
    this.records.writeHeader(ref, TYPE_SET | (encoding << 4), 1, 0, root, -1, false);
    return ref;
  }

  add(ref: number, ...members: string[]): number {
    let added = 0;
    for (const member of members) {
      const bytes = Buffer.from(member);
      if (this.sets.add(ref, bytes, 0, bytes.length)) added++;
    }
    return added;
  }

  members(ref: number): string[] {
    const cursor = this.sets.newCursor();
    cursor.open(this.records.encoding(ref), this.records.root(ref));
    const found: string[] = [];
    while (cursor.next()) found.push(cursor.copy().toString());
    return found;
  }

  first(member: string, sizeHint: number): number {
    const bytes = Buffer.from(member);
    return this.key(this.sets.encodingFor(bytes, 0, bytes.length, sizeHint));
  }
}

function range(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index));
}

describe('Sets', () => {
  it('is an intset of up to set-max-intset-entries integers, then a table', () => {
    const world = new World(1);
    const ref = world.first('1', 1);
    world.add(ref, ...range(512));
    expect(world.sets.encodingName(ref)).toBe('intset');
    world.add(ref, '513');
    expect(world.sets.encodingName(ref)).toBe('hashtable');
    expect(world.sets.count(ref)).toBe(513);
  });

  it('becomes a listpack by a text while it is short, and a table by its length or a long member', () => {
    const world = new World(1);
    const first = world.first('1', 1);
    world.add(first, ...range(127), 'text');
    expect(world.sets.encodingName(first)).toBe('listpack');
    world.add(first, 'text', '5');
    expect(world.sets.encodingName(first)).toBe('listpack');
    world.add(first, 'other');
    expect(world.sets.encodingName(first)).toBe('hashtable');
    const second = world.first('1', 1);
    world.add(second, ...range(128), 'text');
    expect(world.sets.encodingName(second)).toBe('hashtable');
    const third = world.first('a', 1);
    world.add(third, 'x'.repeat(64));
    expect(world.sets.encodingName(third)).toBe('listpack');
    world.add(third, 'x'.repeat(65));
    expect(world.sets.encodingName(third)).toBe('hashtable');
    expect(world.members(third).length).toBe(2);
  });

  it('begins with the encoding that the first member and the number of members ask for', () => {
    const world = new World(1);
    expect(world.sets.encodingName(world.first('1', 513))).toBe('hashtable');
    expect(world.sets.encodingName(world.first('x', 128))).toBe('listpack');
    expect(world.sets.encodingName(world.first('x', 129))).toBe('hashtable');
    const ref = world.key(ENCODING_LISTPACK);
    world.add(ref, 'a');
    world.sets.expectMembers(ref, 129);
    expect(world.sets.encodingName(ref)).toBe('hashtable');
    expect(world.members(ref)).toEqual(['a']);
  });

  it('holds what a JavaScript set holds under random changes, and gives all memory back', () => {
    const seed = Date.now() & 0xffffff;
    const world = new World(seed);
    const { prng, sets } = world;
    world.store.limits.setMaxIntsetEntries = 20;
    world.store.limits.setMaxListpackEntries = 10;
    for (let round = 0; round < 60; round++) {
      const model = new Set<string>();
      const alphabet = 5 + prng.below(60);
      const name = (): string => {
        const number = prng.below(alphabet);
        return prng.below(30) === 0 ? `n${number}` : String(number - 9);
      };
      const ref = world.first(name(), 1);
      for (let step = 0; step < 200; step++) {
        const member = name();
        const bytes = Buffer.from(member);
        if (prng.below(5) < 3) {
          const isNew = sets.add(ref, bytes, 0, bytes.length);
          expect(isNew, `seed ${seed}`).toBe(!model.has(member));
          model.add(member);
        } else {
          expect(sets.remove(ref, bytes, 0, bytes.length), `seed ${seed}`).toBe(model.delete(member));
        }
        expect(sets.has(ref, bytes, 0, bytes.length)).toBe(model.has(member));
        expect(sets.count(ref)).toBe(model.size);
        if (model.size === 0) continue;
        const cursor = sets.newCursor();
        sets.chooseMember(ref, cursor);
        expect(model.has(cursor.copy().toString()), `seed ${seed}`).toBe(true);
      }
      expect(world.members(ref).sort(), `seed ${seed}`).toEqual([...model].sort());
      const copy = sets.copy(ref);
      expect(sets.countOf(copy.encoding, copy.root)).toBe(model.size);
      expect(sets.heldBytes(ref, 0)).toBeGreaterThan(0);
      sets.release(copy.encoding, copy.root);
      sets.release(world.records.encoding(ref), world.records.root(ref));
      world.arena.free(ref);
    }
    expect(world.arena.usedBytes).toBe(0);
  });
});
