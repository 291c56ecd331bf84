/**
 * Work beside the commands is done in slices, between which everybody else has a turn. How long those of each
 * kind took: a pause that somebody noticed can be told from one that no slice made.
 */

/** What is done in slices. */
export const sliceKinds = ['evict', 'expire', 'free', 'compact', 'give-back', 'snapshot'] as const;
export type SliceKind = (typeof sliceKinds)[number];

/** Upper ends of the classes of duration, in milliseconds; the last class has none. */
export const SLICE_ENDS_MS: readonly number[] = [0.25, 0.5, 1, 2, 4, 8, 16, 32];

/** Slices of one kind. */
export class SliceTimes {
  /** Slices by class, `SLICE_ENDS_MS` and one more. */
  readonly classes = new Float64Array(SLICE_ENDS_MS.length + 1);
  count = 0;
  sumMs = 0;
  longestMs = 0;

  note(tookMs: number): void {
    let place = 0;
    while (place < SLICE_ENDS_MS.length && tookMs > SLICE_ENDS_MS[place]) place++;
    this.classes[place]++;
    this.count++;
    this.sumMs += tookMs;
    if (tookMs > this.longestMs) this.longestMs = tookMs;
  }

  reset(): void {
    this.classes.fill(0);
    this.count = 0;
    this.sumMs = 0;
    this.longestMs = 0;
  }
}

export class Slices {
  readonly #times: ReadonlyMap<SliceKind, SliceTimes> = new Map(
    sliceKinds.map((kind) => [kind, new SliceTimes()]),
  );

  of(kind: SliceKind): SliceTimes {
    const times = this.#times.get(kind);
    if (times === undefined) throw new Error(`no slices are called ${kind}`);
    return times;
  }

  reset(): void {
    for (const times of this.#times.values()) times.reset();
  }
}
