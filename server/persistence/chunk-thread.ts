/**
 * A thread that works off the chunks of one snapshot (decision 28). Buffers go over and come back, so that
 * nothing is copied and nothing is allocated once they go round; a counter in shared memory says how far the
 * thread is, also to a caller that waits for it.
 *
 *   main thread ── chunk ──> thread: compress, checksum, write
 *               <── empty buffers, bytes handed back ──
 */
import { Worker } from 'node:worker_threads';
import { asError } from '../config/failure.ts';
import type { OutputEvents, SnapshotOutput } from './chunk-output.ts';
import { CHUNK_ROOM, type RdbChunk } from './rdb-chunk.ts';

export type ThreadRequest =
  | {
      readonly kind: 'open';
      readonly target: number;
      readonly file: string | null;
      readonly checksum: boolean;
      readonly incrementalFsync: boolean;
    }
  | { readonly kind: 'own'; readonly target: number; readonly bytes: Uint8Array }
  | { readonly kind: 'chunk'; readonly chunk: RdbChunk }
  | { readonly kind: 'end'; readonly target: number }
  | { readonly kind: 'drop'; readonly target: number }
  | { readonly kind: 'close' };

export type ThreadReport =
  | { readonly kind: 'relay'; readonly bytes: Uint8Array; readonly targets: readonly number[] }
  | { readonly kind: 'empty'; readonly chunk: RdbChunk }
  | { readonly kind: 'ended'; readonly target: number }
  | { readonly kind: 'failed'; readonly target: number; readonly message: string; readonly system: object };

/** Empty buffers that are kept. */
const EMPTY_MAX = 16;
const NO_MARKS = new Uint32Array(0);
const ENTRY = import.meta.url.endsWith('.ts') ? './chunk-thread-entry.ts' : './chunk-thread-entry.js';

export class ChunkThread implements SnapshotOutput {
  readonly #worker: Worker;
  /** Bytes the thread has worked off, modulo 2^32. */
  readonly #done = new Int32Array(new SharedArrayBuffer(4));
  #given = 0;
  #closed = false;
  readonly #empty: RdbChunk[] = [];

  /** `broken`: the thread itself ended. */
  constructor(events: OutputEvents, broken: (error: Error) => void) {
    this.#worker = new Worker(new URL(ENTRY, import.meta.url), { workerData: this.#done, name: 'snapshot' });
    this.#worker.unref();
    this.#worker.on('message', (report: ThreadReport) => {
      if (!this.#closed) this.#reported(report, events);
    });
    this.#worker.on('error', (error) => {
      if (!this.#closed) broken(asError(error));
    });
  }

  /** The first thread of a process costs some ms, the next half of one: better before anybody is served. */
  static warmUp(): void {
    const nobody: OutputEvents = { relay: () => false, ended: () => {}, failed: () => {} };
    new ChunkThread(nobody, () => {}).close();
  }

  get pendingBytes(): number {
    return (this.#given - Atomics.load(this.#done, 0)) | 0;
  }

  open(target: number, file: string | null, checksum: boolean, incrementalFsync: boolean): void {
    this.#post({ kind: 'open', target, file, checksum, incrementalFsync });
  }

  own(target: number, bytes: Uint8Array): void {
    this.#post({ kind: 'own', target, bytes });
  }

  chunk(chunk: RdbChunk): void {
    this.#given = (this.#given + chunk.length) | 0;
    const { bytes, marks } = chunk;
    const request: ThreadRequest = { kind: 'chunk', chunk };
    this.#worker.postMessage(request, [bytes.buffer as ArrayBuffer, ...marksOf(marks)]);
  }

  end(target: number): void {
    this.#post({ kind: 'end', target });
  }

  drop(target: number): void {
    this.#post({ kind: 'drop', target });
  }

  empty(): RdbChunk | null {
    return this.#empty.pop() ?? null;
  }

  drainTo(bytes: number, waitMs: number): boolean {
    const untilMs = performance.now() + waitMs;
    for (let done = Atomics.load(this.#done, 0); ((this.#given - done) | 0) > bytes; ) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return false;
      Atomics.wait(this.#done, 0, done, leftMs);
      done = Atomics.load(this.#done, 0);
    }
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#post({ kind: 'close' });
  }

  #post(request: ThreadRequest): void {
    this.#worker.postMessage(request);
  }

  #reported(report: ThreadReport, events: OutputEvents): void {
    if (report.kind === 'relay') {
      const { bytes, targets } = report;
      if (events.relay(bytes, targets) && bytes.buffer.byteLength === CHUNK_ROOM) {
        this.#keep({ bytes: new Uint8Array(bytes.buffer), length: 0, marks: NO_MARKS, markCount: 0 });
      }
    } else if (report.kind === 'ended') events.ended(report.target);
    else if (report.kind === 'failed') {
      events.failed(report.target, Object.assign(new Error(report.message), report.system));
    } else this.#keep(report.chunk);
  }

  #keep(chunk: RdbChunk): void {
    if (this.#empty.length < EMPTY_MAX && chunk.bytes.length === CHUNK_ROOM) this.#empty.push(chunk);
  }
}

/** An array without elements has a buffer that all such share: it cannot be handed over. */
export function marksOf(marks: Uint32Array): ArrayBuffer[] {
  return marks.length === 0 ? [] : [marks.buffer as ArrayBuffer];
}
