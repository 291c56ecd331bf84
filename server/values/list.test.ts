import { describe, expect, it } from 'vitest';
import { Arena } from '../structures/arena.ts';
import { exceedsNode } from '../structures/list-limits.ts';
import { Prng } from '../structures/prng.ts';
import { ENCODING_LISTPACK, ENCODING_QUICKLIST, Records, TYPE_LIST } from '../structures/record.ts';
import { Lists } from './list.ts';
import { ValueStore } from './value-store.ts';

const name = Buffer.from('key');

/** A key without name that holds an empty list. */
function make(fill: number, depth = 0): { records: Records; lists: Lists; ref: number } {
  const arena = new Arena();
  const records = new Records(arena);
  const store = new ValueStore(arena, records, Math.random);
  store.limits.listMaxListpackSize = fill;
  store.limits.listCompressDepth = depth;
  const lists = new Lists(store);
  const ref = arena.allocate(12);
  const first = TYPE_LIST | (ENCODING_LISTPACK << 4);
  records.writeHeader(ref, first, 1, 0, lists.createRoot(), -1, false);
  return { records, lists, ref };
}

type Made = ReturnType<typeof make>;

function contents({ lists, ref }: Made, forward = true): string[] {
  const count = lists.count(ref);
  if (count === 0) return [];
  const cursor = lists.open(ref, forward ? 0 : count - 1, forward);
  const found: string[] = [];
  while (cursor.next()) found.push(cursor.element.copy().toString('latin1'));
  return found;
}

function push(made: Made, atHead: boolean, word: string): void {
  const bytes = Buffer.from(word, 'latin1');
  made.lists.prepareGrowth(made.ref, bytes.length, 1);
  made.lists.push(made.ref, atHead, bytes, 0, bytes.length);
}

/** One random change of list and model alike. */
function change(made: Made, model: string[], random: Prng): void {
  const { lists, ref } = made;
  const word = random.below(3) === 0 ? String(random.below(1 << 30)) : 'w'.repeat(random.below(90));
  const bytes = Buffer.from(word);
  const growing = random.below(3) !== 0;
  if (model.length === 0 || (growing && random.below(2) === 0)) {
    const atHead = random.below(2) === 0;
    push(made, atHead, word);
    if (atHead) model.unshift(word);
    else model.push(word);
    return;
  }
  const index = random.below(model.length);
  if (growing) {
    lists.prepareGrowth(ref, bytes.length, 1);
    if (random.below(2) === 0) {
      lists.replaceAt(ref, index, bytes, 0, bytes.length);
      model[index] = word;
    } else {
      expect(lists.open(ref, index, true).next()).toBe(true);
      lists.insertAtCursor(ref, true, bytes, 0, bytes.length);
      model.splice(index + 1, 0, word);
    }
  } else if (random.below(2) === 0) {
    const atHead = random.below(2) === 0;
    expect(lists.readEnd(ref, atHead).copy().toString()).toBe(atHead ? model.shift() : model.pop());
    lists.dropEnd(ref, atHead);
  } else {
    const count = Math.min(model.length - index, 1 + random.below(6));
    lists.deleteRange(ref, index, count);
    model.splice(index, count);
  }
  lists.shrink(ref);
}

describe('Lists', () => {
  for (const [fill, depth] of [
    [-2, 0],
    [-1, 1],
    [5, 0],
    [16, 2],
    [1, 0],
  ] as const) {
    it(`behave as an array while they are converted there and back, fill ${fill}, depth ${depth}`, () => {
      const random = new Prng(Date.now() % 1_000_000);
      const made = make(fill, depth);
      const { lists, ref, records } = made;
      const model: string[] = [];
      const seen = new Set<string>();
      for (let round = 0; round < 4000; round++) {
        change(made, model, random);
        // Long waves, so that both conversions happen.
        for (let grown = 0; round % 500 === 250 && grown < 200; grown++) {
          push(made, false, 'g'.repeat(60));
          model.push('g'.repeat(60));
        }
        if (round % 500 === 499) while (model.length > 2) popBoth(made, model);
        seen.add(lists.encodingName(ref));
        expect(lists.count(ref)).toBe(model.length);
        if (round % 25 !== 0) continue;
        expect(contents(made), `seed ${random.seed}, round ${round}`).toEqual(model);
        expect(contents(made, false)).toEqual([...model].reverse());
      }
      expect(seen.size).toBe(2);
      const copied = lists.copy(ref);
      lists.release(copied.encoding, copied.root);
      lists.release(records.encoding(ref), records.root(ref));
      records.release(ref);
      expect(records.arena.usedBytes).toBe(0);
    });
  }

  it('are listpacks up to the limit, quicklists beyond it, and listpacks again at half of it', () => {
    const made = make(8);
    const { lists, ref, records } = made;
    for (let count = 1; count <= 9; count++) {
      push(made, false, 'x');
      expect(lists.encodingName(ref)).toBe(count <= 8 ? 'listpack' : 'quicklist');
    }
    for (let count = 8; count >= 3; count--) {
      lists.dropEnd(ref, false);
      lists.shrink(ref);
      expect(lists.encodingName(ref)).toBe(count <= 4 ? 'listpack' : 'quicklist');
    }
    expect(records.encoding(ref)).toBe(ENCODING_LISTPACK);
  });

  it('settle in the encoding that suits what a file brought', () => {
    const { lists } = make(4);
    for (const count of [0, 1, 4, 5, 40]) {
      const list = lists.createQuicklist();
      for (let index = 0; index < count; index++) lists.quicklists.push(list, false, name, 0, 3);
      const value = lists.settle(list);
      if (count === 0) expect(value.root).toBe(0);
      else {
        expect(value.encoding).toBe(count <= 4 ? ENCODING_LISTPACK : ENCODING_QUICKLIST);
        expect(exceedsNode(4, 0, count)).toBe(count > 4);
        for (let root = value.root; root !== 0; ) root = lists.releaseSome(value.encoding, root, 64);
      }
    }
  });
});

function popBoth(made: Made, model: string[]): void {
  made.lists.dropEnd(made.ref, true);
  made.lists.dropEnd(made.ref, false);
  made.lists.shrink(made.ref);
  model.shift();
  model.pop();
}
