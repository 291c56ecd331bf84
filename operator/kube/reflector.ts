/**
 * Keeps a Store equal to what the API server has, whatever happens to the connection.
 *
 *            +------- gone, or too many failures in a row: relist -------+
 *            v                                                           |
 *   start -> LIST in pages -> store.replaceAll -> WATCH from there -> end of watch
 *            ^      |                                 ^                  |
 *            +------+ failure: back-off               +---- back-off ----+  resourceVersion kept
 *
 * A watch asks for bookmarks, ends by itself after 4 to 8 minutes, and is given up when no byte came for a
 * while, because a connection whose other end vanished stays open for ever. Nothing ends the loop but its
 * signal. Subscribers of the store only enqueue keys; one that throws is a bug, which is logged and counted
 * here, because it must not keep the cache from going on.
 */
import type { KubeClient, WatchEvent } from './client.ts';
import { backoffMs, type Clock, sleep } from './clock.ts';
import { KubeFailure } from './failure.ts';
import type { KubeObject, ResourceKind } from './resource.ts';
import type { Change, Store } from './store.ts';

/** One line of the log, filled from above. */
export type Report = (level: 'debug' | 'info' | 'warn' | 'error', message: string, facts: object) => void;

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: Pick<KubeClient, 'list' | 'watch'>;
  readonly kind: ResourceKind<T>;
  readonly store: Store<T>;
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly report: Report;
}

/** Counters since the start, for metrics. */
export interface ReflectorStats {
  lists: number;
  listFailures: number;
  watches: number;
  watchFailures: number;
  events: number;
  bookmarks: number;
  handlerErrors: number;
  /** Last sign of life of the API server for this kind: a list, event or bookmark; ms since 1970. */
  lastSeenAt: number;
}

const pageSize = 500;
const pagesMax = 10_000;
const listDeadlineMs = 60_000;
const watchSecondsMin = 240;
const watchSecondsMax = 480;
/** The API server sends a bookmark about once a minute. */
const silenceMaxMs = 90_000;
const retry = { firstMs: 500, maxMs: 10_000 };
/** A resourceVersion from the future (etcd restored from a backup) is never answered with `gone`. */
const watchFailuresBeforeRelist = 6;
/** A watch that lived so long, or gave an event, proves that the API server is well: back-off starts anew. */
const healthyAfterMs = 10_000;

export class Reflector<T extends KubeObject> {
  readonly kind: ResourceKind<T>;
  readonly stats: ReflectorStats = {
    lists: 0,
    listFailures: 0,
    watches: 0,
    watchFailures: 0,
    events: 0,
    bookmarks: 0,
    handlerErrors: 0,
    lastSeenAt: 0,
  };
  /** Resolves when the store holds a first complete list. */
  readonly synced: Promise<void>;
  readonly #options: ReflectorOptions<T>;
  #resolveSynced: () => void = () => undefined;
  #isSynced = false;
  #resourceVersion: string | undefined;
  /** Failures in a row, of lists and watches; only a watch that works ends the row. */
  #failures = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.kind = options.kind;
    this.synced = new Promise((resolve) => {
      this.#resolveSynced = resolve;
    });
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Runs until the signal aborts; never rejects for reasons of the world. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    while (!signal.aborted) {
      const failure =
        this.#resourceVersion === undefined ? await this.#list(signal) : await this.#watch(signal);
      if (signal.aborted) return;
      if (failure === undefined) continue;
      this.#failures += 1;
      const delayMs = Math.max(backoffMs(this.#failures, retry, random), failure.retryAfterMs ?? 0);
      await sleep(clock, delayMs, signal);
    }
  }

  async #list(signal: AbortSignal): Promise<KubeFailure | undefined> {
    const { client, kind, namespace, labelSelector, store, clock, report } = this.#options;
    const items: T[] = [];
    let continueToken: string | undefined;
    for (let page = 0; page < pagesMax; page += 1) {
      const list = await client.list(kind, {
        namespace,
        labelSelector,
        limit: pageSize,
        continueToken,
        deadlineMs: listDeadlineMs,
        signal,
      });
      if (signal.aborted) return undefined;
      if (list instanceof KubeFailure) {
        this.stats.listFailures += 1;
        report('warn', 'list failed', {
          kind: kind.kind,
          failure: list.toString(),
          failures: this.#failures + 1,
        });
        return list;
      }
      items.push(...list.items);
      continueToken = list.continueToken;
      if (continueToken !== undefined) continue;
      this.stats.lists += 1;
      this.stats.lastSeenAt = clock.now();
      this.#resourceVersion = list.resourceVersion;
      const changes = store.replaceAll(namespace, items, list.resourceVersion);
      for (const change of changes) this.#publish(change);
      this.#isSynced = true;
      this.#resolveSynced();
      report('debug', 'listed', { kind: kind.kind, objects: items.length, changes: changes.length });
      return undefined;
    }
    return new KubeFailure('protocol', `a list of more than ${pagesMax} pages`);
  }

  async #watch(signal: AbortSignal): Promise<KubeFailure | undefined> {
    const { client, kind, namespace, labelSelector, clock, random, report } = this.#options;
    const startedAt = clock.now();
    this.stats.watches += 1;
    const failure = await client.watch(
      kind,
      {
        namespace,
        labelSelector,
        resourceVersion: this.#resourceVersion ?? '0',
        timeoutSeconds: Math.round(watchSecondsMin + (watchSecondsMax - watchSecondsMin) * random()),
        silenceMaxMs,
        signal,
      },
      (event) => this.#take(event),
    );
    if (signal.aborted) return undefined;
    const wasHealthy = clock.now() - startedAt >= healthyAfterMs;
    if (wasHealthy && failure?.kind !== 'timeout') this.#failures = 0;
    if (failure === undefined) {
      // A server that ends every watch at once must not be asked in a tight loop.
      return wasHealthy ? undefined : new KubeFailure('unavailable', 'the watch ended at once');
    }
    this.stats.watchFailures += 1;
    const relist = failure.kind === 'gone' || this.#failures + 1 >= watchFailuresBeforeRelist;
    if (relist) this.#resourceVersion = undefined;
    report(failure.kind === 'gone' ? 'info' : 'warn', 'watch ended', {
      kind: kind.kind,
      failure: failure.toString(),
      relist,
    });
    return failure;
  }

  #take(event: WatchEvent<T>): void {
    const { store, clock, namespace } = this.#options;
    this.stats.lastSeenAt = clock.now();
    this.#failures = 0;
    if (event.type === 'BOOKMARK') {
      this.stats.bookmarks += 1;
      this.#advance(event.resourceVersion, namespace);
      return;
    }
    this.stats.events += 1;
    const change = event.type === 'DELETED' ? store.remove(event.object) : store.put(event.object);
    const version = event.object.metadata.resourceVersion;
    if (version !== undefined) this.#advance(version, namespace);
    if (change !== undefined) this.#publish(change);
  }

  #advance(resourceVersion: string, namespace: string | undefined): void {
    this.#resourceVersion = resourceVersion;
    this.#options.store.advance(namespace, resourceVersion);
  }

  #publish(change: Change<T>): void {
    try {
      this.#options.store.publish(change);
    } catch (error) {
      this.stats.handlerErrors += 1;
      this.#options.report('error', 'a subscriber of the cache failed', {
        kind: this.kind.kind,
        key: change.key,
        error,
      });
    }
  }
}
