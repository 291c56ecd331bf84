/** Puts one record of the keyspace into RDB form; shared by the snapshot iterator, SAVE and DUMP. */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { UNIT_MASK } from '../structures/arena.ts';
import { CHUNK_BYTES, TYPE_STRING } from '../structures/record.ts';
import { Codecs } from './codecs/codecs.ts';
import { OpenPieces } from './open-pieces.ts';
import { OpenTable } from './open-table.ts';
import { TYPE_STRING as RDB_STRING, RDB_VERSION_DEFAULT } from './rdb-format.ts';
import { printable, RdbError } from './rdb-source.ts';
import { type Compression, RdbWriter } from './rdb-writer.ts';
import { StringPieces } from './string-pieces.ts';
import type { PieceWriter } from './value-codec.ts';

/** What a record tells of its last accesses: nothing, idle seconds or the LFU counter. */
export type AccessAttributes = 'none' | 'idle' | 'frequency';

const CLOCK_MASK = 0xffffff;
/** Room for what stands before the elements of a value. */
const HEAD_ROOM = 512;

/**
 * The access clock for idle seconds or an LFU counter that came from elsewhere; -1 when they say nothing of
 * use.
 */
export function restoredAccessClock(
  attributes: AccessAttributes,
  nowMs: number,
  idleSeconds: number,
  frequency: number,
): number {
  const seconds = Math.floor(nowMs / 1000);
  if (attributes === 'idle' && idleSeconds >= 0) return (seconds - idleSeconds) & CLOCK_MASK;
  if (attributes !== 'frequency' || frequency < 0) return -1;
  return ((Math.floor(seconds / 60) & 0xffff) << 8) | frequency;
}

export class RecordWriter {
  attributes: AccessAttributes = 'none';
  /** RDB version of what is written. */
  version = RDB_VERSION_DEFAULT;
  readonly codecs: Codecs;
  readonly #keyspace: Keyspace;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.codecs = new Codecs(keyspace.values);
  }

  /**
   * The whole record: attributes, type, key, value. Throws RdbError when this version cannot hold the value.
   */
  write(writer: RdbWriter, ref: number): void {
    const { records } = this.#keyspace;
    if (records.type(ref) !== TYPE_STRING) {
      const rdbType = this.rdbType(ref);
      this.#head(writer, ref, rdbType);
      this.codecs.of(records.type(ref)).write(writer, ref, this.version);
      return;
    }
    if (records.chunked(ref)) {
      this.#head(writer, ref, RDB_STRING);
      writer.size(records.valueLength(ref));
      this.piece(writer, ref, 0, records.valueLength(ref));
      return;
    }
    this.#head(writer, ref, RDB_STRING);
    const start = records.valueStart(ref);
    writer.string(records.segment(ref), start, start + records.valueLength(ref));
  }

  /** `count` bytes of a chunked value from `at` on; `at` is a multiple of CHUNK_BYTES. */
  piece(writer: RdbWriter, ref: number, at: number, count: number): void {
    const { records } = this.#keyspace;
    for (const end = at + count; at < end; at += CHUNK_BYTES) {
      const chunk = records.chunk(ref, at / CHUNK_BYTES);
      const start = (chunk & UNIT_MASK) << 3;
      writer.raw(records.segment(chunk), start, start + Math.min(CHUNK_BYTES, end - at));
    }
  }

  /** RDB type of the record's value. Throws RdbError when this version has none. */
  rdbType(ref: number): number {
    const { records } = this.#keyspace;
    const type = records.type(ref);
    if (type === TYPE_STRING) return RDB_STRING;
    const rdbType = this.codecs.of(type).rdbType(ref, this.version);
    if (rdbType >= 0) return rdbType;
    const start = records.keyStart(ref);
    const key = printable(records.segment(ref).subarray(start, start + records.keyLength(ref)));
    throw new RdbError(
      `Key '${key}' has fields that expire, which RDB version ${this.version} cannot hold: set rdb-version 12`,
      -1,
    );
  }

  /** The record of a value in a table, to be written by elements; null for every other value. */
  openTable(database: number, ref: number, compression: Compression): OpenTable | null {
    const { records, values } = this.#keyspace;
    const type = records.type(ref);
    if (type === TYPE_STRING) return null;
    const elements = this.codecs.of(type).elements?.(ref, this.version) ?? null;
    if (elements === null) return null;
    const table = values.of(type).tableOf?.(records.encoding(ref), records.root(ref)) ?? 0;
    if (table === 0) throw new Error('a value is written by elements and has no table of them');
    const head = new RdbWriter(compression, HEAD_ROOM);
    this.#head(head, ref, this.rdbType(ref));
    elements.head(head);
    return new OpenTable(this.#keyspace, database, table, head.takeChunk(null, 0), elements);
  }

  /** The record for being written piece by piece; null when its value is written at once. */
  openPieces(database: number, ref: number, compression: Compression): OpenPieces | null {
    const pieces = this.#pieces(ref);
    if (pieces === null) return null;
    const head = new RdbWriter(compression, HEAD_ROOM);
    this.#head(head, ref, this.rdbType(ref));
    pieces.head(head);
    return new OpenPieces(database, head.takeChunk(null, 0), pieces);
  }

  #pieces(ref: number): PieceWriter | null {
    const { records } = this.#keyspace;
    const type = records.type(ref);
    if (type === TYPE_STRING) return records.chunked(ref) ? new StringPieces(records, ref) : null;
    return this.codecs.of(type).pieces?.(ref, this.version) ?? null;
  }

  /** Type byte and value alone, as DUMP has them. */
  writeValue(writer: RdbWriter, ref: number): void {
    const { records } = this.#keyspace;
    writer.byte(this.rdbType(ref));
    if (records.type(ref) !== TYPE_STRING) {
      this.codecs.of(records.type(ref)).write(writer, ref, this.version);
      return;
    }
    const length = records.valueLength(ref);
    if (records.chunked(ref)) {
      writer.size(length);
      this.piece(writer, ref, 0, length);
      return;
    }
    const start = records.valueStart(ref);
    writer.string(records.segment(ref), start, start + length);
  }

  #head(writer: RdbWriter, ref: number, rdbType: number): void {
    const { records } = this.#keyspace;
    let idleSeconds = -1;
    let frequency = -1;
    if (this.attributes === 'idle') {
      idleSeconds = (Math.floor(this.#keyspace.nowMs / 1000) - records.accessClock(ref)) & CLOCK_MASK;
    } else if (this.attributes === 'frequency') frequency = records.accessClock(ref) & 255;
    writer.attributes(records.expiresAtMs(ref), idleSeconds, frequency);
    const start = records.keyStart(ref);
    writer.key(rdbType, records.segment(ref), start, start + records.keyLength(ref));
  }
}
