/**
 * All data of one server and what happens around a change of it: the moment of a snapshot, WATCH, the count
 * of changes for save points. The rooms above hang in by the fields marked as hooks.
 */
import { Arena } from '../structures/arena.ts';
import { keySlot } from '../structures/crc16.ts';
import { Records, TYPE_STRING } from '../structures/record.ts';
import { Table } from '../structures/table.ts';
import { TableExpiry } from '../structures/table-expiry.ts';
import { TableSample } from '../structures/table-sample.ts';
import { ValueStore } from '../values/value-store.ts';
import { Values } from '../values/values.ts';
import { Database } from './database.ts';
import { DatasetProfile } from './dataset-profile.ts';
import { DebugSwitches } from './debug-switches.ts';
import { KeyEvents } from './events.ts';
import { Eviction } from './eviction.ts';
import { KeyTouch } from './key-touch.ts';
import { LazyFree } from './lazy-free.ts';
import { LFU_INITIAL, lfuAfterAccess } from './lfu.ts';
import { ReplicaExpiry } from './replica-expiry.ts';
import type { Stats } from './stats.ts';
import { StringRecords } from './string-records.ts';
import { Watches } from './watch.ts';

const ALL_SLOTS = -1;

export interface KeyspaceOptions {
  readonly databases: number;
  /** Cluster mode: one table a slot. */
  readonly perSlot: boolean;
  readonly stats: Stats;
  /** Random numbers in [0, 1), for sampling. */
  readonly random: () => number;
}

export class Keyspace {
  readonly perSlot: boolean;
  #lfu = false;
  readonly #touchLru: (ref: number) => void;
  readonly arena = new Arena();
  readonly records: Records;
  readonly strings: StringRecords;
  readonly keyTouch = new KeyTouch(this);
  readonly table: Table;
  /** The database that asked `table` last. */
  finder: Database | null = null;
  /** What has expired in the tables of keys. */
  readonly expiry: TableExpiry;
  /** No key expires before this moment, unix ms, as far as is known. */
  soonestExpiryMs = Number.POSITIVE_INFINITY;
  /** Hook: a key will expire before all that were known. */
  onSooner: () => void = () => {};
  readonly tableSample: TableSample;
  /** What keys of other types than strings hold. */
  readonly values: Values;
  /** Where large values end. */
  readonly lazyFree: LazyFree;
  readonly events = new KeyEvents();
  readonly profile: DatasetProfile;
  readonly replicaExpiry = new ReplicaExpiry(this);
  databases: Database[];
  readonly watches = new Watches();
  readonly eviction: Eviction;
  readonly stats: Stats;
  readonly random: () => number;
  /** Counts the turns. */
  turn = 0;
  /** Unix ms, set once a turn by the server. */
  nowMs = 0;
  /** 24-bit access clock that a new or touched record gets; set with `nowMs`. */
  freshClock = 0;
  #held: [(ref: number) => void, (ref: number) => void] = [noTrace, noTrace];
  /** Stamps or counts an access. */
  touchAccess: (ref: number) => void;
  /** Like `touchAccess`, for a record that is about to change. */
  touchChange: (ref: number) => void;
  /** Changes since the last successful save. */
  dirty = 0;
  /** Number of the running or last snapshot, 8 bits: every new or changed record is stamped with it. */
  epoch = 1;
  /** Hook: a record that the running snapshot has not seen is about to change or go. */
  snapshotHook: ((databaseIndex: number, ref: number) => void) | null = null;
  /** Hook: whether somebody takes the value of a key that goes; it is theirs then. */
  adopt: ((ref: number) => boolean) | null = null;
  /** A database loses a whole table of keys: true when the snapshot keeps it until it has seen each. */
  adoptTable: ((database: number, header: number) => boolean) | null = null;
  /** Hook: a key expired here and was deleted (its DEL must be propagated). */
  onExpired: (databaseIndex: number, key: Uint8Array, start: number, length: number) => void = () => {};
  /** Hook: fields of a hash expired here and were deleted (their HDEL must be propagated). */
  onFieldsExpired: (databaseIndex: number, key: Buffer, fields: readonly Buffer[]) => void = () => {};
  readonly switches = new DebugSwitches();
  /** DEBUG SET-ACTIVE-EXPIRE: false leaves expired keys until somebody meets them. */
  activeExpire = true;
  /** False on a replica: the primary says when a key has expired. */
  deletesExpired = true;

  constructor(options: KeyspaceOptions) {
    this.perSlot = options.perSlot;
    this.stats = options.stats;
    this.random = options.random;
    this.records = new Records(this.arena);
    this.strings = new StringRecords(this.arena, this.records);
    this.table = new Table(this.arena, this.records);
    this.expiry = new TableExpiry(this.arena, this.records);
    this.tableSample = new TableSample(this.arena, this.records);
    this.values = new Values(new ValueStore(this.arena, this.records, options.random));
    this.lazyFree = new LazyFree(this);
    this.eviction = new Eviction(this);
    this.profile = new DatasetProfile(this);
    this.#touchLru = (ref) => this.records.setAccessClock(ref, this.freshClock);
    this.touchAccess = this.#touchLru;
    this.touchChange = this.#touchLru;
    this.databases = Array.from({ length: options.databases }, (_, index) => new Database(this, index));
  }

  /** True while the primary's stream or a file is applied: expired keys and fields are visible to it. */
  get seesExpired(): boolean {
    return this.values.store.seesExpired;
  }

  set seesExpired(sees: boolean) {
    this.values.store.seesExpired = sees;
  }

  /** Sets the clock of this turn. */
  setNow(nowMs: number): void {
    this.nowMs = nowMs;
    this.turn++;
    this.values.store.nowMs = nowMs;
    this.freshClock = this.#lfu
      ? ((Math.floor(nowMs / 60000) & 0xffff) << 8) | LFU_INITIAL
      : Math.floor(nowMs / 1000) & 0xffffff;
  }

  /** How accesses are kept: LFU policies count them, LRU ones stamp them, LRM ones stamp changes alone. */
  useClock(kind: 'lru' | 'lrm' | 'lfu', decayMinutes: number, logFactor: number): void {
    this.#lfu = kind === 'lfu';
    const countAccess = (ref: number): void => {
      const clock = this.records.accessClock(ref);
      const minutes = this.freshClock >>> 8;
      const next = lfuAfterAccess(clock, minutes, decayMinutes, logFactor, this.random);
      this.records.setAccessClock(ref, next);
    };
    this.touchChange = this.#lfu ? countAccess : this.#touchLru;
    this.touchAccess = kind === 'lrm' ? () => {} : this.touchChange;
    this.eviction.lfuDecayMinutes = decayMinutes;
    this.setNow(this.nowMs);
  }

  /** From here on accesses leave no trace, until `releaseTouches`. */
  holdTouches(): void {
    this.#held = [this.touchAccess, this.touchChange];
    this.touchAccess = noTrace;
    this.touchChange = noTrace;
  }

  releaseTouches(): void {
    [this.touchAccess, this.touchChange] = this.#held;
  }

  /** A key or a field will expire then. */
  noteExpiry(expiresAtMs: number): void {
    if (expiresAtMs >= this.soonestExpiryMs) return;
    this.soonestExpiryMs = expiresAtMs;
    this.onSooner();
  }

  /** Every change of a key ends here: counts it and breaks the WATCH of others. */
  changed(databaseIndex: number, key: Uint8Array, start: number, length: number): void {
    this.dirty++;
    if (this.watches.size !== 0) this.watches.touch(databaseIndex, key, start, length);
  }

  /** Frees a record that no table names any more, with its value. */
  release(ref: number): void {
    if (this.records.type(ref) !== TYPE_STRING) this.releaseValue(ref);
    this.records.release(ref);
  }

  /** Frees the value of a key that is no string and gets another value or goes. */
  releaseValue(ref: number): void {
    if (!this.adopt?.(ref)) this.lazyFree.release(ref);
  }

  /** All keys of a database, or of one slot of it, go with their tables: who watches one must know. */
  noteFlushed(database: Database, slot = ALL_SLOTS): void {
    if (this.watches.watchedKeys === 0) return;
    this.watches.touchWhere(database.index, (key) => {
      const concerned = slot === ALL_SLOTS || !this.perSlot || keySlot(key, 0, key.length) === slot;
      return concerned && database.findLive(key, 0, key.length) !== 0;
    });
  }

  /**
   * Removes every key of every database; the number removed. At once, however many there are, unless a
   * snapshot must see each, or a dataset is being loaded beside this one in the same arena.
   */
  flushAll(): number {
    const removed = this.size;
    let tables = this.lazyFree.pendingTables;
    for (const database of this.databases) tables += database.tables;
    if (this.snapshotHook !== null || tables !== this.table.live) {
      for (const database of this.databases) database.flush();
      return removed;
    }
    for (const database of this.databases) this.noteFlushed(database);
    this.arena.clear();
    this.table.live = 0;
    this.values.elements.live = 0;
    this.lazyFree.forget();
    if (this.lazyFree.lazily) this.lazyFree.count(removed);
    for (const database of this.databases) database.forget();
    return removed;
  }

  /** True when there may be a hash with fields that expire. */
  get fieldsExpire(): boolean {
    return this.databases.some((database) => database.fields.size !== 0);
  }

  /** Keys in all databases. */
  get size(): number {
    let size = 0;
    for (const database of this.databases) size += database.size;
    return size;
  }
}

function noTrace(): void {}
