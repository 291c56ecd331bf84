/** The one container of a pod: command line, ports, probes, mounts. */
import type { V1Container, V1EnvVar, V1Lifecycle, V1Probe } from '@kubernetes/client-node';
import type { Effective } from '../api/effective.ts';
import { ADMIN_PORT, BUS_PORT, CLIENT_PORT, DATA_FOLDER } from '../api/settings.ts';
import { CONFIG_FOLDER, HAND_OVER_SCRIPT, READY_SCRIPT, REDIS_CONF } from './config-map.ts';
import { type ClusterIdentity, DATA_VOLUME, podHostname, SERVER_CONTAINER } from './names.ts';
import { clientProgram, type StockEngine, serverProgram } from './stock-scripts.ts';

export const CONFIG_VOLUME = 'config';
export const AUTH_VOLUME = 'auth';

/** A server may read its files for this long before it counts as stuck. */
const LOAD_SECONDS_MAX = 1800;

export function serverContainer(cluster: ClusterIdentity, effective: Effective): V1Container {
  const { engine, resources } = effective;
  const ports = [
    { name: 'redis', containerPort: CLIENT_PORT, protocol: 'TCP' },
    { name: 'bus', containerPort: BUS_PORT, protocol: 'TCP' },
  ];
  if (engine === 'Redwarden') ports.push({ name: 'admin', containerPort: ADMIN_PORT, protocol: 'TCP' });
  const { cpu } = resources.limits;
  return {
    name: SERVER_CONTAINER,
    image: effective.image,
    imagePullPolicy: effective.imagePullPolicy,
    // The bundled image starts the server by itself.
    ...(engine === 'Redwarden' ? {} : { command: [serverProgram(engine)], lifecycle: handOver() }),
    args: [
      `${CONFIG_FOLDER}/${REDIS_CONF}`,
      '--cluster-announce-ip',
      '$(POD_IP)',
      '--cluster-announce-hostname',
      podHostname(cluster, '$(POD_NAME)'),
    ],
    env: environment(effective),
    ports,
    resources: {
      limits: { memory: resources.limits.memory, ...(cpu === undefined ? {} : { cpu }) },
      requests: { memory: resources.requests.memory, cpu: resources.requests.cpu },
    },
    volumeMounts: [
      { name: DATA_VOLUME, mountPath: DATA_FOLDER },
      { name: CONFIG_VOLUME, mountPath: CONFIG_FOLDER, readOnly: true },
      { name: AUTH_VOLUME, mountPath: `${CONFIG_FOLDER}/auth`, readOnly: true },
    ],
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    ...(engine === 'Redwarden' ? httpProbes() : execProbes(engine)),
  };
}

function environment(effective: Effective): V1EnvVar[] {
  const variables: V1EnvVar[] = [
    { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
    { name: 'POD_IP', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } } },
  ];
  if (effective.engine !== 'Redwarden') {
    const { secretName, key } = effective.password;
    variables.push({ name: 'REDISCLI_AUTH', valueFrom: { secretKeyRef: { name: secretName, key } } });
  }
  return variables;
}

type Probes = Required<Pick<V1Container, 'startupProbe' | 'readinessProbe' | 'livenessProbe'>>;

function httpProbes(): Probes {
  const get = (path: string) => ({ httpGet: { path, port: 'admin', scheme: 'HTTP' } });
  return probes(get('/livez'), get('/readyz'), 1);
}

/** PING is answered while loading too, if only by an error: alive. */
function execProbes(engine: StockEngine): Probes {
  const ping = { exec: { command: [clientProgram(engine), 'ping'] } };
  const ready = { exec: { command: ['sh', `${CONFIG_FOLDER}/${READY_SCRIPT}`] } };
  return probes(ping, ready, 3);
}

function probes(alive: V1Probe, ready: V1Probe, readyEverySeconds: number): Probes {
  return {
    startupProbe: {
      ...alive,
      periodSeconds: readyEverySeconds,
      timeoutSeconds: 5,
      successThreshold: 1,
      failureThreshold: Math.ceil(LOAD_SECONDS_MAX / readyEverySeconds),
    },
    readinessProbe: {
      ...ready,
      periodSeconds: readyEverySeconds,
      timeoutSeconds: 5,
      successThreshold: 1,
      failureThreshold: 2,
    },
    livenessProbe: {
      ...alive,
      periodSeconds: 10,
      timeoutSeconds: 5,
      successThreshold: 1,
      failureThreshold: 6,
    },
  };
}

function handOver(): V1Lifecycle {
  return { preStop: { exec: { command: ['sh', `${CONFIG_FOLDER}/${HAND_OVER_SCRIPT}`] } } };
}
