/**
 * Deletes what has expired although nobody asks for it, within milliseconds: a walk over the bounds of the
 * tables at every tick and when the soonest expiry has come, in slices of a millisecond at a quarter of the
 * time, so that a million keys that expire in one moment stop nobody.
 *
 *   walk -> soonest expiry of all that is left -> timer;  SET … PX sooner -> timer moves
 */
import type { Keyspace } from './keyspace.ts';

const SLICE_MS = 1;
const PAUSE_MS = 3;
/** Table segments (or slots) that a slice looks at in each database. */
const BUDGET = 20_000;
/** Walks for the soonest expiry begin at most so often, and take at most this share of the time. */
const WALK_PAUSE_MS = 2;
const WALK_SHARE = 1 / 20;
/** What is further away is left to the ticks. */
const AHEAD_MS_MAX = 100;

export interface ActiveExpiryOptions {
  /** Whether expired keys may be deleted now. */
  allowed(): boolean;
  /** After each slice: what it deleted must be told. */
  afterSlice(tookMs: number): void;
  /** Milliseconds that only grow, with fractions. */
  monotonicMs(): number;
}

export class ActiveExpiry {
  readonly #keyspace: Keyspace;
  readonly #options: ActiveExpiryOptions;
  /** The next slice of a walk that goes on. */
  #timer: NodeJS.Timeout | null = null;
  /** The walk at the soonest expiry, and when it is. */
  #soonTimer: NodeJS.Timeout | null = null;
  #soonMs = 0;
  /** Pause after the last walk. */
  #pauseMs = WALK_PAUSE_MS;

  constructor(keyspace: Keyspace, options: ActiveExpiryOptions) {
    this.#keyspace = keyspace;
    this.#options = options;
    keyspace.onSooner = () => this.#schedule();
  }

  /** At every tick; does nothing while a walk goes on. */
  tick(): void {
    if (this.#timer === null) this.#begin();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#forgetSoon();
    this.#keyspace.onSooner = () => {};
  }

  #begin(): void {
    this.#forgetSoon();
    this.#keyspace.soonestExpiryMs = Number.POSITIVE_INFINITY;
    this.#keyspace.expiry.soonestMs = Number.POSITIVE_INFINITY;
    this.#keyspace.values.store.expiry.soonestMs = Number.POSITIVE_INFINITY;
    this.#slice();
  }

  #forgetSoon(): void {
    if (this.#soonTimer !== null) clearTimeout(this.#soonTimer);
    this.#soonTimer = null;
  }

  #slice(): void {
    this.#timer = null;
    if (!this.#options.allowed()) return;
    const startMs = this.#options.monotonicMs();
    const late = (): boolean => this.#options.monotonicMs() >= startMs + SLICE_MS;
    let finished = true;
    for (const database of this.#keyspace.databases) {
      if (!database.expireSome(BUDGET, late)) finished = false;
      if (!database.fields.expireSome(database, late)) finished = false;
    }
    const tookMs = this.#options.monotonicMs() - startMs;
    this.#keyspace.stats.slices.of('expire').note(tookMs);
    this.#options.afterSlice(tookMs);
    if (finished) {
      this.#pauseMs = Math.max(WALK_PAUSE_MS, tookMs / WALK_SHARE);
      const keyspace = this.#keyspace;
      keyspace.soonestExpiryMs = Math.min(
        keyspace.soonestExpiryMs,
        keyspace.expiry.soonestMs,
        keyspace.values.store.expiry.soonestMs,
      );
      this.#schedule();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#keyspace.setNow(Date.now());
      this.#slice();
    }, PAUSE_MS);
    this.#timer.unref();
  }

  /** Sets the timer for the soonest expiry, unless a tick comes first or a walk goes on. */
  #schedule(): void {
    const { soonestExpiryMs, nowMs } = this.#keyspace;
    const aheadMs = soonestExpiryMs - nowMs;
    if (this.#timer !== null || aheadMs > AHEAD_MS_MAX) return;
    if (this.#soonTimer !== null && this.#soonMs <= soonestExpiryMs) return;
    this.#forgetSoon();
    this.#soonMs = soonestExpiryMs;
    this.#soonTimer = setTimeout(
      () => {
        this.#soonTimer = null;
        this.#keyspace.setNow(Date.now());
        if (this.#timer === null) this.#begin();
      },
      Math.max(aheadMs, this.#pauseMs),
    );
    this.#soonTimer.unref();
  }
}
