/** Sections of INFO that are computed from the dataset and the command table. */

import { totalmem } from 'node:os';
import type { CommandEntry, CommandTable } from '../commands/command-table.ts';
import type { ServerContext } from '../commands/context.ts';
import { memoryFigures } from '../commands/memory-figures.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Stats } from '../keyspace/stats.ts';

const UNITS: readonly (readonly [bytes: number, letter: string])[] = [
  [2 ** 40, 'T'],
  [2 ** 30, 'G'],
  [2 ** 20, 'M'],
  [2 ** 10, 'K'],
];

/** Bytes for people: `918.99K`. */
export function humanBytes(bytes: number): string {
  const unit = UNITS.find(([least]) => bytes >= least);
  return unit === undefined ? `${bytes}B` : `${(bytes / unit[0]).toFixed(2)}${unit[1]}`;
}

function percent(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (part / whole) * 100).toFixed(2)}%`;
}

function ratio(part: number, whole: number): string {
  return (whole === 0 ? 0 : part / whole).toFixed(2);
}

/** The memory section. `used_memory` is the exact sum of what the arena handed out. */
export function memoryLines(context: ServerContext): string[] {
  const { config } = context;
  const figures = memoryFigures(context);
  const { used, held, base, resident, peak } = figures;
  const total = totalmem();
  const { maxmemory } = config.values;
  const { cache, engine, libraries } = context.scripts.scripting;
  const evalBytes = engine.memoryBytes;
  const functionBytes = engine.functionMemoryBytes;
  const vm = evalBytes + functionBytes;
  const kept = cache.memoryBytes + libraries.memoryBytes;
  return [
    `used_memory:${used}`,
    `used_memory_human:${humanBytes(used)}`,
    `used_memory_rss:${resident}`,
    `used_memory_rss_human:${humanBytes(resident)}`,
    `used_memory_peak:${peak}`,
    `used_memory_peak_human:${humanBytes(peak)}`,
    `used_memory_peak_perc:${percent(used, peak)}`,
    `used_memory_overhead:${figures.overhead}`,
    `used_memory_startup:${figures.startup}`,
    `used_memory_dataset:${figures.dataset}`,
    `used_memory_dataset_perc:${percent(figures.dataset, used)}`,
    `allocator_allocated:${used}`,
    `allocator_active:${held}`,
    `allocator_resident:${held}`,
    'allocator_muzzy:0',
    `total_system_memory:${total}`,
    `total_system_memory_human:${humanBytes(total)}`,
    `used_memory_lua:${evalBytes}`,
    `used_memory_vm_eval:${evalBytes}`,
    `used_memory_lua_human:${humanBytes(evalBytes)}`,
    `used_memory_scripts_eval:${cache.memoryBytes}`,
    `number_of_cached_scripts:${cache.count}`,
    `number_of_functions:${libraries.functionCount}`,
    `number_of_libraries:${libraries.count}`,
    `used_memory_vm_functions:${functionBytes}`,
    `used_memory_vm_total:${vm}`,
    `used_memory_vm_total_human:${humanBytes(vm)}`,
    `used_memory_functions:${libraries.memoryBytes}`,
    `used_memory_scripts:${kept}`,
    `used_memory_scripts_human:${humanBytes(kept)}`,
    `maxmemory:${maxmemory}`,
    `maxmemory_human:${humanBytes(maxmemory)}`,
    `maxmemory_policy:${config.values['maxmemory-policy']}`,
    `allocator_frag_ratio:${ratio(held, base)}`,
    `allocator_frag_bytes:${held - base}`,
    'allocator_rss_ratio:1.00',
    'allocator_rss_bytes:0',
    `rss_overhead_ratio:${ratio(resident, held)}`,
    `rss_overhead_bytes:${resident - held}`,
    `mem_fragmentation_ratio:${ratio(held, base)}`,
    `mem_fragmentation_bytes:${held - base}`,
    'mem_not_counted_for_evict:0',
    `mem_replication_backlog:${figures.backlog}`,
    `mem_total_replication_buffers:${figures.streamLog}`,
    'mem_replica_full_sync_buffer:0',
    `mem_clients_slaves:${figures.replicaClients}`,
    `mem_clients_normal:${figures.normalClients}`,
    'mem_cluster_links:0',
    'mem_aof_buffer:0',
    'mem_overhead_db_hashtable_rehashing:0',
    'mem_allocator:arena',
    'active_defrag_running:0',
    `lazyfree_pending_objects:${context.keyspace.lazyFree.pendingObjects}`,
    `lazyfreed_objects:${context.keyspace.stats.lazyfreedObjects}`,
  ];
}

/** One line a database that has keys. */
export function keyspaceLines(keyspace: Keyspace): string[] {
  return keyspace.databases
    .filter((database) => database.size > 0)
    .map((database) => {
      const { index, size, expiring, fields } = database;
      const hashes = fields.size === 0 ? '' : `,keys_with_volatile_items=${fields.size}`;
      return `db${index}:keys=${size},expires=${expiring},avg_ttl=0${hashes}`;
    });
}

/** One line for each code of errors that clients got. */
export function errorStatLines(stats: Stats): string[] {
  return [...stats.errors].map(([code, count]) => `errorstat_${code}:count=${count}`);
}

function* called(entries: Iterable<CommandEntry>): Generator<CommandEntry> {
  for (const entry of entries) {
    if (entry.calls + entry.rejected + entry.failed > 0) yield entry;
    if (entry.subcommands !== null) yield* called(entry.subcommands.values());
  }
}

/** One line for each command whose calls were timed. */
export function latencyStatLines(table: CommandTable, percentiles: readonly number[]): string[] {
  const lines: string[] = [];
  for (const { name, histogram } of called(table.entries)) {
    if (histogram === null || histogram.total === 0) continue;
    const parts = percentiles.map((percent) => {
      return `p${percent}=${(histogram.percentile(percent) / 1000).toFixed(3)}`;
    });
    lines.push(`latency_percentiles_usec_${name}:${parts.join(',')}`);
  }
  return lines;
}

/** One line for each command that was called. */
export function commandStatLines(table: CommandTable): string[] {
  return [...called(table.entries)].map((entry) => {
    const micros = Math.round(entry.microseconds);
    const mean = (entry.calls === 0 ? 0 : entry.microseconds / entry.calls).toFixed(2);
    const counts = `rejected_calls=${entry.rejected},failed_calls=${entry.failed}`;
    return `cmdstat_${entry.name}:calls=${entry.calls},usec=${micros},usec_per_call=${mean},${counts}`;
  });
}
