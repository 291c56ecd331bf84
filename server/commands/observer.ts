/**
 * Who watches commands being run: the logs of slow and large commands, latency events and histograms,
 * MONITOR. The executor asks as little as possible: one flag says whether every command must be timed, two
 * numbers from which size on a request or a reply is of interest.
 */
import { LatencyHistogram } from '../structures/latency-histogram.ts';
import type { Call } from './call.ts';
import { CommandLog } from './command-log.ts';
import type { CommandEntry } from './command-table.ts';
import { LatencyEvents } from './latency-events.ts';
import { Monitors } from './monitors.ts';
import { FAST, SKIP_SLOWLOG } from './row.ts';

/**
 * Commands that take constant time are only timed one by one when shorter times than this are of interest.
 */
const SHORT_MICROS = 5000;

/** The settings that say what is watched. */
export interface ObserverSettings {
  /** Microseconds; negative: none. */
  readonly slowerThan: number;
  readonly slowLengthMax: number;
  /** Bytes; negative: none. */
  readonly requestLargerThan: number;
  readonly requestLengthMax: number;
  readonly replyLargerThan: number;
  readonly replyLengthMax: number;
  /** Milliseconds; 0: none. */
  readonly latencyThreshold: number;
  readonly latencyTracking: boolean;
}

export class Observer {
  /** Every command must be timed. */
  exact = false;
  /** Bytes from which a request or a reply is noted. */
  requestBytes = Number.POSITIVE_INFINITY;
  replyBytes = Number.POSITIVE_INFINITY;
  readonly slow = new CommandLog();
  readonly largeRequests = new CommandLog();
  readonly largeReplies = new CommandLog();
  readonly latency = new LatencyEvents();
  readonly monitors = new Monitors();
  /** Whether histograms are kept. */
  tracking = true;
  /** Unix ms. */
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  configure(settings: ObserverSettings): void {
    const orNever = (value: number): number => (value < 0 ? Number.POSITIVE_INFINITY : value);
    const { slow, largeRequests, largeReplies, latency } = this;
    slow.threshold = orNever(settings.slowerThan);
    slow.lengthMax = settings.slowLengthMax;
    largeRequests.threshold = orNever(settings.requestLargerThan);
    largeRequests.lengthMax = settings.requestLengthMax;
    largeReplies.threshold = orNever(settings.replyLargerThan);
    largeReplies.lengthMax = settings.replyLengthMax;
    latency.thresholdMs =
      settings.latencyThreshold === 0 ? Number.POSITIVE_INFINITY : settings.latencyThreshold;
    this.requestBytes = largeRequests.threshold;
    this.replyBytes = largeReplies.threshold;
    this.tracking = settings.latencyTracking;
    this.exact = Math.min(slow.threshold, latency.thresholdMs * 1000) < SHORT_MICROS;
  }

  /** A command has taken `ms`; it stands for `times` of its kind. */
  timed(call: Call, entry: CommandEntry, ms: number, times: number): void {
    const micros = ms * 1000;
    entry.microseconds += micros * times;
    if (this.tracking) {
      entry.histogram ??= new LatencyHistogram();
      entry.histogram.record(micros * 1000, times);
    }
    if (ms >= this.latency.thresholdMs) {
      this.latency.add((entry.flags & FAST) === 0 ? 'command' : 'fast-command', ms, this.#now());
    }
    if (micros >= this.slow.threshold && (entry.flags & SKIP_SLOWLOG) === 0) {
      this.slow.add(call, micros, this.#now());
    }
  }

  /** A command has read or written much. */
  sized(call: Call, entry: CommandEntry, requestBytes: number, replyBytes: number): void {
    if ((entry.flags & SKIP_SLOWLOG) !== 0) return;
    if (requestBytes >= this.requestBytes) this.largeRequests.add(call, requestBytes, this.#now());
    if (replyBytes >= this.replyBytes) this.largeReplies.add(call, replyBytes, this.#now());
  }
}
