/**
 * A value whose elements stand in a table, on its way into a snapshot: written element by element over many
 * turns while its key goes on changing.
 *
 *   T0: head and count are fixed  ->  walk: every element without this snapshot's mark is written and marked
 *                                     change: the old element is written at once, or kept aside until the
 *                                     record is the open one
 *
 * Elements that are newer than T0 carry the mark from their birth, so each old one is written exactly once. A
 * value whose key goes away meanwhile belongs to the snapshot until it was written.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { RdbChunk } from './rdb-chunk.ts';
import { RdbError } from './rdb-source.ts';
import { RdbWriter } from './rdb-writer.ts';
import { SideLog, type SpillFile } from './side-log.ts';
import type { ElementWriter } from './value-codec.ts';

/** Buckets of the table that one step walks over. */
const BUCKETS_PER_STEP = 4;
/** Room for the old elements of a table that waits, to begin with. */
const ASIDE_ROOM = 512;

export class OpenTable {
  readonly database: number;
  /** Header of the table. */
  readonly table: number;
  /** What the key held, once it has gone: the snapshot frees it. */
  adopted: { readonly type: number; readonly encoding: number; readonly root: number } | null = null;
  readonly #keyspace: Keyspace;
  readonly #elements: ElementWriter;
  /** The record up to its first element. */
  readonly #head: RdbChunk;
  /** Elements of T0 that changed before the record was opened. */
  #aside: RdbWriter | null = null;
  /** Those of them that went to the disk. */
  #stored: SideLog | null = null;
  #left: number;
  #cursor = 0;
  #begun = false;

  /** `head`: everything before the elements, as bytes. */
  constructor(keyspace: Keyspace, database: number, table: number, head: RdbChunk, elements: ElementWriter) {
    this.#keyspace = keyspace;
    this.database = database;
    this.table = table;
    this.#head = head;
    this.#elements = elements;
    this.#left = keyspace.values.elements.count(table);
  }

  /** Bytes of old elements that wait in memory. */
  get asideBytes(): number {
    return this.#aside?.length ?? 0;
  }

  /** Writes the head and what was kept aside; the record is the open one from now on. */
  begin(writer: RdbWriter): void {
    writer.append(this.#head);
    if (this.#aside !== null) writer.append(this.#aside.takeChunk(null, 0));
    this.#aside = null;
    this.#begun = true;
  }

  /** Old elements go to the disk. Throws RdbError when it does not take them. */
  putAside(spill: SpillFile): void {
    if (this.#aside === null) return;
    this.#stored ??= new SideLog(spill, 0);
    this.#stored.push(this.#aside.takeChunk(null, ASIDE_ROOM));
  }

  /** Writes a few buckets; true at the end. Throws RdbError when elements are missing: a defect. */
  step(writer: RdbWriter): boolean {
    const stored = this.#stored?.shift() ?? null;
    if (stored !== null) {
      writer.append(stored);
      return false;
    }
    const { values, records, epoch } = this.#keyspace;
    const visit = (element: number): void => {
      if (records.mark(element) !== epoch) this.#write(writer, element);
    };
    for (let count = 0; count < BUCKETS_PER_STEP; count++) {
      this.#cursor = values.elements.scan(this.table, this.#cursor, visit);
      if (this.#cursor !== 0) continue;
      if (this.#left !== 0) throw new RdbError(`a value has ${this.#left} elements less than it had`, -1);
      return true;
    }
    return false;
  }

  /** The old content of an element that is about to change or go; returns the bytes it took. */
  before(element: number, writer: RdbWriter): number {
    if (!this.#begun) this.#aside ??= new RdbWriter(writer.compression, ASIDE_ROOM);
    const target = this.#aside ?? writer;
    const before = target.length;
    this.#write(target, element);
    return target.length - before;
  }

  #write(writer: RdbWriter, element: number): void {
    this.#keyspace.records.setMark(element, this.#keyspace.epoch);
    this.#elements.element(writer, element);
    this.#left--;
  }
}
