/**
 * The `/metrics` page. Names and units are those that redis_exporter made common, so that existing dashboards
 * and alerts work; each is read from a field of INFO.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Registry } from 'prom-client';
import { readInfoFields, readInfoParts } from './info-fields.ts';

type MetricRow = readonly [name: string, type: 'gauge' | 'counter', field: string, help: string];

// biome-ignore format: a table, one metric a row
const metricRows: readonly MetricRow[] = [
  // name                                       type       INFO field                        help
  ['redis_uptime_in_seconds',                   'gauge',   'uptime_in_seconds',              'Seconds since the start.'],
  ['redis_process_id',                          'gauge',   'process_id',                     'Process id.'],
  ['redis_connected_clients',                   'gauge',   'connected_clients',              'Clients connected, replicas left out.'],
  ['redis_blocked_clients',                     'gauge',   'blocked_clients',                'Clients that wait in a blocking command.'],
  ['redis_config_maxclients',                   'gauge',   'maxclients',                     'Clients that may be connected.'],
  ['redis_memory_used_bytes',                   'gauge',   'used_memory',                    'Bytes of data.'],
  ['redis_memory_used_rss_bytes',               'gauge',   'used_memory_rss',                'Resident memory of the process.'],
  ['redis_memory_used_peak_bytes',              'gauge',   'used_memory_peak',               'Most bytes of data since the start.'],
  ['redis_memory_used_dataset_bytes',           'gauge',   'used_memory_dataset',            'Bytes of keys and values.'],
  ['redis_memory_max_bytes',                    'gauge',   'maxmemory',                      'Limit of the data, 0: none.'],
  ['redis_mem_fragmentation_ratio',             'gauge',   'mem_fragmentation_ratio',        'Resident memory by bytes of data.'],
  ['redis_allocator_active_bytes',              'gauge',   'allocator_active',               'Bytes of the arena held from the system.'],
  ['redis_loading_dump_file',                   'gauge',   'loading',                        '1 while the dataset is loaded.'],
  ['redis_rdb_changes_since_last_save',         'gauge',   'rdb_changes_since_last_save',    'Changes since the last snapshot.'],
  ['redis_rdb_bgsave_in_progress',              'gauge',   'rdb_bgsave_in_progress',         '1 while a snapshot is written.'],
  ['redis_rdb_last_save_timestamp_seconds',     'gauge',   'rdb_last_save_time',             'When the last snapshot ended.'],
  ['redis_rdb_last_bgsave_duration_sec',        'gauge',   'rdb_last_bgsave_time_sec',       'Seconds the last snapshot took.'],
  ['redis_aof_enabled',                         'gauge',   'aof_enabled',                    '1 when the append-only file is on.'],
  ['redis_aof_rewrite_in_progress',             'gauge',   'aof_rewrite_in_progress',        '1 while it is rewritten.'],
  ['redis_aof_last_rewrite_duration_sec',       'gauge',   'aof_last_rewrite_time_sec',      'Seconds the last rewrite took.'],
  ['redis_aof_current_size_bytes',              'gauge',   'aof_current_size',               'Bytes of the append-only file.'],
  ['redis_aof_base_size_bytes',                 'gauge',   'aof_base_size',                  'Its bytes after the last rewrite.'],
  ['redis_connections_received_total',          'counter', 'total_connections_received',     'Connections accepted.'],
  ['redis_rejected_connections_total',          'counter', 'rejected_connections',           'Connections refused for maxclients.'],
  ['redis_commands_processed_total',            'counter', 'total_commands_processed',       'Commands run.'],
  ['redis_net_input_bytes_total',               'counter', 'total_net_input_bytes',          'Bytes read from clients.'],
  ['redis_net_output_bytes_total',              'counter', 'total_net_output_bytes',         'Bytes sent to clients.'],
  ['redis_replication_input_bytes_total',       'counter', 'total_net_repl_input_bytes',     'Bytes read from the primary.'],
  ['redis_replication_output_bytes_total',      'counter', 'total_net_repl_output_bytes',    'Bytes sent to replicas.'],
  ['redis_replica_resyncs_full',                'counter', 'sync_full',                      'Full resyncs served.'],
  ['redis_replica_partial_resync_accepted',     'counter', 'sync_partial_ok',                'Partial resyncs served.'],
  ['redis_replica_partial_resync_denied',       'counter', 'sync_partial_err',               'Partial resyncs that became full ones.'],
  ['redis_expired_keys_total',                  'counter', 'expired_keys',                   'Keys that expired.'],
  ['redis_evicted_keys_total',                  'counter', 'evicted_keys',                   'Keys evicted for maxmemory.'],
  ['redwarden_keys_without_ttl',                'gauge',   'keys_without_ttl',               'Keys that never expire.'],
  ['redwarden_keys_without_ttl_bytes',          'gauge',   'keys_without_ttl_bytes',         'Bytes that they hold, estimated from samples.'],
  ['redis_keyspace_hits_total',                 'counter', 'keyspace_hits',                  'Reads that found their key.'],
  ['redis_keyspace_misses_total',               'counter', 'keyspace_misses',                'Reads that found none.'],
  ['redis_error_replies_total',                 'counter', 'total_error_replies',            'Errors sent to clients.'],
  ['redis_connected_slaves',                    'gauge',   'connected_slaves',               'Replicas connected.'],
  ['redis_master_repl_offset',                  'gauge',   'master_repl_offset',             'Replication offset.'],
  ['redis_second_repl_offset',                  'gauge',   'second_repl_offset',             'Offset up to which the former history is valid.'],
  ['redis_replication_backlog_bytes',           'gauge',   'repl_backlog_size',              'Size of the replication backlog.'],
  ['redis_repl_backlog_history_bytes',          'gauge',   'repl_backlog_histlen',           'Bytes in the replication backlog.'],
  ['redis_master_last_io_seconds_ago',          'gauge',   'master_last_io_seconds_ago',     'Seconds since the primary was heard.'],
  ['redis_slave_repl_offset',                   'gauge',   'slave_repl_offset',              'Offset of this replica.'],
  ['redis_master_sync_in_progress',             'gauge',   'master_sync_in_progress',        '1 during a full sync from the primary.'],
  ['redis_cpu_sys_seconds_total',               'counter', 'used_cpu_sys',                   'Processor seconds in the kernel.'],
  ['redis_cpu_user_seconds_total',              'counter', 'used_cpu_user',                  'Processor seconds in the process.'],
  ['redis_cluster_enabled',                     'gauge',   'cluster_enabled',                '1 in cluster mode.'],
  ['redis_cluster_slots_assigned',              'gauge',   'cluster_slots_assigned',         'Slots that have an owner.'],
  ['redis_cluster_slots_ok',                    'gauge',   'cluster_slots_ok',               'Slots whose owner answers.'],
  ['redis_cluster_slots_pfail',                 'gauge',   'cluster_slots_pfail',            'Slots whose owner is suspected here.'],
  ['redis_cluster_slots_fail',                  'gauge',   'cluster_slots_fail',             'Slots whose owner has failed.'],
  ['redis_cluster_known_nodes',                 'gauge',   'cluster_known_nodes',            'Nodes known, this one included.'],
  ['redis_cluster_size',                        'gauge',   'cluster_size',                   'Primaries that own slots.'],
  ['redis_cluster_current_epoch',               'gauge',   'cluster_current_epoch',          'Epoch of the cluster.'],
  ['redis_cluster_my_epoch',                    'gauge',   'cluster_my_epoch',               'Epoch of this node’s slots.'],
  ['redis_cluster_messages_sent_total',         'counter', 'cluster_stats_messages_sent',    'Messages sent on the bus.'],
  ['redis_cluster_messages_received_total',     'counter', 'cluster_stats_messages_received', 'Messages received on the bus.'],
];

const LOOP_DELAY_RESOLUTION_MS = 20;
const NANOSECONDS = 1e9;

/** The fields of one look at the server, filled before a page is made. */
interface Look {
  fields: ReadonlyMap<string, string>;
}

/** Makes pages of metrics. */
export class PrometheusPage {
  readonly #registry = new Registry();
  readonly #look: Look = { fields: new Map() };
  readonly #info: () => string;
  readonly #loopDelay: ReturnType<typeof monitorEventLoopDelay>;

  /** @param info fields as INFO prints them, CLUSTER INFO among them */
  constructor(info: () => string) {
    this.#info = info;
    this.#loopDelay = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS });
    this.#loopDelay.enable();
    for (const row of metricRows) addMetric(this.#registry, row, this.#look);
    this.#addStates();
    this.#addLabelled();
    this.#addLoopDelay();
  }

  /** Content type of a page. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The page as it is now. */
  async render(): Promise<string> {
    this.#look.fields = readInfoFields(this.#info());
    return this.#registry.metrics();
  }

  /** Stops measuring. */
  close(): void {
    this.#loopDelay.disable();
  }

  #addStates(): void {
    const look = this.#look;
    const state = (name: string, help: string, read: () => number): void => {
      new Gauge({
        name,
        help,
        registers: [this.#registry],
        collect() {
          this.set(read());
        },
      });
    };
    const is = (field: string, value: string): number => (look.fields.get(field) === value ? 1 : 0);
    state('redis_up', '1 while the server answers.', () => 1);
    state('redis_master_link_up', '1 for a replica whose link is up.', () => is('master_link_status', 'up'));
    state('redis_cluster_state', '1 while the cluster serves.', () => is('cluster_state', 'ok'));
    state('redis_aof_last_write_status', '1 after a good write.', () => is('aof_last_write_status', 'ok'));
    state('redis_aof_last_bgrewrite_status', '1 after a good rewrite.', () =>
      is('aof_last_bgrewrite_status', 'ok'),
    );
    state('redis_rdb_last_bgsave_status', '1 after a good snapshot.', () =>
      is('rdb_last_bgsave_status', 'ok'),
    );
    this.#labelled(
      'redis_instance_info',
      'Always 1; the labels say what runs.',
      ['role', 'redis_version', 'redis_mode', 'run_id', 'maxmemory_policy'],
      (set) => {
        const label = (field: string): string => look.fields.get(field) ?? '';
        set(
          {
            role: label('role'),
            redis_version: label('redis_version'),
            redis_mode: label('redis_mode'),
            run_id: label('run_id'),
            maxmemory_policy: label('maxmemory_policy'),
          },
          1,
        );
      },
    );
  }

  #addLabelled(): void {
    const each = (prefix: string, visit: (name: string, parts: Map<string, number>) => void): void => {
      for (const [field, value] of this.#look.fields) {
        if (field.startsWith(prefix)) visit(field.slice(prefix.length), readInfoParts(value));
      }
    };
    const rows = [
      ['redis_db_keys', 'Keys of a database.', 'db', 'db', 'keys'],
      ['redis_db_keys_expiring', 'Keys of a database that expire.', 'db', 'db', 'expires'],
      ['redis_commands_total', 'Calls of a command.', 'cmd', 'cmdstat_', 'calls'],
      ['redis_commands_duration_seconds_total', 'Seconds spent in a command.', 'cmd', 'cmdstat_', 'usec'],
      [
        'redis_commands_failed_calls_total',
        'Calls that answered an error.',
        'cmd',
        'cmdstat_',
        'failed_calls',
      ],
      [
        'redis_commands_rejected_calls_total',
        'Calls refused before they ran.',
        'cmd',
        'cmdstat_',
        'rejected_calls',
      ],
      ['redis_errors_total', 'Errors by their code.', 'err', 'errorstat_', 'count'],
      ['redwarden_slices_total', 'Slices of work beside the commands.', 'work', 'slices_', 'count'],
      ['redwarden_slices_seconds_total', 'Seconds spent in them.', 'work', 'slices_', 'usec'],
      ['redwarden_slice_longest_seconds', 'The longest of them.', 'work', 'slices_', 'longest_usec'],
      ['redwarden_slices_within_2ms_total', 'Those of 2 ms at most.', 'work', 'slices_', 'to_2000'],
    ] as const;
    for (const [name, help, label, prefix, part] of rows) {
      this.#labelled(name, help, [label], (set) => {
        each(prefix, (rest, parts) => {
          const number = parts.get(part);
          if (number === undefined || Number.isNaN(number)) return;
          set(
            { [label]: label === 'db' ? `db${rest}` : rest },
            part.endsWith('usec') ? number / 1e6 : number,
          );
        });
      });
    }
  }

  #labelled(
    name: string,
    help: string,
    labelNames: readonly string[],
    fill: (set: (labels: Record<string, string>, value: number) => void) => void,
  ): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
      collect() {
        this.reset();
        fill((labels, value) => this.set(labels, value));
      },
    });
  }

  #addLoopDelay(): void {
    const delay = this.#loopDelay;
    this.#labelled(
      'redwarden_event_loop_delay_seconds',
      'Delay of the event loop since the last look.',
      ['quantile'],
      (set) => {
        const resolution = LOOP_DELAY_RESOLUTION_MS / 1000;
        for (const percentile of [50, 99, 99.9]) {
          const seconds = delay.percentile(percentile) / NANOSECONDS - resolution;
          set({ quantile: String(percentile / 100) }, Math.max(0, seconds));
        }
        set({ quantile: '1' }, Math.max(0, delay.max / NANOSECONDS - resolution));
        delay.reset();
      },
    );
  }
}

/**
 * Adds the metric of one row; a field that INFO does not print now leaves its metric at the last value or 0.
 */
function addMetric(registry: Registry, row: MetricRow, look: Look): void {
  const [name, type, field, help] = row;
  const read = (): number => Number(look.fields.get(field) ?? '0') || 0;
  const registers = [registry];
  if (type === 'gauge') {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
    return;
  }
  new Counter({
    name,
    help,
    registers,
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}
