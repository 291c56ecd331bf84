/**
 * Hashes in RDB.
 *
 *   4    count, (field, value) ...                        9    one zipmap (up to Redis 2.4)
 *   13   one ziplist: field, value, ... (up to 6.2)       16   one listpack: field, value, ...
 *
 * With fields that expire, Redis 7.4 (`e`: the earliest expiry, 8 bytes; 0 stands for no expiry):
 *   22   count, (expiry, field, value) ...                23   one listpack: field, value, expiry, ...
 *   24   e, count, (expiry - e + 1, field, value) ...     25   e, one listpack: field, value, expiry, ...
 * and Valkey 9 (version 80):
 *   22   count, (field, value, expiry in 8 bytes or -1) ...
 *
 * Written as 16 while a listpack, as 4 while no field expires, otherwise as 24 or as Valkey's 22; below
 * version 12 there is no way.
 */
import { BLOCK_BYTES_MAX } from '../../structures/arena.ts';
import { ENCODING_LISTPACK, type Records, TYPE_HASH } from '../../structures/record.ts';
import { NO_FIELD_EXPIRY } from '../../values/hash.ts';
import type { HashCursor } from '../../values/hash-cursor.ts';
import type { DetachedValue } from '../../values/value-type.ts';
import type { Values } from '../../values/values.ts';
import { RDB_VERSION_FIELD_EXPIRY, VALKEY_RDB_VERSION } from '../rdb-format.ts';
import type { RdbSource } from '../rdb-source.ts';
import { RdbText } from '../rdb-text.ts';
import type { RdbWriter } from '../rdb-writer.ts';
import type { ElementWriter, ValueCodec, ValueDecoder } from '../value-codec.ts';
import { writeName } from './element-name.ts';
import {
  HashDecoder,
  RDB_HASH,
  RDB_HASH_EXPIRING,
  RDB_HASH_EXPIRING_EARLY,
  RDB_HASH_LISTPACK,
  RDB_HASH_LISTPACK_EXPIRING,
  RDB_HASH_LISTPACK_EXPIRING_EARLY,
  RDB_HASH_VALKEY,
  RDB_HASH_ZIPLIST,
  RDB_HASH_ZIPMAP,
} from './hash-decoder.ts';
import { checkedEntries } from './packed-check.ts';

const FIELDS_PER_COMMAND = 64;
const TWO_32 = 4294967296;

export class HashCodec implements ValueCodec {
  readonly type = TYPE_HASH;
  readonly reads = [
    RDB_HASH,
    RDB_HASH_ZIPMAP,
    RDB_HASH_ZIPLIST,
    RDB_HASH_LISTPACK,
    RDB_HASH_EXPIRING_EARLY,
    RDB_HASH_LISTPACK_EXPIRING_EARLY,
    RDB_HASH_EXPIRING,
    RDB_HASH_LISTPACK_EXPIRING,
  ];
  readonly readsValkey = [RDB_HASH_VALKEY];
  readonly #values: Values;
  readonly #text = new RdbText();

  constructor(values: Values) {
    this.#values = values;
  }

  rdbType(ref: number, version: number): number {
    const { store, hashes } = this.#values;
    if (store.records.encoding(ref) === ENCODING_LISTPACK) return RDB_HASH_LISTPACK;
    if (hashes.expiring(ref) === 0) return RDB_HASH;
    if (version >= VALKEY_RDB_VERSION) return RDB_HASH_VALKEY;
    return version >= RDB_VERSION_FIELD_EXPIRY ? RDB_HASH_EXPIRING : -1;
  }

  write(writer: RdbWriter, ref: number, version: number): void {
    const { hashes, store } = this.#values;
    const root = store.records.root(ref);
    const rdbType = this.rdbType(ref, version);
    if (rdbType === RDB_HASH_LISTPACK) {
      const { listpacks } = hashes;
      const start = listpacks.start(root);
      writer.string(listpacks.segment(root), start, start + listpacks.bytes(root));
      return;
    }
    const cursor = hashes.newCursor();
    const encoding = store.records.encoding(ref);
    let earliest = 0;
    if (rdbType === RDB_HASH_EXPIRING) {
      earliest = earliestOf(cursor, encoding, root);
      writeInt64(writer, earliest);
    }
    writer.size(hashes.count(ref));
    cursor.open(encoding, root);
    while (cursor.nextAny()) {
      const { expiresAtMs } = cursor;
      if (rdbType === RDB_HASH_EXPIRING) writer.size(expiresAtMs < 0 ? 0 : expiresAtMs - earliest + 1);
      cursor.field.asText();
      const { bytes, start, length } = cursor.field;
      writer.string(bytes, start, start + length);
      writeValue(writer, cursor);
      if (rdbType === RDB_HASH_VALKEY) writeInt64(writer, expiresAtMs);
    }
  }

  elements(ref: number, version: number): ElementWriter | null {
    const { hashes, store } = this.#values;
    const { records } = store;
    const encoding = records.encoding(ref);
    if (encoding === ENCODING_LISTPACK) return null;
    const rdbType = this.rdbType(ref, version);
    const count = hashes.count(ref);
    const expiring = rdbType === RDB_HASH_EXPIRING;
    const earliest = expiring ? earliestOf(hashes.newCursor(), encoding, records.root(ref)) : 0;
    return {
      head: (writer) => {
        if (expiring) writeInt64(writer, earliest);
        writer.size(count);
      },
      element: (writer, element) => {
        const expiresAtMs = records.expiresAtMs(element);
        if (expiring) writer.size(expiresAtMs < 0 ? 0 : expiresAtMs - earliest + 1);
        writeName(writer, records, element);
        writeRecordValue(writer, records, element);
        if (rdbType === RDB_HASH_VALKEY) writeInt64(writer, expiresAtMs);
      },
    };
  }

  whole(rdbType: number, source: RdbSource): DetachedValue | null {
    if (rdbType !== RDB_HASH_LISTPACK || source.thorough) return null;
    const before = source.at;
    const text = this.#text;
    source.read(text);
    const pairs = checkedEntries(source, text) / 2;
    const { hashes, store } = this.#values;
    const { hashMaxListpackEntries } = store.limits;
    if (!Number.isInteger(pairs) || pairs > hashMaxListpackEntries || text.length > BLOCK_BYTES_MAX) {
      source.at = before;
      return null;
    }
    if (pairs === 0) return { encoding: ENCODING_LISTPACK, root: 0 };
    return { encoding: ENCODING_LISTPACK, root: hashes.listpacks.copyIn(text.bytes, text.start) };
  }

  decoder(rdbType: number): ValueDecoder {
    return new HashDecoder(this.#values.hashes, rdbType);
  }

  commands(ref: number, key: Uint8Array, put: (words: readonly Uint8Array[]) => void): void {
    const { hashes, store } = this.#values;
    const name = Buffer.from('HMSET');
    const cursor = hashes.newCursor();
    const encoding = store.records.encoding(ref);
    const root = store.records.root(ref);
    let words: Uint8Array[] = [name, key];
    cursor.open(encoding, root);
    while (cursor.nextAny()) {
      words.push(cursor.field.copy(), cursor.copyValue());
      if (words.length < FIELDS_PER_COMMAND * 2 + 2) continue;
      put(words);
      words = [name, key];
    }
    if (words.length > 2) put(words);
    if (hashes.expiringOf(encoding, root) === 0) return;
    const expire = Buffer.from('HPEXPIREAT');
    const fields = Buffer.from('FIELDS');
    const one = Buffer.from('1');
    cursor.open(encoding, root);
    while (cursor.nextAny()) {
      const { expiresAtMs } = cursor;
      if (expiresAtMs === NO_FIELD_EXPIRY) continue;
      put([expire, key, Buffer.from(String(expiresAtMs)), fields, one, cursor.field.copy()]);
    }
  }
}

function writeValue(writer: RdbWriter, cursor: HashCursor): void {
  if (cursor.chunked) {
    const value = cursor.copyValue();
    writer.string(value, 0, value.length);
    return;
  }
  cursor.value.asText();
  const { bytes, start, length } = cursor.value;
  writer.string(bytes, start, start + length);
}

function writeRecordValue(writer: RdbWriter, records: Records, element: number): void {
  const length = records.valueLength(element);
  if (!records.chunked(element)) {
    const start = records.valueStart(element);
    writer.string(records.segment(element), start, start + length);
    return;
  }
  const value = Buffer.allocUnsafe(length);
  records.copyValue(element, 0, length, value, 0);
  writer.string(value, 0, length);
}

/** Little-endian. */
function writeInt64(writer: RdbWriter, value: number): void {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeUInt32LE(value >>> 0, 0);
  bytes.writeInt32LE(Math.floor(value / TWO_32), 4);
  writer.raw(bytes, 0, 8);
}

function earliestOf(cursor: HashCursor, encoding: number, root: number): number {
  let earliest = Number.MAX_SAFE_INTEGER;
  cursor.open(encoding, root);
  while (cursor.nextAny()) {
    const { expiresAtMs } = cursor;
    if (expiresAtMs >= 0) earliest = Math.min(earliest, expiresAtMs);
  }
  return earliest;
}
