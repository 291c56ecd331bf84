/** The persistence section of INFO, under Redis' names. */
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Loading } from './dataset-loading.ts';
import type { Persistence } from './persistence.ts';

/** Whole seconds since `sinceMs`, -1 when it is 0. */
function secondsSince(sinceMs: number, nowMs: number): number {
  return sinceMs === 0 ? -1 : Math.floor((nowMs - sinceMs) / 1000);
}

function loadingLines(loading: Loading, nowMs: number): string[] {
  const { bytesTotal, bytesLoaded, startedMs } = loading;
  const share = bytesTotal === 0 ? 0 : bytesLoaded / bytesTotal;
  const elapsedMs = nowMs - startedMs;
  const eta = share === 0 ? 1 : Math.max(0, Math.floor((elapsedMs / share - elapsedMs) / 1000));
  return [
    `loading_start_time:${Math.floor(startedMs / 1000)}`,
    `loading_total_bytes:${bytesTotal}`,
    'loading_rdb_used_mem:0',
    `loading_loaded_bytes:${bytesLoaded}`,
    `loading_loaded_perc:${(share * 100).toFixed(2)}`,
    `loading_eta_seconds:${eta}`,
  ];
}

export function persistenceInfo(persistence: Persistence, keyspace: Keyspace, nowMs: number): string[] {
  const { aof, save, snapshots, loading } = persistence;
  const { writer } = aof;
  const shown = loading ?? persistence.syncLoading;
  const saving = save.running || snapshots.has('sync');
  const status = (ok: boolean): string => (ok ? 'ok' : 'err');
  return [
    `loading:${persistence.unready === 'loading' ? 1 : 0}`,
    `async_loading:${persistence.unready === 'async' ? 1 : 0}`,
    `current_cow_peak:${snapshots.active ? snapshots.peakBytes : 0}`,
    `current_cow_size:${snapshots.active ? snapshots.copyOnWriteBytes : 0}`,
    'current_cow_size_age:0',
    `current_fork_perc:${snapshots.active ? percentage(snapshots.keysProcessed, snapshots.keysTotal) : '0.00'}`,
    `current_save_keys_processed:${snapshots.active ? snapshots.keysProcessed : 0}`,
    `current_save_keys_total:${snapshots.active ? snapshots.keysTotal : 0}`,
    `rdb_changes_since_last_save:${keyspace.dirty}`,
    `rdb_bgsave_in_progress:${saving ? 1 : 0}`,
    `rdb_last_save_time:${Math.floor(save.lastSaveMs / 1000)}`,
    `rdb_last_bgsave_status:${status(save.lastOk)}`,
    `rdb_last_bgsave_time_sec:${save.lastSeconds}`,
    `rdb_current_bgsave_time_sec:${save.running ? secondsSince(save.startedMs, nowMs) : -1}`,
    `rdb_saves:${save.saves}`,
    `rdb_last_cow_size:${save.lastCopyOnWriteBytes}`,
    `rdb_last_load_keys_expired:${persistence.loads.keysExpired}`,
    `rdb_last_load_keys_loaded:${persistence.loads.keysLoaded}`,
    `aof_enabled:${aof.state === 'off' ? 0 : 1}`,
    `aof_rewrite_in_progress:${aof.rewriting ? 1 : 0}`,
    `aof_rewrite_scheduled:${aof.scheduled ? 1 : 0}`,
    `aof_last_rewrite_time_sec:${aof.rewrites.lastSeconds}`,
    `aof_current_rewrite_time_sec:${secondsSince(aof.rewrites.startedMs, nowMs)}`,
    `aof_last_bgrewrite_status:${status(aof.rewrites.lastOk)}`,
    `aof_rewrites:${aof.rewrites.count}`,
    `aof_rewrites_consecutive_failures:${aof.rewrites.consecutiveFailures}`,
    `aof_last_write_status:${status(writer.lastWriteError === null)}`,
    `aof_last_cow_size:${aof.rewrites.lastCopyOnWriteBytes}`,
    'module_fork_in_progress:0',
    'module_fork_last_cow_size:0',
    ...(aof.state === 'off'
      ? []
      : [
          `aof_current_size:${aof.currentBytes}`,
          `aof_base_size:${aof.baseBytes}`,
          `aof_pending_rewrite:${aof.scheduled ? 1 : 0}`,
          `aof_buffer_length:${writer.bufferedBytes}`,
          `aof_pending_bio_fsync:${writer.pendingFsyncs}`,
          `aof_delayed_fsync:${writer.delayedFsyncs}`,
        ]),
    ...(shown === null ? [] : loadingLines(shown, nowMs)),
  ];
}

function percentage(part: number, whole: number): string {
  return whole === 0 ? '0.00' : Math.min(100, (part * 100) / whole).toFixed(2);
}
