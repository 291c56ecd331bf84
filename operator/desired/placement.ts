/**
 * Where the scheduler puts the members of a shard.
 *
 * Spread constraints hold a shard's members apart; Required makes them hard. Kubernetes refuses two soft
 * constraints over one topology key, so the preference across the whole cluster (primaries of several shards
 * must not gather in one place) is pod anti-affinity. There all terms are summed before they are compared,
 * hence the weights: apart within the shard first, by zone before by host, then apart within the cluster.
 */
import type {
  V1Affinity,
  V1PodAffinityTerm,
  V1TopologySpreadConstraint,
  V1WeightedPodAffinityTerm,
} from '@kubernetes/client-node';
import type { Effective, Spread } from '../api/effective.ts';
import { type ClusterIdentity, clusterSelector, type Labels, shardSelector } from './names.ts';

const HOST = 'kubernetes.io/hostname';
const WEIGHT = { shardZone: 100, shardHost: 50, clusterZone: 2, clusterHost: 1 };

/** Spread constraints of a shard's pods. */
export function spreadConstraints(
  cluster: ClusterIdentity,
  effective: Effective,
  shard: number,
): V1TopologySpreadConstraint[] {
  const selector = shardSelector(cluster, shard);
  const members = effective.replicasPerShard + 1;
  return [
    ...spreadConstraint(effective.zone.topologyKey, effective.zone.spread, selector, members),
    ...spreadConstraint(HOST, effective.host.spread, selector, members),
  ];
}

function spreadConstraint(
  topologyKey: string,
  spread: Spread,
  selector: Labels,
  members: number,
): V1TopologySpreadConstraint[] {
  if (spread === 'Disabled') return [];
  const labelSelector = { matchLabels: { ...selector } };
  if (spread === 'Preferred')
    return [{ topologyKey, maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway', labelSelector }];
  return [
    {
      topologyKey,
      maxSkew: 1,
      minDomains: members,
      whenUnsatisfiable: 'DoNotSchedule',
      nodeTaintsPolicy: 'Honor',
      labelSelector,
    },
  ];
}

/** Affinity of a shard's pods: the user's terms and ours. */
export function affinity(cluster: ClusterIdentity, effective: Effective, shard: number): V1Affinity {
  const ofShard = shardSelector(cluster, shard);
  const ofCluster = clusterSelector(cluster);
  const zone = effective.zone.topologyKey;
  const terms: V1WeightedPodAffinityTerm[] = [];
  if (effective.zone.spread !== 'Disabled') {
    terms.push({ weight: WEIGHT.shardZone, podAffinityTerm: term(zone, ofShard) });
    terms.push({ weight: WEIGHT.clusterZone, podAffinityTerm: term(zone, ofCluster) });
  }
  if (effective.host.spread !== 'Disabled') {
    terms.push({ weight: WEIGHT.shardHost, podAffinityTerm: term(HOST, ofShard) });
    terms.push({ weight: WEIGHT.clusterHost, podAffinityTerm: term(HOST, ofCluster) });
  }
  // The CRD passes affinity through without looking; the API server checks it with the StatefulSet.
  const written = (effective.pod.affinity ?? {}) as V1Affinity;
  const preferred = [
    ...(written.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []),
    ...terms,
  ];
  if (preferred.length === 0) return written;
  return {
    ...written,
    podAntiAffinity: {
      ...written.podAntiAffinity,
      preferredDuringSchedulingIgnoredDuringExecution: preferred,
    },
  };
}

function term(topologyKey: string, selector: Labels): V1PodAffinityTerm {
  return { topologyKey, labelSelector: { matchLabels: { ...selector } } };
}
