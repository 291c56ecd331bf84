/** Service NAME for clients, and the headless Service NAME-nodes that names the pods. */
import type { V1Service } from '@kubernetes/client-node';
import type { Effective } from '../api/effective.ts';
import { ADMIN_PORT, BUS_PORT, CLIENT_PORT } from '../api/settings.ts';
import { ownedMetadata } from './metadata.ts';
import { type ClusterIdentity, clusterSelector, nodesServiceName } from './names.ts';

/** Any ready member; a cluster client learns the others from it. */
export function clientService(cluster: ClusterIdentity, effective: Effective): V1Service {
  const metadata = ownedMetadata(cluster, cluster.name);
  const { annotations, type } = effective.service;
  if (Object.keys(annotations).length > 0) metadata.annotations = { ...annotations };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      type,
      selector: clusterSelector(cluster),
      ports: [{ name: 'redis', port: CLIENT_PORT, targetPort: 'redis', protocol: 'TCP' }],
    },
  };
}

/** Names pods before they are ready: members must find each other to become ready. */
export function nodesService(cluster: ClusterIdentity, effective: Effective): V1Service {
  const ports = [
    { name: 'redis', port: CLIENT_PORT, targetPort: 'redis', protocol: 'TCP' },
    { name: 'bus', port: BUS_PORT, targetPort: 'bus', protocol: 'TCP' },
  ];
  if (effective.engine === 'Redwarden') {
    ports.push({ name: 'admin', port: ADMIN_PORT, targetPort: 'admin', protocol: 'TCP' });
  }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedMetadata(cluster, nodesServiceName(cluster)),
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: clusterSelector(cluster), ports },
  };
}
