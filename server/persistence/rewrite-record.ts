import { RewriteLimit } from './rewrite-limit.ts';

/**
 * How rewrites of the append-only file went so far, for INFO and for when the next one may begin by itself.
 */
export class RewriteRecord {
  /** Rewrites that were begun. */
  count = 0;
  consecutiveFailures = 0;
  lastOk = true;
  /** Seconds the last one took, -1 before the first. */
  lastSeconds = -1;
  lastCopyOnWriteBytes = 0;
  /** Since when one runs, 0 when none does. */
  startedMs = 0;
  readonly #limit: RewriteLimit;

  /** `tell` gets the minutes when failures make the next one wait. */
  constructor(tell: (minutes: number) => void) {
    this.#limit = new RewriteLimit(tell);
  }

  /** Whether one that is due by itself has to wait, because others failed. */
  holds(nowMs: number): boolean {
    return this.#limit.holds(this.consecutiveFailures, nowMs);
  }

  started(nowMs: number): void {
    this.startedMs = nowMs;
  }

  /** However it went. `heldBytes`: the most memory it took beside the dataset. */
  ended(nowMs: number, heldBytes: number): void {
    this.lastSeconds = Math.floor((nowMs - this.startedMs) / 1000);
    this.startedMs = 0;
    this.lastCopyOnWriteBytes = heldBytes;
  }

  succeeded(): void {
    this.consecutiveFailures = 0;
    this.lastOk = true;
  }

  failed(): void {
    this.consecutiveFailures += 1;
    this.lastOk = false;
  }

  /** Somebody asks for one, or there is another dataset: failures before do not count. */
  forgive(): void {
    this.consecutiveFailures = 0;
  }
}
