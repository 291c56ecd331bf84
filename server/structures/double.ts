/** Doubles as text, as Redis 7.2 reads and prints them: scores, coordinates, replies of RESP 3. */
import { roundBinary, scanFloat } from './float-text.ts';
import { type Digits, grisuDigits } from './grisu.ts';

const PLUS = 43;
const MINUS = 45;
const POINT = 46;
/** Up to 15 digits and 10^22 both factors of a division are exact, and so is its rounding. */
const FAST_DIGITS_MAX = 15;
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, power) => 10 ** power);
const DENORMAL_EXPONENT = -1074;
const PRECISION = 53;

/**
 * Reads all of bytes[start, start + length): decimal, hexadecimal, `inf`, `infinity` with signs. NaN for what
 * Redis refuses: nothing, white space, trailing characters, `nan`, a number that overflows or becomes zero.
 */
export function parseDouble(bytes: Uint8Array, start: number, length: number): number {
  const fast = parseShort(bytes, start, length);
  if (!Number.isNaN(fast) || length === 0) return fast;
  const text = Buffer.prototype.latin1Slice.call(bytes, start, start + length);
  if (/^\s/.test(text)) return Number.NaN;
  const found = scanFloat(text);
  if (found.kind === 'none' || found.end !== length) return Number.NaN;
  const value = numberOf(text, found);
  const finite = found.kind === 'decimal' || found.kind === 'hex';
  const outOfRange = finite && (!Number.isFinite(value) || (value === 0 && found.digits !== ''));
  return outOfRange ? Number.NaN : value;
}

/**
 * Reads an end of a range of scores: as above, but white space before the number, an empty word (0) and
 * numbers outside of the format (infinite or 0) are taken, and the word ends at a zero byte.
 */
export function parseRangeDouble(bytes: Uint8Array, start: number, length: number): number {
  const fast = parseShort(bytes, start, length);
  if (!Number.isNaN(fast)) return fast;
  const [text = ''] = Buffer.prototype.latin1Slice.call(bytes, start, start + length).split('\0', 1);
  if (text === '') return 0;
  const found = scanFloat(text);
  return found.end === text.length ? numberOf(text, found) : Number.NaN;
}

/** What most numbers are, without an allocation: sign, digits, at most one point. NaN for all others. */
function parseShort(bytes: Uint8Array, start: number, length: number): number {
  let at = start;
  const end = start + length;
  const negative = bytes[at] === MINUS;
  if (negative || bytes[at] === PLUS) at++;
  let digits = 0;
  let decimals = 0;
  let mantissa = 0;
  let point = false;
  if (end - at > FAST_DIGITS_MAX + 1) return Number.NaN;
  for (; at < end; at++) {
    const digit = bytes[at] - 48;
    if (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit;
      digits++;
      if (point) decimals++;
    } else if (bytes[at] === POINT && !point) point = true;
    else return Number.NaN;
  }
  if (digits === 0 || digits > FAST_DIGITS_MAX) return Number.NaN;
  const value = decimals === 0 ? mantissa : mantissa / POWERS_OF_TEN[decimals];
  return negative ? -value : value;
}

function numberOf(text: string, found: ReturnType<typeof scanFloat>): number {
  const { kind, digits, exponent, negative } = found;
  if (kind === 'nan' || kind === 'none') return Number.NaN;
  if (kind === 'infinite') return negative ? -Infinity : Infinity;
  if (kind === 'decimal') return Number(text);
  return negative ? -hexValue(digits, exponent) : hexValue(digits, exponent);
}

function hexValue(digits: string, exponent: number): number {
  if (digits === '' || digits.length * 4 + exponent < DENORMAL_EXPONENT - 1) return 0;
  if (digits.length * 4 + exponent > 1028) return Infinity;
  const value = roundBinary(BigInt(`0x${digits}`), 1n, exponent, PRECISION, DENORMAL_EXPONENT);
  // In two steps: 2^exponent alone may be outside of the format where the product is not.
  const half = Math.trunc(value.exponent / 2);
  return Number(value.mantissa) * 2 ** half * 2 ** (value.exponent - half);
}

/** Integers up to this print all their digits. */
const INTEGER_MAX = 2 ** 62;

/**
 * The text of a score and of a RESP 3 double, which reads back as the same double. Integers up to 2^62 are
 * printed as integers; an exponent has a sign and at least one digit, as in `1e+20` and `1.5e-7`.
 */
export function formatDouble(value: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? '-0' : String(value);
  if (Number.isInteger(value) && Math.abs(value) <= INTEGER_MAX) return BigInt(value).toString();
  return formatShortest(value);
}

/** Like `formatDouble`, with large integers as short as fractions: what DEBUG DIGEST takes up. */
export function formatShortest(value: number): string {
  if (Number.isSafeInteger(value) && Math.abs(value) < 1e7)
    return Object.is(value, -0) ? '-0' : String(value);
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const sign = value < 0 ? '-' : '';
  const { digits, scale } = shortest(Math.abs(value));
  const exponent = Math.abs(scale + digits.length - 1);
  if (scale >= 0 && exponent < digits.length + 7) return `${sign}${digits}${'0'.repeat(scale)}`;
  if (scale < 0 && (scale > -7 || exponent < 4)) {
    const whole = digits.length + scale;
    if (whole <= 0) return `${sign}0.${'0'.repeat(-whole)}${digits}`;
    return `${sign}${digits.slice(0, whole)}.${digits.slice(whole)}`;
  }
  const part = digits.length > 1 ? `.${digits.slice(1)}` : '';
  return `${sign}${digits[0]}${part}e${scale + digits.length - 1 < 0 ? '-' : '+'}${exponent}`;
}

/** Digits as Redis finds them; JavaScript's where both must be the same. */
function shortest(value: number): Digits {
  const [mantissa = '', power = ''] = value.toExponential().split('e');
  const digits = mantissa.replace('.', '');
  const scale = Number(power) - digits.length + 1;
  return isSurelyShortest(value, digits, scale) ? { digits, scale } : grisuDigits(value);
}

/** Veltkamp's constant: splits a double into halves whose products are exact. */
const SPLIT = 2 ** 27 + 1;
/** Of the distance to the next double; Grisu's interval ends a little before the half. */
const NEAR = 0.49;

/**
 * True when no other number has as few digits and lies near enough: digits * 10^scale is the only one of 15
 * digits or fewer, unless it lies at the very end of the double's interval.
 */
function isSurelyShortest(value: number, digits: string, scale: number): boolean {
  if (digits.length > FAST_DIGITS_MAX || scale < -22 || scale > 0) return false;
  const power = POWERS_OF_TEN[-scale];
  // value * power as the sum of two doubles.
  const high = value * power;
  const valueTop = SPLIT * value - (SPLIT * value - value);
  const powerTop = SPLIT * power - (SPLIT * power - power);
  const valueRest = value - valueTop;
  const powerRest = power - powerTop;
  const low =
    valueRest * powerRest - (high - valueTop * powerTop - valueRest * powerTop - valueTop * powerRest);
  const distance = Math.abs(high - Number(digits) + low);
  // A power of two has a nearer neighbour below: for it the bound is half as far, as for all of them here.
  return distance < high * 2 ** -54 * NEAR;
}

/** C's `%.17g`: what DEBUG DIGEST, AOF rewrites and scripts print. */
export function formatDouble17(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const [mantissa = '', power = ''] = seventeen(Math.abs(value)).split('e');
  const sign = value < 0 ? '-' : '';
  const exponent = Number(power);
  const digits = mantissa.replace('.', '').replace(/0+$/, '');
  if (exponent >= -4 && exponent < 17) {
    if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
    const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
    const part = digits.slice(exponent + 1);
    return `${sign}${whole}${part === '' ? '' : `.${part}`}`;
  }
  const part = digits.length > 1 ? `.${digits.slice(1)}` : '';
  const power2 = String(Math.abs(exponent)).padStart(2, '0');
  return `${sign}${digits[0]}${part}e${exponent < 0 ? '-' : '+'}${power2}`;
}

/** 17 significant digits. JavaScript rounds an exact half up where C rounds it to the even digit. */
function seventeen(value: number): string {
  const rounded = value.toExponential(16);
  const [exact = ''] = value.toExponential(80).split('e');
  if (exact[18] !== '5' || /[1-9]/.test(exact.slice(19))) return rounded;
  const cut = exact.slice(0, 18);
  if (Number(cut[17]) % 2 !== 0) return rounded;
  return `${cut}e${value.toExponential(80).split('e')[1]}`;
}
