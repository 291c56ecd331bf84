/**
 * How long the slices of snapshots took, since the start of the server: all of them, and the undisturbed
 * ones, which tells our own doing from that of a busy machine: those that were as short as they should be,
 * and of the others those in which the kernel took the processor from no thread of ours. (Processor time
 * would tell as well; but the kernel counts it in ticks of some milliseconds.)
 */
import { LatencyHistogram } from '../structures/latency-histogram.ts';

/**
 * A slice that took no longer needs no excuse, and the kernel is not asked: that costs what a few keys do.
 */
const EXPECTED_MS = 1.05;

class Times {
  readonly #histogram = new LatencyHistogram();
  #maxMicros = 0;

  note(micros: number): void {
    this.#histogram.record(micros * 1000, 1);
    this.#maxMicros = Math.max(this.#maxMicros, micros);
  }

  get line(): string {
    const at = (percent: number): number => Math.round(this.#histogram.percentile(percent) / 1000);
    const { total } = this.#histogram;
    return `slices=${total},p50=${at(50)},p99=${at(99)},p99.9=${at(99.9)},max=${this.#maxMicros}`;
  }
}

function timesPreempted(): number {
  return process.resourceUsage().involuntaryContextSwitches;
}

export class SliceTimes {
  readonly #all = new Times();
  readonly #undisturbed = new Times();
  #preempted = 0;
  #beginMax = 0;

  begin(): void {
    this.#preempted = timesPreempted();
  }

  end(elapsedMs: number): void {
    const micros = Math.round(elapsedMs * 1000);
    this.#all.note(micros);
    if (elapsedMs <= EXPECTED_MS || timesPreempted() === this.#preempted) this.#undisturbed.note(micros);
  }

  /** The moment of a snapshot was fixed: what a fork is elsewhere. */
  fixed(elapsedMs: number): void {
    this.#beginMax = Math.max(this.#beginMax, Math.round(elapsedMs * 1000));
  }

  /** For INFO, in microseconds. */
  lines(): string[] {
    return [
      `snapshot_slice_usec:${this.#all.line}`,
      `snapshot_undisturbed_slice_usec:${this.#undisturbed.line}`,
      `snapshot_begin_usec_max:${this.#beginMax}`,
    ];
  }
}
