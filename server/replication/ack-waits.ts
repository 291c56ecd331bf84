/**
 * Clients that wait until enough servers have what they wrote (WAIT, WAITAOF): looked at when a replica
 * acknowledged, when a file was synced and at their deadlines, always behind the turn at hand, because
 * answers to them must not mix with those of the command that runs.
 */
import type { ReplicationRuntime } from './replication-seams.ts';

export interface AckWait {
  /** 0: for ever. */
  readonly timeoutMs: number;
  /** Whether it can be answered now. */
  ready(): boolean;
  /** Called once: it is ready or its time is over; null when this server turned into a replica meanwhile. */
  done(outcome: 'over' | null): void;
  /** Who waited has gone. */
  abandoned(): boolean;
}

export class AckWaits {
  readonly #runtime: ReplicationRuntime;
  /** Each with how to take its timer back. */
  readonly #waits: Map<AckWait, () => void> = new Map();
  #settleAsked = false;

  constructor(runtime: ReplicationRuntime) {
    this.#runtime = runtime;
  }

  add(wait: AckWait): void {
    const expire = (): void => {
      this.#waits.delete(wait);
      wait.done('over');
    };
    this.#waits.set(wait, wait.timeoutMs === 0 ? () => {} : this.#runtime.after(wait.timeoutMs, expire));
  }

  /** Something changed that they may wait for. */
  settleSoon(): void {
    if (this.#waits.size === 0 || this.#settleAsked) return;
    this.#settleAsked = true;
    this.#runtime.afterTurn(() => {
      this.#settleAsked = false;
      for (const wait of this.#waits.keys()) if (wait.ready()) this.#answer(wait);
    });
  }

  /** Forgets those whose clients have gone. */
  sweep(): void {
    for (const [wait, cancelTimer] of this.#waits) {
      if (!wait.abandoned()) continue;
      this.#waits.delete(wait);
      cancelTimer();
    }
  }

  /** This server turns into a replica: nobody can wait for acknowledgements any more. */
  abandonAll(): void {
    const waits = [...this.#waits];
    this.#waits.clear();
    for (const [wait, cancelTimer] of waits) {
      cancelTimer();
      this.#runtime.afterTurn(() => wait.done(null));
    }
  }

  #answer(wait: AckWait): void {
    this.#waits.get(wait)?.();
    this.#waits.delete(wait);
    wait.done('over');
  }
}
