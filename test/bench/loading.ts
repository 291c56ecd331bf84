/**
 * Loading at the start: files that redis-server wrote, one shape of data each, read by ours and by the peers
 * in turn. Seconds are those that the server logs for the load alone; processor time is that of all threads
 * and of the main thread at the first PONG, less that of a start without a file.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryRoot } from '../kind/environment.ts';
import { findProgram } from '../kind/packages.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { freePort, type ServerKind, ServerProcess } from '../support/server-process.ts';
import { callOnce } from './contestant.ts';
import { print, spreadOf, spreadText, tableText } from './figures.ts';
import { fill } from './load.ts';

const MIB = 2 ** 20;
const TICK_MICROS = 10_000;
const READY_MS_MAX = 300_000;
const RDB_GATE = 1 / 0.8;
const AOF_GATE = 1;

/** One kind of data: command `index` of as many as make a MiB, each adding `keys` keys or elements. */
interface Shape {
  readonly name: string;
  readonly commandsPerMib: number;
  readonly command: (index: number) => readonly string[];
  readonly appendOnly?: true;
}

// biome-ignore format: a table, one shape a row
const SHAPES: readonly Shape[] = [
  { name: 'strings of 32 bytes',    commandsPerMib: 20_000, command: (i) => ['SET', `key:${i}`, noise(i, 32)] },
  { name: 'strings of 200 bytes',   commandsPerMib: 4600,   command: (i) => ['SET', `key:${i}`, noise(i, 200)] },
  { name: 'text of 200 bytes, LZF', commandsPerMib: 7000,   command: (i) => ['SET', `key:${i}`, text(i, 200)] },
  { name: 'strings with a TTL',     commandsPerMib: 17_000, command: (i) => ['SET', `key:${i}`, noise(i, 32), 'EX', String(100_000 + i)] },
  { name: 'hashes of 10 fields',    commandsPerMib: 6000,   command: (i) => ['HSET', `key:${i}`, ...pairs(i, 10)] },
  { name: 'lists of 10',            commandsPerMib: 6000,   command: (i) => ['RPUSH', `key:${i}`, ...many(i, 10)] },
  { name: 'hashes of 1000 fields',  commandsPerMib: 2500,   command: (i) => ['HSET', `key:${Math.floor(i / 100)}`, ...pairs(i, 10)] },
  { name: 'sets of 1000 members',   commandsPerMib: 4000,   command: (i) => ['SADD', `key:${Math.floor(i / 100)}`, ...many(i, 10)] },
  { name: 'sorted sets of 1000',    commandsPerMib: 2800,   command: (i) => ['ZADD', `key:${Math.floor(i / 100)}`, ...scored(i, 10)] },
  { name: 'one sorted set',         commandsPerMib: 2800,   command: (i) => ['ZADD', 'key', ...scored(i, 10)] },
  { name: 'AOF of SET, 32 bytes',   commandsPerMib: 12_000, command: (i) => ['SET', `key:${i}`, noise(i, 32)], appendOnly: true },
  { name: 'AOF of HSET and INCR',   commandsPerMib: 12_000, command: (i) => (i & 1) === 0 ? ['HSET', `key:${i % 50_000}`, ...pairs(i, 2)] : ['INCR', `counter:${i % 50_000}`], appendOnly: true },
];

/** `length` characters that do not compress and are the same in every run. */
function noise(seed: number, length: number): string {
  let out = '';
  for (let part = 0; out.length < length; part++)
    out += createHash('md5').update(`${seed}:${part}`).digest('base64');
  return out.slice(0, length);
}

function text(seed: number, length: number): string {
  const record = `{"id":${seed},"name":"user ${seed}","mail":"user${seed}@example.org","roles":["reader","writer"],`;
  return `${record}"seen":${seed * 7919},"state":"${noise(seed, 24)}","roles":["reader"],"name":"x"}`
    .padEnd(length, ' ')
    .slice(0, length);
}

function many(seed: number, count: number): string[] {
  const all = noise(seed, count * 10);
  return Array.from({ length: count }, (_, k) => `${seed}:${k}:${all.slice(k * 10, k * 10 + 10)}`);
}

function pairs(seed: number, count: number): string[] {
  return many(seed, count).flatMap((value, k) => [`field:${seed % 100}:${k}`, value]);
}

function scored(seed: number, count: number): string[] {
  return many(seed, count).flatMap((member, k) => [String(((seed * 7919 + k) % 1_000_003) / 8), member]);
}

interface Load {
  readonly seconds: number;
  readonly cpu: number;
  readonly mainCpu: number;
}

export async function loading(mebibytes: number, rounds: number, only: string, peers: readonly ServerKind[]) {
  if (findProgram('redis-server') === undefined) throw new Error('redis-server is needed to write the files');
  const rows: string[][] = [];
  for (const shape of SHAPES.filter(({ name }) => name.includes(only))) {
    const directory = mkdtempSync(path.join(tmpdir(), 'redwarden-loading-'));
    try {
      await write(shape, mebibytes, directory);
      rows.push(...(await compare(shape, directory, rounds, ['redwarden-server', ...peers])));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  const head = ['shape', 'server', 'log s', 'CPU s', 'main thread s', 'log', 'CPU', 'main', 'gate'];
  print(tableText(head, rows));
}

async function write(shape: Shape, mebibytes: number, directory: string): Promise<void> {
  const aof = shape.appendOnly === true;
  const argv = ['--save', '', '--appendonly', aof ? 'yes' : 'no', '--appendfsync', 'no'];
  const server = await ServerProcess.start('redis-server', argv);
  try {
    await fill(server.port, Math.round(mebibytes * shape.commandsPerMib), shape.command);
    if (!aof) await callOnce(server.port, ['SAVE']);
    const file = aof ? 'appendonlydir' : 'dump.rdb';
    cpSync(path.join(server.directory, file), path.join(directory, file), { recursive: true });
  } finally {
    await server.stop();
  }
}

async function compare(
  shape: Shape,
  directory: string,
  rounds: number,
  kinds: readonly ServerKind[],
): Promise<string[][]> {
  const aof = shape.appendOnly === true;
  const empty = mkdtempSync(path.join(tmpdir(), 'redwarden-loading-'));
  const loads = new Map<ServerKind, Load[]>();
  try {
    for (let round = 0; round < rounds; round++) {
      for (const kind of kinds) {
        const idle = await load(kind, empty, false);
        const busy = await load(kind, directory, aof);
        const difference = { cpu: busy.cpu - idle.cpu, mainCpu: busy.mainCpu - idle.mainCpu };
        loads.set(kind, [...(loads.get(kind) ?? []), { seconds: busy.seconds, ...difference }]);
      }
    }
  } finally {
    rmSync(empty, { recursive: true, force: true });
  }
  const spread = (kind: ServerKind, what: keyof Load) =>
    spreadOf((loads.get(kind) ?? []).map((one) => one[what]));
  const file = path.join(directory, 'dump.rdb');
  const size = aof ? '' : `, ${Math.round(statSync(file).size / MIB)} MiB`;
  const [ours, ...peers] = kinds;
  return kinds.map((kind) => {
    const ratio = (what: keyof Load): string =>
      (spread(ours ?? kind, what).median / spread(peers[0] ?? kind, what).median).toFixed(2);
    const figures = (['seconds', 'cpu', 'mainCpu'] as const).map((what) => spreadText(spread(kind, what), 2));
    const gate = (aof ? AOF_GATE : RDB_GATE).toFixed(2);
    const ratios = kind === ours ? [ratio('seconds'), ratio('cpu'), ratio('mainCpu'), `<= ${gate}`] : [];
    return [`${shape.name}${size}`, kind, ...figures, ...ratios];
  });
}

/** Starts a server on a directory and ends it as soon as it answers PING. */
async function load(kind: ServerKind, directory: string, aof: boolean): Promise<Load> {
  const port = await freePort();
  const ours = path.join(repositoryRoot, 'server/bin/redwarden-server');
  const program = kind === 'redwarden-server' ? ours : (findProgram(kind) ?? kind);
  const argv = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory];
  argv.push('--appendonly', aof ? 'yes' : 'no');
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    await untilReady(child, port);
    const times = processorSeconds(child.pid ?? 0);
    // The line about the load may be behind in the pipe.
    await sleep(20);
    const found = /DB loaded from (?:disk|append only file): ([\d.]+) seconds/.exec(output);
    return { seconds: Number(found?.[1] ?? 0), ...times };
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

async function untilReady(child: ChildProcess, port: number): Promise<void> {
  const limit = performance.now() + READY_MS_MAX;
  while (performance.now() < limit && child.exitCode === null) {
    const connection = await RawConnection.open(port).catch(() => undefined);
    if (connection !== undefined) {
      const answer = await connection.call(['PING']).catch(() => Buffer.alloc(0));
      connection.close();
      if (answer.toString().startsWith('+PONG')) return;
    }
    await sleep(25);
  }
  throw new Error(`a server was not ready within ${READY_MS_MAX} ms`);
}

/** Of all threads (in ticks) and of the main one (in nanoseconds), since the process began. */
function processorSeconds(pid: number): { cpu: number; mainCpu: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const cpu = ((Number(fields[11]) + Number(fields[12])) * TICK_MICROS) / 1e6;
  const schedule = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8');
  return { cpu, mainCpu: Number(schedule.split(' ')[0]) / 1e9 };
}
