import { describe, expect, test } from 'vitest';
import { Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { NameIndex } from './name-index.ts';
import { Prng } from './prng.ts';

function makeNamed(arena: Arena, name: Buffer): number {
  const ref = arena.allocate(8 + name.length);
  arena.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + 1] = name.length;
  name.copy(arena.bytes[ref >>> SEGMENT_SHIFT] as Buffer, ((ref & UNIT_MASK) << 3) + 8);
  return ref;
}

describe('NameIndex', () => {
  test('an empty one finds nothing and pops nothing', () => {
    const arena = new Arena();
    const index = new NameIndex(arena, 1, 1, 2);
    const holder = arena.allocate(16);
    index.clear(holder);
    expect(index.find(holder, Buffer.from('a'), 0, 1)).toBe(0);
    expect(index.pop(holder)).toBe(0);
    expect(index.count(holder)).toBe(0);
  });

  test('finds what a map finds, in the order of bytes, under random changes (seed 5)', () => {
    const random = new Prng(5);
    const arena = new Arena();
    const index = new NameIndex(arena, 1, 1, 2);
    const holder = arena.allocate(16);
    index.clear(holder);
    const model = new Map<string, number>();
    for (let step = 0; step < 4000; step++) {
      const name = Buffer.from(Array.from({ length: random.below(3) }, () => random.below(8) * 36));
      const key = name.toString('latin1');
      const ref = index.find(holder, name, 0, name.length);
      expect(ref).toBe(model.get(key) ?? 0);
      if (ref !== 0 && random.below(2) === 0) {
        index.removeFound(holder);
        arena.free(ref);
        model.delete(key);
      } else if (ref === 0) {
        const made = makeNamed(arena, name);
        index.insertFound(holder, made);
        model.set(key, made);
      }
      expect(index.count(holder)).toBe(model.size);
    }
    const sorted = [...model.keys()].sort((a, b) =>
      Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1')),
    );
    expect(sorted.map((_, slot) => index.at(holder, slot))).toEqual(sorted.map((key) => model.get(key)));
    for (let ref = index.pop(holder); ref !== 0; ref = index.pop(holder)) arena.free(ref);
    expect(arena.usedBytes).toBe(16);
  });
});
