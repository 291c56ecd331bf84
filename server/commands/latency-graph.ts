/** LATENCY GRAPH: the samples of an event as columns of text, their age below. */
import type { LatencyEvent, LatencySample } from './latency-events.ts';

const COLUMNS_MAX = 80;
const ROWS = 4;
/** From nothing to a full cell. */
const CELLS = ['_', 'o', '#'] as const;

export function latencyGraph(event: LatencyEvent, nowMs: number): string {
  const samples = event.samples.slice(-COLUMNS_MAX);
  const durations = samples.map(({ latencyMs }) => latencyMs);
  const low = Math.min(...durations);
  const high = Math.max(...durations);
  const head = `${event.name} - high ${high} ms, low ${low} ms (all time high ${event.maxMs} ms)`;
  const rows: string[] = [];
  for (let row = ROWS - 1; row >= 0; row -= 1) {
    rows.push(samples.map((sample) => cell(sample, row, low, high)).join(''));
  }
  const ages = samples.map(({ timeSeconds }) => age(Math.floor(nowMs / 1000) - timeSeconds));
  const depth = Math.max(...ages.map((text) => text.length));
  for (let row = 0; row < depth; row += 1) rows.push(ages.map((text) => text[row] ?? ' ').join(''));
  return `${head}\n${'-'.repeat(COLUMNS_MAX)}\n${rows.join('\n')}\n`;
}

function cell(sample: LatencySample, row: number, low: number, high: number): string {
  const share = high === low ? 1 : (sample.latencyMs - low) / (high - low);
  const steps = Math.round(share * (ROWS * 2 - 1)) + 1 - row * 2;
  if (steps <= 0) return ' ';
  return CELLS[Math.min(steps, 2)] ?? '#';
}

/** Seconds in the largest whole unit. */
function age(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
