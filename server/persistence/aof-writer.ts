/**
 * Appends the stream of changes to the current increment file.
 *
 *   append()      bytes of the turn collect in one buffer                  offset
 *   flushTurn()   one write, before the replies of the turn leave          writtenOffset
 *   fdatasync     in the thread pool, at most one at a time                syncedOffset
 *
 * Offsets count bytes since the server started, over all files. Replies made at `offset` may leave once
 * `releasedOffset` has reached it: under `always` what is synced, else all that was appended.
 *   always    every write starts an fdatasync, or waits for the one that runs: one sync serves all that came
 *             before
 *   everysec  one fdatasync a second. While it runs, writes wait in the buffer (a write would block on the
 *             same file) and clients are served; with POSTPONE_BYTES_MAX in it the write is made all the
 *             same, and nobody is served until the disk has taken it. What a crash can cost is the second
 *             and the fdatasync
 *   no        the system decides
 * A failed write keeps its bytes, is shown in `lastWriteError` (clients get MISCONF) and tried again each
 * second; under `always`, a failed write or fdatasync ends the process, because acknowledged replies would be
 * wrong.
 */
import { closeSync, fdatasync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { systemMessage } from '../config/system-message.ts';
import type { LatencyNote } from './aof-directory.ts';

export type FsyncPolicy = 'always' | 'everysec' | 'no';

/** What the writer needs from around it. */
export interface AofWriterEnvironment {
  policy(): FsyncPolicy;
  /** `aof-timestamp-enabled`. */
  timestamps(): boolean;
  /** A snapshot writes to the disk and `no-appendfsync-on-rewrite` asks to leave it alone. */
  quiet(): boolean;
  /** A snapshot runs: writes may take longer for it. */
  busy(): boolean;
  /** Notes how long something took, for LATENCY; null when nobody wants to know. */
  latency(): LatencyNote | null;
  nowMs(): number;
  /** The time of this turn, which stands still within a transaction. */
  turnMs(): number;
  /** Offset of the replication stream that what was appended so far belongs to. */
  streamOffset(): number;
  log(level: 'notice' | 'warning', message: string): void;
  /** An fsync succeeds after one that failed: what that one covered may be lost all the same. */
  onDoubtful(): void;
  /** Ends the process after logging why. */
  fatal(message: string): void;
  /** `releasedOffset` has grown: replies that waited may leave. */
  onReleased(): void;
}

interface Sync {
  readonly descriptor: number;
  readonly upTo: number;
  /** Place in the replication stream, as `upTo`. */
  streamUpTo: number;
  readonly close: boolean;
  /** Told when it is over, of the error or of null. */
  readonly done?: (error: Error | null) => void;
}

const BUFFER_BYTES = 64 * 1024;
/** A buffer that grew above this is dropped after its flush. */
const BUFFER_KEEP_BYTES_MAX = 1024 * 1024;
/** A write that waits so long shows in the log and in aof_delayed_fsync. */
const DELAY_SHOWN_MS = 2000;
const POSTPONE_BYTES_MAX = 32 * 1024 * 1024;
const SYNC_INTERVAL_MS = 1000;
const RETRY_INTERVAL_MS = 1000;
const ERROR_LOG_INTERVAL_MS = 30_000;
const UNKNOWN = -1;

/** The annotation of a moment: what follows came at this second or later. */
export function timestampLine(wallMs: number): string {
  return `#TS:${Math.floor(wallMs / 1000)}\r\n`;
}

export class AofWriter {
  /**
   * Database of the last SELECT in the file, -1 for none: the propagation writes one before the next change.
   */
  selectedDatabase = -1;
  /** Bytes appended since the server started. */
  offset = 0;
  writtenOffset = 0;
  syncedOffset = 0;
  /** Bytes in the current file. */
  fileBytes = 0;
  /** Times that writes waited long for an fsync. */
  delayedFsyncs = 0;
  readonly #environment: AofWriterEnvironment;
  #writeError: string | null = null;
  #syncError: string | null = null;
  #descriptor = -1;
  #buffer: Uint8Array = new Uint8Array(BUFFER_BYTES);
  #length = 0;
  #running: Sync | null = null;
  readonly #queue: Sync[] = [];
  #lastSyncMs = 0;
  #postponedSinceMs = -1;
  #delayShown = false;
  #retryAtMs = 0;
  #errorLoggedMs = Number.NEGATIVE_INFINITY;
  #timestamp = 0;
  /** Place in the replication stream behind the last write, and behind the last one that was synced. */
  #writtenStream = UNKNOWN;
  #syncedStream = UNKNOWN;

  constructor(environment: AofWriterEnvironment) {
    this.#environment = environment;
  }

  get isOpen(): boolean {
    return this.#descriptor >= 0;
  }

  /** Why the last write or the last fsync failed; null when neither did. */
  get lastWriteError(): string | null {
    return this.#writeError ?? this.#syncError;
  }

  /** Replies made up to this offset may leave. */
  get releasedOffset(): number {
    const held = this.isOpen && this.#environment.policy() === 'always' && !this.#environment.quiet();
    return held ? this.syncedOffset : this.offset;
  }

  /** Offset of the replication stream up to which all is on the disk; -1 when that is not known. */
  get syncedStreamOffset(): number {
    const idle = this.#length === 0 && this.isOpen && this.syncedOffset === this.writtenOffset;
    return idle ? this.#environment.streamOffset() : this.#syncedStream;
  }

  /** Files that were synced by other means hold all up to here, as a base does that was begun here. */
  coverUpTo(offset: number, streamOffset: number): void {
    this.syncedOffset = Math.max(this.syncedOffset, offset);
    this.#syncedStream = Math.max(this.#syncedStream, streamOffset);
    this.#environment.onReleased();
  }

  get bufferedBytes(): number {
    return this.#length;
  }

  /** Bytes of the file that a power cut may take. */
  get unsyncedBytes(): number {
    return this.writtenOffset - this.syncedOffset;
  }

  /** Makes what was written so far safe without blocking; `done` gets the error or null. */
  syncThen(done: (error: Error | null) => void): void {
    this.#enqueue({ ...this.#syncOfWritten(false), done });
  }

  /** fdatasync calls that run or wait. */
  get pendingFsyncs(): number {
    return this.#queue.length + (this.#running === null ? 0 : 1);
  }

  /**
   * Goes on in this file; what was appended so far is written to the file before, which is synced and closed
   * in the background. Throws when the file cannot be opened; then the old one stays.
   */
  open(path: string, fileBytes: number): void {
    const descriptor = openSync(path, 'a', 0o644);
    this.#leave();
    this.#postponedSinceMs = -1;
    this.#descriptor = descriptor;
    this.fileBytes = fileBytes;
    this.selectedDatabase = -1;
    this.#timestamp = 0;
  }

  /** Writes and syncs what there is, blocking, and closes the file. */
  close(): void {
    if (!this.isOpen) return;
    this.#write();
    const failure = this.#writeError;
    try {
      fdatasyncSync(this.#descriptor);
    } catch (error) {
      this.#environment.log('warning', `Fail to fsync the AOF file: ${systemMessage(error)}`);
    }
    if (failure !== null)
      this.#environment.log('warning', `The AOF is closed with unwritten bytes: ${failure}`);
    this.#length = 0;
    this.syncedOffset = this.writtenOffset = this.offset;
    // What comes next may belong to another stream: of syncs under way nothing is to be learned about it.
    this.#writtenStream = this.#syncedStream = UNKNOWN;
    for (const sync of this.#queue) sync.streamUpTo = UNKNOWN;
    if (this.#running !== null) this.#running.streamUpTo = UNKNOWN;
    this.#retire({ descriptor: this.#descriptor, upTo: this.offset, streamUpTo: UNKNOWN, close: true });
    this.#descriptor = -1;
    this.#environment.onReleased();
  }

  /** One whole command in RESP; the bytes are copied. */
  append(bytes: Uint8Array, start: number, end: number): void {
    if (!this.isOpen) return;
    if (this.#environment.timestamps()) this.#stamp();
    this.#put(bytes, start, end);
  }

  /** One annotation line, from its `#` to its end, which loaders that do not know it skip. */
  annotate(text: string): void {
    if (!this.isOpen) return;
    const line = Buffer.from(text);
    this.#put(line, 0, line.length);
  }

  /** Writes the bytes of the turn. To be called before its replies leave. */
  flushTurn(): void {
    if (this.#length !== 0) {
      if (this.#writeError !== null && this.#environment.nowMs() < this.#retryAtMs) return;
      if (this.#postpone()) return;
      this.#write();
    }
    if (this.isOpen) this.#syncByPolicy();
  }

  /** Writes what there is, whatever runs; false when that fails. */
  writeNow(): boolean {
    if (this.isOpen && this.#length !== 0) this.#write();
    return this.#length === 0;
  }

  /**
   * Makes all that was appended safe, blocking, because another file is about to follow this one: the names
   * of the next must not outlive the tail of this one. Throws when the disk does not take it.
   */
  settle(): void {
    if (!this.isOpen) return;
    this.#write();
    if (this.#writeError !== null) throw new Error(`the AOF cannot be written: ${this.#writeError}`);
    const sync = this.#syncOfWritten(false);
    try {
      fdatasyncSync(this.#descriptor);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (this.#environment.policy() !== 'no') this.#syncFailed(error);
      throw new Error(`the AOF cannot be synced: ${systemMessage(error)}`);
    }
    this.#synced(sync);
  }

  /** Call some ten times a second: due fsyncs, postponed and failed writes. */
  tick(): void {
    this.flushTurn();
    // A snapshot may have begun that lets replies leave unsynced.
    if (this.isOpen && this.#environment.quiet()) this.#environment.onReleased();
  }

  #put(bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.#length + size > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(this.#length + size, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    if (size < 64) {
      let to = this.#length;
      for (let at = start; at < end; at += 1) this.#buffer[to++] = bytes[at];
    } else this.#buffer.set(bytes.subarray(start, end), this.#length);
    this.#length += size;
    this.offset += size;
  }

  #stamp(): void {
    const second = Math.floor(this.#environment.turnMs() / 1000);
    if (second === this.#timestamp) return;
    this.#timestamp = second;
    this.annotate(timestampLine(second * 1000));
  }

  /** An fdatasync of the file that is written runs. */
  get #syncs(): boolean {
    return this.#running !== null && this.#running.descriptor === this.#descriptor;
  }

  /** Whether the write has to wait for the fsync that runs. */
  #postpone(): boolean {
    if (!this.#syncs || this.#environment.policy() !== 'everysec') {
      this.#postponedSinceMs = -1;
      this.#delayShown = false;
      return false;
    }
    const now = this.#environment.nowMs();
    if (this.#postponedSinceMs < 0 || now < this.#postponedSinceMs) this.#postponedSinceMs = now;
    const full = this.#length >= POSTPONE_BYTES_MAX;
    if (!this.#delayShown && (full || now - this.#postponedSinceMs >= DELAY_SHOWN_MS)) {
      this.#delayShown = true;
      this.delayedFsyncs += 1;
      this.#environment.log(
        'notice',
        'Asynchronous AOF fsync is taking too long (disk is busy?). ' +
          `The AOF buffer is kept in memory meanwhile, up to ${POSTPONE_BYTES_MAX >> 20} MB; ` +
          'then it is written without waiting for fsync to complete, which may slow down the server.',
      );
    }
    return !full;
  }

  #write(): void {
    const latency = this.#environment.latency();
    if (latency === null) {
      this.#writeAll();
      return;
    }
    const startedMs = performance.now();
    const beside = this.#syncs ? 'pending-fsync' : this.#environment.busy() ? 'active-child' : 'alone';
    this.#writeAll();
    const tookMs = performance.now() - startedMs;
    latency(`aof-write-${beside}`, tookMs);
    latency('aof-write', tookMs);
  }

  #writeAll(): void {
    let at = 0;
    try {
      while (at < this.#length) {
        const count = writeSync(this.#descriptor, this.#buffer, at, this.#length - at);
        at += count;
        this.writtenOffset += count;
        this.fileBytes += count;
      }
    } catch (error) {
      this.#buffer.copyWithin(0, at, this.#length);
      this.#length -= at;
      this.#writeFailed(systemMessage(error));
      return;
    }
    this.#length = 0;
    this.#writtenStream = this.#environment.streamOffset();
    if (this.#buffer.length > BUFFER_KEEP_BYTES_MAX) this.#buffer = new Uint8Array(BUFFER_BYTES);
    if (this.#writeError === null) return;
    this.#writeError = null;
    this.#environment.log('warning', 'AOF write error looks solved. The server can write again.');
  }

  #writeFailed(reason: string): void {
    const message = `Error writing to the AOF file: ${reason}`;
    const now = this.#environment.nowMs();
    this.#retryAtMs = now + RETRY_INTERVAL_MS;
    if (this.#environment.policy() === 'always') {
      this.#environment.fatal(
        `${message}. Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...`,
      );
    }
    this.#writeError = reason;
    if (now - this.#errorLoggedMs < ERROR_LOG_INTERVAL_MS) return;
    this.#errorLoggedMs = now;
    this.#environment.log('warning', message);
  }

  #syncByPolicy(): void {
    const policy = this.#environment.policy();
    if (policy === 'no' || this.#environment.quiet()) return;
    if (this.syncedOffset === this.writtenOffset || this.pendingFsyncs !== 0) return;
    const now = this.#environment.nowMs();
    if (policy === 'everysec' && now - this.#lastSyncMs < SYNC_INTERVAL_MS && now >= this.#lastSyncMs) return;
    this.#lastSyncMs = now;
    this.#enqueue(this.#syncOfWritten(false));
  }

  /** The file is left for another one. */
  #leave(): void {
    if (!this.isOpen) return;
    if (this.#length !== 0) this.#write();
    this.#enqueue(this.#syncOfWritten(true));
  }

  #syncOfWritten(close: boolean): Sync {
    const { writtenOffset } = this;
    return { descriptor: this.#descriptor, upTo: writtenOffset, streamUpTo: this.#writtenStream, close };
  }

  #enqueue(sync: Sync): void {
    this.#queue.push(sync);
    if (this.#running === null) this.#next();
  }

  #next(): void {
    const sync = this.#queue.shift();
    if (sync === undefined) return;
    this.#running = sync;
    const startedMs = performance.now();
    fdatasync(sync.descriptor, (error) => {
      this.#running = null;
      if (this.#environment.policy() === 'always') {
        this.#environment.latency()?.('aof-fsync-always', performance.now() - startedMs);
      }
      if (error === null) this.#synced(sync);
      else if (this.#environment.policy() !== 'no' || sync.close) this.#syncFailed(error);
      sync.done?.(error);
      if (sync.close) closeSync(sync.descriptor);
      this.#next();
      this.#afterSync();
    });
  }

  /** What waited for the fdatasync: writes under everysec, the next fdatasync under always. */
  #afterSync(): void {
    if (!this.isOpen) return;
    const always = this.#environment.policy() === 'always';
    if (always && this.#length === 0) this.#syncByPolicy();
    if (!always && this.#length !== 0 && this.#writeError === null && !this.#syncs) this.#write();
  }

  #synced(sync: Sync): void {
    if (sync.upTo > this.syncedOffset) this.syncedOffset = sync.upTo;
    if (sync.streamUpTo > this.#syncedStream) this.#syncedStream = sync.streamUpTo;
    if (this.#syncError !== null) {
      this.#syncError = null;
      this.#environment.onDoubtful();
    }
    this.#environment.onReleased();
  }

  #syncFailed(error: Error): void {
    const reason = systemMessage(error);
    if (this.#environment.policy() === 'always') {
      this.#environment.fatal(
        `Can't persist AOF for fsync error when the AOF fsync policy is 'always': ${reason}. Exiting...`,
      );
    }
    this.#syncError = reason;
    this.#environment.log('warning', `Fail to fsync the AOF file: ${reason}`);
  }

  /** Closes now, or after the fsync that uses the file. */
  #retire(sync: Sync): void {
    if (this.#running?.descriptor === sync.descriptor) this.#queue.push(sync);
    else closeSync(sync.descriptor);
  }
}
