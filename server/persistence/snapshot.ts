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
 * Values of many elements and long strings are open across slices (OpenRecords); the old content of other keys
 * then waits at the side, beyond some megabytes on the disk (SideLog). Whoever changes a piece of a value that
 * is not written yet leaves the old one behind. Invariants: a record's stamp is the epoch exactly when it is in
 * the stream, open, waiting or newer than T0; at most one run. The bytes go to a thread, which compresses them,
 * and from there into files or back to the sinks (SnapshotOutput). The walk waits while PENDING_BYTES_MAX are on
 * their way; old content cannot wait: it blocks for a while, then the run fails.
 *
 * Seam. `start(request)` begins at once when nothing runs, otherwise after the running one; all that wait by
 * then and agree on `version` and `compression` share one T0. `request.begin()` is called at T0,
 * synchronously, and gives the sink and the header's fields; `request.onEnd(error)` is called once.
 * `cancel()` drops one request.
 */
import type { Database } from '../keyspace/database.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { TYPE_STRING } from '../structures/record.ts';
import { ChunkOutput, type OutputEvents, type SnapshotOutput } from './chunk-output.ts';
import { OpenRecords } from './open-records.ts';
import { CHUNK_ROOM, type RdbChunk } from './rdb-chunk.ts';
import { RdbError } from './rdb-source.ts';
import { RdbWriter } from './rdb-writer.ts';
import { type AccessAttributes, RecordWriter } from './record-writer.ts';
import { SideLog, SpillFile } from './side-log.ts';
import { SliceTimes } from './slice-times.ts';
import { StandIn } from './stand-in.ts';

/** Where an RDB goes. Chunks are handed over: nobody writes to them any more. */
export interface SnapshotSink {
  /** Bytes taken and not yet passed on; Infinity holds the walk until it is less. */
  readonly pendingBytes: number;
  /** Why it can take no more; the run drops it. */
  readonly failure: Error | null;
  /** A file that is there and empty: the bytes go to it directly, nothing is given to `write`. */
  readonly file?: string;
  /** `write` keeps no chunk: it may be written over afterwards. */
  readonly copies?: boolean;
  write(chunk: Uint8Array): void;
  /** All was written. Resolves when it is where it belongs, rejects when it is not and never will be. */
  finish(): Promise<void>;
  /** Drops everything; called instead of `finish`. */
  abort(): void;
}

/** A request was not wanted any more: no failure. */
export class SnapshotCancelled extends Error {}

/** The process that stands for the snapshot was killed (stand-in.ts). */
export class SnapshotKilled extends Error {
  readonly signal: number;

  constructor(signal: number) {
    super(`terminated by signal ${signal}`);
    this.signal = signal;
  }
}

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
  /** Whether a file is flushed to the disk piece by piece; true when not given. */
  readonly incrementalFsync?: boolean;
  /** Nobody is served meanwhile: the walk takes all the time there is, and gives way to signals only. */
  readonly urgent?: boolean;
  /** Only what `begin` says goes into it, no key. */
  readonly withoutKeys?: boolean;
  /**
   * T0 is now. `pid` names the process for users and temporary files. May throw; then the request ends with
   * that error.
   */
  begin(pid: number): SnapshotBegin;
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
  /** The data is in the middle of a change: T0 must wait. */
  midway?(): boolean;
  /** Folder for what waits on the disk. */
  spillFolder?(): string;
  /** Who compresses, checksums and writes; not given: this thread. `broken` says that it cannot go on. */
  output?(events: OutputEvents, broken: (error: Error) => void): SnapshotOutput;
}

const SLICE_MS = 1;
const URGENT_SLICE_MS = 20;
/** Pause after a slice, in its length: 3 makes a quarter of the time. */
const PAUSE_FACTOR = 3;
const PENDING_BYTES_MAX = 4 * 1024 * 1024;
const PENDING_WAIT_MS = 2;
/** How soon it is looked whether the change has ended that T0 waits for. */
const MIDWAY_LOOK_MS = 10;
/** Old content cannot wait: with so much on its way to the disk it waits for it. */
const BLOCK_BYTES = 32 * 1024 * 1024;
const BLOCK_MS_MAX = 5000;
const CHUNK_FLUSH_BYTES = CHUNK_ROOM / 2;
const EPOCH_MAX = 255;
/**
 * Runs that may end early in a row before all stamps are renewed: old stamps must not meet their number
 * again.
 */
const UNFINISHED_RUNS_MAX = 200;

class Target implements SnapshotHandle {
  readonly request: SnapshotRequest;
  readonly #snapshots: Snapshots;
  sink: SnapshotSink | null = null;
  ended = false;

  constructor(request: SnapshotRequest, snapshots: Snapshots) {
    this.request = request;
    this.#snapshots = snapshots;
  }

  cancel(reason: string): void {
    this.#snapshots.drop(this, new SnapshotCancelled(reason));
  }

  end(error: Error | null): void {
    if (this.ended) return;
    this.ended = true;
    if (error !== null) this.sink?.abort();
    this.request.onEnd(error);
  }
}

export class Snapshots {
  /** Keys written by the running run, and keys there were at T0. */
  keysProcessed = 0;
  keysTotal = 0;
  /** Runs that were begun. */
  runs = 0;
  readonly times = new SliceTimes();
  readonly #keyspace: Keyspace;
  readonly #environment: SnapshotEnvironment;
  readonly #records: RecordWriter;
  #waiting: Target[] = [];
  #targets: Target[] = [];
  #walking = false;
  #output: SnapshotOutput | null = null;
  #writer = new RdbWriter(false, 0);
  /** Old content of other records while one is open, and what of it is complete. */
  #side = new RdbWriter(false, 0);
  #spill = new SpillFile(() => '.');
  #sideLog = new SideLog(this.#spill);
  #peakBytes = 0;
  #databases: readonly Database[] = [];
  #database = 0;
  #cursor = 0;
  /** Tables that databases lost since T0 (FLUSHALL): walked after the databases, freed at the end. */
  #lost: { readonly database: number; readonly header: number }[] = [];
  #lostAt = 0;
  #open: OpenRecords | null = null;
  #copiedBytes = 0;
  #unfinishedRuns = 0;
  #activity = 0;
  /** The delay a key of this run, and what of it was not waited yet. */
  #keyDelayUs = 0;
  #owedUs = 0;
  /** Keys whose delay is in `#owedUs` or was waited. */
  #keysDelayed = 0;
  #standIn: StandIn | null = null;
  #timer: NodeJS.Timeout | null = null;
  #immediate: NodeJS.Immediate | null = null;

  constructor(keyspace: Keyspace, environment: SnapshotEnvironment) {
    this.#keyspace = keyspace;
    this.#environment = environment;
    this.#records = new RecordWriter(keyspace);
  }

  /** Bytes of old content that the running or last run had to write out of turn. */
  get copyOnWriteBytes(): number {
    return this.#copiedBytes + (this.#open?.copyOnWriteBytes ?? 0);
  }

  /** Most memory that the running or last run held beside the dataset. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Memory that the run holds beside the dataset: old content, and what is on its way to the disk. */
  get heldBytes(): number {
    const output = this.#output?.pendingBytes ?? 0;
    const aside = this.#open?.asideBytes ?? 0;
    const orphans = this.#keyspace.records.pins.orphanBytes;
    return output + aside + orphans + this.#writer.length + this.#side.length + this.#sideLog.memoryBytes;
  }

  /** Bytes of old content that the running or last run put on the disk meanwhile. */
  get spilledBytes(): number {
    return this.#spill.bytesTotal;
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

  /** Ends the requests of one purpose. */
  cancel(purpose: SnapshotPurpose, reason: string): void {
    for (const target of [...this.#waiting, ...this.#targets]) {
      if (target.request.purpose === purpose) target.cancel(reason);
    }
  }

  /** Ends every request. */
  cancelAll(reason: string): void {
    for (const target of [...this.#waiting, ...this.#targets]) target.cancel(reason);
  }

  /** Ends one request; the run ends with its last one. */
  drop(target: Target, error: Error): void {
    this.#waiting = this.#waiting.filter((other) => other !== target);
    const index = this.#targets.indexOf(target);
    if (index >= 0 && !target.ended) this.#output?.drop(index);
    target.end(error);
    if (this.#walking && this.#targets.every((other) => other.ended)) this.#endWalk(false);
    this.#settle();
  }

  /** T0 for the first that waits and all that agree with it. */
  #begin(): void {
    const first = this.#waiting[0];
    if (first === undefined) return;
    if (this.#environment.midway?.() === true) {
      setTimeout(() => {
        if (!this.active) this.#begin();
      }, MIDWAY_LOOK_MS).unref();
      return;
    }
    const { version, compression, withoutKeys = false } = first.request;
    const joins = ({ request }: Target): boolean =>
      request.version === version &&
      request.compression === compression &&
      (request.withoutKeys ?? false) === withoutKeys;
    const startMs = this.#environment.monotonicMs();
    const targets = this.#waiting.filter(joins);
    this.#waiting = this.#waiting.filter((target) => !joins(target));
    this.#targets = targets;
    const how = compression ? 'later' : false;
    this.#writer = new RdbWriter(how, CHUNK_ROOM);
    this.#side = new RdbWriter(how, CHUNK_ROOM);
    this.#spill = new SpillFile(() => this.#environment.spillFolder?.() ?? '.');
    this.#sideLog = new SideLog(this.#spill);
    this.#peakBytes = 0;
    this.#output = this.#openOutput();
    this.#keyDelayUs = this.#environment.keyDelayUs();
    this.#owedUs = 0;
    if (this.#keyDelayUs > 0) this.#standIn = new StandIn((signal) => this.#killed(signal));
    for (const [index, target] of targets.entries()) this.#openTarget(index, target);
    if (targets.every((target) => target.ended)) {
      this.#settle();
      return;
    }
    this.#fixMoment();
    this.times.fixed(this.#environment.monotonicMs() - startMs);
    this.#schedule(0);
  }

  #openOutput(): SnapshotOutput {
    const targets = this.#targets;
    const events: OutputEvents = {
      relay: (bytes, indexes) => {
        for (const index of indexes) if (!targets[index].ended) targets[index].sink?.write(bytes);
        return indexes.every((index) => targets[index].sink?.copies === true);
      },
      ended: (index) => this.#finish(targets[index]),
      failed: (index, error) => this.drop(targets[index], error),
    };
    const broken = (error: Error): void => {
      for (const target of targets) this.drop(target, error);
    };
    return this.#environment.output?.(events, broken) ?? new ChunkOutput(events);
  }

  #openTarget(index: number, target: Target): void {
    try {
      const { sink, fields } = target.request.begin(this.#standIn?.pid ?? process.pid);
      target.sink = sink;
      const header = new RdbWriter(false);
      header.header(target.request.version, fields);
      const { checksum, incrementalFsync = true } = target.request;
      this.#output?.open(index, sink.file ?? null, checksum, incrementalFsync);
      this.#output?.own(index, header.take());
    } catch (error) {
      target.end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #killed(signal: number): void {
    for (const target of [...this.#targets]) this.drop(target, new SnapshotKilled(signal));
  }

  #fixMoment(): void {
    const keyspace = this.#keyspace;
    if (this.#unfinishedRuns >= UNFINISHED_RUNS_MAX) this.#renewStamps();
    keyspace.epoch = (keyspace.epoch % EPOCH_MAX) + 1;
    const withoutKeys = this.#targets[0]?.request.withoutKeys === true;
    if (!withoutKeys) keyspace.snapshotHook = (database, ref) => this.#beforeChange(database, ref);
    this.#records.attributes = this.#environment.attributes();
    this.#records.version = this.#targets[0]?.request.version ?? this.#records.version;
    this.#databases = withoutKeys ? [] : [...keyspace.databases];
    // SWAPDB may give them other numbers before the walk comes to them.
    for (const database of this.#databases) database.snapshotIndex = database.index;
    if (!withoutKeys) keyspace.adoptTable = (database, header) => this.#adoptTable(database, header);
    this.#database = 0;
    this.#cursor = 0;
    this.#lostAt = 0;
    this.keysProcessed = 0;
    this.#keysDelayed = 0;
    this.keysTotal = withoutKeys ? 0 : keyspace.size;
    this.#copiedBytes = 0;
    this.#open = new OpenRecords({
      keyspace,
      records: this.#records,
      writer: this.#writer,
      spill: this.#spill,
      onWritten: () => {
        this.keysProcessed += 1;
      },
      guarded: (write) => this.#guarded(write),
    });
    this.#activity = this.#environment.activity();
    this.#walking = true;
    this.runs += 1;
  }

  /** Every record gets the present epoch, so that none can carry the number of a run to come. */
  #renewStamps(): void {
    for (const database of this.#keyspace.databases) {
      let cursor = 0;
      do cursor = database.scan(cursor, (ref) => this.#renewStamp(ref));
      while (cursor !== 0);
    }
    this.#unfinishedRuns = 0;
  }

  #renewStamp(ref: number): void {
    const { records, epoch, values } = this.#keyspace;
    records.setMark(ref, epoch);
    if (records.type(ref) === TYPE_STRING) return;
    const table = values.of(records.type(ref)).tableOf?.(records.encoding(ref), records.root(ref)) ?? 0;
    if (table === 0) return;
    let cursor = 0;
    do cursor = values.elements.scan(table, cursor, (element) => records.setMark(element, epoch));
    while (cursor !== 0);
  }

  /** The hook: writes the old content of a record that is about to change. */
  #beforeChange(database: number, ref: number): void {
    const records = this.#open;
    if (records === null) return;
    this.#guarded(() => {
      if (!records.take(database, ref)) this.#writeBefore(records, database, ref);
    });
  }

  /** What waits at the side goes in order, so more joins it until it is empty. */
  #writeBefore(records: OpenRecords, database: number, ref: number): void {
    const aside = records.open || this.#side.length !== 0 || !this.#sideLog.isEmpty;
    const writer = aside ? this.#side : this.#writer;
    const before = writer.length;
    writer.selectDatabase(database);
    this.#writeWhole(writer, ref);
    this.#copiedBytes += writer.length - before;
    if (!aside) this.#flush(CHUNK_FLUSH_BYTES);
    else if (writer.length >= CHUNK_FLUSH_BYTES) this.#sideLog.push(writer.takeChunk(null, CHUNK_ROOM));
  }

  /** A record that this version of RDB cannot hold, or that lost elements, ends the run for all. */
  #guarded<Result>(write: () => Result): Result | undefined {
    try {
      return write();
    } catch (error) {
      if (!(error instanceof RdbError)) throw error;
      for (const target of [...this.#targets]) this.drop(target, error);
      return undefined;
    }
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
    this.#peakBytes = Math.max(this.#peakBytes, this.heldBytes);
    if (this.#behind()) {
      this.#schedule(PENDING_WAIT_MS);
      return;
    }
    const urgent = this.#targets.some((target) => target.request.urgent === true && !target.ended);
    this.times.begin();
    const startMs = this.#environment.monotonicMs();
    const sliceMs = urgent ? URGENT_SLICE_MS : SLICE_MS;
    let elapsedMs = 0;
    let more = true;
    this.#noteDelay();
    while (more && elapsedMs < sliceMs && this.#owedUs < 1000) {
      more = this.#guarded(() => this.#step()) ?? false;
      if (!this.#walking) return;
      elapsedMs = this.#environment.monotonicMs() - startMs;
      this.#noteDelay();
    }
    if (!more && this.#owedUs < 1000) {
      this.#guarded(() => this.#flush(0));
      if (!this.#walking) return;
      this.#endWalk(true);
      return;
    }
    if (!urgent) this.times.end(elapsedMs);
    this.#pause(elapsedMs, urgent);
  }

  /** The delay of keys that were written since, also of those whose old content could not wait. */
  #noteDelay(): void {
    this.#owedUs += (this.keysProcessed - this.#keysDelayed) * this.#keyDelayUs;
    this.#keysDelayed = this.keysProcessed;
  }

  /** Whether somebody has to catch up before the walk may go on. */
  #behind(): boolean {
    if ((this.#output?.pendingBytes ?? 0) > PENDING_BYTES_MAX) return true;
    return this.#targets.some(
      (target) => !target.ended && (target.sink?.pendingBytes ?? 0) > PENDING_BYTES_MAX,
    );
  }

  #pause(elapsedMs: number, urgent: boolean): void {
    const activity = this.#environment.activity();
    const idle = activity === this.#activity;
    this.#activity = activity;
    const owedMs = Math.floor(this.#owedUs / 1000);
    this.#owedUs -= owedMs * 1000;
    this.#schedule(Math.max(owedMs, idle || urgent ? 0 : Math.ceil(elapsedMs * PAUSE_FACTOR)));
  }

  /** One bucket, or one piece of a long record. False at the end. */
  #step(): boolean {
    if (this.#open?.open !== true && this.#emitSide()) return true;
    if (this.#open?.step() === true) {
      this.#flush(CHUNK_FLUSH_BYTES);
      return true;
    }
    const database = this.#databases[this.#database];
    if (database === undefined) return this.#stepLost();
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

  #adoptTable(database: number, header: number): boolean {
    this.#lost.push({ database, header });
    return true;
  }

  #stepLost(): boolean {
    const lost = this.#lost[this.#lostAt];
    if (lost === undefined) return false;
    const { database, header } = lost;
    this.#cursor = this.#keyspace.table.scan(header, this.#cursor, (ref) => this.#visit(database, ref));
    this.#flush(CHUNK_FLUSH_BYTES);
    if (this.#cursor === 0) this.#lostAt += 1;
    return true;
  }

  #freeLost(): void {
    const { lazyFree, table } = this.#keyspace;
    for (const { header } of this.#lost) {
      if (!lazyFree.releaseTable(header)) table.destroy(header, (ref) => this.#keyspace.release(ref));
    }
    this.#lost = [];
  }

  #visit(database: number, ref: number): void {
    const { records, epoch } = this.#keyspace;
    if (records.mark(ref) === epoch || this.#open?.take(database, ref) === true) return;
    this.#writer.selectDatabase(database);
    this.#writeWhole(this.#writer, ref);
  }

  /** What had to wait for the open record follows, a chunk a step. False when there is none. */
  #emitSide(): boolean {
    if (this.#sideLog.isEmpty && this.#side.length === 0) return false;
    if (this.#sideLog.isEmpty) this.#sideLog.push(this.#side.takeChunk(null, CHUNK_ROOM));
    // The chunk selects its database; what is written next has to do so again.
    this.#flush(0);
    const chunk = this.#sideLog.shift();
    if (chunk !== null) this.#put(chunk);
    return true;
  }

  #flush(bytesMin: number): void {
    if (this.#writer.length === 0 || this.#writer.length < bytesMin) return;
    this.#put(this.#writer.takeChunk(this.#output?.empty() ?? null, CHUNK_ROOM));
  }

  #put(chunk: RdbChunk): void {
    const output = this.#output;
    if (output === null) return;
    output.chunk(chunk);
    this.#peakBytes = Math.max(this.#peakBytes, this.heldBytes);
    if (output.pendingBytes <= BLOCK_BYTES || output.drainTo(BLOCK_BYTES, BLOCK_MS_MAX)) return;
    throw new RdbError(`the disk took less than ${BLOCK_BYTES} bytes in ${BLOCK_MS_MAX} ms`, -1);
  }

  #endWalk(complete: boolean): void {
    this.#walking = false;
    this.#keyspace.snapshotHook = null;
    this.#keyspace.adoptTable = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#timer = null;
    this.#immediate = null;
    this.#copiedBytes = this.copyOnWriteBytes;
    this.#open?.end();
    this.#open = null;
    this.#freeLost();
    this.#databases = [];
    this.#unfinishedRuns = complete ? 0 : this.#unfinishedRuns + 1;
    this.#writer = new RdbWriter(false, 0);
    this.#side = new RdbWriter(false, 0);
    this.#spill.close();
    this.#sideLog = new SideLog(this.#spill);
    if (!complete) return;
    for (const [index, target] of this.#targets.entries()) if (!target.ended) this.#output?.end(index);
  }

  #finish(target: Target): void {
    if (target.ended || target.sink === null) return;
    const failure = target.sink.failure;
    if (failure !== null) {
      this.drop(target, failure);
      return;
    }
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
    this.#output?.close();
    this.#output = null;
    this.#standIn?.end();
    this.#standIn = null;
    this.#begin();
  }
}
