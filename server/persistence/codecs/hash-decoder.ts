/** Hashes as they come out of RDB; hash-codec.ts draws the forms. */
import { BLOCK_BYTES_MAX } from '../../structures/arena.ts';
import * as listpack from '../../structures/listpack.ts';
import { ENCODING_LISTPACK, ENCODING_TABLE, KEY_BYTES_MAX } from '../../structures/record.ts';
import { type Hashes, NO_FIELD_EXPIRY } from '../../values/hash.ts';
import type { DetachedValue } from '../../values/value-type.ts';
import { VALKEY_RDB_VERSION } from '../rdb-format.ts';
import type { RdbSource } from '../rdb-source.ts';
import { RdbText } from '../rdb-text.ts';
import type { ValueDecoder } from '../value-codec.ts';
import { listpackOfZiplist, listpackOfZipmap } from './ziplist.ts';

export const RDB_HASH = 4;
export const RDB_HASH_ZIPMAP = 9;
export const RDB_HASH_ZIPLIST = 13;
export const RDB_HASH_LISTPACK = 16;
export const RDB_HASH_EXPIRING_EARLY = 22;
export const RDB_HASH_LISTPACK_EXPIRING_EARLY = 23;
export const RDB_HASH_EXPIRING = 24;
export const RDB_HASH_LISTPACK_EXPIRING = 25;
export const RDB_HASH_VALKEY = 22;

/** Bytes beyond their texts that a field and its value take in a listpack, at most. */
const PAIR_OVERHEAD_MAX = 32;
const TWO_32 = 4294967296;

const DUPLICATE = 'Duplicate hash fields detected';

interface Field {
  readonly name: Buffer;
  readonly value: Buffer;
  readonly expiresAtMs: number;
}

export class HashDecoder implements ValueDecoder {
  readonly #hashes: Hashes;
  readonly #rdbType: number;
  /** A table once there is reason for one; until then what a listpack would hold waits in `#small`. */
  #table = 0;
  readonly #small: Field[] = [];
  readonly #name = new RdbText();
  readonly #value = new RdbText();
  #smallBytes = 0;
  readonly #seen = new Set<string>();
  #listpackRoot = 0;
  #earliest = 0;
  #earliestRead = false;
  /** Fields that are left; -1 before the count was read. */
  #left = -1;

  constructor(hashes: Hashes, rdbType: number) {
    this.#hashes = hashes;
    this.#rdbType = rdbType;
  }

  step(source: RdbSource): boolean {
    const type = this.#rdbType;
    const hasEarliest = type === RDB_HASH_EXPIRING || type === RDB_HASH_LISTPACK_EXPIRING;
    if (hasEarliest && !this.#earliestRead) {
      const earliest = readInt64(source);
      this.#earliestRead = true;
      this.#earliest = earliest;
      source.settle();
    }
    if (type === RDB_HASH || type === RDB_HASH_EXPIRING || type === RDB_HASH_EXPIRING_EARLY) {
      return this.#stepPairs(source);
    }
    this.#packed(source);
    return true;
  }

  result(): DetachedValue {
    if (this.#table !== 0) return { encoding: ENCODING_TABLE, root: this.#table };
    if (this.#listpackRoot !== 0) return { encoding: ENCODING_LISTPACK, root: this.#listpackRoot };
    if (this.#small.length === 0) return { encoding: ENCODING_LISTPACK, root: 0 };
    const { listpacks } = this.#hashes;
    let root = listpacks.create();
    for (const { name, value } of this.#small) {
      root = listpacks.append(root, name, 0, name.length);
      root = listpacks.append(root, value, 0, value.length);
    }
    return { encoding: ENCODING_LISTPACK, root };
  }

  abandon(): void {
    if (this.#table !== 0) this.#hashes.release(ENCODING_TABLE, this.#table);
    if (this.#listpackRoot !== 0) this.#hashes.release(ENCODING_LISTPACK, this.#listpackRoot);
    this.#table = 0;
    this.#listpackRoot = 0;
    this.#small.length = 0;
  }

  #stepPairs(source: RdbSource): boolean {
    if (this.#left < 0) {
      this.#left = source.size();
      if (this.#left > this.#hashes.store.limits.hashMaxListpackEntries) this.#toTable(source);
      source.settle();
    }
    for (; this.#left > 0; this.#left--) {
      this.#pair(source);
      source.settle();
    }
    return true;
  }

  #pair(source: RdbSource): void {
    let expiresAtMs = NO_FIELD_EXPIRY;
    const valkey = this.#rdbType === RDB_HASH_VALKEY && source.version >= VALKEY_RDB_VERSION;
    if (this.#rdbType !== RDB_HASH && !valkey) {
      const ttl = source.size();
      const base = this.#rdbType === RDB_HASH_EXPIRING ? this.#earliest - 1 : 0;
      if (ttl !== 0) expiresAtMs = ttl + base;
    }
    const name = this.#name;
    const value = this.#value;
    source.read(name);
    source.read(value);
    if (valkey) expiresAtMs = readInt64(source);
    checkedExpiry(source, expiresAtMs);
    if (this.#table !== 0 && name.length <= KEY_BYTES_MAX) {
      if (!this.#hashes.addToTable(this.#table, name, value, expiresAtMs)) source.fail(DUPLICATE);
    } else this.#add(source, { name: name.copy(), value: value.copy(), expiresAtMs });
  }

  #add(source: RdbSource, field: Field): void {
    const { name, value, expiresAtMs } = field;
    if (name.length > KEY_BYTES_MAX) source.fail('a field of a hash is longer than 1 MiB');
    const { hashMaxListpackValue } = this.#hashes.store.limits;
    const long = name.length > hashMaxListpackValue || value.length > hashMaxListpackValue;
    this.#smallBytes += name.length + value.length + PAIR_OVERHEAD_MAX;
    const large = long || this.#smallBytes > BLOCK_BYTES_MAX;
    if (this.#table === 0 && (large || expiresAtMs >= 0)) this.#toTable(source);
    if (this.#table !== 0) {
      this.#addToTable(source, field);
      return;
    }
    const text = Buffer.prototype.latin1Slice.call(name);
    if (this.#seen.has(text)) source.fail('Hash with dup elements');
    this.#seen.add(text);
    this.#small.push(field);
  }

  #toTable(source: RdbSource): void {
    const { elements } = this.#hashes.store;
    this.#table = elements.create();
    elements.prepare(this.#table, source.roomFor(this.#left));
    for (const field of this.#small) this.#addToTable(source, field);
    this.#small.length = 0;
    this.#seen.clear();
  }

  #addToTable(source: RdbSource, { name, value, expiresAtMs }: Field): void {
    const field = this.#name;
    const content = this.#value;
    field.point(name, 0, name.length);
    content.point(value, 0, value.length);
    if (!this.#hashes.addToTable(this.#table, field, content, expiresAtMs)) source.fail(DUPLICATE);
  }

  /** All fields in one string. */
  #packed(source: RdbSource): void {
    const type = this.#rdbType;
    let bytes = source.string();
    if (type === RDB_HASH_ZIPLIST || type === RDB_HASH_ZIPMAP) {
      const converted = type === RDB_HASH_ZIPLIST ? listpackOfZiplist(bytes) : listpackOfZipmap(bytes);
      if (typeof converted === 'string') source.fail(converted);
      bytes = converted;
    }
    const problem = listpack.validate(bytes, 0, bytes.length, true);
    if (problem !== '') source.fail(problem);
    const triples = type === RDB_HASH_LISTPACK_EXPIRING || type === RDB_HASH_LISTPACK_EXPIRING_EARLY;
    const fields = readFields(source, bytes, triples);
    const { limits } = this.#hashes.store;
    const large = fields.length > limits.hashMaxListpackEntries || bytes.length > BLOCK_BYTES_MAX;
    if (large || triples) this.#toTable(source);
    // A listpack of Redis 7 keeps long values: only what it makes of older forms is looked at again.
    if (type === RDB_HASH_LISTPACK) this.#checkDifferent(source, fields);
    if (!large && type === RDB_HASH_LISTPACK) {
      if (fields.length > 0) this.#listpackRoot = this.#hashes.listpacks.copyIn(bytes, 0);
      return;
    }
    for (const field of fields) this.#add(source, field);
    if (fields.length === 0) this.abandon();
  }

  #checkDifferent(source: RdbSource, fields: readonly Field[]): void {
    for (const { name } of fields) {
      if (name.length > KEY_BYTES_MAX) source.fail('a field of a hash is longer than 1 MiB');
      this.#seen.add(Buffer.prototype.latin1Slice.call(name));
    }
    if (this.#seen.size !== fields.length) source.fail('Hash listpack with dup elements');
    this.#seen.clear();
  }
}

function readFields(source: RdbSource, bytes: Buffer, triples: boolean): Field[] {
  const entry = new listpack.ListpackEntry();
  const fields: Field[] = [];
  for (let at = listpack.first(bytes, 0); at !== 0; ) {
    at = listpack.read(bytes, 0, at, entry);
    const name = entry.copyText(bytes);
    if (at === 0) source.fail('a hash has a field without a value');
    at = listpack.read(bytes, 0, at, entry);
    const value = entry.copyText(bytes);
    let expiresAtMs = NO_FIELD_EXPIRY;
    if (triples) {
      if (at === 0) source.fail('a hash has a field without an expiry');
      at = listpack.read(bytes, 0, at, entry);
      if (!entry.isInteger) source.fail('an expiry of a field is no number');
      if (entry.value !== 0) expiresAtMs = checkedExpiry(source, entry.value);
    }
    fields.push({ name, value, expiresAtMs });
  }
  return fields;
}

function checkedExpiry(source: RdbSource, expiresAtMs: number): number {
  if (expiresAtMs < NO_FIELD_EXPIRY || !Number.isSafeInteger(expiresAtMs)) {
    source.fail('an expiry of a field is out of range');
  }
  return expiresAtMs;
}

/** Little-endian, as a double. */
function readInt64(source: RdbSource): number {
  const bytes = source.raw(8);
  const low = (bytes[0] | (bytes[1] << 8) | (bytes[2] << 16) | (bytes[3] << 24)) >>> 0;
  const high = bytes[4] | (bytes[5] << 8) | (bytes[6] << 16) | (bytes[7] << 24);
  return high * TWO_32 + low;
}
