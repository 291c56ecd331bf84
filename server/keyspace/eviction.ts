/**
 * Keeps the data within maxmemory: samples keys, keeps the best candidates in a pool and deletes the best of
 * the policy. Only memory of the data counts; buffers of clients and replicas never evict a key.
 *
 *   command -> makeRoom: sample each database -> pool of 16 -> the best one is looked at again and deleted,
 *   until the data fits or half a millisecond is over; then the rest goes in slices of its own
 *
 * A candidate that was used after it was sampled is passed over: Redis would evict it.
 */
import { TYPE_STRING } from '../structures/record.ts';
import { EvictionPool } from './eviction-pool.ts';
import type { Keyspace } from './keyspace.ts';
import { lfuCounter } from './lfu.ts';

export type EvictionPolicy =
  | 'noeviction'
  | 'allkeys-lru'
  | 'allkeys-lrm'
  | 'allkeys-lfu'
  | 'allkeys-random'
  | 'volatile-lru'
  | 'volatile-lrm'
  | 'volatile-lfu'
  | 'volatile-random'
  | 'volatile-ttl';

/** Keys that a command evicts when its turn has spent its time on another one. */
const KEYS_PER_COMMAND = 3;
/** What a dataset without keys counts: a limit of a few bytes is met by none, as in Redis. */
const EMPTY_BYTES = 64;
/** Data beyond this share of maxmemory is not left to the slices. */
const OVERSHOOT_MAX = 1.1;
/** Keys evicted between two looks at the clock. */
const CLOCK_EVERY = 8;
const SLICE_PAUSE_MS = 1;
/** Microseconds of one turn for each step of maxmemory-eviction-tenacity up to 10, as in Redis. */
const TENACITY_MICROSECONDS = 50;
const TENACITY_STEEP = 10;
const TENACITY_GROWTH = 1.15;
const TENACITY_UNLIMITED = 100;
/** Samples that may bring nothing new before a policy is taken to have nothing to evict. */
const VAIN_SAMPLES_MAX = 16;

export class Eviction {
  /** Bytes; 0 = no limit. */
  maxmemory = 0;
  samples = 5;
  /** Data is being imported: its source says what goes. */
  importing = false;
  /** Minutes; the LFU counter of a key is one lower after each. */
  lfuDecayMinutes = 1;
  /** Milliseconds one turn may take; the rest follows in slices. */
  turnMs = turnMsOf(TENACITY_STEEP);
  /** Hook: a key was evicted (its DEL must be propagated). */
  onEvicted: (databaseIndex: number, key: Uint8Array) => void = () => {};
  /** Hook: whether a slice may evict now. */
  allowed: () => boolean = () => true;
  /** Milliseconds that only grow, with fractions. */
  monotonicMs: () => number = () => performance.now();
  #policy: EvictionPolicy = 'noeviction';
  #volatile = false;
  readonly #keyspace: Keyspace;
  readonly #pool = new EvictionPool();
  readonly #refs = new Uint32Array(64);
  #nextDatabase = 0;
  /** The turn that has spent its time on evicting. */
  #turn = -1;
  /** Bytes of the data when it began. */
  #turnBytes = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  get policy(): EvictionPolicy {
    return this.#policy;
  }

  set policy(policy: EvictionPolicy) {
    if (policy === this.#policy) return;
    this.#policy = policy;
    this.#volatile = policy.startsWith('volatile');
    // Scores of another policy mean nothing.
    this.#pool.clear();
  }

  /** maxmemory-eviction-tenacity, 0 to 100. */
  setTenacity(tenacity: number): void {
    this.turnMs = turnMsOf(tenacity);
  }

  /** Memory of the data, without what is on its way out. */
  get dataBytes(): number {
    return EMPTY_BYTES + this.#keyspace.arena.usedBytes - this.#keyspace.lazyFree.pendingBytes;
  }

  /** Evicts until the data fits; false when it does not fit and nothing can go. */
  makeRoom(): boolean {
    if (this.dataBytes <= this.maxmemory) return true;
    if (this.#policy === 'noeviction' || this.importing) return false;
    // The first command of a turn pays for it; the others go on by a few keys, so that a long pipeline is no
    // pause for everybody, unless they write faster than that: far beyond the limit and still growing.
    const first = this.#turn !== this.#keyspace.turn;
    if (first) this.#turnBytes = this.dataBytes;
    this.#turn = this.#keyspace.turn;
    const hurry = first || this.dataBytes > Math.max(this.#turnBytes, this.maxmemory * OVERSHOOT_MAX);
    if (!hurry) return this.#evictSome(KEYS_PER_COMMAND, Number.POSITIVE_INFINITY);
    const startMs = this.monotonicMs();
    const fits = this.#evictSome(Number.POSITIVE_INFINITY, startMs + this.turnMs);
    this.#keyspace.stats.slices.of('evict').note(this.monotonicMs() - startMs);
    return fits;
  }

  /** Evicts at most so many keys or until `endMs`; false when the data does not fit and nothing can go. */
  #evictSome(keys: number, endMs: number): boolean {
    for (let evicted = 1; ; evicted++) {
      if (!this.#evictOne()) return false;
      if (this.dataBytes <= this.maxmemory) return true;
      if (evicted === keys || (evicted % CLOCK_EVERY === 0 && this.monotonicMs() >= endMs)) break;
    }
    if (this.#timer === null) this.#schedule();
    return true;
  }

  /** Evicts in slices from the next turn on: the limit has changed. */
  begin(): void {
    if (this.#timer === null && this.maxmemory > 0 && this.dataBytes > this.maxmemory) this.#schedule();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.maxmemory === 0 || !this.allowed()) return;
      this.#keyspace.setNow(Date.now());
      this.makeRoom();
    }, SLICE_PAUSE_MS);
    this.#timer.unref();
  }

  #evictOne(): boolean {
    if (this.#policy.endsWith('random')) return this.#evictRandom();
    const { databases } = this.#keyspace;
    const pool = this.#pool;
    for (let vain = 0; vain < VAIN_SAMPLES_MAX; vain++) {
      let keys = 0;
      for (const database of databases) keys += this.#sample(database);
      if (keys === 0) return false;
      while (pool.pop()) {
        const database = databases[pool.database];
        const ref = database.findAny(pool.key, 0, pool.keyLength);
        if (ref === 0 || (this.#volatile && !this.#keyspace.records.expires(ref))) continue;
        if (this.#score(ref) < pool.score) continue;
        this.#evict(pool.database, ref, pool.key.subarray(0, pool.keyLength));
        return true;
      }
    }
    return false;
  }

  /** A random key, of one database after the other. */
  #evictRandom(): boolean {
    const { databases, records } = this.#keyspace;
    for (let tried = 0; tried < databases.length; tried++) {
      this.#nextDatabase = (this.#nextDatabase + 1) % databases.length;
      const database = databases[this.#nextDatabase];
      if (database.sampleSome(this.#refs, 1, this.#volatile) === 0) continue;
      const key = records.copyKey(this.#refs[0]);
      const ref = database.findAny(key, 0, key.length);
      this.#evict(database.index, ref, key);
      return true;
    }
    return false;
  }

  /** Offers keys of a database to the pool; how many it has that may go. */
  #sample(database: Keyspace['databases'][number]): number {
    const { records } = this.#keyspace;
    const candidates = this.#volatile ? database.expiring : database.size;
    if (candidates === 0) return 0;
    const count = database.sampleSome(this.#refs, this.samples, this.#volatile);
    for (let index = 0; index < count; index++) {
      const ref = this.#refs[index];
      const score = this.#score(ref);
      if (!this.#pool.wants(score)) continue;
      const start = records.keyStart(ref);
      this.#pool.add(score, database.index, records.segment(ref), start, records.keyLength(ref));
    }
    return count;
  }

  /** Deletes the record that `findAny` of its database has just found. */
  #evict(databaseIndex: number, ref: number, key: Uint8Array): void {
    const { databases, records, values, stats, lazyFree } = this.#keyspace;
    const type = records.type(ref);
    stats.evictedKeys++;
    stats.eviction.count(
      this.#policy,
      type === TYPE_STRING ? 'string' : values.of(type).name,
      this.#idleSeconds(ref),
    );
    const { lazily } = lazyFree;
    lazyFree.lazily = lazyFree.policy.eviction;
    databases[databaseIndex].removeFound(ref);
    lazyFree.lazily = lazily;
    this.onEvicted(databaseIndex, key);
  }

  /** The higher, the sooner it goes. */
  #score(ref: number): number {
    const { records, freshClock } = this.#keyspace;
    switch (this.#policy) {
      case 'volatile-ttl':
        return -records.expiresAtMs(ref);
      case 'allkeys-lfu':
      case 'volatile-lfu':
        return 255 - lfuCounter(records.accessClock(ref), freshClock >>> 8, this.lfuDecayMinutes);
      default:
        return (freshClock - records.accessClock(ref)) & 0xffffff;
    }
  }

  /** Since the last access, or under LRM the last change. */
  #idleSeconds(ref: number): number {
    const { records, freshClock } = this.#keyspace;
    const clock = records.accessClock(ref);
    if (!this.#policy.endsWith('lfu')) return (freshClock - clock) & 0xffffff;
    return (((freshClock >>> 8) - (clock >>> 8)) & 0xffff) * 60;
  }
}

/** How long one turn may evict, as Redis reckons it. */
function turnMsOf(tenacity: number): number {
  if (tenacity >= TENACITY_UNLIMITED) return Number.POSITIVE_INFINITY;
  if (tenacity <= TENACITY_STEEP) return (TENACITY_MICROSECONDS * tenacity) / 1000;
  return (TENACITY_MICROSECONDS * TENACITY_STEEP * TENACITY_GROWTH ** (tenacity - TENACITY_STEEP)) / 1000;
}
