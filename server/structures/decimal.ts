/** Writes whole numbers in decimal without a string. */

const PIECE = 1_000_000_000;

/** How many digits a whole number of at least 0 has. */
function decimalDigits(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}

/** Writes a whole number from 0 to 2^53 at `at`; returns where it ends. */
export function writeDecimal(target: Uint8Array, at: number, value: number): number {
  const end = at + decimalDigits(value);
  let to = end;
  // Doubles divide slowly: nine digits at a time are integers.
  while (value >= PIECE) {
    const upper = Math.floor(value / PIECE);
    let rest = (value - upper * PIECE) | 0;
    for (let count = 0; count < 9; count++) {
      const quotient = (rest / 10) | 0;
      target[--to] = 48 + rest - quotient * 10;
      rest = quotient;
    }
    value = upper;
  }
  let rest = value | 0;
  do {
    const quotient = (rest / 10) | 0;
    target[--to] = 48 + rest - quotient * 10;
    rest = quotient;
  } while (to > at);
  return end;
}
