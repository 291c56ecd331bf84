/**
 * Keys that clients of a writable replica gave an expiry. The primary knows nothing of them and sends no DEL,
 * so the replica ends them itself; all other expired keys are the primary's business.
 */
import type { Keyspace } from './keyspace.ts';

/** Beyond this many a key is not noted: it stays, unseen by clients, until it is written again. */
const KEYS_MAX = 100_000;
/** Keys looked at in one tick. */
const KEYS_PER_TICK = 1000;

export class ReplicaExpiry {
  readonly #keyspace: Keyspace;
  /** `database:key` in latin1. */
  readonly #names = new Set<string>();

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  get size(): number {
    return this.#names.size;
  }

  /** A client has written this key. */
  note(databaseIndex: number, bytes: Uint8Array, start: number, length: number): void {
    const { records, databases } = this.#keyspace;
    const ref = databases[databaseIndex].findAny(bytes, start, length);
    if (ref === 0 || !records.expires(ref) || this.#names.size >= KEYS_MAX) return;
    const key = Buffer.prototype.latin1Slice.call(bytes, start, start + length);
    this.#names.add(`${databaseIndex}:${key}`);
  }

  /** Deletes what has expired of some of them. */
  tick(): void {
    let left = KEYS_PER_TICK;
    for (const name of this.#names) {
      if (left-- === 0) break;
      this.#names.delete(name);
      if (!this.#endOne(name)) this.#names.add(name);
    }
  }

  /** All keys are the primary's again, or this server is one. */
  clear(): void {
    this.#names.clear();
  }

  /** True when there is nothing more to wait for. */
  #endOne(name: string): boolean {
    const { records, databases, nowMs, stats } = this.#keyspace;
    const colon = name.indexOf(':');
    const database = databases[Number(name.slice(0, colon))];
    const key = Buffer.from(name.slice(colon + 1), 'latin1');
    const ref = database.findAny(key, 0, key.length);
    if (ref === 0 || !records.expires(ref)) return true;
    if (records.expiresAtMs(ref) > nowMs) return false;
    database.removeFound(ref);
    stats.expiredKeys++;
    return true;
  }
}
