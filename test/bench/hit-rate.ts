/**
 * Hit rates under maxmemory: the same trace to every server, each with room for the same number of keys, next
 * to what true LRU and true LFU would have had. Popularity follows Zipf and drifts, because a cache whose
 * favourites never change needs no policy. The trace is paced: clocks of keys count seconds.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Prng } from '../../server/structures/prng.ts';
import { encodeCommand, RawConnection } from '../support/raw-connection.ts';
import type { ServerKind } from '../support/server-process.ts';
import { Contestant, callOnce } from './contestant.ts';
import { print, tableText } from './figures.ts';

const POLICIES = [
  'allkeys-lru',
  'allkeys-lrm',
  'allkeys-lfu',
  'allkeys-random',
  'volatile-lru',
  'volatile-lrm',
  'volatile-lfu',
  'volatile-random',
  'volatile-ttl',
] as const;
type Policy = (typeof POLICIES)[number];

const VALUE = 'v'.repeat(100);
const BATCH = 100;
const ZIPF = 0.99;
/** Part of the trace after which the favourites have moved on by `DRIFT` of all keys. */
const DRIFT_EVERY = 0.1;
const DRIFT = 0.002;
const ROOM = 0.1;
const SEED = 42;
/** Batches between two looks at the number of keys. */
const ADJUST_EVERY = 5;

/** maxmemory as it is now, and what a key takes. */
interface Memory {
  limit: number;
  readonly keyBytes: number;
}

interface Trace {
  readonly keys: number;
  readonly room: number;
  /** Key of each access. */
  readonly accesses: Uint32Array;
  readonly seconds: number;
}

/** Keys by rank, as Zipf has it; ranks are dealt out anew a little at every step of the drift. */
function makeTrace(keys: number, length: number, seconds: number): Trace {
  const random = new Prng(SEED);
  const cumulated = new Float64Array(keys);
  let sum = 0;
  for (let rank = 0; rank < keys; rank++) {
    sum += 1 / (rank + 1) ** ZIPF;
    cumulated[rank] = sum;
  }
  const accesses = new Uint32Array(length);
  const step = Math.max(1, Math.floor(length * DRIFT_EVERY));
  for (let index = 0; index < length; index++) {
    const wanted = random.fraction() * sum;
    let low = 0;
    let high = keys - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cumulated[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    const drift = Math.floor(Math.floor(index / step) * keys * DRIFT);
    accesses[index] = (low + drift) % keys;
  }
  return { keys, room: Math.floor(keys * ROOM), accesses, seconds };
}

/** Hit rate of a cache that always evicts the key whose last use is longest ago. */
function trueLru(trace: Trace): number {
  const cache = new Map<number, true>();
  let hits = 0;
  for (const key of trace.accesses) {
    if (cache.delete(key)) hits++;
    else if (cache.size >= trace.room) cache.delete(cache.keys().next().value as number);
    cache.set(key, true);
  }
  return hits / trace.accesses.length;
}

/** Hit rate of a cache that always evicts the key used least often, of equals the one longest ago. */
function trueLfu(trace: Trace): number {
  const uses = new Map<number, number>();
  const byUses: Map<number, true>[] = [];
  let lowest = 1;
  let hits = 0;
  for (const key of trace.accesses) {
    const before = uses.get(key) ?? 0;
    if (before > 0) {
      hits++;
      byUses[before]?.delete(key);
    } else if (uses.size >= trace.room) {
      while ((byUses[lowest]?.size ?? 0) === 0) lowest++;
      const victim = byUses[lowest]?.keys().next().value as number;
      byUses[lowest]?.delete(victim);
      uses.delete(victim);
    }
    if (before === 0) lowest = 1;
    uses.set(key, before + 1);
    byUses[before + 1] ??= new Map();
    byUses[before + 1]?.set(key, true);
  }
  return hits / trace.accesses.length;
}

/** A key's time to live: always the same one, in no relation to how often it is used. */
function secondsOf(key: number): number {
  return 10_000 + ((key * 7919) % 100_003);
}

function setCommand(policy: Policy, key: number): Buffer {
  const words = ['SET', `key:${key}`, VALUE];
  return encodeCommand(policy.startsWith('volatile') ? [...words, 'EX', String(secondsOf(key))] : words);
}

/** The hit rate of a server, undefined when it does not know the policy. */
async function measure(kind: ServerKind, policy: Policy, trace: Trace): Promise<number | undefined> {
  const contestant = await Contestant.start(kind);
  try {
    const connection = await RawConnection.open(contestant.port);
    const known = await connection.call(['CONFIG', 'SET', 'maxmemory-policy', policy]);
    if (known.toString()[0] === '-') return undefined;
    const empty = await contestant.usedBytes();
    for (let from = 0; from < trace.room; from += BATCH) {
      const commands = Array.from({ length: BATCH }, (_, index) =>
        setCommand(policy, trace.keys + from + index),
      );
      await connection.send(Buffer.concat(commands), BATCH);
    }
    const limit = await contestant.usedBytes();
    print(`${contestant.name}: ${policy}, ${((limit - empty) / trace.room).toFixed(0)} bytes a key`);
    const keyBytes = (limit - empty) / trace.room;
    await callOnce(contestant.port, ['CONFIG', 'SET', 'maxmemory', String(limit)]);
    const hits = await replay(connection, policy, trace, { limit, keyBytes });
    connection.close();
    return hits / trace.accesses.length;
  } finally {
    await contestant.stop();
  }
}

/** Buffers count as memory in some servers: the limit follows the number of keys held. */
async function adjust(connection: RawConnection, trace: Trace, memory: Memory): Promise<void> {
  const reply = await connection.call(['DBSIZE']);
  const held = Number(reply.toString('latin1', 1));
  memory.limit = Math.round(memory.limit + ((trace.room - held) * memory.keyBytes) / 2);
  await connection.call(['CONFIG', 'SET', 'maxmemory', String(memory.limit)]);
}

/** Reads every key of the trace and writes those that are missing; the number that were there. */
async function replay(
  connection: RawConnection,
  policy: Policy,
  trace: Trace,
  memory: Memory,
): Promise<number> {
  const startMs = performance.now();
  let hits = 0;
  for (let from = 0; from < trace.accesses.length; from += BATCH) {
    const keys = trace.accesses.subarray(from, from + BATCH);
    const replies = await connection.send(
      Buffer.concat(Array.from(keys, (key) => encodeCommand(['GET', `key:${key}`]))),
      keys.length,
    );
    const missing = Array.from(keys).filter((_, index) => replies[index]?.toString('latin1', 0, 3) === '$-1');
    hits += keys.length - missing.length;
    if (missing.length > 0) {
      const commands = missing.map((key) => setCommand(policy, key));
      await connection.send(Buffer.concat(commands), missing.length);
    }
    if ((from / BATCH) % ADJUST_EVERY === 0) await adjust(connection, trace, memory);
    const dueMs = startMs + (from / trace.accesses.length) * trace.seconds * 1000;
    if (dueMs > performance.now() + 5) await sleep(dueMs - performance.now());
  }
  return hits;
}

export async function hitRate(quick: boolean, peers: readonly ServerKind[]): Promise<void> {
  const trace = quick ? makeTrace(50_000, 200_000, 8) : makeTrace(1_000_000, 4_000_000, 60);
  const kinds = ['redwarden-server', ...peers] as const;
  const percent = (rate: number | undefined): string =>
    rate === undefined ? '-' : `${(rate * 100).toFixed(2)} %`;
  const rows: string[][] = [];
  for (const policy of POLICIES) {
    const row: string[] = [policy];
    for (const kind of kinds) row.push(percent(await measure(kind, policy, trace)));
    rows.push(row);
  }
  print(
    `room for ${trace.room} of ${trace.keys} keys, ${trace.accesses.length} reads, Zipf ${ZIPF} with drift`,
  );
  print(`true LRU ${percent(trueLru(trace))}, true LFU ${percent(trueLfu(trace))}`);
  print(tableText(['policy', ...kinds], rows));
}
