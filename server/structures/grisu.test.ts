import { describe, expect, it } from 'vitest';
import { formatShortest } from './double.ts';
import { grisuDigits } from './grisu.ts';
import { Prng } from './prng.ts';

describe('grisuDigits', () => {
  it('gives the digits of the C library that Redis uses, also where others are nearer or fewer', () => {
    // Made with that library: the value is …266.75.
    expect(formatShortest(1687735316809266.8)).toBe('1687735316809266.7');
    expect(formatShortest(5e-324)).toBe('5e-324');
    expect(formatShortest(1.7976931348623157e308)).toBe('1.7976931348623157e+308');
    expect(formatShortest(2 ** 60)).toBe('1152921504606847000');
    expect(formatShortest(-0.75555)).toBe('-0.75555');
    expect(formatShortest(1e21)).toBe('1e+21');
    expect(formatShortest(123456.789e-10)).toBe('1.23456789e-5');
  });

  it('gives digits that read back as the same double, and never more than 17', () => {
    const random = new Prng(Date.now());
    const words = new Uint32Array(2);
    const double = new Float64Array(words.buffer);
    for (let round = 0; round < 20_000; round++) {
      words[0] = random.bits();
      words[1] = random.bits() >>> 1;
      if (!Number.isFinite(double[0]) || double[0] === 0) continue;
      const { digits, scale } = grisuDigits(double[0]);
      expect(Number(`${digits}e${scale}`), `seed ${random.seed}`).toBe(double[0]);
      expect(digits.length).toBeLessThanOrEqual(17);
    }
  });
});
