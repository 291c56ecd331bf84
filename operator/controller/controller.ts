/**
 * From what changes in Kubernetes to passes over clusters:
 *
 *   API server -> reflectors -> caches -> keys `namespace/name` -> reconciler -> reconcileCluster(key, pass)
 *
 * Reflectors run in every candidate, so that a new leader begins with warm caches; passes run in the leader
 * only.
 */
import type { Defaults } from '../api/effective.ts';
import { Applier } from '../kube/apply.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Clock } from '../kube/clock.ts';
import type { EventRecorder } from '../kube/events.ts';
import { Reflector, type Report } from '../kube/reflector.ts';
import { BUILT_IN_KINDS, type KubeObject, type KubernetesNode } from '../kube/resource.ts';
import type { Change, Store } from '../kube/store.ts';
import { BY_NODE, type Caches, clusterKeyOf, makeCaches, REDIS_CLUSTER, WATCHED_KINDS } from './caches.ts';
import { Expectations } from './expectations.ts';
import { type PassMeasure, type ReconcileResult, Reconciler } from './reconciler.ts';

/** What one pass over a cluster works with. */
export interface Pass {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly applier: Applier;
  readonly expectations: Expectations;
  readonly recorder: EventRecorder;
  /** What the version of the operator decides where a resource says nothing. */
  readonly defaults: Defaults;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly report: Report;
  /** False as soon as another operator may lead: to be asked before every write. */
  readonly isLeader: () => boolean;
  /** Aborts when the time of the pass is over, or the operator stops. */
  readonly signal: AbortSignal;
}

/** One pass over the cluster `namespace/name`, which may be gone. */
export type ReconcileCluster = (key: string, pass: Pass) => Promise<ReconcileResult>;

export interface ControllerOptions {
  readonly client: KubeClient;
  readonly recorder: EventRecorder;
  readonly reconcileCluster: ReconcileCluster;
  readonly defaults: Defaults;
  /** Namespaces to watch; none: all. */
  readonly namespaces: readonly string[];
  readonly concurrencyMax: number;
  readonly passDeadlineMs: number;
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly report: Report;
  readonly measure: (pass: PassMeasure) => void;
}

const keysMax = 10_000;
const backoff = { firstMs: 1_000, maxMs: 60_000 };
/** A net below the requeue times of the passes and the events of the watches. */
const resyncEveryMs = 600_000;
const resyncSpreadMs = 60_000;

export class Controller {
  readonly caches: Caches = makeCaches();
  readonly reflectors: readonly Reflector<KubeObject>[];
  readonly reconciler: Reconciler;
  readonly expectations: Expectations;
  readonly #options: ControllerOptions;
  readonly #stop = new AbortController();
  #reflecting: Promise<unknown> = Promise.resolve();
  #cancelResync: (() => void) | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { client, recorder, defaults, clock, random, report, isLeader } = options;
    const caches = this.caches;
    const applier = new Applier({ client, kinds: [...BUILT_IN_KINDS, REDIS_CLUSTER] });
    const cacheByKind = new Map(WATCHED_KINDS.map(({ kind, cache }) => [kind.kind, caches[cache]]));
    this.expectations = new Expectations((kind) => cacheByKind.get(kind), clock);
    const shared = { client, caches, applier, recorder, defaults, clock, random, report, isLeader };
    const pass: Omit<Pass, 'signal'> = { ...shared, expectations: this.expectations };
    this.reconciler = new Reconciler({
      reconcile: (key, signal) => options.reconcileCluster(key, { ...pass, signal }),
      mayRun: isLeader,
      deadlineMs: options.passDeadlineMs,
      concurrencyMax: options.concurrencyMax,
      keysMax,
      backoff,
      clock,
      random,
      report,
      measure: options.measure,
    });
    this.reflectors = this.#makeReflectors();
    this.#subscribe();
  }

  /** Begins to fill the caches. */
  start(): void {
    this.#reflecting = Promise.all(this.reflectors.map((reflector) => reflector.run(this.#stop.signal)));
  }

  /** Resolves when every cache holds a first complete list. */
  async synced(): Promise<void> {
    await Promise.all(this.reflectors.map((reflector) => reflector.synced));
  }

  get isSynced(): boolean {
    return this.reflectors.every((reflector) => reflector.isSynced);
  }

  /** Passes begin. To be called once the caches are synced and this process leads. */
  lead(): void {
    this.reconciler.start();
    this.#resyncLater();
  }

  /** Ends passes and watches. True when the passes under way ended in time. */
  async stop(deadlineMs: number): Promise<boolean> {
    this.#cancelResync?.();
    const ended = await this.reconciler.stop(deadlineMs);
    this.#stop.abort();
    await this.#reflecting;
    return ended;
  }

  #makeReflectors(): Reflector<KubeObject>[] {
    const { client, clock, random, report, namespaces } = this.#options;
    return WATCHED_KINDS.flatMap(({ kind, cache, labelSelector }) => {
      const scopes = kind.namespaced && namespaces.length > 0 ? namespaces : [undefined];
      // The table pairs each kind with the cache of its own type.
      const store = this.caches[cache] as unknown as Store<KubeObject>;
      return scopes.map(
        (namespace) =>
          new Reflector({ client, kind, store, namespace, labelSelector, clock, random, report }),
      );
    });
  }

  #subscribe(): void {
    const { clusters, nodes, ...owned } = this.caches;
    clusters.subscribe((change) => {
      if (change.after === undefined) this.expectations.forget(change.key);
      if (!isStatusOnly(change)) this.reconciler.enqueue(change.key);
    });
    nodes.subscribe((change) => this.#onNode(change));
    for (const store of Object.values(owned)) {
      store.subscribe((change: Change<KubeObject>) => {
        const keys = [change.before, change.after].map((each) => each && clusterKeyOf(each));
        for (const key of new Set(keys)) if (key !== undefined) this.reconciler.enqueue(key);
      });
    }
  }

  /**
   * Kubelets report all the time; only what decides about placement or life of pods concerns their clusters.
   */
  #onNode(change: Change<KubernetesNode>): void {
    if (change.before !== undefined && change.after !== undefined) {
      if (factsOf(change.before) === factsOf(change.after)) return;
    }
    for (const pod of this.caches.pods.byIndex(BY_NODE, change.key)) {
      const key = clusterKeyOf(pod);
      if (key !== undefined) this.reconciler.enqueue(key);
    }
  }

  #resyncLater(): void {
    this.#cancelResync = this.#options.clock.after(resyncEveryMs, () => {
      for (const key of this.caches.clusters.keys()) {
        this.reconciler.enqueueAfter(key, resyncSpreadMs * this.#options.random());
      }
      this.#resyncLater();
    });
  }
}

/** Our own writing, as a rule: a pass that its own report sets off would never come to rest. */
function isStatusOnly({ before, after }: Change<KubeObject>): boolean {
  if (before === undefined || after === undefined) return false;
  const wanted = ({ metadata }: KubeObject): string => {
    const { uid, generation, deletionTimestamp, annotations, labels, finalizers } = metadata;
    return JSON.stringify([uid, generation, deletionTimestamp, annotations, labels, finalizers]);
  };
  return wanted(before) === wanted(after);
}

function factsOf(node: KubernetesNode): string {
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready')?.status;
  const { labels, uid, deletionTimestamp } = node.metadata;
  const { taints, unschedulable } = node.spec ?? {};
  return JSON.stringify([uid, deletionTimestamp, ready, unschedulable, taints, labels]);
}
