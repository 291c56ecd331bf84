/** What snapshots need of the server around them. */
import type { OutputEvents, SnapshotOutput } from './chunk-output.ts';
import type { AccessAttributes } from './record-writer.ts';

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
