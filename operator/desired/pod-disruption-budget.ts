/** One budget per shard. Never two over one pod: the eviction API refuses such pods. */
import type { V1PodDisruptionBudget } from '@kubernetes/client-node';
import { ownedMetadata } from './metadata.ts';
import { type ClusterIdentity, shardLabels, shardName, shardSelector } from './names.ts';

export interface Disruption {
  /** Members of the shard that may be evicted at the same time: 0 or 1. */
  readonly allowed: 0 | 1;
  /** Members that are not ready may always be evicted: only while another member is in sync. */
  readonly evictUnready: boolean;
}

/** Until somebody looked at the servers: one at a time, and none that would be the last. */
const CAUTIOUS_DISRUPTION: Disruption = { allowed: 1, evictUnready: false };

export function podDisruptionBudget(
  cluster: ClusterIdentity,
  shard: number,
  disruption: Disruption = CAUTIOUS_DISRUPTION,
): V1PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: ownedMetadata(cluster, shardName(cluster, shard), shardLabels(cluster, shard)),
    spec: {
      maxUnavailable: disruption.allowed,
      unhealthyPodEvictionPolicy: disruption.evictUnready ? 'AlwaysAllow' : 'IfHealthyBudget',
      selector: { matchLabels: { ...shardSelector(cluster, shard) } },
    },
  };
}
