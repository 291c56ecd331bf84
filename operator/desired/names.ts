/** Names and labels of everything that belongs to a cluster. */

/** What of a RedisCluster its objects are named and owned by. */
export interface ClusterIdentity {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}

export interface Labels {
  readonly [name: string]: string;
}

export const API_VERSION = 'redwarden.dev/v1alpha1';
export const CLUSTER_LABEL = 'redwarden.dev/cluster';
export const SHARD_LABEL = 'redwarden.dev/shard';
export const SERVER_CONTAINER = 'server';
export const DATA_VOLUME = 'data';

/** StatefulSet, budget and entry in the status of one shard. */
export function shardName(cluster: ClusterIdentity, shard: number): string {
  return `${cluster.name}-shard-${shard}`;
}

/** The volume claim that a StatefulSet makes for a pod. */
export function claimName(pod: string): string {
  return `${DATA_VOLUME}-${pod}`;
}

/** The headless Service that gives every pod a name of its own. */
export function nodesServiceName(cluster: ClusterIdentity): string {
  return `${cluster.name}-nodes`;
}

export function configMapName(cluster: ClusterIdentity): string {
  return `${cluster.name}-config`;
}

/**
 * The Secret with the password as configuration file; made by the operator from whichever password counts.
 */
export function serverSecretName(cluster: ClusterIdentity): string {
  return `${cluster.name}-server-auth`;
}

/** Host name that a pod announces to the cluster and to clients. */
export function podHostname(cluster: ClusterIdentity, pod: string): string {
  return `${pod}.${nodesServiceName(cluster)}.${cluster.namespace}.svc`;
}

/** Selects every pod of the cluster. Never changes: selectors of existing objects cannot. */
export function clusterSelector(cluster: ClusterIdentity): Labels {
  return { [CLUSTER_LABEL]: cluster.name };
}

/** Selects the members of one shard. Never changes. */
export function shardSelector(cluster: ClusterIdentity, shard: number): Labels {
  return { [CLUSTER_LABEL]: cluster.name, [SHARD_LABEL]: String(shard) };
}

/** Labels of every object. */
export function clusterLabels(cluster: ClusterIdentity): Labels {
  return {
    'app.kubernetes.io/name': 'redwarden-server',
    'app.kubernetes.io/instance': cluster.name,
    'app.kubernetes.io/managed-by': 'redwarden',
    ...clusterSelector(cluster),
  };
}

/** Labels of the objects and pods of one shard. */
export function shardLabels(cluster: ClusterIdentity, shard: number): Labels {
  return { ...clusterLabels(cluster), ...shardSelector(cluster, shard) };
}
