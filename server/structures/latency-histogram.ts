/**
 * A histogram of durations: 1 ns to 1 s with two significant digits.
 *
 *   value   0 … 255        steps of 1      the first 256 counters
 *           256 … 511      steps of 2      128 counters for every further power of two,
 *           512 … 1023     steps of 4      up to 2^30
 *
 * So a counter stands for values that differ by less than 1 %. Recording is O(1); 12 KiB each.
 */

const SUB_BUCKETS = 256;
const HALF = SUB_BUCKETS / 2;
const VALUE_MAX = 1_000_000_000;
const BUCKETS = 23;
const COUNTERS = (BUCKETS + 1) * HALF;

/** How many durations there were up to `upToNs`. */
export interface HistogramLevel {
  readonly upToNs: number;
  readonly count: number;
}

export class LatencyHistogram {
  readonly #counts = new Uint32Array(COUNTERS);
  total = 0;

  /** Counts a duration `times` times. */
  record(durationNs: number, times: number): void {
    const value = durationNs < 1 ? 1 : durationNs > VALUE_MAX ? VALUE_MAX : durationNs | 0;
    this.#counts[indexOf(value)] += times;
    this.total += times;
  }

  reset(): void {
    this.#counts.fill(0);
    this.total = 0;
  }

  /**
   * The levels at which the cumulated count rises, at powers of two of 1024 ns; each named by the highest
   * value that its counter stands for.
   */
  levels(): HistogramLevel[] {
    const levels: HistogramLevel[] = [];
    let index = 0;
    let count = 0;
    for (let level = 1024; count < this.total; level *= 2) {
      const last = level >= VALUE_MAX ? COUNTERS - 1 : indexOf(level);
      const before = count;
      for (; index <= last; index++) count += this.#counts[index];
      if (count > before) levels.push({ upToNs: highestAt(last), count });
    }
    return levels;
  }

  /** The highest value that counts among the lowest `percent` of all; 0 when there is none. */
  percentile(percent: number): number {
    if (this.total === 0) return 0;
    const wanted = Math.max(1, Math.floor((Math.min(percent, 100) / 100) * this.total + 0.5));
    let count = 0;
    for (let index = 0; index < COUNTERS; index++) {
      count += this.#counts[index];
      if (count >= wanted) return highestAt(index);
    }
    return VALUE_MAX;
  }
}

function indexOf(value: number): number {
  const bucket = 24 - Math.clz32(value | (SUB_BUCKETS - 1));
  return bucket * HALF + (value >>> bucket);
}

/** The highest value that is counted at `index`. */
function highestAt(index: number): number {
  if (index < SUB_BUCKETS) return index;
  const bucket = Math.floor(index / HALF) - 1;
  const step = 2 ** bucket;
  return (index - bucket * HALF) * step + step - 1;
}
