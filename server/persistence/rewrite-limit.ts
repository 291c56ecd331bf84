/**
 * Keeps a rewrite that fails again and again from being tried all the time: each try leaves one more small
 * increment. After three failures in a row the next one by itself waits a minute, then two, four … sixty.
 * Somebody who asks for a rewrite gets it at once.
 */

const FAILURES_MIN = 3;
const DELAY_MINUTES_MAX = 60;
const MINUTE_MS = 60_000;

export class RewriteLimit {
  readonly #tell: (minutes: number) => void;
  #delayMinutes = 0;
  #untilMs = 0;

  /** `tell` is called when a wait begins. */
  constructor(tell: (minutes: number) => void) {
    this.#tell = tell;
  }

  /** Whether a rewrite that is due has to wait; `failures` in a row led here. */
  holds(failures: number, nowMs: number): boolean {
    if (failures < FAILURES_MIN) {
      this.#delayMinutes = 0;
      this.#untilMs = 0;
      return false;
    }
    if (this.#untilMs !== 0) {
      if (nowMs < this.#untilMs) return true;
      this.#untilMs = 0;
      return false;
    }
    this.#delayMinutes = this.#delayMinutes === 0 ? 1 : Math.min(this.#delayMinutes * 2, DELAY_MINUTES_MAX);
    this.#untilMs = nowMs + this.#delayMinutes * MINUTE_MS;
    this.#tell(this.#delayMinutes);
    return true;
  }
}
