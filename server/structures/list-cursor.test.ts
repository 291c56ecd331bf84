import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { ListCursor } from './list-cursor.ts';
import { Quicklists } from './quicklist.ts';

const words = Array.from({ length: 60 }, (_, index) => (index % 3 === 0 ? String(index) : `word ${index}`));

function make(fill: number, depth: number): { lists: Quicklists; list: number; cursor: ListCursor } {
  const lists = new Quicklists(new Arena(), { quicklistPackedThreshold: 0 });
  const list = lists.create(fill, depth);
  for (const word of words) lists.push(list, false, Buffer.from(word), 0, word.length);
  return { lists, list, cursor: new ListCursor(lists) };
}

function rest(cursor: ListCursor): string[] {
  const found: string[] = [];
  while (cursor.next()) found.push(cursor.element.copy().toString());
  return found;
}

describe('ListCursor', () => {
  it('walks from any element to either end of a quicklist, compressed or not', () => {
    for (const depth of [0, 1]) {
      const { list, cursor } = make(7, depth);
      for (let index = 0; index < words.length; index++) {
        cursor.open(true, list, index, true);
        expect(rest(cursor)).toEqual(words.slice(index));
        cursor.open(true, list, index, false);
        expect(rest(cursor)).toEqual(words.slice(0, index + 1).reverse());
      }
    }
  });

  it('walks over a single listpack', () => {
    const { lists, cursor } = make(7, 0);
    let body = lists.bodies.createPacked();
    for (const word of words) body = lists.bodies.append(body, Buffer.from(word), 0, word.length);
    cursor.open(false, body, 10, true);
    expect(rest(cursor)).toEqual(words.slice(10));
    cursor.open(false, body, 59, false);
    expect(rest(cursor)).toEqual([...words].reverse());
  });

  it('goes on with the element behind the one it deleted', () => {
    for (const forward of [true, false]) {
      const { lists, list, cursor } = make(4, 1);
      cursor.open(true, list, forward ? 0 : words.length - 1, forward);
      const kept: string[] = [];
      for (let step = 0; cursor.next(); step++) {
        if (step % 4 === 1) kept.push(cursor.element.copy().toString());
        else cursor.delete();
      }
      cursor.close();
      const order = forward ? words : [...words].reverse();
      expect(kept).toEqual(order.filter((_, index) => index % 4 === 1));
      expect(lists.elements(list)).toBe(kept.length);
      cursor.open(true, list, 0, true);
      expect(rest(cursor)).toEqual(forward ? kept : [...kept].reverse());
    }
  });

  it('may delete everything of a listpack', () => {
    for (const forward of [true, false]) {
      const { lists, cursor } = make(4, 0);
      let body = lists.bodies.createPacked();
      for (const word of words) body = lists.bodies.append(body, Buffer.from(word), 0, word.length);
      cursor.open(false, body, forward ? 0 : words.length - 1, forward);
      let deleted = 0;
      for (; cursor.next(); deleted++) cursor.delete();
      expect(deleted).toBe(words.length);
      expect(lists.bodies.count(cursor.root)).toBe(0);
    }
  });
});
