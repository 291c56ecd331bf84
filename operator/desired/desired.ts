/** All objects of a cluster except its Secrets, in the order in which they are applied. */
import type { V1StatefulSet } from '@kubernetes/client-node';
import type { Effective } from '../api/effective.ts';
import { configMap } from './config-map.ts';
import type { ClusterIdentity } from './names.ts';
import { networkPolicy } from './network-policy.ts';
import { podDisruptionBudget } from './pod-disruption-budget.ts';
import { clientService, nodesService } from './service.ts';
import { statefulSet } from './stateful-set.ts';

/** A Kubernetes object as JSON. */
export interface JsonObject {
  readonly [field: string]: unknown;
}

export interface DesiredObject {
  /** `ConfigMap/orders-config`. */
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly object: JsonObject;
}

/** What exists already; needed where Kubernetes refuses changes. */
export interface LiveObjects {
  /** The StatefulSet of this name, if there is one. */
  statefulSet(name: string): V1StatefulSet | undefined;
}

const NOTHING_LIVE: LiveObjects = { statefulSet: () => undefined };

/** Configuration before what mounts it, names and limits before pods, then one StatefulSet per shard. */
export function desiredObjects(
  cluster: ClusterIdentity,
  effective: Effective,
  live: LiveObjects = NOTHING_LIVE,
): DesiredObject[] {
  const shards = Array.from({ length: effective.shards }, (_, shard) => shard);
  const objects = [
    configMap(cluster, effective),
    clientService(cluster, effective),
    nodesService(cluster, effective),
    networkPolicy(cluster, effective),
    ...shards.map((shard) => podDisruptionBudget(cluster, shard)),
    ...shards.map((shard) =>
      statefulSet(cluster, effective, shard, live.statefulSet(`${cluster.name}-shard-${shard}`)),
    ),
  ];
  return objects.map((object) => {
    const kind = object.kind ?? '';
    const name = object.metadata?.name ?? '';
    // As it goes over the wire: without fields that are undefined.
    return { id: `${kind}/${name}`, kind, name, object: JSON.parse(JSON.stringify(object)) };
  });
}
