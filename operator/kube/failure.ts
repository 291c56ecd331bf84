/**
 * What the API server, or the way to it, can answer instead of what was asked: a value, handled where it is
 * read.
 */

export type KubeFailureKind =
  /** 404: no such object, or no such kind (the CRD is not installed). */
  | 'notFound'
  /** 409: the object changed since it was read, or a precondition does not hold. */
  | 'conflict'
  /** 409 of a create: the name is taken. */
  | 'alreadyExists'
  /** 410: the resourceVersion or continue token is too old. */
  | 'gone'
  /** 400, 415, 422: the object is refused; repeating it is of no use. */
  | 'invalid'
  /** 401 and 403: credentials or RBAC. */
  | 'forbidden'
  /** 429: asked to slow down. */
  | 'tooManyRequests'
  /** No complete answer within the deadline: it may or may not have been done. */
  | 'timeout'
  /** Not reachable, connection broken, 5xx: it may or may not have been done. */
  | 'unavailable'
  /** An answer that is not what the API promises. */
  | 'protocol';

export class KubeFailure {
  readonly kind: KubeFailureKind;
  /** The API server's own sentence where there is one. */
  readonly message: string;
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  /** What the server asked to wait before the next try. */
  readonly retryAfterMs: number | undefined;

  constructor(kind: KubeFailureKind, message: string, status?: number, retryAfterMs?: number) {
    this.kind = kind;
    this.message = message;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  toString(): string {
    return `${this.kind}: ${this.message}`;
  }
}

/** The failure that an HTTP status and a body (a `Status` object as a rule) stand for. */
export function failureOf(status: number, body: string, retryAfterMs?: number): KubeFailure {
  const { message, reason } = readStatus(body);
  return new KubeFailure(kindOf(status, reason), message ?? `HTTP status ${status}`, status, retryAfterMs);
}

/** The failure in an ERROR event of a watch, whose object is a `Status`. */
export function failureOfStatus(object: unknown): KubeFailure {
  const { code, message, reason } = asStatus(object);
  const status = code ?? (reason === 'Expired' || reason === 'Gone' ? 410 : 500);
  return new KubeFailure(kindOf(status, reason), message ?? `watch error ${status}`, status);
}

function kindOf(status: number, reason: string | undefined): KubeFailureKind {
  if (reason === 'AlreadyExists') return 'alreadyExists';
  if (reason === 'Expired') return 'gone';
  switch (status) {
    case 400:
    case 405:
    case 406:
    case 413:
    case 415:
    case 422:
      return 'invalid';
    case 401:
    case 403:
      return 'forbidden';
    case 404:
      return 'notFound';
    case 409:
      return 'conflict';
    case 410:
      return 'gone';
    case 429:
      return 'tooManyRequests';
    case 504:
      return 'timeout';
    default:
      return status >= 500 ? 'unavailable' : 'protocol';
  }
}

interface StatusFields {
  readonly code?: number;
  readonly message?: string;
  readonly reason?: string;
}

function readStatus(body: string): StatusFields {
  try {
    return asStatus(JSON.parse(body));
  } catch {
    // Proxies and overloaded servers answer in plain text: that text is the message.
    const text = body.trim().slice(0, 300);
    return text === '' ? {} : { message: text };
  }
}

function asStatus(value: unknown): StatusFields {
  if (typeof value !== 'object' || value === null) return {};
  const { code, message, reason } = value as { code?: unknown; message?: unknown; reason?: unknown };
  return {
    ...(typeof code === 'number' ? { code } : {}),
    ...(typeof message === 'string' ? { message } : {}),
    ...(typeof reason === 'string' ? { reason } : {}),
  };
}
