/** LATENCY DOCTOR: what the events say and what can be done about it, for people. */
import type { LatencyEvent } from './latency-events.ts';

/** What helps against an event. */
const advice: ReadonlyMap<string, string> = new Map([
  [
    'command',
    'Slow commands: SLOWLOG GET names them. Look for commands that walk over whole values or keyspaces (KEYS, ' +
      'SMEMBERS, LRANGE over everything, SORT) and use their incremental forms.',
  ],
  [
    'fast-command',
    'Commands that take constant time were slow: the machine is short of processor time, or something else ' +
      'held the process up. Look at the load of the host and at other processes on it.',
  ],
  [
    'expire-cycle',
    'Many keys expired at the same time. Spread their TTLs, for example by adding a few random seconds to each.',
  ],
  ['eviction-cycle', 'Eviction took long: leave more room below maxmemory, or make single values smaller.'],
  ['aof-fsync-always', 'The disk is slow to flush: use appendfsync everysec, or a faster disk.'],
  ['aof-write', 'The disk is slow to write: look for other programs that use it.'],
  [
    'aof-rename',
    'The disk is slow to change its folders: see whether its journal is shared with heavy writers.',
  ],
  ['aof-fstat', 'The disk is slow to tell of its files: see whether it is a network file system.'],
]);

export function latencyReport(events: readonly LatencyEvent[], thresholdMs: number): string {
  if (thresholdMs === 0) {
    return (
      'Latency monitoring is disabled. Turn it on with CONFIG SET latency-monitor-threshold <milliseconds>; ' +
      '100 is a good value to begin with.\n'
    );
  }
  if (events.length === 0) {
    return `No event took longer than ${thresholdMs} ms since the server started or LATENCY RESET was called.\n`;
  }
  const lines = events.map((event, index) => describe(event, index + 1));
  const advised = events.flatMap(({ name }) => advice.get(name) ?? []).map((text) => `- ${text}`);
  return ['Events that took longer than the threshold:', '', ...lines, '', ...advised, ''].join('\n');
}

function describe(event: LatencyEvent, number: number): string {
  const mean = event.sumMs / event.count;
  const durations = event.samples.map(({ latencyMs }) => latencyMs);
  const average = durations.reduce((sum, duration) => sum + duration, 0) / durations.length;
  const deviation =
    durations.reduce((sum, duration) => sum + Math.abs(duration - average), 0) / durations.length;
  return (
    `${number}. ${event.name}: ${event.count} latency spikes (average ${mean.toFixed(0)}ms, mean deviation ` +
    `${deviation.toFixed(0)}ms). Worst all time event ${event.maxMs}ms.`
  );
}
