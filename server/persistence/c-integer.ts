/** Integers as C's strtol reads them: the longest number at the place, with what stands behind it. */

const LONG_MAX = 2n ** 63n - 1n;
const LONG_MIN = -(2n ** 63n);

export interface ParsedInteger {
  /** 0 when there is no digit; what is too large becomes the largest. */
  readonly value: bigint;
  /** Behind the last digit, or `at` when there is none. */
  readonly end: number;
  readonly overflow: boolean;
}

const PATTERN = /[ \t\n\v\f\r]*([+-]?)(\d+)/y;

/** Reads the number in `text` at `at`. */
export function parseInteger(text: string, at: number): ParsedInteger {
  PATTERN.lastIndex = at;
  const match = PATTERN.exec(text);
  if (match === null) return { value: 0n, end: at, overflow: false };
  const [, sign, digits] = match;
  const value = BigInt(digits as string) * (sign === '-' ? -1n : 1n);
  const end = PATTERN.lastIndex;
  if (value > LONG_MAX) return { value: LONG_MAX, end, overflow: true };
  if (value < LONG_MIN) return { value: LONG_MIN, end, overflow: true };
  return { value, end, overflow: false };
}
