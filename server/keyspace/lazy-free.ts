/**
 * Frees large values and whole tables in slices of a millisecond, so that nobody waits for the end of a key
 * with a million elements.
 *
 *   a key goes -> release(type, encoding, root): small: at once;  large: the root joins the queue
 *   slice: the oldest in the queue is freed by a few hundred elements, until the millisecond is over
 *
 * What the configuration or UNLINK wants freed in the background is counted as such
 * (lazyfree_pending_objects, lazyfreed_objects), as Redis counts it; what it wants freed at once and is too
 * large for that goes the same way uncounted. Memory that waits is counted in `pendingBytes`, so that
 * eviction does not free as much again. Until `start` (and when the queue is full) all is freed at once.
 */
import { TableWalk } from '../structures/table-walk.ts';
import type { Keyspace } from './keyspace.ts';

const SLICE_MS = 1;
const PAUSE_MS = 3;
/** With so much memory waiting the pauses are as short as a timer can be. */
const HURRY_BYTES = 256 * 1024 * 1024;
const HURRY_PAUSE_MS = 1;
/** Elements freed between two looks at the clock. */
const BUDGET = 256;
/** Fewer are freed at once even in the background. */
const LAZY_EFFORT_MIN = 64;
/** More are never freed at once: about a millisecond's work. */
const EFFORT_MAX = 4096;
/** Values in the queue; beyond it they are freed at once. */
const QUEUE_MAX = 65_536;
/** Elements looked at to estimate what a value holds. */
const SAMPLES = 5;
export interface LazyFreeOptions {
  /** Milliseconds that only grow, with fractions. */
  monotonicMs(): number;
}

/** Frees about so many elements of what waits; true when all of it has gone. */
type Step = (budget: number) => boolean;

interface Waiting {
  readonly step: Step;
  /** Objects counted as pending; 0: uncounted. */
  readonly objects: number;
  /** Bytes that it still holds, about. */
  bytes: number;
}

/** What the parameters lazyfree-lazy-… say. */
export interface LazyFreePolicy {
  eviction: boolean;
  expire: boolean;
  serverDel: boolean;
  userDel: boolean;
  userFlush: boolean;
}

export class LazyFree {
  readonly policy: LazyFreePolicy = {
    eviction: false,
    expire: false,
    serverDel: false,
    userDel: false,
    userFlush: false,
  };
  /**
   * Whether what goes from here on is wanted freed in the background. Who deletes sets it, and sets it back
   * to
   * `policy.serverDel`.
   */
  lazily = false;
  /** Objects that wait and are counted. */
  pendingObjects = 0;
  /** Memory of the data that is on its way out, about. */
  pendingBytes = 0;
  /** Tables of keys in the queue. */
  pendingTables = 0;
  readonly #keyspace: Keyspace;
  readonly #walk: TableWalk;
  #options: LazyFreeOptions | null = null;
  #queue: Waiting[] = [];
  #next = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.#walk = new TableWalk(keyspace.arena);
  }

  /** From here on large values are freed in slices. */
  start(options: LazyFreeOptions): void {
    this.#options = options;
  }

  /** Ends the slices; what waits stays. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#options = null;
  }

  /** Values and tables that wait. */
  get waiting(): number {
    return this.#queue.length - this.#next;
  }

  /** Frees the value of the key at `ref`, which is no string and goes as well. */
  release(ref: number): void {
    const { records, values } = this.#keyspace;
    const type = records.type(ref);
    const encoding = records.encoding(ref);
    const root = records.root(ref);
    const kind = values.of(type);
    const effort = this.#options === null ? 0 : kind.effort(encoding, root);
    if (effort <= (this.lazily ? LAZY_EFFORT_MIN : EFFORT_MAX) || this.waiting >= QUEUE_MAX) {
      kind.release(encoding, root);
      return;
    }
    let rest = root;
    const step = (budget: number): boolean => {
      rest = kind.releaseSome(encoding, rest, budget);
      return rest === 0;
    };
    this.#add({ step, objects: this.lazily ? 1 : 0, bytes: kind.heldBytes(ref, SAMPLES) });
  }

  /** Frees a part of a value that no key names any more: `effort` elements that hold about `bytes`. */
  releasePart(effort: number, bytes: number, step: Step): void {
    const slices = this.#options !== null && effort > EFFORT_MAX && this.waiting < QUEUE_MAX;
    if (slices) this.#add({ step, objects: 0, bytes });
    else while (!step(Number.POSITIVE_INFINITY));
  }

  /**
   * Frees a table of keys that no database names any more, with its records and their values. False when that
   * is left to the caller: it is small, or there are no slices.
   */
  releaseTable(header: number): boolean {
    const { table } = this.#keyspace;
    const count = table.count(header);
    if (this.#options === null || count <= EFFORT_MAX || this.waiting >= QUEUE_MAX) return false;
    this.pendingTables++;
    const step = (budget: number): boolean => {
      const done = this.#walk.releaseSome(table, header, budget, (ref) => this.#keyspace.release(ref));
      if (done) this.pendingTables--;
      return done;
    };
    this.#add({ step, objects: this.lazily ? count : 0, bytes: this.#bytesOf(header, count) });
    return true;
  }

  /** Counts objects that were freed in the background without having waited. */
  count(objects: number): void {
    this.#keyspace.stats.lazyfreedObjects += objects;
  }

  /** The arena was cleared, and with it all that waits. */
  forget(): void {
    this.count(this.pendingObjects);
    this.#queue = [];
    this.#next = 0;
    this.pendingObjects = 0;
    this.pendingBytes = 0;
    this.pendingTables = 0;
  }

  /** Frees from the queue until `late`; true when nothing waits any more. */
  freeSome(late: () => boolean): boolean {
    const { arena } = this.#keyspace;
    // A value that waited with its table is in line already.
    const { lazily } = this;
    this.lazily = false;
    while (this.#next < this.#queue.length) {
      const waiting = this.#queue[this.#next];
      const before = arena.usedBytes;
      const done = waiting.step(BUDGET);
      const freed = Math.min(before - arena.usedBytes, waiting.bytes);
      waiting.bytes -= freed;
      this.pendingBytes -= freed;
      if (done) this.#drop(waiting);
      if (late()) break;
    }
    this.lazily = lazily;
    return this.#next >= this.#queue.length;
  }

  #add(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.pendingObjects += waiting.objects;
    this.pendingBytes += waiting.bytes;
    if (this.#timer === null) this.#schedule();
  }

  #drop(waiting: Waiting): void {
    this.pendingObjects -= waiting.objects;
    this.count(waiting.objects);
    this.pendingBytes -= waiting.bytes;
    this.#next++;
    if (this.#next < this.#queue.length) return;
    this.#queue = [];
    this.#next = 0;
  }

  #schedule(): void {
    const pauseMs = this.pendingBytes >= HURRY_BYTES ? HURRY_PAUSE_MS : PAUSE_MS;
    this.#timer = setTimeout(() => this.#slice(), pauseMs);
    this.#timer.unref();
  }

  #slice(): void {
    this.#timer = null;
    const options = this.#options;
    if (options === null) return;
    const startMs = options.monotonicMs();
    const done = this.freeSome(() => options.monotonicMs() >= startMs + SLICE_MS);
    this.#keyspace.stats.slices.of('free').note(options.monotonicMs() - startMs);
    if (!done) this.#schedule();
  }

  /** What the keys of a table hold, estimated from a few. */
  #bytesOf(header: number, count: number): number {
    const { records, values, random, arena } = this.#keyspace;
    let bytes = 0;
    for (let sample = 0; sample < SAMPLES * 4; sample++) {
      const ref = this.#walk.sample(header, random);
      bytes += records.heldBytes(ref);
      if (records.type(ref) !== 0) bytes += values.of(records.type(ref)).heldBytes(ref, SAMPLES);
    }
    return Math.round((bytes / (SAMPLES * 4)) * count) + TableWalk.heldBytes(arena, header);
  }
}
