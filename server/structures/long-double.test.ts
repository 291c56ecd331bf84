import { describe, expect, it } from 'vitest';
import { bitLength } from './float-text.ts';
import { addLongDouble, formatLongDouble, type LongDouble, parseLongDouble } from './long-double.ts';
import { Prng } from './prng.ts';

function parse(text: string): LongDouble | null {
  const bytes = Buffer.from(`#${text}#`, 'latin1');
  return parseLongDouble(bytes, 1, bytes.length - 2);
}

function taken(text: string): LongDouble {
  const value = parse(text);
  if (value === null) throw new Error(`${text} is refused`);
  return value;
}

function sum(left: string, right: string): string {
  const value = addLongDouble(taken(left), taken(right));
  return value === null ? 'nan' : formatLongDouble(value);
}

describe('parseLongDouble', () => {
  it.each([
    ['0', '0'],
    ['-0', '0'],
    ['1.', '1'],
    ['.5', '0.5'],
    ['5.0e3', '5000'],
    ['-1.25E-2', '-0.0125'],
    ['18446744073709551615', '18446744073709551615'],
    ['18446744073709551617', '18446744073709551616'],
    ['0.1', '0.1'],
    ['0x1.8p1', '3'],
    ['1e-18', '0'],
    ['0.000000000000000005', '0'],
    ['0.000000000000000006', '0.00000000000000001'],
    ['inf', 'inf'],
    ['-Infinity', '-inf'],
  ])('%s prints as %s', (text, printed) => {
    expect(formatLongDouble(taken(text))).toBe(printed);
  });

  it.each([
    '',
    ' 1',
    '1 ',
    'nan',
    'abc',
    '1e5000',
    '-1e5000',
    '1e-5000',
    '1e999999999999',
    '1e-999999999999',
    '0x1p-20000',
    '0x1p20000',
    '1.5x',
    '1\0',
    `0.${'1'.repeat(5200)}`,
  ])('%s is refused', (text) => {
    expect(parse(text)).toBe(null);
  });

  it('keeps the largest and the smallest number', () => {
    expect(formatLongDouble(taken('1.18973149535723176502e4932'))).toHaveLength(4933);
    expect(parse('1.1897314953572317651e4932')).toBe(null);
    expect(taken('3.6e-4951').mantissa).toBe(1n);
    expect(parse('1.8e-4951')).toBe(null);
  });

  it('is never longer than 64 bits and throws on nothing', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 5000; round++) {
      const length = random.below(30);
      const text = Array.from({ length }, () => '0123456789.eE+-xp'[random.below(17)]).join('');
      const value = parse(text);
      if (value === null) continue;
      const magnitude = value.mantissa < 0n ? -value.mantissa : value.mantissa;
      expect(bitLength(magnitude), `seed ${random.seed}: ${text}`).toBeLessThanOrEqual(64);
    }
  });
});

describe('addLongDouble', () => {
  it.each([
    ['3', '1.1', '4.1'],
    ['10.50', '0.1', '10.6'],
    ['5.0e3', '2.0e2', '5200'],
    ['0.1', '0.2', '0.3'],
    ['1', '-1', '0'],
    ['-1.1', '1.1', '0'],
    ['17179869184', '1.5', '17179869185.5'],
    ['9223372036854775807', '1', '9223372036854775808'],
    ['1', '1e-25', '1'],
    ['1.1e4932', '1.1e4932', 'inf'],
    ['inf', '-inf', 'nan'],
    ['inf', '1', 'inf'],
    ['1', '-inf', '-inf'],
  ])('%s + %s is %s', (left, right, wanted) => {
    expect(sum(left, right)).toBe(wanted);
  });

  it('is exact on decimals that fit', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 5000; round++) {
      const left = random.below(2 ** 31) - 2 ** 30;
      const right = random.below(2 ** 31) - 2 ** 30;
      const wanted = String((left + right) / 1024);
      expect(sum(String(left / 1024), String(right / 1024)), `seed ${random.seed}`).toBe(wanted);
    }
  });
});
