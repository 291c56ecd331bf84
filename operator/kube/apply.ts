/**
 * Server-side apply with one field manager: only the fields in the desired object become ours, and those we
 * once set and no longer want go away. A failure concerns one object, never the others.
 *
 * An idle cluster must not cost calls. So the applier remembers what it applied last and what the object
 * looked like afterwards (all but status and bookkeeping): while neither differs, there is nothing to send.
 * After a start, everything is sent once; the API server then sees that nothing changes.
 */
import { createHash } from 'node:crypto';
import type { KubeClient } from './client.ts';
import { KubeFailure } from './failure.ts';
import { type KubeObject, keyOf, type ResourceKind } from './resource.ts';

export const FIELD_MANAGER = 'redwarden';

export interface ApplyResult {
  /** As the API server has it now; the cached one when nothing was sent. */
  readonly object: KubeObject;
  /** `current`: nothing was sent. `unchanged`: sent, and the object was like that already. */
  readonly outcome: 'created' | 'changed' | 'unchanged' | 'current';
}

export interface ApplierOptions {
  readonly client: Pick<KubeClient, 'apply'>;
  readonly kinds: readonly ResourceKind[];
  /** Objects that are remembered; beyond it the oldest are forgotten, and sent once more. Default 50,000. */
  readonly rememberedMax?: number;
}

interface Remembered {
  readonly desired: string;
  readonly live: string;
}

export class Applier {
  readonly #client: Pick<KubeClient, 'apply'>;
  readonly #kinds = new Map<string, ResourceKind>();
  readonly #remembered = new Map<string, Remembered>();
  readonly #rememberedMax: number;

  constructor(options: ApplierOptions) {
    this.#client = options.client;
    this.#rememberedMax = options.rememberedMax ?? 50_000;
    for (const kind of options.kinds) this.#kinds.set(`${kind.apiVersion} ${kind.kind}`, kind);
  }

  /** Makes the object look as desired; `cached` is what the cache holds of it, undefined when nothing. */
  async apply(
    desired: KubeObject,
    cached: KubeObject | undefined,
    options: { readonly deadlineMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<ApplyResult | KubeFailure> {
    const kind = this.#kinds.get(`${desired.apiVersion} ${desired.kind}`);
    if (kind === undefined) throw new Error(`unknown kind ${desired.apiVersion} ${desired.kind}`);
    const key = `${kind.kind} ${keyOf(desired.metadata)}`;
    const digest = digestOf(desired);
    if (cached !== undefined && this.#isCurrent(key, digest, cached))
      return { object: cached, outcome: 'current' };
    const applied = await this.#client.apply(kind, desired, {
      ...options,
      fieldManager: FIELD_MANAGER,
      force: true,
    });
    if (applied instanceof KubeFailure) return applied;
    this.#remember(key, { desired: digest, live: digestOf(comparable(applied.object)) });
    if (applied.created) return { object: applied.object, outcome: 'created' };
    const { uid, resourceVersion } = applied.object.metadata;
    const same = cached?.metadata.uid === uid && cached?.metadata.resourceVersion === resourceVersion;
    return { object: applied.object, outcome: same ? 'unchanged' : 'changed' };
  }

  /** Whether `apply` would send nothing. */
  isCurrent(desired: KubeObject, cached: KubeObject): boolean {
    return this.#isCurrent(`${desired.kind} ${keyOf(desired.metadata)}`, digestOf(desired), cached);
  }

  #isCurrent(key: string, desired: string, cached: KubeObject): boolean {
    const remembered = this.#remembered.get(key);
    return remembered?.desired === desired && remembered.live === digestOf(comparable(cached));
  }

  #remember(key: string, what: Remembered): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, what);
    if (this.#remembered.size <= this.#rememberedMax) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }
}

/** The object without what changes by itself. */
function comparable(object: KubeObject): unknown {
  const { status: _status, metadata, ...rest } = object as KubeObject & { readonly status?: unknown };
  const { resourceVersion: _version, generation: _generation, ...meta } = metadata;
  const { managedFields: _fields, ...kept } = meta as typeof meta & { readonly managedFields?: unknown };
  return { ...rest, metadata: kept };
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('base64');
}

/** JSON with sorted fields; absent and undefined are the same. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}
