import { describe, expect, it } from 'vitest';
import type { ListOptions, ObjectList, WatchEvent, WatchOptions } from './client.ts';
import { ManualClock, settle } from './clock.ts';
import { KubeFailure } from './failure.ts';
import { Reflector } from './reflector.ts';
import { CONFIG_MAP, type ConfigMap, type KubeObject, type ResourceKind } from './resource.ts';
import { Store } from './store.ts';

const gone = new KubeFailure('gone', 'too old resource version', 410);
const broken = new KubeFailure('unavailable', 'connection reset');

function map(name: string, version: number): ConfigMap {
  return { metadata: { name, namespace: 'n', uid: `${name}-1`, resourceVersion: String(version) } };
}

function page(items: ConfigMap[], version: number, continueToken?: string): ObjectList<ConfigMap> {
  return { items, resourceVersion: String(version), continueToken };
}

interface OpenWatch {
  readonly options: WatchOptions;
  readonly send: (event: WatchEvent<ConfigMap>) => void;
  readonly end: (failure?: KubeFailure) => void;
}

/** An API server that the test plays by hand. */
class FakeApi {
  readonly lists: ListOptions[] = [];
  readonly watches: OpenWatch[] = [];
  answers: (ObjectList<ConfigMap> | KubeFailure)[] = [];

  async list<T extends KubeObject>(
    _: ResourceKind<T>,
    options: ListOptions = {},
  ): Promise<ObjectList<T> | KubeFailure> {
    this.lists.push(options);
    return (this.answers.shift() ?? page([], 1)) as unknown as ObjectList<T>;
  }

  watch<T extends KubeObject>(
    _: ResourceKind<T>,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
  ): Promise<KubeFailure | undefined> {
    return new Promise((resolve) => {
      options.signal.addEventListener('abort', () => resolve(undefined));
      this.watches.push({
        options,
        send: onEvent as unknown as OpenWatch['send'],
        end: (failure) => resolve(failure),
      });
    });
  }

  get watch_(): OpenWatch {
    return this.watches.at(-1) as OpenWatch;
  }
}

function start(api: FakeApi) {
  const clock = new ManualClock();
  const store = new Store<ConfigMap>();
  const changes: string[] = [];
  store.subscribe((change) => changes.push(`${change.after === undefined ? '-' : '+'}${change.key}`));
  const stop = new AbortController();
  const log: string[] = [];
  const reflector = new Reflector({
    client: api,
    kind: CONFIG_MAP,
    store,
    clock,
    random: () => 0,
    report: (level, message) => log.push(`${level} ${message}`),
  });
  const ended = reflector.run(stop.signal);
  return { clock, store, changes, stop, reflector, ended, log };
}

describe('Reflector', () => {
  it('lists in pages, then watches from there with bookmarks', async () => {
    const api = new FakeApi();
    api.answers = [page([map('a', 1)], 5, 'more'), page([map('b', 2)], 5)];
    const { changes, reflector, store } = start(api);
    await reflector.synced;
    await settle();
    expect(api.lists.map((options) => options.continueToken)).toEqual([undefined, 'more']);
    expect(changes).toEqual(['+n/a', '+n/b']);
    expect(api.watch_.options).toMatchObject({
      resourceVersion: '5',
      timeoutSeconds: 240,
      silenceMaxMs: 90_000,
    });
    expect(store.progress('n')).toBe('5');
  });

  it('applies events and goes on from the last one when the connection breaks', async () => {
    const api = new FakeApi();
    const { clock, store, changes } = start(api);
    await settle();
    api.watch_.send({ type: 'ADDED', object: map('a', 7) });
    api.watch_.send({ type: 'MODIFIED', object: map('a', 8) });
    api.watch_.send({ type: 'DELETED', object: map('a', 9) });
    api.watch_.send({ type: 'BOOKMARK', resourceVersion: '30' });
    expect(changes).toEqual(['+n/a', '+n/a', '-n/a']);
    expect(store.progress('n')).toBe('30');
    api.watch_.end(broken);
    await clock.advance(1000);
    expect(api.watches.map((watch) => watch.options.resourceVersion)).toEqual(['1', '30']);
    expect(api.lists).toHaveLength(1);
  });

  it('relists when its resourceVersion is gone, and sees what was deleted meanwhile', async () => {
    const api = new FakeApi();
    api.answers = [page([map('a', 1), map('b', 2)], 5), page([map('b', 2)], 50)];
    const { clock, changes, stop, ended } = start(api);
    await settle();
    api.watch_.end(gone);
    await clock.advance(1000);
    expect(changes).toEqual(['+n/a', '+n/b', '-n/a']);
    expect(api.watch_.options.resourceVersion).toBe('50');
    stop.abort();
    await ended;
  });

  it('retries a list that fails, later and later', async () => {
    const api = new FakeApi();
    api.answers = Array.from({ length: 5 }, () => broken);
    const { clock, reflector } = start(api);
    const times: number[] = [];
    for (let step = 0; step < 120 && !reflector.isSynced; step += 1) {
      const before = api.lists.length;
      await clock.advance(100);
      if (api.lists.length > before) times.push(clock.now());
    }
    expect(reflector.isSynced).toBe(true);
    expect(reflector.stats).toMatchObject({ lists: 1, listFailures: 5 });
    const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
    expect(gaps).toEqual([...gaps].sort((left, right) => left - right));
  });

  it('starts over when a list expires between two pages', async () => {
    const api = new FakeApi();
    api.answers = [page([map('a', 1)], 5, 'more'), gone, page([map('b', 2)], 6)];
    const { clock, store } = start(api);
    await clock.advance(1000);
    expect(store.keys()).toEqual(['n/b']);
  });

  it('waits as long as the server asks', async () => {
    const api = new FakeApi();
    api.answers = [new KubeFailure('tooManyRequests', 'slow down', 429, 20_000)];
    const { clock } = start(api);
    await clock.advance(19_000);
    expect(api.lists).toHaveLength(1);
    await clock.advance(2_000);
    expect(api.lists).toHaveLength(2);
  });

  it('goes on at once when a watch ends in order, without a storm when it ends at once', async () => {
    const api = new FakeApi();
    const { clock } = start(api);
    await clock.advance(300_000);
    api.watch_.end();
    await settle();
    expect(api.watches).toHaveLength(2);
    api.watch_.end();
    await settle();
    expect(api.watches).toHaveLength(2);
    await clock.advance(500);
    expect(api.watches).toHaveLength(3);
  });

  it('relists after watches that fail again and again without being told why', async () => {
    const api = new FakeApi();
    const { clock } = start(api);
    await settle();
    for (let failures = 0; failures < 6; failures += 1) {
      api.watch_.end(new KubeFailure('timeout', 'no byte'));
      await clock.advance(15_000);
    }
    expect(api.lists).toHaveLength(2);
  });

  it('survives a subscriber that throws, and says so', async () => {
    const api = new FakeApi();
    const { reflector, store, log } = start(api);
    store.subscribe(() => {
      throw new Error('bug');
    });
    await settle();
    api.watch_.send({ type: 'ADDED', object: map('a', 7) });
    expect(store.get('n/a')).toBeDefined();
    expect(reflector.stats.handlerErrors).toBe(1);
    expect(log).toContain('error a subscriber of the cache failed');
  });

  it('ends when its signal aborts: while waiting, listing or watching', async () => {
    for (const answers of [[broken], [page([], 1)]]) {
      const api = new FakeApi();
      api.answers = answers;
      const { stop, ended, clock } = start(api);
      await settle();
      stop.abort();
      await ended;
      expect(clock.waiting).toBe(0);
    }
  });
});
