/** The local Kubernetes itself: volumes, names, services, loss of a node, partitions. Needs `make up`. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalCluster, openCluster } from '../kind/driver.ts';
import { ensurePackages, findProgram } from '../kind/packages.ts';
import { timeLimits } from '../kind/time-limits.ts';
import { type Kubectl, kubectlFor } from '../support/kubectl.ts';
import { runCommand } from '../support/run-command.ts';
import { waitUntil } from '../support/wait-until.ts';

const namespace = 'kind-smoke';
const image = 'kind-smoke/web:1';

interface Pod {
  readonly metadata: { readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly podIP: string };
}

interface Node {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

describe('the local Kubernetes', () => {
  let cluster: LocalCluster;
  let kubectl: Kubectl;

  beforeAll(async () => {
    cluster = await openCluster();
    kubectl = await kubectlFor(cluster.kubeconfigPath, namespace);
    await kubectl.remove('namespace', namespace, { deadlineMs: timeLimits.cleanUpMs });
    await kubectl.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  }, 180_000);

  afterAll(async () => {
    await cluster.close();
    await kubectl.remove('namespace', namespace, { deadlineMs: timeLimits.cleanUpMs });
  }, 180_000);

  it('has one control plane and a worker in each of three zones', () => {
    const zones = cluster.nodes.filter((node) => node.role === 'worker').map((node) => node.zone);
    expect(zones.sort()).toEqual(['a', 'b', 'c']);
    expect(cluster.nodes.filter((node) => node.role === 'control-plane')).toHaveLength(1);
  });

  it('loads an image and runs a StatefulSet with volumes, a pod in each zone', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'kind-smoke-'));
    await cluster.loadImage(await buildImage(directory));
    rmSync(directory, { recursive: true });
    await kubectl.apply(manifests);
    await kubectl.run(['rollout', 'status', 'statefulset/web', '--timeout=90s'], 100_000);
    const nodes = await Promise.all(['web-0', 'web-1', 'web-2'].map((name) => nodeOf(name)));
    expect(new Set(nodes).size).toBe(3);
  }, 240_000);

  it('resolves headless names and balances a Service', async () => {
    await waitUntil('the headless name', 30_000, async () => {
      return (await reach('web-0', 'web-1.web', 8080)) === 'web-1' ? true : undefined;
    });
    await waitUntil('the Service', 30_000, async () => {
      return /^web-\d$/.test(await reach('web-0', 'web-any', 80)) ? true : undefined;
    });
  }, 90_000);

  it('partition cuts two nodes from each other and no others, heal joins them', async () => {
    const { podIP } = (await kubectl.get<Pod>('pod', 'web-1')).status;
    await cluster.partition([await nodeOf('web-0')], [await nodeOf('web-1')]);
    expect(await reach('web-0', podIP, 8080)).toBe('');
    expect(await reach('web-2', podIP, 8080)).toBe('web-1');
    await cluster.heal();
    expect(await reach('web-0', podIP, 8080)).toBe('web-1');
  }, 90_000);

  it('killNode is noticed, startNode brings node, pod and data back', async () => {
    const node = await nodeOf('web-0');
    await cluster.killNode(node);
    await nodeReady(node, 'Unknown', timeLimits.nodeLossMs);
    await cluster.startNode(node);
    await nodeReady(node, 'True', timeLimits.nodeReturnMs);
    await kubectl.waitFor('pod/web-0', 'condition=Ready', timeLimits.nodeReturnMs);
    expect((await kubectl.exec('web-0', ['cat', '/data/name'])).trim()).toBe('web-0');
  }, 300_000);

  it('a paused node still completes handshakes but answers nothing, until it is resumed', async () => {
    const node = await nodeOf('web-1');
    const { podIP } = (await kubectl.get<Pod>('pod', 'web-1')).status;
    await cluster.pauseNode(node);
    expect(await reach('web-2', podIP, 8080)).toBe('');
    await cluster.resumeNode(node);
    await waitUntil('web-1 answers', timeLimits.nodeReturnMs, async () => {
      return (await reach('web-2', podIP, 8080)) === 'web-1' ? true : undefined;
    });
  }, 240_000);

  it('refuses a node that is not there, by name', async () => {
    await expect(cluster.killNode('nowhere')).rejects.toThrow('nowhere is not a node of the cluster');
  });

  async function nodeOf(pod: string): Promise<string> {
    return (await kubectl.get<Pod>('pod', pod)).spec.nodeName;
  }

  async function nodeReady(node: string, status: string, deadlineMs: number): Promise<void> {
    await kubectl.waitUntil<Node>('node', node, `Ready=${status}`, deadlineMs, (object) =>
      object.status.conditions.some((entry) => entry.type === 'Ready' && entry.status === status),
    );
  }

  /** What the web server of a pod says its name is, asked from another pod; empty when it does not answer. */
  async function reach(from: string, host: string, port: number): Promise<string> {
    // Its own time limit: against a frozen node the connection opens and nothing comes.
    const ask = `printf 'GET /name HTTP/1.0\\r\\n\\r\\n' | timeout 3 nc -w 2 ${host} ${port} || true`;
    const answer = await kubectl.exec(from, ['sh', '-c', ask], 20_000);
    return answer.trim().split('\n').at(-1)?.trim() ?? '';
  }
});

/** A web server in one layer: busybox. */
async function buildImage(directory: string): Promise<string> {
  await ensurePackages(['busybox'], () => {});
  const programs = path.join(directory, 'bin');
  mkdirSync(programs);
  copyFileSync(findProgram('busybox') ?? '', path.join(programs, 'busybox'));
  for (const name of ['sh', 'nc', 'cat', 'httpd', 'timeout', 'true', 'printf']) {
    symlinkSync('busybox', path.join(programs, name));
  }
  const layer = path.join(directory, 'layer.tar');
  const archive = path.join(directory, 'web.tar');
  const deadlineMs = 30_000;
  await runCommand('tar', ['-C', directory, '-cf', layer, 'bin'], { deadlineMs });
  const script = path.join(import.meta.dirname, '..', 'kind', 'mkimage.sh');
  const command = `'${script}' ${image} '{"Env":["PATH=/bin"]}' '${layer}' > '${archive}'`;
  await runCommand('sh', ['-c', command], { deadlineMs });
  return archive;
}

const selector = { app: 'web' };

const manifests = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector, ports: [{ port: 8080 }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web-any' },
    spec: { selector, ports: [{ port: 80, targetPort: 8080 }] },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'web' },
    spec: {
      serviceName: 'web',
      replicas: 3,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: selector },
      template: {
        metadata: { labels: selector },
        spec: {
          terminationGracePeriodSeconds: 5,
          securityContext: { runAsUser: 1000, runAsNonRoot: true, fsGroup: 1000 },
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'topology.kubernetes.io/zone',
              whenUnsatisfiable: 'DoNotSchedule',
              labelSelector: { matchLabels: selector },
            },
          ],
          containers: [
            {
              name: 'web',
              image,
              imagePullPolicy: 'Never',
              command: ['sh', '-c', 'echo $HOSTNAME > /data/name; exec httpd -f -p 8080 -h /data'],
              readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
              resources: { limits: { cpu: '200m', memory: '64Mi' } },
              volumeMounts: [{ name: 'data', mountPath: '/data' }],
            },
          ],
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  },
];
