/**
 * Real server processes on loopback as the pods of an `OperatorWorld`: one 127.x address a start, one
 * folder a volume.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Machine } from './operator-world.ts';

/** Lines of a rendered redis.conf that make sense in a container only. */
const CONTAINER_ONLY = /^(bind|port|cluster-port|dir|include|logfile|admin-port|admin-bind|protected-mode)\b/;

export class ProcessMachine implements Machine {
  readonly folder = mkdtempSync(join(tmpdir(), 'redwarden-operator-'));
  readonly #program: readonly string[];
  readonly #processes = new Map<string, ChildProcess>();

  /** `program` takes a configuration file as its only further argument. */
  constructor(program: readonly string[]) {
    this.#program = program;
  }

  async start(pod: string, host: string, volume: string, config: string, password: string): Promise<void> {
    const data = join(this.folder, volume);
    mkdirSync(data, { recursive: true });
    const file = join(this.folder, `${pod}.conf`);
    const kept = config.split('\n').filter((line) => !CONTAINER_ONLY.test(line));
    const own = [
      `bind ${host}`,
      'port 6379',
      `dir ${data}`,
      'protected-mode no',
      `cluster-announce-ip ${host}`,
    ];
    const secrets = [`requirepass ${password}`, `masterauth ${password}`, `logfile ${data}/log`];
    const hostname = `cluster-announce-hostname ${pod}.c-nodes.default.svc`;
    writeFileSync(file, [...kept, ...own, hostname, ...secrets, ''].join('\n'));
    const [command = '', ...words] = this.#program;
    const child = spawn(command, [...words, file], { stdio: 'ignore' });
    child.on('error', (error) => {
      throw error;
    });
    this.#processes.set(pod, child);
  }

  kill(pod: string): Promise<void> {
    const child = this.#processes.get(pod);
    this.#processes.delete(pod);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  }

  isReady(pod: string): boolean {
    const child = this.#processes.get(pod);
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#processes.keys()].map((pod) => this.kill(pod)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
