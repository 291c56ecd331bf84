/** One Redis-compatible server as a process of its own: ours or somebody else's, for tests that compare. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryRoot } from '../kind/environment.ts';
import { debianProgram, type PeerProgram } from './debian-programs.ts';
import { RawConnection } from './raw-connection.ts';

const startMsMax = 15_000;
const stopMsMax = 10_000;
const outputBytesMax = 256 * 1024;

/** Which server to start. */
export type ServerKind = 'redwarden-server' | PeerProgram;

/** A port that nobody listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

export class ServerProcess {
  readonly port: number;
  readonly directory: string;
  readonly #child: ChildProcess;
  #output = '';

  private constructor(port: number, directory: string, child: ChildProcess) {
    this.port = port;
    this.directory = directory;
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-outputBytesMax);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What the server printed, its last lines. */
  get output(): string {
    return this.#output;
  }

  /** Starts a server on 127.0.0.1 in a folder of its own and waits until it answers PING. */
  static async start(kind: ServerKind, argv: readonly string[]): Promise<ServerProcess> {
    const port = await freePort();
    const directory = mkdtempSync(path.join(tmpdir(), `${kind}-`));
    const program =
      kind === 'redwarden-server'
        ? { path: path.join(repositoryRoot, 'server/bin/redwarden-server'), env: {} }
        : await debianProgram(kind, () => {});
    const child = spawn(
      program.path,
      ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, ...argv],
      { cwd: directory, env: { ...process.env, ...program.env }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const server = new ServerProcess(port, directory, child);
    await server.#untilReady(kind);
    return server;
  }

  /** Ends the process, by force when it does not end by itself, and removes its folder. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
      this.#child.kill('SIGTERM');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMsMax);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #untilReady(kind: ServerKind): Promise<void> {
    let failure = '';
    this.#child.once('error', (error) => {
      failure = error.message;
    });
    const limit = performance.now() + startMsMax;
    while (performance.now() < limit && failure === '' && this.#child.exitCode === null) {
      const connection = await RawConnection.open(this.port).catch(() => undefined);
      if (connection !== undefined) {
        const answer = await connection.call(['PING']).catch(() => Buffer.alloc(0));
        connection.close();
        if (/^(\+PONG|-NOAUTH)/.test(answer.toString())) return;
      }
      await sleep(25);
    }
    await this.stop();
    throw new Error(`${kind} does not answer: ${failure}\n${this.#output}`);
  }
}
