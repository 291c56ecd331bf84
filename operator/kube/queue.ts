/**
 * A queue of keys to work on.
 *
 *   add ------------> ready ----> running ----> gone
 *   addAfter --> due --^   ^         |
 *                          +---------+ added meanwhile, wants to be looked at again, or failed (back-off)
 *
 * Invariants: a key is in work at most once at a time; keys that wait are in the queue once, however often
 * they were added; a key added while it is in work runs once more afterwards; of several due times the
 * earliest counts, and a run makes all that were set before it void. All operations are O(1).
 */
import { type BackoffOptions, backoffMs, type Clock } from './clock.ts';

/** What a run wants next: nothing, another look after a while, or the back-off of a failure. */
export type RunOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'again'; readonly afterMs: number }
  | { readonly kind: 'failed' };

export interface QueueOptions {
  /** Never rejects; a rejection is a bug and ends the process. */
  readonly run: (key: string) => Promise<RunOutcome>;
  readonly concurrencyMax: number;
  /** Keys that are known (ready, due or running). */
  readonly keysMax: number;
  readonly backoff: BackoffOptions;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

interface Entry {
  running: boolean;
  /** Waits in `#ready`, or is to run once more after the present run. */
  wanted: boolean;
  /** Failures in a row. */
  failures: number;
  dueAt: number;
  cancelTimer: (() => void) | undefined;
}

export class WorkQueue {
  readonly #options: QueueOptions;
  readonly #entries = new Map<string, Entry>();
  /** Keys in order of arrival. */
  readonly #ready = new Set<string>();
  #running = 0;
  #started = false;
  #stopped = false;
  #idle: (() => void)[] = [];
  /** Keys that were refused because of keysMax. */
  refused = 0;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Keys that wait for a free worker. */
  get depth(): number {
    return this.#ready.size;
  }

  get running(): number {
    return this.#running;
  }

  /** Failures in a row of a key. */
  failures(key: string): number {
    return this.#entries.get(key)?.failures ?? 0;
  }

  /** Work begins; keys may be added before. */
  start(): void {
    this.#started = true;
    this.#dispatch();
  }

  /** No further run begins; resolves when those under way have ended. */
  stop(): Promise<void> {
    this.#stopped = true;
    for (const entry of this.#entries.values()) entry.cancelTimer?.();
    this.#ready.clear();
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** The key runs as soon as there is a worker. False when it was refused: stopped, or too many keys. */
  add(key: string): boolean {
    const entry = this.#entry(key);
    if (entry === undefined) return false;
    entry.wanted = true;
    if (!entry.running) {
      this.#ready.add(key);
      this.#dispatch();
    }
    return true;
  }

  /** The key runs after so many milliseconds, or earlier if something else wants it earlier. */
  addAfter(key: string, delayMs: number): boolean {
    if (delayMs <= 0) return this.add(key);
    const entry = this.#entry(key);
    if (entry === undefined) return false;
    const dueAt = this.#options.clock.now() + delayMs;
    if (entry.cancelTimer !== undefined && entry.dueAt <= dueAt) return true;
    entry.cancelTimer?.();
    entry.dueAt = dueAt;
    entry.cancelTimer = this.#options.clock.after(delayMs, () => {
      entry.cancelTimer = undefined;
      this.add(key);
    });
    return true;
  }

  #entry(key: string): Entry | undefined {
    if (this.#stopped) return undefined;
    const existing = this.#entries.get(key);
    if (existing !== undefined) return existing;
    if (this.#entries.size >= this.#options.keysMax) {
      this.refused += 1;
      return undefined;
    }
    const entry: Entry = { running: false, wanted: false, failures: 0, dueAt: 0, cancelTimer: undefined };
    this.#entries.set(key, entry);
    return entry;
  }

  #dispatch(): void {
    if (!this.#started || this.#stopped) return;
    for (const key of this.#ready) {
      if (this.#running >= this.#options.concurrencyMax) return;
      this.#ready.delete(key);
      const entry = this.#entries.get(key);
      if (entry !== undefined) void this.#run(key, entry);
    }
  }

  async #run(key: string, entry: Entry): Promise<void> {
    entry.running = true;
    entry.wanted = false;
    entry.cancelTimer?.();
    entry.cancelTimer = undefined;
    this.#running += 1;
    const outcome = await this.#options.run(key);
    this.#running -= 1;
    entry.running = false;
    this.#settle(key, entry, outcome);
    if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
    this.#dispatch();
  }

  #settle(key: string, entry: Entry, outcome: RunOutcome): void {
    if (this.#stopped) return;
    entry.failures = outcome.kind === 'failed' ? entry.failures + 1 : 0;
    const failed = entry.failures > 0;
    // A run that fails may cause the very event that wants the next one: never without a pause.
    if (entry.wanted && failed) this.addAfter(key, this.#options.backoff.firstMs);
    else if (entry.wanted) this.#ready.add(key);
    else if (outcome.kind === 'again') this.addAfter(key, outcome.afterMs);
    else if (failed) {
      this.addAfter(key, backoffMs(entry.failures, this.#options.backoff, this.#options.random));
    } else if (entry.cancelTimer === undefined) this.#entries.delete(key);
  }
}
