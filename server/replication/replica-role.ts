/**
 * This server as a replica: the connection to its primary, the dataset that arrives, the stream that follows.
 * Decisions are the link's (primary-link.ts); here its effects meet sockets, dataset and history.
 */
import type { DialHandlers, Dialled, dial } from './dial.ts';
import type { Failover } from './failover.ts';
import {
  type Introduction,
  type LogLevel,
  type PartialPoint,
  PrimaryLink,
  type PrimaryLinkEffects,
} from './primary-link.ts';
import type { RoleParts } from './primary-role.ts';
import { ApplyFailure, type DatasetLoad, type ReplicationSeams } from './replication-seams.ts';
import { StreamError, StreamScanner } from './stream-scanner.ts';

export interface ReplicaRoleHooks {
  readonly seams: ReplicationSeams;
  readonly dial: typeof dial;
  /** The stream went on: replicas of this replica have something to read. */
  streamed(): void;
  /** CLIENT PAUSE: what comes is kept and not applied. */
  paused(): boolean;
  /** The dataset is another one, or its history has another name: replicas of this replica must come back. */
  historyChanged(reason: string): void;
  linkChanged(): void;
  readonly failover: Failover;
  /** We have data of this very primary. */
  resumes(): boolean;
}

/** Shorter than repl-timeout: a primary that moved is found only by resolving its name again. */
const CONNECT_DEADLINE_MS = 5000;
/** A command that is not whole yet may grow so far, as client-query-buffer-limit. */
const UNIT_BYTES_MAX = 1024 * 1024 * 1024;
/** More is left in the socket while CLIENT PAUSE holds the stream back. */
const HELD_BACK_BYTES = 16 * 1024 * 1024;
const UNIT_BYTES_FIRST = 64 * 1024;
const EMPTY = new Uint8Array(0);

export class ReplicaRole implements PrimaryLinkEffects {
  readonly #parts: RoleParts;
  readonly #hooks: ReplicaRoleHooks;
  readonly link: PrimaryLink;
  readonly host: string;
  readonly port: number;
  /** Of the link as a client of this server, another for every time that it came up. */
  clientId = 0;
  upSinceMs = 0;
  /** Bytes of the stream since then. */
  receivedBytes = 0;
  #connection: Dialled | null = null;
  #target: PartialPoint | null = null;
  #load: DatasetLoad | null = null;
  #lastLoadIoMs = 0;
  readonly #scanner = new StreamScanner();
  /** Bytes of a unit that is not whole yet: #pending[0, #pendingLength). */
  #pending: Uint8Array = EMPTY;
  #pendingLength = 0;
  #cancelRetry: () => void = () => {};
  #ackAsked = false;
  /** Offset that the primary asked about and that our append-only file did not hold then; -1: none. */
  #filedAskedOffset = -1;
  /** Bytes were not applied because of CLIENT PAUSE. */
  #heldBack = false;

  /** Follows from the next turn on. */
  constructor(host: string, port: number, parts: RoleParts, hooks: ReplicaRoleHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
    this.host = host;
    this.port = port;
    this.link = new PrimaryLink(host, port, this, parts.runtime.nowMs());
    this.#scheduleRetry();
  }

  get linkUp(): boolean {
    return this.link.phase === 'streaming';
  }

  get syncInProgress(): boolean {
    return this.link.transfer !== null;
  }

  /** Bytes of a command that is not whole yet. */
  get unappliedBytes(): number {
    return this.#pendingLength;
  }

  /** Our end of the connection, `address:port`; empty when there is none. */
  get localAddress(): string {
    return this.#connection?.localAddress ?? '';
  }

  /** Database that the stream selected last. */
  get database(): number {
    return this.#hooks.seams.applier.database;
  }

  get lastTransferIoMs(): number {
    return this.#lastLoadIoMs;
  }

  tick(nowMs: number): void {
    if (this.#heldBack && !this.#hooks.paused()) {
      this.#heldBack = false;
      this.resume();
      this.stream(EMPTY, 0, 0);
    }
    this.link.tick(nowMs);
  }

  /** Ends the connection; the next one follows at once. */
  breakLink(reason: string): void {
    this.link.failed(reason, this.#parts.runtime.nowMs());
  }

  /** Lets the primary go. The dataset and the history stay. */
  stop(): void {
    this.#cancelRetry();
    this.link.stop(this.#parts.runtime.nowMs());
    this.#forgetUnit();
  }

  /** The primary asks for our offset (GETACK in the stream): answered behind the commands at hand. */
  askAck(): void {
    this.#ackAsked = true;
  }

  /** Our append-only file was synced: told at once when somebody waits for that. */
  filed(): void {
    if (this.#filedAskedOffset < 0 || this.#hooks.seams.filedOffset() < this.#filedAskedOffset) return;
    this.#filedAskedOffset = -1;
    this.link.acknowledge(this.#parts.runtime.nowMs());
  }

  connect(host: string, port: number): void {
    const deadlineMs = Math.min(this.#parts.settings.timeoutSeconds * 1000, CONNECT_DEADLINE_MS);
    const { runtime } = this.#parts;
    const handlers: DialHandlers = {
      opened: () => this.link.opened(runtime.nowMs()),
      received: (bytes) => {
        this.#parts.counters.totalReplInputBytes += bytes.length;
        if (this.#connection === connection) this.link.received(bytes, 0, bytes.length, runtime.nowMs());
      },
      closed: (reason) => {
        if (this.#connection !== connection) return;
        this.#connection = null;
        this.link.failed(reason, runtime.nowMs());
      },
    };
    const source = this.#parts.settings.sourceAddress;
    const connection = this.#hooks.dial(host, port, deadlineMs, handlers, source);
    this.#connection = connection;
  }

  send(bytes: Uint8Array): void {
    this.#connection?.write(bytes);
  }

  disconnect(): void {
    this.#connection?.destroy();
    this.#connection = null;
    // The link knows the time of its next attempt only after this call.
    this.#parts.runtime.afterTurn(() => this.#scheduleRetry());
  }

  pause(): void {
    this.#connection?.pause();
  }

  resume(): void {
    this.#connection?.resume();
  }

  log(level: LogLevel, text: string): void {
    this.#parts.log.write(level, text);
  }

  introduction(): Introduction {
    const { settings } = this.#parts;
    return {
      user: settings.primaryUser,
      password: settings.primaryPassword,
      listeningPort: settings.announcePort === 0 ? settings.port : settings.announcePort,
      announcedAddress: settings.announceAddress,
      timeoutMs: settings.timeoutSeconds * 1000,
      resumes: this.#hooks.resumes() ? this.#parts.history.ids.id : '',
    };
  }

  asksToTakeOver(): boolean {
    return this.#hooks.failover.asks();
  }

  tookOver(refusal: string | null): void {
    this.#hooks.failover.answered(refusal);
  }

  /** Our own end, if anything was counted: the primary knows whether it is part of its past. */
  partialPoint(): PartialPoint | null {
    if (this.#parts.history.backlog === null) return null;
    return { id: this.#parts.history.ids.id, offset: this.#parts.history.offset };
  }

  fullResync(id: string, offset: number): void {
    this.#target = { id, offset };
  }

  loadBegin(bytesTotal: number | null): void {
    const { history, log, runtime } = this.#parts;
    const { loader } = this.#hooks.seams;
    this.#lastLoadIoMs = runtime.nowMs();
    const sameHistory = history.backlog !== null && this.#target?.id === history.ids.id;
    if (loader.flushesFirst()) {
      log.write('notice', 'PRIMARY <-> REPLICA sync: Flushing old data');
      this.#hooks.historyChanged('this replica takes over another dataset');
      history.close();
    }
    const load = loader.begin(bytesTotal, sameHistory);
    if (typeof load === 'string') {
      this.#loadFailed(load);
      return;
    }
    this.#load = load;
    const target = load.toDisk ? 'disk' : 'parser';
    const what =
      bytesTotal === null ? 'streamed RDB from primary with EOF' : `${bytesTotal} bytes from primary`;
    log.write('notice', `PRIMARY <-> REPLICA sync: receiving ${what} to ${target}`);
    if (!load.toDisk) log.write('notice', 'PRIMARY <-> REPLICA sync: Loading DB in memory');
  }

  loadBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#lastLoadIoMs = this.#parts.runtime.nowMs();
    const problem = this.#load?.feed(bytes.subarray(start, end)) ?? null;
    if (problem !== null) this.#loadFailed(problem);
  }

  loadEnd(): void {
    const { history, log, runtime, settings } = this.#parts;
    const load = this.#load as DatasetLoad;
    const target = this.#target as PartialPoint;
    load.finish(
      (streamDatabase) => {
        this.#hooks.historyChanged('this replica takes over another dataset');
        log.write('notice', 'PRIMARY <-> REPLICA sync: Flushing old data');
        if (load.toDisk) log.write('notice', 'PRIMARY <-> REPLICA sync: Loading DB in memory');
        history.adopt(target.id, target.offset, settings.backlogBytes);
        this.#hooks.seams.applier.database = streamDatabase;
      },
      (problem) => {
        if (this.#load !== load) return;
        if (problem !== null) {
          this.#loadFailed(problem);
          return;
        }
        this.#load = null;
        this.#forgetUnit();
        this.link.loaded(runtime.nowMs());
      },
    );
  }

  loadAbort(): void {
    const load = this.#load;
    this.#load = null;
    if (load === null) return;
    if (!load.toDisk) {
      const what = `Internal error in RDB reading offset ${load.offset}, function at`;
      this.log('warning', `${what} rdb-load -> Unexpected EOF reading RDB file`);
    }
    load.abort();
  }

  continued(newId: string | null): void {
    const { history, log, settings } = this.#parts;
    history.open(settings.backlogBytes);
    this.#forgetUnit();
    if (newId === null || newId === history.ids.id) return;
    history.rename(newId);
    log.write('notice', `Master replication ID changed to ${newId}`);
    this.#hooks.historyChanged('the primary goes on under another replication id');
  }

  stream(bytes: Uint8Array, start: number, end: number): void {
    this.receivedBytes += end - start;
    try {
      if (this.#hooks.paused()) {
        this.#heldBack = true;
        this.#keep(bytes, start, end);
        if (this.#pendingLength > HELD_BACK_BYTES) this.pause();
      } else if (this.#pendingLength === 0) {
        const unitEnd = this.#scanner.scan(bytes, start, end);
        this.#commit(bytes, start, unitEnd);
        this.#keep(bytes, unitEnd, end);
      } else {
        this.#keep(bytes, start, end);
        const unitEnd = this.#scanner.scan(this.#pending, 0, this.#pendingLength);
        this.#commit(this.#pending, 0, unitEnd);
        this.#pending.copyWithin(0, unitEnd, this.#pendingLength);
        this.#pendingLength -= unitEnd;
        if (this.#pendingLength === 0) this.#pending = EMPTY;
      }
    } catch (error) {
      const nowMs = this.#parts.runtime.nowMs();
      if (error instanceof StreamError) {
        this.link.failed(`Protocol error from the primary: ${error.message}`, nowMs);
      } else if (error instanceof ApplyFailure) {
        // Part of it may have run, so the data belongs to no history any more.
        this.#parts.history.close();
        this.#hooks.historyChanged('a command of the primary cannot be applied');
        const problem = `a command of the primary cannot be applied: ${error.message}`;
        this.log('warning', `== CRITICAL == This replica left its primary: ${problem}`);
        this.link.rejected(problem, nowMs);
      } else throw error;
    }
  }

  up(): void {
    this.clientId = this.#hooks.seams.nextClientId();
    this.upSinceMs = this.#parts.runtime.nowMs();
    this.receivedBytes = 0;
    this.#hooks.linkChanged();
  }

  down(): void {
    this.#forgetUnit();
    this.log('notice', 'Caching the disconnected master state.');
    this.#hooks.linkChanged();
  }

  appliedOffset(): number {
    return this.#parts.history.offset;
  }

  filedOffset(): number {
    return this.#hooks.seams.filedOffset();
  }

  #loadFailed(problem: string): void {
    const { log, runtime } = this.#parts;
    log.write('warning', `Failed trying to load the PRIMARY synchronization DB: ${problem}`);
    this.link.rejected(problem, runtime.nowMs());
  }

  /** Whole units: applied, then passed on under the same offsets. */
  #commit(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    this.#hooks.seams.applier.apply(bytes, start, end);
    this.#parts.history.backlog?.append(bytes, start, end);
    this.#hooks.streamed();
    if (!this.#ackAsked) return;
    this.#ackAsked = false;
    const filed = this.#hooks.seams.filedOffset();
    if (filed >= 0 && filed < this.#parts.history.offset) this.#filedAskedOffset = this.#parts.history.offset;
    this.link.acknowledge(this.#parts.runtime.nowMs());
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length === 0) return;
    const needed = this.#pendingLength + length;
    if (needed > UNIT_BYTES_MAX) throw new StreamError('a command or transaction is larger than 1 GiB');
    if (needed > this.#pending.length) {
      const grown = new Uint8Array(Math.max(UNIT_BYTES_FIRST, needed + (needed >> 1)));
      grown.set(this.#pending.subarray(0, this.#pendingLength));
      this.#pending = grown;
    }
    this.#pending.set(bytes.subarray(start, end), this.#pendingLength);
    this.#pendingLength = needed;
  }

  #forgetUnit(): void {
    this.#filedAskedOffset = -1;
    this.#scanner.reset();
    this.#heldBack = false;
    this.#pending = EMPTY;
    this.#pendingLength = 0;
  }

  /** Attempts come at the link's times, not at the next whole second. */
  #scheduleRetry(): void {
    this.#cancelRetry();
    const { runtime } = this.#parts;
    const waitMs = Math.max(0, this.link.retryAtMs - runtime.nowMs());
    this.#cancelRetry = runtime.after(waitMs, () => {
      if (this.link.phase === 'waiting') this.link.tick(runtime.nowMs());
    });
  }
}
