/**
 * Full resyncs of the replicas of this server. One snapshot runs at a time and serves all who wait when it
 * begins; who comes while all of its bytes are still there joins it, others wait for the next.
 *
 *   add -> wait_bgsave --T0: FULLRESYNC--> its RDB (rdb-run.ts, rdb-delivery.ts) --> online
 *
 * The stream since T0 waits in the log, which keeps what a replica has not passed (backlog.ts). Replicas that
 * know an end mark get the RDB while it is made (repl-diskless-sync), others and those of
 * `repl-diskless-sync no` get the file it was written to, with its size in front.
 */
import { LIBRARY_FIELD, RDB_VERSION_FIELD_EXPIRY, VALKEY_RDB_VERSION } from '../persistence/rdb-format.ts';
import type { SnapshotHandle } from '../persistence/snapshot.ts';
import type { AttachedReplica } from './attached-replica.ts';
import { FileRun, type RdbRun, StreamRun } from './rdb-run.ts';
import {
  CAPABILITY_EOF,
  CAPABILITY_PSYNC2,
  type ReplicationLog,
  type ReplicationRuntime,
  type ReplicationSeams,
  type ReplicationSettings,
  WANTS_NO_FUNCTIONS,
  WANTS_NO_KEYS,
} from './replication-seams.ts';

/** What begins at T0, from the owner of the history. */
export interface SyncPoint {
  readonly replicationId: string;
  readonly offset: number;
  readonly streamDatabase: number;
}

export interface FullSyncOwner {
  /** The stream from here on must make sense to somebody who has only the RDB. */
  markSyncPoint(): SyncPoint;
  /** The replica needs the stream from `offset` on. */
  hold(replica: AttachedReplica, offset: number): void;
  /** The RDB was handed over whole. */
  synced(replica: AttachedReplica): void;
  /** Give it up; `reason` goes to the log. */
  drop(replica: AttachedReplica, reason: string): void;
}

export interface FullSyncParts {
  readonly seams: ReplicationSeams;
  readonly settings: ReplicationSettings;
  readonly log: ReplicationLog;
  readonly runtime: ReplicationRuntime;
}

const RETRY_MS = 1000;
const RDB_VERSION_UNKNOWN_PEER = 10;
const RDB_VERSION_NAMED_PEER = 11;
const VERSION_7_4 = 0x070400;
const VERSION_8_0 = 0x080000;
const VERSION_9_0 = 0x090000;

const encoder = new TextEncoder();
const NEWLINE = encoder.encode('\n');

export class FullSync {
  readonly #owner: FullSyncOwner;
  readonly #parts: FullSyncParts;
  readonly #waiting: Set<AttachedReplica> = new Set();
  /** The RDB of each who does not wait any more. */
  readonly #runs: Map<AttachedReplica, RdbRun> = new Map();
  /** Asked for, and not ended. */
  #handle: SnapshotHandle | null = null;
  /** From T0 to the end of the snapshot. */
  #run: RdbRun | null = null;
  #kind: Kind | null = null;
  #point: SyncPoint | null = null;
  #notBeforeMs = 0;

  constructor(owner: FullSyncOwner, parts: FullSyncParts) {
    this.#owner = owner;
    this.#parts = parts;
  }

  add(replica: AttachedReplica): void {
    const { log, runtime } = this.#parts;
    if (this.#join(replica)) return;
    this.#waiting.add(replica);
    if (this.#run !== null) {
      const target = this.#run.marked ? 'socket' : 'disk';
      log.write('notice', `Current BGSAVE has ${target} target. Waiting for next BGSAVE for SYNC`);
    } else if (this.#delayMs > 0) log.write('notice', 'Delay next BGSAVE for diskless SYNC');
    // After the turn, so that the answer to what the replica sent before goes out first.
    runtime.afterTurn(() => this.#beginIfDue(runtime.nowMs()));
  }

  remove(replica: AttachedReplica): void {
    this.#waiting.delete(replica);
    replica.delivery?.stop();
    const run = this.#runs.get(replica);
    this.#runs.delete(replica);
    run?.remove(replica);
    if (run === undefined || run !== this.#run || run.replicas.size !== 0) return;
    // A file with everything in it is of use to somebody who has save points.
    if (!run.marked && this.#parts.seams.savesFiles()) return;
    if (run.marked) {
      const text = 'Diskless rdb transfer, last replica dropped, killing fork child.';
      this.#parts.log.write('notice', text);
    }
    this.#handle?.cancel('no replica waits for it any more');
  }

  /** The dataset goes away: who waits for what it was comes back for what it is. */
  cancel(reason: string): void {
    if (this.#run !== null) this.#handle?.cancel(reason);
  }

  /** Once a second: signs of life to those who wait, and the delayed begin. */
  tick(nowMs: number): void {
    for (const replica of this.#waiting) replica.peer.link.write(NEWLINE);
    if (this.#run?.marked === false) {
      for (const replica of this.#run.replicas) replica.peer.link.write(NEWLINE);
    }
    this.#beginIfDue(nowMs);
  }

  get #delayMs(): number {
    const { settings } = this.#parts;
    return settings.disklessSync ? settings.disklessSyncDelaySeconds * 1000 : 0;
  }

  #kindOf(replica: AttachedReplica): Kind {
    const { peer, legacy } = replica;
    const knowsMark = (peer.replicaCapabilities & CAPABILITY_EOF) !== 0;
    return {
      marked: knowsMark && this.#parts.settings.disklessSync,
      rdbVersion: rdbVersionFor(peer.replicaVersion),
      legacy,
      without: peer.replicaCapabilities & (WANTS_NO_KEYS | WANTS_NO_FUNCTIONS),
    };
  }

  #beginIfDue(nowMs: number): void {
    if (this.#handle !== null || nowMs < this.#notBeforeMs) return;
    let first: AttachedReplica | null = null;
    for (const replica of this.#waiting) first ??= replica;
    if (first === null) return;
    const most = this.#parts.settings.disklessSyncMaxReplicas;
    const enough = most > 0 && this.#waiting.size >= most;
    if (!enough && nowMs - first.attachedAtMs < this.#delayMs) return;
    const kind = this.#kindOf(first);
    const target = kind.marked ? 'replicas sockets' : 'disk';
    this.#parts.log.write('notice', `Starting BGSAVE for SYNC with target: ${target}`);
    let ended = false;
    const handle = this.#parts.seams.snapshots.start({
      purpose: 'sync',
      version: kind.rdbVersion,
      compression: this.#parts.seams.rdbCompression(),
      checksum: true,
      withoutKeys: (kind.without & WANTS_NO_KEYS) !== 0,
      begin: (pid) => this.#begin(kind, pid),
      onEnd: (error) => {
        ended = true;
        this.#ended(error);
      },
    });
    // A request may end before it is handed back.
    this.#handle = ended ? null : handle;
  }

  /** T0. */
  #begin(kind: Kind, pid: number) {
    const { log, seams, runtime } = this.#parts;
    const replicas = [...this.#waiting].filter((replica) => serves(kind, this.#kindOf(replica)));
    if (replicas.length === 0) throw new Error('no replica waits for it any more');
    const ends = {
      delivered: (replica: AttachedReplica, mark: Uint8Array | null) => this.#delivered(replica, mark),
      failed: (replica: AttachedReplica, reason: string) => this.#owner.drop(replica, reason),
    };
    const run = kind.marked
      ? new StreamRun(this.#newMark(), seams.spill, runtime, ends)
      : new FileRun(seams.syncFile(pid), runtime, ends);
    const point = this.#owner.markSyncPoint();
    this.#run = run;
    this.#kind = kind;
    this.#point = point;
    const what = kind.marked ? 'RDB transfer' : 'saving';
    log.write('notice', `Background ${what} started by pid ${pid}`);
    for (const replica of replicas) {
      this.#waiting.delete(replica);
      this.#admit(run, point, replica);
    }
    const functions = (kind.without & WANTS_NO_FUNCTIONS) === 0;
    const fields: (readonly [string, string])[] = [
      ...[...seams.rdbFields()].filter(([name]) => functions || name !== LIBRARY_FIELD),
      ['repl-stream-db', String(point.streamDatabase)],
      ['repl-id', point.replicationId],
      ['repl-offset', String(point.offset)],
      ['aof-base', '0'],
    ];
    return { sink: run, fields };
  }

  /** Late, but nothing is lost yet. */
  #join(replica: AttachedReplica): boolean {
    const run = this.#run;
    if (run === null || this.#kind === null || this.#point === null || !run.joinable) return false;
    if (run.replicas.size === 0 || !serves(this.#kind, this.#kindOf(replica))) return false;
    this.#parts.log.write('notice', 'Waiting for end of BGSAVE for SYNC');
    this.#admit(run, this.#point, replica);
    return true;
  }

  #admit(run: RdbRun, point: SyncPoint, replica: AttachedReplica): void {
    this.#owner.hold(replica, point.offset);
    if (!replica.legacy) {
      const line = `+FULLRESYNC ${point.replicationId} ${point.offset}\r\n`;
      this.#parts.runtime.afterTurn(() => replica.peer.link.write(encoder.encode(line)));
    }
    this.#runs.set(replica, run);
    run.add(replica);
  }

  #newMark(): string {
    const bytes = new Uint8Array(20);
    this.#parts.runtime.random(bytes);
    return Buffer.from(bytes).toString('hex');
  }

  /** The snapshot is over; its bytes may still be on their way. */
  #ended(error: Error | null): void {
    const { log, runtime } = this.#parts;
    const run = this.#run;
    this.#handle = null;
    this.#run = null;
    if (error !== null) {
      if ((run === null ? this.#waiting.size : run.replicas.size) === 0) return;
      this.#notBeforeMs = runtime.nowMs() + RETRY_MS;
      log.write('warning', `Background transfer error: ${error.message}`);
      for (const replica of run === null ? [] : [...run.replicas]) {
        this.#owner.drop(replica, `the snapshot failed: ${error.message}`);
      }
      return;
    }
    if (run === null) return;
    if (run.marked) {
      const up = run.replicas.size;
      log.write('notice', `Diskless rdb transfer, done reading from pipe, ${up} replicas still up.`);
    }
    log.write('notice', `Background ${run.marked ? 'RDB transfer' : 'saving'} terminated with success`);
    run.complete();
    runtime.afterTurn(() => this.#beginIfDue(runtime.nowMs()));
  }

  #delivered(replica: AttachedReplica, mark: Uint8Array | null): void {
    const { log, runtime } = this.#parts;
    replica.delivery = null;
    this.#runs.delete(replica);
    if (mark !== null) {
      replica.peer.link.write(mark);
      replica.streamsOnAck = !replica.legacy;
      log.write(
        'notice',
        `Streamed replica with replica ${replica.label} (socket), ` +
          `waiting for REPLCONF ACK from replica to enable streaming`,
      );
    }
    replica.state = 'online';
    replica.ackedAtMs = runtime.nowMs();
    this.#owner.synced(replica);
  }
}

/** Replicas of one kind can share an RDB. */
interface Kind {
  /** It comes with a mark at its end, straight from the snapshot. */
  readonly marked: boolean;
  /** It asked by SYNC. */
  readonly legacy: boolean;
  readonly rdbVersion: number;
  /** Bits: `WANTS_NO_KEYS`, `WANTS_NO_FUNCTIONS`. */
  readonly without: number;
}

/**
 * Redis 7.0 does not say its version and reads 10; Valkey 8 says it and reads 11, Valkey 9 reads 80. This
 * server says 7.4 and reads 12, in which fields of hashes may have an expiry.
 */
function rdbVersionFor(peerVersion: number): number {
  if (peerVersion === 0) return RDB_VERSION_UNKNOWN_PEER;
  if (peerVersion >= VERSION_9_0) return VALKEY_RDB_VERSION;
  const ours = peerVersion >= VERSION_7_4 && peerVersion < VERSION_8_0;
  return ours ? RDB_VERSION_FIELD_EXPIRY : RDB_VERSION_NAMED_PEER;
}

function serves(made: Kind, wanted: Kind): boolean {
  return (
    made.marked === wanted.marked &&
    made.legacy === wanted.legacy &&
    made.without === wanted.without &&
    wanted.rdbVersion >= made.rdbVersion
  );
}

/** The id goes only to peers that know what to do with a new one. */
export function continueLine(capabilities: number, replicationId: string): Uint8Array {
  return encoder.encode(
    (capabilities & CAPABILITY_PSYNC2) !== 0 ? `+CONTINUE ${replicationId}\r\n` : '+CONTINUE\r\n',
  );
}
