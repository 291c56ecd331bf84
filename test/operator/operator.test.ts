import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { REDIS_CLUSTER, type StoredRedisCluster } from '../../operator/controller/caches.ts';
import type { Pass } from '../../operator/controller/controller.ts';
import { runOperator } from '../../operator/controller/operator.ts';
import type { OperatorOptions } from '../../operator/controller/options.ts';
import type { ReconcileResult } from '../../operator/controller/reconciler.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { KubeFailure } from '../../operator/kube/failure.ts';
import { type ConfigMap, type KubeObject, LEASE, type ResourceKind } from '../../operator/kube/resource.ts';
import { HttpTransport, loadKubeConfig } from '../../operator/kube/transport.ts';
import { type ApiServer, startApiServer } from '../support/api-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const namespace = 'default';
const definitions: ResourceKind = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
const options: OperatorOptions = {
  kubeconfig: undefined,
  namespaces: [],
  serverImage: 'redwarden-server:test',
  leaderElect: true,
  leaderElectNamespace: namespace,
  leaderElectName: 'redwarden-operator',
  metricsPort: 0,
  logLevel: 'info',
  concurrency: 4,
};

let server: ApiServer;
let client: KubeClient;
const operators: Operator[] = [];

beforeAll(async () => {
  server = await startApiServer();
  client = makeClient();
}, 1_800_000);

afterAll(async () => {
  await Promise.all(operators.map((operator) => operator.stop()));
  await server.stop();
});

function makeClient(): KubeClient {
  return new KubeClient(new HttpTransport(loadKubeConfig(server.kubeconfigPath)));
}

interface Operator {
  readonly keys: string[];
  readonly log: string[];
  readonly stop: () => Promise<number>;
  readonly get: (path: string) => Promise<string>;
}

/** An operator in this process, whose passes are the test's. */
function start(podName: string, reconcile?: (key: string, pass: Pass) => Promise<ReconcileResult>): Operator {
  const stop = new AbortController();
  const keys: string[] = [];
  const log: string[] = [];
  let port = 0;
  const ended = runOperator(options, {
    client: makeClient(),
    reconcileCluster: async (key, pass) => {
      keys.push(key);
      return reconcile === undefined ? { requeueAfterMs: 0 } : reconcile(key, pass);
    },
    report: (_, message) => log.push(message),
    podName,
    stop: stop.signal,
    onListening: (bound) => {
      port = bound;
    },
  });
  const operator = {
    keys,
    log,
    stop: () => {
      stop.abort();
      return ended;
    },
    get: async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return `${response.status} ${await response.text()}`;
    },
  };
  operators.push(operator);
  return operator;
}

function until(what: string, probe: () => Promise<boolean> | boolean): Promise<true> {
  return waitUntil(what, 40_000, async () => (await probe()) || undefined, 50);
}

function cluster(name: string): KubeObject {
  return {
    metadata: { name, namespace },
    ...{ spec: { profile: 'Cache', resources: { limits: { memory: '256Mi' } } } },
  };
}

describe('runOperator against an API server', () => {
  it('waits for the definition of the resource, and says so', async () => {
    const operator = start('first');
    await until('the probe answers', async () => (await operator.get('/readyz')).includes('RedisCluster'));
    expect(await operator.get('/readyz')).toMatch(/^503 not listed yet: /);
    expect(await operator.get('/healthz')).toBe('200 ok\n');
    const file = new URL('../../crds/redisclusters.redwarden.dev.yaml', import.meta.url);
    const created = await client.create(definitions, parse(readFileSync(file, 'utf8')) as KubeObject);
    expect(created).not.toBeInstanceOf(KubeFailure);
    await until('ready', async () => (await operator.get('/readyz')) === '200 ok\n');
    await until('leading', () => operator.log.includes('leading'));
  });

  it('passes over a cluster that is created, changed and deleted', async () => {
    const [operator] = operators as [Operator];
    const created = await client.create(REDIS_CLUSTER, cluster('orders') as StoredRedisCluster);
    expect(created instanceof KubeFailure ? created.message : '').toBe('');
    await until('a first pass', () => operator.keys.length === 1);
    const metadata = { namespace, name: 'orders' };
    await client.mergePatch(REDIS_CLUSTER, metadata, { spec: { shards: 4 } });
    await until('a second pass', () => operator.keys.length === 2);
    await client.remove(REDIS_CLUSTER, metadata);
    await until('a third pass', () => operator.keys.length === 3);
    expect(new Set(operator.keys)).toEqual(new Set(['default/orders']));
    const metrics = await operator.get('/metrics');
    expect(metrics).toContain('redwarden_operator_leader 1');
    expect(metrics).toContain('redwarden_operator_passes_total{outcome="done"} 3');
  });

  it('hands over when it is told to stop, and exits with 0', async () => {
    const [first] = operators as [Operator];
    const second = start('second');
    await until('the second is ready', () => second.log.includes('caches filled'));
    expect(second.log).not.toContain('leading');
    expect(await first.stop()).toBe(0);
    await until('the second leads', () => second.log.includes('leading'));
    const lease = await client.get(LEASE, { namespace, name: 'redwarden-operator' });
    expect(lease).toMatchObject({ spec: { holderIdentity: expect.stringMatching(/^second_/) } });
    expect(await second.stop()).toBe(0);
  });

  it('knows that its caches are behind until they show its own write', async () => {
    const states: string[] = [];
    const wish: ConfigMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'owned', namespace, labels: { 'redwarden.dev/cluster': 'orders' } },
      data: { a: '1' },
    };
    const operator = start('third', async (key, pass) => {
      const cached = pass.caches.configMaps.get('default/owned');
      const applied = await pass.applier.apply(wish, cached);
      if (applied instanceof KubeFailure) throw new Error(applied.message);
      if (applied.outcome !== 'current') pass.expectations.wrote(key, applied.object);
      states.push(`${applied.outcome} ${pass.expectations.isBehind(key) ? 'behind' : 'level'}`);
      return { requeueAfterMs: 0 };
    });
    await client.create(REDIS_CLUSTER, cluster('orders') as StoredRedisCluster);
    // The watch event of the write causes the second pass.
    await until('two passes', () => states.length >= 2);
    // The event may overtake the answer to the write itself.
    expect(states[0]).toMatch(/^created (behind|level)$/);
    expect(states.at(-1)).toBe('current level');
    await client.remove(REDIS_CLUSTER, { namespace, name: 'orders' });
    await operator.stop();
  });

  it('exits with 1 when somebody else takes its lease', async () => {
    const stop = new AbortController();
    const log: string[] = [];
    const ended = runOperator(options, {
      client: makeClient(),
      reconcileCluster: async () => ({ requeueAfterMs: 0 }),
      report: (_, message) => log.push(message),
      podName: 'fourth',
      stop: stop.signal,
    });
    await until('leading', () => log.includes('leading'));
    const reference = { namespace, name: 'redwarden-operator' };
    await client.mergePatch(LEASE, reference, { spec: { holderIdentity: 'thief' } });
    expect(await ended).toBe(1);
    expect(log).toContain('leadership lost');
  });
});
