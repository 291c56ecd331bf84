/**
 * Replication of one server: which role it has, which history its data belongs to, who follows it.
 *
 *   Propagation --append--> history.backlog --> replicas            as a primary (primary-role.ts)
 *   primary --stream--> applier, then history.backlog --> replicas  as a replica (replica-role.ts)
 *
 * Invariant: every change of the data since the backlog was opened is in the history, in order and once. A
 * primary does that by being a sink of Propagation; a replica by passing on exactly what was applied, so that
 * offsets mean the same on all servers that share a history.
 */

import { type AttachedReplica, addressOf } from './attached-replica.ts';
import { dial } from './dial.ts';
import { EmptyStart, type PeerWord } from './empty-start.ts';
import { Failover, type FailoverTarget } from './failover.ts';
import { History } from './history.ts';
import { OWN_PEER_VERSION } from './primary-link.ts';
import { PrimaryRole, type RoleParts } from './primary-role.ts';
import { type ChangeSink, type Propagation, TO_REPLICAS } from './propagation.ts';
import { ReplicaRole } from './replica-role.ts';
import { replicationInfo } from './replication-info.ts';
import type {
  ReplicaPeer,
  ReplicationCounters,
  ReplicationLog,
  ReplicationRuntime,
  ReplicationSeams,
  ReplicationSettings,
} from './replication-seams.ts';
import { newReplicationId, type PsyncRequest, type ReplicationIds } from './replication-state.ts';
import { askToTakeOver, type TakeOverDone } from './take-over-call.ts';

export interface ReplicationOptions {
  readonly settings: ReplicationSettings;
  readonly log: ReplicationLog;
  readonly counters: ReplicationCounters;
  readonly runtime: ReplicationRuntime;
  readonly propagation: Propagation;
  readonly seams: ReplicationSeams;
  /** After this server became a primary or a replica, or its writes were paused or resumed. */
  readonly stateChanged: (role: ReplicationRole, writesPaused: boolean) => void;
  /** A failover of its own made this server follow somebody, or follow nobody (null) again. */
  readonly moved: (primary: { readonly host: string; readonly port: number } | null) => void;
  /** For tests; sockets otherwise. */
  readonly dial?: typeof dial;
}

export type ReplicationRole = 'primary' | 'replica';

const SECOND_MS = 1000;
const DATA_OF_FIRST = 'first';
/** A failover ends by itself, at no time that is known before. */
const UNTIL_IT_ENDS_MS = Number.MAX_SAFE_INTEGER;

export class Replication implements ChangeSink {
  /** Sink of Propagation. */
  selectedDatabase = -1;
  readonly primary: PrimaryRole;
  readonly settings: ReplicationSettings;
  readonly failover: Failover;
  readonly emptyStart: EmptyStart;
  readonly #parts: RoleParts;
  readonly #options: ReplicationOptions;
  readonly #history: History;
  #replica: ReplicaRole | null = null;
  #isSink = false;
  /** The history was restored from a file: it may be continued by its owner until we write ourselves. */
  #branchOnWrite = false;
  #lastSecondMs = 0;
  #toldPaused = false;
  #writesPausedUntilMs = 0;
  #clientPauseUntilMs = 0;
  /** When the link of the last replica role went down, for a role that starts over. */
  #neverSynced = true;
  /** `host:port` of the primary whose data this is; at the start that of the first one. */
  #dataOf: string | null = null;

  constructor(options: ReplicationOptions) {
    const { settings, log, counters, runtime } = options;
    this.#options = options;
    this.settings = settings;
    this.#history = new History(
      () => newReplicationId((bytes) => runtime.random(bytes)),
      options.seams.spill,
    );
    this.#parts = { history: this.#history, settings, log, counters, runtime };
    this.primary = new PrimaryRole(this.#parts, options.seams, {
      beginHistory: () => this.#beginHistory(),
      markSyncPoint: () => this.#markSyncPoint(),
      streamPaused: () => this.writesPaused,
      ownsStream: () => this.#replica === null,
      acknowledged: () => this.failover.look(runtime.nowMs()),
    });
    this.failover = this.#makeFailover();
    this.emptyStart = this.#makeEmptyStart();
  }

  get role(): ReplicationRole {
    return this.#replica === null ? 'primary' : 'replica';
  }

  /** This server's own following, null on a primary. */
  get replica(): ReplicaRole | null {
    return this.#replica;
  }

  get ids(): ReplicationIds {
    return this.#history.ids;
  }

  /** Offset of the last byte of the stream: written as a primary, applied as a replica. */
  get offset(): number {
    return this.#history.offset;
  }

  /** Null while no replica ever asked. */
  get backlog(): History['backlog'] {
    return this.#history.backlog;
  }

  /** Bytes in files that wait for slow replicas. */
  get spilledBytes(): number {
    return this.#options.seams.spill.usedBytes;
  }

  get replicas(): readonly AttachedReplica[] {
    return this.primary.replicas;
  }

  /** Writes of clients wait until then (unix ms), for a failover, the end or CLIENT PAUSE; 0: they do not. */
  get writesPausedUntilMs(): number {
    if (this.failover.state !== 'no-failover') return UNTIL_IT_ENDS_MS;
    return Math.max(this.#writesPausedUntilMs, this.#clientPauseUntilMs);
  }

  /** CLIENT PAUSE: the data stands still until then (unix ms); a replica does not apply what comes either. */
  get clientPauseUntilMs(): number {
    return this.#clientPauseUntilMs;
  }

  set clientPauseUntilMs(deadlineMs: number) {
    this.#clientPauseUntilMs = deadlineMs;
    this.#tellState();
  }

  get writesPaused(): boolean {
    return this.writesPausedUntilMs > this.#options.runtime.nowMs();
  }

  /** INFO replication. */
  infoLines(): string[] {
    return replicationInfo(this, this.#options.runtime.nowMs());
  }

  /** For the fields repl-stream-db, repl-id and repl-offset of an RDB; null when it would say nothing. */
  get rdbPosition(): { readonly id: string; readonly offset: number; readonly database: number } | null {
    if (this.#history.backlog === null) return null;
    const database = this.#replica === null ? 0 : this.#options.seams.applier.database;
    return { id: this.ids.id, offset: this.offset, database };
  }

  /** As a primary: every change, from Propagation. */
  append(bytes: Uint8Array, start: number, end: number): void {
    const { backlog } = this.#history;
    if (backlog === null) return;
    if (this.#branchOnWrite) this.#branchNow();
    backlog.append(bytes, start, end);
    this.primary.flushSoon();
  }

  /** DEBUG CHANGE-REPL-ID. */
  changeId(): void {
    this.#history.changeId();
  }

  /** At start, before `replicate`: the dataset was loaded from a file that knew its place in a history. */
  restore(id: string, offset: number, database: number): void {
    this.#history.restore(id, offset);
    this.#history.open(this.settings.backlogBytes);
    this.#options.seams.applier.database = database;
    this.#branchOnWrite = true;
    this.#becomeSink();
  }

  /** At start, before `replicate`: what was loaded is data of the primary that is followed now, if any. */
  loaded(): void {
    this.#dataOf = DATA_OF_FIRST;
  }

  /** At start, behind `replicate`. `found`: there were files to load, if only of an empty dataset. */
  started(found: boolean): void {
    if (this.#dataOf === DATA_OF_FIRST) this.#dataOf = null;
    if (!found && this.#replica === null && this.#options.seams.isEmpty()) this.emptyStart.begin();
  }

  /** Follows a primary. False when it is followed already. */
  replicate(host: string, port: number): boolean {
    const before = this.#replica;
    if (before !== null && before.host === host && before.port === port) return false;
    before?.stop();
    if (before === null) {
      this.primary.waits.abandonAll();
      this.#leaveSink();
      this.#parts.log.write(
        'notice',
        'Before turning into a replica, using my own master parameters to synthesize a cached master: ' +
          'I may be able to synchronize with the new master with just a partial transfer.',
      );
    }
    this.#writesPausedUntilMs = 0;
    const place = `${host}:${port}`;
    if (this.#dataOf === DATA_OF_FIRST) this.#dataOf = place;
    this.#replica = new ReplicaRole(host, port, this.#parts, {
      seams: this.#options.seams,
      dial: this.#options.dial ?? dial,
      streamed: () => this.primary.flushSoon(),
      paused: () =>
        this.#clientPauseUntilMs > this.#options.runtime.nowMs() || this.#options.seams.applier.held === true,
      historyChanged: (reason) => {
        this.#branchOnWrite = false;
        this.primary.dropAll(reason);
      },
      linkChanged: () => {
        this.#neverSynced = false;
        this.#dataOf = place;
      },
      resumes: () => this.#dataOf === place && !this.#options.seams.isEmpty(),
      failover: this.failover,
    });
    this.#tellState();
    return true;
  }

  /** Becomes a primary and keeps the data; its replicas and its siblings can continue with it. */
  promote(): void {
    const replica = this.#replica;
    if (replica === null) return;
    replica.stop();
    this.#replica = null;
    this.#dataOf = null;
    this.#branchNow();
    // Everybody who follows must learn the new id.
    this.primary.dropAll('this replica became a primary');
    this.#history.open(this.settings.backlogBytes);
    this.primary.noReplicasSinceMs = this.#options.runtime.nowMs();
    this.#becomeSink();
    this.#tellState();
  }

  /** PSYNC … FAILOVER: our primary asks us to take over. Why not, as an error without its dash, or null. */
  takeOver(id: string): string | null {
    this.#parts.log.write('notice', `Failover request received for replid ${id}.`);
    if (this.#replica === null) return "ERR PSYNC FAILOVER can't be sent to a master.";
    if (id.toLowerCase() !== this.ids.id) return 'ERR PSYNC FAILOVER replid must match my replid.';
    this.promote();
    this.#options.moved(null);
    return null;
  }

  /** Why a replica cannot be served now, as an error reply without its dash; null when it can. */
  get syncRefusal(): string | null {
    if (this.failover.state !== 'no-failover') return "NOMASTERLINK Can't SYNC while failing over";
    if (this.#replica === null || this.#replica.linkUp) return null;
    return 'NOMASTERLINK Can not SYNC while not connected with my master';
  }

  /** The same about this replica and what it asks for. */
  refusalOf(peer: ReplicaPeer, request: PsyncRequest): string | null {
    return this.syncRefusal ?? this.emptyStart.refusalOf(this.#wordOf(peer, request));
  }

  /** A client becomes a replica. Only when `refusalOf` is null. */
  attach(peer: ReplicaPeer, request: PsyncRequest, legacy: boolean): void {
    if (this.#branchOnWrite && this.#replica === null) this.#branchNow();
    this.primary.attach(peer, request, legacy);
  }

  /** The append-only file was synced, or is not written any more. */
  filed(): void {
    this.primary.waits.settleSoon();
    this.#replica?.filed();
  }

  /** True when min-replicas-to-write is satisfied or of no concern. */
  hasEnoughReplicas(): boolean {
    const { minReplicasToWrite, minReplicasMaxLagSeconds } = this.settings;
    if (minReplicasToWrite === 0 || minReplicasMaxLagSeconds === 0 || this.#replica !== null) return true;
    return this.primary.goodReplicas >= minReplicasToWrite;
  }

  /** As a replica: the stream flows. */
  get linkUp(): boolean {
    return this.#replica?.linkUp ?? false;
  }

  /** As a replica: milliseconds since a byte came from the primary; Infinity before the first sync. */
  primarySilentMs(): number {
    if (this.#replica === null) return 0;
    if (this.#neverSynced) return Number.POSITIVE_INFINITY;
    const { link } = this.#replica;
    const sinceMs = this.linkUp ? link.lastIoMs : link.downSinceMs;
    return Math.max(0, this.#options.runtime.nowMs() - sinceMs);
  }

  /** For a manual failover: the stream stands still until then (unix ms) at most. */
  pauseWrites(deadlineMs: number): void {
    this.#writesPausedUntilMs = deadlineMs;
    this.#tellState();
  }

  resumeWrites(): void {
    this.#writesPausedUntilMs = 0;
    this.#tellState();
  }

  /** Ten times a second or so. */
  tick(nowMs: number): void {
    if (this.#toldPaused !== this.writesPaused) this.#tellState();
    this.#replica?.tick(nowMs);
    this.failover.look(nowMs);
    this.emptyStart.tick();
    if (nowMs - this.#lastSecondMs < SECOND_MS) return;
    this.#lastSecondMs = nowMs;
    this.primary.tick(nowMs);
    this.#history.backlog?.resize(this.settings.backlogBytes);
    this.#expireBacklog(nowMs);
  }

  /** Ends all links without a change of role. */
  stop(): void {
    this.#replica?.stop();
    this.primary.waits.abandonAll();
    this.primary.dropAll('the server stops');
  }

  #makeFailover(): Failover {
    const replication = this;
    const owner = {
      get isReplica() {
        return replication.role === 'replica';
      },
      get replicas() {
        return replication.replicas;
      },
      get offset() {
        return replication.offset;
      },
      askOffsets: () => this.primary.requestAcksNow(),
      stateChanged: () => this.#tellState(),
      follow: (target: FailoverTarget) => {
        this.replicate(target.host, target.port);
        this.#options.moved(target);
      },
      takeBack: () => {
        this.promote();
        this.#options.moved(null);
      },
    };
    return new Failover(owner, this.#parts.log);
  }

  #makeEmptyStart(): EmptyStart {
    const replication = this;
    const { log, runtime } = this.#parts;
    const owner = {
      get waitSeconds() {
        return replication.settings.emptyPrimaryWaitSeconds;
      },
      get isReplica() {
        return replication.role === 'replica';
      },
      get linkUp() {
        return replication.linkUp;
      },
      get isEmpty() {
        return replication.#options.seams.isEmpty();
      },
      get servesNothing() {
        return replication.#options.seams.servesNothing();
      },
      changed: () => this.#tellState(),
      handOver: (word: PeerWord, again: boolean, done: TakeOverDone) => this.#handOver(word, again, done),
    };
    return new EmptyStart(owner, log, runtime);
  }

  #handOver(word: PeerWord, again: boolean, done: TakeOverDone): void {
    const { seams } = this.#options;
    if (seams.clusterHandOver !== null) {
      // The votes of the cluster see to it that only one takes over.
      seams.clusterHandOver((refusal) => done(refusal === null ? 'taken' : 'refused', refusal ?? ''));
      return;
    }
    const { settings, runtime } = this.#parts;
    const call = { dial: this.#options.dial ?? dial, runtime, settings, again };
    askToTakeOver(word, call, (outcome, reason) => {
      if (outcome === 'taken' && this.emptyStart.holds && this.#replica === null) {
        this.replicate(word.host, word.port);
        this.#options.moved(word);
      }
      done(outcome, reason);
    });
  }

  /** Null when the replica says nothing of data that we do not know. */
  #wordOf(peer: ReplicaPeer, request: PsyncRequest): PeerWord | null {
    const asked = request.id.toLowerCase();
    if (asked === this.ids.id || asked === this.ids.id2) return null;
    const { replicaPort: port, replicaVersion, replicaResumes } = peer;
    const lostUs = replicaVersion === OWN_PEER_VERSION ? replicaResumes !== '' : null;
    // Other servers name their own, empty history when they follow for the first time.
    if (lostUs !== true && (asked === '?' || request.offset <= 1)) return null;
    const id = asked === '?' ? replicaResumes : asked;
    return { host: addressOf(peer), port, id, offset: Math.max(request.offset, 1), lostUs };
  }

  #beginHistory(): void {
    if (this.#history.backlog !== null) return;
    this.#history.open(this.settings.backlogBytes);
    if (this.#replica === null) this.#becomeSink();
  }

  #tellState(): void {
    this.#toldPaused = this.writesPaused;
    this.#options.stateChanged(this.role, this.#toldPaused);
  }

  #markSyncPoint() {
    // Who has only the RDB must be told the database of the next change.
    this.selectedDatabase = -1;
    const streamDatabase = this.#replica === null ? 0 : this.#options.seams.applier.database;
    return { replicationId: this.ids.id, offset: this.offset, streamDatabase };
  }

  #branchNow(): void {
    this.#branchOnWrite = false;
    this.#history.branch();
    const { id, id2, secondOffset } = this.ids;
    this.#parts.log.write(
      'notice',
      `Setting secondary replication ID to ${id2}, valid up to offset: ${secondOffset}. ` +
        `New replication ID is ${id}`,
    );
  }

  #becomeSink(): void {
    if (this.#isSink) return;
    this.#isSink = true;
    this.#options.propagation.addSink(this, TO_REPLICAS);
  }

  #leaveSink(): void {
    if (!this.#isSink) return;
    this.#isSink = false;
    this.#options.propagation.removeSink(this);
  }

  #expireBacklog(nowMs: number): void {
    const { backlogTtlSeconds } = this.settings;
    if (this.#history.backlog === null || this.#replica !== null || backlogTtlSeconds === 0) return;
    if (this.primary.replicaCount !== 0) return;
    if (nowMs - this.primary.noReplicasSinceMs < backlogTtlSeconds * SECOND_MS) return;
    this.#leaveSink();
    this.#history.close();
    this.#branchOnWrite = false;
    this.#parts.log.write(
      'notice',
      `Replication backlog freed after ${backlogTtlSeconds} seconds without connected replicas.`,
    );
  }
}
