/**
 * A bare Kubernetes API server on 127.0.0.1 for tests: etcd and kube-apiserver (and on request the controller
 * manager) from the cached binary, without nodes. Everything is real except that nothing runs the pods.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureKubernetesBinary } from '../kind/artefacts.ts';
import type { Progress } from '../kind/cache.ts';
import { findProgram } from '../kind/packages.ts';
import { lastLines } from './run-command.ts';
import { GaveUp, waitUntil, withDeadline } from './wait-until.ts';

export interface ApiServerOptions {
  /** Also run kube-controller-manager (garbage collection, service accounts, StatefulSets, ...). */
  readonly controllerManager?: boolean;
  /** Told about builds when the binary is not in the cache yet. */
  readonly progress?: Progress;
}

export interface ApiServer {
  /** A kubeconfig file for an administrator. */
  readonly kubeconfigPath: string;
  /** `https://127.0.0.1:<port>`; stays the same over `restart`. */
  readonly url: string;
  /** Bearer token of an administrator. */
  readonly token: string;
  /** PEM file of the certificate authority. */
  readonly certificateAuthorityPath: string;
  /** Ends all processes and removes their files. */
  stop(): Promise<void>;
  /** SIGKILL to kube-apiserver alone; etcd keeps the data. */
  kill(): Promise<void>;
  /**
   * Starts kube-apiserver again on the same port (after `kill`, or as a restart) and waits until it is
   * ready.
   */
  restart(): Promise<void>;
}

const readyDeadlineMs = 60_000;
const endDeadlineMs = 10_000;
const portAttemptsMax = 3;

/** Starts it and returns when it is ready: some seconds, or minutes when the binary has to be built first. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const binaries = await ensureKubernetesBinary(
    options.progress ?? ((line) => process.stderr.write(`kubernetes: ${line}\n`)),
  );
  for (let attempt = 1; ; attempt++) {
    const server = new LocalApiServer(binaries, await freePorts(4));
    try {
      await server.start(options.controllerManager === true);
      return server;
    } catch (error) {
      await server.end();
      // Somebody else may have taken a port between the look and the bind.
      if (attempt === portAttemptsMax || !server.saidPortInUse()) {
        throw new Error(`${(error as Error).message}\nlogs kept in ${server.directory}`, { cause: error });
      }
      server.removeFiles();
    }
  }
}

const owned = new Set<ChildProcess>();
let watching = false;

/** The processes end with this one, however it ends. */
function watchExit(): void {
  if (!watching) {
    watching = true;
    process.on('exit', () => {
      for (const child of owned) {
        child.kill('SIGKILL');
      }
    });
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** The processes of one server, by name, and their files. */
class LocalApiServer implements ApiServer {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'redwarden-api-'));
  readonly token = randomBytes(16).toString('hex');
  readonly kubeconfigPath = path.join(this.directory, 'kubeconfig');
  readonly certificateAuthorityPath = path.join(this.directory, 'certificates', 'apiserver.crt');
  readonly url: string;
  readonly #binaries: string;
  readonly #ports: readonly number[];
  readonly #processes = new Map<string, ChildProcess>();

  constructor(binaries: string, ports: readonly number[]) {
    this.#binaries = binaries;
    this.#ports = ports;
    this.url = `https://127.0.0.1:${ports[2]}`;
  }

  async start(controllerManager: boolean): Promise<void> {
    this.#writeCredentials();
    this.#startEtcd();
    await this.#startServer();
    if (controllerManager) {
      this.#startControllerManager();
    }
  }

  async stop(): Promise<void> {
    await this.end();
    this.removeFiles();
  }

  async kill(): Promise<void> {
    await this.#end('kube-apiserver');
  }

  async restart(): Promise<void> {
    await this.#end('kube-apiserver');
    await this.#startServer();
  }

  /** Ends the processes, keeps the logs. */
  async end(): Promise<void> {
    for (const name of ['kube-controller-manager', 'kube-apiserver', 'etcd']) {
      await this.#end(name);
    }
  }

  removeFiles(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  saidPortInUse(): boolean {
    return ['etcd', 'kube-apiserver'].some((name) => this.#log(name).includes('address already in use'));
  }

  #file(name: string): string {
    return path.join(this.directory, name);
  }

  #log(name: string): string {
    const file = this.#file(`${name}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  #writeCredentials(): void {
    mkdirSync(this.#file('certificates'));
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(this.#file('service-account.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(this.#file('tokens.csv'), `${this.token},admin,1,"system:masters"\n`);
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
      clusters: [
        {
          name: 'test',
          cluster: { server: this.url, 'certificate-authority': this.certificateAuthorityPath },
        },
      ],
      users: [{ name: 'admin', user: { token: this.token } }],
    };
    writeFileSync(this.kubeconfigPath, JSON.stringify(kubeconfig));
  }

  #startEtcd(): void {
    const client = `http://127.0.0.1:${this.#ports[0]}`;
    const peer = `http://127.0.0.1:${this.#ports[1]}`;
    this.#spawn('etcd', [
      `--data-dir=${this.#file('etcd')}`,
      '--unsafe-no-fsync',
      '--log-level=warn',
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
    ]);
  }

  async #startServer(): Promise<void> {
    this.#spawn('kube-apiserver', [
      `--etcd-servers=http://127.0.0.1:${this.#ports[0]}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${this.#ports[2]}`,
      '--endpoint-reconciler-type=none',
      `--cert-dir=${this.#file('certificates')}`,
      `--token-auth-file=${this.#file('tokens.csv')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${this.#file('service-account.key')}`,
      `--service-account-signing-key-file=${this.#file('service-account.key')}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--authorization-mode=Node,RBAC',
    ]);
    await waitUntil('kube-apiserver ready', readyDeadlineMs, async () => {
      this.#checkAlive();
      const ready = (await this.#get('/readyz')) === 200;
      return ready && (await this.#get('/api/v1/namespaces/default')) === 200 ? true : undefined;
    });
  }

  #startControllerManager(): void {
    this.#spawn('kube-controller-manager', [
      `--kubeconfig=${this.kubeconfigPath}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${this.#ports[3]}`,
      `--cert-dir=${this.#file('certificates')}`,
      '--leader-elect=false',
      `--service-account-private-key-file=${this.#file('service-account.key')}`,
      `--root-ca-file=${this.certificateAuthorityPath}`,
    ]);
  }

  #spawn(name: string, argv: readonly string[]): void {
    const log = openSync(this.#file(`${name}.log`), 'a');
    const program = path.join(this.#binaries, name);
    // setpriv lets the kernel end the process when ours is killed without a chance to clean up.
    const setpriv = findProgram('setpriv');
    const command = setpriv === undefined ? [program] : [setpriv, '--pdeathsig', 'KILL', program];
    const child = spawn(command[0]!, [...command.slice(1), ...argv], { stdio: ['ignore', log, log] });
    closeSync(log);
    child.once('error', (error) =>
      writeFileSync(this.#file(`${name}.log`), `${error.message}\n`, { flag: 'a' }),
    );
    owned.add(child);
    watchExit();
    this.#processes.set(name, child);
  }

  #checkAlive(): void {
    for (const [name, child] of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new GaveUp(
          `${name} ended with ${child.exitCode ?? child.signalCode}:\n${lastLines(this.#log(name), 10)}`,
        );
      }
    }
  }

  async #end(name: string): Promise<void> {
    const child = this.#processes.get(name);
    this.#processes.delete(name);
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await withDeadline(`the end of ${name}`, endDeadlineMs, ended);
    owned.delete(child);
  }

  /** HTTP status of a GET, as the administrator. */
  #get(target: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const call = request(
        `${this.url}${target}`,
        {
          ca: readFileSync(this.certificateAuthorityPath),
          headers: { authorization: `Bearer ${this.token}` },
          timeout: 2000,
          agent: false,
        },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      call.once('timeout', () => call.destroy(new Error('no answer for 2 s')));
      call.once('error', reject);
      call.end();
    });
  }
}
