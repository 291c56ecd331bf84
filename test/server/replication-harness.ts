/** Servers as processes, ours and the machine's redis-server, for tests that let them follow each other. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server as NetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RespClient, type Word } from '../../server/wire/client.ts';
import { RespError } from '../../server/wire/reply-parser.ts';
import { debianProgram } from '../support/debian-programs.ts';
import { joinSockets } from '../support/join-sockets.ts';
import { waitUntil } from '../support/wait-until.ts';

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

const ROOT = join(import.meta.dirname, '..', '..');
const CALL_MS = 10_000;
const START_MS = 15_000;
const PAUSE_MS = 25;

export type Engine = 'ours' | 'redis' | 'valkey';

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class ServerProcess {
  readonly engine: Engine;
  readonly port: number;
  readonly folder: string;
  readonly #options: readonly string[];
  #process: ChildProcess | null = null;
  #client: RespClient | null = null;
  log = '';

  private constructor(engine: Engine, port: number, folder: string, options: readonly string[]) {
    this.engine = engine;
    this.port = port;
    this.folder = folder;
    this.#options = options;
  }

  static async start(engine: Engine, ...options: string[]): Promise<ServerProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'redwarden-replication-'));
    const server = new ServerProcess(engine, await freePort(), folder, options);
    try {
      await server.run();
    } catch (error) {
      // Nobody has it yet who could stop it.
      await server.remove();
      throw error;
    }
    return server;
  }

  /** Starts the process; again after `stop` or `kill`. */
  async run(): Promise<void> {
    const ours = { path: join(ROOT, 'server/bin/redwarden-server'), env: {} };
    const program = this.engine === 'ours' ? ours : await debianProgram(`${this.engine}-server`, () => {});
    const fixed = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder, '--save', ''];
    const replication = ['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0'];
    const child = spawn(program.path, [...fixed, ...replication, ...this.#options], {
      env: { ...process.env, ...program.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.log += chunk.toString();
      });
    }
    this.#client = await waitUntil(
      `${this.engine} on port ${this.port}`,
      START_MS,
      () => this.#connect(),
      PAUSE_MS,
    );
  }

  async #connect(): Promise<RespClient | undefined> {
    if (this.#process?.exitCode !== null) throw new Error(`${this.engine} ended: ${this.log}`);
    const client = await RespClient.connect({ host: '127.0.0.1', port: this.port, connectDeadlineMs: 1000 });
    if (!(client instanceof RespClient)) return undefined;
    // Not PING: it is answered while the data loads.
    const reply = await client.call(['DBSIZE'], { deadlineMs: CALL_MS });
    if (typeof reply === 'number' || (reply instanceof RespError && reply.message.startsWith('NOAUTH')))
      return client;
    client.close();
    return undefined;
  }

  /** A connection of its own, for a command that is held. */
  async another(): Promise<RespClient> {
    const client = await RespClient.connect({
      host: '127.0.0.1',
      port: this.port,
      connectDeadlineMs: CALL_MS,
    });
    if (!(client instanceof RespClient)) throw new Error(client.message);
    return client;
  }

  /** The reply; failures of the connection throw. */
  async call(...words: Word[]): Promise<unknown> {
    const reply = await (this.#client as RespClient).call(words, { deadlineMs: CALL_MS });
    if (reply !== null && typeof reply === 'object' && 'kind' in reply) {
      throw new Error(`${this.engine}: ${String(words[0])}: ${reply.message}\n${this.log.slice(-3000)}`);
    }
    return reply;
  }

  /** One field of an INFO section. */
  async info(section: string, field: string): Promise<string> {
    const text = String(await this.call('INFO', section));
    return new RegExp(`^${field}:(.*?)\r?$`, 'm').exec(text)?.[1] ?? '';
  }

  async follow(primary: { readonly port: number }): Promise<void> {
    const reply = await this.call('REPLICAOF', '127.0.0.1', primary.port);
    if (reply !== 'OK') throw new Error(`REPLICAOF: ${reply instanceof RespError ? reply.message : reply}`);
  }

  /** Waits for the link, then for the same offset. */
  async caughtUpWith(primary: ServerProcess): Promise<void> {
    await waitUntil(
      `${this.engine} replica of ${primary.engine}`,
      START_MS,
      async () => {
        if ((await this.info('replication', 'master_link_status')) !== 'up') {
          throw new Error(
            `link down\nreplica: ${this.log.slice(-2000)}\nprimary: ${primary.log.slice(-2000)}`,
          );
        }
        const own = await this.info('replication', 'slave_repl_offset');
        const other = await primary.info('replication', 'master_repl_offset');
        if (own === other) return own;
        throw new Error(`offset ${own}, primary ${other}`);
      },
      PAUSE_MS,
    );
  }

  /** Every key with its value and rounded-off expiry, of the first three databases. */
  async dump(): Promise<string[]> {
    const lines: string[] = [];
    for (const database of [0, 1, 2]) {
      await this.call('SELECT', database);
      const keys = ((await this.call('KEYS', '*')) as string[]).sort();
      for (const key of keys) {
        const found = String(await this.call('GET', key));
        const value = found.length < 100 ? found : createHash('sha1').update(found).digest('hex');
        lines.push(`${database} ${key} = ${value} until ${await this.call('PEXPIRETIME', key)}`);
      }
    }
    await this.call('SELECT', 0);
    return lines;
  }

  async count(section: string, field: string): Promise<number> {
    return Number(await this.info(section, field));
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    this.#client?.close();
    this.#client = null;
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const force = setTimeout(() => child.kill('SIGKILL'), CALL_MS);
    await ended;
    clearTimeout(force);
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A TCP path to a server that can be cut without either end asking for it. */
export class CuttablePath {
  readonly port: number;
  readonly #server: NetServer;
  readonly #sockets: Set<Socket> = new Set();
  blocked = false;
  /** What comes from the server arrives at this pace. */
  bytesPerSecond = Number.POSITIVE_INFINITY;

  private constructor(server: NetServer, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async to(targetPort: number): Promise<CuttablePath> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const path = new CuttablePath(server, (server.address() as { port: number }).port);
    server.on('connection', (near) => path.#join(near, targetPort));
    return path;
  }

  #join(near: Socket, targetPort: number): void {
    if (this.blocked) {
      near.destroy();
      return;
    }
    const far = connect(targetPort, '127.0.0.1');
    joinSockets(near, far, this.#sockets);
    near.pipe(far);
    if (this.bytesPerSecond === Number.POSITIVE_INFINITY) far.pipe(near);
    else this.#trickle(far, near);
  }

  /** Piece after piece, each after the time it takes on the slow line. */
  #trickle(from: Socket, to: Socket): void {
    let freeAtMs = performance.now();
    from.on('data', (chunk: Buffer) => {
      from.pause();
      freeAtMs = Math.max(freeAtMs, performance.now()) + (chunk.length * 1000) / this.bytesPerSecond;
      setTimeout(
        () => {
          to.write(chunk);
          from.resume();
        },
        Math.max(0, freeAtMs - performance.now()),
      );
    });
    from.on('end', () => to.end());
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}
