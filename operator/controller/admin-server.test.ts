import { afterEach, describe, expect, it } from 'vitest';
import { AdminServer } from './admin-server.ts';

let server: AdminServer | undefined;

afterEach(async () => {
  await server?.close();
});

describe('AdminServer', () => {
  it('answers metrics and probes, and says what is wrong', async () => {
    let problem: string | undefined;
    server = new AdminServer({
      port: 0,
      host: '127.0.0.1',
      metrics: async () => ({ contentType: 'text/plain', text: 'up 1\n' }),
      unhealthy: () => problem,
      notReady: () => 'caches not synced',
    });
    const port = await server.listen();
    const get = async (path: string): Promise<[number, string]> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return [response.status, await response.text()];
    };
    expect(await get('/metrics')).toEqual([200, 'up 1\n']);
    expect(await get('/healthz')).toEqual([200, 'ok\n']);
    expect(await get('/readyz?verbose')).toEqual([503, 'caches not synced\n']);
    problem = 'stuck';
    expect(await get('/healthz')).toEqual([503, 'stuck\n']);
    expect((await get('/other'))[0]).toBe(404);
  });

  it('answers 500 when metrics cannot be collected', async () => {
    server = new AdminServer({
      port: 0,
      host: '127.0.0.1',
      metrics: () => Promise.reject(new Error('no')),
      unhealthy: () => undefined,
      notReady: () => undefined,
    });
    const port = await server.listen();
    expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(500);
  });
});
