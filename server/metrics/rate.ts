/** How fast a counter grows: the mean over the last samples, as `instantaneous_ops_per_sec` shows it. */

const SAMPLES = 16;

export class Rate {
  readonly #perSecond: number[] = [];
  #lastMs = 0;
  #lastCount = 0;
  #next = 0;

  /** Notes the counter's value; call it about ten times a second. A counter that was reset starts anew. */
  sample(monotonicMs: number, count: number): void {
    const passedMs = monotonicMs - this.#lastMs;
    const growth = count - this.#lastCount;
    if (this.#lastMs > 0 && passedMs > 0 && growth >= 0) {
      this.#perSecond[this.#next] = (growth * 1000) / passedMs;
      this.#next = (this.#next + 1) % SAMPLES;
    }
    this.#lastMs = monotonicMs;
    this.#lastCount = count;
  }

  /** Growth a second. */
  get perSecond(): number {
    if (this.#perSecond.length === 0) return 0;
    return this.#perSecond.reduce((sum, value) => sum + value, 0) / this.#perSecond.length;
  }
}
