/** What this server does for the replicas that follow it, whether it is a primary or a replica itself. */
import { type AckWait, AckWaits } from './ack-waits.ts';
import { AttachedReplica } from './attached-replica.ts';
import { continueLine, FullSync, type SyncPoint } from './full-sync.ts';
import type { History } from './history.ts';
import { encodeCommand } from './propagation.ts';
import {
  type OutputLimit,
  type ReplicaPeer,
  type ReplicationCounters,
  type ReplicationLog,
  type ReplicationRuntime,
  type ReplicationSeams,
  type ReplicationSettings,
  WANTS_RDB_ONLY,
} from './replication-seams.ts';
import { decidePsync, type PsyncRequest } from './replication-state.ts';

/** What the roles share. */
export interface RoleParts {
  readonly history: History;
  readonly settings: ReplicationSettings;
  readonly log: ReplicationLog;
  readonly counters: ReplicationCounters;
  readonly runtime: ReplicationRuntime;
}

export interface PrimaryRoleHooks {
  /** The log is needed from now on. */
  beginHistory(): void;
  /** T0 of a snapshot for replicas. */
  markSyncPoint(): SyncPoint;
  /** The stream must not grow: a manual failover waits for a replica that has all of it. */
  streamPaused(): boolean;
  /** The stream begins at this server. */
  ownsStream(): boolean;
  /** After a replica said what it has, when the turn is over. */
  acknowledged(): void;
}

const PING = encodeCommand(['PING']);
const GETACK = encodeCommand(['REPLCONF', 'GETACK', '*']);
const BEHIND_LOOK_MS = 5;
const RDB_ONLY_GRACE_MS = 20_000;
/** What a connection holds beside the log when it takes the stream; counts for the output limit too. */
const IN_FLIGHT_BYTES_MAX = 2 * 1024 * 1024;

/** The smaller of the bounds that are set. */
function tightest({ hardBytes, softBytes }: OutputLimit): number {
  const unbounded = Number.POSITIVE_INFINITY;
  return Math.min(hardBytes === 0 ? unbounded : hardBytes, softBytes === 0 ? unbounded : softBytes);
}

export class PrimaryRole {
  readonly #parts: RoleParts;
  readonly #fullSync: FullSync;
  readonly #replicas: Map<number, AttachedReplica> = new Map();
  /** WAIT and WAITAOF. */
  readonly waits: AckWaits;
  readonly #hooks: PrimaryRoleHooks;
  #flushAsked = false;
  #ackAsked = false;
  #lastPingMs = 0;
  /** Since when nobody follows; for repl-backlog-ttl. */
  noReplicasSinceMs: number;

  constructor(parts: RoleParts, seams: ReplicationSeams, hooks: PrimaryRoleHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
    this.noReplicasSinceMs = parts.runtime.nowMs();
    this.#lastPingMs = this.noReplicasSinceMs;
    this.waits = new AckWaits(parts.runtime);
    const owner = {
      markSyncPoint: hooks.markSyncPoint,
      synced: (replica: AttachedReplica) => this.#synced(replica),
      hold: (replica: AttachedReplica, offset: number) => {
        replica.cursor.position = offset;
        parts.history.backlog?.addReader(replica.cursor);
      },
      drop: (replica: AttachedReplica, reason: string) => this.#giveUp(replica, reason),
    };
    const { settings, log, runtime } = parts;
    this.#fullSync = new FullSync(owner, { seams, settings, log, runtime });
    parts.history.memoryBytesMax = () => tightest(settings.outputLimit) - IN_FLIGHT_BYTES_MAX;
    parts.history.onTrouble = (reason, readers) => {
      const troubled = this.replicas.filter(({ cursor }) => readers.includes(cursor));
      runtime.afterTurn(() => {
        for (const replica of troubled) this.#giveUp(replica, reason);
      });
    };
  }

  get replicas(): readonly AttachedReplica[] {
    return [...this.#replicas.values()];
  }

  get replicaCount(): number {
    return this.#replicas.size;
  }

  /** PSYNC, or SYNC (`legacy`) as a request for `?`. The answer goes to the peer's link. */
  attach(peer: ReplicaPeer, request: PsyncRequest, legacy: boolean): void {
    const { history, log, counters, runtime } = this.#parts;
    const replica = new AttachedReplica(peer, legacy, runtime.nowMs());
    log.write('notice', `Replica ${replica.label} asks for synchronization`);
    const decision = decidePsync(history.ids, history.backlog, request, replica.label);
    if (decision.kind === 'continue') {
      counters.syncPartialOk++;
      replica.cursor.position = request.offset - 1;
      replica.ackedOffset = replica.cursor.position;
      this.#replicas.set(peer.id, replica);
      history.backlog?.addReader(replica.cursor);
      replica.state = 'online';
      peer.link.write(continueLine(peer.replicaCapabilities, history.ids.id));
      log.write(
        'notice',
        `Partial resynchronization request from ${replica.label} accepted. ` +
          `Sending ${decision.bytes} bytes of backlog starting from offset ${request.offset}.`,
      );
      this.flushSoon();
      return;
    }
    log.write('notice', decision.reason);
    counters.syncFull++;
    if (request.id !== '?') counters.syncPartialErr++;
    this.#hooks.beginHistory();
    this.#replicas.set(peer.id, replica);
    this.#fullSync.add(replica);
  }

  /** The connection of a client is gone. Harmless for clients that are no replicas. */
  detach(clientId: number): void {
    const replica = this.#replicas.get(clientId);
    if (replica === undefined) return;
    this.#parts.log.write('notice', `Connection with replica ${replica.label} lost.`);
    this.#forget(replica);
  }

  /** REPLCONF ACK; `filedOffset`: up to where its append-only file is safe, -1 when it did not say. */
  acknowledged(clientId: number, offset: number, filedOffset = -1): void {
    const replica = this.#replicas.get(clientId);
    if (replica === undefined) return;
    replica.ackedAtMs = this.#parts.runtime.nowMs();
    if (offset > replica.ackedOffset) replica.ackedOffset = offset;
    if (filedOffset > replica.filedOffset) replica.filedOffset = filedOffset;
    if (replica.streamsOnAck && replica.state === 'online') {
      replica.streamsOnAck = false;
      this.flushSoon();
    }
    this.waits.settleSoon();
    this.#hooks.acknowledged();
  }

  /** Any other sign of life, such as the empty lines of a replica that loads. */
  heard(clientId: number): void {
    const replica = this.#replicas.get(clientId);
    if (replica !== undefined) replica.ackedAtMs = this.#parts.runtime.nowMs();
  }

  /** Sends what the log has to all replicas at the end of the turn. */
  flushSoon(): void {
    if (this.#flushAsked || this.#replicas.size === 0) return;
    this.#flushAsked = true;
    this.#parts.runtime.afterTurn(() => this.#flush());
  }

  /** Once a second. */
  tick(nowMs: number): void {
    const { settings } = this.#parts;
    // The first ping comes a period after the first replica.
    if (this.#replicas.size === 0) this.#lastPingMs = nowMs;
    if (nowMs - this.#lastPingMs >= settings.pingPeriodSeconds * 1000) {
      this.#lastPingMs = nowMs;
      this.#append(PING, false);
    }
    this.#fullSync.tick(nowMs);
    for (const replica of this.replicas) this.#checkTimeout(replica, nowMs);
    for (const replica of this.replicas) this.#checkOutput(replica, nowMs);
    this.waits.sweep();
  }

  /** Replicas that acknowledged `offset`. */
  countAcknowledged(offset: number): number {
    let count = 0;
    for (const replica of this.#replicas.values()) {
      if (replica.state === 'online' && replica.ackedOffset >= offset) count++;
    }
    return count;
  }

  /** Replicas whose append-only files hold everything up to `offset`. */
  countFiled(offset: number): number {
    let count = 0;
    for (const replica of this.#replicas.values()) {
      if (replica.state === 'online' && replica.filedOffset >= offset) count++;
    }
    return count;
  }

  /** Online replicas that were heard of within `min-replicas-max-lag`. */
  get goodReplicas(): number {
    const nowMs = this.#parts.runtime.nowMs();
    let count = 0;
    for (const replica of this.#replicas.values()) {
      if (replica.state !== 'online') continue;
      if (replica.lagSeconds(nowMs) <= this.#parts.settings.minReplicasMaxLagSeconds) count++;
    }
    return count;
  }

  /** Answers once it is ready, or at its timeout. */
  waitForAcks(wait: AckWait): void {
    this.waits.add(wait);
    this.requestAcks();
  }

  /** Asks all replicas for their offsets through the stream, once a turn. */
  requestAcks(): void {
    if (this.#ackAsked || this.#replicas.size === 0) return;
    this.#ackAsked = true;
    this.#parts.runtime.afterTurn(() => {
      this.#ackAsked = false;
      this.#append(GETACK, false);
    });
  }

  /** Asks at once, also while writes are paused: before a shutdown. */
  requestAcksNow(): void {
    this.#append(GETACK, true);
  }

  /** The dataset goes away: a full sync under way is of no use. */
  cancelSync(reason: string): void {
    this.#fullSync.cancel(reason);
  }

  /** Disconnects all replicas, so that they come back and learn what changed. */
  dropAll(reason: string): void {
    for (const replica of this.replicas) this.#drop(replica, reason);
  }

  #forget(replica: AttachedReplica): void {
    if (!this.#replicas.delete(replica.peer.id)) return;
    this.#parts.history.backlog?.removeReader(replica.cursor);
    this.#fullSync.remove(replica);
    if (this.#replicas.size === 0) this.noReplicasSinceMs = this.#parts.runtime.nowMs();
  }

  /** One clear line, and the replica comes back when it can. */
  #giveUp(replica: AttachedReplica, reason: string): void {
    if (!this.#replicas.has(replica.peer.id)) return;
    this.#parts.log.write('warning', `Replica ${replica.label} is disconnected: ${reason}`);
    this.#drop(replica, reason);
  }

  #drop(replica: AttachedReplica, reason: string): void {
    this.#forget(replica);
    replica.peer.link.destroy(reason);
  }

  /** A replica passes its primary's stream on byte by byte and may add nothing. */
  #append(bytes: Uint8Array, evenPaused: boolean): void {
    const { backlog } = this.#parts.history;
    if (backlog === null || !this.#hooks.ownsStream()) return;
    if (!evenPaused && this.#hooks.streamPaused()) return;
    backlog.append(bytes, 0, bytes.length);
    this.flushSoon();
  }

  #synced(replica: AttachedReplica): void {
    const { log, runtime } = this.#parts;
    if ((replica.peer.replicaCapabilities & WANTS_RDB_ONLY) !== 0) {
      log.write(
        'notice',
        `RDB transfer completed, rdb only replica (${replica.label}) should be disconnected asap`,
      );
      this.#forget(replica);
      runtime.after(RDB_ONLY_GRACE_MS, () => replica.peer.link.closeAfterReplies('the RDB was sent'));
      return;
    }
    log.write('notice', `Synchronization with replica ${replica.label} succeeded`);
    this.flushSoon();
  }

  #flush(): void {
    this.#flushAsked = false;
    const { history, counters, runtime } = this.#parts;
    const { backlog } = history;
    if (backlog === null) return;
    let behind = false;
    for (const replica of this.#replicas.values()) {
      if (replica.receivesStream) {
        counters.totalReplOutputBytes += replica.feed(backlog, (error) => this.#fed(replica, error));
        behind ||= replica.cursor.position < backlog.end && !replica.cursor.reading;
      }
      this.#checkOutput(replica, runtime.nowMs());
    }
    if (behind) runtime.after(BEHIND_LOOK_MS, () => this.flushSoon());
  }

  /** Bytes of the log are there that had to be read from a file. */
  #fed(replica: AttachedReplica, error: Error | null): void {
    if (error === null) this.flushSoon();
    else this.#giveUp(replica, `the spill file cannot be read: ${error.message}`);
  }

  #checkTimeout(replica: AttachedReplica, nowMs: number): void {
    if ((replica.state !== 'online' && replica.delivery === null) || replica.legacy) return;
    // A transfer lives as long as its receiver takes bytes.
    if (replica.state !== 'online' && replica.tookBytes()) replica.ackedAtMs = nowMs;
    if (nowMs - replica.ackedAtMs <= this.#parts.settings.timeoutSeconds * 1000) return;
    const phase = replica.state === 'online' ? 'streaming sync' : 'full sync';
    this.#parts.log.write('warning', `Disconnecting timedout replica (${phase}): ${replica.label}`);
    this.#drop(replica, 'the replica did not answer within repl-timeout');
  }

  /** client-output-buffer-limit replica; never below the backlog, which is kept anyway. */
  #checkOutput(replica: AttachedReplica, nowMs: number): void {
    const { backlog } = this.#parts.history;
    if (backlog === null) return;
    const { hardBytes, softBytes, softSeconds } = this.#parts.settings.outputLimit;
    const floor = this.#parts.settings.backlogBytes;
    const waiting = replica.waitingBytes(backlog);
    const overHard = hardBytes !== 0 && waiting > Math.max(hardBytes, floor);
    const overSoft = softBytes !== 0 && waiting > Math.max(softBytes, floor);
    if (!overSoft) replica.overSoftLimitSinceMs = 0;
    else if (replica.overSoftLimitSinceMs === 0) replica.overSoftLimitSinceMs = nowMs;
    const tooLong = overSoft && nowMs - replica.overSoftLimitSinceMs > softSeconds * 1000;
    if (!overHard && !tooLong) return;
    this.#parts.log.write(
      'warning',
      `Client ${replica.label} scheduled to be closed ASAP for overcoming of output buffer limits.`,
    );
    this.#drop(
      replica,
      `${waiting} bytes wait for the replica, more than client-output-buffer-limit replica`,
    );
  }
}
