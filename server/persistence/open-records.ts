/**
 * The records of one snapshot that are not written in one go: long strings, lists, streams and values in
 * tables. One of them is open, the others wait; what happens to their elements meanwhile comes here first.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { OpenPieces } from './open-pieces.ts';
import { OpenTable } from './open-table.ts';
import type { RdbWriter } from './rdb-writer.ts';
import type { RecordWriter } from './record-writer.ts';
import type { SpillFile } from './side-log.ts';

/** Old elements that may wait aside in memory; beyond it they go to the disk. */
const ASIDE_BYTES_MAX = 8 * 1024 * 1024;

const NO_NAME = Buffer.alloc(0);

type OpenRecord = OpenTable | OpenPieces;

export interface OpenRecordsOptions {
  readonly keyspace: Keyspace;
  readonly records: RecordWriter;
  readonly writer: RdbWriter;
  readonly spill: SpillFile;
  /** Told when a record is complete. */
  onWritten(): void;
  /** Runs what may throw RdbError, which ends the snapshot. */
  guarded(write: () => void): void;
}

export class OpenRecords {
  /** Bytes of old content that were written out of turn. */
  copyOnWriteBytes = 0;
  readonly #keyspace: Keyspace;
  readonly #records: RecordWriter;
  readonly #writer: RdbWriter;
  /** Told when a record is complete. */
  readonly #onWritten: () => void;
  #open: OpenRecord | null = null;
  readonly #waiting: OpenRecord[] = [];
  /** Values in tables that wait or are open, by the table's header. */
  readonly #tables = new Map<number, OpenTable>();
  readonly #spill: SpillFile;
  /** Bytes of old elements that wait in memory. */
  asideBytes = 0;

  constructor(options: OpenRecordsOptions) {
    const { keyspace } = options;
    this.#keyspace = keyspace;
    this.#records = options.records;
    this.#writer = options.writer;
    this.#spill = options.spill;
    this.#onWritten = options.onWritten;
    const { store } = keyspace.values;
    store.epoch = keyspace.epoch;
    store.elementHook = (table, element) => options.guarded(() => this.#beforeElement(table, element));
    keyspace.adopt = (ref) => this.#adopt(ref);
  }

  /** Whether a record is open: nothing else may be written to the writer. */
  get open(): boolean {
    return this.#open !== null;
  }

  /**
   * The walk has come to this record, or it is about to change: true when it is one of those that are written
   * here.
   */
  take(database: number, ref: number): boolean {
    const { records, epoch } = this.#keyspace;
    const record: OpenRecord | null =
      this.#records.openPieces(database, ref, this.#writer.compression) ??
      this.#records.openTable(database, ref, this.#writer.compression);
    if (record === null) return false;
    records.setMark(ref, epoch);
    if (record instanceof OpenTable) this.#tables.set(record.table, record);
    this.#waiting.push(record);
    return true;
  }

  /** Goes on with the open record or opens the next; false when there is none. */
  step(): boolean {
    if (this.#open !== null) {
      this.#continue(this.#open);
      return true;
    }
    const next = this.#waiting.pop();
    if (next === undefined) return false;
    this.#open = next;
    this.#writer.selectDatabase(next.database);
    if (next instanceof OpenTable) this.asideBytes -= next.asideBytes;
    next.begin(this.#writer);
    return true;
  }

  /** The snapshot is over, complete or not. */
  end(): void {
    this.#keyspace.values.store.elementHook = null;
    this.#keyspace.adopt = null;
    for (const table of this.#tables.values()) this.#free(table);
    this.#tables.clear();
    for (const record of [this.#open, ...this.#waiting]) if (record instanceof OpenPieces) record.end();
    this.#waiting.length = 0;
    this.#open = null;
  }

  #continue(open: OpenRecord): void {
    if (!open.step(this.#writer)) return;
    if (open instanceof OpenPieces) open.end();
    else {
      this.#tables.delete(open.table);
      this.#free(open);
    }
    this.#open = null;
    this.#onWritten();
  }

  #beforeElement(table: number, element: number): void {
    const open = this.#tables.get(table);
    if (open === undefined) return;
    const bytes = open.before(element, this.#writer);
    this.copyOnWriteBytes += bytes;
    if (open === this.#open) return;
    this.asideBytes += bytes;
    if (this.asideBytes <= ASIDE_BYTES_MAX) return;
    this.asideBytes -= open.asideBytes;
    open.putAside(this.#spill);
  }

  #adopt(ref: number): boolean {
    const { records, values } = this.#keyspace;
    const type = records.type(ref);
    const encoding = records.encoding(ref);
    const root = records.root(ref);
    const open = this.#tables.get(values.of(type).tableOf?.(encoding, root) ?? 0);
    if (open === undefined) return false;
    open.adopted = { type, encoding, root };
    return true;
  }

  #free(table: OpenTable): void {
    if (table.adopted === null) return;
    const { type, encoding, root } = table.adopted;
    const { arena, records, lazyFree } = this.#keyspace;
    // A key in no table carries the value to where large ones end.
    const ref = records.newKey(type | (encoding << 4), 0, NO_NAME, 0, 0, root, -1);
    lazyFree.release(ref);
    arena.free(ref);
  }
}
