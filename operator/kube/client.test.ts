import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, describe, expect, it } from 'vitest';
import { KubeClient, type WatchEvent } from './client.ts';
import { KubeFailure } from './failure.ts';
import { CONFIG_MAP, type ConfigMap, NODE, POD, resourcePath, STATEFUL_SET } from './resource.ts';
import { HttpTransport } from './transport.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly type: string | undefined;
  readonly authorization: string | undefined;
  readonly body: string;
}

/** A client of an HTTP server that answers as the test says. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const seen: Seen[] = [];
  const sockets = new Set<unknown>();
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      seen.push({
        method: request.method ?? '',
        url: request.url ?? '',
        type: request.headers['content-type'],
        authorization: request.headers.authorization,
        body,
      });
      answer(request, response);
    });
  });
  server.on('connection', (socket) => sockets.add(socket));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }],
    users: [{ name: 'u', token: 'secret' }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  return { client: new KubeClient(new HttpTransport(config)), seen, sockets, server };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

const map: ConfigMap = { metadata: { name: 'm', namespace: 'n' }, data: { a: '1' } };

describe('resourcePath', () => {
  it('addresses core and grouped kinds, with and without namespace', () => {
    expect(resourcePath(POD, 'n', 'p', 'status')).toBe('/api/v1/namespaces/n/pods/p/status');
    expect(resourcePath(STATEFUL_SET, undefined)).toBe('/apis/apps/v1/statefulsets');
    expect(resourcePath(NODE, 'ignored', 'a b')).toBe('/api/v1/nodes/a%20b');
  });
});

describe('KubeClient', () => {
  it('reads and lists, gives items their kind, and keeps its connection', async () => {
    const { client, seen, sockets } = await serve((request, response) => {
      const list = { items: [map], metadata: { resourceVersion: '9', continue: 'more' } };
      json(response, 200, request.url?.includes('/m') ? map : list);
    });
    expect(await client.get(CONFIG_MAP, map.metadata)).toEqual(map);
    expect(await client.list(CONFIG_MAP, { labelSelector: 'a=b', limit: 5 })).toEqual({
      items: [{ ...map, apiVersion: 'v1', kind: 'ConfigMap' }],
      resourceVersion: '9',
      continueToken: 'more',
    });
    expect(seen[1]?.url).toBe('/api/v1/configmaps?labelSelector=a%3Db&limit=5');
    expect(seen[0]?.authorization).toBe('Bearer secret');
    expect(sockets.size).toBe(1);
  });

  it('applies server-side with the right content type', async () => {
    const { client, seen } = await serve((_, response) => json(response, 201, map));
    const applied = await client.apply(CONFIG_MAP, map, { fieldManager: 'redwarden', force: true });
    expect(applied).toMatchObject({ created: true });
    expect(seen[0]).toMatchObject({
      method: 'PATCH',
      type: 'application/apply-patch+yaml',
      url: '/api/v1/namespaces/n/configmaps/m?fieldManager=redwarden&force=true&fieldValidation=Strict',
    });
    expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
  });

  it('deletes under preconditions and patches subresources', async () => {
    const { client, seen } = await serve((_, response) => json(response, 200, map));
    expect(await client.remove(POD, map.metadata, { uid: 'u', gracePeriodSeconds: 0 })).toBeUndefined();
    expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({
      gracePeriodSeconds: 0,
      preconditions: { uid: 'u' },
    });
    await client.mergePatch(POD, map.metadata, { status: {} }, { subresource: 'status' });
    expect(seen[1]).toMatchObject({
      type: 'application/merge-patch+json',
      url: '/api/v1/namespaces/n/pods/m/status',
    });
  });

  it("gives failures as values, with the server's words", async () => {
    const { client } = await serve((_, response) => {
      response.setHeader('retry-after', '7');
      json(response, 429, { kind: 'Status', reason: 'TooManyRequests', message: 'slow down' });
    });
    expect(await client.get(POD, map.metadata)).toEqual(
      new KubeFailure('tooManyRequests', 'slow down', 429, 7000),
    );
  });

  it('explains a kind that the API server does not know', async () => {
    const { client } = await serve((_, response) => response.writeHead(404).end('404 page not found\n'));
    expect(await client.list(STATEFUL_SET)).toMatchObject({
      kind: 'notFound',
      message: expect.stringContaining('does not know statefulsets of apps/v1'),
    });
  });

  it('gives up at its deadline: before an answer, and in the middle of one', async () => {
    for (const begin of [false, true]) {
      const { client } = await serve((_, response) => {
        if (begin) response.write('{');
      });
      expect(await client.get(POD, map.metadata, { deadlineMs: 50 })).toMatchObject({ kind: 'timeout' });
    }
  });

  it('calls a refused connection unavailable, and nonsense protocol', async () => {
    const { client, server } = await serve((_, response) => response.end('nonsense'));
    expect(await client.get(POD, map.metadata)).toMatchObject({ kind: 'protocol' });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await client.get(POD, map.metadata)).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('watches: events torn anywhere, bookmarks, an orderly end', async () => {
    const lines = [
      { type: 'ADDED', object: { metadata: { name: 'ä', resourceVersion: '2' } } },
      { type: 'BOOKMARK', object: { metadata: { resourceVersion: '8' } } },
      { type: 'DELETED', object: { metadata: { name: 'ä', resourceVersion: '9' } } },
    ];
    const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { client, seen } = await serve(async (_, response) => {
      for (let at = 0; at < bytes.length; at += 7) {
        response.write(bytes.subarray(at, at + 7));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    const events: WatchEvent<ConfigMap>[] = [];
    expect(await client.watch(CONFIG_MAP, watchOptions(), (event) => events.push(event))).toBeUndefined();
    expect(events).toEqual([lines[0], { type: 'BOOKMARK', resourceVersion: '8' }, lines[2]]);
    expect(seen[0]?.url).toContain(
      'watch=true&allowWatchBookmarks=true&resourceVersion=1&timeoutSeconds=300',
    );
  });

  it.each([
    ['an ERROR event', { type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'old' } }, 'gone'],
    ['an event without version', { type: 'ADDED', object: { metadata: {} } }, 'protocol'],
    ['an unknown event', { type: 'X', object: { metadata: { resourceVersion: '1' } } }, 'protocol'],
  ])('ends a watch at %s', async (_, line, kind) => {
    const { client } = await serve((_request, response) => response.write(`${JSON.stringify(line)}\n`));
    expect(await client.watch(CONFIG_MAP, watchOptions(), () => undefined)).toMatchObject({ kind });
  });

  it('ends a watch: HTTP 410, a broken connection, silence, its own signal', async () => {
    const gone = await serve((_, response) => json(response, 410, { reason: 'Gone', message: 'old' }));
    expect(await gone.client.watch(CONFIG_MAP, watchOptions(), () => undefined)).toMatchObject({
      kind: 'gone',
    });
    const broken = await serve((_, response) => {
      response.write('\n');
      setImmediate(() => response.destroy());
    });
    expect(await broken.client.watch(CONFIG_MAP, watchOptions(), () => undefined)).toMatchObject({
      kind: 'unavailable',
    });
    const silent = await serve((_, response) => response.write('\n'));
    const silence = await silent.client.watch(
      CONFIG_MAP,
      { ...watchOptions(), silenceMaxMs: 50 },
      () => undefined,
    );
    expect(silence).toMatchObject({ kind: 'timeout', message: 'no byte for 50 ms' });
    const stop = new AbortController();
    const ended = silent.client.watch(
      CONFIG_MAP,
      { ...watchOptions(), signal: stop.signal },
      () => undefined,
    );
    stop.abort();
    expect(await ended).toBeUndefined();
  });
});

function watchOptions() {
  return {
    resourceVersion: '1',
    timeoutSeconds: 300,
    silenceMaxMs: 30_000,
    signal: new AbortController().signal,
  };
}
