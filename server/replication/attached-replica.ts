/** One replica of this server: its connection, its place in the log, what it acknowledged. */
import type { Backlog } from './backlog.ts';
import { LogCursor } from './log-cursor.ts';
import type { RdbDelivery } from './rdb-delivery.ts';
import type { ReplicaPeer } from './replication-seams.ts';

/** Names as ROLE and INFO print them. */
export type ReplicaState = 'wait_bgsave' | 'send_bulk' | 'online';

/** More is not handed to a connection at once: what waits in the log is shared, what waits there is not. */
const IN_FLIGHT_BYTES_MAX = 1024 * 1024;

export class AttachedReplica {
  readonly peer: ReplicaPeer;
  readonly attachedAtMs: number;
  state: ReplicaState = 'wait_bgsave';
  /** It asked by SYNC: knows no offsets and never acknowledges. */
  readonly legacy: boolean;
  /** Its place in the log, behind what was sent. */
  readonly cursor = new LogCursor(0);
  /** The RDB on its way to it. */
  delivery: RdbDelivery | null = null;
  ackedOffset = 0;
  /** Up to where its append-only file is safe; -1: it did not say. */
  filedOffset = -1;
  /** When it last gave a sign of life. */
  ackedAtMs: number;
  /** The stream begins with the first ACK, because the RDB's end is known by a mark. */
  streamsOnAck = false;
  /** Since when it is over the soft output limit; 0: it is not. */
  overSoftLimitSinceMs = 0;
  #streamedBytes = 0;
  #handedBytes = 0;
  #takenBytes = 0;

  constructor(peer: ReplicaPeer, legacy: boolean, nowMs: number) {
    this.peer = peer;
    this.legacy = legacy;
    this.attachedAtMs = nowMs;
    this.ackedAtMs = nowMs;
  }

  /** Address that clients can reach it at, as it told or as we see it. */
  get address(): string {
    return addressOf(this.peer);
  }

  /** How the log names it. */
  get label(): string {
    const { replicaPort, id } = this.peer;
    return replicaPort === 0 ? `client id #${id}` : `${this.address}:${replicaPort}`;
  }

  get receivesStream(): boolean {
    return this.state === 'online' && !this.streamsOnAck;
  }

  /** Whole seconds since the last sign of life. */
  lagSeconds(nowMs: number): number {
    return Math.max(0, Math.floor(nowMs / 1000) - Math.floor(this.ackedAtMs / 1000));
  }

  /** Bytes of the stream that wait for it in memory: no RDB on its way, and nothing that is in files. */
  waitingBytes(backlog: Backlog): number {
    const inLog = backlog.end - Math.max(this.cursor.position, backlog.memoryStart);
    return inLog + Math.min(this.#streamedBytes, this.peer.link.pendingBytes);
  }

  /** All bytes for the peer but single lines pass here. */
  write(bytes: Uint8Array): void {
    this.#handedBytes += bytes.length;
    this.peer.link.write(bytes);
  }

  /** True when the peer took bytes since the last call, or has none to take. */
  tookBytes(): boolean {
    const pending = this.peer.link.pendingBytes;
    const taken = this.#handedBytes - pending;
    const progress = pending === 0 || taken > this.#takenBytes;
    this.#takenBytes = taken;
    return progress;
  }

  /**
   * Hands over what the connection may take and returns the bytes handed over. `wake` is called when more can
   * be had, or why it cannot.
   */
  feed(backlog: Backlog, wake: (error: Error | null) => void): number {
    const room = IN_FLIGHT_BYTES_MAX - this.peer.link.pendingBytes;
    const bytes = this.cursor.pull(backlog, room, (view) => this.write(view), wake);
    this.#streamedBytes += bytes;
    return bytes;
  }
}

/** Where clients reach the peer, as it told or as we see it. */
export function addressOf({ replicaAddress, link }: ReplicaPeer): string {
  if (replicaAddress !== '') return replicaAddress;
  return link.remoteAddress.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
