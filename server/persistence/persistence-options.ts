/** What persistence needs of the parts around it. Filled by server/wiring. */
import type { Clock } from '../config/clock.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../config/log.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Stats } from '../keyspace/stats.ts';
import type { LatencyNote } from './aof-directory.ts';
import type { CommandApplier } from './aof-scanner.ts';
import type { Merging } from './rdb-load.ts';

/** Where changes come from; the propagation above fills it. `selectedDatabase` is set by it. */
export interface ChangeReader {
  append(bytes: Uint8Array, start: number, end: number): void;
  selectedDatabase: number;
}

export interface PersistenceOptions {
  readonly config: Config;
  readonly log: Log;
  readonly keyspace: Keyspace;
  readonly stats: Stats;
  readonly clock: Clock;
  /** Version that headers of RDBs name as redis-ver. */
  readonly serverVersion: string;
  /** A fresh applier for one append-only file. */
  applier(): CommandApplier;
  /** The AOF wants every change from now on, or none any more. */
  attach(sink: ChangeReader): void;
  /** Commands of a transaction or a script run: what they change may not be torn by a rewrite. */
  inUnit(): boolean;
  /** A script that is late stands in the middle of its changes: no file and no copy may begin. */
  readonly midway?: () => boolean;
  /** Replicas are told nothing of what is replayed. */
  readonly silence?: (silent: boolean) => void;
  detach(sink: ChangeReader): void;
  /** `releasedOffset` grew: replies that waited may leave. */
  onReleased(): void;
  /** The code of every library of functions, and how those of a file join them (a text refuses them). */
  readonly libraries?: {
    codes(): Iterable<Uint8Array>;
    take(codes: readonly Uint8Array[], merging: Merging): string | undefined;
  };
  /** Ends the process: the data cannot be written and was promised to be. */
  fatal(message: string): void;
  /** Takes how long writing took, for LATENCY; null when nobody wants to know. */
  latency?(): LatencyNote | null;
  /** Offset of the replication stream that the dataset has now. */
  streamOffset(): number;
  /** This server decides when keys go. */
  isPrimary(): boolean;
  /** repl-stream-db, repl-id and repl-offset of this moment for RDB files; empty when there is no history. */
  replicationFields(): readonly (readonly [name: string, value: string])[];
}
