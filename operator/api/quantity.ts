/** Sizes, core counts and durations as people write them in a manifest. */

const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const DECIMAL: { readonly [suffix: string]: number } = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
};

const KIBIBYTE = 1024;
export const MEBIBYTE = 1024 * 1024;
export const GIBIBYTE = 1024 * 1024 * 1024;

/** A Kubernetes quantity as a number: bytes of `512Mi`, cores of `250m`. Undefined when it is none. */
export function parseQuantity(quantity: number | string): number | undefined {
  if (typeof quantity === 'number') return Number.isFinite(quantity) ? quantity : undefined;
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/.exec(quantity);
  if (match === null) return undefined;
  const amount = Number(match[1]);
  const suffix = match[2] ?? '';
  if (/^[eE]./.test(suffix)) return Number(quantity);
  if (suffix.endsWith('i')) return amount * KIBIBYTE ** BINARY.indexOf(suffix);
  return amount * (DECIMAL[suffix] ?? 1);
}

/** Whole bytes as the shortest exact quantity: 536870912 is `512Mi`. */
export function formatBytes(bytes: number): string {
  let amount = bytes;
  let unit = 0;
  while (amount !== 0 && amount % KIBIBYTE === 0 && unit < BINARY.length - 1) {
    amount /= KIBIBYTE;
    unit += 1;
  }
  return `${amount}${BINARY[unit] ?? ''}`;
}

const MILLISECONDS: { readonly [unit: string]: number } = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Milliseconds of `5s`, `1h30m`, `500ms`. Undefined when it is no duration. */
export function parseDuration(duration: string): number | undefined {
  if (!/^(\d+(h|ms|m|s))+$/.test(duration)) return undefined;
  let total = 0;
  for (const [, amount, unit] of duration.matchAll(/(\d+)(h|ms|m|s)/g)) {
    total += Number(amount) * (MILLISECONDS[unit ?? ''] ?? 0);
  }
  return total;
}
