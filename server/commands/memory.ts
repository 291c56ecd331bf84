/** MEMORY: what data and buffers hold. */

import { TYPE_STRING } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { writeHelp } from './help.ts';
import { type MemoryFigures, memoryFigures, tableBytes } from './memory-figures.ts';
import { LOADING, NO_KEY, READONLY, type Row, STALE } from './row.ts';

const SECOND_KEY = [2, 2, 1] as const;
const ANYTIME = LOADING | STALE;
const SPECIAL = ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'];
const ON_ALL = ['request_policy:all_shards', 'response_policy:all_succeeded'];

// biome-ignore format: a table, one command a row
export const memoryCommands: readonly Row[] = [
  // name            arity flags     keys        since    run          summary
  ['MEMORY',         -2,   0,        NO_KEY,     '4.0.0', help,        'A container for memory diagnostics commands.', {subcommands: [
    ['DOCTOR',       2,    0,        NO_KEY,     '4.0.0', doctor,      'Outputs a memory problems report.', {tips: SPECIAL}],
    ['HELP',         2,    ANYTIME,  NO_KEY,     '4.0.0', help,        'Returns helpful text about the different subcommands.'],
    ['MALLOC-STATS', 2,    LOADING,  NO_KEY,     '4.0.0', mallocStats, 'Returns the allocator statistics.', {tips: SPECIAL}],
    ['PURGE',        2,    LOADING,  NO_KEY,     '4.0.0', purge,       'Asks the allocator to release memory.', {tips: ON_ALL}],
    ['STATS',        2,    0,        NO_KEY,     '4.0.0', stats,       'Returns details about memory usage.', {tips: SPECIAL}],
    ['USAGE',        -3,   READONLY, SECOND_KEY, '4.0.0', usage,       'Estimates the memory usage of a key.'],
  ]}],
];

const SAMPLES = 5;
/** An instance with less data than this is healthy whatever the ratios say. */
const SMALL_BYTES = 5 * 1024 * 1024;
const PEAK_RATIO = 1.5;
const FRAGMENTATION_RATIO = 1.4;

function doctor(call: Call): void {
  const figures = memoryFigures(call.context);
  const problems: string[] = [];
  if (figures.used < SMALL_BYTES) {
    call.reply.verbatim(
      'The instance holds very little data: there is nothing to say about its memory yet. Fill it and ask again.\n',
    );
    return;
  }
  if (figures.peak / figures.used > PEAK_RATIO) {
    problems.push(
      'High peak: memory was much higher than now; the difference may still be held by the process.',
    );
  }
  if (figures.held / figures.used > FRAGMENTATION_RATIO) {
    problems.push(
      'High fragmentation: the arena holds more than the data needs; MEMORY PURGE gives it back.',
    );
  }
  if (problems.length === 0) call.reply.verbatim('No memory problem was found in this instance.\n');
  else call.reply.verbatim(`${problems.map((text) => `* ${text}`).join('\n')}\n`);
}

function help(call: Call): void {
  writeHelp(call, 'MEMORY', [
    'DOCTOR',
    '    Return memory problems reports.',
    'MALLOC-STATS',
    '    Return internal statistics report from the memory allocator.',
    'PURGE',
    '    Attempt to purge dirty pages for reclamation by the allocator.',
    'STATS',
    '    Return information about the memory usage of the server.',
    'USAGE <key> [SAMPLES <count>]',
    '    Return memory in bytes used by <key> and its value. Nested values are',
    '    sampled up to <count> times (default: 5, 0 means sample all).',
  ]);
}

function mallocStats(call: Call): void {
  const { arena } = call.context.keyspace;
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const lines = {
    'arena allocated': arena.usedBytes,
    'arena reserved': arena.reservedBytes,
    resident: rss,
    'heap total': heapTotal,
    'heap used': heapUsed,
    external,
    'array buffers': arrayBuffers,
  };
  call.reply.verbatim(
    `${Object.entries(lines)
      .map(([name, bytes]) => `${name}: ${bytes}`)
      .join('\n')}\n`,
  );
}

/** Gives back what is empty in the arena. */
function purge(call: Call): void {
  call.context.keyspace.arena.releaseSome(Number.POSITIVE_INFINITY);
  call.reply.ok();
}

type Fields = readonly (readonly [name: string, value: number])[];

/** Integers, ratios and the tables of each database, in Redis' order. */
function stats(call: Call): void {
  const { reply, context } = call;
  const figures = memoryFigures(context);
  const { keyspace } = context;
  const databases = keyspace.databases.filter((database) => database.tables > 0);
  const buffers = bufferFields(figures);
  const data = dataFields(figures, keyspace.size);
  const ratios: Fields = [
    ['dataset.percentage', percentage(figures.dataset, figures.used)],
    ['peak.percentage', percentage(figures.used, figures.peak)],
  ];
  const allocator: Fields = [
    ['allocator.allocated', figures.used],
    ['allocator.active', figures.held],
    ['allocator.resident', figures.held],
    ['allocator.muzzy', 0],
  ];
  const waste = wasteFields(figures);
  const lists = [buffers, databases, data, ratios, allocator, waste];
  reply.map(lists.reduce((sum, { length }) => sum + length, 0));
  writeIntegers(call, buffers);
  for (const database of databases) {
    reply.bulkText(`db.${database.index}`);
    reply.map(2);
    writeIntegers(call, [
      ['overhead.hashtable.main', tableBytes(database.size)],
      ['overhead.hashtable.expires', 0],
    ]);
  }
  writeIntegers(call, data);
  writeRatios(call, ratios);
  writeIntegers(call, allocator);
  for (const [name, value] of waste) {
    if (name.endsWith('bytes')) writeIntegers(call, [[name, value]]);
    else writeRatios(call, [[name, value]]);
  }
}

function bufferFields(figures: MemoryFigures): Fields {
  return [
    ['peak.allocated', figures.peak],
    ['total.allocated', figures.used],
    ['startup.allocated', figures.startup],
    ['replication.backlog', figures.backlog],
    ['clients.slaves', figures.replicaClients],
    ['clients.normal', figures.normalClients],
    ['cluster.links', 0],
    ['aof.buffer', 0],
    ['lua.caches', 0],
    ['functions.caches', 0],
  ];
}

function dataFields(figures: MemoryFigures, keys: number): Fields {
  return [
    ['overhead.db.hashtable.lut', tableBytes(keys)],
    ['overhead.db.hashtable.rehashing', 0],
    ['overhead.total', figures.overhead],
    ['db.dict.rehashing.count', 0],
    ['keys.count', keys],
    ['keys.bytes-per-key', keys === 0 ? 0 : Math.floor(figures.dataset / keys)],
    ['dataset.bytes', figures.dataset],
  ];
}

/** What is held and not used: ratios, and differences in bytes. */
function wasteFields(figures: MemoryFigures): Fields {
  return [
    ['allocator-fragmentation.ratio', figures.fragmentation],
    ['allocator-fragmentation.bytes', figures.held - figures.base],
    ['allocator-rss.ratio', 1],
    ['allocator-rss.bytes', 0],
    ['rss-overhead.ratio', figures.resident / Math.max(figures.held, 1)],
    ['rss-overhead.bytes', figures.resident - figures.held],
    ['fragmentation', figures.fragmentation],
    ['fragmentation.bytes', figures.held - figures.base],
  ];
}

function percentage(part: number, whole: number): number {
  return whole === 0 ? 0 : (part / whole) * 100;
}

function writeIntegers(call: Call, fields: Fields): void {
  for (const [name, value] of fields) {
    call.reply.bulkText(name);
    call.reply.integer(Math.round(value));
  }
}

function writeRatios(call: Call, fields: Fields): void {
  for (const [name, value] of fields) {
    call.reply.bulkText(name);
    call.reply.double(String(value));
  }
}

function usage(call: Call): void {
  let samples = SAMPLES;
  for (let index = 3; index < call.argc; index += 2) {
    if (!call.is(index, 'SAMPLES') || index + 1 >= call.argc) {
      call.reply.error(errors.SYNTAX);
      return;
    }
    samples = call.integer(index + 1);
    if (Number.isNaN(samples)) {
      call.reply.error(errors.NOT_INTEGER);
      return;
    }
    if (samples < 0) {
      call.reply.error(errors.SYNTAX);
      return;
    }
  }
  const { keyspace } = call.context;
  const ref = call.database.find(call.bytes, call.argStart[2], call.argLength[2]);
  if (ref === 0) {
    call.reply.nullBulk();
    return;
  }
  const { records, values } = keyspace;
  const type = records.type(ref);
  const value = type === TYPE_STRING ? 0 : values.of(type).heldBytes(ref, samples);
  call.reply.integer(records.heldBytes(ref) + value);
}
