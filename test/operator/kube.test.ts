import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Applier } from '../../operator/kube/apply.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { systemClock } from '../../operator/kube/clock.ts';
import { EventRecorder } from '../../operator/kube/events.ts';
import { KubeFailure } from '../../operator/kube/failure.ts';
import { LeaderElection } from '../../operator/kube/lease.ts';
import { Reflector, type Report } from '../../operator/kube/reflector.ts';
import {
  CONFIG_MAP,
  type ConfigMap,
  EVENT,
  LEASE,
  STATEFUL_SET,
  type StatefulSet,
} from '../../operator/kube/resource.ts';
import { Store } from '../../operator/kube/store.ts';
import { HttpTransport, loadKubeConfig } from '../../operator/kube/transport.ts';
import { type ApiServer, startApiServer } from '../support/api-server.ts';
import { waitUntil } from '../support/wait-until.ts';
import { TcpProxy } from './tcp-proxy.ts';

let server: ApiServer;
let client: KubeClient;
const namespace = 'default';
const cleanUps: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  server = await startApiServer();
  client = new KubeClient(new HttpTransport(loadKubeConfig(server.kubeconfigPath)));
}, 1_800_000);

afterAll(() => server.stop());

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const silent: Report = () => undefined;

function configMap(name: string, value = '1'): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels: { test: 'yes' } },
    data: { value },
  };
}

/** The object, or the test fails with the failure's words. */
async function must<T>(answer: Promise<T | KubeFailure>): Promise<T> {
  const value = await answer;
  if (value instanceof KubeFailure) throw new Error(value.toString());
  return value;
}

/** Create until the API server, which may just have come back, takes it. */
async function createSoon(object: ConfigMap): Promise<void> {
  await waitUntil(`create ${object.metadata.name}`, 30_000, async () => {
    const answer = await client.create(CONFIG_MAP, object);
    return answer instanceof KubeFailure && answer.kind !== 'alreadyExists' ? undefined : true;
  });
}

function startReflector(through: KubeClient) {
  const store = new Store<ConfigMap>();
  const stop = new AbortController();
  const log: string[] = [];
  const reflector = new Reflector({
    client: through,
    kind: CONFIG_MAP,
    store,
    namespace,
    labelSelector: 'test=yes',
    clock: systemClock,
    random: Math.random,
    report: (_level, message, facts) => log.push(`${message} ${JSON.stringify(facts)}`),
  });
  const ended = reflector.run(stop.signal);
  cleanUps.push(async () => {
    stop.abort();
    await ended;
    for (const { metadata } of store.list()) await client.remove(CONFIG_MAP, metadata);
  });
  const names = (): string => store.keys().sort().join(' ');
  const shows = (expected: string): Promise<unknown> =>
    waitUntil(
      `the cache shows ${expected}`,
      40_000,
      async () => (names() === expected ? true : undefined),
      50,
    );
  return { reflector, store, shows, log };
}

async function startProxied(): Promise<{ proxy: TcpProxy; proxied: KubeClient }> {
  const proxy = await TcpProxy.start(Number(new URL(server.url).port));
  cleanUps.push(() => proxy.stop());
  const config = loadKubeConfig(server.kubeconfigPath);
  config.clusters = config.clusters.map((each) => ({ ...each, server: `https://127.0.0.1:${proxy.port}` }));
  return { proxy, proxied: new KubeClient(new HttpTransport(config)) };
}

describe('Reflector against an API server', () => {
  it('follows creations, changes and deletions', async () => {
    await must(client.create(CONFIG_MAP, configMap('a')));
    const { reflector, store, shows } = startReflector(client);
    await reflector.synced;
    await shows('default/a');
    await must(client.create(CONFIG_MAP, configMap('b')));
    await shows('default/a default/b');
    await must(client.mergePatch(CONFIG_MAP, configMap('b').metadata, { data: { value: '2' } }));
    await waitUntil(
      'the change',
      10_000,
      async () => store.get('default/b')?.data?.['value'] === '2' || undefined,
    );
    await client.remove(CONFIG_MAP, configMap('a').metadata);
    await shows('default/b');
    expect(reflector.stats).toMatchObject({ lists: 1, watches: 1, watchFailures: 0 });
  });

  it('survives the death and return of the API server', async () => {
    await must(client.create(CONFIG_MAP, configMap('a')));
    const { shows } = startReflector(client);
    await shows('default/a');
    await server.kill();
    await server.restart();
    await createSoon(configMap('b'));
    await shows('default/a default/b');
  });

  it('goes on where it was after a broken connection, and misses nothing', async () => {
    const { proxy, proxied } = await startProxied();
    await must(client.create(CONFIG_MAP, configMap('a')));
    const { reflector, shows } = startReflector(proxied);
    await shows('default/a');
    proxy.cut();
    await client.remove(CONFIG_MAP, configMap('a').metadata);
    await must(client.create(CONFIG_MAP, configMap('b')));
    proxy.mend();
    await shows('default/b');
    expect(reflector.stats.lists).toBe(1);
  });

  it('relists when its version is gone, and sees the deletions it missed', async () => {
    const { proxy, proxied } = await startProxied();
    await must(client.create(CONFIG_MAP, configMap('a')));
    const { reflector, shows, log } = startReflector(proxied);
    await shows('default/a');
    proxy.cut();
    await client.remove(CONFIG_MAP, configMap('a').metadata);
    await must(client.create(CONFIG_MAP, configMap('b')));
    // A new process knows only what happens from its start on: older versions are gone.
    await server.restart();
    proxy.mend();
    await shows('default/b');
    expect(reflector.stats.lists).toBe(2);
    expect(log.join('\n')).toContain('watch ended {"kind":"ConfigMap","failure":"gone: too old');
  });
});

describe('LeaderElection against an API server', () => {
  function candidate(identity: string) {
    const election = new LeaderElection({
      client,
      namespace,
      name: 'election',
      identity,
      leaseDurationMs: 3000,
      renewDeadlineMs: 2000,
      retryMs: 300,
      clock: systemClock,
      random: Math.random,
      report: silent,
    });
    const stop = new AbortController();
    let leads = false;
    const run = async (): Promise<void> => {
      if (!(await election.acquire(stop.signal))) return;
      leads = true;
      await election.hold(stop.signal);
    };
    const ended = run();
    const die = async (): Promise<void> => {
      stop.abort();
      await ended;
    };
    cleanUps.push(die);
    const elected = (): Promise<unknown> =>
      waitUntil(`${identity} leads`, 20_000, async () => leads || undefined, 50);
    return { election, die, elected };
  }

  it('hands over from a leader that died, and at once from one that released', async () => {
    const first = candidate('first');
    await first.elected();
    const second = candidate('second');
    expect(second.election.isLeader).toBe(false);
    await first.die();
    await second.elected();
    expect(first.election.isLeader).toBe(false);
    const third = candidate('third');
    await second.die();
    await second.election.release();
    await third.elected();
    const lease = await must(client.get(LEASE, { namespace, name: 'election' }));
    expect(lease.spec).toMatchObject({ holderIdentity: 'third', leaseTransitions: 2 });
  });
});

describe('EventRecorder against an API server', () => {
  it('writes events that are accepted, the same ones as one series', async () => {
    const regarding = await must(client.create(CONFIG_MAP, configMap('told')));
    cleanUps.push(async () => {
      await client.remove(CONFIG_MAP, regarding.metadata);
    });
    const recorder = new EventRecorder({
      client,
      reportingController: 'redwarden.dev/operator',
      reportingInstance: 'test',
      clock: systemClock,
      random: Math.random,
      report: silent,
    });
    const event = { regarding, type: 'Normal', reason: 'Repaired', action: 'ConfigSet' } as const;
    recorder.record({ ...event, note: 'other' });
    for (let count = 0; count < 5; count += 1) recorder.record({ ...event, note: 'again' });
    await recorder.close(10_000);
    expect(recorder.stats).toMatchObject({ failed: 0, dropped: 0 });
    const fieldSelector = `regarding.name=told`;
    const all = await must(client.list(EVENT, { namespace, fieldSelector }));
    const mine = all.items.map(({ note, series }) => [note, series?.count]);
    expect(mine.sort()).toEqual([
      ['again', 5],
      ['other', undefined],
    ]);
  });
});

describe('Applier against an API server', () => {
  const set = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'applied', namespace, labels: { mine: 'yes' } },
    spec: {
      serviceName: 'applied',
      replicas: 2,
      selector: { matchLabels: { app: 'applied' } },
      template: {
        metadata: { labels: { app: 'applied' } },
        spec: {
          containers: [{ name: 'server', image: 'x', resources: { limits: { memory: '1024Mi' } } }],
        },
      },
    },
  } satisfies StatefulSet;

  function applier(): Applier {
    return new Applier({ client, kinds: [STATEFUL_SET] });
  }

  afterAll(async () => {
    await client.remove(STATEFUL_SET, set.metadata);
  });

  it('creates, changes nothing the second time, and sends nothing while all is as it was', async () => {
    const one = applier();
    const created = await must(one.apply(set, undefined));
    expect(created.outcome).toBe('created');
    const cached = await must(client.get(STATEFUL_SET, set.metadata));
    expect(await must(one.apply(set, cached))).toMatchObject({ outcome: 'current' });
    const again = await must(applier().apply(set, cached));
    expect(again.outcome).toBe('unchanged');
    expect(again.object.metadata.resourceVersion).toBe(created.object.metadata.resourceVersion);
  });

  it('takes its own fields back, leaves those of others, and removes what it no longer wants', async () => {
    const patch = { metadata: { annotations: { theirs: 'yes' } }, spec: { replicas: 5 } };
    const edited = await must(
      client.mergePatch(STATEFUL_SET, set.metadata, patch, { fieldManager: 'somebody' }),
    );
    const wish = { ...set, metadata: { ...set.metadata, labels: {} } };
    const { object, outcome } = await must(applier().apply(wish, edited));
    expect(outcome).toBe('changed');
    expect((object as StatefulSet).spec?.replicas).toBe(2);
    expect(object.metadata.annotations).toEqual({ theirs: 'yes' });
    expect(object.metadata.labels).toBeUndefined();
  });

  it('passes on what the API server has against an object, in its words', async () => {
    const immutable = { ...set, spec: { ...set.spec, serviceName: 'other' } };
    expect(await applier().apply(immutable, undefined)).toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('Forbidden'),
    });
    const misspelt = { ...set, spec: { ...set.spec, replica: 3 } };
    expect(await applier().apply(misspelt, undefined)).toMatchObject({
      message: expect.stringContaining('replica'),
    });
  });

  it('deletes only the object it means', async () => {
    const wrong = await client.remove(STATEFUL_SET, set.metadata, { uid: 'another' });
    expect(wrong).toMatchObject({ kind: 'conflict' });
  });
});
