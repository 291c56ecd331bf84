/**
 * What was written and the caches do not show yet. While a cluster has such writes, nothing may be destroyed:
 * a decision from a cache that is behind our own last step would be taken on a world that is gone.
 *
 * A write is shown when the cache of that kind has come to its resourceVersion, whether or not the object is
 * still there then; a deletion, when the object is gone, another one, or terminating. Caches always get there
 * (events, bookmarks, relists), so expectations need no end of their own; one per object, the latest counts.
 */
import type { Clock } from '../kube/clock.ts';
import { type KubeObject, keyOf, type ObjectReference } from '../kube/resource.ts';
import { compareResourceVersions } from '../kube/store.ts';

/** What of a cache is looked at. */
export interface CacheView {
  get(key: string): KubeObject | undefined;
  progress(namespace: string | undefined): string | undefined;
}

interface Expectation {
  readonly kind: string;
  readonly reference: ObjectReference;
  readonly since: number;
  /** Set for a write. */
  readonly resourceVersion: string | undefined;
  /** Set for a deletion. */
  readonly deletedUid: string | undefined;
}

export class Expectations {
  readonly #cacheOf: (kind: string) => CacheView | undefined;
  readonly #clock: Clock;
  /** Cluster key -> `kind key` -> what is expected. */
  readonly #expected = new Map<string, Map<string, Expectation>>();

  /** Kinds without a cache are not expected anything of. */
  constructor(cacheOf: (kind: string) => CacheView | undefined, clock: Clock) {
    this.#cacheOf = cacheOf;
    this.#clock = clock;
  }

  /** An object was created, applied or patched; `object` is the API server's answer. */
  wrote(clusterKey: string, object: KubeObject): void {
    const { name, namespace, resourceVersion } = object.metadata;
    if (resourceVersion === undefined) return;
    this.#expect(clusterKey, object.kind, { name, namespace }, { resourceVersion, deletedUid: undefined });
  }

  /** The API server accepted the deletion of the object with this UID. */
  deleted(clusterKey: string, kind: string, reference: ObjectReference, uid: string): void {
    this.#expect(clusterKey, kind, reference, { resourceVersion: undefined, deletedUid: uid });
  }

  /** True while a cache does not show a write of ours to this cluster. */
  isBehind(clusterKey: string): boolean {
    return this.pending(clusterKey).length > 0;
  }

  /** What is missing, for people: `StatefulSet shop/orders-shard-0`. */
  pending(clusterKey: string): string[] {
    const expected = this.#expected.get(clusterKey);
    if (expected === undefined) return [];
    for (const [id, expectation] of expected) {
      if (this.#isShown(expectation)) expected.delete(id);
    }
    if (expected.size === 0) this.#expected.delete(clusterKey);
    return [...expected.keys()];
  }

  /** The cluster is gone. */
  forget(clusterKey: string): void {
    this.#expected.delete(clusterKey);
  }

  /** Age of the oldest write that no cache shows, over all clusters; 0 when there is none. For metrics. */
  oldestMs(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const clusterKey of [...this.#expected.keys()]) {
      this.pending(clusterKey);
      for (const { since } of this.#expected.get(clusterKey)?.values() ?? [])
        oldest = Math.min(oldest, since);
    }
    return oldest === Number.POSITIVE_INFINITY ? 0 : this.#clock.now() - oldest;
  }

  #expect(
    clusterKey: string,
    kind: string | undefined,
    reference: ObjectReference,
    what: Pick<Expectation, 'resourceVersion' | 'deletedUid'>,
  ): void {
    if (kind === undefined || this.#cacheOf(kind) === undefined) return;
    const expected = this.#expected.get(clusterKey) ?? new Map<string, Expectation>();
    this.#expected.set(clusterKey, expected);
    expected.set(`${kind} ${keyOf(reference)}`, { kind, reference, since: this.#clock.now(), ...what });
  }

  #isShown(expectation: Expectation): boolean {
    const { kind, reference, resourceVersion, deletedUid } = expectation;
    const cache = this.#cacheOf(kind);
    if (cache === undefined) return true;
    if (resourceVersion !== undefined) {
      const progress = cache.progress(reference.namespace);
      return progress !== undefined && compareResourceVersions(progress, resourceVersion) >= 0;
    }
    const object = cache.get(keyOf(reference));
    return object?.metadata.uid !== deletedUid || object?.metadata.deletionTimestamp !== undefined;
  }
}
