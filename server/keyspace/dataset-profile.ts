/**
 * What the dataset is made of, without ever walking over it: a few random keys at each tick, remembered in a
 * ring, stand for all.
 *
 *   tick -> some keys -> ring of (prefix, bytes, expires) -> shares of the whole by prefix
 *
 * The number of keys without TTL is exact; bytes and prefixes are estimates from at most RING samples. A
 * prefix is a key's name up to its first colon.
 */
import { TYPE_STRING } from '../structures/record.ts';
import type { Keyspace } from './keyspace.ts';

const RING = 4096;
const SAMPLES_PER_TICK = 8;
/** Elements of a large value that its size is estimated from. */
const ELEMENTS_SAMPLED = 5;
const PREFIX_BYTES_MAX = 64;
const COLON = 58;
/** Growth is measured over this many intervals. */
const GROWTH_POINTS = 30;
const GROWTH_INTERVAL_MS = 10_000;
const MINUTE_MS = 60_000;

/** What keys of one prefix are estimated to be; all are numbers of the whole dataset. */
export interface PrefixShare {
  /** In latin1; empty for keys without a colon. */
  readonly prefix: string;
  readonly keys: number;
  readonly bytes: number;
  readonly keysWithoutTtl: number;
}

export interface DatasetReport {
  readonly keysWithoutTtl: number;
  /** Estimated. */
  readonly bytesWithoutTtl: number;
  /** Keys without TTL that came (or went, negative) per minute, over the last five minutes at most. */
  readonly growthPerMinute: number;
  /** Samples behind the estimates. */
  readonly samples: number;
  /** The largest by bytes. */
  readonly prefixes: readonly PrefixShare[];
}

interface Sample {
  readonly prefix: string;
  readonly bytes: number;
  readonly expires: boolean;
}

export class DatasetProfile {
  readonly #keyspace: Keyspace;
  readonly #ring: Sample[] = [];
  #next = 0;
  /** Keys without TTL now and then, oldest first. */
  readonly #history: { readonly atMs: number; readonly keys: number }[] = [];

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  /** At every tick: looks at a few keys. */
  tick(nowMs: number): void {
    const last = this.#history.at(-1);
    if (last === undefined || nowMs - last.atMs >= GROWTH_INTERVAL_MS) {
      this.#history.push({ atMs: nowMs, keys: this.#keysWithoutTtl() });
      if (this.#history.length > GROWTH_POINTS) this.#history.shift();
    }
    const { size } = this.#keyspace;
    if (size === 0) {
      this.#ring.length = 0;
      this.#next = 0;
      return;
    }
    for (let count = 0; count < SAMPLES_PER_TICK; count++) this.#take(size);
  }

  report(nowMs: number, prefixesMax: number): DatasetReport {
    const { size, arena } = this.#keyspace;
    const keysWithoutTtl = this.#keysWithoutTtl();
    const samples = this.#ring.length;
    const sampledBytes = this.#ring.reduce((sum, sample) => sum + sample.bytes, 0);
    const keysEach = samples === 0 ? 0 : size / samples;
    const scale = sampledBytes === 0 ? 0 : arena.usedBytes / sampledBytes;
    const groups = Map.groupBy(this.#ring, (sample) => sample.prefix);
    const bytesOf = (some: readonly Sample[]): number =>
      Math.round(some.reduce((sum, sample) => sum + sample.bytes, 0) * scale);
    const shares = [...groups].map(([prefix, some]) => ({
      prefix,
      keys: Math.round(some.length * keysEach),
      bytes: bytesOf(some),
      keysWithoutTtl: Math.round(some.filter((sample) => !sample.expires).length * keysEach),
    }));
    return {
      keysWithoutTtl,
      bytesWithoutTtl: bytesOf(this.#ring.filter((sample) => !sample.expires)),
      growthPerMinute: this.#growth(nowMs, keysWithoutTtl),
      samples,
      prefixes: shares.sort((one, other) => other.bytes - one.bytes).slice(0, prefixesMax),
    };
  }

  #keysWithoutTtl(): number {
    let keys = 0;
    for (const database of this.#keyspace.databases) keys += database.size - database.expiring;
    return keys;
  }

  #growth(nowMs: number, keys: number): number {
    const first = this.#history[0];
    if (first === undefined || nowMs - first.atMs < GROWTH_INTERVAL_MS) return 0;
    return Math.round(((keys - first.keys) / (nowMs - first.atMs)) * MINUTE_MS);
  }

  /** A key of any database, each with the same chance. */
  #take(size: number): void {
    const { databases, records, values, random } = this.#keyspace;
    let place = random() * size;
    const database = databases.find((each) => {
      place -= each.size;
      return place < 0;
    });
    const ref = database?.sample() ?? 0;
    if (ref === 0) return;
    const type = records.type(ref);
    const held = type === TYPE_STRING ? 0 : values.of(type).heldBytes(ref, ELEMENTS_SAMPLED);
    const bytes = records.heldBytes(ref) + held;
    this.#ring[this.#next] = { prefix: this.#prefixOf(ref), bytes, expires: records.expires(ref) };
    this.#next = (this.#next + 1) % RING;
  }

  #prefixOf(ref: number): string {
    const { records } = this.#keyspace;
    const segment = records.segment(ref);
    const start = records.keyStart(ref);
    const length = Math.min(records.keyLength(ref), PREFIX_BYTES_MAX);
    for (let at = start; at < start + length; at++)
      if (segment[at] === COLON) return segment.latin1Slice(start, at + 1);
    return '';
  }
}
