import { describe, expect, it } from 'vitest';
import { bitLength, roundBinary, scanFloat } from './float-text.ts';
import { Prng } from './prng.ts';

describe('scanFloat', () => {
  it.each([
    ['', 'none', '', 0, 0],
    ['x', 'none', '', 0, 0],
    ['.', 'none', '', 0, 0],
    ['12', 'decimal', '12', 0, 2],
    [' +0012.50', 'decimal', '1250', -2, 9],
    ['1e5x', 'decimal', '1', 5, 3],
    ['1e', 'decimal', '1', 0, 1],
    ['1e+', 'decimal', '1', 0, 1],
    ['0x1.8p-3', 'hex', '18', -7, 8],
    ['0x', 'decimal', '', 0, 1],
    ['0xg', 'decimal', '', 0, 1],
    ['INFinite', 'infinite', '', 0, 3],
    ['-infinity', 'infinite', '', 0, 9],
    ['nan(12)', 'nan', '', 0, 7],
    ['1e999999999999', 'decimal', '1', 1e9, 14],
  ])('of %j takes a %s', (text, kind, digits, exponent, end) => {
    expect(scanFloat(text)).toMatchObject({ kind, digits, exponent, end, negative: text.startsWith('-') });
  });
});

describe('bitLength', () => {
  it.each([
    [0n, 0],
    [1n, 1],
    [255n, 8],
    [256n, 9],
    [(1n << 64n) - 1n, 64],
  ])('of %d is %d', (value, bits) => {
    expect(bitLength(value)).toBe(bits);
  });
});

describe('roundBinary', () => {
  it('rounds quotients as doubles are divided', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 5000; round++) {
      const numerator = random.bits() * 2 ** 20 + random.below(2 ** 20);
      const denominator = 1 + random.below(2 ** 31);
      const { mantissa, exponent } = roundBinary(BigInt(numerator), BigInt(denominator), 0, 53, -1074);
      const found = Number(mantissa) * 2 ** exponent;
      expect(found, `seed ${random.seed}: ${numerator} / ${denominator}`).toBe(numerator / denominator);
    }
  });

  it('takes halves to the even neighbour and stops at the smallest exponent', () => {
    expect(roundBinary(5n, 2n, 0, 2, -10)).toEqual({ mantissa: 2n, exponent: 0 });
    expect(roundBinary(7n, 2n, 0, 2, -10)).toEqual({ mantissa: 2n, exponent: 1 });
    expect(roundBinary(3n, 1n, -12, 8, -10)).toEqual({ mantissa: 1n, exponent: -10 });
    expect(roundBinary(2n, 1n, -12, 8, -10)).toEqual({ mantissa: 0n, exponent: -10 });
    expect(roundBinary(0n, 7n, 3, 8, -10)).toEqual({ mantissa: 0n, exponent: -10 });
  });
});
