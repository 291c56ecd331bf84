/**
 * Who may connect to the pods: anybody to the client port (the password decides), members to each other's
 * bus, pods of the Kubernetes cluster to the admin port (the operator, Prometheus; kubelets are always let
 * through).
 */
import type { V1NetworkPolicy } from '@kubernetes/client-node';
import type { Effective } from '../api/effective.ts';
import { ownedMetadata } from './metadata.ts';
import { type ClusterIdentity, clusterSelector } from './names.ts';

export function networkPolicy(cluster: ClusterIdentity, effective: Effective): V1NetworkPolicy {
  const members = { podSelector: { matchLabels: { ...clusterSelector(cluster) } } };
  const ingress = [
    { ports: [{ port: 'redis', protocol: 'TCP' }] },
    { from: [members], ports: [{ port: 'bus', protocol: 'TCP' }] },
    { from: [{ namespaceSelector: {} }], ports: [{ port: 'admin', protocol: 'TCP' }] },
  ];
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: ownedMetadata(cluster, cluster.name),
    spec: {
      podSelector: members.podSelector,
      policyTypes: ['Ingress'],
      ingress: effective.engine === 'Redwarden' ? ingress : ingress.slice(0, 2),
    },
  };
}
