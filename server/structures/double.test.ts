import { describe, expect, it } from 'vitest';
import { formatDouble, formatDouble17, parseDouble, parseRangeDouble } from './double.ts';
import { Prng } from './prng.ts';

function parse(text: string): number {
  const bytes = Buffer.from(`#${text}#`, 'latin1');
  return parseDouble(bytes, 1, bytes.length - 2);
}

function parseRange(text: string): number {
  const bytes = Buffer.from(`#${text}#`, 'latin1');
  return parseRangeDouble(bytes, 1, bytes.length - 2);
}

/** Any double but NaN, subnormal ones, infinities and zeros included. */
function anyDouble(random: Prng): number {
  const view = new DataView(new ArrayBuffer(8));
  do {
    view.setUint32(0, random.below(2 ** 32));
    view.setUint32(4, random.below(2 ** 32));
  } while (Number.isNaN(view.getFloat64(0)));
  return view.getFloat64(0);
}

describe('parseDouble', () => {
  it.each([
    ['0', 0],
    ['-0', -0],
    ['+5', 5],
    ['1.', 1],
    ['.5', 0.5],
    ['-12.75', -12.75],
    ['1e3', 1000],
    ['1E-2', 0.01],
    ['0.1', 0.1],
    ['123456789012345', 123456789012345],
    ['1234567890123456789', 1234567890123456800],
    ['inf', Infinity],
    ['+INF', Infinity],
    ['-infinity', -Infinity],
    ['0x10', 16],
    ['-0x1.8p1', -3],
    ['0x.8', 0.5],
    ['0x1p-1074', 5e-324],
    ['0x1.fffffffffffff8p1023', Number.NaN],
    ['0e999', 0],
  ])('%j is %d', (text, value) => {
    expect(parse(text)).toBe(value);
  });

  it.each([
    '',
    ' 1',
    '1 ',
    '\t1',
    'nan',
    'NAN(1)',
    '--1',
    '+-1',
    '1..2',
    '.',
    '-',
    'e5',
    '1e',
    '0x',
    '0xg',
    '1e400',
    '-1e400',
    '1e-400',
    '0x1p-1080',
    'infin',
    'abc',
    '1,5',
    '1\0',
  ])('%j is refused', (text) => {
    expect(parse(text)).toBe(Number.NaN);
  });

  it('agrees with JavaScript on random decimal texts, and throws on nothing', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 20000; round++) {
      const length = random.below(24);
      const text = Array.from({ length }, () => '0123456789.eE+-'[random.below(15)]).join('');
      const decimal = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(text);
      const value = decimal ? Number(text) : Number.NaN;
      const zero = value === 0 && /[1-9]/.test(text.split(/[eE]/, 1)[0] ?? '');
      const wanted = zero || !Number.isFinite(value) ? Number.NaN : value;
      expect(parse(text), `seed ${random.seed}: ${text}`).toBe(wanted);
    }
  });
});

describe('parseRangeDouble', () => {
  it.each([
    ['', 0],
    [' 5', 5],
    ['5\0six', 5],
    ['1e400', Infinity],
    ['-1e400', -Infinity],
    ['1e-400', 0],
    ['-inf', -Infinity],
    ['nan', Number.NaN],
    ['5 ', Number.NaN],
    ['x', Number.NaN],
  ])('%j is %d', (text, value) => {
    expect(parseRange(text)).toBe(value);
  });
});

describe('formatDouble', () => {
  it.each([
    [0, '0'],
    [-0, '-0'],
    [3, '3'],
    [3.3, '3.3'],
    [-0.5, '-0.5'],
    [0.00001, '0.00001'],
    [0.000001, '0.000001'],
    [0.0000001, '1e-7'],
    [0.00001234, '1.234e-5'],
    [12345.12345678, '1.234512345678e+4'],
    [1234.12345678, '1234.12345678'],
    [0.00123456789, '0.00123456789'],
    [0.000123456789, '1.23456789e-4'],
    [2 ** 53, '9007199254740992'],
    [2 ** 62, '4611686018427387904'],
    [2 ** 63, '9223372036854776000'],
    [1e20, '1e+20'],
    [1e21, '1e+21'],
    [1.5e300, '1.5e+300'],
    [5e-324, '5e-324'],
    [Number.MAX_VALUE, '1.7976931348623157e+308'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
    [Number.NaN, 'nan'],
  ])('%d prints as %j', (value, text) => {
    expect(formatDouble(value)).toBe(text);
  });

  it('reads back as the same double', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 20000; round++) {
      const value = anyDouble(random);
      const text = formatDouble(value);
      expect(parse(text), `seed ${random.seed}: ${text}`).toBe(value);
    }
  });
});

describe('formatDouble17', () => {
  it.each([
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [-10, '-10'],
    [0.1, '0.10000000000000001'],
    [3.3, '3.2999999999999998'],
    [0.0001, '0.0001'],
    [0.00001, '1.0000000000000001e-05'],
    [12345678901234568, '12345678901234568'],
    [1e17, '1e+17'],
    [1e300, '1.0000000000000001e+300'],
    [1 + 2 ** -17, '1.0000076293945312'],
    [1 + 3 * 2 ** -17, '1.0000228881835938'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
  ])('%d prints as %j', (value, text) => {
    expect(formatDouble17(value)).toBe(text);
  });

  it('reads back as the same double', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 20000; round++) {
      const value = anyDouble(random);
      const text = formatDouble17(value);
      expect(parse(text), `seed ${random.seed}: ${text}`).toBe(value);
    }
  });
});
