/** The kind cluster of an environment: created, found again, deleted. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { Kubectl } from '../support/kubectl.ts';
import { runCommand, tryCommand } from '../support/run-command.ts';
import { waitUntil } from '../support/wait-until.ts';
import type { Progress } from './cache.ts';
import { docker } from './docker.ts';
import { clusterName, dockerVariables, type Environment, kubeconfigPath } from './environment.ts';
import { findProgram } from './packages.ts';
import { timeLimits } from './time-limits.ts';
import type { Tools } from './tools.ts';

const serviceRange = '10.96.0.0/16';
const answerDeadlineMs = 20_000;

interface NodeObject {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly podCIDR?: string };
  readonly status: {
    readonly addresses: readonly { readonly type: string; readonly address: string }[];
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
  };
}

/**
 * A cluster whose nodes are all Ready: the one that is there, brought back to life if need be, or a new
 * one.
 */
export async function ensureCluster(
  environment: Environment,
  tools: Tools,
  progress: Progress,
): Promise<'created' | 'found'> {
  const kubectl = new Kubectl(tools.kubectl, kubeconfigPath, 'default');
  if (await clusterExists(environment, tools)) {
    // kind writes the kubeconfig last: without it, the cluster was never finished.
    if (existsSync(kubeconfigPath)) {
      await reviveNodes(environment);
      if (await apiAnswers(kubectl)) {
        await nodesReady(kubectl, progress);
        return 'found';
      }
    }
    progress('the cluster that is there does not answer; making a new one');
    await deleteCluster(environment, tools);
  }
  const image = environment.nodeImage === '' ? [] : ['--image', environment.nodeImage];
  const config = path.join(import.meta.dirname, 'cluster.yaml');
  const argv = [
    'create',
    'cluster',
    '--name',
    clusterName,
    '--config',
    config,
    '--kubeconfig',
    kubeconfigPath,
  ];
  await runCommand(tools.kind, [...argv, ...image, '--wait', '180s'], {
    deadlineMs: timeLimits.createClusterMs,
    env: dockerVariables(environment),
    onLine: progress,
  });
  await nodesReady(kubectl, progress);
  return 'created';
}

export async function clusterExists(environment: Environment, tools: Tools): Promise<boolean> {
  const options = { deadlineMs: timeLimits.dockerMs, env: dockerVariables(environment) };
  const names = await runCommand(tools.kind, ['get', 'clusters', '--quiet'], options);
  return names.split('\n').includes(clusterName);
}

export async function deleteCluster(environment: Environment, tools: Tools): Promise<void> {
  const argv = ['delete', 'cluster', '--name', clusterName, '--kubeconfig', kubeconfigPath];
  await runCommand(tools.kind, argv, {
    deadlineMs: timeLimits.deleteClusterMs,
    env: dockerVariables(environment),
  });
}

/**
 * Host routes to pods and services, so that a person's redis-cli reaches them. Returns the destinations;
 * throws where routes cannot be set (no root, or a docker daemon in a virtual machine).
 */
export async function addRoutes(kubectl: Kubectl): Promise<string[]> {
  const routes: string[] = [];
  for (const node of await kubectl.list<NodeObject>('nodes')) {
    const address = node.status.addresses.find((entry) => entry.type === 'InternalIP')?.address;
    if (address === undefined || node.spec.podCIDR === undefined) {
      throw new Error(`node ${node.metadata.name} has no address or pod range yet`);
    }
    routes.push(await addRoute(node.spec.podCIDR, address));
    if ('node-role.kubernetes.io/control-plane' in node.metadata.labels) {
      routes.push(await addRoute(serviceRange, address));
    }
  }
  return routes;
}

async function addRoute(destination: string, gateway: string): Promise<string> {
  const program = findProgram('ip') ?? 'ip';
  await runCommand(program, ['route', 'replace', destination, 'via', gateway], { deadlineMs: 10_000 });
  return destination;
}

async function apiAnswers(kubectl: Kubectl): Promise<boolean> {
  const argv = ['--kubeconfig', kubectl.kubeconfigPath, 'get', '--raw', '/readyz'];
  try {
    await waitUntil('the API server', timeLimits.nodeReturnMs, async () => {
      const answer = await tryCommand(kubectl.program, argv, { deadlineMs: answerDeadlineMs });
      return answer.code === 0 ? true : undefined;
    });
    return true;
  } catch {
    return false; // the caller makes a new cluster and says so
  }
}

/** Nodes that a story has killed or frozen and left so. */
async function reviveNodes(environment: Environment): Promise<void> {
  const label = `label=io.x-k8s.kind.cluster=${clusterName}`;
  for (const [state, verb] of [
    ['exited', 'start'],
    ['paused', 'unpause'],
  ] as const) {
    const argv = ['ps', '--all', '--quiet', '--filter', label, '--filter', `status=${state}`];
    const ids = (await docker(environment, argv, timeLimits.dockerMs)).split('\n').filter((id) => id !== '');
    if (ids.length > 0) {
      await docker(environment, [verb, ...ids], timeLimits.dockerMs);
    }
  }
}

async function nodesReady(kubectl: Kubectl, progress: Progress): Promise<void> {
  progress('waiting for the nodes');
  await waitUntil('all nodes Ready', timeLimits.nodesReadyMs, async () => {
    const nodes = await kubectl.list<NodeObject>('nodes');
    const waiting = nodes.filter((node) => !isReady(node)).map((node) => node.metadata.name);
    if (waiting.length > 0) {
      throw new Error(`${waiting.join(', ')} not Ready`);
    }
    return nodes.length > 0 ? true : undefined;
  });
}

function isReady(node: NodeObject): boolean {
  return node.status.conditions.some((entry) => entry.type === 'Ready' && entry.status === 'True');
}
