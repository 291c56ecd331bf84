/** The slices section of INFO: how long the work beside the commands held them up. */
import { SLICE_ENDS_MS, type Slices, sliceKinds } from '../keyspace/slices.ts';

/** One line for each kind that there were slices of; durations in microseconds, classes cumulated. */
export function sliceLines(slices: Slices): string[] {
  const lines: string[] = [];
  for (const kind of sliceKinds) {
    const times = slices.of(kind);
    if (times.count === 0) continue;
    let below = 0;
    const classes = SLICE_ENDS_MS.map((endMs, place) => {
      below += times.classes[place];
      return `to_${endMs * 1000}=${below}`;
    });
    const usec = Math.round(times.sumMs * 1000);
    const longest = Math.round(times.longestMs * 1000);
    lines.push(
      `slices_${kind}:count=${times.count},usec=${usec},longest_usec=${longest},${classes.join(',')}`,
    );
  }
  return lines;
}
