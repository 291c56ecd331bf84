import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiServer, startApiServer } from './api-server.ts';
import { type Kubectl, kubectlFor } from './kubectl.ts';

describe('startApiServer', () => {
  let server: ApiServer;
  let kubectl: Kubectl;

  beforeAll(async () => {
    server = await startApiServer({ controllerManager: true });
    kubectl = await kubectlFor(server.kubeconfigPath);
  }, 1_800_000);

  afterAll(async () => {
    await server.stop();
    expect(existsSync(server.kubeconfigPath)).toBe(false);
  });

  it('serves an administrator and keeps objects over the death of the API server', async () => {
    await kubectl.apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kept', namespace: 'default' },
      data: { a: '1' },
    });
    await server.kill();
    await expect(kubectl.get('configmap', 'kept')).rejects.toThrow(/connect|refused/);
    await server.restart();
    const kept = await kubectl.get<{ data: Record<string, string> }>('configmap', 'kept');
    expect(kept.data).toEqual({ a: '1' });
  });

  it('runs controllers when asked: a StatefulSet makes its pod, which goes with it', async () => {
    await kubectl.apply(statefulSet);
    await kubectl.waitFor('pod/web-0', 'create', 60_000);
    await kubectl.remove('statefulset', 'web');
    await kubectl.waitFor('pod/web-0', 'delete', 60_000);
  });

  it('refuses a caller without the token', async () => {
    const response = await kubectl
      .run(['auth', 'whoami', '--token=wrong'], 10_000)
      .catch((error: Error) => error);
    expect(String(response)).toMatch(/Unauthorized|logged in/);
    expect(readFileSync(server.kubeconfigPath, 'utf8')).toContain(server.url);
  });
});

const statefulSet = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    serviceName: 'web',
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'web', image: 'none:1' }] },
    },
  },
};
