import { describe, expect, test } from 'vitest';
import { Arena } from './arena.ts';
import { IdCursor, IdTree } from './id-tree.ts';
import { Prng } from './prng.ts';
import { StreamId } from './stream-id.ts';

function makeTree(): { arena: Arena; tree: IdTree; holder: number } {
  const arena = new Arena();
  const tree = new IdTree(arena, 2);
  const holder = arena.allocate(24);
  tree.clear(holder);
  return { arena, tree, holder };
}

/** A number that orders as the id does, for ids with small parts. */
function idOf(value: number): StreamId {
  return StreamId.of(Math.floor(value / 1000), value % 1000);
}

function numberOf(id: StreamId): number {
  return (id.msHigh * 4294967296 + id.msLow) * 1000 + id.seqLow;
}

function allOf(tree: IdTree, holder: number): number[] {
  const found: number[] = [];
  const cursor = new IdCursor();
  const id = new StreamId();
  for (let there = tree.first(holder, cursor); there; there = tree.next(cursor)) {
    tree.idAt(cursor, id);
    found.push(numberOf(id));
  }
  return found;
}

function allBackwards(tree: IdTree, holder: number): number[] {
  const found: number[] = [];
  const cursor = new IdCursor();
  const id = new StreamId();
  for (let there = tree.last(holder, cursor); there; there = tree.previous(cursor)) {
    tree.idAt(cursor, id);
    found.push(numberOf(id));
  }
  return found.reverse();
}

describe('IdTree', () => {
  test('an empty tree holds nothing and no memory', () => {
    const { arena, tree, holder } = makeTree();
    const cursor = new IdCursor();
    expect(tree.find(holder, idOf(5))).toBe(0);
    expect(tree.delete(holder, idOf(5))).toBe(0);
    expect(tree.first(holder, cursor)).toBe(false);
    expect(tree.last(holder, cursor)).toBe(false);
    expect(tree.seek(holder, idOf(0), cursor)).toBe(false);
    expect(tree.seekLast(holder, idOf(9), cursor)).toBe(false);
    expect(arena.usedBytes).toBe(24);
  });

  test('ids are ordered by all 128 bits, unsigned', () => {
    const { tree, holder } = makeTree();
    const parts = [
      [0, 0, 0, 1],
      [0, 0, 0, 0xffffffff],
      [0, 0, 1, 0],
      [0, 1, 0, 0],
      [0, 0x80000000, 0, 0],
      [1, 0, 0, 0],
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    ] as const;
    for (const index of [3, 6, 0, 5, 1, 4, 2]) {
      const id = new StreamId();
      const [msHigh, msLow, seqHigh, seqLow] = parts[index] as (typeof parts)[number];
      id.set(msHigh, msLow, seqHigh, seqLow);
      expect(tree.insert(holder, id, index + 1)).toBe(true);
      expect(tree.insert(holder, id, 99)).toBe(false);
    }
    const cursor = new IdCursor();
    const values: number[] = [];
    for (let there = tree.first(holder, cursor); there; there = tree.next(cursor))
      values.push(tree.valueAt(cursor));
    expect(values).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('ids that only ascend fill the nodes', () => {
    const { arena, tree, holder } = makeTree();
    for (let value = 1; value <= 10_000; value++) tree.insert(holder, idOf(value), value);
    expect(arena.usedBytes).toBeLessThan(10_000 * 23);
    expect(allOf(tree, holder)).toEqual(Array.from({ length: 10_000 }, (_, index) => index + 1));
  });

  test.each([1, 2, 3, 4, 5, 6])('behaves as a sorted map under random changes, seed %i', (seed) => {
    const random = new Prng(seed);
    const { arena, tree, holder } = makeTree();
    const model = new Map<number, number>();
    const range = seed % 2 === 0 ? 400 : 6000;
    const cursor = new IdCursor();
    const found = new StreamId();
    for (let step = 0; step < 12_000; step++) {
      const growing = Math.floor(step / 3000) % 2 === 0;
      const value = 1 + random.below(range);
      if (random.below(10) < (growing ? 7 : 2)) {
        expect(tree.insert(holder, idOf(value), value + 7)).toBe(!model.has(value));
        model.set(value, value + 7);
      } else {
        expect(tree.delete(holder, idOf(value))).toBe(model.get(value) ?? 0);
        model.delete(value);
      }
      expect(tree.count(holder)).toBe(model.size);
      if (step % 500 !== 0) continue;
      const sorted = [...model.keys()].sort((first, second) => first - second);
      expect(allOf(tree, holder)).toEqual(sorted);
      expect(allBackwards(tree, holder)).toEqual(sorted);
      for (let probe = 0; probe < 50; probe++) {
        const at = random.below(range + 2);
        expect(tree.find(holder, idOf(at))).toBe(model.get(at) ?? 0);
        const above = sorted.find((key) => key >= at);
        const reached = tree.seek(holder, idOf(at), cursor);
        expect(reached).toBe(above !== undefined);
        if (reached) tree.idAt(cursor, found);
        if (reached) expect(numberOf(found)).toBe(above);
        const below = sorted.findLast((key) => key <= at);
        const fell = tree.seekLast(holder, idOf(at), cursor);
        expect(fell).toBe(below !== undefined);
        if (fell) tree.idAt(cursor, found);
        if (fell) expect(numberOf(found)).toBe(below);
      }
    }
    for (const value of [...model.keys()]) tree.delete(holder, idOf(value));
    expect(arena.usedBytes).toBe(24);
  });

  test('a tree is released in steps, every value once', () => {
    const { arena, tree, holder } = makeTree();
    for (let value = 1; value <= 3000; value++) tree.insert(holder, idOf(value * 7), value);
    const seen: number[] = [];
    let steps = 0;
    while (!tree.releaseSome(holder, 100, (value) => seen.push(value))) steps++;
    expect(steps).toBeGreaterThanOrEqual(29);
    expect(seen.sort((first, second) => first - second)).toEqual(
      Array.from({ length: 3000 }, (_, index) => index + 1),
    );
    expect(arena.usedBytes).toBe(24);
  });
});
