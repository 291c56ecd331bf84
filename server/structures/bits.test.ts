import { describe, expect, it } from 'vitest';
import {
  type BitOperation,
  combineBits,
  countBits,
  firstBitIn,
  firstByteWith,
  fitBitfield,
  readBitfield,
  writeBitfield,
} from './bits.ts';
import { Prng } from './prng.ts';

function randomBytes(random: Prng, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => [0, 255, random.below(256)][random.below(3)] ?? 0));
}

/** One character a bit. */
function bitText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
}

describe('countBits', () => {
  it('agrees with counting characters, wherever the range starts', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 500; round++) {
      const bytes = randomBytes(random, random.below(60));
      const start = random.below(bytes.length + 1);
      const end = start + random.below(bytes.length - start + 1);
      const wanted = bitText(bytes.subarray(start, end)).split('1').length - 1;
      expect(countBits(bytes, start, end), `seed ${random.seed}`).toBe(wanted);
    }
  });
});

describe('firstByteWith', () => {
  it('agrees with a search from left to right', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 500; round++) {
      const bit = random.below(2);
      const bytes = Buffer.alloc(random.below(60), bit === 1 ? 0 : 255);
      if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
      const start = random.below(bytes.length + 1);
      const found = bytes.findIndex((byte, at) => at >= start && byte !== (bit === 1 ? 0 : 255));
      const wanted = found < 0 ? bytes.length : found;
      expect(firstByteWith(bytes, start, bytes.length, bit), `seed ${random.seed}`).toBe(wanted);
    }
  });
});

describe('firstBitIn', () => {
  it('is the position from the left, 8 when there is none', () => {
    expect(firstBitIn(0b00010000, 1, 0, 7)).toBe(3);
    expect(firstBitIn(0b00010000, 1, 4, 7)).toBe(8);
    expect(firstBitIn(0b11110111, 0, 0, 4)).toBe(4);
  });
});

describe('combineBits', () => {
  const wanted: Record<BitOperation, (bits: readonly number[]) => boolean> = {
    AND: (bits) => bits.every((bit) => bit === 1),
    OR: (bits) => bits.includes(1),
    XOR: (bits) => bits.filter((bit) => bit === 1).length % 2 === 1,
    NOT: ([first]) => first === 0,
    DIFF: ([first, ...others]) => first === 1 && !others.includes(1),
    DIFF1: ([first, ...others]) => first === 0 && others.includes(1),
    ANDOR: ([first, ...others]) => first === 1 && others.includes(1),
    ONE: (bits) => bits.filter((bit) => bit === 1).length === 1,
  };

  it.each(Object.keys(wanted) as BitOperation[])('%s agrees with its definition bit by bit', (operation) => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 50; round++) {
      const count = operation === 'NOT' ? 1 : 1 + random.below(4);
      const sources = Array.from({ length: count }, () => randomBytes(random, random.below(12)));
      const length = Math.max(...sources.map((source) => source.length));
      const texts = sources.map((source) => bitText(source).padEnd(length * 8, '0'));
      const bits = Array.from({ length: length * 8 }, (_, at) =>
        wanted[operation](texts.map((text) => Number(text[at]))) ? '1' : '0',
      );
      expect(bitText(combineBits(operation, sources)), `seed ${random.seed}`).toBe(bits.join(''));
    }
  });
});

describe('readBitfield and writeBitfield', () => {
  it('agree with slices of a text of bits', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 1000; round++) {
      const bytes = randomBytes(random, 10);
      const bits = 1 + random.below(64);
      const offset = random.below(81 - bits);
      const before = bitText(bytes);
      const message = `seed ${random.seed}`;
      expect(readBitfield(bytes, offset, bits), message).toBe(
        BigInt(`0b${before.slice(offset, offset + bits)}`),
      );
      const value = BigInt.asUintN(bits, (BigInt(random.bits()) << 32n) | BigInt(random.bits()));
      writeBitfield(bytes, offset, bits, value);
      const text = value.toString(2).padStart(bits, '0');
      expect(bitText(bytes), message).toBe(before.slice(0, offset) + text + before.slice(offset + bits));
    }
  });

  it("takes negative values as their two's complement", () => {
    const bytes = Buffer.alloc(2);
    writeBitfield(bytes, 4, 8, -1n);
    expect(bytes.toString('hex')).toBe('0ff0');
  });
});

describe('fitBitfield', () => {
  it.each([
    [255n, 8, false, 'WRAP', 255n],
    [256n, 8, false, 'WRAP', 0n],
    [256n, 8, false, 'SAT', 255n],
    [256n, 8, false, 'FAIL', null],
    [-1n, 8, false, 'WRAP', 255n],
    [-1n, 8, false, 'SAT', 0n],
    [127n, 8, true, 'FAIL', 127n],
    [128n, 8, true, 'WRAP', -128n],
    [128n, 8, true, 'SAT', 127n],
    [-129n, 8, true, 'WRAP', 127n],
    [-129n, 8, true, 'SAT', -128n],
    [-129n, 8, true, 'FAIL', null],
    [1n << 63n, 64, true, 'SAT', (1n << 63n) - 1n],
    [1n << 63n, 64, true, 'WRAP', -(1n << 63n)],
  ] as const)('%d in %d bits (signed: %s) by %s is %s', (value, bits, signed, overflow, wanted) => {
    expect(fitBitfield(value, bits, signed, overflow)).toBe(wanted);
  });
});
