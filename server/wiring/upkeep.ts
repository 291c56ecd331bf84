/**
 * What keeps the dataset in order beside the commands: expiry, eviction, freeing, compaction, the container's
 * guard, the profile; and how their deletions reach replicas, files and subscribers.
 */
import { readFileSync } from 'node:fs';
import { ActiveExpiry } from '../keyspace/active-expiry.ts';
import { Compaction } from '../keyspace/compaction.ts';
import { ContainerGuard, containerLimit } from '../keyspace/container-guard.ts';
import { NOTIFY_EVICTED, NOTIFY_EXPIRED, NOTIFY_HASH } from '../keyspace/events.ts';
import type { Server } from '../server.ts';

/** Fields that one propagated HDEL names. */
const FIELDS_PER_COMMAND = 1024;
/** Between two emptied segments of the arena that go back to the system: some 500 MiB a second. */
const GIVE_BACK_PAUSE_MS = 8;
const CONTAINER_HAS_ROOM = 'The container has room again: commands that add data are accepted.';

const monotonicMs = (): number => performance.now();

export class Upkeep {
  readonly guard: ContainerGuard;
  readonly #server: Server;
  readonly #expiry: ActiveExpiry;
  readonly #compaction: Compaction;
  #giveBackTimer: NodeJS.Timeout | null = null;

  constructor(server: Server) {
    this.#server = server;
    const { keyspace } = server;
    this.#expiry = new ActiveExpiry(keyspace, {
      allowed: () =>
        keyspace.deletesExpired &&
        keyspace.activeExpire &&
        !keyspace.switches.cronPaused &&
        server.persistence.loading === null &&
        server.scripts.suspended === null,
      afterSlice: (tookMs) => {
        server.observer.latency.note('expire-cycle', tookMs, keyspace.nowMs);
        server.turn.schedule();
      },
      monotonicMs,
    });
    this.#compaction = new Compaction(keyspace, { monotonicMs });
    this.guard = new ContainerGuard(keyspace.arena, {
      limitBytes: containerLimit((path) => readFileSync(path, 'latin1')),
      residentBytes: () => process.memoryUsage.rss(),
      onChange: (full) => server.log.warning(full ? this.#guardText() : CONTAINER_HAS_ROOM),
    });
    keyspace.lazyFree.start({ monotonicMs });
    keyspace.eviction.allowed = () =>
      server.replication.role === 'primary' &&
      server.replication.writesPausedUntilMs <= Date.now() &&
      server.persistence.loading === null &&
      server.scripts.suspended === null;
    this.#tellDeletions();
  }

  /** Once a tick, while nothing is loaded. */
  tick(nowMs: number): void {
    const { keyspace, replication } = this.#server;
    this.#expiry.tick();
    if (replication.role === 'replica') keyspace.replicaExpiry.tick();
    this.#compaction.tick();
    this.guard.tick();
    keyspace.profile.tick(nowMs);
  }

  /** Once a tick, whatever happens. */
  release(): void {
    if (this.#giveBackTimer === null) this.#giveBack();
  }

  /** One at a time: a segment takes half a millisecond. */
  #giveBack(): void {
    this.#giveBackTimer = null;
    const { arena, stats } = this.#server.keyspace;
    const startMs = monotonicMs();
    if (!arena.releaseSome(1)) return;
    stats.slices.of('give-back').note(monotonicMs() - startMs);
    this.#giveBackTimer = setTimeout(() => this.#giveBack(), GIVE_BACK_PAUSE_MS);
    this.#giveBackTimer.unref();
  }

  stop(): void {
    if (this.#giveBackTimer !== null) clearTimeout(this.#giveBackTimer);
    this.#expiry.stop();
    this.#compaction.stop();
    this.#server.keyspace.lazyFree.stop();
    this.#server.keyspace.eviction.stop();
  }

  #tellDeletions(): void {
    const { keyspace, config } = this.#server;
    const { events } = keyspace;
    const { values } = config;
    keyspace.onExpired = (database, key, start, length) => {
      this.#propagateDelete(values['lazyfree-lazy-expire'], database, key, start, length);
      events.emit(NOTIFY_EXPIRED, 'expired', database, key, start, length);
    };
    keyspace.onFieldsExpired = (database, key, fields) => {
      this.#propagateFields(database, key, fields);
      events.emit(NOTIFY_HASH, 'hexpired', database, key, 0, key.length);
    };
    keyspace.eviction.onEvicted = (database, key) => {
      this.#propagateDelete(values['lazyfree-lazy-eviction'], database, key, 0, key.length);
      events.emit(NOTIFY_EVICTED, 'evicted', database, key, 0, key.length);
    };
  }

  #propagateDelete(lazy: boolean, database: number, key: Uint8Array, start: number, length: number): void {
    const { propagation, turn } = this.#server;
    if (!propagation.active) return;
    const name = lazy ? 'UNLINK' : 'DEL';
    propagation.words(database, [name, Buffer.from(key.subarray(start, start + length))]);
    turn.schedule();
  }

  #propagateFields(database: number, key: Buffer, fields: readonly Buffer[]): void {
    const { propagation, turn } = this.#server;
    if (!propagation.active) return;
    for (let from = 0; from < fields.length; from += FIELDS_PER_COMMAND) {
      propagation.words(database, ['HDEL', key, ...fields.slice(from, from + FIELDS_PER_COMMAND)]);
    }
    turn.schedule();
  }

  #guardText(): string {
    const mebibytes = Math.floor(this.guard.limitBytes / 2 ** 20);
    return `The process has reached ${mebibytes} MiB, 90 % of the container's memory limit: commands that add data are refused (container-memory-guard). Set maxmemory, delete data or raise the limit.`;
  }
}
