/**
 * Gives memory back that random deletes have scattered: when much more is held than used, the emptiest
 * segments of the arena are emptied by a walk over all tables, in slices of a millisecond at a quarter of the
 * time. The walk merges tables that have become sparse on its way.
 *
 *   reserved > used * 1.2 + 16 MiB  ->  choose segments -> walk: headers, directories, buckets, records -> rest
 *
 * It stops for a snapshot, which holds refs across turns. What large values hold beside their key's record
 * stays where it is; their segments are used again at the end of the walk.
 */
import { ENCODING_INTSET, ENCODING_LISTPACK, Records, TYPE_STRING } from '../structures/record.ts';
import { TableTidy } from '../structures/table-tidy.ts';
import type { Keyspace } from './keyspace.ts';

const SLICE_MS = 1;
const PAUSE_MS = 3;
/** Memory held may be so many times what is used, and so many bytes more, before it is worth a walk. */
const HELD_FACTOR = 1.2;
const HELD_BYTES = 16 * 1024 * 1024;
/** Room that the segments which stay must have, in bytes used. */
const ROOM_FACTOR = 1.08;
/** After a walk that could not help, memory must have changed so much before the next one. */
const CHANGE_FACTOR = 0.05;
/** Between two walks. */
const REST_MS = 1000;

export interface CompactionOptions {
  /** Milliseconds that only grow, with fractions. */
  monotonicMs(): number;
}

export class Compaction {
  /** Walks that came to their end, records and blocks they moved. */
  runs = 0;
  moved = 0;
  readonly #keyspace: Keyspace;
  readonly #options: CompactionOptions;
  readonly #tidy: TableTidy;
  #timer: NodeJS.Timeout | null = null;
  /** Database, slot and directory entry where the walk goes on. */
  #database = 0;
  #slot = 0;
  #entry = 0;
  #restUntilMs = 0;
  /** Bytes used and reserved when the last walk ended. */
  #lastUsed = 0;
  #lastReserved = 0;

  constructor(keyspace: Keyspace, options: CompactionOptions) {
    this.#keyspace = keyspace;
    this.#options = options;
    this.#tidy = new TableTidy(keyspace.arena, keyspace.records);
  }

  /** Whether a walk goes on. */
  get running(): boolean {
    return this.#timer !== null;
  }

  /** At every tick; begins a walk when there is reason to. */
  tick(): void {
    if (this.running || this.#keyspace.snapshotHook !== null) return;
    const { arena } = this.#keyspace;
    if (arena.reservedBytes <= arena.usedBytes * HELD_FACTOR + HELD_BYTES) return;
    if (this.#options.monotonicMs() < this.#restUntilMs || !this.#changed()) return;
    this.#database = 0;
    this.#slot = 0;
    this.#entry = 0;
    arena.startLeaving(ROOM_FACTOR);
    this.#slice();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#keyspace.arena.stopLeaving();
  }

  #changed(): boolean {
    const { arena } = this.#keyspace;
    return (
      Math.abs(arena.usedBytes - this.#lastUsed) > this.#lastUsed * CHANGE_FACTOR ||
      Math.abs(arena.reservedBytes - this.#lastReserved) > this.#lastReserved * CHANGE_FACTOR
    );
  }

  #slice(): void {
    this.#timer = null;
    if (this.#keyspace.snapshotHook !== null) {
      this.#end();
      return;
    }
    const endMs = this.#options.monotonicMs() + SLICE_MS;
    while (this.#step()) {
      if (this.#options.monotonicMs() < endMs) continue;
      this.#timer = setTimeout(() => this.#slice(), PAUSE_MS);
      this.#timer.unref();
      return;
    }
    this.runs++;
    this.#end();
  }

  #end(): void {
    const { arena } = this.#keyspace;
    arena.stopLeaving();
    this.#lastUsed = arena.usedBytes;
    this.#lastReserved = arena.reservedBytes;
    this.#restUntilMs = this.#options.monotonicMs() + REST_MS;
  }

  /** One segment of one table; false at the end of the walk. */
  #step(): boolean {
    const database = this.#keyspace.databases[this.#database];
    if (database === undefined) return false;
    const slots = database.slots;
    while (this.#slot < slots && !database.hasTable(this.#slot)) this.#slot++;
    if (this.#slot >= slots) {
      this.#database++;
      this.#slot = 0;
      return true;
    }
    this.#entry = database.tidySlot(this.#slot, this.#tidy, this.#entry, this.#moveRecord);
    if (this.#entry === 0) this.#slot++;
    return true;
  }

  readonly #moveRecord = (ref: number): number => {
    const { arena, records } = this.#keyspace;
    const next = this.#move(ref);
    if (records.type(next) !== TYPE_STRING) {
      const encoding = records.encoding(next);
      const oneBlock = encoding === ENCODING_LISTPACK || encoding === ENCODING_INTSET;
      if (oneBlock && arena.leaves(records.root(next))) records.setRoot(next, this.#move(records.root(next)));
    } else if (records.chunked(next)) {
      const count = Records.chunkCount(records.valueLength(next));
      for (let index = 0; index < count; index++)
        records.setChunk(next, index, this.#move(records.chunk(next, index)));
    }
    return next;
  };

  #move(ref: number): number {
    const { arena } = this.#keyspace;
    if (!arena.leaves(ref)) return ref;
    this.moved++;
    return arena.move(ref);
  }
}
