/**
 * HTTP to the API server: credentials from a KubeConfig, kept-alive connections, a deadline on everything.
 */
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions, request as requestHttps } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { KubeFailure } from './failure.ts';

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
  /** From the call to the last byte of the answer. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  readonly retryAfterMs: number | undefined;
}

export interface HttpStream {
  /** For the answer's head. */
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly headDeadlineMs: number;
  /** Ends the stream as `timeout` when no byte comes for so long. */
  readonly silenceMaxMs: number;
  readonly signal: AbortSignal;
  /** Every line, without its end. An answer other than 200 is not streamed. */
  readonly onLine: (line: string) => void;
}

/** What KubeClient needs of the network. */
export interface Transport {
  call(call: HttpCall): Promise<HttpAnswer | KubeFailure>;
  /** Resolves when the stream ends: undefined when the server ended it in order, else why. */
  stream(stream: HttpStream): Promise<HttpAnswer | KubeFailure | undefined>;
}

const answerBytesMax = 256 * 1024 * 1024;
/** etcd refuses objects beyond 1.5 MiB; JSON of a watch event is at most a few times that. */
const lineCharactersMax = 16 * 1024 * 1024;

/**
 * Credentials: the given kubeconfig file, else $KUBECONFIG, else the pod's service account, else
 * ~/.kube/config. Throws when the file cannot be read.
 */
export function loadKubeConfig(file?: string): KubeConfig {
  const config = new KubeConfig();
  if (file !== undefined) config.loadFromFile(file);
  else config.loadFromDefault();
  return config;
}

export class HttpTransport implements Transport {
  readonly #config: KubeConfig;
  readonly #server: URL;
  readonly #agent: HttpAgent | HttpsAgent | undefined;

  constructor(config: KubeConfig) {
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new Error('the kubeconfig names no current cluster');
    this.#config = config;
    this.#server = new URL(cluster.server);
    const options = { keepAlive: true, keepAliveMsecs: 15_000, maxSockets: 256, maxFreeSockets: 16 };
    // Behind a proxy the agent of the KubeConfig does the tunnel; else ours, because theirs keeps no
    // connections.
    if (cluster.proxyUrl === undefined) {
      this.#agent = this.#server.protocol === 'http:' ? new HttpAgent(options) : new HttpsAgent(options);
    }
  }

  async call(call: HttpCall): Promise<HttpAnswer | KubeFailure> {
    const deadline = AbortSignal.timeout(call.deadlineMs);
    const signal = call.signal === undefined ? deadline : AbortSignal.any([deadline, call.signal]);
    const describe = (error: Error): KubeFailure =>
      deadline.aborted
        ? new KubeFailure('timeout', `${call.method} ${call.path}: no answer within ${call.deadlineMs} ms`)
        : new KubeFailure('unavailable', `${call.method} ${call.path}: ${errorText(error)}`);
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await this.#send(call, signal);
        if (response === 'staleConnection' && attempt === 1) continue;
        if (response === 'staleConnection') return new KubeFailure('unavailable', 'connection reset twice');
        return await readAnswer(response, signal);
      } catch (error) {
        return describe(error as Error);
      }
    }
  }

  async stream(stream: HttpStream): Promise<HttpAnswer | KubeFailure | undefined> {
    const head = new AbortController();
    const silence = new AbortController();
    const signal = AbortSignal.any([stream.signal, head.signal, silence.signal]);
    const headTimer = setTimeout(() => head.abort(), stream.headDeadlineMs);
    let silenceTimer: NodeJS.Timeout | undefined;
    try {
      const response = await this.#send({ method: 'GET', path: stream.path, query: stream.query }, signal);
      if (response === 'staleConnection') return new KubeFailure('unavailable', 'connection reset');
      if (response.statusCode !== 200) return await readAnswer(response, signal);
      clearTimeout(headTimer);
      silenceTimer = setTimeout(() => silence.abort(), stream.silenceMaxMs);
      const splitter = new LineSplitter(stream.onLine);
      response.setEncoding('utf8');
      for await (const text of response) {
        silenceTimer.refresh();
        if (stream.signal.aborted) return undefined;
        if (!splitter.push(text as string)) {
          return new KubeFailure('protocol', `a line of more than ${lineCharactersMax} characters`);
        }
      }
      return undefined;
    } catch (error) {
      if (stream.signal.aborted) return undefined;
      if (head.signal.aborted) {
        return new KubeFailure('timeout', `no answer within ${stream.headDeadlineMs} ms`);
      }
      if (silence.signal.aborted) return new KubeFailure('timeout', `no byte for ${stream.silenceMaxMs} ms`);
      return new KubeFailure('unavailable', errorText(error as Error));
    } finally {
      clearTimeout(headTimer);
      clearTimeout(silenceTimer);
    }
  }

  async #send(
    call: Pick<HttpCall, 'method' | 'path' | 'query' | 'body' | 'contentType'>,
    signal: AbortSignal,
  ): Promise<IncomingMessage | 'staleConnection'> {
    const options: RequestOptions = {};
    await withSignal(this.#config.applyToHTTPSOptions(options), signal);
    if (this.#agent !== undefined) options.agent = this.#agent;
    const url = new URL(this.#server.href.replace(/\/$/, '') + call.path);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
    const headers: Record<string, string | number> = {
      ...(options.headers as Record<string, string>),
      Accept: 'application/json',
      'User-Agent': 'redwarden-operator',
    };
    if (body !== undefined) {
      headers['Content-Type'] = call.contentType ?? 'application/json';
      headers['Content-Length'] = body.length;
    }
    const send = url.protocol === 'http:' ? requestHttp : requestHttps;
    return new Promise((resolve, reject) => {
      const request = send(url, { ...options, method: call.method, headers, signal });
      request.once('response', resolve);
      request.on('error', (error: NodeJS.ErrnoException) => {
        // The server may close an idle connection at the very moment we use it: it has not seen the request.
        if (request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE'))
          resolve('staleConnection');
        else reject(error);
      });
      request.end(body);
    });
  }
}

async function readAnswer(response: IncomingMessage, signal: AbortSignal): Promise<HttpAnswer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response) {
    signal.throwIfAborted();
    pieces.push(piece as Buffer);
    bytes += (piece as Buffer).length;
    if (bytes > answerBytesMax) {
      response.destroy();
      throw new Error(`an answer of more than ${answerBytesMax} bytes`);
    }
  }
  const retryAfter = Number(response.headers['retry-after']);
  return {
    status: response.statusCode ?? 0,
    body: Buffer.concat(pieces).toString('utf8'),
    retryAfterMs:
      Number.isFinite(retryAfter) && retryAfter > 0 ? Math.min(retryAfter, 300) * 1000 : undefined,
  };
}

/** Cuts text into lines; remembers the unfinished one. */
class LineSplitter {
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** False when a line exceeds the limit. */
  push(text: string): boolean {
    let start = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      const line = this.#rest + text.slice(start, end);
      this.#rest = '';
      start = end + 1;
      if (line !== '') this.#onLine(line);
    }
    this.#rest += text.slice(start);
    return this.#rest.length <= lineCharactersMax;
  }
}

/** Credential plug-ins know no deadline of their own. */
function withSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new Error('the credentials took too long'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function errorText(error: Error): string {
  const { cause } = error;
  if (error.message === '' && error instanceof AggregateError) {
    return error.errors.map((each: Error) => each.message).join('; ');
  }
  return cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
}
