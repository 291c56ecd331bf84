/**
 * The persistence room's builder as replication's loader: an RDB into a dataset beside the present one, which
 * serves until the new one is whole. What clients see meanwhile is repl-diskless-load:
 *
 *   disabled            the present dataset; the RDB also goes into the file that BGSAVE writes
 *   on-empty-db         -LOADING when there is no data, otherwise as `disabled`
 *   swapdb              the present dataset when it is of the same history, otherwise -LOADING
 *   flush-before-load   -LOADING; the present dataset goes first, for those who have no memory for two
 */
import { messageOf } from '../config/failure.ts';
import type { DatasetBuilder } from '../persistence/rdb-load.ts';
import { RdbError } from '../persistence/rdb-source.ts';
import type { SnapshotSink } from '../persistence/snapshot.ts';
import type { DatasetLoad, DatasetLoader } from './replication-seams.ts';

export type DisklessLoad = 'disabled' | 'on-empty-db' | 'swapdb' | 'flush-before-load';

/** A load that INFO shows. */
export interface SyncLoading {
  /** Clients are served from the present dataset. */
  readonly serves: boolean;
  readonly startedMs: number;
  readonly bytesTotal: number;
  bytesLoaded: number;
}

export interface LoaderHooks {
  /** An empty builder that keeps expired keys, because the primary says when they go. */
  builder(): DatasetBuilder;
  /** The new dataset is in place: an append-only file must begin anew, caches are stale. */
  replaced(): void;
  disklessLoad(): DisklessLoad;
  /** No database has a key. */
  empty(): boolean;
  flush(): void;
  /** dbfilename, for the log. */
  fileName(): string;
  /** The file that takes its place when it is whole; throws. */
  openFile(): SnapshotSink;
  /** The file is in its place and the dataset too: it goes if rdb-del-sync-files wants it. */
  loadedFile(): void;
  loading(state: SyncLoading | null): void;
  nowMs(): number;
}

/** The reason when the RDB is at fault; bugs pass through. */
function refusal(task: () => void): string | null {
  try {
    task();
    return null;
  } catch (error) {
    if (error instanceof RdbError) return error.message;
    throw error;
  }
}

export function datasetLoader(hooks: LoaderHooks): DatasetLoader {
  const toDisk = (): boolean => {
    const mode = hooks.disklessLoad();
    return mode === 'disabled' || (mode === 'on-empty-db' && !hooks.empty());
  };
  return {
    flushesFirst: () => hooks.disklessLoad() === 'flush-before-load',
    begin(bytesTotal, sameHistory) {
      if (toDisk()) {
        try {
          return new Load(hooks, hooks.openFile(), null);
        } catch (error) {
          const what = 'Opening the temp file needed for PRIMARY <-> REPLICA synchronization';
          return `${what}: ${messageOf(error)}`;
        }
      }
      if (this.flushesFirst()) hooks.flush();
      const serves = hooks.disklessLoad() === 'swapdb' && sameHistory;
      const startedMs = hooks.nowMs();
      return new Load(hooks, null, { serves, startedMs, bytesTotal: bytesTotal ?? 0, bytesLoaded: 0 });
    },
  };
}

class Load implements DatasetLoad {
  readonly #hooks: LoaderHooks;
  readonly #file: SnapshotSink | null;
  readonly #state: SyncLoading | null;
  readonly #builder: DatasetBuilder;
  #over = false;

  constructor(hooks: LoaderHooks, file: SnapshotSink | null, state: SyncLoading | null) {
    this.#hooks = hooks;
    this.#file = file;
    this.#state = state;
    this.#builder = hooks.builder();
    if (state !== null) hooks.loading(state);
  }

  get toDisk(): boolean {
    return this.#file !== null;
  }

  get offset(): number {
    return this.#builder.offset;
  }

  feed(bytes: Uint8Array): string | null {
    if (this.#state !== null) this.#state.bytesLoaded += bytes.length;
    this.#file?.write(bytes);
    const failure = this.#file?.failure ?? null;
    if (failure !== null) {
      const what = 'Write error writing to the DB dump file needed for PRIMARY <-> REPLICA synchronization';
      return `${what}: ${failure.message}`;
    }
    return refusal(() => void this.#builder.feed(bytes));
  }

  finish(placed: (streamDatabase: number) => void, done: (problem: string | null) => void): void {
    if (this.#file === null) {
      done(this.#commit(placed));
      return;
    }
    this.#file.finish().then(
      () => {
        if (this.#over) return;
        const problem = this.#commit(placed);
        if (problem === null) this.#hooks.loadedFile();
        done(problem);
      },
      (error: unknown) => {
        if (this.#over) return;
        const what = `Failed trying to rename the temp DB into ${this.#hooks.fileName()}`;
        done(`${what} in PRIMARY <-> REPLICA synchronization: ${messageOf(error)}`);
      },
    );
  }

  abort(): void {
    if (this.#over) return;
    this.#end();
    this.#file?.abort();
    this.#builder.abort();
  }

  #commit(placed: (streamDatabase: number) => void): string | null {
    const problem = refusal(() => this.#builder.commit());
    if (problem !== null) return problem;
    this.#end();
    const database = Number(this.#builder.fields.get('repl-stream-db') ?? '0');
    placed(Number.isInteger(database) && database >= 0 ? database : 0);
    this.#hooks.replaced();
    return null;
  }

  #end(): void {
    this.#over = true;
    if (this.#state !== null) this.#hooks.loading(null);
  }
}
