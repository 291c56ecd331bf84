import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { BODY_LZF } from './list-body.ts';
import { ListCursor } from './list-cursor.ts';
import { ListElement } from './list-element.ts';
import * as listpack from './listpack.ts';
import { Prng } from './prng.ts';
import { Quicklists } from './quicklist.ts';
import { deleteRange, insertBeside, replaceElement } from './quicklist-edit.ts';

const limits = { quicklistPackedThreshold: 0 };
const text = (value: Buffer): string => value.toString('latin1');

function randomElement(random: Prng, longMax: number): Buffer {
  const kind = random.below(10);
  if (kind < 3) return Buffer.from(String(random.below(2 ** 31) - 2 ** 30));
  if (kind < 4) return Buffer.from((BigInt(random.bits()) * 4294967296n - BigInt(random.bits())).toString());
  if (kind < 8) return Buffer.from('abc'.repeat(1 + random.below(10)).slice(random.below(3)));
  if (kind < 9)
    return Buffer.from(['', '0', '-0', '007', '+1', '9223372036854775808'][random.below(6)] ?? '');
  const bytes = Buffer.alloc(random.below(longMax), 120);
  for (let at = 0; at < bytes.length; at += 7) bytes[at] = random.below(256);
  return bytes;
}

function contents(lists: Quicklists, list: number, forward = true): string[] {
  const cursor = new ListCursor(lists);
  const found: string[] = [];
  const elements = lists.elements(list);
  if (elements === 0) return found;
  cursor.open(true, list, forward ? 0 : elements - 1, forward);
  while (cursor.next()) found.push(text(cursor.element.copy()));
  return found;
}

/** Links, counts and listpacks agree; the ends are not compressed. */
function checkInvariants(lists: Quicklists, list: number): void {
  let nodes = 0;
  let elements = 0;
  let previous = 0;
  for (let node = lists.head(list); node !== 0; node = lists.next(node)) {
    expect(lists.previous(node)).toBe(previous);
    expect(lists.count(node)).toBeGreaterThan(0);
    const { bodies } = lists;
    const body = lists.body(node);
    const compressed = bodies.kind(body) === BODY_LZF;
    if (node === lists.head(list) || node === lists.tail(list)) expect(compressed).toBe(false);
    if (!lists.isPlain(node)) {
      const bytes = compressed ? bodies.unpacked(body) : bodies.segment(body);
      const start = compressed ? 0 : bodies.packStart(body);
      expect(listpack.validate(bytes, start, bodies.bytes(body), true)).toBe('');
      expect(listpack.count(bytes, start)).toBe(lists.count(node));
    } else expect(lists.count(node)).toBe(1);
    nodes++;
    elements += lists.count(node);
    previous = node;
  }
  expect(lists.tail(list)).toBe(previous);
  expect(lists.nodes(list)).toBe(nodes);
  expect(lists.elements(list)).toBe(elements);
}

interface Walk {
  readonly lists: Quicklists;
  readonly list: number;
  readonly cursor: ListCursor;
  readonly model: Buffer[];
  readonly random: Prng;
  readonly longMax: number;
}

function pushOrPop(walk: Walk): void {
  const { lists, list, model, random } = walk;
  const atHead = random.below(2) === 0;
  if (random.below(3) > 0 || model.length === 0) {
    for (let count = 1 + random.below(4); count > 0; count--) {
      const value = randomElement(random, walk.longMax);
      lists.push(list, atHead, value, 0, value.length);
      if (atHead) model.unshift(value);
      else model.push(value);
    }
    return;
  }
  const element = new ListElement();
  lists.readEnd(list, atHead, element);
  const expected = (atHead ? model.shift() : model.pop()) ?? Buffer.alloc(0);
  expect(text(element.copy())).toBe(text(expected));
  expect(element.equals(expected, 0, expected.length)).toBe(true);
  lists.dropEnd(list, atHead);
}

function change(walk: Walk): void {
  const { lists, list, cursor, model, random } = walk;
  if (model.length === 0) return;
  const index = random.below(model.length);
  const kind = random.below(4);
  if (kind === 3) {
    const count = 1 + random.below(Math.min(model.length - index, 1 + random.below(40)));
    deleteRange(lists, list, index, count);
    model.splice(index, count);
    return;
  }
  cursor.open(true, list, index, random.below(2) === 0);
  expect(cursor.next()).toBe(true);
  expect(text(cursor.element.copy())).toBe(text(model[index] ?? Buffer.alloc(0)));
  const value = randomElement(random, walk.longMax);
  if (kind === 0) {
    replaceElement(lists, list, cursor.node, cursor.at, value, 0, value.length);
    model[index] = value;
    return;
  }
  insertBeside(lists, list, cursor.node, cursor.at, kind === 1, value, 0, value.length);
  model.splice(kind === 1 ? index + 1 : index, 0, value);
}

/** Deletes some elements in a walk to either side. */
function deleteSome(walk: Walk): void {
  const { list, cursor, model, random } = walk;
  if (model.length === 0) return;
  const forward = random.below(2) === 0;
  let index = random.below(model.length);
  cursor.open(true, list, index, forward);
  let steps = random.below(30);
  while (steps-- > 0 && cursor.next()) {
    expect(text(cursor.element.copy())).toBe(text(model[index] ?? Buffer.alloc(0)));
    if (random.below(3) === 0) {
      cursor.delete();
      model.splice(index, 1);
      if (!forward) index--;
    } else index += forward ? 1 : -1;
  }
  cursor.close();
}

describe('Quicklists', () => {
  const shapes = [
    { fill: -2, depth: 0, longMax: 300 },
    { fill: -1, depth: 1, longMax: 6000 },
    { fill: 4, depth: 0, longMax: 40 },
    { fill: 3, depth: 2, longMax: 9000 },
    { fill: 0, depth: 1, longMax: 100 },
    { fill: -5, depth: 1, longMax: 70_000 },
  ];
  for (const shape of shapes) {
    it(`behave as an array with fill ${shape.fill} and compress depth ${shape.depth}`, () => {
      const seed = Date.now() % 1_000_000;
      const random = new Prng(seed);
      const arena = new Arena();
      const lists = new Quicklists(arena, limits);
      const list = lists.create(shape.fill, shape.depth);
      const cursor = new ListCursor(lists);
      const model: Buffer[] = [];
      const walk: Walk = { lists, list, cursor, model, random, longMax: shape.longMax };
      for (let round = 0; round < 1500; round++) {
        const kind = random.below(6);
        if (kind < 3) pushOrPop(walk);
        else if (kind < 5) change(walk);
        else deleteSome(walk);
        if (round % 50 !== 0) continue;
        checkInvariants(lists, list);
        expect(contents(lists, list), `seed ${seed}, round ${round}`).toEqual(model.map(text));
      }
      checkInvariants(lists, list);
      expect(contents(lists, list, false)).toEqual(model.map(text).reverse());
      const copied = lists.copy(list);
      expect(contents(lists, copied)).toEqual(model.map(text));
      lists.release(list);
      while (!lists.releaseSome(copied, 3));
      expect(arena.usedBytes).toBe(0);
    });
  }

  it('keep elements of many megabytes in chunks', () => {
    const arena = new Arena();
    const lists = new Quicklists(arena, limits);
    const list = lists.create(-2, 0);
    const huge = Buffer.alloc(9_000_001, 'abcdefg');
    lists.push(list, true, huge, 0, huge.length);
    lists.push(list, true, Buffer.from('small'), 0, 5);
    const element = new ListElement();
    lists.readEnd(list, false, element);
    expect(element.copy().equals(huge)).toBe(true);
    expect(lists.nodes(list)).toBe(2);
    const copied = lists.copy(list);
    lists.release(list);
    lists.readEnd(copied, false, element);
    expect(element.copy().equals(huge)).toBe(true);
    lists.release(copied);
    expect(arena.usedBytes).toBe(0);
  });

  it('make as many nodes as Redis does for 4 KiB of elements a node', () => {
    const lists = new Quicklists(new Arena(), limits);
    const list = lists.create(-1, 0);
    const value = Buffer.alloc(1000, 'x');
    for (let count = 0; count < 9; count++) lists.push(list, false, value, 0, value.length);
    expect(lists.nodes(list)).toBe(3);
    const large = Buffer.alloc(4097, 'x');
    lists.push(list, false, large, 0, large.length);
    expect(lists.isPlain(lists.tail(list))).toBe(true);
  });
});
