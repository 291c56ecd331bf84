/**
 * The Kubernetes API as the operator uses it: objects as plain JSON, one small method a verb, failures as
 * values. No retries and no caches here; who calls knows whether a second try is safe.
 */
import { failureOf, failureOfStatus, KubeFailure } from './failure.ts';
import { type KubeObject, type ObjectReference, type ResourceKind, resourcePath } from './resource.ts';
import type { HttpAnswer, HttpCall, Transport } from './transport.ts';

export interface CallOptions {
  /** Default 10 seconds. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export interface ListOptions extends CallOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Objects a page; the answer's `continueToken` fetches the next one. */
  readonly limit?: number;
  readonly continueToken?: string | undefined;
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  readonly continueToken: string | undefined;
}

export interface WatchOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly resourceVersion: string;
  /** After which the server ends the watch in order. */
  readonly timeoutSeconds: number;
  /** Without a byte (bookmarks count) for so long the watch ends as `timeout`. */
  readonly silenceMaxMs: number;
  readonly signal: AbortSignal;
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

export interface DeleteOptions extends CallOptions {
  /** Only the object with this identity. */
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

export interface ApplyOptions extends CallOptions {
  readonly fieldManager: string;
  /** Take fields over from other managers. */
  readonly force: boolean;
  readonly subresource?: 'status';
}

export interface PatchOptions extends CallOptions {
  readonly subresource?: 'status';
  readonly fieldManager?: string;
}

/** An applied object; `created` when it did not exist before. */
export interface AppliedObject<T> {
  readonly object: T;
  readonly created: boolean;
}

const defaultDeadlineMs = 10_000;

export class KubeClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get<T extends KubeObject>(
    kind: ResourceKind<T>,
    reference: ObjectReference,
    options: CallOptions = {},
  ): Promise<T | KubeFailure> {
    const path = resourcePath(kind, reference.namespace, reference.name);
    return this.#object(kind, { method: 'GET', path, ...limits(options) });
  }

  async list<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: ListOptions = {},
  ): Promise<ObjectList<T> | KubeFailure> {
    const answer = await this.#json({
      method: 'GET',
      path: resourcePath(kind, options.namespace),
      query: {
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        limit: options.limit?.toString(),
        continue: options.continueToken,
      },
      ...limits(options),
    });
    if (answer instanceof KubeFailure) {
      return answer.kind === 'notFound' ? unknownKind(kind, answer) : answer;
    }
    const list = answer.value as {
      readonly items?: readonly T[] | null;
      readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
    };
    const resourceVersion = list.metadata?.resourceVersion;
    if (resourceVersion === undefined) return new KubeFailure('protocol', 'a list without resourceVersion');
    return {
      // Items of a list carry neither apiVersion nor kind.
      items: (list.items ?? []).map((item) => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind })),
      resourceVersion,
      continueToken: list.metadata?.continue === '' ? undefined : list.metadata?.continue,
    };
  }

  /**
   * Calls back for every event; resolves when the watch ends, with the reason unless the server ended it in
   * order.
   */
  async watch<T extends KubeObject>(
    kind: ResourceKind<T>,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
  ): Promise<KubeFailure | undefined> {
    const stop = new AbortController();
    let failure: KubeFailure | undefined;
    const ended = await this.#transport.stream({
      path: resourcePath(kind, options.namespace),
      query: {
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: options.resourceVersion,
        timeoutSeconds: String(options.timeoutSeconds),
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
      },
      headDeadlineMs: defaultDeadlineMs,
      silenceMaxMs: options.silenceMaxMs,
      signal: AbortSignal.any([options.signal, stop.signal]),
      onLine: (line) => {
        if (failure !== undefined) return;
        const event = readEvent<T>(line);
        if (!(event instanceof KubeFailure)) {
          onEvent(event);
          return;
        }
        failure = event;
        stop.abort();
      },
    });
    if (failure !== undefined) return failure;
    if (ended === undefined || ended instanceof KubeFailure) return ended;
    return failureOf(ended.status, ended.body, ended.retryAfterMs);
  }

  create<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    options: CallOptions = {},
  ): Promise<T | KubeFailure> {
    const path = resourcePath(kind, object.metadata.namespace);
    return this.#object(kind, { method: 'POST', path, body: typed(kind, object), ...limits(options) });
  }

  /** Replaces the whole object; with metadata.resourceVersion only if it is still that one. */
  replace<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    options: CallOptions = {},
  ): Promise<T | KubeFailure> {
    const path = resourcePath(kind, object.metadata.namespace, object.metadata.name);
    return this.#object(kind, { method: 'PUT', path, body: typed(kind, object), ...limits(options) });
  }

  /** Server-side apply. */
  async apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    options: ApplyOptions,
  ): Promise<AppliedObject<T> | KubeFailure> {
    const { name, namespace } = object.metadata;
    const answer = await this.#json({
      method: 'PATCH',
      path: resourcePath(kind, namespace, name, options.subresource),
      query: { fieldManager: options.fieldManager, force: String(options.force), fieldValidation: 'Strict' },
      body: typed(kind, object),
      contentType: 'application/apply-patch+yaml',
      ...limits(options),
    });
    if (answer instanceof KubeFailure) return answer;
    return { object: answer.value as T, created: answer.status === 201 };
  }

  /** JSON merge patch: null removes a field, lists are replaced as a whole. */
  mergePatch<T extends KubeObject>(
    kind: ResourceKind<T>,
    reference: ObjectReference,
    patch: object,
    options: PatchOptions = {},
  ): Promise<T | KubeFailure> {
    return this.#object(kind, {
      method: 'PATCH',
      path: resourcePath(kind, reference.namespace, reference.name, options.subresource),
      query: { fieldManager: options.fieldManager },
      body: patch,
      contentType: 'application/merge-patch+json',
      ...limits(options),
    });
  }

  /** Undefined when the API server accepted it; `notFound` when there was nothing to delete. */
  async remove(
    kind: ResourceKind,
    reference: ObjectReference,
    options: DeleteOptions = {},
  ): Promise<KubeFailure | undefined> {
    const { uid, resourceVersion, gracePeriodSeconds, propagationPolicy } = options;
    const preconditions =
      uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion };
    const answer = await this.#json({
      method: 'DELETE',
      path: resourcePath(kind, reference.namespace, reference.name),
      body: {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: propagationPolicy ?? 'Background',
        gracePeriodSeconds,
        preconditions,
      },
      ...limits(options),
    });
    return answer instanceof KubeFailure ? answer : undefined;
  }

  async #object<T extends KubeObject>(kind: ResourceKind<T>, call: HttpCall): Promise<T | KubeFailure> {
    const answer = await this.#json(call);
    if (answer instanceof KubeFailure) return answer;
    const object = answer.value as T;
    if (typeof object.metadata?.name === 'string') return object;
    return new KubeFailure('protocol', `${call.method} ${call.path}: the answer is no ${kind.kind}`);
  }

  async #json(call: HttpCall): Promise<{ readonly status: number; readonly value: unknown } | KubeFailure> {
    const answer: HttpAnswer | KubeFailure = await this.#transport.call(call);
    if (answer instanceof KubeFailure) return answer;
    if (answer.status < 200 || answer.status > 299) {
      return failureOf(answer.status, answer.body, answer.retryAfterMs);
    }
    const value = parse(answer.body);
    if (typeof value === 'object' && value !== null) return { status: answer.status, value };
    return new KubeFailure('protocol', `${call.method} ${call.path}: the answer is no JSON object`);
  }
}

/** Collections always exist; only a kind that the API server does not know is not found. */
function unknownKind(kind: ResourceKind, failure: KubeFailure): KubeFailure {
  const message =
    `the API server does not know ${kind.plural} of ${kind.apiVersion}: ` +
    'is the CustomResourceDefinition installed?';
  return new KubeFailure('notFound', message, failure.status);
}

function limits(options: CallOptions): Pick<HttpCall, 'deadlineMs' | 'signal'> {
  return { deadlineMs: options.deadlineMs ?? defaultDeadlineMs, signal: options.signal };
}

function typed<T extends KubeObject>(kind: ResourceKind<T>, object: T): T {
  return { ...object, apiVersion: kind.apiVersion, kind: kind.kind };
}

/** Undefined for what is no JSON; no JSON value is undefined. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readEvent<T extends KubeObject>(line: string): WatchEvent<T> | KubeFailure {
  const event = parse(line) as { readonly type?: string; readonly object?: T } | null | undefined;
  const object = event?.object;
  if (event?.type === 'ERROR') return failureOfStatus(object);
  const metadata = object?.metadata;
  if (object === undefined || metadata?.resourceVersion === undefined) {
    return new KubeFailure('protocol', `a watch event that is none: ${line.slice(0, 200)}`);
  }
  switch (event?.type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type: event.type, object };
    case 'BOOKMARK':
      return { type: 'BOOKMARK', resourceVersion: metadata.resourceVersion };
    default:
      return new KubeFailure('protocol', `a watch event of unknown type: ${line.slice(0, 200)}`);
  }
}
