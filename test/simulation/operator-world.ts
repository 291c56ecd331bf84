/**
 * A small Kubernetes in memory for tests of the operator: an API server with watches that may lag, the
 * StatefulSet controller, and kubelets that start servers. What a server is, the test decides: a model or a
 * real process.
 *
 *   client (writes) -> objects -> pending events -> deliver() -> caches (what the operator reads)
 */
import { createHash } from 'node:crypto';
import type { RedisCluster } from '../../operator/api/generated/redis-cluster.ts';
import {
  type Caches,
  makeCaches,
  REDIS_CLUSTER,
  type StoredRedisCluster,
  WATCHED_KINDS,
} from '../../operator/controller/caches.ts';
import type { Pass } from '../../operator/controller/controller.ts';
import { Expectations } from '../../operator/controller/expectations.ts';
import { Applier } from '../../operator/kube/apply.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import type { Clock } from '../../operator/kube/clock.ts';
import { KubeFailure } from '../../operator/kube/failure.ts';
import {
  BUILT_IN_KINDS,
  type KubeObject,
  type ObjectReference,
  type Pod,
  type ResourceKind,
  type StatefulSet,
} from '../../operator/kube/resource.ts';
import type { Store } from '../../operator/kube/store.ts';

/** Runs the servers of pods. A volume outlives its pod. */
export interface Machine {
  start(pod: string, host: string, volume: string, config: string, password: string): Promise<void>;
  /** Ends the process at once. */
  kill(pod: string): Promise<void>;
  isReady(pod: string): boolean;
}

export interface WorldOptions {
  readonly machine: Machine;
  readonly clock: Clock;
  readonly random: () => number;
  /** A fresh address for every start of a pod. */
  readonly nextHost: () => string;
  readonly zones?: readonly string[];
  /** Watch events reach the caches only by `deliver`. */
  readonly lagging?: boolean;
}

type Loose = KubeObject & { readonly [field: string]: unknown };

export interface RecordedEvent {
  readonly type: string;
  readonly reason: string;
  readonly note: string;
}

export class OperatorWorld {
  readonly caches: Caches = makeCaches();
  readonly events: RecordedEvent[] = [];
  readonly log: string[] = [];
  readonly #options: WorldOptions;
  readonly #objects = new Map<string, Loose>();
  readonly #pending: { readonly object: Loose; readonly gone: boolean }[] = [];
  #version = 1000;
  #uid = 0;
  /** Asked before every write; answers a failure to inject. */
  beforeWrite: (() => KubeFailure | undefined) | undefined;
  readonly expectations: Expectations;
  readonly #client: Pick<KubeClient, 'get' | 'create' | 'apply' | 'remove'>;
  #applier: Applier;

  constructor(options: WorldOptions) {
    this.#options = options;
    const stores = new Map(WATCHED_KINDS.map(({ kind, cache }) => [kind.kind, this.caches[cache]]));
    this.expectations = new Expectations((kind) => stores.get(kind), options.clock);
    this.#client = this.#makeClient();
    this.#applier = this.#makeApplier();
    for (const [index, zone] of (options.zones ?? ['a', 'b', 'c']).entries()) {
      const labels = { 'topology.kubernetes.io/zone': zone };
      this.put('Node', {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: `worker-${index}`, labels },
        status: { conditions: [{ type: 'Ready', status: 'True' }] },
      });
    }
  }

  /** What the operator forgets when it is killed. */
  restartOperator(): void {
    this.#applier = this.#makeApplier();
    this.expectations.forget('default/c');
  }

  pass(isLeader: () => boolean = () => true): Pass {
    const { clock, random } = this.#options;
    const record = (event: RecordedEvent): void => {
      this.events.push({ type: event.type, reason: event.reason, note: event.note });
    };
    return {
      client: this.#client as unknown as KubeClient,
      caches: this.caches,
      applier: this.#applier,
      expectations: this.expectations,
      recorder: { record } as unknown as Pass['recorder'],
      defaults: { serverImage: 'server:test' },
      clock,
      random,
      report: (level, message, facts) => this.log.push(`${level} ${message} ${JSON.stringify(facts)}`),
      isLeader,
      signal: new AbortController().signal,
    };
  }

  /** Creates or changes the resource as a user does: the generation rises, the status stays. */
  applyCluster(spec: RedisCluster['spec'], annotations: Record<string, string> = {}): void {
    const before = this.#objects.get('RedisCluster default/c') as unknown as StoredRedisCluster | undefined;
    const generation = (before?.metadata.generation ?? 0) + 1;
    this.put('RedisCluster', {
      apiVersion: REDIS_CLUSTER.apiVersion,
      kind: 'RedisCluster',
      metadata: { name: 'c', namespace: 'default', generation, annotations },
      spec,
      ...(before?.status === undefined ? {} : { status: before.status }),
    });
  }

  get cluster(): StoredRedisCluster {
    return this.#objects.get('RedisCluster default/c') as unknown as StoredRedisCluster;
  }

  condition(type: string): { status: string; reason: string; message: string } | undefined {
    return this.cluster.status?.conditions?.find((each) => each.type === type);
  }

  list<T>(kind: string): T[] {
    return [...this.#objects.values()].filter((object) => object.kind === kind) as unknown as T[];
  }

  put(kind: string, object: Loose): Loose {
    const key = `${kind} ${keyIn(object.metadata)}`;
    const before = this.#objects.get(key);
    this.#version += 1;
    const uid = object.metadata.uid ?? before?.metadata.uid ?? `uid-${++this.#uid}`;
    const stored = {
      ...object,
      metadata: { ...object.metadata, uid, resourceVersion: String(this.#version) },
    };
    this.#objects.set(key, stored);
    this.#emit(stored, false);
    return stored;
  }

  removeObject(kind: string, reference: ObjectReference): void {
    const key = `${kind} ${keyIn(reference)}`;
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    this.#version += 1;
    this.#emit(object, true);
  }

  /** Hands up to `count` watch events to the caches, in order. */
  deliver(count = Number.POSITIVE_INFINITY): void {
    for (let left = count; left > 0; left -= 1) {
      const event = this.#pending.shift();
      if (event === undefined) break;
      const store = this.#storeOf(event.object.kind ?? '');
      if (event.gone) store?.remove(event.object);
      else store?.put(event.object);
      if (!event.gone) store?.advance(undefined, event.object.metadata.resourceVersion ?? '0');
    }
    if (this.#pending.length > 0) return;
    for (const { cache } of WATCHED_KINDS) this.caches[cache].advance(undefined, String(this.#version));
  }

  /** The StatefulSet controller and the kubelets, once. */
  async runControllers(): Promise<void> {
    for (const set of this.list<StatefulSet>('StatefulSet')) this.#reconcileSet(set);
    for (const pod of this.list<Pod>('Pod')) await this.#runPod(pod);
  }

  /** The pod goes and comes back under a new address; its volume stays unless told otherwise. */
  async deletePod(name: string, volume: 'keep' | 'lose' = 'keep'): Promise<void> {
    await this.#options.machine.kill(name);
    if (volume === 'lose') this.#lost.set(name, (this.#lost.get(name) ?? 0) + 1);
    this.removeObject('Pod', { namespace: 'default', name });
  }

  /** The container ends; it stays down until `restartContainer`, and comes back under the same address. */
  crashContainer(name: string): Promise<void> {
    return this.#options.machine.kill(name);
  }

  async restartContainer(name: string): Promise<void> {
    const pod = this.list<Pod>('Pod').find((each) => each.metadata.name === name);
    if (pod?.status?.podIP !== undefined) await this.#startServer(name, pod.status.podIP);
  }

  readonly #lost = new Map<string, number>();

  #reconcileSet(set: StatefulSet): void {
    const revision = createHash('sha256')
      .update(JSON.stringify(set.spec?.template))
      .digest('hex')
      .slice(0, 8);
    const status = { updateRevision: revision, replicas: set.spec?.replicas ?? 1 };
    if (set.status?.updateRevision !== revision)
      this.put('StatefulSet', { ...set, status } as unknown as Loose);
    const shard = Number(set.metadata.name.split('-').at(-1));
    for (let ordinal = 0; ordinal < (set.spec?.replicas ?? 1); ordinal += 1) {
      const name = `${set.metadata.name}-${ordinal}`;
      if (this.#objects.has(`Pod default/${name}`)) continue;
      const nodes = this.list<KubeObject>('Node');
      const node = nodes[(shard + ordinal) % nodes.length]?.metadata.name ?? '';
      this.put('Pod', {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name,
          namespace: 'default',
          uid: `uid-${++this.#uid}`,
          labels: { ...set.spec?.template?.metadata?.labels, 'controller-revision-hash': revision } as never,
        },
        spec: { nodeName: node },
        status: { phase: 'Pending' },
      });
    }
    for (const pod of this.list<Pod>('Pod')) {
      const [, own, ordinal] = /^(.*)-(\d+)$/.exec(pod.metadata.name) ?? [];
      if (own !== set.metadata.name || Number(ordinal) < (set.spec?.replicas ?? 1)) continue;
      void this.deletePod(pod.metadata.name);
    }
  }

  async #runPod(pod: Pod): Promise<void> {
    const { machine, nextHost } = this.#options;
    const { name } = pod.metadata;
    const ready = machine.isReady(name);
    if (pod.status?.podIP === undefined) {
      const host = nextHost();
      if (await this.#startServer(name, host)) this.put('Pod', withStatus(pod, host, false));
      return;
    }
    const was =
      pod.status.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') === true;
    if (was !== ready) this.put('Pod', withStatus(pod, pod.status.podIP, ready));
  }

  /** False while what the pod mounts is missing. */
  async #startServer(name: string, host: string): Promise<boolean> {
    const data = (key: string): Record<string, string> | undefined => {
      const object = this.#objects.get(key) as { data?: Record<string, string> } | undefined;
      return object?.data;
    };
    const config = data('ConfigMap default/c-config');
    const secret = data('Secret default/c-server-auth');
    if (config === undefined || secret === undefined) return false;
    const auth = Buffer.from(secret['auth.conf'] ?? '', 'base64').toString('utf8');
    const volume = `${name}-${this.#lost.get(name) ?? 0}`;
    const password = /^requirepass (\S+)$/m.exec(auth)?.[1] ?? '';
    await this.#options.machine.start(name, host, volume, config['redis.conf'] ?? '', password);
    return true;
  }

  #emit(object: Loose, gone: boolean): void {
    this.#pending.push({ object, gone });
    if (this.#options.lagging !== true) this.deliver();
  }

  #storeOf(kind: string): Store<KubeObject> | undefined {
    const row = WATCHED_KINDS.find((each) => each.kind.kind === kind);
    return row === undefined ? undefined : (this.caches[row.cache] as unknown as Store<KubeObject>);
  }

  #makeApplier(): Applier {
    return new Applier({ client: this.#client, kinds: [...BUILT_IN_KINDS, REDIS_CLUSTER] });
  }

  #makeClient(): Pick<KubeClient, 'get' | 'create' | 'apply' | 'remove'> {
    const find = (kind: ResourceKind, reference: ObjectReference): Loose | undefined =>
      this.#objects.get(`${kind.kind} ${keyIn(reference)}`);
    return {
      get: async (kind, reference) =>
        (find(kind, reference) ??
          new KubeFailure('notFound', `${kind.kind} ${reference.name} not found`)) as never,
      create: async (kind, object) => {
        const refused = this.beforeWrite?.();
        if (refused !== undefined) return refused;
        if (find(kind, object.metadata) !== undefined) return new KubeFailure('alreadyExists', 'exists');
        return this.put(kind.kind, { ...(object as unknown as Loose), kind: kind.kind }) as never;
      },
      apply: async (kind, object, options) => {
        const refused = this.beforeWrite?.();
        if (refused !== undefined) return refused;
        return this.#apply(kind, object as unknown as Loose, options.subresource === 'status') as never;
      },
      remove: async (kind, reference, options) => {
        const object = find(kind, reference);
        if (object === undefined) return new KubeFailure('notFound', 'not found');
        if (options?.uid !== undefined && options.uid !== object.metadata.uid) {
          return new KubeFailure('conflict', 'another uid');
        }
        if (kind.kind === 'Pod') await this.deletePod(reference.name);
        else this.removeObject(kind.kind, reference);
        return undefined;
      },
    };
  }

  /** Merges maps, replaces lists; a change of nothing keeps the resource version. */
  #apply(
    kind: ResourceKind,
    wanted: Loose,
    statusOnly: boolean,
  ): { object: Loose; created: boolean } | KubeFailure {
    const before = this.#objects.get(`${kind.kind} ${keyIn(wanted.metadata)}`);
    const { resourceVersion } = wanted.metadata;
    if (
      before !== undefined &&
      resourceVersion !== undefined &&
      resourceVersion !== before.metadata.resourceVersion
    ) {
      return new KubeFailure('conflict', 'the object has been modified');
    }
    if (before === undefined) {
      if (statusOnly) return new KubeFailure('notFound', 'not found');
      return { object: this.put(kind.kind, structuredClone(wanted)), created: true };
    }
    // Status is one manager's as a whole.
    const after = statusOnly
      ? { ...before, status: structuredClone(wanted['status']) }
      : (merge(before, structuredClone(wanted)) as Loose);
    if (JSON.stringify(sorted(after)) === JSON.stringify(sorted(before)))
      return { object: before, created: false };
    return { object: this.put(kind.kind, after), created: false };
  }
}

function keyIn(reference: ObjectReference): string {
  return reference.namespace === undefined ? reference.name : `${reference.namespace}/${reference.name}`;
}

function withStatus(pod: Pod, host: string, ready: boolean): Loose {
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  return { ...pod, status: { phase: 'Running', podIP: host, conditions } } as unknown as Loose;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function merge(before: unknown, wanted: unknown): unknown {
  if (!isMap(before) || !isMap(wanted)) return wanted;
  const merged = { ...before };
  for (const [field, value] of Object.entries(wanted)) merged[field] = merge(before[field], value);
  return merged;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([field, item]) => [field, sorted(item)]),
  );
}
