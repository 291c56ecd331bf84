/**
 * Full resyncs of the replicas of this server. One snapshot runs at a time and goes to all who wait when it
 * begins, straight to their connections; who comes later waits for the next. The stream since T0 waits in the
 * log, which keeps what a replica has not passed (backlog.ts).
 *
 *   add -> wait_bgsave --T0: FULLRESYNC, header--> send_bulk --end--> online (on ACK after a mark)
 *
 * A peer that knows no end mark needs the length first, so its RDB is collected in memory; such peers (Redis
 * before 2.8.18, tools) get a snapshot of their own.
 */
import { RDB_VERSION_FIELD_EXPIRY, VALKEY_RDB_VERSION } from '../persistence/rdb-format.ts';
import type { SnapshotHandle, SnapshotSink } from '../persistence/snapshot.ts';
import type { AttachedReplica } from './attached-replica.ts';
import {
  CAPABILITY_EOF,
  CAPABILITY_PSYNC2,
  type ReplicationLog,
  type ReplicationRuntime,
  type ReplicationSeams,
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
  /** The RDB was handed over whole. */
  synced(replica: AttachedReplica): void;
  /** Give it up; `reason` goes to the log. */
  drop(replica: AttachedReplica, reason: string): void;
  readonly syncDelaySeconds: number;
}

/** RDB of a peer without end marks: older than any supported release, so the bound is generous but there. */
const COLLECTED_BYTES_MAX = 1024 * 1024 * 1024;
const RETRY_MS = 1000;
const RDB_VERSION_UNKNOWN_PEER = 10;
const RDB_VERSION_NAMED_PEER = 11;
const VERSION_7_4 = 0x070400;
const VERSION_8_0 = 0x080000;
const VERSION_9_0 = 0x090000;

const encoder = new TextEncoder();
const NEWLINE = encoder.encode('\n');

/**
 * One RDB on its way to several replicas: a sink of the snapshot. The snapshot may write while a command of
 * another client runs, so bytes are handed to the connections at the end of the turn.
 */
class Transfer implements SnapshotSink {
  readonly replicas: Set<AttachedReplica>;
  /** 40 characters, or null when the RDB is collected to learn its length. */
  readonly mark: string | null;
  failure: Error | null = null;
  readonly collected: Uint8Array[] = [];
  collectedBytes = 0;
  readonly #runtime: ReplicationRuntime;
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;

  constructor(replicas: Set<AttachedReplica>, mark: string | null, runtime: ReplicationRuntime) {
    this.replicas = replicas;
    this.mark = mark;
    this.#runtime = runtime;
  }

  get pendingBytes(): number {
    let bytes = 0;
    for (const replica of this.replicas) bytes = Math.max(bytes, replica.peer.link.pendingBytes);
    return bytes + this.#unsentBytes;
  }

  /** To all replicas, at the end of the turn. */
  send(bytes: Uint8Array): void {
    if (this.#unsent.length === 0) this.#runtime.afterTurn(() => this.flush());
    this.#unsent.push(bytes);
    this.#unsentBytes += bytes.length;
  }

  flush(): void {
    const bytes = this.#unsent;
    this.#unsent = [];
    this.#unsentBytes = 0;
    for (const replica of this.replicas) for (const part of bytes) replica.write(part);
  }

  write(chunk: Uint8Array): void {
    if (this.mark !== null) {
      this.send(chunk);
      return;
    }
    this.collected.push(chunk);
    this.collectedBytes += chunk.length;
    if (this.collectedBytes > COLLECTED_BYTES_MAX) {
      this.failure = new Error('the RDB is too large for a replica without the eof capability');
    }
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  abort(): void {
    this.collected.length = 0;
  }
}

export class FullSync {
  readonly #owner: FullSyncOwner;
  readonly #seams: ReplicationSeams;
  readonly #log: ReplicationLog;
  readonly #runtime: ReplicationRuntime;
  readonly #waiting: Set<AttachedReplica> = new Set();
  /** Asked for, and not ended. */
  #handle: SnapshotHandle | null = null;
  /** From T0 on. */
  #transfer: Transfer | null = null;
  #notBeforeMs = 0;

  constructor(
    owner: FullSyncOwner,
    seams: ReplicationSeams,
    log: ReplicationLog,
    runtime: ReplicationRuntime,
  ) {
    this.#owner = owner;
    this.#seams = seams;
    this.#log = log;
    this.#runtime = runtime;
  }

  add(replica: AttachedReplica): void {
    this.#waiting.add(replica);
    if (this.#transfer !== null) {
      this.#log.write('notice', 'Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC');
    } else if (this.#owner.syncDelaySeconds > 0) {
      this.#log.write('notice', 'Delay next BGSAVE for diskless SYNC');
    }
    // After the turn, so that the answer to what the replica sent before goes out first.
    this.#runtime.afterTurn(() => this.#beginIfDue(this.#runtime.nowMs()));
  }

  remove(replica: AttachedReplica): void {
    this.#waiting.delete(replica);
    const transfer = this.#transfer;
    if (transfer?.replicas.delete(replica) !== true || transfer.replicas.size !== 0) return;
    this.#log.write('notice', 'Diskless rdb transfer, last replica dropped, killing fork child.');
    this.#handle?.cancel('no replica waits for it any more');
  }

  /** Once a second: signs of life to those who wait, and the delayed begin. */
  tick(nowMs: number): void {
    for (const replica of this.#waiting) replica.peer.link.write(NEWLINE);
    if (this.#transfer?.mark === null) {
      for (const replica of this.#transfer.replicas) replica.peer.link.write(NEWLINE);
    }
    this.#beginIfDue(nowMs);
  }

  #beginIfDue(nowMs: number): void {
    if (this.#handle !== null || nowMs < this.#notBeforeMs) return;
    let first: AttachedReplica | null = null;
    for (const replica of this.#waiting) first ??= replica;
    if (first === null || nowMs - first.attachedAtMs < this.#owner.syncDelaySeconds * 1000) return;
    const kind = kindOf(first);
    const target = kind.marked ? 'replicas sockets' : 'memory';
    this.#log.write('notice', `Starting BGSAVE for SYNC with target: ${target}`);
    let ended = false;
    const handle = this.#seams.snapshots.start({
      purpose: 'sync',
      version: kind.rdbVersion,
      compression: this.#seams.rdbCompression(),
      checksum: true,
      begin: () => this.#begin(kind),
      onEnd: (error) => {
        ended = true;
        this.#ended(error);
      },
    });
    // A request may end before it is handed back.
    this.#handle = ended ? null : handle;
  }

  /** T0. */
  #begin(kind: Kind) {
    const replicas = [...this.#waiting].filter((replica) => serves(kind, kindOf(replica)));
    const { marked, legacy } = kind;
    if (replicas.length === 0) throw new Error('no replica waits for it any more');
    const point = this.#owner.markSyncPoint();
    const transfer = new Transfer(new Set(replicas), marked ? this.#newMark() : null, this.#runtime);
    this.#transfer = transfer;
    for (const replica of replicas) {
      this.#waiting.delete(replica);
      replica.position = point.offset;
      replica.state = 'send_bulk';
    }
    if (!legacy) transfer.send(encoder.encode(`+FULLRESYNC ${point.replicationId} ${point.offset}\r\n`));
    if (transfer.mark !== null) transfer.send(encoder.encode(`$EOF:${transfer.mark}\r\n`));
    const fields: (readonly [string, string])[] = [
      ...this.#seams.rdbFields(),
      ['repl-stream-db', String(point.streamDatabase)],
      ['repl-id', point.replicationId],
      ['repl-offset', String(point.offset)],
    ];
    return { sink: transfer, fields };
  }

  #newMark(): string {
    const bytes = new Uint8Array(20);
    this.#runtime.random(bytes);
    return Buffer.from(bytes).toString('hex');
  }

  #ended(error: Error | null): void {
    const transfer = this.#transfer;
    this.#handle = null;
    this.#transfer = null;
    if (error !== null && (transfer === null ? this.#waiting.size : transfer.replicas.size) === 0) return;
    if (error !== null) {
      this.#notBeforeMs = this.#runtime.nowMs() + RETRY_MS;
      this.#log.write('warning', `Background transfer error: ${error.message}`);
      for (const replica of transfer?.replicas ?? []) {
        this.#owner.drop(replica, `the snapshot failed: ${error.message}`);
      }
      return;
    }
    if (transfer === null) return;
    this.#log.write('notice', 'Background RDB transfer terminated with success');
    transfer.flush();
    for (const replica of transfer.replicas) this.#handOver(transfer, replica);
    this.#runtime.afterTurn(() => this.#beginIfDue(this.#runtime.nowMs()));
  }

  #handOver(transfer: Transfer, replica: AttachedReplica): void {
    const { link } = replica.peer;
    if (transfer.mark !== null) {
      link.write(encoder.encode(transfer.mark));
      replica.streamsOnAck = !replica.legacy;
      this.#log.write(
        'notice',
        `Streamed replica with replica ${replica.label} (socket), ` +
          `waiting for REPLCONF ACK from replica to enable streaming`,
      );
    } else {
      link.write(encoder.encode(`$${transfer.collectedBytes}\r\n`));
      for (const bytes of transfer.collected) replica.write(bytes);
    }
    replica.state = 'online';
    replica.ackedAtMs = this.#runtime.nowMs();
    this.#owner.synced(replica);
  }
}

/** Replicas of one kind can share an RDB. */
interface Kind {
  /** It knows an RDB whose end is a mark. */
  readonly marked: boolean;
  /** It asked by SYNC. */
  readonly legacy: boolean;
  readonly rdbVersion: number;
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

function kindOf(replica: AttachedReplica): Kind {
  const { peer, legacy } = replica;
  return {
    marked: (peer.replicaCapabilities & CAPABILITY_EOF) !== 0,
    legacy,
    rdbVersion: rdbVersionFor(peer.replicaVersion),
  };
}

function serves(made: Kind, wanted: Kind): boolean {
  return (
    made.marked === wanted.marked && made.legacy === wanted.legacy && wanted.rdbVersion >= made.rdbVersion
  );
}

/** The id goes only to peers that know what to do with a new one. */
export function continueLine(capabilities: number, replicationId: string): Uint8Array {
  return encoder.encode(
    (capabilities & CAPABILITY_PSYNC2) !== 0 ? `+CONTINUE ${replicationId}\r\n` : '+CONTINUE\r\n',
  );
}
