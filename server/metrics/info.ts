/**
 * INFO: every section as a function of what the server knows; field names and order are those of Redis 7.2.
 */

import { resolve } from 'node:path';
import { describeInfo } from '../commands/cluster-topology.ts';
import type { CommandTable } from '../commands/command-table.ts';
import type { InfoSource, ServerContext } from '../commands/context.ts';
import { keptTargets } from '../commands/migrate-target.ts';
import { REDIS_VERSION } from '../config/config-file.ts';
import { datasetLines, PREFIXES_SHOWN } from './dataset-lines.ts';
import { evictionLines } from './eviction-lines.ts';
import {
  commandStatLines,
  errorStatLines,
  keyspaceLines,
  latencyStatLines,
  memoryLines,
} from './info-sections.ts';
import { LoopMetrics } from './loop-metrics.ts';
import { Rate } from './rate.ts';
import { sliceLines } from './slice-lines.ts';

/** A part of the server that prints its own section. */
export interface InfoPart {
  /** Lines `field:value` without line ends. */
  infoLines(): readonly string[];
}

export interface InfoParts {
  readonly context: ServerContext;
  readonly table: CommandTable;
  readonly persistence: InfoPart;
  readonly replication: InfoPart;
  /** Our own version, for people who ask which server this really is. */
  readonly version: string;
  readonly os: string;
}

/** `hidden`: printed only when it is named. */
type When = 'default' | 'all' | 'hidden';

type Section = readonly [name: string, title: string, when: When, lines: () => readonly string[]];

/** The counters whose rates INFO prints. */
interface Rates {
  readonly commands: Rate;
  readonly input: Rate;
  readonly output: Rate;
  readonly replicaInput: Rate;
  readonly replicaOutput: Rate;
}

const SECONDS_A_DAY = 86_400;

/** Counters of mechanisms that this server does not have; programs that read INFO expect the fields. */
const ABSENT_STATS: readonly string[] = [
  'expired_stale_perc:0.00',
  'expired_time_cap_reached_count:0',
  'expire_cycle_cpu_milliseconds:0',
  'total_eviction_exceeded_time:0',
  'current_eviction_exceeded_time:0',
  'slave_expires_tracked_keys:0',
  'active_defrag_hits:0',
  'active_defrag_misses:0',
  'active_defrag_key_hits:0',
  'active_defrag_key_misses:0',
  'total_active_defrag_time:0',
  'current_active_defrag_time:0',
  'io_threaded_reads_processed:0',
  'io_threaded_writes_processed:0',
  'io_threaded_freed_objects:0',
  'io_threaded_accept_processed:0',
  'io_threaded_poll_processed:0',
  'io_threaded_total_prefetch_batches:0',
  'io_threaded_total_prefetch_entries:0',
  'reply_buffer_shrinks:0',
  'reply_buffer_expands:0',
];

/** Renders INFO and keeps the rates that it shows. */
export class Info implements InfoSource {
  readonly #parts: InfoParts;
  readonly #rates: Rates = {
    commands: new Rate(),
    input: new Rate(),
    output: new Rate(),
    replicaInput: new Rate(),
    replicaOutput: new Rate(),
  };
  readonly #sections: readonly Section[];
  readonly loop = new LoopMetrics();

  constructor(parts: InfoParts) {
    this.#parts = parts;
    const { context, table } = parts;
    // biome-ignore format: a table, one section a row
    this.#sections = [
      ['server',       'Server',       'default', () => this.#server()],
      ['clients',      'Clients',      'default', () => this.#clients()],
      ['memory',       'Memory',       'default', () => memoryLines(context)],
      ['persistence',  'Persistence',  'default', () => parts.persistence.infoLines()],
      ['stats',        'Stats',        'default', () => this.#stats()],
      ['replication',  'Replication',  'default', () => parts.replication.infoLines()],
      ['cpu',          'CPU',          'default', () => cpuLines()],
      ['modules',      'Modules',      'default', () => []],
      ['commandstats', 'Commandstats', 'all',     () => commandStatLines(table)],
      ['errorstats',   'Errorstats',   'default', () => errorStatLines(context.stats)],
      ['latencystats', 'Latencystats', 'all',     () => this.#latencies()],
      ['cluster',      'Cluster',      'default', () => [`cluster_enabled:${context.cluster === null ? 0 : 1}`]],
      ['eviction',     'Eviction',     'all',     () => evictionLines(context.stats.eviction)],
      ['slices',       'Slices',       'all',     () => sliceLines(context.stats.slices)],
      ['dataset',      'Dataset',      'all',     () => this.#dataset()],
      ['keyspace',     'Keyspace',     'default', () => keyspaceLines(context.keyspace)],
      ['debug',        'Debug',        'hidden',  () => [...this.loop.debugLines(), ...context.persistence.snapshots.times.lines()]],
    ];
  }

  /** Samples the rates; the server calls it about ten times a second. */
  tick(monotonicMs: number): void {
    const { stats } = this.#parts.context;
    const rates = this.#rates;
    rates.commands.sample(monotonicMs, stats.totalCommandsProcessed);
    rates.input.sample(monotonicMs, stats.totalNetInputBytes);
    rates.output.sample(monotonicMs, stats.totalNetOutputBytes);
    rates.replicaInput.sample(monotonicMs, stats.totalReplInputBytes);
    rates.replicaOutput.sample(monotonicMs, stats.totalReplOutputBytes);
    stats.peakMemoryBytes = Math.max(stats.peakMemoryBytes, this.#parts.context.keyspace.arena.usedBytes);
  }

  /**
   * The sections named, in Redis' order; none named means the default ones. `all`, `default` and `everything`
   * name groups; unknown names print nothing.
   */
  render(sections: readonly string[]): string {
    const wanted = new Set(sections.map((name) => name.toLowerCase()));
    const all = wanted.has('all') || wanted.has('everything');
    const byDefault = wanted.size === 0 || wanted.has('default');
    const printed = this.#sections
      .filter(([name, , when]) => {
        if (wanted.has(name)) return true;
        return when === 'default' ? all || byDefault : when === 'all' && all;
      })
      .map(([, title, , lines]) => [`# ${title}`, ...lines(), ''].join('\r\n'));
    return printed.join('\r\n');
  }

  /** All sections with CLUSTER INFO behind them: what the metrics page is made from. */
  renderForMetrics(): string {
    const { cluster } = this.#parts.context;
    return `${this.render(['everything'])}\r\n${cluster === null ? '' : describeInfo(cluster.state)}`;
  }

  #dataset(): string[] {
    const { keyspace } = this.#parts.context;
    return datasetLines(keyspace.profile.report(keyspace.nowMs, PREFIXES_SHOWN));
  }

  #server(): string[] {
    const { context, version, os } = this.#parts;
    const { config, keyspace } = context;
    const uptime = Math.max(0, Math.floor((Date.now() - context.startedAtMs) / 1000));
    const mode = context.cluster === null ? 'standalone' : 'cluster';
    return [
      `redis_version:${REDIS_VERSION}`,
      'redis_git_sha1:00000000',
      'redis_git_dirty:0',
      'redis_build_id:0',
      `redis_mode:${mode}`,
      `redwarden_version:${version}`,
      `os:${os}`,
      'arch_bits:64',
      'monotonic_clock:POSIX clock_gettime',
      'multiplexing_api:epoll',
      'atomicvar_api:c11-builtin',
      'gcc_version:0.0.0',
      `node_version:${process.versions.node}`,
      `process_id:${process.pid}`,
      'process_supervised:no',
      `run_id:${context.runId}`,
      `tcp_port:${config.values.port}`,
      `server_time_usec:${Date.now() * 1000}`,
      `uptime_in_seconds:${uptime}`,
      `uptime_in_days:${Math.floor(uptime / SECONDS_A_DAY)}`,
      `hz:${config.values.hz}`,
      `configured_hz:${config.values.hz}`,
      `lru_clock:${keyspace.freshClock}`,
      `executable:${resolve(process.argv[1] ?? process.execPath)}`,
      `config_file:${config.path ?? ''}`,
      `availability_zone:${config.values['availability-zone']}`,
      'io_threads_active:0',
      ...shutdownLines(context),
      `listener0:name=tcp,bind=${config.values.bind.join(',bind=')},port=${config.values.port}`,
    ];
  }

  #latencies(): string[] {
    const { context, table } = this.#parts;
    return latencyStatLines(table, context.config.values['latency-tracking-info-percentiles']);
  }

  #clients(): string[] {
    const { clients, config, blocking, tracking } = this.#parts.context;
    let connected = 0;
    let blocked = 0;
    let pubsub = 0;
    let watching = 0;
    const watchedKeys = new Set<string>();
    for (const client of clients.all()) {
      if (client.kind === 'normal' || client.kind === 'pubsub') connected += 1;
      if (client.kind === 'pubsub') pubsub += 1;
      if (client.blocked) blocked += 1;
      if (client.watched === null) continue;
      watching += 1;
      for (const name of client.watched.keys()) watchedKeys.add(name);
    }
    return [
      `connected_clients:${connected}`,
      'cluster_connections:0',
      `maxclients:${config.values.maxclients}`,
      'client_recent_max_input_buffer:0',
      'client_recent_max_output_buffer:0',
      `blocked_clients:${blocked}`,
      `tracking_clients:${tracking.clients}`,
      `pubsub_clients:${pubsub}`,
      `watching_clients:${watching}`,
      `total_watched_keys:${watchedKeys.size}`,
      `clients_in_timeout_table:${blocking.deadlineCount}`,
      `total_blocking_keys:${blocking.keyCount}`,
      `total_blocking_keys_on_nokey:${blocking.noKeyCount}`,
      ...this.#pauses(),
    ];
  }

  #pauses(): string[] {
    const { clients, replication, keyspace } = this.#parts.context;
    const leftMs = Math.max(0, replication.writesPausedUntilMs - keyspace.nowMs);
    const byOther = this.#parts.context.shutdownDeadlineMs === 0 ? 'failover' : 'shutdown';
    const byClient = replication.clientPauseUntilMs > keyspace.nowMs;
    const all = clients.pausedUntilMs > keyspace.nowMs;
    return [
      `paused_reason:${leftMs === 0 ? 'none' : byClient ? 'client_pause' : `${byOther}_in_progress`}`,
      `paused_actions:${leftMs === 0 ? 'none' : all ? 'all' : 'write'}`,
      `paused_timeout_milliseconds:${leftMs}`,
    ];
  }

  #stats(): string[] {
    const { context } = this.#parts;
    const { stats, pubsub, tracking } = context;
    const rates = this.#rates;
    const kbps = (rate: Rate): string => (rate.perSecond / 1024).toFixed(2);
    return [
      `total_connections_received:${stats.totalConnectionsReceived}`,
      `total_commands_processed:${stats.totalCommandsProcessed}`,
      `instantaneous_ops_per_sec:${Math.round(rates.commands.perSecond)}`,
      `total_net_input_bytes:${stats.totalNetInputBytes}`,
      `total_net_output_bytes:${stats.totalNetOutputBytes}`,
      `total_net_repl_input_bytes:${stats.totalReplInputBytes}`,
      `total_net_repl_output_bytes:${stats.totalReplOutputBytes}`,
      `instantaneous_input_kbps:${kbps(rates.input)}`,
      `instantaneous_output_kbps:${kbps(rates.output)}`,
      `instantaneous_input_repl_kbps:${kbps(rates.replicaInput)}`,
      `instantaneous_output_repl_kbps:${kbps(rates.replicaOutput)}`,
      `rejected_connections:${stats.rejectedConnections}`,
      `sync_full:${stats.syncFull}`,
      `sync_partial_ok:${stats.syncPartialOk}`,
      `sync_partial_err:${stats.syncPartialErr}`,
      `expired_keys:${stats.expiredKeys}`,
      `expired_fields:${stats.expiredFields}`,
      `evicted_keys:${stats.evictedKeys}`,
      `evicted_clients:${stats.evictedClients}`,
      `keyspace_hits:${stats.keyspaceHits}`,
      `keyspace_misses:${stats.keyspaceMisses}`,
      `tracking_total_keys:${tracking.keyCount}`,
      `tracking_total_items:${tracking.items}`,
      `tracking_total_prefixes:${tracking.prefixCount}`,
      `pubsub_channels:${pubsub.count('channels')}`,
      `pubsub_patterns:${pubsub.count('patterns')}`,
      `pubsubshard_channels:${pubsub.count('shardChannels')}`,
      'latest_fork_usec:0',
      `total_forks:${context.persistence.snapshots.runs}`,
      `migrate_cached_sockets:${keptTargets()}`,
      'unexpected_error_replies:0',
      `total_error_replies:${stats.totalErrorReplies}`,
      'dump_payload_sanitizations:0',
      `evicted_scripts:${context.scripts.scripting.cache.evicted}`,
      ...deniedLines(context),
      `client_query_buffer_limit_disconnections:${stats.clientQueryLimitDisconnections}`,
      `client_output_buffer_limit_disconnections:${stats.clientOutputLimitDisconnections}`,
      ...this.loop.statsLines(this.#parts.table.entries),
      `total_reads_processed:${stats.totalReads}`,
      `total_writes_processed:${stats.totalWrites}`,
      ...ABSENT_STATS,
    ];
  }
}

function shutdownLines({ shutdownDeadlineMs, keyspace }: ServerContext): string[] {
  if (shutdownDeadlineMs === 0) return [];
  return [`shutdown_in_milliseconds:${Math.max(0, shutdownDeadlineMs - keyspace.nowMs)}`];
}

function cpuLines(): string[] {
  const usage = process.cpuUsage();
  const main = process.threadCpuUsage();
  const system = (usage.system / 1e6).toFixed(6);
  const user = (usage.user / 1e6).toFixed(6);
  return [
    `used_cpu_sys:${system}`,
    `used_cpu_user:${user}`,
    'used_cpu_sys_children:0.000000',
    'used_cpu_user_children:0.000000',
    `used_cpu_sys_main_thread:${(main.system / 1e6).toFixed(6)}`,
    `used_cpu_user_main_thread:${(main.user / 1e6).toFixed(6)}`,
  ];
}

/** What users were denied. */
function deniedLines(context: ServerContext): string[] {
  const { denied } = context.access.log;
  return [
    `acl_access_denied_auth:${denied.auth}`,
    `acl_access_denied_cmd:${denied.command}`,
    `acl_access_denied_key:${denied.key}`,
    `acl_access_denied_channel:${denied.channel}`,
  ];
}
