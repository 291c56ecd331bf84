/**
 * Clusters of our servers and of Debian's redis-server, as processes on the loopback, and a client that
 * follows redirections.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RespClient, RespFailure, type Word } from '../../server/wire/client.ts';
import { type Reply, RespError } from '../../server/wire/reply-parser.ts';

export const NODE_TIMEOUT_MS = 2000;
const BUS_PORT_OFFSET = 10_000;
const CALL_MS = 10_000;
const START_MS = 15_000;
const LOOK_EVERY_MS = 100;

const ours =
  process.env['REDWARDEN_SERVER'] ?? new URL('../../server/bin/redwarden-server', import.meta.url).pathname;

export type NodeKind = 'ours' | 'redis';

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if ((await canListen(port)) && (await canListen(port + BUS_PORT_OFFSET))) return port;
  }
  throw new Error('no free port with a free bus port');
}

/** Waits until the probe says true; throws with `what` at the deadline. */
export async function eventually(
  what: string,
  deadlineMs: number,
  probe: () => Promise<boolean>,
): Promise<void> {
  const until = performance.now() + deadlineMs;
  while (!(await probe())) {
    if (performance.now() > until) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await sleep(LOOK_EVERY_MS);
  }
}

export class ClusterProcess {
  readonly kind: NodeKind;
  readonly port: number;
  readonly folder: string;
  child: ChildProcess | null = null;
  output = '';
  #client: RespClient | null = null;

  private constructor(kind: NodeKind, port: number) {
    this.kind = kind;
    this.port = port;
    this.folder = mkdtempSync(path.join(tmpdir(), `cluster-${kind}-`));
  }

  static async create(kind: NodeKind, ...argv: string[]): Promise<ClusterProcess> {
    const node = new ClusterProcess(kind, await freePort());
    await node.start(...argv);
    return node;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get nodesConf(): string {
    return path.join(this.folder, 'nodes.conf');
  }

  /** Starts the process without waiting for it. */
  spawn(...argv: string[]): ChildProcess {
    const common = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder];
    const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(NODE_TIMEOUT_MS)];
    const data = ['--appendonly', 'yes', '--repl-diskless-sync-delay', '0', '--save', ''];
    const program = this.kind === 'ours' ? ours : 'redis-server';
    const child = spawn(program, [...common, ...cluster, ...data, ...argv], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (chunk: Buffer): void => {
      this.output = (this.output + chunk.toString()).slice(-64 * 1024);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    this.child = child;
    return child;
  }

  async start(...argv: string[]): Promise<void> {
    const child = this.spawn(...argv);
    const until = performance.now() + START_MS;
    for (;;) {
      const answer = await this.call('CLUSTER', 'MYID');
      if (typeof answer === 'string') return;
      if (child.exitCode !== null || performance.now() > until) {
        const end = `${child.exitCode} ${child.signalCode} ${answer instanceof RespFailure ? answer.message : answer}`;
        throw new Error(`${this.kind} ${this.port} does not start: ${end}\n${this.output}`);
      }
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** The reply; a failure of the connection is one too. */
  async call(...words: Word[]): Promise<Reply | RespFailure> {
    if (this.#client === null || this.#client.failure !== undefined) {
      const connected = await RespClient.connect({
        host: '127.0.0.1',
        port: this.port,
        connectDeadlineMs: 1000,
      });
      if (connected instanceof RespFailure) return connected;
      this.#client = connected;
    }
    return this.#client.call(words, { deadlineMs: CALL_MS });
  }

  async text(...words: Word[]): Promise<string> {
    const answer = await this.call(...words);
    if (answer instanceof RespError || answer instanceof RespFailure) throw new Error(answer.message);
    return String(answer);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    this.#client?.close();
    this.#client = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(timer);
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  editNodesConf(edit: (content: string) => string): void {
    writeFileSync(this.nodesConf, edit(readFileSync(this.nodesConf, 'utf8')));
  }

  async isPrimary(): Promise<boolean> {
    const role = await this.call('ROLE');
    return Array.isArray(role) && role[0] === 'master';
  }
}

/** Runs Debian's redis-cli; the output, or an error with it. */
export function redisCli(...argv: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      'redis-cli',
      argv,
      { timeout: 100_000, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`redis-cli ${argv.join(' ')}: ${stdout.slice(-2000)}${stderr}`));
      },
    );
  });
}

/** True when every living node sees one healthy cluster of `size` nodes. */
export async function agrees(nodes: readonly ClusterProcess[], size: number): Promise<boolean> {
  const slots = new Set<string>();
  for (const node of nodes) {
    const info = await node.call('CLUSTER', 'INFO');
    if (typeof info !== 'string' || !info.includes('cluster_state:ok')) return false;
    if (!info.includes(`cluster_known_nodes:${size}\r\n`)) return false;
    const lines = String(await node.call('CLUSTER', 'NODES'))
      .trim()
      .split('\n');
    const owners = lines.map((line) => {
      const fields = line.split(' ');
      return `${fields[0]} ${fields.slice(8).filter((field) => !field.startsWith('['))}`;
    });
    slots.add(owners.sort().join('\n'));
  }
  return slots.size === 1;
}

/** The first half of the nodes become primaries with a replica each: node i + half follows node i. */
export async function formPairs(nodes: readonly ClusterProcess[]): Promise<void> {
  const half = nodes.length / 2;
  const primaries = nodes.slice(0, half);
  await redisCli('--cluster', 'create', ...primaries.map((node) => node.address), '--cluster-yes');
  const [first] = primaries as [ClusterProcess];
  for (const node of nodes.slice(half)) await first.call('CLUSTER', 'MEET', '127.0.0.1', String(node.port));
  for (const [i, primary] of primaries.entries()) {
    const id = await primary.text('CLUSTER', 'MYID');
    await eventually('the replica knows its primary', 20_000, async () => {
      return (await (nodes[i + half] as ClusterProcess).call('CLUSTER', 'REPLICATE', id)) === 'OK';
    });
  }
}

/** A client that follows redirections and waits while the cluster heals. */
export class FollowingClient {
  readonly #clients: Map<string, RespClient> = new Map();
  readonly #seeds: readonly ClusterProcess[];
  #next = 0;

  constructor(seeds: readonly ClusterProcess[]) {
    this.#seeds = seeds;
  }

  async #at(address: string): Promise<RespClient | null> {
    const known = this.#clients.get(address);
    if (known !== undefined && known.failure === undefined) return known;
    const [host = '', port] = address.split(':');
    const client = await RespClient.connect({ host, port: Number(port), connectDeadlineMs: 500 });
    if (client instanceof RespFailure) return null;
    this.#clients.set(address, client);
    return client;
  }

  /** The reply, whatever it takes within 30 s. */
  async call(...words: Word[]): Promise<Reply> {
    const until = performance.now() + 30_000;
    let address = '';
    let asking = false;
    let last = '';
    while (performance.now() < until) {
      if (address === '') address = this.#seeds[this.#next++ % this.#seeds.length]?.address ?? '';
      const client = await this.#at(address);
      if (client !== null) {
        if (asking) void client.call(['ASKING'], { deadlineMs: 1000 });
        const answer = await client.call(words, { deadlineMs: 1000 });
        asking = false;
        if (answer instanceof RespError && (answer.code === 'MOVED' || answer.code === 'ASK')) {
          asking = answer.code === 'ASK';
          address = answer.message.split(' ')[2] ?? '';
          last = answer.message;
          continue;
        }
        const retry = answer instanceof RespFailure || isPassing(answer);
        if (!retry) return answer as Reply;
        last = answer instanceof RespFailure ? answer.message : String((answer as RespError).message);
      }
      address = '';
      await sleep(50);
    }
    throw new Error(`${words.join(' ')}: no answer; last: ${last}`);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }
}

function isPassing(answer: Reply): boolean {
  return (
    answer instanceof RespError &&
    ['TRYAGAIN', 'CLUSTERDOWN', 'READONLY', 'LOADING', 'MASTERDOWN'].includes(answer.code)
  );
}
