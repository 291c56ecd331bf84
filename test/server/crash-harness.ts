/**
 * Load on a server that is going to crash, and what must be left of it afterwards.
 *
 * Writers append `writer:number:kind` to one list and, for kind t, set `writer:<w>` to the number in the
 * same transaction. So the list is the history: what is there after a crash must be a prefix of it, and every
 * other key follows from that prefix. Everything that was acknowledged or read is noted with its time and
 * with the length of the journal (disk-journal.ts) at that moment: a crash behind that place may not lose it.
 */
import { cpSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Prng } from '../../server/structures/prng.ts';
import { journalMs } from '../support/disk-journal.ts';
import { encodeCommand, RawConnection } from '../support/raw-connection.ts';
import { newFolder, REDWARDEN, ServerProcess } from './persistence-harness.ts';

export type Policy = 'always' | 'everysec' | 'no' | 'rdb';
export type Background = 'nothing' | 'rewrite' | 'save';

const WRITERS = 8;
const READERS = 2;
const FILLERS = 1000;
const PRELOAD = new URL('../support/faulty-disk.ts', import.meta.url).href;

/** What somebody outside knows to be in the dataset: number `number` of a writer. */
interface Known {
  readonly writer: number;
  readonly number: number;
  readonly atMs: number;
  /** Bytes of the journal when it became known. */
  readonly journal: number;
}

/** A BGSAVE that ended well: the history had at least `length` entries in it. */
interface Saved {
  readonly length: number;
  readonly journal: number;
}

export interface LoadResult {
  readonly acknowledged: readonly Known[];
  readonly seen: readonly Known[];
  readonly saved: readonly Saved[];
  /** Last number each writer sent. */
  readonly sent: readonly number[];
}

export interface DiskOptions {
  readonly journal?: string;
  readonly rules?: string;
  /** `usual,longest,seed` of fsyncs. */
  readonly fsync?: string;
}

/** Environment that puts the faulty disk under a server whose data is in `folder`. */
export function onFaultyDisk(folder: string, disk: DiskOptions): Record<string, string> {
  return {
    NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${PRELOAD}`,
    DISK_ROOT: folder,
    ...(disk.journal === undefined ? {} : { DISK_JOURNAL: disk.journal }),
    ...(disk.rules === undefined ? {} : { DISK_RULES: disk.rules }),
    ...(disk.fsync === undefined ? {} : { DISK_FSYNC: disk.fsync }),
  };
}

export function optionsOf(policy: Policy): string[] {
  if (policy === 'rdb') return ['--appendonly', 'no'];
  return ['--appendonly', 'yes', '--appendfsync', policy, '--auto-aof-rewrite-percentage', '0'];
}

/** A folder with keys that make a snapshot last a while. */
export async function filledFolder(policy: Policy): Promise<string> {
  const folder = newFolder();
  const server = await ServerProcess.redwarden(folder, ...optionsOf(policy));
  const connection = await RawConnection.open(server.port);
  const words = Array.from({ length: FILLERS }, (_, key) => [`filler:${key}`, 'x'.repeat(key % 300)]).flat();
  await connection.call(['MSET', ...words]);
  if (policy === 'rdb') await connection.call(['SAVE']);
  connection.close();
  await server.stop();
  return folder;
}

export function copyOf(folder: string): string {
  const copy = newFolder();
  cpSync(folder, copy, { recursive: true });
  return copy;
}

/** Writers, readers and the background until `ended` or until the server has gone. */
export class Load {
  readonly #port: number;
  readonly #journal: string | null;
  readonly #random: Prng;
  readonly #acknowledged: Known[] = [];
  readonly #seen: Known[] = [];
  readonly #saved: Saved[] = [];
  readonly #sent: number[];
  #stopped = false;

  /** `first`: the number each writer goes on from. */
  constructor(port: number, journal: string | null, random: Prng, first: readonly number[]) {
    this.#port = port;
    this.#journal = journal;
    this.#random = random;
    this.#sent = Array.from({ length: WRITERS }, (_, writer) => first[writer] ?? 0);
  }

  stop(): void {
    this.#stopped = true;
  }

  async run(background: Background): Promise<LoadResult> {
    const tasks = [
      ...this.#sent.map((_, writer) => this.#write(writer)),
      ...Array.from({ length: READERS }, () => this.#read()),
      ...(background === 'nothing' ? [] : [this.#disturb(background)]),
    ];
    await Promise.all(tasks);
    return {
      acknowledged: this.#acknowledged,
      seen: this.#seen,
      saved: this.#saved,
      sent: this.#sent,
    };
  }

  #known(writer: number, number: number): Known {
    const journal = this.#journal === null ? 0 : statSync(this.#journal).size;
    return { writer, number, atMs: journalMs(), journal };
  }

  /** Runs `work` again and again; the end of the connection is the end of the server. */
  async #repeat(work: (connection: RawConnection) => Promise<void>): Promise<void> {
    let connection: RawConnection;
    try {
      connection = await RawConnection.open(this.#port);
    } catch {
      // The server was killed before this caller came.
      return;
    }
    try {
      while (!this.#stopped) await work(connection);
    } catch (error) {
      if (!/connection closed|ECONNRESET|EPIPE/.test(String(error))) throw error;
    } finally {
      connection.close();
    }
  }

  #write(writer: number): Promise<void> {
    return this.#repeat(async (connection) => {
      const number = this.#sent[writer]! + 1;
      this.#sent[writer] = number;
      const transaction = this.#random.below(3) === 0;
      const push = encodeCommand(['RPUSH', 'log', `${writer}:${number}:${transaction ? 't' : 's'}`]);
      const replies = transaction
        ? await connection.send(
            Buffer.concat([
              encodeCommand(['MULTI']),
              push,
              encodeCommand(['SET', `writer:${writer}`, String(number)]),
              encodeCommand(['EXEC']),
            ]),
            4,
          )
        : await connection.send(push, 1);
      const last = replies.at(-1)!.toString();
      if (last.startsWith('-')) throw new Error(`a write was refused: ${last}`);
      this.#acknowledged.push(this.#known(writer, number));
    });
  }

  #read(): Promise<void> {
    return this.#repeat(async (connection) => {
      const writer = this.#random.below(WRITERS);
      const [value, last] = await connection.send(
        Buffer.concat([encodeCommand(['GET', `writer:${writer}`]), encodeCommand(['LINDEX', 'log', '-1'])]),
        2,
      );
      const number = /^\$\d+\r\n(\d+)/.exec(value!.toString());
      if (number !== null) this.#seen.push(this.#known(writer, Number(number[1])));
      const entry = /^\$\d+\r\n(\d+):(\d+):/.exec(last!.toString());
      if (entry !== null) this.#seen.push(this.#known(Number(entry[1]), Number(entry[2])));
      await sleep(1);
    });
  }

  #disturb(background: Background): Promise<void> {
    return this.#repeat(async (connection) => {
      const length = Number((await connection.call(['LLEN', 'log'])).toString().slice(1));
      await connection.call([background === 'rewrite' ? 'BGREWRITEAOF' : 'BGSAVE']);
      const field = background === 'rewrite' ? 'aof_rewrite_in_progress:1' : 'rdb_bgsave_in_progress:1';
      let info = '';
      do {
        await sleep(10);
        info = (await connection.call(['INFO', 'persistence'])).toString();
      } while (info.includes(field) && !this.#stopped);
      if (background === 'save' && info.includes('rdb_last_bgsave_status:ok') && !info.includes(field)) {
        this.#saved.push({ length, journal: this.#known(0, 0).journal });
      }
      await sleep(this.#random.below(60));
    });
  }
}

/** The dataset of a server after a crash. */
export interface Recovered {
  readonly log: readonly string[];
  readonly writers: readonly (number | null)[];
  readonly keys: number;
}

/** Asks a server for what it has. */
export async function recovered(port: number): Promise<Recovered> {
  const connection = await RawConnection.open(port);
  const keys = Array.from({ length: WRITERS }, (_, writer) => `writer:${writer}`);
  const lines = (reply: Buffer): (string | null)[] => {
    const items: (string | null)[] = [];
    const text = reply.toString('latin1');
    for (let at = text.indexOf('\r\n') + 2; at < text.length; ) {
      const end = text.indexOf('\r\n', at);
      const length = Number(text.slice(at + 1, end));
      items.push(length < 0 ? null : text.slice(end + 2, end + 2 + length));
      at = end + 2 + (length < 0 ? 0 : length + 2);
    }
    return items;
  };
  const log = lines(await connection.call(['LRANGE', 'log', '0', '-1'])) as string[];
  const writers = lines(await connection.call(['MGET', ...keys]));
  const size = Number((await connection.call(['DBSIZE'])).toString().slice(1));
  connection.close();
  return { log, writers: writers.map((value) => (value === null ? null : Number(value))), keys: size };
}

/** The last number of each writer that the history has, and what it made of the other keys. */
export function fold(log: readonly string[]): { last: number[]; writers: (number | null)[] } {
  const last = Array.from({ length: WRITERS }, () => 0);
  const writers: (number | null)[] = last.map(() => null);
  for (const entry of log) {
    const [writer = 0, number = 0] = entry.split(':', 2).map(Number);
    last[writer] = number;
    if (entry.endsWith('t')) writers[writer] = number;
  }
  return { last, writers };
}

/** What is wrong with a dataset in itself: keys that do not follow from its history, gaps. Empty: nothing. */
export function inconsistencies(state: Recovered): string[] {
  const problems: string[] = [];
  const { writers } = fold(state.log);
  for (const [writer, value] of writers.entries()) {
    if (state.writers[writer] !== value) {
      problems.push(`writer:${writer} is ${state.writers[writer]} and its history says ${value}`);
    }
  }
  const expected =
    FILLERS + (state.log.length === 0 ? 0 : 1) + writers.filter((value) => value !== null).length;
  if (state.keys !== expected) problems.push(`${state.keys} keys, not ${expected}`);
  const next = Array.from({ length: WRITERS }, () => 1);
  for (const entry of state.log) {
    const [writer = 0, number = 0] = entry.split(':', 2).map(Number);
    if (number !== next[writer]) problems.push(`${entry} follows number ${next[writer]! - 1} of its writer`);
    next[writer] = number + 1;
  }
  return problems.slice(0, 5);
}

/** Starts ours on a folder, on the faulty disk when `disk` says how. */
export function startOn(
  folder: string,
  policy: Policy,
  disk: DiskOptions | null,
  ...more: string[]
): Promise<ServerProcess> {
  const options = ['--admin-port', '0', '--rdb-key-save-delay', '50', ...optionsOf(policy), ...more];
  return ServerProcess.start(REDWARDEN, folder, options, disk === null ? {} : onFaultyDisk(folder, disk));
}
