/**
 * The append-only file as a whole: on or off, its current increment, its rewrites.
 *
 *   off ──enable──> waiting ──rewrite done──> on ──disable──> off
 *                      ^                       │
 *                      └──dataset replaced─────┘
 *
 *   on        changes go to the last increment of the manifest. A rewrite opens the next increment at T0 and
 *             names it in the manifest at once, writes the new base, then one swap of the manifest retires
 *             everything older.
 *   waiting   the files of the manifest do not describe the dataset: from T0 changes go to a temporary
 *             increment, which joins the manifest together with the new base. A crash before finds the old
 *             files whole.
 *   off       a rewrite makes a base without an increment.
 * A rewrite that fails changes nothing; the increments it had opened stay in the manifest.
 */
import { closeSync, openSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { messageOf } from '../config/failure.ts';
import type { Log } from '../config/log.ts';
import { type AofDirectory, ManifestUnsynced } from './aof-directory.ts';
import { type AofFile, nextBase, withBase, withIncrement } from './aof-manifest.ts';
import type { AofWriter } from './aof-writer.ts';
import { FileSink } from './file-sink.ts';
import { RewriteRecord } from './rewrite-record.ts';
import {
  type SnapshotBegin,
  SnapshotCancelled,
  type SnapshotHandle,
  SnapshotKilled,
  type SnapshotSink,
  type Snapshots,
} from './snapshot.ts';

export type AofState = 'off' | 'waiting' | 'on';

export interface AppendOnlyEnvironment {
  readonly log: Log;
  readonly snapshots: Snapshots;
  nowMs(): number;
  /** Format of the base. */
  rdb(): { readonly version: number; readonly compression: boolean; readonly checksum: boolean };
  /** Form of the base: an RDB, or commands. */
  form(): 'rdb' | 'aof';
  /** A sink that passes the RDB it gets on as commands. */
  asCommands(target: SnapshotSink): SnapshotSink;
  /** Fields of the base's header besides aof-base. */
  fields(): readonly (readonly [name: string, value: string])[];
  /** Whether old files are kept (`aof-disable-auto-gc`). */
  keepsHistory(): boolean;
  /** Offset of the replication stream that the dataset has now. */
  streamOffset(): number;
  /** Changes have to reach the writer from now on, or not any more. */
  attach(): void;
  detach(): void;
  /** Percentage and bytes of `auto-aof-rewrite-…`; percentage 0: never. */
  autoRewrite(): { readonly percentage: number; readonly bytesMin: number };
}

/** With more than this to be synced, a rewrite waits for the disk before it begins, not while it does. */
const UNSYNCED_BYTES_MAX = 1024 * 1024;

/** A rewrite under way. */
interface Rewrite {
  readonly stateAtStart: AofState;
  base: AofFile;
  /** Number of the increment that changes since T0 go to. */
  firstKept: number;
  /** What was appended up to T0, as bytes and as a place in the replication stream. */
  offset: number;
  streamOffset: number;
  temporaryBase: string;
}

export class AppendOnlyFile {
  state: AofState = 'off';
  /**
   * Bytes of all files after the last rewrite, at start those of the base: what growth is measured against.
   */
  baseBytes = 0;
  readonly rewrites: RewriteRecord;
  /** A rewrite was asked for while something else kept it from starting. */
  scheduled = false;
  readonly directory: AofDirectory;
  readonly writer: AofWriter;
  readonly #environment: AppendOnlyEnvironment;
  /** Bytes of all files but the one being written. */
  #closedBytes = 0;
  #handle: SnapshotHandle | null = null;
  /** A rewrite waits for the disk; another object for each. */
  #settling: object | null = null;
  /** The process that stands for the rewrite that runs. */
  #pid = 0;
  /** Changes reach the writer. */
  attached = false;

  constructor(directory: AofDirectory, writer: AofWriter, environment: AppendOnlyEnvironment) {
    this.directory = directory;
    this.writer = writer;
    this.#environment = environment;
    this.rewrites = new RewriteRecord((minutes) =>
      environment.log.warning(
        `Background AOF rewrite has repeatedly failed and triggered the limit, will retry in ${minutes} minutes`,
      ),
    );
  }

  /** Bytes of all files that belong to the dataset. */
  get currentBytes(): number {
    return this.#closedBytes + (this.writer.isOpen ? this.writer.fileBytes : 0);
  }

  get rewriting(): boolean {
    return this.#handle !== null || this.#settling !== null;
  }

  /**
   * After loading at start: goes on in the last increment, or makes the first files. `writeBase` writes an
   * RDB of the dataset to a path, blocking. Throws when the files cannot be written.
   */
  begin(writeBase: (path: string) => void): void {
    const { directory } = this;
    const { log } = this.#environment;
    let { manifest } = directory;
    const goesOn = manifest.increments.length !== 0;
    if (manifest.base === null && !goesOn) {
      const base = nextBase(manifest, directory.prefix, this.#environment.form());
      log.notice(`Creating AOF base file ${base.name} on server start`);
      writeBase(directory.file(base.name));
      manifest = withBase(manifest, base, 1);
    }
    if (!goesOn) manifest = withIncrement(manifest, directory.prefix);
    const { name } = lastIncrement(manifest.increments);
    log.notice(`${goesOn ? 'Opening' : 'Creating'} AOF incr file ${name} on server start`);
    this.writer.open(directory.file(name), directory.bytes(name));
    if (manifest !== directory.manifest) directory.write(manifest);
    directory.removeTemporary();
    this.#countClosed();
    this.baseBytes = manifest.base === null ? 0 : directory.bytes(manifest.base.name);
    this.state = 'on';
    this.#attach();
    this.removeHistory();
  }

  /**
   * CONFIG SET appendonly yes: a first rewrite, and from its T0 on every change. `later`: a transaction runs.
   * False when the rewrite cannot even begin; then it stays off.
   */
  enable(later: boolean): boolean {
    if (this.state !== 'off') return true;
    const { log, snapshots } = this.#environment;
    this.state = 'waiting';
    const other = snapshots.active && !this.rewriting;
    if (other || later) {
      this.scheduled = true;
      const why = other ? 'but there is already another background operation' : 'during a transaction';
      log.notice(`AOF was enabled ${why}. An AOF background was scheduled to start when possible.`);
      return true;
    }
    if (this.rewriting) {
      log.notice(
        'AOF was enabled but there is already an AOF rewriting in background. ' +
          'Stopping background AOF and starting a rewrite now.',
      );
      this.#stopRewrite('the append-only file was turned on');
    }
    this.rewrite();
    if (this.rewriting) return true;
    this.scheduled = false;
    log.warning(
      "The server needs to enable the AOF but can't trigger a background AOF rewrite operation. " +
        'Check the above logs for more info about the error.',
    );
    this.state = 'off';
    return false;
  }

  /** CONFIG SET appendonly no, or the end of the server. What was appended is written and synced first. */
  disable(): void {
    if (this.state === 'off') return;
    const { state } = this;
    this.state = 'off';
    if (this.scheduled) {
      this.scheduled = false;
      this.#environment.log.notice('AOF was disabled but there is a scheduled AOF background, cancel it.');
    }
    this.#stopRewrite('the append-only file was turned off');
    this.#detach();
    this.writer.close();
    if (state === 'waiting') this.#removeTemporary();
  }

  #stopRewrite(reason: string): void {
    this.#settling = null;
    if (this.#handle === null) return;
    this.#environment.log.notice(`Killing running AOF rewrite child: ${this.#pid}`);
    this.#handle.cancel(reason);
  }

  /**
   * A full sync replaced the dataset: the files on disk describe the old one until the next rewrite is done.
   */
  datasetReplaced(): void {
    if (this.state === 'off') return;
    this.#settling = null;
    this.#handle?.cancel('the dataset was replaced');
    this.#detach();
    this.writer.close();
    this.state = 'waiting';
    this.rewrites.forgive();
    this.rewrite();
  }

  /** From `waiting` to `on` without giving way: a base of the dataset as it is and an empty increment. */
  completeNow(writeBase: (path: string) => void): void {
    if (this.state !== 'waiting') return;
    this.#handle?.cancel('the first base is written at once');
    const { directory, writer } = this;
    this.#detach();
    writer.close();
    rmSync(directory.temporaryIncrement, { force: true });
    directory.create();
    const base = nextBase(directory.manifest, directory.prefix, this.#environment.form());
    writeBase(directory.file(base.name));
    const manifest = withIncrement(directory.manifest, directory.prefix);
    const increment = lastIncrement(manifest.increments);
    writer.open(directory.file(increment.name), 0);
    directory.write(withBase(manifest, base, increment.sequence));
    this.state = 'on';
    this.#attach();
    this.#countClosed();
    this.removeHistory();
  }

  /** What the files hold may be less than was said to be safe: new ones are made as soon as possible. */
  doubtful(): void {
    if (this.state !== 'on') return;
    this.scheduled = true;
    this.#environment.log.warning(
      'AOF fsync error looks solved. What the failed fsync covered may be lost: rewriting the AOF.',
    );
  }

  /** Starts a rewrite, or schedules it behind the snapshot that runs. False when one runs already. */
  rewrite(): boolean {
    if (this.rewriting) return false;
    if (this.#environment.snapshots.active) this.schedule();
    else {
      this.scheduled = false;
      if (this.state === 'on' && this.writer.unsyncedBytes > UNSYNCED_BYTES_MAX) this.#settle();
      else this.#start();
    }
    return true;
  }

  /** Starts when the disk has most of what the increment to be left holds. */
  #settle(): void {
    const settling = {};
    this.#settling = settling;
    this.writer.syncThen((error) => {
      if (this.#settling !== settling) return;
      this.#settling = null;
      if (error !== null) this.#failed(error);
      else if (this.#environment.snapshots.active) this.schedule();
      else this.#start();
    });
  }

  /** Somebody asked for a rewrite that cannot start now: it starts as soon as it can. */
  schedule(): void {
    this.scheduled = true;
    this.rewrites.forgive();
    this.#environment.log.notice('Background append only file rewriting scheduled.');
  }

  /** Call some ten times a second. */
  tick(nowMs: number): void {
    if (this.rewriting || this.#environment.snapshots.active) return;
    if (this.scheduled) {
      if (!this.rewrites.holds(nowMs)) this.rewrite();
      return;
    }
    const { percentage, bytesMin } = this.#environment.autoRewrite();
    if (this.state !== 'on' || percentage === 0 || this.currentBytes <= bytesMin) return;
    const base = Math.max(this.baseBytes, 1);
    const growth = Math.floor((this.currentBytes * 100) / base) - 100;
    if (growth < percentage || this.rewrites.holds(nowMs)) return;
    this.#environment.log.notice(`Starting automatic rewriting of AOF on ${growth}% growth`);
    this.rewrite();
  }

  #start(): void {
    const { snapshots } = this.#environment;
    const rewrite: Rewrite = {
      stateAtStart: this.state,
      base: { name: '', sequence: 0 },
      firstKept: 0,
      offset: 0,
      streamOffset: 0,
      temporaryBase: '',
    };
    this.rewrites.started(this.#environment.nowMs());
    let ended = false;
    const handle = snapshots.start({
      purpose: 'rewrite',
      ...this.#environment.rdb(),
      begin: (pid): SnapshotBegin => this.#begin(rewrite, pid),
      onEnd: (error) => {
        ended = true;
        this.#handle = null;
        this.#ended(rewrite, error);
      },
    });
    if (!ended) this.#handle = handle;
  }

  /** T0. */
  #begin(rewrite: Rewrite, pid: number): SnapshotBegin {
    const { directory } = this;
    rewrite.firstKept = this.#openIncrement();
    this.rewrites.count += 1;
    this.#pid = pid;
    rewrite.offset = this.writer.offset;
    rewrite.streamOffset = this.#environment.streamOffset();
    const form = this.#environment.form();
    rewrite.base = nextBase(directory.manifest, directory.prefix, form);
    rewrite.temporaryBase = directory.temporaryBase(pid);
    const file = new FileSink(rewrite.temporaryBase, directory.file(rewrite.base.name));
    this.#environment.log.notice(`Background append only file rewriting started by pid ${pid}`);
    return {
      sink: form === 'rdb' ? file : this.#environment.asCommands(file),
      fields: [...this.#environment.fields(), ['aof-base', '1']],
    };
  }

  #ended(rewrite: Rewrite, error: Error | null): void {
    this.rewrites.ended(this.#environment.nowMs(), this.#environment.snapshots.peakBytes);
    try {
      if (error !== null) throw error;
      this.#finish(rewrite);
      if (this.state === 'on') this.writer.coverUpTo(rewrite.offset, rewrite.streamOffset);
    } catch (failure) {
      this.#failed(failure);
    }
  }

  /** T0: changes go to a fresh file from here on. Returns its number, 0 without one. */
  #openIncrement(): number {
    const { directory, writer } = this;
    directory.create();
    if (this.state === 'off') {
      directory.read();
      return directory.manifest.incrementSequence + 1;
    }
    if (this.state === 'waiting') {
      rmSync(directory.temporaryIncrement, { force: true });
      writer.open(directory.temporaryIncrement, 0);
      this.#attach();
      return directory.manifest.incrementSequence + 1;
    }
    const manifest = withIncrement(directory.manifest, directory.prefix);
    const increment = lastIncrement(manifest.increments);
    this.#environment.log.notice(`Creating AOF incr file ${increment.name} on background rewrite`);
    // What was appended so far is safe first: a file whose tail a power cut took may not have a next one.
    writer.settle();
    // The file first, then the manifest that names it, and only then changes that rely on it.
    closeSync(openSync(directory.file(increment.name), 'w', 0o644));
    directory.write(manifest);
    writer.open(directory.file(increment.name), 0);
    this.#countClosed();
    return increment.sequence;
  }

  /** The base is in its place: one swap of the manifest makes it count. */
  #finish({ stateAtStart, base, firstKept, temporaryBase }: Rewrite): void {
    const { directory } = this;
    const { log } = this.#environment;
    log.notice('Background AOF rewrite terminated with success');
    log.notice(
      `Successfully renamed the temporary AOF base file ${basename(temporaryBase)} into ${base.name}`,
    );
    try {
      const taken = directory.swap(base, firstKept, stateAtStart === 'waiting', (name) =>
        this.#discard(name),
      );
      if (taken !== null) {
        const from = basename(directory.temporaryIncrement);
        log.notice(`Successfully renamed the temporary AOF incr file ${from} into ${taken}`);
      }
    } catch (error) {
      if (error instanceof ManifestUnsynced) this.#rewritten(stateAtStart);
      throw error;
    }
    this.#rewritten(stateAtStart);
    this.rewrites.succeeded();
    log.notice('Background AOF rewrite finished successfully');
    this.removeHistory();
  }

  #rewritten(stateAtStart: AofState): void {
    if (stateAtStart === 'waiting') this.state = 'on';
    this.#countClosed();
    this.baseBytes = this.currentBytes;
  }

  #failed(failure: unknown): void {
    const { log } = this.#environment;
    if (failure instanceof SnapshotCancelled) {
      log.notice(`Background AOF rewrite terminated: ${failure.message}`);
    } else {
      const killed = failure instanceof SnapshotKilled;
      // SIGUSR1 is how Redis ends its own child: no failure.
      if (!killed || failure.signal !== constants.signals.SIGUSR1) this.rewrites.failed();
      const reason = killed ? failure.message : `terminated with error: ${messageOf(failure)}`;
      log.warning(`Background AOF rewrite ${reason}`);
    }
    if (this.state !== 'waiting') return;
    this.#detach();
    this.writer.close();
    const name = basename(this.directory.temporaryIncrement);
    log.notice(`Removing the temp incr aof file ${name} in the background`);
    this.#removeTemporary();
    // Without a base the files on disk mean nothing: it is tried until it succeeds.
    this.scheduled = true;
  }

  #removeTemporary(): void {
    this.#discard(basename(this.directory.temporaryIncrement));
  }

  /** What is left over costs space and does no harm. */
  #discard(name: string): void {
    const failure = this.directory.discard(name);
    if (failure !== null) this.#environment.log.warning(`Cannot remove the file ${name}: ${failure}`);
  }

  #countClosed(): void {
    const { increments } = this.directory.manifest;
    const open = increments.length === 0 ? 0 : this.directory.bytes(lastIncrement(increments).name);
    this.#closedBytes = this.directory.bytesTotal - (this.writer.isOpen ? open : 0);
  }

  /** Deletes files that no load needs any more, unless they are to be kept (`aof-disable-auto-gc`). */
  removeHistory(): void {
    if (this.#environment.keepsHistory()) return;
    const { log } = this.#environment;
    for (const file of this.directory.manifest.history) {
      log.notice(`Removing the history file ${file.name} in the background`);
    }
    try {
      this.directory.removeHistory((message) =>
        log.warning(`Cannot remove an old append-only file: ${message}`),
      );
    } catch (error) {
      log.warning(`Cannot write the AOF manifest: ${messageOf(error)}`);
    }
  }

  #attach(): void {
    if (this.attached) return;
    this.attached = true;
    this.#environment.attach();
  }

  #detach(): void {
    if (!this.attached) return;
    this.attached = false;
    this.#environment.detach();
  }
}

function lastIncrement(increments: readonly AofFile[]): AofFile {
  const last = increments[increments.length - 1];
  if (last === undefined) throw new Error('the manifest has no increment');
  return last;
}
