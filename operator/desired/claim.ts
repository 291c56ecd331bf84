/**
 * The volume claims that StatefulSets made from their templates. Templates cannot change, claims can grow: so
 * the claims themselves are told their new size.
 */
import type { V1PersistentVolumeClaim } from '@kubernetes/client-node';
import type { ClusterIdentity } from './names.ts';

/** Only the field that changes. With its UID, so that no claim is made where there is none. */
export function grownClaim(
  cluster: ClusterIdentity,
  name: string,
  uid: string,
  size: string,
): V1PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: cluster.namespace, uid },
    spec: { resources: { requests: { storage: size } } },
  };
}
