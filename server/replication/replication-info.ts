/** What INFO and ROLE say of replication, in Redis' words and order. */

import type { ReplicaRole } from './replica-role.ts';
import type { Replication } from './replication.ts';

/** A replica's link as ROLE names it. */
export type LinkState = 'connect' | 'connecting' | 'handshake' | 'sync' | 'connected';

export function linkState(role: ReplicaRole): LinkState {
  switch (role.link.phase) {
    case 'waiting':
      return 'connect';
    case 'connecting':
      return 'connecting';
    case 'ping':
    case 'introduce':
    case 'psync':
      return 'handshake';
    case 'streaming':
      return 'connected';
    default:
      return 'sync';
  }
}

/** The lines of the section "Replication", without its title. */
export function replicationInfo(replication: Replication, nowMs: number): string[] {
  const { settings, ids, offset, backlog, replicas, replica } = replication;
  const lines = [`role:${replica === null ? 'master' : 'slave'}`];
  if (replica !== null) lines.push(...replicaLines(replication, replica, nowMs));
  lines.push(`connected_slaves:${replicas.length}`, 'replicas_waiting_psync:0');
  if (settings.minReplicasToWrite > 0 && settings.minReplicasMaxLagSeconds > 0) {
    lines.push(`min_slaves_good_slaves:${replication.primary.goodReplicas}`);
  }
  replicas.forEach((one, index) => {
    const lag = one.state === 'online' ? one.lagSeconds(nowMs) : 0;
    const state = `state=${one.state},offset=${one.ackedOffset},lag=${lag},type=replica`;
    lines.push(`slave${index}:ip=${one.address},port=${one.peer.replicaPort},${state}`);
  });
  lines.push(
    ...(replication.emptyStart.holds ? ['master_waits_for_peers:1'] : []),
    `master_failover_state:${replication.failover.state}`,
    `master_replid:${ids.id}`,
    `master_replid2:${ids.id2}`,
    `master_repl_offset:${offset}`,
    `second_repl_offset:${ids.secondOffset}`,
    `repl_backlog_active:${backlog === null ? 0 : 1}`,
    `repl_backlog_size:${settings.backlogBytes}`,
    `repl_backlog_first_byte_offset:${backlog === null ? 0 : backlog.start + 1}`,
    `repl_backlog_histlen:${backlog?.historyBytes ?? 0}`,
    `repl_spilled_bytes:${replication.spilledBytes}`,
  );
  return lines;
}

function replicaLines(replication: Replication, role: ReplicaRole, nowMs: number): string[] {
  const seconds = (sinceMs: number): number => Math.max(0, Math.floor((nowMs - sinceMs) / 1000));
  const { link } = role;
  const { transfer } = link;
  const { offset, settings } = replication;
  const lines = [
    `master_host:${role.host}`,
    `master_port:${role.port}`,
    `master_link_status:${role.linkUp ? 'up' : 'down'}`,
    `master_last_io_seconds_ago:${role.linkUp ? seconds(link.lastIoMs) : -1}`,
    `master_sync_in_progress:${transfer === null ? 0 : 1}`,
    `slave_read_repl_offset:${offset + role.unappliedBytes}`,
    `slave_repl_offset:${offset}`,
  ];
  if (transfer !== null) {
    const total = transfer.bytesTotal ?? 0;
    const percent = total === 0 ? 0 : (transfer.bytesRead / total) * 100;
    lines.push(
      `master_sync_total_bytes:${total}`,
      `master_sync_read_bytes:${transfer.bytesRead}`,
      `master_sync_left_bytes:${total === 0 ? 0 : total - transfer.bytesRead}`,
      `master_sync_perc:${percent.toFixed(2)}`,
      `master_sync_last_io_seconds_ago:${seconds(role.lastTransferIoMs)}`,
    );
  }
  if (!role.linkUp) lines.push(`master_link_down_since_seconds:${seconds(link.downSinceMs)}`);
  lines.push(
    `slave_priority:${settings.priority}`,
    `slave_read_only:${settings.replicaReadOnly ? 1 : 0}`,
    `replica_announced:${settings.announced ? 1 : 0}`,
  );
  return lines;
}
