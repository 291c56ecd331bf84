/** What one steady client notices while a thousand clients connect, sign in and read at once. */
import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeCommand } from '../support/raw-connection.ts';
import type { ServerKind } from '../support/server-process.ts';
import { Contestant, callOnce } from './contestant.ts';
import { percentile, print, spreadOf, spreadText, tableText } from './figures.ts';
import { LineConnection } from './load.ts';
import { fillKeys } from './paced-writes.ts';

const CLIENTS = 1000;
const REQUESTS = 10;
const KEYS = 1000;
const GATE_MS = 20;
const WAVE_MS_MAX = 60_000;
const SETTLE_MS = 500;

export async function wave(quick: boolean, peers: readonly ServerKind[]): Promise<void> {
  const rows: string[][] = [];
  let verdict = '';
  for (const kind of ['redwarden-server', ...peers] as const) {
    const contestant = await Contestant.start(kind, ['--maxclients', '5000']);
    try {
      await fillKeys(contestant.port, KEYS);
      await callOnce(contestant.port, ['ACL', 'SETUSER', 'default', '>secret']);
      const { calm, during, tookMs } = await measure(contestant.port, quick ? 4 : 20);
      const text = (times: Float64Array): string[] =>
        [50, 99, 100].map((percent) => percentile(times, percent).toFixed(2));
      rows.push([contestant.name, 'alone', String(calm.length), ...text(calm), '']);
      rows.push([
        contestant.name,
        'during waves',
        String(during.length),
        ...text(during),
        spreadText(spreadOf(tookMs), 0),
      ]);
      const added = percentile(during, 99) - percentile(calm, 99);
      const met = added <= GATE_MS ? 'met' : 'missed';
      if (kind === 'redwarden-server') {
        verdict = `gate: ${CLIENTS} clients at once add <= ${GATE_MS} ms of p99 (+${added.toFixed(2)}): ${met}`;
      }
    } finally {
      await contestant.stop();
    }
  }
  print(tableText(['server', 'steady GETs', 'count', 'p50 ms', 'p99 ms', 'max ms', 'a wave took, ms'], rows));
  print(verdict);
}

interface Waves {
  readonly calm: Float64Array;
  readonly during: Float64Array;
  readonly tookMs: readonly number[];
}

async function measure(port: number, waves: number): Promise<Waves> {
  const steady = await LineConnection.open(port);
  await steady.batch(encodeCommand(['AUTH', 'secret']), 1);
  const get = encodeCommand(['GET', 'key:0000000001']);
  let times: number[] = [];
  let running = true;
  const asking = (async (): Promise<void> => {
    while (running) {
      times.push(await steady.batch(get, 2));
      await sleep(1);
    }
  })();
  const clients = fork(
    path.join(import.meta.dirname, 'wave-clients.ts'),
    [port, CLIENTS, REQUESTS].map(String),
  );
  try {
    await answer(clients);
    await oneWave(clients);
    await sleep(SETTLE_MS);
    times = [];
    await sleep(waves * SETTLE_MS);
    const calm = Float64Array.from(times).sort();
    const during: number[] = [];
    const tookMs: number[] = [];
    for (let turn = 0; turn < waves; turn++) {
      times = [];
      tookMs.push(await oneWave(clients));
      during.push(...times);
      await sleep(SETTLE_MS);
    }
    return { calm, during: Float64Array.from(during).sort(), tookMs };
  } finally {
    running = false;
    clients.kill();
    await asking;
    steady.close();
  }
}

function oneWave(clients: ChildProcess): Promise<number> {
  clients.send('go');
  return answer(clients);
}

/** Milliseconds that the clients say they took. */
function answer(clients: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the wave did not end')), WAVE_MS_MAX);
    clients.once('message', (said: { ms?: number; error?: string }) => {
      clearTimeout(timer);
      if (said.ms === undefined) reject(new Error(said.error));
      else resolve(said.ms);
    });
  });
}
