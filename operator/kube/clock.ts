/**
 * Time as a parameter: what waits or measures takes a Clock, so that tests decide when a second has passed.
 */

export interface Clock {
  /** Milliseconds since 1970; may be set forward or back. */
  now(): number;
  /** Milliseconds since some moment; never goes back, may stand still while the machine sleeps. */
  monotonic(): number;
  /** Calls back once after so many milliseconds; the answer cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves after so many milliseconds, or at once when the signal aborts. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal.addEventListener('abort', done);
  });
}

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Delay before try number `failures` (1 = after the first failure): doubled each time, half of it random. */
export function backoffMs(failures: number, options: BackoffOptions, random: () => number): number {
  const full = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(full / 2 + (full / 2) * random());
}

/** A clock that stands still until a test advances it. */
export class ManualClock implements Clock {
  #now: number;
  #set = 0;
  #order = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly callback: () => void }>();

  constructor(now = 1_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now + this.#set;
  }

  monotonic(): number {
    return this.#now;
  }

  /** Somebody sets the clock, by so many milliseconds. */
  set(byMs: number): void {
    this.#set += byMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const id = this.#order++;
    this.#timers.set(id, { at: this.#now + delayMs, callback });
    return () => this.#timers.delete(id);
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Moves on, fires what is due in order, and lets promises settle after every timer. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      let next: number | undefined;
      for (const [id, timer] of this.#timers) {
        const best = next === undefined ? undefined : this.#timers.get(next);
        if (timer.at <= end && (best === undefined || timer.at < best.at)) next = id;
      }
      if (next === undefined) break;
      const timer = this.#timers.get(next);
      this.#timers.delete(next);
      if (timer === undefined) break;
      this.#now = Math.max(this.#now, timer.at);
      timer.callback();
      await settle();
    }
    this.#now = end;
  }
}

/** One turn of the event loop: every promise that can settle without I/O has settled. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
