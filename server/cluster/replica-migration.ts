/**
 * A shard that lost its last replica gets one from the shard that has most, so that the next failure is
 * survived too.
 */
import type { ClusterState } from './cluster-state.ts';
import { followPrimary } from './membership.ts';
import { type ClusterNode, FAILED, MIGRATE_TO } from './node-table.ts';

/** The loss must last, or a restart of one replica would set others wandering. */
const ORPHANED_FOR_MS = 5000;

function workingReplicas(primary: ClusterNode): ClusterNode[] {
  return primary.replicas.filter((replica) => !replica.has(FAILED));
}

function isOrphaned(primary: ClusterNode): boolean {
  if (!primary.isPrimary || primary.has(FAILED) || !primary.has(MIGRATE_TO)) return false;
  return primary.slotCount > 0 && workingReplicas(primary).length === 0;
}

/**
 * As a replica, on every tick. At most one replica of the whole cluster moves: the first by id of the largest
 * shard.
 */
export function migrateToOrphan(state: ClusterState): void {
  const { myself, settings } = state;
  const own = myself.primary;
  if (!settings.allowReplicaMigration || own === null) return;
  let target: ClusterNode | null = null;
  let most = 0;
  for (const node of state.nodes.all()) {
    if (!node.isPrimary) continue;
    most = Math.max(most, workingReplicas(node).length);
    if (!isOrphaned(node)) node.orphanedAt = 0;
    else if (node.orphanedAt === 0) node.orphanedAt = state.now;
    else if (target === null && state.now - node.orphanedAt > ORPHANED_FOR_MS) target = node;
  }
  if (target === null || !state.ok || most < 2) return;
  if (workingReplicas(own).length !== most || most <= settings.migrationBarrier) return;
  if (candidate(state, most) !== myself) return;
  state.environment.log('warning', `Migrating to orphaned master ${target.id}`);
  followPrimary(state, target);
}

function candidate(state: ClusterState, most: number): ClusterNode | null {
  let first: ClusterNode | null = null;
  for (const node of state.nodes.all()) {
    if (!node.isPrimary) continue;
    const working = workingReplicas(node);
    if (working.length !== most) continue;
    for (const replica of working) if (first === null || replica.id < first.id) first = replica;
  }
  return first;
}
