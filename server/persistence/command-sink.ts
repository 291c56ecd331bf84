/**
 * A snapshot as commands (`aof-use-rdb-preamble no`): reads the RDB that the iterator makes and writes SELECT
 * and SET into another sink, so that the iterator stays the only one who reads the dataset.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { DetachedValue } from '../values/value-type.ts';
import { Codecs } from './codecs/codecs.ts';
import { type KeyRecord, RdbReader, type RdbVisitor } from './rdb-reader.ts';
import type { RdbText } from './rdb-text.ts';
import type { SnapshotSink } from './snapshot.ts';

const CHUNK_BYTES = 64 * 1024;
const LINE_END = Buffer.from('\r\n');

/** Turns RDB into commands, chunk by chunk. */
export class CommandWriter implements RdbVisitor {
  readonly #reader: RdbReader;
  readonly #put: (chunk: Uint8Array) => void;
  readonly #keyspace: Keyspace;
  readonly #codecs: Codecs;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** `head`: what the commands begin with. */
  constructor(keyspace: Keyspace, put: (chunk: Uint8Array) => void, head: string) {
    this.#put = put;
    this.#keyspace = keyspace;
    this.#codecs = new Codecs(keyspace.values);
    this.#reader = new RdbReader(this, false, this.#codecs, { thorough: false });
    if (head !== '') this.#add(Buffer.from(head));
  }

  /** Takes the next bytes of the RDB; throws when they are none. */
  feed(chunk: Uint8Array): void {
    this.#reader.feed(chunk);
    if (this.#bytes >= CHUNK_BYTES || this.#reader.done) this.#flush();
  }

  aux(): void {}

  library(code: Uint8Array): void {
    this.#command(Buffer.from('FUNCTION'), Buffer.from('LOAD'), code);
  }

  resize(): void {}

  selectDatabase(index: number): void {
    this.#command(Buffer.from('SELECT'), Buffer.from(String(index)));
  }

  string(record: KeyRecord, value: RdbText): void {
    const { key, expireAtMs } = record;
    const expiry = expireAtMs < 0 ? [] : [Buffer.from('PXAT'), Buffer.from(String(expireAtMs))];
    this.#command(Buffer.from('SET'), key.copy(), value.copy(), ...expiry);
  }

  /** The value becomes that of a key in no table for as long as its commands are made. */
  value(record: KeyRecord, type: number, value: DetachedValue): void {
    if (value.root === 0) return;
    const { arena, records, values, epoch } = this.#keyspace;
    const { expireAtMs } = record;
    const key = record.key.copy();
    const ref = records.newKey(type | (value.encoding << 4), epoch, key, 0, key.length, value.root, -1);
    try {
      this.#codecs.of(type).commands(ref, key, (words) => this.#command(...words));
    } finally {
      values.release(ref);
      arena.free(ref);
    }
    if (expireAtMs >= 0) this.#command(Buffer.from('PEXPIREAT'), key, Buffer.from(String(expireAtMs)));
  }

  /** Frees what a value that is not whole holds. */
  abandon(): void {
    this.#reader.abandon();
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

  constructor(keyspace: Keyspace, target: SnapshotSink, head: string) {
    this.#target = target;
    this.#writer = new CommandWriter(keyspace, (chunk) => target.write(chunk), head);
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
    this.#writer.abandon();
    this.#target.abort();
  }
}
