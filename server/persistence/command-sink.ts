/**
 * A snapshot as commands (`aof-use-rdb-preamble no`): reads the RDB that the iterator makes and writes SELECT
 * and SET into another sink, so that the iterator stays the only one who reads the dataset.
 */
import { RdbReader, type RdbVisitor, type StringRecord } from './rdb-reader.ts';
import type { SnapshotSink } from './snapshot.ts';

const CHUNK_BYTES = 64 * 1024;
const LINE_END = Buffer.from('\r\n');

/** Turns RDB into commands, chunk by chunk. */
export class CommandWriter implements RdbVisitor {
  readonly #reader: RdbReader;
  readonly #put: (chunk: Uint8Array) => void;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(put: (chunk: Uint8Array) => void) {
    this.#put = put;
    this.#reader = new RdbReader(this, false);
  }

  /** Takes the next bytes of the RDB; throws when they are none. */
  feed(chunk: Uint8Array): void {
    this.#reader.feed(chunk);
    if (this.#bytes >= CHUNK_BYTES || this.#reader.done) this.#flush();
  }

  aux(): void {}

  resize(): void {}

  selectDatabase(index: number): void {
    this.#command(Buffer.from('SELECT'), Buffer.from(String(index)));
  }

  string(record: StringRecord): void {
    const { key, value, expireAtMs } = record;
    const expiry = expireAtMs < 0 ? [] : [Buffer.from('PXAT'), Buffer.from(String(expireAtMs))];
    this.#command(Buffer.from('SET'), key, value, ...expiry);
  }

  #command(...words: Uint8Array[]): void {
    this.#add(Buffer.from(`*${words.length}\r\n`));
    for (const word of words) {
      this.#add(Buffer.from(`$${word.length}\r\n`));
      // The reader's bytes may be used again after the call.
      this.#add(Buffer.from(word));
      this.#add(LINE_END);
    }
  }

  #add(part: Uint8Array): void {
    this.#parts.push(part);
    this.#bytes += part.length;
  }

  #flush(): void {
    if (this.#bytes === 0) return;
    this.#put(Buffer.concat(this.#parts, this.#bytes));
    this.#parts = [];
    this.#bytes = 0;
  }
}

export class CommandSink implements SnapshotSink {
  readonly #target: SnapshotSink;
  readonly #writer: CommandWriter;

  constructor(target: SnapshotSink) {
    this.#target = target;
    this.#writer = new CommandWriter((chunk) => target.write(chunk));
  }

  get pendingBytes(): number {
    return this.#target.pendingBytes;
  }

  get failure(): Error | null {
    return this.#target.failure;
  }

  write(chunk: Uint8Array): void {
    this.#writer.feed(chunk);
  }

  finish(): Promise<void> {
    return this.#target.finish();
  }

  abort(): void {
    this.#target.abort();
  }
}
