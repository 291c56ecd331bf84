/**
 * What a save and a greedy client do to the others: the time of single writes with and without BGSAVE under
 * way, and beside a client that pipelines a thousand commands.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeCommand } from '../support/raw-connection.ts';
import type { ServerKind } from '../support/server-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { Contestant, callOnce } from './contestant.ts';
import { percentile, print, tableText } from './figures.ts';
import { fill, LineConnection } from './load.ts';

const KEYS = 1_000_000;
const WRITERS = 4;
const FAIRNESS_GATE_MS = 2;
const GREEDY_COMMANDS = 1000;

/** Times of single commands, ascending, in milliseconds. */
type Times = Float64Array;

export async function snapshot(quick: boolean, peers: readonly ServerKind[]): Promise<void> {
  const rows: string[][] = [];
  const seconds = quick ? 3 : 8;
  for (const kind of ['redwarden-server', ...peers.slice(0, 1)] as const) {
    const contestant = await Contestant.start(kind);
    try {
      await fill(contestant.port, KEYS, (index) => ['SET', `key:${index}`, `${'v'.repeat(24)}${index}`]);
      const add = (name: string, times: Times): void => {
        rows.push([contestant.name, name, String(times.length), ...shown(times)]);
      };
      await writeFor(contestant.port, 1000);
      add('alone', await writeFor(contestant.port, seconds * 1000));
      const startMs = performance.now();
      await callOnce(contestant.port, ['BGSAVE']);
      add('during BGSAVE', await writeUntil(contestant.port, () => saved(contestant.port)));
      print(
        `${contestant.name}: BGSAVE of ${KEYS} keys beside the writes took ${Math.round(performance.now() - startMs)} ms`,
      );
      add(`beside pipelines of ${GREEDY_COMMANDS}`, await besideGreedy(contestant.port, seconds * 1000));
    } finally {
      await contestant.stop();
    }
  }
  print(
    tableText(
      ['server', `${WRITERS} clients, one SET at a time`, 'SETs', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms'],
      rows,
    ),
  );
  print(
    `gate: p99 beside a pipeline of ${GREEDY_COMMANDS} <= ${FAIRNESS_GATE_MS} ms; the load runs on the same processors`,
  );
}

function shown(times: Times): string[] {
  return [50, 99, 99.9, 100].map((percent) => percentile(times, percent).toFixed(2));
}

async function saved(port: number): Promise<boolean> {
  return (await callOnce(port, ['INFO', 'persistence'])).includes('rdb_bgsave_in_progress:0');
}

async function writeFor(port: number, ms: number): Promise<Times> {
  const endMs = performance.now() + ms;
  return writeUntil(port, () => Promise.resolve(performance.now() >= endMs));
}

/** Some clients change random keys, one command at a time each, until `done`. */
async function writeUntil(port: number, done: () => Promise<boolean>): Promise<Times> {
  let running = true;
  const times: number[] = [];
  const writer = async (): Promise<void> => {
    const connection = await LineConnection.open(port);
    while (running) {
      const index = Math.floor(Math.random() * KEYS);
      times.push(
        await connection.batch(encodeCommand(['SET', `key:${index}`, `${'w'.repeat(24)}${index}`]), 1),
      );
    }
    connection.close();
  };
  const writers = Array.from({ length: WRITERS }, writer);
  await waitUntil('the end of the writes', 60_000, async () => ((await done()) ? true : undefined), 50);
  running = false;
  await Promise.all(writers);
  return Float64Array.from(times).sort();
}

async function besideGreedy(port: number, ms: number): Promise<Times> {
  const greedy = await LineConnection.open(port);
  const commands = Array.from({ length: GREEDY_COMMANDS }, (_, index) =>
    encodeCommand(['GET', `none:${index}`]),
  );
  const batch = Buffer.concat(commands);
  let running = true;
  const load = (async (): Promise<void> => {
    while (running) await greedy.batch(batch, GREEDY_COMMANDS);
  })();
  await sleep(100);
  const times = await writeFor(port, ms);
  running = false;
  await load;
  greedy.close();
  return times;
}
