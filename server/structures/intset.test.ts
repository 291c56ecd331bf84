import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { Int64, parseInt64 } from './int64.ts';
import { Intsets, validateIntset } from './intset.ts';
import { Prng } from './prng.ts';

const number = new Int64();

function add(sets: Intsets, ref: number, value: bigint | number): number {
  const text = value.toString();
  expect(parseInt64(Buffer.from(text), 0, text.length, number)).toBe(true);
  return sets.add(ref, number.high, number.low);
}

function raw(sets: Intsets, ref: number): Buffer {
  return sets.segment(ref).subarray(sets.start(ref), sets.start(ref) + sets.bytes(ref));
}

function contents(sets: Intsets, ref: number): bigint[] {
  return Array.from({ length: sets.count(ref) }, (_, index) => {
    sets.get(ref, index, number);
    return number.toBigInt();
  });
}

describe('Intsets', () => {
  it('keeps the bytes that Redis keeps, through each widening', () => {
    const sets = new Intsets(new Arena());
    let ref = sets.create();
    for (const value of [5, -1, 5, 300]) ref = add(sets, ref, value);
    expect(raw(sets, ref).toString('hex')).toBe('0200000003000000ffff05002c01');
    ref = add(sets, ref, -40_000);
    expect(raw(sets, ref).toString('hex')).toBe('0400000004000000c063ffffffffffff050000002c010000');
    ref = add(sets, ref, 1n << 40n);
    expect(sets.encoding(ref)).toBe(8);
    expect(contents(sets, ref)).toEqual([-40_000n, -1n, 5n, 300n, 1n << 40n]);
    ref = sets.remove(ref, 256, 0);
    expect(sets.encoding(ref)).toBe(8);
    expect(sets.has(ref, 0, 300)).toBe(true);
    expect(sets.has(ref, 0, 301)).toBe(false);
  });

  it('is a sorted set of integers under random changes', () => {
    const prng = new Prng(Date.now());
    const arena = new Arena();
    const sets = new Intsets(arena);
    for (let round = 0; round < 60; round++) {
      const model = new Set<bigint>();
      let ref = sets.create();
      const bits = 3 + prng.below(61);
      for (let step = 0; step < 300; step++) {
        const wide = (BigInt(prng.bits()) << 32n) | BigInt(prng.bits());
        const value = BigInt.asIntN(bits, wide);
        number.set(Number(value >> 32n), Number(value & 0xffffffffn));
        const { high, low } = number;
        if (prng.below(3) > 0) {
          ref = sets.add(ref, high, low);
          model.add(value);
        } else {
          ref = sets.remove(ref, high, low);
          model.delete(value);
        }
        expect(sets.count(ref), `seed ${prng.seed} round ${round}`).toBe(model.size);
      }
      const sorted = [...model].sort((first, second) => (first < second ? -1 : 1));
      expect(contents(sets, ref), `seed ${prng.seed} round ${round}`).toEqual(sorted);
      const bytes = raw(sets, ref);
      if (model.size > 0) expect(validateIntset(bytes, 0, bytes.length, true)).toBe('');
      const copy = sets.copy(ref);
      expect(raw(sets, copy)).toEqual(bytes);
      sets.free(copy);
      sets.free(ref);
    }
    expect(arena.usedBytes).toBe(0);
  });
});

describe('validateIntset', () => {
  it('refuses what is cut, empty, unordered or of an unknown encoding, and survives garbage', () => {
    const good = Buffer.from('0200000003000000ffff05002c01', 'hex');
    expect(validateIntset(good, 0, good.length, true)).toBe('');
    for (let length = 0; length < good.length; length++) {
      expect(validateIntset(good, 0, length, true)).not.toBe('');
    }
    const refused = ['0200000000000000', '0200000002000000' + '05000500', '0200000002000000' + '0600ffff'];
    for (const hex of [...refused, '03000000' + '01000000' + '000000', '02000000ffffffff0000']) {
      const bytes = Buffer.from(hex, 'hex');
      expect(validateIntset(bytes, 0, bytes.length, true), hex).not.toBe('');
    }
    const prng = new Prng(Date.now());
    for (let round = 0; round < 5000; round++) {
      const broken = Buffer.from(good);
      for (let change = 0; change < 3; change++) broken[prng.below(broken.length)] = prng.below(256);
      validateIntset(broken, 0, prng.below(broken.length + 1), true);
    }
  });
});
