import { describe, expect, it } from 'vitest';
import {
  cacheCount,
  cachedCount,
  denseRegister,
  emptyHyperLogLog,
  estimate,
  HLL_DENSE_BYTES,
  HLL_REGISTERS,
  isHyperLogLog,
  isSparse,
  isWhole,
  markStale,
  mergeRegisters,
  placeOf,
  raiseDense,
  setDenseRegister,
  toDense,
} from './hyperloglog.ts';
import { decodeSparse, raiseSparse } from './hyperloglog-sparse.ts';
import { hashed, murmur64 } from './murmur64.ts';
import { Prng } from './prng.ts';

function randomBytes(random: Prng, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}

describe('placeOf', () => {
  it('is the register of the low 14 bits and the zeros before the lowest set bit of the others', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 2000; round++) {
      const bytes = randomBytes(random, random.below(40));
      murmur64(bytes, 0, bytes.length, 0xadc83b19);
      const hash = (BigInt(hashed.high >>> 0) << 32n) | BigInt(hashed.low >>> 0);
      const rest = ((hash >> 14n) | (1n << 50n)).toString(2);
      const place = placeOf(bytes, 0, bytes.length);
      expect(place >>> 6, `seed ${random.seed}`).toBe(Number(hash & 16383n));
      expect(place & 63, `seed ${random.seed}`).toBe(rest.length - rest.lastIndexOf('1'));
    }
  });
});

describe('dense registers', () => {
  it('keep what was set and leave their neighbours alone', () => {
    const random = new Prng(Date.now());
    const dense = Buffer.alloc(HLL_DENSE_BYTES + 1);
    const wanted = new Uint8Array(HLL_REGISTERS);
    for (let round = 0; round < 50000; round++) {
      const index = random.below(HLL_REGISTERS);
      wanted[index] = random.below(64);
      setDenseRegister(dense, 0, index, wanted[index]);
    }
    const found = wanted.map((_, index) => denseRegister(dense, 0, index));
    expect(found, `seed ${random.seed}`).toEqual(wanted);
    expect(dense[HLL_DENSE_BYTES]).toBe(0);
    expect(raiseDense(dense, 0, 5, 0)).toBe(false);
  });
});

describe('raiseSparse', () => {
  it('holds the same registers as a plain array until it has to be promoted', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 30; round++) {
      const sketch = { bytes: Buffer.concat([emptyHyperLogLog()], 4096), length: 18 };
      const wanted = new Uint8Array(HLL_REGISTERS);
      const near = 1 + random.below(HLL_REGISTERS);
      for (let step = 0; step < 800; step++) {
        const index = random.below(near);
        const count = 1 + random.below(random.below(20) === 0 ? 34 : 4);
        const raised = raiseSparse(sketch, index, count, 3000);
        if (raised === 'promote') break;
        expect(raised, `seed ${random.seed}`).toBe(count > wanted[index] ? 'raised' : 'same');
        wanted[index] = Math.max(wanted[index], count);
      }
      const found = new Uint8Array(HLL_REGISTERS);
      expect(mergeRegisters(found, sketch.bytes, sketch.length)).toBe(true);
      expect(Buffer.from(found).equals(Buffer.from(wanted)), `seed ${random.seed}`).toBe(true);
      expect(isWhole(sketch.bytes, sketch.length)).toBe(true);
    }
  });

  it('splits and joins runs as Redis prints them', () => {
    const sketch = { bytes: Buffer.concat([emptyHyperLogLog()], 64), length: 18 };
    for (const [index, count] of [
      [1000, 2],
      [1020, 3],
      [1021, 3],
    ] as const)
      raiseSparse(sketch, index, count, 3000);
    expect(decodeSparse(sketch.bytes, sketch.length)).toBe('Z:1000 v:2,1 z:19 v:3,2 Z:15362');
    expect(raiseSparse(sketch, 1020, 4, 3000)).toBe('raised');
    expect(decodeSparse(sketch.bytes, sketch.length)).toBe('Z:1000 v:2,1 z:19 v:4,1 v:3,1 Z:15362');
    expect(raiseSparse(sketch, 5, 33, 3000)).toBe('promote');
    expect(raiseSparse(sketch, 5, 3, 20)).toBe('promote');
  });

  it('says corrupt, and never runs over, on random bytes', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.concat([
        emptyHyperLogLog().subarray(0, 16),
        randomBytes(random, random.below(30)),
      ]);
      const sketch = { bytes: Buffer.concat([bytes], 400), length: bytes.length };
      for (let step = 0; step < 20; step++) {
        raiseSparse(sketch, random.below(HLL_REGISTERS), 1 + random.below(40), 300);
        expect(sketch.length, `seed ${random.seed}`).toBeLessThanOrEqual(300);
      }
      const registers = new Uint8Array(HLL_REGISTERS);
      mergeRegisters(registers, sketch.bytes, sketch.length);
      toDense(sketch.bytes, sketch.length);
      decodeSparse(sketch.bytes, sketch.length);
    }
  });
});

describe('estimate', () => {
  it('is within a few standard errors of the truth', () => {
    const random = new Prng(7);
    const registers = new Uint8Array(HLL_REGISTERS);
    expect(estimate(registers)).toBe(0);
    const element = Buffer.alloc(8);
    element.writeUInt32LE(random.bits(), 4);
    for (let count = 1, next = 10; count <= 100000; count++) {
      element.writeUInt32LE(count);
      const place = placeOf(element, 0, 8);
      registers[place >>> 6] = Math.max(registers[place >>> 6], place & 63);
      if (count !== next) continue;
      next *= 10;
      expect(Math.abs(estimate(registers) - count)).toBeLessThanOrEqual(Math.ceil(count * 0.05));
    }
  });
});

describe('isHyperLogLog', () => {
  it('takes the magic word, a known encoding and the one length of the dense form', () => {
    const empty = emptyHyperLogLog();
    expect(isHyperLogLog(empty, 0, empty.length)).toBe(true);
    expect(isSparse(empty, 0)).toBe(true);
    expect(isHyperLogLog(Buffer.from('HYLL'), 0, 4)).toBe(false);
    expect(isHyperLogLog(Buffer.alloc(16), 0, 16)).toBe(false);
    const dense = toDense(empty, empty.length) ?? empty;
    expect(isHyperLogLog(dense, 0, dense.length)).toBe(true);
    expect(isHyperLogLog(dense, 0, dense.length - 1)).toBe(false);
    dense[4] = 2;
    expect(isHyperLogLog(dense, 0, dense.length)).toBe(false);
  });

  it('keeps an estimate until it is marked stale', () => {
    const bytes = emptyHyperLogLog();
    cacheCount(bytes, 0, 77);
    expect(cachedCount(bytes, 0)).toBe(77n);
    markStale(bytes, 0);
    expect(cachedCount(bytes, 0)).toBe(null);
  });
});
