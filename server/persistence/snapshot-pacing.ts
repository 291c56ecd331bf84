/** How long a snapshot rests between its slices: it takes a quarter of the time, all while nobody works. */

/** Pause after a slice, in its length: 3 makes a quarter of the time. */
const PAUSE_FACTOR = 3;

export class SnapshotPacing {
  #activity: number;
  /** The delay a key (`rdb-key-save-delay`), and what of it was not waited yet. */
  readonly #keyDelayUs: number;
  #owedUs = 0;
  /** Keys whose delay is in `#owedUs` or was waited. */
  #keysDelayed = 0;

  constructor(keyDelayUs: number, activity: number) {
    this.#keyDelayUs = keyDelayUs;
    this.#activity = activity;
  }

  /** Whether so much delay is owed that a timer can wait it. */
  get owes(): boolean {
    return this.#owedUs >= 1000;
  }

  /** Keys written so far, also those whose old content could not wait. */
  note(keysProcessed: number): void {
    this.#owedUs += (keysProcessed - this.#keysDelayed) * this.#keyDelayUs;
    this.#keysDelayed = keysProcessed;
  }

  /** Milliseconds until the next slice; `activity` grows with the work of the server. */
  pauseMs(elapsedMs: number, activity: number, urgent: boolean): number {
    const idle = activity === this.#activity;
    this.#activity = activity;
    const owedMs = Math.floor(this.#owedUs / 1000);
    this.#owedUs -= owedMs * 1000;
    return Math.max(owedMs, idle || urgent ? 0 : Math.ceil(elapsedMs * PAUSE_FACTOR));
  }
}
