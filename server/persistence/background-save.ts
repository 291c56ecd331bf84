/** The RDB file: BGSAVE, SAVE, save points, and what INFO tells of them. */
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../config/log.ts';
import type { SavePoint } from '../config/special-kinds.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { FileSink } from './file-sink.ts';
import { type RdbForm, saveDataset } from './rdb-save.ts';
import type { AccessAttributes } from './record-writer.ts';
import { saveFailure } from './save-failure.ts';
import {
  type SnapshotBegin,
  SnapshotCancelled,
  type SnapshotHandle,
  SnapshotKilled,
  type Snapshots,
} from './snapshot.ts';

export interface SaveEnvironment {
  readonly log: Log;
  readonly snapshots: Snapshots;
  readonly keyspace: Keyspace;
  nowMs(): number;
  /** `dir` and `dbfilename`. */
  place(): { readonly folder: string; readonly file: string };
  rdb(): RdbForm;
  attributes(): AccessAttributes;
  fields(): readonly (readonly [name: string, value: string])[];
  points(): readonly SavePoint[];
}

/** Wait after a failed save before a save point tries again. */
const RETRY_MS = 5000;

export class BackgroundSave {
  /** Unix ms of the last save that succeeded; at first, of the server's start. */
  lastSaveMs: number;
  lastOk = true;
  /** Seconds the last one took, -1 before the first. */
  lastSeconds = -1;
  startedMs = 0;
  saves = 0;
  /** Most memory that the last one held beside the dataset. */
  lastCopyOnWriteBytes = 0;
  /** BGSAVE SCHEDULE asked for one behind the rewrite that runs. */
  scheduled = false;
  readonly #environment: SaveEnvironment;
  #handle: SnapshotHandle | null = null;
  #lastTryMs = 0;
  #temporary = '';

  constructor(environment: SaveEnvironment) {
    this.#environment = environment;
    this.lastSaveMs = environment.nowMs();
  }

  get running(): boolean {
    return this.#handle !== null;
  }

  /** Starts a save in the background; false when snapshots keep it from starting. */
  start(): boolean {
    if (this.#handle !== null || this.#environment.snapshots.active) return false;
    this.#begin(false, (error) => this.#report(error));
    return true;
  }

  /**
   * The last save, while nobody is served: as fast as it goes, and signals still come through. Why it failed,
   * or null.
   */
  finish(): Promise<string | null> {
    this.cancel('the server ends');
    return new Promise((resolve) => {
      this.#begin(true, (error) => resolve(error === null ? null : error.message));
    });
  }

  /** What was told last, and the save itself, is over: `ended` gets the error or null. */
  #begin(urgent: boolean, ended: (error: Error | null) => void): void {
    const { snapshots, keyspace, log } = this.#environment;
    this.scheduled = false;
    this.startedMs = this.#environment.nowMs();
    this.#lastTryMs = this.startedMs;
    const { folder, file } = this.#environment.place();
    const final = join(folder, file);
    let dirtyAtStart = 0;
    let over = false;
    const handle = snapshots.start({
      purpose: 'save',
      ...this.#environment.rdb(),
      urgent,
      begin: (pid): SnapshotBegin => {
        dirtyAtStart = keyspace.dirty;
        // Nobody is served during the last save, and it has no other process in its place.
        const owner = urgent ? process.pid : pid;
        if (!urgent) log.notice(`Background saving started by pid ${owner}`);
        this.#temporary = join(folder, `temp-${owner}.rdb`);
        return { sink: new FileSink(this.#temporary, final), fields: this.#environment.fields() };
      },
      onEnd: (error) => {
        over = true;
        this.#handle = null;
        this.#ended(error, dirtyAtStart, urgent);
        if (error !== null && isTrouble(error)) log.warning(saveFailure(error, this.#temporary, final));
        ended(error);
      },
    });
    if (!over) this.#handle = handle;
  }

  /** SAVE: blocks until the file is there; why it failed, or null. */
  saveNow(): string | null {
    const { keyspace, log } = this.#environment;
    const { folder, file } = this.#environment.place();
    const final = join(folder, file);
    const temporary = join(folder, `temp-${process.pid}.rdb`);
    try {
      saveDataset(keyspace, temporary, final, {
        ...this.#environment.rdb(),
        attributes: this.#environment.attributes(),
        fields: this.#environment.fields(),
      });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      log.warning(saveFailure(error, temporary, final));
      return error.message;
    }
    log.notice('DB saved on disk');
    keyspace.dirty = 0;
    this.lastSaveMs = this.#environment.nowMs();
    this.lastOk = true;
    this.saves += 1;
    return null;
  }

  cancel(reason: string): void {
    this.#handle?.cancel(reason);
  }

  /** Starts what a save point or BGSAVE SCHEDULE asks for. Call some ten times a second. */
  tick(nowMs: number): void {
    const { snapshots, keyspace, log } = this.#environment;
    if (this.#handle !== null || snapshots.active) return;
    if (this.scheduled) {
      this.start();
      return;
    }
    if (!this.lastOk && nowMs - this.#lastTryMs < RETRY_MS) return;
    for (const point of this.#environment.points()) {
      if (keyspace.dirty < point.changes || nowMs - this.lastSaveMs <= point.seconds * 1000) continue;
      log.notice(`${point.changes} changes in ${point.seconds} seconds. Saving...`);
      this.start();
      return;
    }
  }

  /** A last save that fails ends nothing: only one in the background counts for clients. */
  #ended(error: Error | null, dirtyAtStart: number, urgent: boolean): void {
    const { snapshots, keyspace, log } = this.#environment;
    const nowMs = this.#environment.nowMs();
    this.lastSeconds = Math.floor((nowMs - this.startedMs) / 1000);
    this.lastCopyOnWriteBytes = snapshots.peakBytes;
    if (error !== null) {
      // SIGUSR1 is how Redis ends its own child: no failure.
      const wanted = error instanceof SnapshotKilled && error.signal === constants.signals.SIGUSR1;
      if (!urgent && !(error instanceof SnapshotCancelled) && !wanted) this.lastOk = false;
      return;
    }
    keyspace.dirty = Math.max(0, keyspace.dirty - dirtyAtStart);
    this.lastSaveMs = nowMs;
    this.lastOk = true;
    this.saves += 1;
    log.notice('DB saved on disk');
  }

  #report(error: Error | null): void {
    const { log } = this.#environment;
    if (error === null) log.notice('Background saving terminated with success');
    else if (error instanceof SnapshotCancelled) log.notice(`Background saving terminated: ${error.message}`);
    else if (error instanceof SnapshotKilled) log.warning(`Background saving ${error.message}`);
    else log.warning('Background saving error');
  }
}

function isTrouble(error: Error): boolean {
  return !(error instanceof SnapshotCancelled) && !(error instanceof SnapshotKilled);
}
