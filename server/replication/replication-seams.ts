/** What replication needs of the rooms around it. Filled by server.ts. */
import type { SnapshotHandle, SnapshotRequest } from '../persistence/snapshot.ts';
import type { SyncFile } from './rdb-run.ts';
import type { Spill } from './spill.ts';

/** Makes RDB snapshots, one after the other: `Snapshots` of the persistence room. */
export interface SnapshotMaker {
  start(request: SnapshotRequest): SnapshotHandle;
}

/** Builds a dataset from an RDB while the current one goes on serving. */
export interface DatasetLoader {
  /** The present dataset goes before the new one comes. */
  flushesFirst(): boolean;
  /** `sameHistory`: the new dataset is a later one of the same history. A text says why it cannot begin. */
  begin(bytesTotal: number | null, sameHistory: boolean): DatasetLoad | string;
}

/** Failures are told as a sentence for the log; after one, only `abort` may be called. */
export interface DatasetLoad {
  /** The RDB becomes a file as well. */
  readonly toDisk: boolean;
  /** Bytes read up to the last whole record. */
  readonly offset: number;
  /** Takes the next bytes and may keep them. Null, or why the RDB cannot be loaded. */
  feed(bytes: Uint8Array): string | null;
  /**
   * All bytes were given: puts the new dataset in place of the old one. `placed` is called as soon as it is
   * there, with repl-stream-db (0 if the RDB has none) and before files of it are begun. `done` gets null, or
   * why it failed; during the call or later, and not after `abort`.
   */
  finish(placed: (streamDatabase: number) => void, done: (problem: string | null) => void): void;
  abort(): void;
}

/** A command of the primary's stream that this server cannot run. */
export class ApplyFailure extends Error {}

/** Runs the commands that a primary sends. */
export interface CommandApplier {
  /** Database that the stream selected; it outlives a broken link. */
  database: number;
  /**
   * Runs all of bytes[start, end): whole commands, transactions closed. Returns `end`. Throws ApplyFailure;
   * how many commands ran before is then unknown.
   */
  apply(bytes: Uint8Array, start: number, end: number): number;
  /** True while nothing may be applied: a script is in the middle of its changes. */
  readonly held?: boolean;
}

/** The rooms around; read at each use, so that a circle of parts can be closed after construction. */
export interface ReplicationSeams {
  snapshots: SnapshotMaker;
  /** Fields of an RDB's header but for those of replication. */
  rdbFields: () => readonly (readonly [name: string, value: string])[];
  /** rdbcompression. */
  rdbCompression: () => boolean;
  loader: DatasetLoader;
  /** Where logs put what memory has no room for. */
  spill: Spill;
  /** The file for replicas of `repl-diskless-sync no`; `pid` names it until it is whole. May throw. */
  syncFile: (pid: number) => SyncFile;
  /** There are save points: a file nobody waits for any more is of use. */
  savesFiles: () => boolean;
  /** Offset of the stream up to which our append-only file is safe from a crash; -1: there is none. */
  filedOffset: () => number;
  /** The link to a primary is a client like others: a number for it. */
  nextClientId: () => number;
  applier: CommandApplier;
  /** No key is here. */
  isEmpty: () => boolean;
  /** A node of a cluster without slots. */
  servesNothing: () => boolean;
  /** In a cluster: a replica that has data is made the primary, whatever it takes. Null outside of one. */
  readonly clusterHandOver: ((done: (refusal: string | null) => void) => void) | null;
}

/** Parameters, read anew at every use because they are live. */
export interface ReplicationSettings {
  readonly port: number;
  /** Where links to a primary start from; empty: the system chooses. */
  readonly sourceAddress: string;
  readonly primaryUser: string;
  readonly primaryPassword: string;
  readonly announceAddress: string;
  readonly announcePort: number;
  readonly announced: boolean;
  readonly priority: number;
  readonly replicaReadOnly: boolean;
  readonly disklessSync: boolean;
  readonly disklessSyncDelaySeconds: number;
  /** So many who wait end the delay; 0: no number does. */
  readonly disklessSyncMaxReplicas: number;
  readonly pingPeriodSeconds: number;
  readonly timeoutSeconds: number;
  /** repl-empty-primary-wait; 0: none. */
  readonly emptyPrimaryWaitSeconds: number;
  readonly backlogBytes: number;
  /** 0: for ever. */
  readonly backlogTtlSeconds: number;
  readonly minReplicasToWrite: number;
  readonly minReplicasMaxLagSeconds: number;
  /** client-output-buffer-limit replica; 0: no limit. */
  readonly outputLimit: OutputLimit;
}

export interface OutputLimit {
  readonly hardBytes: number;
  readonly softBytes: number;
  readonly softSeconds: number;
}

export interface ReplicationLog {
  write(level: 'debug' | 'verbose' | 'notice' | 'warning', text: string): void;
}

/** Counters that replication moves. */
export interface ReplicationCounters {
  syncFull: number;
  syncPartialOk: number;
  syncPartialErr: number;
  totalReplInputBytes: number;
  totalReplOutputBytes: number;
}

/** A client that became a replica, as far as replication uses it. */
export interface ReplicaPeer {
  readonly id: number;
  readonly link: ReplicaPeerLink;
  /** From REPLCONF listening-port; 0 when it was not told. */
  replicaPort: number;
  /** From REPLCONF ip-address; empty when it was not told. */
  replicaAddress: string;
  /** Bits of `CAPABILITY_`. */
  replicaCapabilities: number;
  /** From REPLCONF version: major * 65536 + minor * 256 + patch; 0 when it was not told. */
  replicaVersion: number;
  /** From REPLCONF resumes: it has data of ours, of the history with this id; empty: it did not say so. */
  replicaResumes: string;
}

export interface ReplicaPeerLink {
  /** `address:port`. */
  readonly remoteAddress: string;
  readonly pendingBytes: number;
  write(bytes: Uint8Array): void;
  closeAfterReplies(reason: string): void;
  destroy(reason: string): void;
}

export const CAPABILITY_EOF = 1;
export const CAPABILITY_PSYNC2 = 2;
/** Not a capability: the peer wants the RDB and then nothing more. */
export const WANTS_RDB_ONLY = 4;
/** Not capabilities either: what the RDB shall be without. */
export const WANTS_NO_KEYS = 8;
export const WANTS_NO_FUNCTIONS = 16;

/** Time and turns, so that tests move them by hand. */
export interface ReplicationRuntime {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Fills the array with randomness. */
  random(bytes: Uint8Array): void;
  /** Runs `task` at the end of the turn. */
  afterTurn(task: () => void): void;
  /** Runs `task` once after `ms`; the returned function takes it back. */
  after(ms: number, task: () => void): () => void;
}
