import { describe, expect, it } from 'vitest';
import { KubeClient } from '../kube/client.ts';
import { ManualClock, settle } from '../kube/clock.ts';
import { EventRecorder } from '../kube/events.ts';
import type { KubeObject } from '../kube/resource.ts';
import type { HttpAnswer, HttpCall, HttpStream, Transport } from '../kube/transport.ts';
import { Controller } from './controller.ts';
import { OperatorMetrics } from './metrics.ts';

/** Lists by path, and watches that the test feeds. */
class FakeApi implements Transport {
  readonly lists = new Map<string, object[]>();
  readonly watches = new Map<string, HttpStream>();

  async call(call: HttpCall): Promise<HttpAnswer> {
    const items = this.lists.get(call.path) ?? [];
    return {
      status: 200,
      body: JSON.stringify({ items, metadata: { resourceVersion: '5' } }),
      retryAfterMs: undefined,
    };
  }

  stream(stream: HttpStream): Promise<undefined> {
    this.watches.set(stream.path, stream);
    return new Promise((resolve) => stream.signal.addEventListener('abort', () => resolve(undefined)));
  }

  send(path: string, type: string, object: KubeObject): void {
    this.watches.get(path)?.onLine(JSON.stringify({ type, object }));
  }
}

const clustersPath = '/apis/redwarden.dev/v1alpha1/redisclusters';
const labels = { 'redwarden.dev/cluster': 'orders' };

function object(name: string, version: number, more: object = {}): KubeObject {
  const metadata = { name, namespace: 'shop', uid: `uid-${name}`, resourceVersion: String(version), labels };
  return { metadata, ...more };
}

function node(version: number, ready: string, more: object = {}): KubeObject {
  const status = { conditions: [{ type: 'Ready', status: ready, lastHeartbeatTime: String(version) }] };
  return { metadata: { name: 'n1', uid: 'n1', resourceVersion: String(version) }, ...{ status }, ...more };
}

async function start(api: FakeApi, namespaces: string[] = []) {
  const clock = new ManualClock();
  const client = new KubeClient(api);
  const report = (): void => undefined;
  const recorder = new EventRecorder({
    client,
    reportingController: 'redwarden.dev/operator',
    reportingInstance: 'test',
    clock,
    random: () => 0,
    report,
  });
  const keys: string[] = [];
  const metrics = new OperatorMetrics();
  const controller = new Controller({
    client,
    recorder,
    defaults: { serverImage: 'server:1' },
    reconcileCluster: async (key) => {
      keys.push(key);
      return { requeueAfterMs: 0 };
    },
    namespaces,
    concurrencyMax: 4,
    passDeadlineMs: 1000,
    isLeader: () => true,
    clock,
    random: () => 0,
    report,
    measure: metrics.measure,
  });
  metrics.watch({ controller, recorder, isLeader: () => true });
  controller.start();
  await controller.synced();
  return { clock, keys, controller, metrics };
}

describe('Controller', () => {
  it('makes one pass over every cluster that exists when it begins to lead', async () => {
    const api = new FakeApi();
    api.lists.set(clustersPath, [object('orders', 1), object('users', 2)]);
    api.lists.set('/api/v1/pods', [object('orders-shard-0-0', 3)]);
    const { keys, controller } = await start(api);
    await settle();
    expect(keys).toEqual([]);
    controller.lead();
    await settle();
    expect(keys.sort()).toEqual(['shop/orders', 'shop/users']);
    expect(await controller.stop(1000)).toBe(true);
  });

  it.each([
    ['pods', '/api/v1/pods'],
    ['StatefulSets', '/apis/apps/v1/statefulsets'],
    ['Services', '/api/v1/services'],
    ['ConfigMaps', '/api/v1/configmaps'],
    ['budgets', '/apis/policy/v1/poddisruptionbudgets'],
    ['network policies', '/apis/networking.k8s.io/v1/networkpolicies'],
    ['claims', '/api/v1/persistentvolumeclaims'],
  ])('passes over the cluster whose label changed %s carry', async (_, path) => {
    const api = new FakeApi();
    const { keys, controller } = await start(api);
    controller.lead();
    await settle();
    api.send(path, 'ADDED', object('x', 10));
    await settle();
    api.send(path, 'DELETED', object('x', 11));
    await settle();
    expect(keys).toEqual(['shop/orders', 'shop/orders']);
  });

  it('passes over both clusters when an object moves from one to the other', async () => {
    const api = new FakeApi();
    const { keys, controller } = await start(api);
    controller.lead();
    api.send('/api/v1/services', 'ADDED', object('x', 10));
    await settle();
    const moved = object('x', 11);
    api.send('/api/v1/services', 'MODIFIED', {
      metadata: { ...moved.metadata, labels: { 'redwarden.dev/cluster': 'users' } },
    });
    await settle();
    expect(keys).toEqual(['shop/orders', 'shop/orders', 'shop/users']);
  });

  it('passes over the clusters of a node when it turns unready, not at every heartbeat', async () => {
    const api = new FakeApi();
    api.lists.set('/api/v1/nodes', [node(1, 'True')]);
    api.lists.set('/api/v1/pods', [object('orders-shard-0-0', 3, { spec: { nodeName: 'n1' } })]);
    const { keys, controller } = await start(api);
    controller.lead();
    await settle();
    keys.splice(0);
    api.send('/api/v1/nodes', 'MODIFIED', node(20, 'True'));
    await settle();
    expect(keys).toEqual([]);
    api.send('/api/v1/nodes', 'MODIFIED', node(21, 'Unknown'));
    await settle();
    api.send('/api/v1/nodes', 'MODIFIED', node(22, 'Unknown', { spec: { unschedulable: true } }));
    await settle();
    api.send('/api/v1/nodes', 'DELETED', node(23, 'Unknown'));
    await settle();
    expect(keys).toEqual(['shop/orders', 'shop/orders', 'shop/orders']);
  });

  it('watches only the namespaces it was given, and nodes all the same', async () => {
    const api = new FakeApi();
    await start(api, ['shop', 'ops']);
    await settle();
    expect([...api.watches.keys()].filter((path) => path.endsWith('/pods'))).toEqual([
      '/api/v1/namespaces/shop/pods',
      '/api/v1/namespaces/ops/pods',
    ]);
    expect(api.watches.has('/api/v1/nodes')).toBe(true);
  });

  it('looks at every cluster now and then even if nothing happens', async () => {
    const api = new FakeApi();
    api.lists.set(clustersPath, [object('orders', 1)]);
    const { keys, clock, controller } = await start(api);
    controller.lead();
    await settle();
    keys.splice(0);
    await clock.advance(1_200_000);
    expect(keys).toEqual(['shop/orders', 'shop/orders']);
  });

  it('shows its state to Prometheus', async () => {
    const api = new FakeApi();
    api.lists.set(clustersPath, [object('orders', 1)]);
    const { controller, metrics } = await start(api);
    controller.lead();
    await settle();
    const text = await metrics.registry.metrics();
    expect(text).toContain('redwarden_operator_clusters 1');
    expect(text).toContain('redwarden_operator_leader 1');
    expect(text).toContain('redwarden_operator_passes_total{outcome="done"} 1');
    expect(text).toContain('redwarden_operator_watch_lists{kind="Pod"} 1');
  });
});
