/**
 * The store alone, without sockets: the longest pause while it grows, bytes per key, the cost of a lookup
 * when the keyspace is far larger than the cache, tables a slot, what the hash costs.
 */

import { NO_EXPIRY } from '../../server/keyspace/database.ts';
import { Keyspace } from '../../server/keyspace/keyspace.ts';
import { Stats } from '../../server/keyspace/stats.ts';
import { keySlot, SLOT_COUNT } from '../../server/structures/crc16.ts';
import { hashBytes, setHashKey } from '../../server/structures/hash.ts';
import { print, tableText } from './figures.ts';

const PAUSE_GATE_MS = 2;
const KEY_BYTES = 16;
const RUNS = 3;
const value = Buffer.from('v'.repeat(32));
const key = Buffer.alloc(KEY_BYTES, 0x30);
/** Upper ends of the histogram, in microseconds. */
const EDGES = [2, 10, 50, 100, 250, 500, 1000, 2000, 5000, 10_000, Number.POSITIVE_INFINITY];

export function table(quick: boolean): void {
  growth(quick ? 2_000_000 : 10_000_000);
  slots();
  hashCost();
}

function newKeyspace(perSlot: boolean): Keyspace {
  const keyspace = new Keyspace({ databases: 1, perSlot, stats: new Stats(), random: Math.random });
  keyspace.setNow(Date.now());
  return keyspace;
}

/** Writes a number into the key, as 12 decimal digits after "key:"; no allocation. */
function writeKey(index: number): void {
  key.write('key:', 0, 'latin1');
  for (let at = KEY_BYTES - 1; at >= 4; at--) {
    key[at] = 48 + (index % 10);
    index = Math.floor(index / 10);
  }
}

/**
 * Times of the same operations in several runs, of which the shortest counts: what the table does comes back
 * at the same place in every run, what else the machine does in between does not.
 */
class Pauses {
  readonly #micros: Float32Array;
  #beginMs = 0;

  constructor(operations: number) {
    this.#micros = new Float32Array(operations).fill(Number.POSITIVE_INFINITY);
  }

  begin(): void {
    this.#beginMs = performance.now();
  }

  end(at: number): void {
    const micros = (performance.now() - this.#beginMs) * 1000;
    if (micros < (this.#micros[at] ?? 0)) this.#micros[at] = micros;
  }

  report(operation: string): void {
    const histogram = EDGES.map(() => 0);
    const longest: [micros: number, at: number][] = [];
    for (const [at, micros] of this.#micros.entries()) {
      const bar = EDGES.findIndex((edge) => micros < edge);
      histogram[bar] = (histogram[bar] ?? 0) + 1;
      if (micros > 50) longest.push([micros, at]);
    }
    longest.sort((left, right) => right[0] - left[0]);
    const rows = EDGES.map((edge, at) => [`< ${edge} µs`, String(histogram[at])]);
    print(tableText([operation, 'times'], rows));
    const most = (longest[0]?.[0] ?? 0) / 1000;
    const verdict = most <= PAUSE_GATE_MS ? 'met' : 'missed';
    print(`longest ${most.toFixed(2)} ms; gate <= ${PAUSE_GATE_MS} ms: ${verdict}`);
    const few = longest.slice(0, 8).map(([micros, at]) => `${micros.toFixed(0)} µs at ${at}`);
    print(`longest ones: ${few.join(', ')}`);
  }
}

function growth(keys: number): void {
  setHashKey(1, 2);
  const adding = new Pauses(keys);
  const removing = new Pauses(keys * 0.9);
  for (let run = 0; run < RUNS; run++) {
    const keyspace = newKeyspace(false);
    grow(keyspace, keys, adding);
    const { arena } = keyspace;
    if (run === 0) {
      print(
        `bytes a key: ${(arena.usedBytes / keys).toFixed(1)} used, ${(arena.reservedBytes / keys).toFixed(1)} ` +
          `reserved (${KEY_BYTES + value.length} of them key and value)`,
      );
      lookups(keyspace, keys);
    }
    shrink(keyspace, keys, removing);
    if (run === RUNS - 1) {
      print(`${keys} keys of ${KEY_BYTES} bytes with values of ${value.length}, one after the other:`);
      adding.report('one SET that adds a key');
      removing.report('one DEL, 90 % of them in random order');
      print(
        `then ${(arena.usedBytes / 1e6).toFixed(0)} MB used, ${(arena.reservedBytes / 1e6).toFixed(0)} MB reserved, ` +
          `${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB resident with the runtime and the benchmark`,
      );
    }
    keyspace.databases[0]?.flush();
  }
}

function grow(keyspace: Keyspace, keys: number, pauses: Pauses): void {
  const [database] = keyspace.databases;
  for (let index = 0; index < keys; index++) {
    writeKey(index);
    pauses.begin();
    database?.setString(key, 0, KEY_BYTES, value, 0, value.length, NO_EXPIRY);
    pauses.end(index);
  }
}

/** 90 % of the keys go in an order of their own. */
function shrink(keyspace: Keyspace, keys: number, pauses: Pauses): void {
  const [database] = keyspace.databases;
  // A step that shares no factor with a power of ten visits every key once, far from the last one.
  const step = 7_654_321;
  for (let round = 0; round < keys * 0.9; round++) {
    writeKey((round * step) % keys);
    pauses.begin();
    database?.remove(key, 0, KEY_BYTES);
    pauses.end(round);
  }
}

/** Lookups of random keys in the large keyspace and in a part that the cache holds. */
function lookups(keyspace: Keyspace, keys: number): void {
  const [database] = keyspace.databases;
  if (database === undefined) return;
  for (const range of [10_000, keys]) {
    let seed = 1;
    let found = 0;
    const count = 2_000_000;
    const before = process.cpuUsage();
    for (let round = 0; round < count; round++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      writeKey(Math.floor((seed / 4294967296) * range));
      if (database.find(key, 0, KEY_BYTES) !== 0) found++;
    }
    const nanos = nanosSince(before, count);
    print(`lookup among ${range} of ${keys} keys: ${nanos.toFixed(0)} ns (${found} found)`);
  }
}

function slots(): void {
  const keysPerSlot = 60;
  const flat = newKeyspace(false);
  const perSlot = newKeyspace(true);
  const counts = new Uint8Array(SLOT_COUNT);
  let full = 0;
  let keys = 0;
  for (let index = 0; full < SLOT_COUNT; index++) {
    writeKey(index);
    const slot = keySlot(key, 0, KEY_BYTES);
    if (counts[slot] === keysPerSlot) continue;
    if (++counts[slot] === keysPerSlot) full++;
    keys++;
    for (const keyspace of [flat, perSlot]) {
      keyspace.databases[0]?.setString(key, 0, KEY_BYTES, value, 0, value.length, NO_EXPIRY);
    }
  }
  const bytes = (keyspace: Keyspace): string => (keyspace.arena.usedBytes / keys).toFixed(1);
  print(
    `${keysPerSlot} keys in each of ${SLOT_COUNT} slots: ${bytes(perSlot)} bytes a key, in one table ${bytes(flat)}`,
  );
  const startMs = performance.now();
  let counted = 0;
  for (let slot = 0; slot < SLOT_COUNT; slot++) counted += perSlot.databases[0]?.countInSlot(slot) ?? 0;
  print(`counting every slot: ${((performance.now() - startMs) * 1000).toFixed(0)} µs (${counted} keys)`);
  const flushMs = performance.now();
  perSlot.databases[0]?.flushSlot(1);
  print(`flushing one slot: ${((performance.now() - flushMs) * 1000).toFixed(0)} µs`);
}

/** What a hash without a key would cost: anybody can choose keys that collide under it. */
function multiplicativeHash(bytes: Uint8Array, start: number, length: number): number {
  let hash = length;
  for (let at = start; at < start + length; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) | 0;
}

function hashCost(): void {
  const rows = [8, 16, 40, 100].map((length) => {
    const bytes = Buffer.alloc(length, 0x61);
    return [
      String(length),
      nanosOf((round) => {
        bytes[0] = round & 0xff;
        return hashBytes(bytes, 0, length);
      }),
      nanosOf((round) => {
        bytes[0] = round & 0xff;
        return multiplicativeHash(bytes, 0, length);
      }),
    ];
  });
  print(tableText(['key bytes', 'HalfSipHash-1-3 ns', 'multiplicative ns'], rows));
}

/** Processor time of one of `count` operations, in nanoseconds. */
function nanosSince(before: NodeJS.CpuUsage, count: number): number {
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / count;
}

function nanosOf(run: (round: number) => number): string {
  const count = 3_000_000;
  let sum = 0;
  for (let round = 0; round < count / 10; round++) sum ^= run(round);
  const before = process.cpuUsage();
  for (let round = 0; round < count; round++) sum ^= run(round);
  const nanos = nanosSince(before, count);
  return sum === 0x7fffffff ? '-' : nanos.toFixed(1);
}
