/** What earlier passes wrote into the status, read back. */
import type { RedisClusterStatus } from '../api/generated/redis-cluster.ts';
import type { History } from '../plan/snapshot.ts';

export function historyOf(status: RedisClusterStatus = {}, generation = 0): History {
  const nodeIds = new Map<string, string>();
  const remember = (pod: string | undefined, nodeId: string | undefined): void => {
    if (pod !== undefined && nodeId !== undefined) nodeIds.set(pod, nodeId);
  };
  for (const shard of status.shards ?? []) {
    remember(shard.primary?.pod, shard.primary?.nodeId);
    for (const replica of shard.replicas ?? []) remember(replica.pod, replica.nodeId);
  }
  const rewrites = new Map<string, number>();
  for (const { pod, rewrittenAt } of status.rewrites ?? []) {
    const at = Date.parse(rewrittenAt ?? '');
    if (Number.isFinite(at)) rewrites.set(pod, at);
  }
  const applied = (status.conditions ?? []).find((condition) => condition.type === 'ConfigApplied');
  return {
    formed: status.formed,
    settingsApplied: applied?.status === 'True' && applied.observedGeneration === generation,
    nodeIds,
    rewrites,
  };
}
