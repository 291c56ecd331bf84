/**
 * Doubles to decimal digits as Redis finds them: Grisu2 (Loitsch, 2010), which gives digits that read back as
 * the same double, as a rule the fewest and the nearest ones, but not always. Where it does not, neither does
 * this: replies and digests are compared byte for byte.
 *
 * The double and the ends of its interval are multiplied by a power of ten of 64 bits, so that the product's
 * integral part has 32 bits at most; digits of the upper end are produced until the rest lies in the
 * interval.
 */

/** digits * 10^scale. */
export interface Digits {
  readonly digits: string;
  readonly scale: number;
}

const FRACTION_BITS = 52n;
const HIDDEN_BIT = 1n << FRACTION_BITS;
const EXPONENT_BIAS = 1023 + 52;
const FIRST_POWER = -348;
const POWER_STEP = 8;
const POWERS = 87;
/** The exponent of a product lies between these. */
const PRODUCT_EXPONENT_MIN = -60;
const PRODUCT_EXPONENT_MAX = -32;
const HALF_64 = 1n << 63n;

const double = new Float64Array(1);
const doubleBits = new BigUint64Array(double.buffer);

/** A power of ten: mantissa * 2^exponent, the mantissa with exactly 64 bits. */
interface Power {
  readonly mantissa: bigint;
  readonly exponent: number;
}

const powers: (Power | undefined)[] = new Array<Power | undefined>(POWERS).fill(undefined);

function powerAt(index: number): Power {
  const known = powers[index];
  if (known !== undefined) return known;
  const power = FIRST_POWER + index * POWER_STEP;
  const above = power >= 0 ? 10n ** BigInt(power) : 1n;
  const below = power >= 0 ? 1n : 10n ** BigInt(-power);
  let exponent = above.toString(2).length - below.toString(2).length - 64;
  // The quotient has 64 or 65 bits; of those one too many goes.
  if (scaled(above, below, exponent) >> 64n !== 0n) exponent++;
  const made = { mantissa: scaled(above, below, exponent), exponent };
  powers[index] = made;
  return made;
}

/** above / below / 2^exponent, rounded. */
function scaled(above: bigint, below: bigint, exponent: number): bigint {
  const dividend = exponent < 0 ? above << BigInt(-exponent) : above;
  const divisor = exponent < 0 ? below : below << BigInt(exponent);
  return (dividend * 2n + divisor) / (divisor * 2n);
}

/** Digits of a finite value above 0. */
export function grisuDigits(value: number): Digits {
  double[0] = value;
  const bits = doubleBits[0];
  const biased = Number(bits >> FRACTION_BITS);
  const fraction = bits & (HIDDEN_BIT - 1n);
  const mantissa = biased === 0 ? fraction : fraction | HIDDEN_BIT;
  const exponent = (biased === 0 ? 1 : biased) - EXPONENT_BIAS;
  // All three with the exponent of the upper end, which has 64 bits then.
  let upper = mantissa * 2n + 1n;
  const shift = 64 - upper.toString(2).length;
  upper <<= BigInt(shift);
  const upperExponent = exponent - 1 - shift;
  // Below a power of two doubles lie twice as close.
  const down = mantissa === HIDDEN_BIT ? 2 : 1;
  const lower = ((mantissa << BigInt(down)) - 1n) << BigInt(exponent - down - upperExponent);
  const middle = mantissa << BigInt(exponent - upperExponent);
  const index = powerFor(upperExponent);
  const power = powerAt(index);
  return generate(
    product(middle, power),
    product(upper, power) - 1n,
    product(lower, power) + 1n,
    -(upperExponent + power.exponent + 64),
    -(FIRST_POWER + index * POWER_STEP),
  );
}

function powerFor(exponent: number): number {
  const decimal = Math.trunc(-(exponent + POWERS) * 0.30102999566398114);
  let index = Math.trunc((decimal - FIRST_POWER) / POWER_STEP);
  for (;;) {
    const sum = exponent + powerAt(index).exponent + 64;
    if (sum < PRODUCT_EXPONENT_MIN) index++;
    else if (sum > PRODUCT_EXPONENT_MAX) index--;
    else return index;
  }
}

function product(left: bigint, power: Power): bigint {
  return (left * power.mantissa + HALF_64) >> 64n;
}

/** Digits of `upper` / 2^point up to the first place where what is left out stays above `lower`. */
function generate(middle: bigint, upper: bigint, lower: bigint, point: number, scale: number): Digits {
  const shift = BigInt(point);
  const one = 1n << shift;
  const toMiddle = upper - middle;
  let delta = upper - lower;
  let whole = Number(upper >> shift);
  let part = upper & (one - 1n);
  const digits: number[] = [];
  for (let place = 9, unit = 1e9; place >= 0; place--, unit /= 10) {
    const digit = Math.floor(whole / unit);
    if (digit !== 0 || digits.length > 0) digits.push(digit);
    whole -= digit * unit;
    const rest = (BigInt(whole) << shift) + part;
    if (rest > delta) continue;
    roundLast(digits, delta, rest, BigInt(unit) << shift, toMiddle);
    return { digits: digits.join(''), scale: scale + place };
  }
  let unit = 1n;
  for (let place = -1; ; place--) {
    part *= 10n;
    delta *= 10n;
    unit *= 10n;
    const digit = Number(part >> shift);
    if (digit !== 0 || digits.length > 0) digits.push(digit);
    part &= one - 1n;
    if (part >= delta) continue;
    roundLast(digits, delta, part, one, toMiddle * unit);
    return { digits: digits.join(''), scale: scale + place };
  }
}

/** Lowers the last digit while that comes nearer to the middle and stays within the interval. */
function roundLast(digits: number[], delta: bigint, rest: bigint, unit: bigint, toMiddle: bigint): void {
  while (
    rest < toMiddle &&
    delta - rest >= unit &&
    (rest + unit < toMiddle || toMiddle - rest > rest + unit - toMiddle)
  ) {
    digits[digits.length - 1]--;
    rest += unit;
  }
}
