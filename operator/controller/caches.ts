/**
 * What the operator watches: the resource, what it owns (by label), and the nodes. Secrets are read by name
 * only.
 */
import type { RedisCluster } from '../api/generated/redis-cluster.ts';
import { CLUSTER_LABEL } from '../desired/names.ts';
import {
  CONFIG_MAP,
  type ConfigMap,
  type KubeObject,
  type KubernetesNode,
  NETWORK_POLICY,
  type NetworkPolicy,
  NODE,
  type ObjectMeta,
  PERSISTENT_VOLUME_CLAIM,
  type PersistentVolumeClaim,
  POD,
  POD_DISRUPTION_BUDGET,
  type Pod,
  type PodDisruptionBudget,
  type ResourceKind,
  SERVICE,
  type Service,
  STATEFUL_SET,
  type StatefulSet,
} from '../kube/resource.ts';
import { Store } from '../kube/store.ts';

/** A RedisCluster as the API server sends it: times are strings. */
export type StoredRedisCluster = Omit<RedisCluster, 'metadata'> & { readonly metadata: ObjectMeta };

export const REDIS_CLUSTER: ResourceKind<StoredRedisCluster> = {
  apiVersion: 'redwarden.dev/v1alpha1',
  kind: 'RedisCluster',
  plural: 'redisclusters',
  namespaced: true,
};

/** Index of owned objects; its values are keys of clusters, `namespace/name`. */
export const BY_CLUSTER = 'cluster';
/** Index of pods by the node they run on. */
export const BY_NODE = 'node';

export interface Caches {
  readonly clusters: Store<StoredRedisCluster>;
  readonly statefulSets: Store<StatefulSet>;
  readonly services: Store<Service>;
  readonly configMaps: Store<ConfigMap>;
  readonly podDisruptionBudgets: Store<PodDisruptionBudget>;
  readonly networkPolicies: Store<NetworkPolicy>;
  readonly pods: Store<Pod>;
  readonly persistentVolumeClaims: Store<PersistentVolumeClaim>;
  readonly nodes: Store<KubernetesNode>;
}

/** One watched kind: which cache it fills and which objects of the kind are asked for. */
export interface WatchedKind {
  readonly cache: keyof Caches;
  readonly kind: ResourceKind;
  readonly labelSelector: string | undefined;
}

// biome-ignore format: a table, one kind a row
export const WATCHED_KINDS: readonly WatchedKind[] = [
  { cache: 'clusters',               kind: REDIS_CLUSTER,           labelSelector: undefined },
  { cache: 'statefulSets',           kind: STATEFUL_SET,            labelSelector: CLUSTER_LABEL },
  { cache: 'services',               kind: SERVICE,                 labelSelector: CLUSTER_LABEL },
  { cache: 'configMaps',             kind: CONFIG_MAP,              labelSelector: CLUSTER_LABEL },
  { cache: 'podDisruptionBudgets',   kind: POD_DISRUPTION_BUDGET,   labelSelector: CLUSTER_LABEL },
  { cache: 'networkPolicies',        kind: NETWORK_POLICY,          labelSelector: CLUSTER_LABEL },
  { cache: 'pods',                   kind: POD,                     labelSelector: CLUSTER_LABEL },
  { cache: 'persistentVolumeClaims', kind: PERSISTENT_VOLUME_CLAIM, labelSelector: CLUSTER_LABEL },
  { cache: 'nodes',                  kind: NODE,                    labelSelector: undefined },
];

export function makeCaches(): Caches {
  const owned = { indexes: { [BY_CLUSTER]: clustersOf } };
  return {
    clusters: new Store(),
    statefulSets: new Store(owned),
    services: new Store(owned),
    configMaps: new Store(owned),
    podDisruptionBudgets: new Store(owned),
    networkPolicies: new Store(owned),
    pods: new Store({
      indexes: {
        [BY_CLUSTER]: clustersOf,
        [BY_NODE]: (pod: Pod) => (pod.spec?.nodeName === undefined ? [] : [pod.spec.nodeName]),
      },
    }),
    persistentVolumeClaims: new Store(owned),
    nodes: new Store({ trim: trimNode }),
  };
}

/** Key of the cluster that an object belongs to by its label. */
export function clusterKeyOf(object: KubeObject): string | undefined {
  const { labels, namespace } = object.metadata;
  const cluster = labels?.[CLUSTER_LABEL];
  return cluster === undefined || namespace === undefined ? undefined : `${namespace}/${cluster}`;
}

function clustersOf(object: KubeObject): readonly string[] {
  const key = clusterKeyOf(object);
  return key === undefined ? [] : [key];
}

/** The list of images on a node is longer than all the rest of it. */
function trimNode(node: KubernetesNode): KubernetesNode {
  if (node.status === undefined) return node;
  const { images: _, ...status } = node.status;
  return { ...node, status };
}
