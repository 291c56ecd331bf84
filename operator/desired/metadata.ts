/** Metadata that all objects of a cluster share. */
import type { V1ObjectMeta, V1OwnerReference } from '@kubernetes/client-node';
import { API_VERSION, type ClusterIdentity, clusterLabels, type Labels } from './names.ts';

/** Deleted with the cluster by garbage collection. */
function ownerReference(cluster: ClusterIdentity): V1OwnerReference {
  return {
    apiVersion: API_VERSION,
    kind: 'RedisCluster',
    name: cluster.name,
    uid: cluster.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Metadata of an object that the cluster owns. */
export function ownedMetadata(
  cluster: ClusterIdentity,
  name: string,
  labels: Labels = clusterLabels(cluster),
): V1ObjectMeta {
  return {
    name,
    namespace: cluster.namespace,
    labels: { ...labels },
    ownerReferences: [ownerReference(cluster)],
  };
}
