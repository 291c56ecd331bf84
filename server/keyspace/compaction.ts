/**
 * Gives memory back that random deletes have scattered: when much more is held than used, the emptiest
 * segments of the arena are emptied by a walk over all tables, in slices of a millisecond at a quarter of the
 * time. The walk merges tables that have become sparse on its way.
 *
 *   reserved > used * 1.1 + 4 MiB -> choose segments -> walk: headers, directories, buckets, records -> rest
 *
 * It stops for a snapshot, which holds refs across turns. What large values hold beside their key's record
 * stays where it is; their segments are used again at the end of the walk.
 */
import { UsedMemory } from '../structures/arena.ts';
import { ENCODING_INTSET, ENCODING_LISTPACK, Records, TYPE_STRING } from '../structures/record.ts';
import { TableTidy } from '../structures/table-tidy.ts';
import type { Keyspace } from './keyspace.ts';

const SLICE_MS = 1;
const PAUSE_MS = 3;
/** Memory held may be so many times what is used, and so many bytes more, before it is worth a walk. */
const HELD_FACTOR = 1.1;
const HELD_BYTES = 4 * 1024 * 1024;
/** Room that the segments which stay must have, in bytes used. */
const ROOM_FACTOR = 1.04;
/** After a walk that could not help, memory must have changed so much before the next one. */
const CHANGE_FACTOR = 0.02;
/** Slabs of the arena looked at between two looks at the clock. */
const SLABS_PER_STEP = 2048;
/** Between two walks. */
const REST_MS = 1000;
/**
 * Data that shrinks so much from tick to tick may empty segments by itself: a walk waits for its end, but not
 * long.
 */
const SHRINKING_FACTOR = 0.995;
const SHRINKING_MS_MAX = 10_000;

export interface CompactionOptions {
  /** Milliseconds that only grow, with fractions. */
  monotonicMs(): number;
}

type Phase = 'count' | 'choose' | 'unlink' | 'walk' | 'relink';

export class Compaction {
  /** Walks that came to their end, records and blocks they moved. */
  runs = 0;
  moved = 0;
  readonly #keyspace: Keyspace;
  readonly #options: CompactionOptions;
  readonly #tidy: TableTidy;
  #timer: NodeJS.Timeout | null = null;
  #phase: Phase = 'count';
  /** Segments, fullest first. */
  #segments: number[] = [];
  /** Next slab (or place in `#segments`) of a phase that goes through them, and what they hold. */
  #slab = 0;
  #used = new UsedMemory(0);
  /** Database, slot and directory entry where the walk goes on. */
  #database = 0;
  #slot = 0;
  #entry = 0;
  #restUntilMs = 0;
  /** Bytes used and reserved when the last walk began: one that changed them is worth another. */
  #lastUsed = 0;
  #lastReserved = 0;
  /** Bytes used at the last tick, and when there was none of scattered data that shrinks. */
  #tickUsed = 0;
  #steadyMs = 0;

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
    const { arena } = this.#keyspace;
    const shrinking = arena.usedBytes < this.#tickUsed * SHRINKING_FACTOR;
    this.#tickUsed = arena.usedBytes;
    if (this.running || this.#keyspace.snapshotHook !== null) return;
    const nowMs = this.#options.monotonicMs();
    const scattered = arena.reservedBytes > arena.usedBytes * HELD_FACTOR + HELD_BYTES;
    if (!scattered || !shrinking) this.#steadyMs = nowMs;
    if (!scattered || (shrinking && nowMs - this.#steadyMs < SHRINKING_MS_MAX)) return;
    if (nowMs < this.#restUntilMs || !this.#changed()) return;
    this.#database = 0;
    this.#slot = 0;
    this.#entry = 0;
    this.#phase = 'count';
    this.#slab = 0;
    this.#used = new UsedMemory(arena.bytes.length);
    this.#lastUsed = arena.usedBytes;
    this.#lastReserved = arena.reservedBytes;
    this.#slice();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#end();
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
    const startMs = this.#options.monotonicMs();
    let more = true;
    let tookMs = 0;
    while (more && tookMs < SLICE_MS) {
      more = this.#step();
      tookMs = this.#options.monotonicMs() - startMs;
    }
    this.#keyspace.stats.slices.of('compact').note(tookMs);
    if (more) {
      this.#timer = setTimeout(() => this.#slice(), PAUSE_MS);
      this.#timer.unref();
      return;
    }
    this.runs++;
    this.#restUntilMs = this.#options.monotonicMs() + REST_MS;
  }

  /** Ends a walk at once, wherever it is. */
  #end(): void {
    const { arena } = this.#keyspace;
    arena.stopLeaving();
    arena.relink(0, arena.slabs);
    this.#restUntilMs = this.#options.monotonicMs() + REST_MS;
  }

  /** A small piece of the present phase; false when all is done. */
  #step(): boolean {
    const { arena } = this.#keyspace;
    if (this.#phase === 'walk') {
      if (this.#walk()) return true;
      arena.stopLeaving();
      this.#begin('relink');
      return true;
    }
    if (this.#phase === 'choose') {
      const segment = this.#segments[this.#slab++];
      if (segment === undefined) this.#begin('unlink');
      else arena.leaveSlabs(segment, this.#used.blocks);
      return true;
    }
    const to = Math.min(this.#slab + SLABS_PER_STEP, arena.slabs);
    if (this.#phase === 'count') arena.countUsed(this.#used, this.#slab, to);
    else arena.relink(this.#slab, to);
    this.#slab = to;
    if (to < arena.slabs) return true;
    if (this.#phase === 'relink') return false;
    if (this.#phase === 'unlink') {
      this.#begin('walk');
      return true;
    }
    this.#segments = arena.startLeaving(this.#used, ROOM_FACTOR);
    const { blocks } = this.#used;
    for (let sizeClass = 0; sizeClass < blocks.length; sizeClass++) blocks[sizeClass] *= ROOM_FACTOR;
    this.#begin('choose');
    return true;
  }

  #begin(phase: Phase): void {
    this.#phase = phase;
    this.#slab = 0;
  }

  /** One segment of one table; false at the end of the walk. */
  #walk(): boolean {
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
