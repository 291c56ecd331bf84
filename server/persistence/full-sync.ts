/**
 * Snapshots for replicas, and the datasets that a replica receives: the seam to the replication room, whose interfaces
 * these two classes fill by their shape.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { type BuildOptions, DatasetBuilder } from './rdb-load.ts';
import type { SnapshotBegin, SnapshotSink, Snapshots } from './snapshot.ts';

/** What a full sync asks for. */
export interface SyncRequest {
  readonly rdbVersion: number;
  readonly streamDatabase: number;
  readonly replicationId: string;
  readonly replicationOffset: number;
  /** Takes the next bytes; they are the receiver's. */
  chunk(bytes: Uint8Array): void;
  finished(): void;
  failed(reason: string): void;
}

export interface SyncRun {
  /** Nothing new until `resume`, except the old content of keys that change. */
  pause(): void;
  resume(): void;
  /** Neither `finished` nor `failed` follows. */
  cancel(): void;
}

/** Passes chunks on; bytes that come while it is paused are kept for later, up to a limit. */
class SyncSink implements SnapshotSink {
  failure: Error | null = null;
  readonly #chunk: (bytes: Uint8Array) => void;
  #paused = false;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #resumed: (() => void) | null = null;

  constructor(chunk: (bytes: Uint8Array) => void) {
    this.#chunk = chunk;
  }

  get pendingBytes(): number {
    return this.#paused ? Number.POSITIVE_INFINITY : 0;
  }

  write(bytes: Uint8Array): void {
    if (!this.#paused) {
      this.#chunk(bytes);
      return;
    }
    this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
    if (this.#keptBytes > KEPT_BYTES_MAX) {
      this.failure = new Error(
        `the replica reads too slowly: ${this.#keptBytes} bytes of changed keys wait for it`,
      );
    }
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused) {
      const bytes = this.#kept.shift();
      if (bytes === undefined) break;
      this.#keptBytes -= bytes.length;
      this.#chunk(bytes);
    }
    if (this.#kept.length === 0) this.#resumed?.();
  }

  async finish(): Promise<void> {
    if (this.#kept.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#resumed = resolve;
    });
  }

  abort(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }
}

/** Old content kept for a replica that does not read; beyond it the sync fails. */
const KEPT_BYTES_MAX = 256 * 1024 * 1024;

export interface SyncEnvironment {
  readonly snapshots: Snapshots;
  /** Header fields of every RDB, without those of the replication. */
  fields(): readonly (readonly [name: string, value: string])[];
  compression(): boolean;
  checksum(): boolean;
}

export class SyncSnapshots {
  readonly #environment: SyncEnvironment;

  constructor(environment: SyncEnvironment) {
    this.#environment = environment;
  }

  /** T0 is during the call. A string says why not now; the caller tries again. */
  start(request: SyncRequest): SyncRun | string {
    const { snapshots } = this.#environment;
    if (snapshots.active) return 'another snapshot is running';
    const sink = new SyncSink((bytes) => request.chunk(bytes));
    let failedAtOnce: string | null = null;
    let started = false;
    let cancelled = false;
    const handle = snapshots.start({
      purpose: 'sync',
      version: request.rdbVersion,
      compression: this.#environment.compression(),
      checksum: this.#environment.checksum(),
      begin: (): SnapshotBegin => ({
        sink,
        fields: [
          ...this.#environment.fields(),
          ['repl-stream-db', String(request.streamDatabase)],
          ['repl-id', request.replicationId],
          ['repl-offset', String(request.replicationOffset)],
        ],
      }),
      onEnd: (error) => {
        if (cancelled) return;
        if (error === null) request.finished();
        else if (started) request.failed(error.message);
        else failedAtOnce = error.message;
      },
    });
    started = true;
    if (failedAtOnce !== null) return failedAtOnce;
    return {
      pause: () => sink.pause(),
      resume: () => sink.resume(),
      cancel: () => {
        cancelled = true;
        handle.cancel('cancelled');
      },
    };
  }
}

export interface SyncLoadEnvironment {
  readonly keyspace: Keyspace;
  options(): BuildOptions;
  /** Called right before the new dataset takes the place of the old one, and right after. */
  beforeReplace(): void;
  afterReplace(): void;
}

/** A dataset under construction beside the one that goes on serving. After a failure only `abort` may be called. */
export class SyncLoad {
  readonly #environment: SyncLoadEnvironment;
  readonly #builder: DatasetBuilder;

  constructor(environment: SyncLoadEnvironment) {
    this.#environment = environment;
    this.#builder = new DatasetBuilder(environment.keyspace, environment.options());
  }

  /** Takes the next bytes and may keep them. Null, or why the RDB cannot be loaded. */
  feed(bytes: Uint8Array): string | null {
    try {
      const rest = this.#builder.feed(bytes);
      return rest === 0 ? null : `${rest} bytes follow the end of the RDB`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** All bytes were given: puts the new dataset in place of the old one. */
  finish(): { readonly streamDatabase: number } | string {
    if (!this.#builder.done) return 'the RDB ended early';
    this.#environment.beforeReplace();
    this.#builder.commit();
    this.#environment.afterReplace();
    return { streamDatabase: Number(this.#builder.fields.get('repl-stream-db') ?? '0') };
  }

  abort(): void {
    this.#builder.abort();
  }
}
