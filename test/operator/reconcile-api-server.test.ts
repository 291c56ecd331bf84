/**
 * The whole operator against a real API server and controller manager; pods are real servers on loopback,
 * started by a kubelet of a few lines.
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { REDIS_CLUSTER, type StoredRedisCluster } from '../../operator/controller/caches.ts';
import { runOperator } from '../../operator/controller/operator.ts';
import { makeReconcile } from '../../operator/controller/reconcile.ts';
import { CLUSTER_LABEL } from '../../operator/desired/names.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { KubeFailure } from '../../operator/kube/failure.ts';
import {
  CONFIG_MAP,
  type KubeObject,
  PERSISTENT_VOLUME_CLAIM,
  POD,
  type ResourceKind,
  SECRET,
  SERVICE,
  STATEFUL_SET,
} from '../../operator/kube/resource.ts';
import { HttpTransport, loadKubeConfig } from '../../operator/kube/transport.ts';
import { RespClient, RespFailure } from '../../server/wire/client.ts';
import { RespError } from '../../server/wire/reply-parser.ts';
import { ProcessMachine } from '../simulation/operator-processes.ts';
import { type ApiServer, startApiServer } from '../support/api-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const STOCK = '/usr/bin/redis-server';
const namespace = 'default';
const metadata = { name: 'c', namespace };
const selector = `${CLUSTER_LABEL}=c`;
const definitions: ResourceKind = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
const SPEC = {
  profile: 'Sessions',
  shards: 3,
  replicasPerShard: 1,
  server: { engine: 'Valkey', image: 'stock:test' },
  resources: { limits: { memory: '512Mi' } },
  memory: { maxmemory: '64Mi' },
  storage: { size: '1Gi' },
  failover: { nodeTimeout: '2s' },
};

/** Starts a server for every pod that has none, tells the API server so, and ends those whose pod is gone. */
class Kubelet {
  readonly #client: KubeClient;
  readonly #machine: ProcessMachine;
  readonly #running = new Map<string, { uid: string; host: string }>();
  #hosts = 0;
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(client: KubeClient, machine: ProcessMachine) {
    this.#client = client;
    this.#machine = machine;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
  }

  hosts(): string[] {
    return [...this.#running.values()].map((each) => each.host);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#sync();
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  }

  async #sync(): Promise<void> {
    const pods = await this.#client.list(POD, { namespace, labelSelector: selector });
    const config = await this.#client.get(CONFIG_MAP, { namespace, name: 'c-config' });
    const secret = await this.#client.get(SECRET, { namespace, name: 'c-server-auth' });
    if (pods instanceof KubeFailure) return;
    for (const [name, { uid }] of this.#running) {
      if (pods.items.some((pod) => pod.metadata.uid === uid)) continue;
      await this.#machine.kill(name);
      this.#running.delete(name);
    }
    if (config instanceof KubeFailure || secret instanceof KubeFailure) return;
    const auth = Buffer.from(secret.data?.['auth.conf'] ?? '', 'base64').toString('utf8');
    const password = /^requirepass (\S+)$/m.exec(auth)?.[1] ?? '';
    for (const pod of pods.items) {
      const { name, uid = '' } = pod.metadata;
      if (this.#running.has(name) || pod.metadata.deletionTimestamp !== undefined) continue;
      this.#hosts += 1;
      const host = `127.${201 + (process.pid % 50)}.${Math.floor(this.#hosts / 250)}.${(this.#hosts % 250) + 1}`;
      this.#running.set(name, { uid, host });
      await this.#machine.start(name, host, name, config.data?.['redis.conf'] ?? '', password);
      const conditions = [{ type: 'Ready', status: 'True' }];
      const status = { phase: 'Running', podIP: host, podIPs: [{ ip: host }], conditions };
      await this.#client.mergePatch(POD, pod.metadata, { status }, { subresource: 'status' });
    }
  }
}

describe.skipIf(!existsSync(STOCK))('the operator, an API server and real servers', () => {
  const machine = new ProcessMachine([STOCK]);
  const stop = new AbortController();
  const log: string[] = [];
  let server: ApiServer;
  let client: KubeClient;
  let kubelet: Kubelet;
  let ended: Promise<number>;

  beforeAll(async () => {
    server = await startApiServer({ controllerManager: true });
    client = new KubeClient(new HttpTransport(loadKubeConfig(server.kubeconfigPath)));
    const file = new URL('../../crds/redisclusters.redwarden.dev.yaml', import.meta.url);
    await client.create(definitions, parse(readFileSync(file, 'utf8')) as KubeObject);
    kubelet = new Kubelet(client, machine);
    kubelet.start();
    ended = runOperator(
      {
        kubeconfig: undefined,
        namespaces: [],
        serverImage: 'redwarden-server:test',
        leaderElect: true,
        leaderElectNamespace: namespace,
        leaderElectName: 'redwarden-operator',
        metricsPort: 0,
        logLevel: 'info',
        concurrency: 4,
      },
      {
        client: new KubeClient(new HttpTransport(loadKubeConfig(server.kubeconfigPath))),
        reconcileCluster: makeReconcile(),
        report: (level, message, facts) => log.push(`${level} ${message} ${JSON.stringify(facts)}`),
        podName: 'operator',
        stop: stop.signal,
      },
    );
  }, 1_800_000);

  afterAll(async () => {
    stop.abort();
    expect(await ended).toBe(0);
    await kubelet.stop();
    await machine.close();
    await server.stop();
  });

  async function resource(): Promise<StoredRedisCluster | undefined> {
    const found = await client.get(REDIS_CLUSTER, metadata);
    return found instanceof KubeFailure ? undefined : found;
  }

  async function isReady(): Promise<boolean> {
    const found = await resource();
    const ready = found?.status?.conditions?.find((each) => each.type === 'Ready');
    return ready?.status === 'True' && found?.status?.observedGeneration === found?.metadata.generation;
  }

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    try {
      await waitUntil(what, 60_000, async () => (await holds()) || undefined, 200);
    } catch (error) {
      const conditions = JSON.stringify((await resource())?.status?.conditions, undefined, 1);
      throw new Error(`${String(error)}\n${conditions}\n${log.slice(-30).join('\n')}`);
    }
  }

  async function create(): Promise<void> {
    const { apiVersion, kind } = REDIS_CLUSTER;
    const object = { apiVersion, kind, metadata, spec: SPEC } as unknown as StoredRedisCluster;
    // A new resource type is called established a moment before all of the server serves it.
    await waitUntil('the resource to be served', 20_000, async () => {
      const created = await client.create(REDIS_CLUSTER, object);
      if (created instanceof KubeFailure) throw new Error(created.message);
      return created;
    });
  }

  /** One command on whichever server takes it. */
  async function command(...words: string[]): Promise<unknown> {
    const secret = await client.get(SECRET, { namespace, name: 'c-auth' });
    const encoded = secret instanceof KubeFailure ? '' : (secret.data?.['password'] ?? '');
    const password = Buffer.from(encoded, 'base64').toString('utf8');
    for (const host of kubelet.hosts()) {
      const connection = await RespClient.connect({ host, port: 6379, connectDeadlineMs: 2000, password });
      if (connection instanceof RespFailure) continue;
      const reply = await connection.call(words, { deadlineMs: 2000 });
      connection.close();
      if (!(reply instanceof RespError || reply instanceof RespFailure)) return reply;
    }
    return undefined;
  }

  it('brings a cluster from apply to Ready', async () => {
    await create();
    await until('Ready', isReady);
    expect(await command('SET', 'greeting', 'hello')).toBe('OK');
  });

  it('writes nothing while there is nothing to do, and a second apply changes nothing', async () => {
    const before = await resource();
    const lines = log.length;
    const patched = await client.mergePatch(REDIS_CLUSTER, metadata, { spec: SPEC });
    expect(patched instanceof KubeFailure ? '' : patched.metadata.resourceVersion).toBe(
      before?.metadata.resourceVersion,
    );
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect((await resource())?.metadata.resourceVersion).toBe(before?.metadata.resourceVersion);
    expect(log.slice(lines)).toEqual([]);
  });

  it('puts right what somebody changed in an object', async () => {
    const service = { namespace, name: 'c' };
    const patch = { spec: { selector: { [CLUSTER_LABEL]: 'another' } } };
    await client.mergePatch(SERVICE, service, patch);
    await until('the selector is ours again', async () => {
      const found = await client.get(SERVICE, service);
      return !(found instanceof KubeFailure) && found.spec?.selector?.[CLUSTER_LABEL] === 'c';
    });
    await until('Ready', isReady);
  });

  it('heals when all pods are deleted at once', async () => {
    const pods = await client.list(POD, { namespace, labelSelector: selector });
    if (pods instanceof KubeFailure) throw new Error(pods.message);
    await Promise.all(pods.items.map((pod) => client.remove(POD, pod.metadata)));
    await until('noticed', async () => !(await isReady()));
    await until('healed', isReady);
    expect(await command('GET', 'greeting')).toBe('hello');
  });

  it('goes on when the API server was away', async () => {
    await server.kill();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await server.restart();
    await client.mergePatch(REDIS_CLUSTER, metadata, { spec: { memory: { policy: 'allkeys-lfu' } } });
    await until('Ready', isReady);
    expect(await command('CONFIG', 'GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'allkeys-lfu']);
  });

  it('leaves only what is retained when the resource is deleted, and serves it again when re-created', async () => {
    await client.remove(REDIS_CLUSTER, metadata);
    await until('everything is gone', async () => {
      const lists = await Promise.all(
        [STATEFUL_SET, SERVICE, CONFIG_MAP, POD].map((kind) =>
          client.list(kind, { namespace, labelSelector: selector }),
        ),
      );
      return lists.every((list) => !(list instanceof KubeFailure) && list.items.length === 0);
    });
    const claims = await client.list(PERSISTENT_VOLUME_CLAIM, { namespace, labelSelector: selector });
    expect(claims instanceof KubeFailure ? 0 : claims.items.length).toBe(6);
    expect(await client.get(SECRET, { namespace, name: 'c-auth' })).not.toBeInstanceOf(KubeFailure);
    await create();
    await until('Ready again', isReady);
    expect(await command('GET', 'greeting')).toBe('hello');
  });
});
