/**
 * Runs a reconcile function over keys: one pass at a time per key, a deadline on each, another look after the
 * time it asked for, back-off after failures. Generic: it knows neither Redis nor Kubernetes.
 *
 * A pass is told by its signal when its time is over and has to end then. One that does not end keeps its key
 * (two passes over one cluster at a time would be worse) and is reported by `stuck`, which ends the process
 * by way of the liveness probe.
 */
import type { BackoffOptions, Clock } from '../kube/clock.ts';
import { type RunOutcome, WorkQueue } from '../kube/queue.ts';
import type { Report } from '../kube/reflector.ts';

export interface ReconcileResult {
  /** Look again after so long even if nothing happens; 0: only when something happens. */
  readonly requeueAfterMs: number;
  /** The pass could not do what it wanted: look again after a back-off instead. */
  readonly failed?: boolean;
}

/** Pass over one key. The signal aborts at the deadline and when the operator stops. */
export type Reconcile = (key: string, signal: AbortSignal) => Promise<ReconcileResult>;

export interface PassMeasure {
  readonly key: string;
  readonly durationMs: number;
  readonly outcome: 'done' | 'failed' | 'threw' | 'overdue';
}

export interface ReconcilerOptions {
  readonly reconcile: Reconcile;
  /** Asked before every pass: a process that is not the leader any more must not act. */
  readonly mayRun: () => boolean;
  readonly deadlineMs: number;
  readonly concurrencyMax: number;
  readonly keysMax: number;
  readonly backoff: BackoffOptions;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly report: Report;
  readonly measure: (pass: PassMeasure) => void;
}

/** After its deadline, a pass may take so long to end before it counts as stuck. */
const stuckAfterMs = 60_000;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #queue: WorkQueue;
  readonly #stop = new AbortController();
  /** Key -> when its pass began. */
  readonly #passes = new Map<string, number>();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      run: (key) => this.#run(key),
      concurrencyMax: options.concurrencyMax,
      keysMax: options.keysMax,
      backoff: options.backoff,
      clock: options.clock,
      random: options.random,
    });
  }

  /** Something happened to this key. */
  enqueue(key: string): void {
    this.#noteRefusal(key, this.#queue.add(key));
  }

  enqueueAfter(key: string, delayMs: number): void {
    this.#noteRefusal(key, this.#queue.addAfter(key, delayMs));
  }

  /** Passes begin; keys may be enqueued before. */
  start(): void {
    this.#queue.start();
  }

  /** Tells passes under way to end and waits for them, at most so long. True when all have ended. */
  async stop(deadlineMs: number): Promise<boolean> {
    const ended = this.#queue.stop().then(() => true);
    this.#stop.abort(new Error('the operator stops'));
    let cancel = (): void => undefined;
    const late = new Promise<boolean>((resolve) => {
      cancel = this.#options.clock.after(deadlineMs, () => resolve(false));
    });
    const result = await Promise.race([ended, late]);
    cancel();
    return result;
  }

  /** Keys whose pass ignores the end of its time. */
  stuck(): string[] {
    const limit = this.#options.deadlineMs + stuckAfterMs;
    const now = this.#options.clock.now();
    return [...this.#passes].filter(([, since]) => now - since > limit).map(([key]) => key);
  }

  get depth(): number {
    return this.#queue.depth;
  }

  get running(): number {
    return this.#queue.running;
  }

  get refused(): number {
    return this.#queue.refused;
  }

  #noteRefusal(key: string, taken: boolean): void {
    if (taken || this.#stop.signal.aborted) return;
    this.#options.report('error', 'queue full: key not taken until the next resync', { key });
  }

  async #run(key: string): Promise<RunOutcome> {
    const { reconcile, mayRun, deadlineMs, clock, report, measure } = this.#options;
    if (!mayRun()) return { kind: 'failed' };
    const startedAt = clock.now();
    const overdue = new AbortController();
    const cancel = clock.after(deadlineMs, () => {
      report('error', 'pass over its deadline', { key, deadlineMs });
      overdue.abort(new Error(`the pass took longer than ${deadlineMs} ms`));
    });
    this.#passes.set(key, startedAt);
    let outcome: PassMeasure['outcome'];
    let result: ReconcileResult | undefined;
    try {
      result = await reconcile(key, AbortSignal.any([overdue.signal, this.#stop.signal]));
      outcome = result.failed === true ? 'failed' : 'done';
    } catch (error) {
      // A bug that concerns one cluster must not end the work on all others: loud, and again after a
      // back-off.
      outcome = 'threw';
      if (!this.#stop.signal.aborted) report('error', 'pass threw', { key, error });
    } finally {
      cancel();
      this.#passes.delete(key);
    }
    if (overdue.signal.aborted) outcome = 'overdue';
    measure({ key, durationMs: clock.now() - startedAt, outcome });
    if (outcome !== 'done' || result === undefined) return { kind: 'failed' };
    return result.requeueAfterMs > 0 ? { kind: 'again', afterMs: result.requeueAfterMs } : { kind: 'done' };
  }
}
