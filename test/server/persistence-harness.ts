/** A keyspace with its persistence over a real folder, and a real redis-server to compare with. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../server/config/clock.ts';
import { Config } from '../../server/config/config.ts';
import { Log } from '../../server/config/log.ts';
import { defaultValues } from '../../server/config/parameter-table.ts';
import type { Values } from '../../server/config/parameters.ts';
import { Keyspace } from '../../server/keyspace/keyspace.ts';
import { Stats } from '../../server/keyspace/stats.ts';
import { type CommandApplier, CommandFormatError } from '../../server/persistence/aof-scanner.ts';
import { Persistence } from '../../server/persistence/persistence.ts';
import { Propagation, TO_FILE } from '../../server/replication/propagation.ts';
import { RespClient, RespFailure, type Word } from '../../server/wire/client.ts';
import { RespError } from '../../server/wire/reply-parser.ts';

const folders: string[] = [];

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'redwarden-persistence-'));
  folders.push(folder);
  return folder;
}

export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** SELECT, SET key value [PXAT ms], DEL key, MULTI, EXEC: enough for files made of strings. */
class StringApplier implements CommandApplier {
  database = 0;
  multiAt = -1;
  readonly held = false;
  readonly #keyspace: Keyspace;
  #queued: (readonly string[])[] | null = null;
  #end = 0;
  get inTransaction(): boolean {
    return this.#queued !== null;
  }
  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }
  replay(bytes: Uint8Array, start: number, end: number): number {
    const text = Buffer.from(bytes.subarray(0, end)).toString('latin1');
    this.multiAt = -1;
    let at = start;
    while (at < end && text[at] !== '#') {
      const words = this.#words(text, at);
      if (words === null) break;
      if (words[0] === 'MULTI') this.multiAt = at;
      this.#take(words);
      at = this.#end;
    }
    return at;
  }
  /** The words of the command at `at`, null when it is cut. */
  #words(text: string, at: number): string[] | null {
    const words: string[] = [];
    let line = text.indexOf('\r\n', at);
    if (text[at] !== '*' || (line >= 0 && !/^\*[1-9]\d*$/.test(text.slice(at, line)))) {
      throw new CommandFormatError(at);
    }
    let here = line + 2;
    for (let count = Number(text.slice(at + 1, line)); line >= 0 && count > 0; count -= 1) {
      line = text.indexOf('\r\n', here);
      if (here < text.length && text[here] !== '$') throw new CommandFormatError(at);
      const length = Number(text.slice(here + 1, line));
      here = line + 4 + length;
      if (line < 0 || here > text.length) return null;
      words.push(text.slice(line + 2, line + 2 + length));
    }
    this.#end = here;
    return line < 0 ? null : words;
  }
  #take(words: readonly string[]): void {
    const name = words[0]?.toUpperCase();
    if (name === 'MULTI') this.#queued = [];
    else if (name === 'EXEC') {
      for (const queued of this.#queued ?? []) this.#run(queued);
      this.#queued = null;
    } else if (this.#queued !== null) this.#queued.push(words);
    else this.#run(words);
  }
  #run(words: readonly string[]): void {
    const name = words[0]?.toUpperCase();
    const bytes = words.map((word) => Buffer.from(word, 'latin1')) as Buffer[];
    const database = this.#keyspace.databases[this.database]!;
    if (name === 'SELECT') this.database = Number(words[1]);
    else if (name === 'DEL') database.remove(bytes[1]!, 0, bytes[1]!.length);
    else if (name === 'SET') {
      const expiry = words[3]?.toUpperCase() === 'PXAT' ? Number(words[4]) : -1;
      database.setString(bytes[1]!, 0, bytes[1]!.length, bytes[2]!, 0, bytes[2]!.length, expiry);
    } else throw new Error(`Unknown command '${words[0]}'`);
  }
}

export class Node {
  readonly keyspace: Keyspace;
  readonly persistence: Persistence;
  readonly propagation = new Propagation();
  readonly config: Config;
  readonly lines: string[] = [];
  fatal: string | null = null;
  /** What the replication would say of this moment. */
  position: [string, string][] = [];
  released = 0;

  constructor(folder: string, overrides: Partial<Values> = {}) {
    const values = { ...defaultValues(), dir: folder, save: [], 'rdb-version': 10, ...overrides } as Values;
    this.config = new Config(values);
    const stats = new Stats();
    this.keyspace = new Keyspace({ databases: 16, perSlot: false, stats, random: Math.random });
    this.keyspace.setNow(Date.now());
    this.persistence = new Persistence({
      config: this.config,
      log: new Log({ level: 'debug', format: 'redis', sink: (line) => this.lines.push(line.trimEnd()) }),
      keyspace: this.keyspace,
      stats,
      clock: systemClock,
      serverVersion: '7.2.0',
      applier: () => new StringApplier(this.keyspace),
      attach: (sink) => this.propagation.addSink(sink, TO_FILE),
      inUnit: () => this.propagation.inUnit,
      detach: (sink) => this.propagation.removeSink(sink),
      onReleased: () => {
        this.released += 1;
      },
      fatal: (message) => {
        this.fatal ??= message;
      },
      streamOffset: () => 0,
      isPrimary: () => true,
      replicationFields: () => this.position,
    });
  }

  get log(): string {
    return this.lines.join('\n');
  }

  set(key: string, value: string, database = 0, expiresAtMs = -1): void {
    const keyBytes = Buffer.from(key, 'latin1');
    const bytes = Buffer.from(value, 'latin1');
    this.keyspace.databases[database]!.setString(
      keyBytes,
      0,
      keyBytes.length,
      bytes,
      0,
      bytes.length,
      expiresAtMs,
    );
    const expiry = expiresAtMs < 0 ? [] : ['PXAT', String(expiresAtMs)];
    this.propagation.words(database, ['SET', keyBytes, bytes, ...expiry]);
  }

  get(key: string, database = 0): string | null {
    const bytes = Buffer.from(key, 'latin1');
    const ref = this.keyspace.databases[database]!.findAny(bytes, 0, bytes.length);
    if (ref === 0) return null;
    const { records } = this.keyspace;
    const value = Buffer.alloc(records.valueLength(ref));
    records.copyValue(ref, 0, value.length, value, 0);
    return value.toString('latin1');
  }

  /** The error of a load that fails. */
  async loadError(): Promise<string> {
    try {
      await this.persistence.load();
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error('the load did not fail');
  }
}

/** Waits for a condition, at most ten seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error('waited ten seconds in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export const REDWARDEN = new URL('../../server/bin/redwarden-server', import.meta.url).pathname;
/** Whether our server was built. */
export const hasRedwarden = existsSync(new URL('../../dist/server/main.js', import.meta.url));
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A server process of its own, spoken to by RESP. */
export class ServerProcess {
  readonly child: ChildProcess;
  readonly port: number;
  /** What it said so far. */
  output = '';
  readonly #client: RespClient;

  private constructor(child: ChildProcess, port: number, client: RespClient) {
    this.child = child;
    this.port = port;
    this.#client = client;
  }

  /** The machine's redis-server. */
  static redis(folder: string, ...options: string[]): Promise<ServerProcess> {
    return ServerProcess.start('redis-server', folder, options);
  }

  /** Ours, as it was built last. */
  static redwarden(folder: string, ...options: string[]): Promise<ServerProcess> {
    return ServerProcess.start(REDWARDEN, folder, ['--admin-port', '0', ...options]);
  }

  /** `options` may begin with the path of a configuration file. */
  static async start(
    program: string,
    folder: string,
    options: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<ServerProcess> {
    const port = await freePort();
    const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
    const file = options[0]?.startsWith('-') === false ? options.slice(0, 1) : [];
    const child = spawn(program, [...file, ...fixed, ...options.slice(file.length)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    const endMs = Date.now() + 15_000;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`${program} ended: ${output}`);
      if (Date.now() > endMs) {
        child.kill('SIGKILL');
        throw new Error(`${program} does not answer: ${output}`);
      }
      const client = await RespClient.connect({
        host: '127.0.0.1',
        port,
        connectDeadlineMs: 1000,
        bulk: 'buffer',
      });
      if (client instanceof RespClient) {
        const info = String(await client.call(['INFO', 'persistence'], { deadlineMs: 2000 }));
        if (info.includes('\nloading:0')) {
          const server = new ServerProcess(child, port, client);
          server.#follow(output);
          return server;
        }
        client.close();
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #follow(output: string): void {
    this.output = output;
    const collect = (chunk: Buffer): void => {
      this.output += chunk.toString();
    };
    this.child.stdout?.on('data', collect);
    this.child.stderr?.on('data', collect);
  }

  /** The reply, bulk strings as latin1 text; errors are thrown. */
  async call(...words: Word[]): Promise<unknown> {
    const reply = await this.#client.call(words, { deadlineMs: 10_000 });
    if (reply instanceof RespError || reply instanceof RespFailure) throw new Error(reply.message);
    return reply instanceof Uint8Array ? Buffer.from(reply).toString('latin1') : reply;
  }

  async raw(...words: Word[]): Promise<Buffer> {
    return Buffer.from((await this.#client.call(words, { deadlineMs: 10_000 })) as Uint8Array);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#client.close();
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    await ended;
  }
}
