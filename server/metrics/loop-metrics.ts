/**
 * The event loop in figures: Node counts its rounds and its idle time anyway, so nothing is measured twice.
 * Microseconds everywhere.
 */
import { performance } from 'node:perf_hooks';
import type { CommandEntry } from '../commands/command-table.ts';
import { Rate } from './rate.ts';

/** What Node tells of its loop since 22.8. */
interface LoopTiming {
  readonly uvMetricsInfo?: { readonly loopCount: number };
}

export class LoopMetrics {
  readonly #rounds = new Rate();
  readonly #active = new Rate();
  #lastRounds = 0;
  #lastActive = 0;
  #lastCommands = 0;
  #tickMicros = 0;
  #roundMicrosMax = 0;
  #commandsOfRoundMax = 0;

  /** The periodic work has taken `micros`; `commands`: how many were processed so far. */
  tick(monotonicMs: number, micros: number, commands: number): void {
    const rounds = loopRounds();
    const active = activeMicros();
    this.#rounds.sample(monotonicMs, rounds);
    this.#active.sample(monotonicMs, active);
    this.#tickMicros += micros;
    const passed = Math.max(rounds - this.#lastRounds, 1);
    // Of what one look at the clock covers, the mean: single rounds are not timed.
    this.#roundMicrosMax = Math.max(this.#roundMicrosMax, (active - this.#lastActive) / passed);
    const growth = Math.max(commands - this.#lastCommands, 0);
    this.#commandsOfRoundMax = Math.max(this.#commandsOfRoundMax, Math.ceil(growth / passed));
    this.#lastRounds = rounds;
    this.#lastActive = active;
    this.#lastCommands = commands;
  }

  statsLines(entries: readonly CommandEntry[]): string[] {
    const rounds = this.#rounds.perSecond;
    const micros = rounds === 0 ? 0 : this.#active.perSecond / rounds;
    return [
      `eventloop_cycles:${loopRounds()}`,
      `eventloop_duration_sum:${Math.round(activeMicros())}`,
      `eventloop_duration_cmd_sum:${Math.round(commandMicros(entries))}`,
      `instantaneous_eventloop_cycles_per_sec:${Math.round(rounds)}`,
      `instantaneous_eventloop_duration_usec:${Math.round(micros)}`,
    ];
  }

  debugLines(): string[] {
    return [
      'eventloop_duration_aof_sum:0',
      `eventloop_duration_cron_sum:${Math.round(this.#tickMicros)}`,
      `eventloop_duration_max:${Math.round(this.#roundMicrosMax)}`,
      `eventloop_cmd_per_cycle_max:${this.#commandsOfRoundMax}`,
    ];
  }
}

function loopRounds(): number {
  return (performance.nodeTiming as LoopTiming).uvMetricsInfo?.loopCount ?? 0;
}

function activeMicros(): number {
  return performance.eventLoopUtilization().active * 1000;
}

function commandMicros(entries: Iterable<CommandEntry>): number {
  let sum = 0;
  for (const entry of entries) {
    sum += entry.microseconds + (entry.subcommands === null ? 0 : commandMicros(entry.subcommands.values()));
  }
  return sum;
}
