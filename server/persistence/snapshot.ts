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
 * Values of many elements and long strings are open across slices (OpenRecords); the old content of other
 * keys then waits at the side, beyond some megabytes on the disk (SideLog). Whoever changes a piece of a
 * value that is not written yet leaves the old one behind. The bytes go to a thread, which compresses
 * them, and from there into files or back to the sinks (SnapshotOutput); the walk waits while
 * PENDING_BYTES_MAX are on their way. Invariants: a record's stamp is the epoch exactly when it is in the
 * stream, open, waiting or newer than T0; at most one run.
 *
 * Seam. `start(request)` begins at once when nothing runs, otherwise after the running one; all that wait by
 * then and agree on `version` and `compression` share one T0. `request.begin()` is called at T0,
 * synchronously, and gives the sink and the header's fields; `request.onEnd(error)` is called once.
 * `cancel()` drops one request.
 */
import { asError } from '../config/failure.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { ChunkOutput, type OutputEvents, type SnapshotOutput } from './chunk-output.ts';
import { OpenRecords } from './open-records.ts';
import { RdbError } from './rdb-source.ts';
import { RdbWriter } from './rdb-writer.ts';
import { RecordWriter } from './record-writer.ts';
import { SpillFile } from './side-log.ts';
import { SliceTimes } from './slice-times.ts';
import type { SnapshotEnvironment } from './snapshot-environment.ts';
import { SnapshotPacing } from './snapshot-pacing.ts';
import { SnapshotStream } from './snapshot-stream.ts';
import { renewStamps, SnapshotWalk } from './snapshot-walk.ts';
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

const SLICE_MS = 1;
const URGENT_SLICE_MS = 20;
const PENDING_BYTES_MAX = 4 * 1024 * 1024;
const PENDING_WAIT_MS = 2;
/** How soon it is looked whether the change has ended that T0 waits for. */
const MIDWAY_LOOK_MS = 10;
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
  #stream: SnapshotStream | null = null;
  #walk: SnapshotWalk | null = null;
  #spill = new SpillFile(() => '.');
  #peakBytes = 0;
  #open: OpenRecords | null = null;
  #copiedBytes = 0;
  #unfinishedRuns = 0;
  #pacing = new SnapshotPacing(0, 0);
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
    const aside = this.#open?.asideBytes ?? 0;
    const orphans = this.#keyspace.records.pins.orphanBytes;
    return (this.#stream?.heldBytes ?? this.#output?.pendingBytes ?? 0) + aside + orphans;
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
    this.#spill = new SpillFile(() => this.#environment.spillFolder?.() ?? '.');
    this.#peakBytes = 0;
    this.#output = this.#openOutput();
    const keyDelayUs = this.#environment.keyDelayUs();
    this.#pacing = new SnapshotPacing(keyDelayUs, this.#environment.activity());
    if (keyDelayUs > 0) this.#standIn = new StandIn((signal) => this.#killed(signal));
    for (const [index, target] of targets.entries()) this.#openTarget(index, target);
    if (targets.every((target) => target.ended)) {
      this.#settle();
      return;
    }
    this.#fixMoment(compression);
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
      target.end(asError(error));
    }
  }

  #killed(signal: number): void {
    for (const target of [...this.#targets]) this.drop(target, new SnapshotKilled(signal));
  }

  #fixMoment(compression: boolean): void {
    const keyspace = this.#keyspace;
    if (this.#unfinishedRuns >= UNFINISHED_RUNS_MAX) {
      renewStamps(keyspace);
      this.#unfinishedRuns = 0;
    }
    keyspace.epoch = (keyspace.epoch % EPOCH_MAX) + 1;
    const withoutKeys = this.#targets[0]?.request.withoutKeys === true;
    if (!withoutKeys) keyspace.snapshotHook = (database, ref) => this.#beforeChange(database, ref);
    this.#records.attributes = this.#environment.attributes();
    this.#records.version = this.#targets[0]?.request.version ?? this.#records.version;
    const output = this.#output;
    if (output === null) throw new Error('a run without an output');
    const stream = new SnapshotStream(output, compression ? 'later' : false, this.#spill);
    this.#stream = stream;
    this.#walk = new SnapshotWalk(keyspace, withoutKeys ? [] : [...keyspace.databases], {
      begin: (database) => {
        stream.writer.selectDatabase(database.snapshotIndex);
        stream.writer.resize(database.size, database.expiring);
      },
      visit: (database, ref) => this.#visit(stream, database, ref),
    });
    this.keysProcessed = 0;
    this.keysTotal = withoutKeys ? 0 : keyspace.size;
    this.#copiedBytes = 0;
    this.#open = new OpenRecords({
      keyspace,
      records: this.#records,
      writer: stream.writer,
      spill: this.#spill,
      onWritten: () => {
        this.keysProcessed += 1;
      },
      guarded: (write) => this.#guarded(write),
    });
    this.#walking = true;
    this.runs += 1;
  }

  /** The hook: writes the old content of a record that is about to change. */
  #beforeChange(database: number, ref: number): void {
    const records = this.#open;
    const stream = this.#stream;
    if (records === null || stream === null) return;
    this.#guarded(() => {
      if (records.take(database, ref)) return;
      const writer = stream.before(records.open);
      const before = writer.length;
      this.#writeWhole(writer, database, ref);
      this.#copiedBytes += writer.length - before;
      stream.written(writer);
      this.#peakBytes = Math.max(this.#peakBytes, this.heldBytes);
    });
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

  #writeWhole(writer: RdbWriter, database: number, ref: number): void {
    writer.selectDatabase(database);
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
    if (!urgent) this.times.begin();
    const startMs = this.#environment.monotonicMs();
    const sliceMs = urgent ? URGENT_SLICE_MS : SLICE_MS;
    let elapsedMs = 0;
    let more = true;
    const pacing = this.#pacing;
    pacing.note(this.keysProcessed);
    while (more && elapsedMs < sliceMs && !pacing.owes) {
      more = this.#guarded(() => this.#step()) ?? false;
      if (!this.#walking) return;
      elapsedMs = this.#environment.monotonicMs() - startMs;
      pacing.note(this.keysProcessed);
    }
    this.#keyspace.stats.slices.of('snapshot').note(elapsedMs);
    if (!more && !pacing.owes) {
      this.#guarded(() => this.#stream?.flush(0));
      if (!this.#walking) return;
      this.#endWalk(true);
      return;
    }
    if (!urgent) this.times.end(elapsedMs);
    this.#schedule(pacing.pauseMs(elapsedMs, this.#environment.activity(), urgent));
  }

  /** Whether somebody has to catch up before the walk may go on. */
  #behind(): boolean {
    if ((this.#output?.pendingBytes ?? 0) > PENDING_BYTES_MAX) return true;
    return this.#targets.some(
      (target) => !target.ended && (target.sink?.pendingBytes ?? 0) > PENDING_BYTES_MAX,
    );
  }

  /** One bucket, or one piece of a long record. False at the end. */
  #step(): boolean {
    const open = this.#open;
    const stream = this.#stream;
    if (open === null || stream === null) return false;
    const more = (!open.open && stream.emitSide()) || open.step() || this.#walk?.step() === true;
    stream.flush();
    return more;
  }

  #visit(stream: SnapshotStream, database: number, ref: number): void {
    const { records, epoch } = this.#keyspace;
    if (records.mark(ref) === epoch || this.#open?.take(database, ref) === true) return;
    this.#writeWhole(stream.writer, database, ref);
  }

  #endWalk(complete: boolean): void {
    this.#walking = false;
    this.#keyspace.snapshotHook = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#timer = null;
    this.#immediate = null;
    this.#copiedBytes = this.copyOnWriteBytes;
    this.#open?.end();
    this.#open = null;
    this.#walk?.end();
    this.#walk = null;
    this.#stream = null;
    this.#unfinishedRuns = complete ? 0 : this.#unfinishedRuns + 1;
    this.#spill.close();
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
      (error: unknown) => this.drop(target, asError(error)),
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
