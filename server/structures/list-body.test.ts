import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { BODY_CHUNKED, BODY_LZF, BODY_PACKED, BODY_PLAIN, ListBodies } from './list-body.ts';
import { ListElement } from './list-element.ts';
import * as listpack from './listpack.ts';
import { Prng } from './prng.ts';

function contents(bodies: ListBodies, body: number): string[] {
  const bytes = bodies.segment(body);
  const start = bodies.packStart(body);
  expect(listpack.validate(bytes, start, bodies.bytes(body), true)).toBe('');
  const element = new ListElement();
  const found: string[] = [];
  for (let at = listpack.first(bytes, start); at !== 0; ) {
    at = element.read(bytes, start, at);
    found.push(element.copy().toString());
  }
  return found;
}

function placeOf(bodies: ListBodies, body: number, index: number): number {
  return listpack.seek(bodies.segment(body), bodies.packStart(body), index);
}

describe('ListBodies', () => {
  it('hold a listpack that changes at both ends and in the middle as an array does', () => {
    const random = new Prng(Date.now() % 1_000_000);
    const arena = new Arena();
    const bodies = new ListBodies(arena);
    let body = bodies.createPacked();
    const model: string[] = [];
    for (let round = 0; round < 6000; round++) {
      const word = random.below(3) === 0 ? String(random.below(100_000)) : 'x'.repeat(random.below(200));
      const bytes = Buffer.from(word);
      const kind = model.length > 80 ? 2 + random.below(4) : random.below(6);
      if (kind === 0) {
        body = bodies.prepend(body, bytes, 0, bytes.length);
        model.unshift(word);
      } else if (kind === 1) {
        body = bodies.append(body, bytes, 0, bytes.length);
        model.push(word);
      } else if (model.length === 0) continue;
      else if (kind === 2) {
        body = bodies.dropFirst(body);
        model.shift();
      } else if (kind === 3) {
        body = bodies.dropLast(body);
        model.pop();
      } else {
        const index = random.below(model.length);
        const at = placeOf(bodies, body, index);
        const count = random.below(4);
        if (kind === 4) {
          body = bodies.delete(body, at, count);
          model.splice(index, count);
        } else {
          const removed = listpack.entryBytes(bodies.segment(body), bodies.packStart(body) + at);
          body = bodies.replace(body, at, removed, 1, bytes, 0, bytes.length);
          model[index] = word;
        }
      }
      if (round % 20 === 0) expect(contents(bodies, body), `seed ${random.seed}`).toEqual(model);
      expect(bodies.count(body)).toBe(model.length);
    }
    bodies.free(body);
    expect(arena.usedBytes).toBe(0);
  });

  it('split and merge without loss', () => {
    const bodies = new ListBodies(new Arena());
    let body = bodies.createPacked();
    const words = Array.from({ length: 300 }, (_, index) => `element ${index}`);
    for (const word of words) body = bodies.append(body, Buffer.from(word), 0, word.length);
    const rest = bodies.split(body, placeOf(bodies, body, 250), 50);
    body = bodies.trimmed(body);
    expect(contents(bodies, body)).toEqual(words.slice(0, 250));
    expect(contents(bodies, rest)).toEqual(words.slice(250));
    expect(contents(bodies, bodies.merge(body, rest))).toEqual(words);
  });

  it('give memory back when most of the elements went', () => {
    const arena = new Arena();
    const bodies = new ListBodies(arena);
    let body = bodies.createPacked();
    for (let count = 0; count < 500; count++) body = bodies.append(body, Buffer.alloc(60, 'y'), 0, 60);
    const held = bodies.heldBytes(body);
    for (let count = 0; count < 490; count++) body = bodies.dropFirst(body);
    expect(bodies.heldBytes(body)).toBeLessThan(held / 10);
    expect(contents(bodies, body)).toHaveLength(10);
  });

  it('compress what gains something and only that', () => {
    const bodies = new ListBodies(new Arena());
    let body = bodies.createPacked();
    for (let count = 0; count < 50; count++) body = bodies.append(body, Buffer.from('the same'), 0, 8);
    const before = contents(bodies, body);
    const bytes = bodies.bytes(body);
    const compressed = bodies.compress(body);
    expect(bodies.kind(compressed)).toBe(BODY_LZF);
    expect(bodies.bytes(compressed)).toBe(bytes);
    expect(contents(bodies, bodies.decompress(bodies.copy(compressed)))).toEqual(before);
    const tiny = bodies.append(bodies.createPacked(), Buffer.from('a'), 0, 1);
    expect(bodies.compress(tiny)).toBe(tiny);
    expect(bodies.kind(tiny)).toBe(BODY_PACKED);
  });

  it('hold one element of any length', () => {
    const arena = new Arena();
    const bodies = new ListBodies(arena);
    const element = new ListElement();
    for (const [length, kind] of [
      [0, BODY_PLAIN],
      [256 * 1024, BODY_PLAIN],
      [256 * 1024 + 1, BODY_CHUNKED],
      [5_000_000, BODY_CHUNKED],
    ] as const) {
      const source = Buffer.alloc(length + 3, 'abc');
      const body = bodies.createPlain(source, 2, length);
      expect(bodies.kind(body)).toBe(kind);
      expect(bodies.bytes(body)).toBe(length);
      const copied = bodies.copy(body);
      bodies.free(body);
      bodies.readPlain(copied, element);
      expect(element.copy().equals(source.subarray(2, 2 + length))).toBe(true);
      expect(element.equals(source, 2, length)).toBe(true);
      expect(element.equals(source, 1, length)).toBe(length === 0);
      bodies.free(copied);
    }
    expect(arena.usedBytes).toBe(0);
  });
});
