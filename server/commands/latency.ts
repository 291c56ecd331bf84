/** LATENCY: events that took too long, and histograms of all commands. */
import type { HistogramLevel } from '../structures/latency-histogram.ts';
import type { Call } from './call.ts';
import type { CommandEntry } from './command-table.ts';
import { writeHelp } from './help.ts';
import { latencyGraph } from './latency-graph.ts';
import { latencyReport } from './latency-report.ts';
import { ADMIN, LOADING, NO_KEY, NOSCRIPT, type Row, STALE } from './row.ts';

const GUARDED = ADMIN | NOSCRIPT | LOADING | STALE;
const SPECIAL = ['nondeterministic_output', 'request_policy:all_nodes', 'response_policy:special'];
const SUMMED = ['request_policy:all_nodes', 'response_policy:agg_sum'];

// biome-ignore format: a table, one command a row
export const latencyCommands: readonly Row[] = [
  // name         arity flags            keys    since     run        summary
  ['LATENCY',     -2,   0,               NO_KEY, '2.8.13', help,      'A container for latency diagnostics commands.', {subcommands: [
    ['DOCTOR',    2,    GUARDED,         NO_KEY, '2.8.13', doctor,    'Returns a human-readable latency analysis report.', {tips: SPECIAL}],
    ['GRAPH',     3,    GUARDED,         NO_KEY, '2.8.13', graph,     'Returns a latency graph for an event.', {tips: SPECIAL}],
    ['HELP',      2,    LOADING | STALE, NO_KEY, '2.8.13', help,      'Returns helpful text about the different subcommands.'],
    ['HISTOGRAM', -2,   GUARDED,         NO_KEY, '7.0.0',  histogram, 'Returns the cumulative distribution of latencies of a subset or all commands.', {tips: SPECIAL}],
    ['HISTORY',   3,    GUARDED,         NO_KEY, '2.8.13', history,   'Returns timestamp-latency samples for an event.', {tips: SPECIAL}],
    ['LATEST',    2,    GUARDED,         NO_KEY, '2.8.13', latest,    'Returns the latest latency samples for all events.', {tips: SPECIAL}],
    ['RESET',     -2,   GUARDED,         NO_KEY, '2.8.13', reset,     'Resets the latency data for one or more events.', {tips: SUMMED}],
  ]}],
];

function doctor(call: Call): void {
  const { observer, config } = call.context;
  call.reply.verbatim(latencyReport(observer.latency.all(), config.values['latency-monitor-threshold']));
}

function graph(call: Call): void {
  const event = call.context.observer.latency.byName(call.text(2));
  if (event !== undefined) call.reply.verbatim(latencyGraph(event, call.context.keyspace.nowMs));
  else call.reply.error(`ERR No samples available for event '${call.text(2)}'`);
}

function help(call: Call): void {
  writeHelp(call, 'LATENCY', [
    'DOCTOR',
    '    Return a human readable latency analysis report.',
    'GRAPH <event>',
    '    Return an ASCII latency graph for the <event> class.',
    'HISTORY <event>',
    '    Return time-latency samples for the <event> class.',
    'LATEST',
    '    Return the latest latency samples for all events.',
    'RESET [<event> ...]',
    '    Reset latency data of one or more <event> classes.',
    '    (default: reset all data for all event classes)',
    'HISTOGRAM [COMMAND ...]',
    '    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.',
    '    If no commands are specified then all histograms are replied',
  ]);
}

/** Commands that were never called have no histogram and are left out. */
function histogram(call: Call): void {
  const { table, reply } = call;
  const found: CommandEntry[] = [];
  const take = (entry: CommandEntry): void => {
    if (entry.histogram !== null && entry.histogram.total > 0) found.push(entry);
    for (const below of entry.subcommands?.values() ?? []) take(below);
  };
  if (call.argc === 2) for (const entry of table.entries) take(entry);
  for (let index = 2; index < call.argc; index += 1) {
    const entry = table.byName(call.latin1(index));
    if (entry !== null) take(entry);
  }
  reply.map(found.length);
  for (const entry of found) writeHistogram(call, entry, entry.histogram?.levels() ?? []);
}

function writeHistogram(call: Call, entry: CommandEntry, levels: readonly HistogramLevel[]): void {
  const { reply } = call;
  reply.bulkLatin1(entry.name);
  reply.map(2);
  reply.bulkLatin1('calls');
  reply.integer(entry.histogram?.total ?? 0);
  reply.bulkLatin1('histogram_usec');
  reply.map(levels.length);
  for (const { upToNs, count } of levels) {
    reply.integer(Math.floor(upToNs / 1000));
    reply.integer(count);
  }
}

function history(call: Call): void {
  const samples = call.context.observer.latency.byName(call.text(2))?.samples ?? [];
  call.reply.array(samples.length);
  for (const { timeSeconds, latencyMs } of samples) {
    call.reply.array(2);
    call.reply.integer(timeSeconds);
    call.reply.integer(latencyMs);
  }
}

/** Name, time and duration of the last sample, longest duration, sum, count. */
function latest(call: Call): void {
  const { reply } = call;
  const events = call.context.observer.latency.all();
  reply.array(events.length);
  for (const { name, samples, maxMs, sumMs, count } of events) {
    const last = samples.at(-1);
    reply.array(6);
    reply.bulkText(name);
    reply.integer(last?.timeSeconds ?? 0);
    reply.integer(last?.latencyMs ?? 0);
    reply.integer(maxMs);
    reply.integer(sumMs);
    reply.integer(count);
  }
}

function reset(call: Call): void {
  const names: string[] = [];
  for (let index = 2; index < call.argc; index += 1) names.push(call.text(index));
  call.reply.integer(call.context.observer.latency.reset(names));
}
