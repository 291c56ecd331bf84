/**
 * Deletes what has expired although nobody asks for it: a walk at every tick, in slices of a millisecond at a
 * quarter of the time, so that a million keys that expire in one moment stop nobody.
 */
import type { Keyspace } from './keyspace.ts';

const SLICE_MS = 1;
const PAUSE_MS = 3;
/** Table segments (or slots) that a slice looks at in each database. */
const BUDGET = 20_000;

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
  #timer: NodeJS.Timeout | null = null;

  constructor(keyspace: Keyspace, options: ActiveExpiryOptions) {
    this.#keyspace = keyspace;
    this.#options = options;
  }

  /** At every tick; does nothing while a walk goes on. */
  tick(): void {
    if (this.#timer === null) this.#slice();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #slice(): void {
    this.#timer = null;
    if (!this.#options.allowed()) return;
    const startedMs = this.#options.monotonicMs();
    const endMs = startedMs + SLICE_MS;
    const late = (): boolean => this.#options.monotonicMs() >= endMs;
    let finished = true;
    for (const database of this.#keyspace.databases) {
      if (!database.expireSome(BUDGET, late)) finished = false;
      if (!database.fields.expireSome(database, late)) finished = false;
    }
    this.#options.afterSlice(this.#options.monotonicMs() - startedMs);
    if (finished) return;
    this.#timer = setTimeout(() => {
      this.#keyspace.setNow(Date.now());
      this.#slice();
    }, PAUSE_MS);
    this.#timer.unref();
  }
}
