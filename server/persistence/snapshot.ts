/**
 * The snapshot iterator: the only way to an RDB while the server runs, without fork and without stopping
 * anybody.
 *
 *   T0         the epoch moves on, the hook is set; records stamped before are "not seen", new ones are born
 *              seen
 *   walk       slices of at most SLICE_MS, at most a quarter of the time unless the server is idle: each
 *              record not yet seen is written and stamped
 *   change     the keyspace calls the hook before it touches a record that was not seen: its old content is
 *              written into the stream at that moment, and it is stamped
 *   end        the hook goes; every sink gets the trailer and finishes by itself
 *
 * So the stream holds each key of T0 once, as it was at T0, in any order; databases may alternate.
 * One long string is open across slices (`#open`): the old content of other keys then waits in a side writer,
 * at most SIDE_BYTES_MAX of it; beyond that, or when the open key itself changes, the string is written to
 * its end. Invariants: a record's stamp is the epoch exactly when it is in the stream or newer than T0; at
 * most one run. Memory: what the sinks have not passed on yet. The walk waits while one of them holds
 * PENDING_BYTES_MAX; old content cannot wait, so a sink must take it, block (a file) or fail (a replica that
 * does not read).
 *
 * Seam. `start(request)` begins at once when nothing runs, otherwise after the running one; all that wait by
 * then and agree on `version` and `compression` share one T0. `request.begin()` is called at T0,
 * synchronously, and gives the sink and the header's fields; `request.onEnd(error)` is called once.
 * `cancel()` drops one request.
 */
import type { Database } from '../keyspace/database.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { Crc64 } from '../structures/crc64.ts';
import { CHUNK_BYTES } from '../structures/record.ts';
import { RdbWriter, rdbTrailer } from './rdb-writer.ts';
import { type AccessAttributes, RecordWriter } from './record-writer.ts';

/** Where an RDB goes. Chunks are handed over: nobody writes to them any more. */
export interface SnapshotSink {
  /** Bytes taken and not yet passed on; Infinity holds the walk until it is less. */
  readonly pendingBytes: number;
  /** Why it can take no more; the run drops it. */
  readonly failure: Error | null;
  write(chunk: Uint8Array): void;
  /** All was written. Resolves when it is where it belongs, rejects when it is not and never will be. */
  finish(): Promise<void>;
  /** Drops everything; called instead of `finish`. */
  abort(): void;
}

/** A request was not wanted any more: no failure. */
export class SnapshotCancelled extends Error {}

export interface SnapshotBegin {
  readonly sink: SnapshotSink;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** One who wants an RDB. */
export interface SnapshotRequest {
  /** 'save', 'rewrite' or 'sync', for INFO and for what excludes what. */
  readonly purpose: SnapshotPurpose;
  readonly version: number;
  readonly compression: boolean;
  readonly checksum: boolean;
  /** T0 is now. May throw; then the request ends with that error. */
  begin(): SnapshotBegin;
  /** null when the RDB is complete and in its place. */
  onEnd(error: Error | null): void;
}

export type SnapshotPurpose = 'save' | 'rewrite' | 'sync';

export interface SnapshotHandle {
  /** Ends the request, running or waiting; `onEnd` gets a SnapshotCancelled with this reason. */
  cancel(reason: string): void;
}

export interface SnapshotEnvironment {
  /** Milliseconds that only grow, with fractions. */
  monotonicMs(): number;
  /** Grows with the server's work; the walk takes more time while it stands still. */
  activity(): number;
  /** Which access attributes the records carry: by maxmemory-policy. */
  attributes(): AccessAttributes;
  /** Microseconds to wait after each key, for tests (`rdb-key-save-delay`). */
  keyDelayUs(): number;
}

const SLICE_MS = 1;
/** Pause after a slice, in its length: 3 makes a quarter of the time. */
const PAUSE_FACTOR = 3;
const PENDING_BYTES_MAX = 4 * 1024 * 1024;
const PENDING_WAIT_MS = 2;
const CHUNK_FLUSH_BYTES = 64 * 1024;
const SIDE_BYTES_MAX = 16 * 1024 * 1024;
const EPOCH_MAX = 255;
/**
 * Runs that may end early in a row before all stamps are renewed: old stamps must not meet their number
 * again.
 */
const UNFINISHED_RUNS_MAX = 200;

class Target implements SnapshotHandle {
  readonly request: SnapshotRequest;
  readonly #snapshots: Snapshots;
  readonly crc = new Crc64();
  sink: SnapshotSink | null = null;
  ended = false;

  constructor(request: SnapshotRequest, snapshots: Snapshots) {
    this.request = request;
    this.#snapshots = snapshots;
  }

  cancel(reason: string): void {
    this.#snapshots.drop(this, new SnapshotCancelled(reason));
  }

  write(chunk: Uint8Array): void {
    if (this.ended || this.sink === null) return;
    if (this.request.checksum) this.crc.update(chunk, 0, chunk.length);
    this.sink.write(chunk);
  }

  end(error: Error | null): void {
    if (this.ended) return;
    this.ended = true;
    if (error !== null) this.sink?.abort();
    this.request.onEnd(error);
  }
}

/** The long string whose record is open, as a position in its value. */
interface OpenString {
  readonly database: number;
  readonly ref: number;
  at: number;
}

export class Snapshots {
  /** Bytes of old content that the running or last run had to write out of turn. */
  copyOnWriteBytes = 0;
  /** Keys written by the running run, and keys there were at T0. */
  keysProcessed = 0;
  keysTotal = 0;
  readonly #keyspace: Keyspace;
  readonly #environment: SnapshotEnvironment;
  readonly #records: RecordWriter;
  #waiting: Target[] = [];
  #targets: Target[] = [];
  #walking = false;
  #writer = new RdbWriter(true);
  #side = new RdbWriter(true);
  #databases: readonly Database[] = [];
  #database = 0;
  #cursor = 0;
  #open: OpenString | null = null;
  readonly #long: OpenString[] = [];
  #unfinishedRuns = 0;
  #activity = 0;
  #timer: NodeJS.Timeout | null = null;
  #immediate: NodeJS.Immediate | null = null;

  constructor(keyspace: Keyspace, environment: SnapshotEnvironment) {
    this.#keyspace = keyspace;
    this.#environment = environment;
    this.#records = new RecordWriter(keyspace);
  }

  /** Whether a run has sinks that are not finished. */
  get active(): boolean {
    return this.#targets.length !== 0;
  }

  /** Whether a request of this purpose runs or waits. */
  has(purpose: SnapshotPurpose): boolean {
    const wanted = (target: Target): boolean => !target.ended && target.request.purpose === purpose;
    return this.#targets.some(wanted) || this.#waiting.some(wanted);
  }

  start(request: SnapshotRequest): SnapshotHandle {
    const target = new Target(request, this);
    this.#waiting.push(target);
    if (!this.active) this.#begin();
    return target;
  }

  /** Ends every request. */
  cancelAll(reason: string): void {
    for (const target of [...this.#waiting, ...this.#targets]) target.cancel(reason);
  }

  /** Ends one request; the run ends with its last one. */
  drop(target: Target, error: Error): void {
    this.#waiting = this.#waiting.filter((other) => other !== target);
    target.end(error);
    if (this.#walking && this.#targets.every((other) => other.ended)) this.#endWalk(false);
    this.#settle();
  }

  /** T0 for the first that waits and all that agree with it. */
  #begin(): void {
    const first = this.#waiting[0];
    if (first === undefined) return;
    const { version, compression } = first.request;
    const joins = (target: Target): boolean =>
      target.request.version === version && target.request.compression === compression;
    const targets = this.#waiting.filter(joins);
    this.#waiting = this.#waiting.filter((target) => !joins(target));
    this.#targets = targets;
    this.#writer = new RdbWriter(compression);
    this.#side = new RdbWriter(compression);
    for (const target of targets) this.#openTarget(target);
    if (targets.every((target) => target.ended)) {
      this.#settle();
      return;
    }
    this.#fixMoment();
    this.#schedule(0);
  }

  #openTarget(target: Target): void {
    try {
      const { sink, fields } = target.request.begin();
      target.sink = sink;
      const header = new RdbWriter(false);
      header.header(target.request.version, fields);
      target.write(header.take());
    } catch (error) {
      target.end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #fixMoment(): void {
    const keyspace = this.#keyspace;
    if (this.#unfinishedRuns >= UNFINISHED_RUNS_MAX) this.#renewStamps();
    keyspace.epoch = (keyspace.epoch % EPOCH_MAX) + 1;
    keyspace.snapshotHook = (database, ref) => this.#beforeChange(database, ref);
    this.#records.attributes = this.#environment.attributes();
    this.#records.version = this.#targets[0]?.request.version ?? this.#records.version;
    this.#databases = [...keyspace.databases];
    // SWAPDB may give them other numbers before the walk comes to them.
    for (const database of this.#databases) database.snapshotIndex = database.index;
    this.#database = 0;
    this.#cursor = 0;
    this.keysProcessed = 0;
    this.keysTotal = keyspace.size;
    this.copyOnWriteBytes = 0;
    this.#activity = this.#environment.activity();
    this.#walking = true;
  }

  /** Every record gets the present epoch, so that none can carry the number of a run to come. */
  #renewStamps(): void {
    const { records, epoch, databases } = this.#keyspace;
    for (const database of databases) {
      let cursor = 0;
      do cursor = database.scan(cursor, (ref) => records.setMark(ref, epoch));
      while (cursor !== 0);
    }
    this.#unfinishedRuns = 0;
  }

  /** The hook: writes the old content of a record that is about to change. */
  #beforeChange(database: number, ref: number): void {
    const open = this.#open;
    if (open !== null && open.ref === ref) {
      this.copyOnWriteBytes += this.#keyspace.records.valueLength(ref) - open.at;
      this.#closeOpen();
      return;
    }
    const long = this.#long.findIndex((other) => other.ref === ref);
    if (long >= 0) this.#long.splice(long, 1);
    const writer = open === null ? this.#writer : this.#side;
    const before = writer.length;
    writer.selectDatabase(database);
    this.#writeWhole(writer, ref);
    this.copyOnWriteBytes += writer.length - before;
    if (open !== null && this.#side.length > SIDE_BYTES_MAX) this.#closeOpen();
    else if (open === null) this.#flush(CHUNK_FLUSH_BYTES);
  }

  #writeWhole(writer: RdbWriter, ref: number): void {
    this.#keyspace.records.setMark(ref, this.#keyspace.epoch);
    this.#records.write(writer, ref);
    this.keysProcessed += 1;
  }

  #schedule(delayMs: number): void {
    if (delayMs >= 1) {
      this.#timer = setTimeout(() => this.#slice(), delayMs);
    } else this.#immediate = setImmediate(() => this.#slice());
  }

  #slice(): void {
    this.#timer = null;
    this.#immediate = null;
    if (!this.#walking) return;
    for (const target of this.#targets) {
      const failure = target.ended ? null : (target.sink?.failure ?? null);
      if (failure !== null) this.drop(target, failure);
    }
    if (!this.#walking) return;
    if (
      this.#targets.some((target) => !target.ended && (target.sink?.pendingBytes ?? 0) > PENDING_BYTES_MAX)
    ) {
      this.#schedule(PENDING_WAIT_MS);
      return;
    }
    const startMs = this.#environment.monotonicMs();
    const keysBefore = this.keysProcessed;
    const delayUs = this.#environment.keyDelayUs();
    let elapsedMs = 0;
    let more = true;
    while (more && elapsedMs < SLICE_MS) {
      more = this.#step();
      elapsedMs = this.#environment.monotonicMs() - startMs;
      if (delayUs > 0 && this.keysProcessed !== keysBefore) break;
    }
    this.#flush(more ? CHUNK_FLUSH_BYTES : 0);
    if (!more) {
      this.#endWalk(true);
      return;
    }
    const activity = this.#environment.activity();
    const idle = activity === this.#activity;
    this.#activity = activity;
    const delayMs = ((this.keysProcessed - keysBefore) * delayUs) / 1000;
    this.#schedule(Math.max(delayMs, idle ? 0 : Math.ceil(elapsedMs * PAUSE_FACTOR)));
  }

  /** One bucket, or one chunk of a long string. False at the end. */
  #step(): boolean {
    if (this.#open !== null) {
      this.#stepOpen(this.#open);
      return true;
    }
    const long = this.#long.pop();
    if (long !== undefined) {
      this.#open = long;
      this.#writer.selectDatabase(long.database);
      this.#records.begin(this.#writer, long.ref);
      return true;
    }
    const database = this.#databases[this.#database];
    if (database === undefined) return false;
    if (this.#cursor === 0 && database.size !== 0) {
      this.#writer.selectDatabase(database.snapshotIndex);
      this.#writer.resize(database.size, database.expiring);
    }
    this.#cursor =
      database.size === 0
        ? 0
        : database.scan(this.#cursor, (ref) => this.#visit(database.snapshotIndex, ref));
    this.#flush(CHUNK_FLUSH_BYTES);
    if (this.#cursor === 0) this.#database += 1;
    return true;
  }

  #visit(database: number, ref: number): void {
    const { records, epoch } = this.#keyspace;
    if (records.mark(ref) === epoch) return;
    if (records.chunked(ref)) {
      if (!this.#long.some((other) => other.ref === ref)) this.#long.push({ database, ref, at: 0 });
      return;
    }
    this.#writer.selectDatabase(database);
    this.#writeWhole(this.#writer, ref);
  }

  #stepOpen(open: OpenString): void {
    const length = this.#keyspace.records.valueLength(open.ref);
    const count = Math.min(CHUNK_BYTES, length - open.at);
    this.#records.piece(this.#writer, open.ref, open.at, count);
    open.at += count;
    this.#flush(CHUNK_FLUSH_BYTES);
    if (open.at < length) return;
    this.#keyspace.records.setMark(open.ref, this.#keyspace.epoch);
    this.keysProcessed += 1;
    this.#open = null;
    this.#appendSide();
  }

  #closeOpen(): void {
    for (let open = this.#open; open !== null; open = this.#open) this.#stepOpen(open);
  }

  /** What waited in the side writer follows; the two writers do not know each other's database. */
  #appendSide(): void {
    if (this.#side.length === 0) return;
    this.#writer.absorb(this.#side);
    this.#flush(CHUNK_FLUSH_BYTES);
  }

  #flush(bytesMin: number): void {
    if (this.#writer.length === 0 || this.#writer.length < bytesMin) return;
    const chunk = this.#writer.take();
    for (const target of this.#targets) target.write(chunk);
  }

  #endWalk(complete: boolean): void {
    this.#walking = false;
    this.#keyspace.snapshotHook = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#timer = null;
    this.#immediate = null;
    this.#open = null;
    this.#long.length = 0;
    this.#databases = [];
    this.#unfinishedRuns = complete ? 0 : this.#unfinishedRuns + 1;
    this.#writer = new RdbWriter(true);
    this.#side = new RdbWriter(true);
    if (!complete) return;
    for (const target of this.#targets) this.#finish(target);
  }

  #finish(target: Target): void {
    if (target.ended || target.sink === null) return;
    const failure = target.sink.failure;
    if (failure !== null) {
      this.drop(target, failure);
      return;
    }
    target.sink.write(rdbTrailer(target.crc, target.request.checksum));
    target.sink.finish().then(
      () => {
        target.end(null);
        this.#settle();
      },
      (error: unknown) => this.drop(target, error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** When all sinks of a run have ended, the next run may begin. */
  #settle(): void {
    if (this.#walking || this.#targets.some((target) => !target.ended)) return;
    this.#targets = [];
    this.#begin();
  }
}
