/**
 * The cached objects of one kind: by `namespace/name`, and by values that index functions take from them.
 *
 *   reflector -> replaceAll, put, remove -> subscribers (changes)
 *   observe   -> get, list, byIndex
 *
 * Objects are never changed in place: a reader may keep what it got. `progress` says up to which
 * resourceVersion the cache is complete; all kinds of one API server count in the same sequence.
 */
import { type KubeObject, keyOf } from './resource.ts';

export interface Change<T> {
  readonly key: string;
  readonly before: T | undefined;
  /** Undefined when the object is gone. */
  readonly after: T | undefined;
}

export interface StoreOptions<T> {
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
  /** Drops what nobody reads, before the object is kept. */
  readonly trim?: (object: T) => T;
}

export class Store<T extends KubeObject> {
  readonly #options: StoreOptions<T>;
  readonly #objects = new Map<string, T>();
  /** Index name -> value -> keys. */
  readonly #indexes = new Map<string, Map<string, Set<string>>>();
  readonly #subscribers: ((change: Change<T>) => void)[] = [];
  /** Namespace, or '' for all -> resourceVersion. */
  readonly #progress = new Map<string, string>();

  constructor(options: StoreOptions<T> = {}) {
    this.#options = options;
    for (const name of Object.keys(options.indexes ?? {})) this.#indexes.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  /** By `namespace/name`, or `name` for kinds without namespaces. */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  keys(): string[] {
    return [...this.#objects.keys()];
  }

  /** Objects for which the index function gave this value, in order of their keys. */
  byIndex(index: string, value: string): T[] {
    const values = this.#indexes.get(index);
    if (values === undefined) throw new Error(`no index ${index}`);
    const keys = [...(values.get(value) ?? [])].sort();
    return keys.flatMap((key) => this.#objects.get(key) ?? []);
  }

  /** ResourceVersion up to which objects of this namespace are complete; undefined before the first list. */
  progress(namespace: string | undefined): string | undefined {
    return this.#progress.get('') ?? (namespace === undefined ? undefined : this.#progress.get(namespace));
  }

  /** Called for every change, after it can be read. */
  subscribe(subscriber: (change: Change<T>) => void): void {
    this.#subscribers.push(subscriber);
  }

  /** Takes a complete list of a namespace (undefined: of all): what is not in it is gone. */
  replaceAll(namespace: string | undefined, objects: readonly T[], resourceVersion: string): Change<T>[] {
    const changes: Change<T>[] = [];
    const seen = new Set<string>();
    for (const object of objects) {
      const key = keyOf(object.metadata);
      seen.add(key);
      const before = this.#objects.get(key);
      if (before === undefined || !isSame(before, object)) changes.push(this.#set(key, object));
    }
    for (const [key, object] of this.#objects) {
      if (seen.has(key) || (namespace !== undefined && object.metadata.namespace !== namespace)) continue;
      changes.push(this.#delete(key, object));
    }
    this.advance(namespace, resourceVersion);
    return changes;
  }

  put(object: T): Change<T> {
    return this.#set(keyOf(object.metadata), object);
  }

  remove(object: T): Change<T> | undefined {
    const key = keyOf(object.metadata);
    const before = this.#objects.get(key);
    return before === undefined ? undefined : this.#delete(key, before);
  }

  /** The cache is complete up to here. */
  advance(namespace: string | undefined, resourceVersion: string): void {
    this.#progress.set(namespace ?? '', resourceVersion);
  }

  /**
   * Tells the subscribers; separate from the change itself, so that a list is complete before anybody reads.
   */
  publish(change: Change<T>): void {
    for (const subscriber of this.#subscribers) subscriber(change);
  }

  #set(key: string, object: T): Change<T> {
    const before = this.#objects.get(key);
    const after = this.#trim(object);
    if (before !== undefined) this.#unindex(key, before);
    this.#objects.set(key, after);
    for (const [index, value] of this.#values(after)) {
      const values = this.#indexes.get(index);
      const keys = values?.get(value);
      if (keys === undefined) values?.set(value, new Set([key]));
      else keys.add(key);
    }
    return { key, before, after };
  }

  #delete(key: string, before: T): Change<T> {
    this.#unindex(key, before);
    this.#objects.delete(key);
    return { key, before, after: undefined };
  }

  #unindex(key: string, object: T): void {
    for (const [index, value] of this.#values(object)) {
      const values = this.#indexes.get(index);
      const keys = values?.get(value);
      keys?.delete(key);
      if (keys?.size === 0) values?.delete(value);
    }
  }

  *#values(object: T): Generator<readonly [string, string]> {
    for (const [index, valuesOf] of Object.entries(this.#options.indexes ?? {})) {
      for (const value of valuesOf(object)) yield [index, value];
    }
  }

  /** managedFields are half of an object's bytes, and only the API server needs them. */
  #trim(object: T): T {
    const { managedFields: _, ...metadata } = object.metadata as T['metadata'] & { managedFields?: unknown };
    const kept = { ...object, metadata } as T;
    return this.#options.trim === undefined ? kept : this.#options.trim(kept);
  }
}

/**
 * Order of two resourceVersions of one API server: negative, 0 or positive. They are decimal numbers that may
 * exceed 2^53.
 */
export function compareResourceVersions(left: string, right: string): number {
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}

function isSame(left: KubeObject, right: KubeObject): boolean {
  return (
    left.metadata.uid === right.metadata.uid &&
    left.metadata.resourceVersion === right.metadata.resourceVersion
  );
}
