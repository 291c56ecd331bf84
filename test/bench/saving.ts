/**
 * A save beside paced writes: how long its slices are (measured inside), what other clients feel, what memory
 * it takes. `run.ts saving --mib 1024` is the gate; less shows the same, sooner.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeCommand } from '../support/raw-connection.ts';
import { waitUntil } from '../support/wait-until.ts';
import { Contestant, callOnce } from './contestant.ts';
import { percentile, print, tableText } from './figures.ts';
import { fill, LineConnection } from './load.ts';

const VALUE_BYTES = 200;
const WRITES_A_SECOND = 50_000;
const BATCH = 50;
const READERS = 2;
const SAVE_MS_MAX = 600_000;
const SLICE_GATE_MICROS = 2000;
const TAIL_GATE_MS = 2;
const MEMORY_GATE_BYTES = 64 * 2 ** 20;
const MIB = 2 ** 20;

interface Phase {
  readonly times: Float64Array;
  readonly writesPerSecond: number;
  readonly writes: number;
}

export async function saving(mebibytes: number): Promise<void> {
  const contestant = await Contestant.start('redwarden-server');
  try {
    const { port } = contestant;
    const value = 'v'.repeat(VALUE_BYTES - 12);
    const keys = Math.floor((mebibytes * MIB) / (VALUE_BYTES + 24));
    await fill(port, keys, (index) => ['SET', `key:${index}`, `${value}${index}`]);
    await load(port, keys, afterMs(2000));
    const alone = await load(port, keys, afterMs(8000));
    const before = contestant.memory().residentBytes;
    let peak = before;
    const cpuBefore = contestant.processorMicros();
    const startMs = performance.now();
    await callOnce(port, ['BGSAVE']);
    const during = await load(port, keys, async () => {
      peak = Math.max(peak, contestant.memory().residentBytes);
      return (await callOnce(port, ['INFO', 'persistence'])).includes('rdb_bgsave_in_progress:0');
    });
    const seconds = (performance.now() - startMs) / 1000;
    const shown = ({ times, writesPerSecond }: Phase): string[] => [
      String(Math.round(writesPerSecond)),
      ...[50, 99, 99.9, 100].map((percent) => percentile(times, percent).toFixed(2)),
    ];
    print(
      tableText(
        [`${mebibytes} MiB, ${keys} keys`, 'writes/s', 'GET p50 ms', 'p99 ms', 'p99.9 ms', 'max ms'],
        [
          ['alone', ...shown(alone)],
          ['during BGSAVE', ...shown(during)],
        ],
      ),
    );
    const cpu = (contestant.processorMicros() - cpuBefore) / 1e6;
    print(
      `the save took ${seconds.toFixed(1)} s, the process ${cpu.toFixed(1)} s of processor time meanwhile`,
    );
    await gates(port, { alone, during, extraBytes: peak - before });
  } finally {
    await contestant.stop();
  }
}

async function gates(
  port: number,
  { alone, during, extraBytes }: { alone: Phase; during: Phase; extraBytes: number },
): Promise<void> {
  const debug = await callOnce(port, ['INFO', 'debug']);
  for (const line of debug.split('\r\n')) if (line.startsWith('snapshot_')) print(line);
  const cost = /rdb_last_cow_size:(\d+)/.exec(await callOnce(port, ['INFO', 'persistence']))?.[1];
  const longest = Number(/snapshot_undisturbed_slice_usec:.*max=(\d+)/.exec(debug)?.[1]);
  const tail = percentile(during.times, 99.9) - percentile(alone.times, 99.9);
  const changed = during.writes * VALUE_BYTES;
  const verdict = (met: boolean): string => (met ? 'met' : 'NOT met');
  print(
    `gate: slices <= ${SLICE_GATE_MICROS} us while nobody took the processor: ${verdict(longest <= SLICE_GATE_MICROS)}`,
  );
  print(`gate: p99.9 <= alone + ${TAIL_GATE_MS} ms (+${tail.toFixed(2)}): ${verdict(tail <= TAIL_GATE_MS)}`);
  print(
    `gate: extra memory <= what changed (at most ${Math.round(changed / MIB)} MiB) + 64 MiB: resident ` +
      `+${Math.round(extraBytes / MIB)} MiB, rdb_last_cow_size ${cost}: ` +
      verdict(extraBytes <= changed + MEMORY_GATE_BYTES),
  );
}

function afterMs(ms: number): () => Promise<boolean> {
  const endMs = performance.now() + ms;
  return () => Promise.resolve(performance.now() >= endMs);
}

/** Paced random writes and clients that read one key at a time, until `done`. */
async function load(port: number, keys: number, done: () => Promise<boolean>): Promise<Phase> {
  let running = true;
  let writes = 0;
  const times: number[] = [];
  const value = 'w'.repeat(VALUE_BYTES - 12);
  const startMs = performance.now();
  const writer = async (): Promise<void> => {
    const connection = await LineConnection.open(port);
    while (running) {
      const due = ((performance.now() - startMs) / 1000) * WRITES_A_SECOND;
      if (writes >= due) {
        await sleep(1);
        continue;
      }
      const batch = Array.from({ length: BATCH }, () => {
        const index = Math.floor(Math.random() * keys);
        return encodeCommand(['SET', `key:${index}`, `${value}${index}`]);
      });
      await connection.batch(Buffer.concat(batch), BATCH);
      writes += BATCH;
    }
    connection.close();
  };
  const reader = async (): Promise<void> => {
    const connection = await LineConnection.open(port);
    while (running) {
      const index = Math.floor(Math.random() * keys);
      // A reply in two lines: length and value.
      times.push(await connection.batch(encodeCommand(['GET', `key:${index}`]), 2));
      await sleep(1);
    }
    connection.close();
  };
  const clients = [writer(), ...Array.from({ length: READERS }, reader)];
  await waitUntil('the end of the load', SAVE_MS_MAX, async () => ((await done()) ? true : undefined), 100);
  running = false;
  await Promise.all(clients);
  const writesPerSecond = writes / ((performance.now() - startMs) / 1000);
  return { times: Float64Array.from(times).sort(), writesPerSecond, writes };
}
