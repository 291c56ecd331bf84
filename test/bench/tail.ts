/**
 * What one client notices while the server does something large: a PING every half millisecond on a
 * connection of its own, its longest answers during growth, freeing, expiry, eviction and compaction. For our
 * own server also what it did meanwhile: its slices of work (INFO slices) and commands that took long
 * (LATENCY LATEST), which a busy machine lengthens less than the answers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerKind } from '../support/server-process.ts';
import { Contestant, callOnce } from './contestant.ts';
import { percentile, print, tableText } from './figures.ts';
import { fill, LineConnection } from './load.ts';

const PROBE_PAUSE_MS = 0.5;
const PING = Buffer.from('*1\r\n$4\r\nPING\r\n');
const SETTLE_MS = 1000;
const VALUE = 'v'.repeat(32);
/** Commands that take so long are told one by one. */
const LONG_COMMAND_MS = 2;

/** Asks again and again until it is stopped; milliseconds of every answer. */
class Probe {
  readonly #connection: LineConnection;
  readonly #answersMs: number[] = [];
  #running = true;
  #done: Promise<void> = Promise.resolve();

  private constructor(connection: LineConnection) {
    this.#connection = connection;
  }

  static async start(port: number): Promise<Probe> {
    const probe = new Probe(await LineConnection.open(port));
    probe.#done = probe.#ask();
    return probe;
  }

  async stop(): Promise<Float64Array> {
    this.#running = false;
    await this.#done;
    this.#connection.close();
    return Float64Array.from(this.#answersMs).sort();
  }

  async #ask(): Promise<void> {
    while (this.#running) {
      this.#answersMs.push(await this.#connection.batch(PING, 1));
      await sleep(PROBE_PAUSE_MS);
    }
  }
}

interface Scene {
  readonly name: string;
  /** Done before the probe starts. */
  prepare?(port: number): Promise<void>;
  run(port: number): Promise<void>;
}

const keyOf = (index: number): string => `key:${String(index).padStart(12, '0')}`;

/** Every key but one in ten, in no order. */
async function deleteMost(port: number, keys: number): Promise<void> {
  const step = 7_919_993;
  await fill(port, keys, (index) => {
    const key = (index * step) % keys;
    return key % 10 === 0 ? ['PING'] : ['DEL', keyOf(key)];
  });
}

function scenes(keys: number): Scene[] {
  const elements = keys / 10;
  return [
    { name: 'nothing', run: () => sleep(3000) },
    {
      name: `growing to ${keys} keys`,
      run: (port) => fill(port, keys, (index) => ['SET', keyOf(index), VALUE]),
    },
    {
      name: `DEL of a hash of ${elements} fields`,
      prepare: (port) => fill(port, elements, (index) => ['HSET', 'hash', `field:${index}`, VALUE]),
      run: (port) => callOnce(port, ['DEL', 'hash']).then(() => sleep(SETTLE_MS)),
    },
    {
      name: `${elements} keys expire at once`,
      prepare: (port) => expireSoon(port, elements),
      run: () => sleep(6000),
    },
    {
      name: 'evicting a tenth',
      run: (port) => evictTenth(port),
    },
    {
      name: 'compacting after nine of ten were deleted',
      prepare: (port) => deleteMost(port, keys),
      run: () => sleep(15_000),
    },
    { name: 'FLUSHALL', run: (port) => callOnce(port, ['FLUSHALL']).then(() => sleep(SETTLE_MS)) },
  ];
}

async function expireSoon(port: number, count: number): Promise<void> {
  const atMs = Date.now() + 3000 + count / 200;
  await fill(port, count, (index) => ['SET', `soon:${index}`, VALUE, 'PXAT', String(atMs)]);
}

async function evictTenth(port: number): Promise<void> {
  const memory = await callOnce(port, ['INFO', 'memory']);
  const used = Number(/used_memory:(\d+)/.exec(memory)?.[1]);
  await callOnce(port, ['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru']);
  await callOnce(port, ['CONFIG', 'SET', 'maxmemory', String(Math.floor(used * 0.9))]);
  await fill(port, 20_000, (index) => ['SET', `more:${index}`, VALUE]);
  await sleep(SETTLE_MS * 3);
  await callOnce(port, ['CONFIG', 'SET', 'maxmemory', '0']);
}

/** What the server itself did since `forget`, one row a kind of work. */
async function inside(port: number, scene: string): Promise<string[][]> {
  const info = await callOnce(port, ['INFO', 'slices']);
  const rows: string[][] = [];
  for (const line of info.matchAll(
    /^slices_(\S+?):count=(\d+),usec=\d+,longest_usec=(\d+).*to_2000=(\d+)/gm,
  )) {
    const [, work = '', count = '', longest = '', within = ''] = line;
    const above = String(Number(count) - Number(within));
    rows.push([scene, work, count, above, (Number(longest) / 1000).toFixed(2)]);
  }
  const latest = (await callOnce(port, ['LATENCY', 'LATEST'])).split(',');
  for (const event of ['command', 'fast-command']) {
    const at = latest.indexOf(event);
    if (at >= 0) rows.push([scene, event, `${LONG_COMMAND_MS} ms and more`, '', latest[at + 3] ?? '']);
  }
  return rows;
}

async function forget(port: number): Promise<void> {
  await callOnce(port, ['CONFIG', 'RESETSTAT']);
  await callOnce(port, ['CONFIG', 'SET', 'latency-monitor-threshold', String(LONG_COMMAND_MS)]);
  await callOnce(port, ['LATENCY', 'RESET']);
}

export async function tail(quick: boolean, peers: readonly ServerKind[]): Promise<void> {
  const keys = quick ? 1_000_000 : 10_000_000;
  const rows: string[][] = [];
  const work: string[][] = [];
  for (const kind of ['redwarden-server', ...peers] as const) {
    const contestant = await Contestant.start(kind);
    try {
      for (const scene of scenes(keys)) {
        await scene.prepare?.(contestant.port);
        await forget(contestant.port);
        const probe = await Probe.start(contestant.port);
        await scene.run(contestant.port);
        const answers = await probe.stop();
        if (kind === 'redwarden-server') work.push(...(await inside(contestant.port, scene.name)));
        const text = (ms: number): string => ms.toFixed(2);
        rows.push([
          scene.name,
          contestant.name,
          String(answers.length),
          text(percentile(answers, 50)),
          text(percentile(answers, 99)),
          text(percentile(answers, 99.9)),
          text(answers.at(-1) ?? 0),
        ]);
      }
    } finally {
      await contestant.stop();
    }
  }
  print(tableText(['while', 'server', 'answers', 'p50 ms', 'p99 ms', 'p99.9 ms', 'longest ms'], rows));
  print(tableText(['while', 'work', 'slices', 'above 2 ms', 'longest ms'], work));
}
