/**
 * What stories share: a namespace of their own, and a RedisCluster in it as its user sees it.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { type LocalCluster, openCluster } from '../../kind/driver.ts';
import { repositoryRoot } from '../../kind/environment.ts';
import { ensurePackages, findProgram } from '../../kind/packages.ts';
import { timeLimits } from '../../kind/time-limits.ts';
import { type Kubectl, kubectlFor } from '../../support/kubectl.ts';
import { runCommand } from '../../support/run-command.ts';
import { waitUntil } from '../../support/wait-until.ts';

export const readyDeadlineMs = 180_000;
/** Where `make up` installs the operator. */
export const operatorNamespace = 'redwarden-system';
const redisDeadlineMs = 20_000;
/** For a server that may be gone. */
const probeDeadlineMs = 3_000;

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

/** The parts of a RedisCluster that stories look at. */
export interface RedisCluster {
  readonly metadata: { readonly name: string; readonly generation: number; readonly resourceVersion: string };
  readonly spec: object;
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly phase?: string;
    readonly slots?: number;
    readonly shards?: readonly {
      readonly name: string;
      readonly slots?: string;
      readonly primary?: { readonly pod: string };
    }[];
  };
}

export interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: { readonly nodeName: string };
  readonly status: {
    readonly podIP?: string;
    readonly containerStatuses?: readonly {
      readonly containerID?: string;
      readonly restartCount: number;
      readonly ready: boolean;
    }[];
  };
}

export interface Story {
  readonly cluster: LocalCluster;
  readonly kubectl: Kubectl;
  /** Removes the namespace and undoes what was done to nodes. */
  end(): Promise<void>;
}

/** An empty namespace for a story; what an interrupted run left in it goes. */
export async function beginStory(name: string): Promise<Story> {
  const cluster = await openCluster();
  const kubectl = await kubectlFor(cluster.kubeconfigPath, name);
  const remove = () => kubectl.remove('namespace', name, { deadlineMs: timeLimits.cleanUpMs });
  await remove();
  await kubectl.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  return {
    cluster,
    kubectl,
    end: async () => {
      await cluster.close();
      await remove();
    },
  };
}

/** A figure that a person wants to see: printed, and kept in `build/test/figures.txt`. */
export function report(figure: string): void {
  const folder = path.join(repositoryRoot, 'build', 'test');
  mkdirSync(folder, { recursive: true });
  appendFileSync(path.join(folder, 'figures.txt'), `${new Date().toISOString()} ${figure}\n`);
  process.stdout.write(`    ${figure}\n`);
}

/** A small RedisCluster; members of the spec given here win. */
export function smallCluster(name: string, spec: object = {}): object {
  return {
    apiVersion: 'redwarden.dev/v1alpha1',
    kind: 'RedisCluster',
    metadata: { name },
    spec: {
      profile: 'Sessions',
      shards: 3,
      replicasPerShard: 1,
      resources: { limits: { memory: '256Mi' }, requests: { cpu: '20m', memory: '96Mi' } },
      storage: { size: '1Gi' },
      ...spec,
    },
  };
}

export function conditionOf(cluster: RedisCluster, type: string): Condition | undefined {
  return cluster.status?.conditions?.find((condition) => condition.type === type);
}

/** Ready for the generation that is wanted now; the error at the deadline says what stood in the way. */
export async function waitReady(
  kubectl: Kubectl,
  name: string,
  deadlineMs = readyDeadlineMs,
): Promise<RedisCluster> {
  return waitUntil(
    `RedisCluster ${name} Ready`,
    deadlineMs,
    async () => {
      const cluster = await kubectl.get<RedisCluster>('rediscluster', name);
      const ready = conditionOf(cluster, 'Ready');
      if (ready?.status !== 'True' || ready.observedGeneration !== cluster.metadata.generation) {
        throw new Error(`${ready?.reason}: ${ready?.message}`);
      }
      return cluster;
    },
    500,
  );
}

/** A condition with this status and reason; returns its message. */
export async function waitCondition(
  kubectl: Kubectl,
  name: string,
  type: string,
  wanted: RegExp,
  deadlineMs: number,
): Promise<string> {
  return waitUntil(
    `${type} of RedisCluster ${name} like ${wanted}`,
    deadlineMs,
    async () => {
      const found = conditionOf(await kubectl.get<RedisCluster>('rediscluster', name), type);
      const text = `${found?.status} ${found?.reason}: ${found?.message}`;
      if (!wanted.test(text)) throw new Error(text);
      return text;
    },
    500,
  );
}

/** What a client needs: addresses that are asked first, and the password. */
export interface Access {
  readonly host: string;
  readonly seeds: readonly string[];
  readonly password: string;
}

export async function accessTo(kubectl: Kubectl, name: string): Promise<Access> {
  const service = await kubectl.get<{ spec: { clusterIP: string } }>('service', name);
  const secret = await kubectl.get<{ data: Record<string, string> }>('secret', `${name}-auth`);
  const password = Buffer.from(secret.data['password'] ?? '', 'base64').toString('utf8');
  const host = service.spec.clusterIP;
  return { host, seeds: [`${host}:6379`], password };
}

export function podsOf(kubectl: Kubectl, name: string): Promise<Pod[]> {
  return kubectl.list<Pod>('pods', `redwarden.dev/cluster=${name}`);
}

/** An unmodified redis-cli on this machine; `-c` unless a pod's address is given. */
export async function redisCli(
  access: Access,
  argv: readonly string[],
  host?: string,
  deadlineMs = redisDeadlineMs,
): Promise<string> {
  await ensurePackages(['redis-cli'], () => {});
  const target = host === undefined ? ['-c', '-h', access.host] : ['-h', host];
  const text = await runCommand(findProgram('redis-cli') ?? 'redis-cli', [...target, ...argv], {
    deadlineMs,
    env: { REDISCLI_AUTH: access.password },
  });
  return text.trim();
}

/**
 * Every member says that the cluster is fine and replicates, and the resource is Ready. Asked of the servers
 * first, because the status of a cluster stands still while its operator is away with a lost node.
 */
export async function waitWhole(
  kubectl: Kubectl,
  name: string,
  access: Access,
  members: number,
  deadlineMs = readyDeadlineMs,
): Promise<void> {
  await waitUntil(`${members} members of ${name} at work`, deadlineMs, async () => {
    const pods = await podsOf(kubectl, name);
    if (pods.length !== members) throw new Error(`there are ${pods.length} pods`);
    for (const { metadata, status } of pods) {
      const told = await redisCli(access, ['INFO', 'replication'], status.podIP ?? '', probeDeadlineMs);
      const info = await redisCli(access, ['CLUSTER', 'INFO'], status.podIP ?? '', probeDeadlineMs);
      const replicates = /role:master/.test(told)
        ? /connected_slaves:[1-9]/.test(told)
        : /master_link_status:up/.test(told);
      if (!replicates || !info.includes('cluster_state:ok'))
        throw new Error(`${metadata.name}: ${told}${info}`);
    }
    await operatorPod(kubectl);
    return true;
  });
  await waitReady(kubectl, name, deadlineMs);
}

/** Pods by what their server says it is. */
export async function podsByRole(
  kubectl: Kubectl,
  name: string,
  access: Access,
): Promise<{ readonly primaries: Pod[]; readonly replicas: Pod[] }> {
  const primaries: Pod[] = [];
  const replicas: Pod[] = [];
  for (const pod of await podsOf(kubectl, name)) {
    const role = await redisCli(access, ['ROLE'], pod.status.podIP ?? '');
    (role.startsWith('master') ? primaries : replicas).push(pod);
  }
  return { primaries, replicas };
}

/** SIGKILL to a pod's first container, behind Kubernetes' back. */
export async function killServer(cluster: LocalCluster, pod: Pod): Promise<void> {
  const kill = await aimAt(cluster, pod);
  await kill();
}

/** As `killServer`, in two halves: what is returned kills at once. */
export async function aimAt(cluster: LocalCluster, pod: Pod): Promise<() => Promise<void>> {
  const id = pod.status.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '';
  const template = '{{.info.pid}}';
  const inspect = ['crictl', 'inspect', '--output', 'go-template', '--template', template, id];
  const pid = (await cluster.exec(pod.spec.nodeName, inspect)).trim();
  if (!/^[1-9][0-9]*$/.test(pid))
    throw new Error(`container ${id} of ${pod.metadata.name} has no pid: ${pid}`);
  return async () => {
    await cluster.exec(pod.spec.nodeName, ['kill', '-KILL', pid]);
  };
}

/** The operator's pod. */
export async function operatorPod(kubectl: Kubectl): Promise<Pod> {
  const selector = 'app.kubernetes.io/name=redwarden-operator';
  const pods = await kubectl.inNamespace(operatorNamespace).list<Pod>('pods', selector);
  const running = pods.find((pod) => pod.status.containerStatuses?.[0]?.ready === true);
  if (running === undefined) throw new Error('no operator is ready');
  return running;
}
