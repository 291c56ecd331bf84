/**
 * What took longer than `latency-monitor-threshold`: a short history of each kind of event, one sample a
 * second with the longest duration in it.
 */

/** Samples that an event keeps. */
const HISTORY = 160;

export interface LatencySample {
  readonly timeSeconds: number;
  latencyMs: number;
}

export interface LatencyEvent {
  readonly name: string;
  readonly samples: LatencySample[];
  maxMs: number;
  sumMs: number;
  count: number;
}

export class LatencyEvents {
  /** Durations from here on are noted; Infinity: none. */
  thresholdMs = Number.POSITIVE_INFINITY;
  readonly #events = new Map<string, LatencyEvent>();

  /** Notes a duration when it reaches the threshold. */
  note(name: string, latencyMs: number, nowMs: number): void {
    if (latencyMs >= this.thresholdMs) this.add(name, latencyMs, nowMs);
  }

  add(name: string, latencyMs: number, nowMs: number): void {
    const latency = Math.floor(latencyMs);
    const timeSeconds = Math.floor(nowMs / 1000);
    let event = this.#events.get(name);
    if (event === undefined) {
      event = { name, samples: [], maxMs: 0, sumMs: 0, count: 0 };
      this.#events.set(name, event);
    }
    event.maxMs = Math.max(event.maxMs, latency);
    event.sumMs += latency;
    event.count += 1;
    const last = event.samples.at(-1);
    if (last?.timeSeconds === timeSeconds) {
      last.latencyMs = Math.max(last.latencyMs, latency);
      return;
    }
    event.samples.push({ timeSeconds, latencyMs: latency });
    if (event.samples.length > HISTORY) event.samples.shift();
  }

  all(): readonly LatencyEvent[] {
    return [...this.#events.values()];
  }

  byName(name: string): LatencyEvent | undefined {
    return this.#events.get(name);
  }

  /** Forgets these events, or all when none is named; how many there were. */
  reset(names: readonly string[]): number {
    const gone = names.length === 0 ? [...this.#events.keys()] : names;
    let count = 0;
    for (const name of gone) if (this.#events.delete(name)) count += 1;
    return count;
  }
}
