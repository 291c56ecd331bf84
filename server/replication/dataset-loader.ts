/** The persistence room's builder as replication's loader: an RDB into a dataset beside the present one. */
import type { DatasetBuilder } from '../persistence/rdb-load.ts';
import { RdbError } from '../persistence/rdb-source.ts';
import type { DatasetLoad, DatasetLoader } from './replication-seams.ts';

export interface LoaderHooks {
  /** An empty builder that keeps expired keys, because the primary says when they go. */
  builder(): DatasetBuilder;
  /** The new dataset is in place: an append-only file must begin anew, caches are stale. */
  replaced(): void;
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
  return {
    begin(): DatasetLoad {
      const builder = hooks.builder();
      return {
        feed: (bytes) => refusal(() => void builder.feed(bytes)),
        finish: (placed) => {
          const problem = refusal(() => builder.commit());
          if (problem !== null) return problem;
          const database = Number(builder.fields.get('repl-stream-db') ?? '0');
          placed(Number.isInteger(database) && database >= 0 ? database : 0);
          hooks.replaced();
          return null;
        },
        abort: () => builder.abort(),
      };
    },
  };
}
