/**
 * Keeps the data within maxmemory: samples keys and deletes the best candidates of the policy. Only memory of
 * the data counts; buffers of clients and replicas never evict a key.
 */
import type { Keyspace } from './keyspace.ts';

export type EvictionPolicy =
  | 'noeviction'
  | 'allkeys-lru'
  | 'allkeys-lfu'
  | 'allkeys-random'
  | 'volatile-lru'
  | 'volatile-lfu'
  | 'volatile-random'
  | 'volatile-ttl';

/** Samples in a row without a candidate after which the policy is taken to have nothing to evict. */
const EMPTY_ROUNDS_MAX = 64;
/** Keys one call may delete before the client is answered; what is left goes with the next one. */
const EVICTED_PER_CALL_MAX = 256;

export class Eviction {
  /** Bytes; 0 = no limit. */
  maxmemory = 0;
  policy: EvictionPolicy = 'noeviction';
  samples = 5;
  /** Hook: a key was evicted (its DEL must be propagated). */
  onEvicted: (databaseIndex: number, key: Uint8Array) => void = () => {};
  readonly #keyspace: Keyspace;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  /** Evicts until the data fits; false when it does not fit and nothing can go. */
  makeRoom(): boolean {
    const arena = this.#keyspace.arena;
    if (arena.usedBytes <= this.maxmemory) return true;
    if (this.policy === 'noeviction') return false;
    for (let evicted = 0; arena.usedBytes > this.maxmemory; evicted++) {
      if (evicted === EVICTED_PER_CALL_MAX) return true;
      if (!this.#evictOne()) return false;
    }
    return true;
  }

  #evictOne(): boolean {
    const { databases, records } = this.#keyspace;
    const volatile = this.policy.startsWith('volatile');
    let best = 0;
    let bestScore = Number.NEGATIVE_INFINITY;
    let bestDatabase = 0;
    for (const database of databases) {
      if ((volatile ? database.expiring : database.size) === 0) continue;
      let seen = 0;
      for (let round = 0; seen < this.samples && round < EMPTY_ROUNDS_MAX + this.samples; round++) {
        const ref = database.sample();
        if (ref === 0) break;
        if (volatile && !records.expires(ref)) continue;
        seen++;
        const score = this.#score(ref);
        if (score <= bestScore) continue;
        best = ref;
        bestScore = score;
        bestDatabase = database.index;
      }
    }
    if (best === 0) return false;
    const start = records.keyStart(best);
    const key = Buffer.from(records.segment(best).subarray(start, start + records.keyLength(best)));
    const database = databases[bestDatabase];
    database.removeFound(database.findAny(key, 0, key.length));
    this.#keyspace.stats.evictedKeys++;
    this.onEvicted(bestDatabase, key);
    return true;
  }

  /** The higher, the sooner it goes. */
  #score(ref: number): number {
    const { records, freshClock, random } = this.#keyspace;
    switch (this.policy) {
      case 'volatile-ttl':
        return -records.expiresAtMs(ref);
      case 'allkeys-random':
      case 'volatile-random':
        return random();
      case 'allkeys-lfu':
      case 'volatile-lfu':
        return 255 - (records.accessClock(ref) & 0xff);
      default:
        return (freshClock - records.accessClock(ref)) & 0xffffff;
    }
  }
}

/** LFU in the 24 bits of the access clock: 16 bits of minutes, 8 bits of a logarithmic counter. */
export const LFU_INITIAL = 5;

/** The clock after one more access: decayed by the minutes since, then perhaps one up. */
export function lfuAfterAccess(
  clock: number,
  nowMinutes: number,
  decayMinutes: number,
  logFactor: number,
  random: () => number,
): number {
  const counter = lfuCounter(clock, nowMinutes, decayMinutes);
  const base = Math.max(0, counter - LFU_INITIAL);
  const up = counter < 255 && random() < 1 / (base * logFactor + 1) ? counter + 1 : counter;
  return ((nowMinutes & 0xffff) << 8) | up;
}

/** The counter as it stands now, decayed. */
export function lfuCounter(clock: number, nowMinutes: number, decayMinutes: number): number {
  if (decayMinutes === 0) return clock & 0xff;
  const idle = (nowMinutes - (clock >>> 8)) & 0xffff;
  return Math.max(0, (clock & 0xff) - Math.floor(idle / decayMinutes));
}
