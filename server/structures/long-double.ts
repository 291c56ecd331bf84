/**
 * The 80-bit extended precision of x86 in software: what INCRBYFLOAT and HINCRBYFLOAT calculate with in
 * Redis. 64 bits of mantissa, exponents of 15 bits, rounding to the nearest with halves to even.
 */
import { bitLength, roundBinary, scanFloat } from './float-text.ts';

/** A finite number is mantissa * 2^exponent (the mantissa has the sign); else `infinite` is 1 or -1. */
export interface LongDouble {
  readonly mantissa: bigint;
  readonly exponent: number;
  readonly infinite: -1 | 0 | 1;
}

const PRECISION = 64;
/** Worth of the last bit of the smallest number. */
const EXPONENT_MIN = -16445;
/** A number reaches 2^16384: it is infinite. */
const BITS_MAX = 16384;
/** Redis reads no longer text as a number. */
const TEXT_MAX = 5 * 1024;
const DECIMALS = 17;
const DECIMALS_POWER = 10n ** 17n;
/** 10^±5100 is outside the format whatever digits stand before it. */
const DECIMAL_EXPONENT_MAX = 5100;

const INFINITE: LongDouble = { mantissa: 0n, exponent: 0, infinite: 1 };
const MINUS_INFINITE: LongDouble = { mantissa: 0n, exponent: 0, infinite: -1 };

/**
 * Reads all of bytes[start, start + length) as strtold does, hexadecimal and `inf` included. Null for what
 * Redis refuses: nothing, white space, trailing characters, NaN, a number too large or too small for the
 * format.
 */
export function parseLongDouble(bytes: Uint8Array, start: number, length: number): LongDouble | null {
  if (length === 0 || length >= TEXT_MAX) return null;
  const text = Buffer.prototype.latin1Slice.call(bytes, start, start + length);
  if (/^\s/.test(text)) return null;
  const found = scanFloat(text);
  if (found.end !== length || found.kind === 'none' || found.kind === 'nan') return null;
  if (found.kind === 'infinite') return found.negative ? MINUS_INFINITE : INFINITE;
  if (found.digits === '') return { mantissa: 0n, exponent: EXPONENT_MIN, infinite: 0 };
  const value =
    found.kind === 'hex'
      ? ofHex(found.digits, found.exponent, found.negative)
      : ofDecimal(found.digits, found.exponent, found.negative);
  return value.infinite !== 0 || value.mantissa === 0n ? null : value;
}

function ofHex(digits: string, exponent: number, negative: boolean): LongDouble {
  const bits = digits.length * 4 + exponent;
  if (bits > BITS_MAX + 4) return negative ? MINUS_INFINITE : INFINITE;
  if (bits < EXPONENT_MIN - 1) return rounded(0n, 1n, 0, negative);
  return rounded(BigInt(`0x${digits}`), 1n, exponent, negative);
}

function ofDecimal(digits: string, exponent: number, negative: boolean): LongDouble {
  const magnitude = digits.length + exponent;
  if (magnitude > DECIMAL_EXPONENT_MAX) return negative ? MINUS_INFINITE : INFINITE;
  if (magnitude < -DECIMAL_EXPONENT_MAX) return rounded(0n, 1n, 0, negative);
  const power = 10n ** BigInt(Math.abs(exponent));
  return exponent >= 0
    ? rounded(BigInt(digits) * power, 1n, 0, negative)
    : rounded(BigInt(digits), power, 0, negative);
}

/** numerator / denominator * 2^exponent in the format. */
function rounded(numerator: bigint, denominator: bigint, exponent: number, negative: boolean): LongDouble {
  const value = roundBinary(numerator, denominator, exponent, PRECISION, EXPONENT_MIN);
  if (bitLength(value.mantissa) + value.exponent > BITS_MAX) return negative ? MINUS_INFINITE : INFINITE;
  return { mantissa: negative ? -value.mantissa : value.mantissa, exponent: value.exponent, infinite: 0 };
}

/** The sum; null when it is NaN, which only infinities of both signs make. */
export function addLongDouble(left: LongDouble, right: LongDouble): LongDouble | null {
  if (left.infinite !== 0) return right.infinite === -left.infinite ? null : left;
  if (right.infinite !== 0) return right;
  const exponent = Math.min(left.exponent, right.exponent);
  const sum =
    (left.mantissa << BigInt(left.exponent - exponent)) +
    (right.mantissa << BigInt(right.exponent - exponent));
  return rounded(sum < 0n ? -sum : sum, 1n, exponent, sum < 0n);
}

/** Redis' form for people: 17 decimals, zeros at the end cut, never an exponent; `inf`, `-inf`. */
export function formatLongDouble(value: LongDouble): string {
  if (value.infinite !== 0) return value.infinite > 0 ? 'inf' : '-inf';
  const { exponent } = value;
  const negative = value.mantissa < 0n;
  const mantissa = negative ? -value.mantissa : value.mantissa;
  let scaled = mantissa * DECIMALS_POWER;
  if (exponent >= 0) scaled <<= BigInt(exponent);
  else {
    const half = 1n << BigInt(-exponent - 1);
    const rest = scaled & (half * 2n - 1n);
    scaled >>= BigInt(-exponent);
    if (rest > half || (rest === half && (scaled & 1n) === 1n)) scaled++;
  }
  if (scaled === 0n) return '0';
  const digits = scaled.toString().padStart(DECIMALS + 1, '0');
  const whole = digits.slice(0, -DECIMALS);
  const part = digits.slice(-DECIMALS).replace(/0+$/, '');
  return `${negative ? '-' : ''}${whole}${part === '' ? '' : `.${part}`}`;
}
