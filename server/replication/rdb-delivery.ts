/**
 * One RDB on its way to one replica, at the pace of its connection: little waits there, the rest where it
 * came from, a log that several replicas read or a file.
 */
import type { AttachedReplica } from './attached-replica.ts';
import { LogCursor, type ReadableBytes } from './log-cursor.ts';
import type { ReplicationRuntime } from './replication-seams.ts';

/** Handed over at once when the connection has nothing to send: what it must keep is copied there. */
const PIECE_BYTES = 256 * 1024;
const LOOK_MS = 1;

export class RdbDelivery {
  readonly cursor = new LogCursor(0);
  readonly #replica: AttachedReplica;
  readonly #bytes: ReadableBytes;
  readonly #runtime: ReplicationRuntime;
  readonly #done: (error: Error | null) => void;
  /** Nothing comes behind `bytes.end` any more. */
  #complete: boolean;
  #over = false;
  #asked = false;

  /** `done` is called once unless it is stopped before: all was handed over, or why it cannot be. */
  constructor(
    replica: AttachedReplica,
    bytes: ReadableBytes,
    complete: boolean,
    runtime: ReplicationRuntime,
    done: (error: Error | null) => void,
  ) {
    this.#replica = replica;
    this.#bytes = bytes;
    this.#complete = complete;
    this.#runtime = runtime;
    this.#done = done;
  }

  /** Bytes that the replica's end has not taken yet. */
  get behindBytes(): number {
    return this.#bytes.end - this.cursor.position + this.#replica.peer.link.pendingBytes;
  }

  /** There is more. Hands it over at the end of the turn: a command of somebody else may be running. */
  more(): void {
    if (this.#asked || this.#over) return;
    this.#asked = true;
    this.#runtime.afterTurn(() => this.#pump());
  }

  /** There was all. */
  complete(): void {
    this.#complete = true;
    this.more();
  }

  stop(): void {
    this.#over = true;
  }

  #pump(): void {
    this.#asked = false;
    if (this.#over) return;
    const idle = this.#replica.peer.link.pendingBytes === 0;
    if (idle) {
      this.cursor.pull(
        this.#bytes,
        PIECE_BYTES,
        (bytes) => this.#replica.write(bytes),
        (error) => this.#read(error),
      );
    }
    if (this.cursor.position === this.#bytes.end) {
      if (this.#complete) this.#end(null);
      return;
    }
    if (this.cursor.reading) return;
    this.#asked = true;
    // The end of this turn shows what the kernel took.
    if (idle) this.#runtime.afterTurn(() => this.#pump());
    else this.#runtime.after(LOOK_MS, () => this.#pump());
  }

  #read(error: Error | null): void {
    if (error !== null) this.#end(error);
    else this.more();
  }

  #end(error: Error | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#done(error);
  }
}
