/** The RDB file: BGSAVE, SAVE, save points, and what INFO tells of them. */
import { join } from 'node:path';
import type { Log } from '../config/log.ts';
import type { SavePoint } from '../config/special-kinds.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { FileSink } from './file-sink.ts';
import { saveDataset } from './rdb-save.ts';
import type { AccessAttributes } from './record-writer.ts';
import { type SnapshotBegin, SnapshotCancelled, type SnapshotHandle, type Snapshots } from './snapshot.ts';

export interface SaveEnvironment {
  readonly log: Log;
  readonly snapshots: Snapshots;
  readonly keyspace: Keyspace;
  nowMs(): number;
  /** `dir` and `dbfilename`. */
  place(): { readonly folder: string; readonly file: string };
  rdb(): { readonly version: number; readonly compression: boolean; readonly checksum: boolean };
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
  lastCopyOnWriteBytes = 0;
  /** BGSAVE SCHEDULE asked for one behind the rewrite that runs. */
  scheduled = false;
  readonly #environment: SaveEnvironment;
  #handle: SnapshotHandle | null = null;
  #lastTryMs = 0;

  constructor(environment: SaveEnvironment) {
    this.#environment = environment;
    this.lastSaveMs = environment.nowMs();
  }

  get running(): boolean {
    return this.#handle !== null;
  }

  /** Starts a save in the background; false when snapshots keep it from starting. */
  start(): boolean {
    const { snapshots, keyspace, log } = this.#environment;
    if (this.#handle !== null || snapshots.active) return false;
    this.scheduled = false;
    this.startedMs = this.#environment.nowMs();
    this.#lastTryMs = this.startedMs;
    const { folder, file } = this.#environment.place();
    let dirtyAtStart = 0;
    let ended = false;
    const handle = snapshots.start({
      purpose: 'save',
      ...this.#environment.rdb(),
      begin: (): SnapshotBegin => {
        dirtyAtStart = keyspace.dirty;
        const sink = new FileSink(join(folder, `temp-${process.pid}.rdb`), join(folder, file));
        log.notice(`Background saving started by pid ${process.pid}`);
        return { sink, fields: this.#environment.fields() };
      },
      onEnd: (error) => {
        ended = true;
        this.#handle = null;
        this.#ended(error, dirtyAtStart);
      },
    });
    if (!ended) this.#handle = handle;
    return true;
  }

  /** SAVE: blocks until the file is there; why it failed, or null. */
  saveNow(): string | null {
    const { keyspace, log } = this.#environment;
    const { folder, file } = this.#environment.place();
    this.#lastTryMs = this.#environment.nowMs();
    try {
      saveDataset(keyspace, join(folder, `temp-${process.pid}.rdb`), join(folder, file), {
        ...this.#environment.rdb(),
        attributes: this.#environment.attributes(),
        fields: this.#environment.fields(),
      });
    } catch (error) {
      this.lastOk = false;
      const message = error instanceof Error ? error.message : String(error);
      log.warning(`Error saving the RDB file: ${message}`);
      return message;
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

  #ended(error: Error | null, dirtyAtStart: number): void {
    const { snapshots, keyspace, log } = this.#environment;
    const nowMs = this.#environment.nowMs();
    this.lastSeconds = Math.floor((nowMs - this.startedMs) / 1000);
    this.lastCopyOnWriteBytes = snapshots.copyOnWriteBytes;
    if (error instanceof SnapshotCancelled) {
      log.notice(`Background saving terminated: ${error.message}`);
      return;
    }
    if (error !== null) {
      this.lastOk = false;
      log.warning(`Background saving error: ${error.message}`);
      return;
    }
    keyspace.dirty = Math.max(0, keyspace.dirty - dirtyAtStart);
    this.lastSaveMs = nowMs;
    this.lastOk = true;
    this.saves += 1;
    log.notice('DB saved on disk');
    log.notice('Background saving terminated with success');
  }
}
