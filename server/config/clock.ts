/** Where time comes from: a parameter of everything that decides by time. */

export interface Clock {
  /** Milliseconds since 1970, as other machines see them; may jump. */
  wallMs(): number;
  /** Milliseconds that only grow, with fractions; the start is arbitrary. */
  monotonicMs(): number;
}

/** The clock of this machine. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** A clock that tests move by hand. */
export class ManualClock implements Clock {
  #ms: number;

  constructor(startMs = 1_000_000_000_000) {
    this.#ms = startMs;
  }

  wallMs(): number {
    return this.#ms;
  }

  monotonicMs(): number {
    return this.#ms;
  }

  advance(ms: number): void {
    this.#ms += ms;
  }
}
