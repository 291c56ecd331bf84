/**
 * One StatefulSet per shard, so that the shard is a label at scheduling time.
 *
 * Updates are OnDelete: the operator decides when a pod restarts. A lost pod comes back at the newest
 * template.
 */
import type {
  V1PersistentVolumeClaim,
  V1PodSecurityContext,
  V1PodSpec,
  V1StatefulSet,
  V1Volume,
} from '@kubernetes/client-node';
import type { Effective } from '../api/effective.ts';
import { MEBIBYTE } from '../api/quantity.ts';
import { AUTH_VOLUME, CONFIG_VOLUME, serverContainer } from './container.ts';
import { ownedMetadata } from './metadata.ts';
import {
  type ClusterIdentity,
  clusterSelector,
  configMapName,
  DATA_VOLUME,
  nodesServiceName,
  serverSecretName,
  shardLabels,
  shardName,
  shardSelector,
} from './names.ts';
import { affinity, spreadConstraints } from './placement.ts';
import { restartFingerprint } from './redis-conf.ts';

/** The user that the bundled images run as. */
const USER = 65_532;
const GRACE_SECONDS_MIN = 60;
/** A slow disk, so that the estimate of a last save is not too short. */
const SAVE_BYTES_PER_SECOND = 50 * MEBIBYTE;

/**
 * The StatefulSet of one shard. Kubernetes refuses any change of the claim templates of an existing one, so
 * `live` keeps its own.
 */
export function statefulSet(
  cluster: ClusterIdentity,
  effective: Effective,
  shard: number,
  live?: V1StatefulSet,
): V1StatefulSet {
  const { storage } = effective;
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: ownedMetadata(cluster, shardName(cluster, shard), shardLabels(cluster, shard)),
    spec: {
      serviceName: nodesServiceName(cluster),
      replicas: effective.replicasPerShard + 1,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      selector: { matchLabels: { ...shardSelector(cluster, shard) } },
      template: {
        metadata: {
          labels: { ...effective.pod.labels, ...shardLabels(cluster, shard) },
          annotations: {
            ...effective.pod.annotations,
            'kubectl.kubernetes.io/default-container': 'server',
            'redwarden.dev/restart-settings': restartFingerprint(effective),
          },
        },
        spec: podSpec(cluster, effective, shard),
      },
      ...(storage.ephemeral
        ? {}
        : {
            persistentVolumeClaimRetentionPolicy: { whenDeleted: storage.whenDeleted, whenScaled: 'Retain' },
            volumeClaimTemplates: claimTemplates(cluster, effective, live),
          }),
    },
  };
}

function podSpec(cluster: ClusterIdentity, effective: Effective, shard: number): V1PodSpec {
  const { pod } = effective;
  return {
    containers: [serverContainer(cluster, effective)],
    volumes: volumes(cluster, effective),
    affinity: affinity(cluster, effective, shard),
    topologySpreadConstraints: spreadConstraints(cluster, effective, shard),
    terminationGracePeriodSeconds: graceSeconds(effective),
    securityContext: securityContext(effective),
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(pod.nodeSelector === undefined ? {} : { nodeSelector: pod.nodeSelector }),
    ...(pod.tolerations === undefined ? {} : { tolerations: pod.tolerations }),
    ...(pod.priorityClassName === undefined ? {} : { priorityClassName: pod.priorityClassName }),
    ...(pod.serviceAccountName === undefined ? {} : { serviceAccountName: pod.serviceAccountName }),
    ...(pod.imagePullSecrets === undefined ? {} : { imagePullSecrets: pod.imagePullSecrets }),
  };
}

function volumes(cluster: ClusterIdentity, effective: Effective): V1Volume[] {
  const result: V1Volume[] = [
    { name: CONFIG_VOLUME, configMap: { name: configMapName(cluster) } },
    { name: AUTH_VOLUME, secret: { secretName: serverSecretName(cluster) } },
  ];
  if (effective.storage.ephemeral) {
    result.push({ name: DATA_VOLUME, emptyDir: { sizeLimit: effective.storage.size } });
  }
  return result;
}

function claimTemplates(
  cluster: ClusterIdentity,
  effective: Effective,
  live: V1StatefulSet | undefined,
): V1PersistentVolumeClaim[] {
  const { size, storageClassName } = effective.storage;
  const request = live?.spec?.volumeClaimTemplates?.[0]?.spec?.resources?.requests?.['storage'] ?? size;
  return [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: DATA_VOLUME, labels: { ...clusterSelector(cluster) } },
      spec: {
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: request } },
        ...(storageClassName === undefined ? {} : { storageClassName }),
      },
    },
  ];
}

/** The restricted Pod Security Standard. Images of others often start as root, so these get a user. */
function securityContext(effective: Effective): V1PodSecurityContext {
  return {
    runAsNonRoot: true,
    ...(effective.engine === 'Redwarden' ? {} : { runAsUser: USER, runAsGroup: USER }),
    fsGroup: USER,
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
    ...effective.pod.securityContext,
  };
}

/** Time for the hand-over and a last save. */
function graceSeconds(effective: Effective): number {
  if (effective.save.length === 0) return GRACE_SECONDS_MIN;
  return GRACE_SECONDS_MIN + Math.ceil(effective.maxmemoryBytes / SAVE_BYTES_PER_SECOND);
}
