/**
 * The local cluster as end-to-end stories see it: what can be done to its nodes and to the network between
 * them. Stories know nothing else, so they run the same on a stock kind and on the node image made here.
 */
import { Kubectl } from '../support/kubectl.ts';
import { runCommand } from '../support/run-command.ts';
import { docker, dockerAnswers } from './docker.ts';
import {
  clusterName,
  dockerVariables,
  type Environment,
  kubeconfigPath,
  partitionTable,
  readEnvironment,
} from './environment.ts';
import { findProgram } from './packages.ts';
import { timeLimits } from './time-limits.ts';
import { ensureTools } from './tools.ts';

export interface LocalNode {
  readonly name: string;
  /** Label `topology.kubernetes.io/zone`; undefined for the control plane. */
  readonly zone: string | undefined;
  readonly role: 'control-plane' | 'worker';
}

/**
 * Every call has a deadline and throws an error that names the node and says what docker, kind or nft said.
 */
export interface LocalCluster {
  readonly kubeconfigPath: string;
  readonly nodes: readonly LocalNode[];
  /** Brings an image (docker-archive or OCI archive) to all workers. */
  loadImage(archivePath: string): Promise<void>;
  /** Power off: everything on the node ends at once. Returns when it is off. */
  killNode(node: string): Promise<void>;
  /** Power on after `killNode`. Returns when the machine runs, before Kubernetes calls it Ready. */
  startNode(node: string): Promise<void>;
  /** Freezes a node: its kernel still completes handshakes, no process answers. */
  pauseNode(node: string): Promise<void>;
  resumeNode(node: string): Promise<void>;
  /** No packet passes between a node of one group and a node of the other; adds to partitions there are. */
  partition(groupA: readonly string[], groupB: readonly string[]): Promise<void>;
  /** Ends all partitions. */
  heal(): Promise<void>;
  /** Runs a program in a node, as root; returns its standard output. */
  exec(node: string, argv: readonly string[], deadlineMs?: number): Promise<string>;
  /** Undoes what was done to nodes and network through this object. The cluster goes on. */
  close(): Promise<void>;
}

/** The cluster that `make up` (or `make up` with `--cluster-only`) has created; throws when there is none. */
export async function openCluster(): Promise<LocalCluster> {
  const environment = readEnvironment();
  if (environment === undefined || !(await dockerAnswers(environment))) {
    throw new Error('no local cluster is up: run make up');
  }
  const tools = await ensureTools();
  const kubectl = new Kubectl(tools.kubectl, kubeconfigPath, 'default');
  const nodes = (await kubectl.list('nodes')).map((node) => toLocalNode(node.metadata));
  return new KindCluster(environment, tools.kind, nodes);
}

class KindCluster implements LocalCluster {
  readonly kubeconfigPath = kubeconfigPath;
  readonly nodes: readonly LocalNode[];
  readonly #environment: Environment;
  readonly #kind: string;
  readonly #killed = new Set<string>();
  readonly #paused = new Set<string>();
  #partitioned = false;

  constructor(environment: Environment, kind: string, nodes: readonly LocalNode[]) {
    this.#environment = environment;
    this.#kind = kind;
    this.nodes = nodes;
  }

  async loadImage(archivePath: string): Promise<void> {
    await loadImage(this.#environment, this.#kind, archivePath);
  }

  async killNode(node: string): Promise<void> {
    await this.#docker(['kill', this.#checked(node)]);
    this.#killed.add(node);
  }

  async startNode(node: string): Promise<void> {
    await this.#docker(['start', this.#checked(node)]);
    this.#killed.delete(node);
  }

  async pauseNode(node: string): Promise<void> {
    await this.#docker(['pause', this.#checked(node)]);
    this.#paused.add(node);
  }

  async resumeNode(node: string): Promise<void> {
    await this.#docker(['unpause', this.#checked(node)]);
    this.#paused.delete(node);
  }

  async partition(groupA: readonly string[], groupB: readonly string[]): Promise<void> {
    const macs = new Map<string, string>();
    for (const node of [...groupA, ...groupB]) {
      macs.set(node, await this.#mac(node));
    }
    const rules = groupA.flatMap((a) =>
      groupB.flatMap((b) => [dropRule(macs.get(a)!, macs.get(b)!), dropRule(macs.get(b)!, macs.get(a)!)]),
    );
    this.#partitioned = true;
    await nft([
      `add table bridge ${partitionTable}`,
      `add chain bridge ${partitionTable} forward { type filter hook forward priority 0; }`,
      ...rules,
    ]);
  }

  async heal(): Promise<void> {
    await removePartitions();
    this.#partitioned = false;
  }

  async exec(node: string, argv: readonly string[], deadlineMs = timeLimits.nodeExecMs): Promise<string> {
    return docker(this.#environment, ['exec', this.#checked(node), ...argv], deadlineMs);
  }

  async close(): Promise<void> {
    if (this.#partitioned) {
      await this.heal();
    }
    for (const node of [...this.#paused]) {
      await this.resumeNode(node);
    }
    for (const node of [...this.#killed]) {
      await this.startNode(node);
    }
  }

  #checked(node: string): string {
    if (!this.nodes.some((known) => known.name === node)) {
      const names = this.nodes.map((known) => known.name).join(', ');
      throw new Error(`${node} is not a node of the cluster; there are ${names}`);
    }
    return node;
  }

  async #docker(argv: readonly string[]): Promise<void> {
    await docker(this.#environment, argv, timeLimits.dockerMs);
  }

  /** Asked each time, since a node may come back with another address. */
  async #mac(node: string): Promise<string> {
    const format = '{{range .NetworkSettings.Networks}}{{.MacAddress}}{{end}}';
    const argv = ['inspect', '--format', format, this.#checked(node)];
    const mac = (await docker(this.#environment, argv, timeLimits.dockerMs)).trim();
    if (!/^[0-9a-f:]{17}$/.test(mac)) {
      throw new Error(`node ${node} has no MAC address (${JSON.stringify(mac)}); is it running?`);
    }
    return mac;
  }
}

/**
 * Brings an image archive to all workers; the control plane runs no pods of ours, and each node takes
 * seconds.
 */
export async function loadImage(environment: Environment, kind: string, archivePath: string): Promise<void> {
  const options = { deadlineMs: timeLimits.loadImageMs, env: dockerVariables(environment) };
  const nodes = (await runCommand(kind, ['get', 'nodes', '--name', clusterName], options)).trim().split('\n');
  const workers = nodes.filter((node) => !node.includes('control-plane'));
  const argv = ['load', 'image-archive', archivePath, '--name', clusterName, '--nodes', workers.join(',')];
  await runCommand(kind, argv, options);
}

/** Removes all partitions, also those of a story that died. */
export async function removePartitions(): Promise<void> {
  // Adding what exists is no error, so deleting afterwards never fails.
  await nft([`add table bridge ${partitionTable}`, `delete table bridge ${partitionTable}`]);
}

async function nft(lines: readonly string[]): Promise<void> {
  const program = findProgram('nft');
  if (program === undefined || process.getuid?.() !== 0) {
    throw new Error('partitions between nodes need nft (Debian: nftables) and root');
  }
  await runCommand(program, ['-f', '-'], { deadlineMs: timeLimits.dockerMs, input: `${lines.join('\n')}\n` });
}

function dropRule(from: string, to: string): string {
  return `add rule bridge ${partitionTable} forward ether saddr ${from} ether daddr ${to} drop`;
}

function toLocalNode(metadata: { name: string; labels?: Readonly<Record<string, string>> }): LocalNode {
  const labels = metadata.labels ?? {};
  return {
    name: metadata.name,
    zone: labels['topology.kubernetes.io/zone'],
    role: 'node-role.kubernetes.io/control-plane' in labels ? 'control-plane' : 'worker',
  };
}
