/** Where the RDB of a full sync goes while it is made: to replicas as it comes, or into a file for them. */
import { messageOf } from '../config/failure.ts';
import type { SnapshotSink } from '../persistence/snapshot.ts';
import type { AttachedReplica } from './attached-replica.ts';
import { Backlog } from './backlog.ts';
import type { ReadableBytes } from './log-cursor.ts';
import { RdbDelivery } from './rdb-delivery.ts';
import type { ReplicationRuntime } from './replication-seams.ts';
import type { Spill } from './spill.ts';

/** What becomes of the replicas; each is told of once, unless it was removed. */
export interface RunEnds {
  /** All was handed over; `mark` must follow unless it is null. */
  delivered(replica: AttachedReplica, mark: Uint8Array | null): void;
  failed(replica: AttachedReplica, reason: string): void;
}

export interface RdbRun extends SnapshotSink {
  /** The RDB ends with a mark, because nobody knows its length when it begins. */
  readonly marked: boolean;
  /** Those it is for and who did not get all of it. */
  readonly replicas: ReadonlySet<AttachedReplica>;
  /** Who comes now gets everything too. */
  readonly joinable: boolean;
  add(replica: AttachedReplica): void;
  /** True when it was one of `replicas`. */
  remove(replica: AttachedReplica): boolean;
  /** The snapshot ended well. */
  complete(): void;
}

/** What is kept so that late replicas can join. */
const KEPT_BYTES = 8 * 1024 * 1024;
/** Without files to spill to: what may wait in memory for the slowest replica. */
const MEMORY_BYTES_MAX = 256 * 1024 * 1024;
const encoder = new TextEncoder();

/**
 * Straight to the replicas. The walk of the snapshot waits for the slowest of them; old content of records
 * that change meanwhile cannot wait, so it is kept in a log with files behind it.
 */
export class StreamRun implements RdbRun {
  readonly marked = true;
  readonly copies = true;
  readonly replicas: Set<AttachedReplica> = new Set();
  failure: Error | null = null;
  readonly #mark: Uint8Array;
  readonly #log: Backlog;
  readonly #spill: Spill;
  readonly #runtime: ReplicationRuntime;
  readonly #ends: RunEnds;
  #complete = false;

  constructor(mark: string, spill: Spill, runtime: ReplicationRuntime, ends: RunEnds) {
    this.#mark = encoder.encode(mark);
    this.#spill = spill;
    this.#runtime = runtime;
    this.#ends = ends;
    this.#log = new Backlog(0, KEPT_BYTES, spill);
    this.#log.onTrouble = (reason, readers) => {
      const troubled = [...this.replicas].filter(({ delivery }) =>
        readers.includes(delivery?.cursor as never),
      );
      runtime.afterTurn(() => {
        for (const replica of troubled) this.#failed(replica, reason);
      });
    };
  }

  get pendingBytes(): number {
    let bytes = 0;
    for (const { delivery } of this.replicas) bytes = Math.max(bytes, delivery?.behindBytes ?? 0);
    return bytes;
  }

  get joinable(): boolean {
    return !this.#complete && this.failure === null && this.#log.start === 0;
  }

  add(replica: AttachedReplica): void {
    const delivery = new RdbDelivery(replica, this.#log, false, this.#runtime, (error) => {
      if (error !== null) this.#failed(replica, `the spill file cannot be read: ${error.message}`);
      else if (this.remove(replica)) this.#ends.delivered(replica, this.#mark);
    });
    replica.delivery = delivery;
    this.replicas.add(replica);
    this.#log.addReader(delivery.cursor);
    const header = Buffer.concat([encoder.encode('$EOF:'), this.#mark, encoder.encode('\r\n')]);
    this.#runtime.afterTurn(() => replica.write(header));
    delivery.more();
  }

  remove(replica: AttachedReplica): boolean {
    if (!this.replicas.delete(replica)) return false;
    if (replica.delivery !== null) this.#log.removeReader(replica.delivery.cursor);
    if (this.#complete && this.replicas.size === 0) this.#log.close();
    return true;
  }

  write(chunk: Uint8Array): void {
    this.#log.append(chunk, 0, chunk.length);
    if (this.#spill.bytesMax === 0 && this.#log.memoryBytes > MEMORY_BYTES_MAX) {
      this.failure = new Error('more waits for the replicas than memory may hold, and repl-spill-max is 0');
    }
    for (const { delivery } of this.replicas) delivery?.more();
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  abort(): void {
    for (const { delivery } of this.replicas) delivery?.stop();
    this.#log.close();
  }

  complete(): void {
    this.#complete = true;
    for (const { delivery } of this.replicas) delivery?.complete();
    if (this.replicas.size === 0) this.#log.close();
  }

  #failed(replica: AttachedReplica, reason: string): void {
    if (this.remove(replica)) this.#ends.failed(replica, reason);
  }
}

/** The file of a full sync: written by the snapshot, then read by each replica. */
export interface SyncFile {
  readonly sink: SnapshotSink;
  /** The whole file, once `sink.finish` was fulfilled. Throws when it cannot be opened. */
  open(): ReadableBytes & { close(): void };
}

export class FileRun implements RdbRun {
  readonly marked = false;
  readonly file?: string;
  readonly replicas: Set<AttachedReplica> = new Set();
  readonly #file: SyncFile;
  readonly #runtime: ReplicationRuntime;
  readonly #ends: RunEnds;
  #bytes: ReturnType<SyncFile['open']> | null = null;
  #complete = false;

  constructor(file: SyncFile, runtime: ReplicationRuntime, ends: RunEnds) {
    this.#file = file;
    if (file.sink.file !== undefined) this.file = file.sink.file;
    this.#runtime = runtime;
    this.#ends = ends;
  }

  get pendingBytes(): number {
    return this.#file.sink.pendingBytes;
  }

  get failure(): Error | null {
    return this.#file.sink.failure;
  }

  get joinable(): boolean {
    return !this.#complete && this.failure === null;
  }

  add(replica: AttachedReplica): void {
    this.replicas.add(replica);
  }

  remove(replica: AttachedReplica): boolean {
    if (!this.replicas.delete(replica)) return false;
    if (this.#complete && this.replicas.size === 0) this.#bytes?.close();
    return true;
  }

  write(chunk: Uint8Array): void {
    this.#file.sink.write(chunk);
  }

  finish(): Promise<void> {
    return this.#file.sink.finish();
  }

  abort(): void {
    this.#file.sink.abort();
  }

  complete(): void {
    this.#complete = true;
    if (this.replicas.size === 0) return;
    let bytes: ReturnType<SyncFile['open']>;
    try {
      bytes = this.#file.open();
    } catch (error) {
      const reason = `the RDB for it cannot be read: ${messageOf(error)}`;
      for (const replica of [...this.replicas]) this.#failed(replica, reason);
      return;
    }
    this.#bytes = bytes;
    for (const replica of this.replicas) {
      replica.state = 'send_bulk';
      const size = encoder.encode(`$${bytes.end}\r\n`);
      const delivery = new RdbDelivery(replica, bytes, true, this.#runtime, (error) => {
        if (error !== null) this.#failed(replica, `the RDB for it cannot be read: ${error.message}`);
        else if (this.remove(replica)) this.#ends.delivered(replica, null);
      });
      replica.delivery = delivery;
      this.#runtime.afterTurn(() => replica.write(size));
      delivery.more();
    }
  }

  #failed(replica: AttachedReplica, reason: string): void {
    if (this.remove(replica)) this.#ends.failed(replica, reason);
  }
}
