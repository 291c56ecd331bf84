/** The grammar of C's strtod and strtold, and the rounding that both end with. */

/** A number as it was written. Digits are without sign, point and leading zeros. */
export interface FloatText {
  readonly kind: 'none' | 'nan' | 'infinite' | 'decimal' | 'hex';
  readonly negative: boolean;
  readonly digits: string;
  /** Power of ten (decimal) or of two (hex) that the digits, read as an integer, are multiplied with. */
  readonly exponent: number;
  /** Characters that belong to the number, white space before it included; 0 when there is none. */
  readonly end: number;
}

const GRAMMAR = new RegExp(
  '^[ \\t\\n\\v\\f\\r]*([+-]?)(?:(inf(?:inity)?)|(nan(?:\\([0-9a-z_]*\\))?)' +
    '|0x(?=\\.?[0-9a-f])([0-9a-f]*)(?:\\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?' +
    '|(?=\\.?[0-9])([0-9]*)(?:\\.([0-9]*))?(?:e([+-]?[0-9]+))?)',
  'i',
);
/** No sum with a digit count overflows, and it is far outside of every format. */
const EXPONENT_MAX = 1e9;

/** The longest beginning of `text` that strtod would take. */
export function scanFloat(text: string): FloatText {
  const found = GRAMMAR.exec(text);
  if (found === null) return { kind: 'none', negative: false, digits: '', exponent: 0, end: 0 };
  const [all, sign, infinite, nan, hexWhole, hexPart = '', hexExponent, whole = '', part = '', power] = found;
  const number = { negative: sign === '-', end: all.length };
  if (infinite !== undefined) return { ...number, kind: 'infinite', digits: '', exponent: 0 };
  if (nan !== undefined) return { ...number, kind: 'nan', digits: '', exponent: 0 };
  if (hexWhole !== undefined) {
    const exponent = bounded(hexExponent) - hexPart.length * 4;
    return { ...number, kind: 'hex', digits: significant(hexWhole + hexPart), exponent };
  }
  const exponent = bounded(power) - part.length;
  return { ...number, kind: 'decimal', digits: significant(whole + part), exponent };
}

function bounded(exponent: string | undefined): number {
  const value = exponent === undefined ? 0 : Number(exponent);
  return Math.max(-EXPONENT_MAX, Math.min(EXPONENT_MAX, value));
}

function significant(digits: string): string {
  return digits.replace(/^0+/, '');
}

/** mantissa * 2^exponent. */
export interface Binary {
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** Bits of a number that is not negative; 0 for 0. */
export function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  const hex = value.toString(16);
  return hex.length * 4 - Math.clz32(Number.parseInt(hex.charAt(0), 16)) + 28;
}

/**
 * numerator / denominator * 2^exponent to the nearest number of at most `precision` bits whose last bit is
 * worth 2^`exponentMin` or more; halves go to the even neighbour. Neither may be negative.
 */
export function roundBinary(
  numerator: bigint,
  denominator: bigint,
  exponent: number,
  precision: number,
  exponentMin: number,
): Binary {
  if (numerator === 0n) return { mantissa: 0n, exponent: exponentMin };
  // One bit more or less than wanted: the quotient's length is only known after the division.
  let shift = precision - bitLength(numerator) + bitLength(denominator);
  for (;;) {
    if (exponent - shift < exponentMin) shift = exponent - exponentMin;
    const up = shift > 0 ? numerator << BigInt(shift) : numerator;
    const down = shift < 0 ? denominator << BigInt(-shift) : denominator;
    let mantissa = up / down;
    if (bitLength(mantissa) > precision) {
      shift--;
      continue;
    }
    const twice = (up - mantissa * down) * 2n;
    if (twice > down || (twice === down && (mantissa & 1n) === 1n)) mantissa++;
    // Rounded up to one bit more, it is a power of two and can be halved.
    if (bitLength(mantissa) > precision) return { mantissa: mantissa >> 1n, exponent: exponent - shift + 1 };
    return { mantissa, exponent: exponent - shift };
  }
}
