/**
 * FAILOVER: this primary hands its role to a replica that has everything, without losing a write.
 *
 *   no-failover --begin--> waiting-for-sync --the replica has all--> failover-in-progress --PSYNC answered--+
 *        ^                        |    `--timeout, forced--------------^   |                                |
 *        |                   timeout, abort                           refused, abort: a primary again       |
 *        +------------------------+----------------------------------------+--------------------------------+
 *
 * From begin to end no write of a client runs, so the stream stands still. In progress this server is already
 * a replica and asks the target by PSYNC … FAILOVER to take over: there are never two primaries that write.
 * When the connection breaks before the answer, the target may or may not have taken over; it is asked again,
 * and that it is a primary by then is the answer that was lost.
 */
import type { AttachedReplica } from './attached-replica.ts';
import type { ReplicationLog } from './replication-seams.ts';
import { tellsTakenBefore } from './take-over-call.ts';

/** As INFO prints it. */
export type FailoverState = 'no-failover' | 'waiting-for-sync' | 'failover-in-progress';

export interface FailoverTarget {
  readonly host: string;
  readonly port: number;
}

export interface FailoverRequest {
  /** Null: the first replica that has everything. */
  readonly target: FailoverTarget | null;
  /** 0: for ever. */
  readonly timeoutMs: number;
  /** At the timeout the target takes over all the same. */
  readonly force: boolean;
}

export interface FailoverOwner {
  readonly isReplica: boolean;
  readonly replicas: readonly AttachedReplica[];
  /** Offset of the stream. */
  readonly offset: number;
  /** Every replica says at once what it has. */
  askOffsets(): void;
  /** The state has changed: the stream stands, or goes on. */
  stateChanged(): void;
  follow(target: FailoverTarget): void;
  /** Becomes a primary again. */
  takeBack(): void;
}

export class Failover {
  state: FailoverState = 'no-failover';
  readonly #owner: FailoverOwner;
  readonly #log: ReplicationLog;
  #target: FailoverTarget | null = null;
  /** Unix ms; 0: none. */
  #deadlineMs = 0;
  #force = false;
  /** How often the target was asked to take over. */
  #asked = 0;

  constructor(owner: FailoverOwner, log: ReplicationLog) {
    this.#owner = owner;
    this.#log = log;
  }

  /** Starts one. Returns why it cannot be, as an error reply without its dash, or null. */
  begin(request: FailoverRequest, nowMs: number): string | null {
    const { target, timeoutMs, force } = request;
    if (this.state !== 'no-failover') return 'ERR FAILOVER already in progress.';
    if (this.#owner.isReplica) return 'ERR FAILOVER is not valid when server is a replica.';
    if (this.#owner.replicas.length === 0) return 'ERR FAILOVER requires connected replicas.';
    if (force && (timeoutMs === 0 || target === null)) {
      return 'ERR FAILOVER with force option requires both a timeout and target HOST and IP.';
    }
    if (target !== null) {
      const replica = this.#find(target);
      if (replica === undefined) return 'ERR FAILOVER target HOST and PORT is not a replica.';
      if (replica.state !== 'online') return 'ERR FAILOVER target replica is not online.';
    }
    const whom = target === null ? 'any replica' : `${target.host}:${target.port}`;
    this.#log.write('notice', `FAILOVER requested to ${whom}.`);
    this.#target = target;
    this.#deadlineMs = timeoutMs === 0 ? 0 : nowMs + timeoutMs;
    this.#force = force;
    this.#asked = 0;
    // The question is the last thing in the stream.
    this.#owner.askOffsets();
    this.#enter('waiting-for-sync');
    return null;
  }

  /** False when there is nothing to abort. */
  abort(reason: string): boolean {
    if (this.state === 'no-failover') return false;
    const target = this.#target;
    const whom = target === null ? 'any replica' : `${target.host}:${target.port}`;
    this.#log.write('notice', `FAILOVER to ${whom} aborted: ${reason}`);
    if (this.state === 'failover-in-progress') this.#owner.takeBack();
    this.#enter('no-failover');
    return true;
  }

  /** A replica acknowledged, or time has passed. */
  look(nowMs: number): void {
    if (this.state !== 'waiting-for-sync') return;
    const target = this.#target;
    if (this.#deadlineMs !== 0 && nowMs >= this.#deadlineMs) {
      if (!this.#force || target === null) {
        this.abort('Replica never caught up before timeout');
        return;
      }
      const whom = `${target.host}:${target.port}`;
      this.#log.write('notice', `FAILOVER to ${whom} time out exceeded, failing over.`);
      this.#handOver(target);
      return;
    }
    const { offset } = this.#owner;
    const hasAll = (replica: AttachedReplica): boolean =>
      replica.state === 'online' && replica.peer.replicaPort !== 0 && replica.ackedOffset === offset;
    const replica = target === null ? this.#owner.replicas.find(hasAll) : this.#find(target);
    if (replica === undefined || !hasAll(replica)) return;
    const chosen = target ?? { host: replica.address, port: replica.peer.replicaPort };
    this.#log.write('notice', `Failover target ${chosen.host}:${chosen.port} is synced, failing over.`);
    this.#handOver(chosen);
  }

  /** Whether the next PSYNC asks the target to take over; to be called when it is sent. */
  asks(): boolean {
    if (this.state !== 'failover-in-progress') return false;
    this.#asked++;
    return true;
  }

  /** The target answered: null when it took over, else its error line. */
  answered(refusal: string | null): void {
    if (this.state !== 'failover-in-progress') return;
    const tookOverBefore = refusal !== null && this.#asked > 1 && tellsTakenBefore(refusal);
    if (refusal === null || tookOverBefore) this.#enter('no-failover');
    else this.abort('Failover target rejected psync request');
  }

  #handOver(target: FailoverTarget): void {
    this.#target = target;
    this.#enter('failover-in-progress');
    this.#owner.follow(target);
  }

  #enter(state: FailoverState): void {
    this.state = state;
    if (state === 'no-failover') this.#target = null;
    this.#owner.stateChanged();
  }

  #find({ host, port }: FailoverTarget): AttachedReplica | undefined {
    return this.#owner.replicas.find(
      (replica) => replica.address === host && replica.peer.replicaPort === port,
    );
  }
}
