/**
 * Hashes: fields with values.
 *
 *   ENCODING_LISTPACK   root = listpack of fields and values in turn: few and short ones
 *                       (hash-max-listpack-entries, hash-max-listpack-value)
 *   ENCODING_TABLE      root = table of field records; only here a field may have an expiry of its own
 *
 * A hash becomes a table and never a listpack again. A field that has ended is not seen any more (unless the
 * store says so), but counts until it is removed: by `expireFields`, or by what is written over it. Who
 * changes a key's hash calls `beforeChange` of its database first.
 */
import { BLOCK_BYTES_MAX } from '../structures/arena.ts';
import { hashBytes } from '../structures/hash.ts';
import { ListpackBlocks } from '../structures/listpack-block.ts';
import { ENCODING_LISTPACK, ENCODING_TABLE, type Records, TYPE_HASH } from '../structures/record.ts';
import { TableWalk } from '../structures/table-walk.ts';
import { elementBytes } from './element-bytes.ts';
import { HashCursor, HashEntry } from './hash-cursor.ts';
import type { ValueStore } from './value-store.ts';
import type { DetachedValue, ValueType } from './value-type.ts';

/** In place of a field's expiry: none, or the one it has. */
export const NO_FIELD_EXPIRY = -1;
export const KEEP_FIELD_EXPIRY = -2;

/** What `set` found: no such field, the field, or one that had ended. */
export const FIELD_NEW = 0;
export const FIELD_UPDATED = 1;
export const FIELD_WAS_EXPIRED = 2;

/** Bytes beyond their texts that a field and its value take in a listpack, at most. */
const PAIR_OVERHEAD_MAX = 32;
/** Expired fields that a random choice may meet before it gives up. */
const RANDOM_ATTEMPTS_MAX = 100;

/** A text of `length` bytes at bytes[start]. */
export interface TextPlace {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

export class Hashes implements ValueType {
  readonly type = TYPE_HASH;
  readonly name = 'hash';
  readonly store: ValueStore;
  readonly listpacks: ListpackBlocks;
  readonly #records: Records;
  readonly #walk: TableWalk;
  /** For a command that reads one hash. */
  readonly reading: HashCursor;
  /** Walks over what is being converted or copied. */
  readonly #cursor: HashCursor;
  readonly #release: (ref: number) => void;

  constructor(store: ValueStore) {
    this.store = store;
    this.#records = store.records;
    this.listpacks = new ListpackBlocks(store.arena);
    this.#walk = new TableWalk(store.arena);
    this.reading = this.newCursor();
    this.#cursor = this.newCursor();
    this.#release = (ref) => this.#records.release(ref);
  }

  newCursor(): HashCursor {
    return new HashCursor(this.store, this.listpacks);
  }

  newEntry(): HashEntry {
    return new HashEntry(this.store, this.listpacks);
  }

  encodingName(ref: number): string {
    return this.#records.encoding(ref) === ENCODING_LISTPACK ? 'listpack' : 'hashtable';
  }

  /** Fields, those that have ended but are still there included. */
  count(ref: number): number {
    const root = this.#records.root(ref);
    return this.#records.encoding(ref) === ENCODING_LISTPACK
      ? this.listpacks.count(root) / 2
      : this.store.elements.count(root);
  }

  /** Fields that have an expiry. */
  expiring(ref: number): number {
    return this.expiringOf(this.#records.encoding(ref), this.#records.root(ref));
  }

  expiringOf(encoding: number, root: number): number {
    return encoding === ENCODING_LISTPACK ? 0 : this.store.elements.expiring(root);
  }

  /** When the first field may end, in unix ms, or a little earlier than that; infinite when none does. */
  earliestExpiry(encoding: number, root: number): number {
    if (this.expiringOf(encoding, root) === 0) return Number.POSITIVE_INFINITY;
    return TableWalk.earliestExpiry(this.store.arena, root);
  }

  /** The root of an empty hash. */
  newRoot(): number {
    return this.listpacks.create();
  }

  /** Reads the value of a field into `entry` (not the field); false when there is none to be seen. */
  get(ref: number, bytes: Uint8Array, start: number, length: number, entry: HashEntry): boolean {
    const root = this.#records.root(ref);
    if (this.#records.encoding(ref) === ENCODING_LISTPACK) {
      const at = this.listpacks.find(root, bytes, start, length, 1);
      if (at === 0) return false;
      entry.readListpackValue(root, this.listpacks.next(root, at));
      return true;
    }
    const found = this.store.elements.find(root, hashBytes(bytes, start, length), bytes, start, length);
    if (found === 0 || this.#ended(found)) return false;
    entry.readRecordValue(found);
    return true;
  }

  has(ref: number, bytes: Uint8Array, start: number, length: number): boolean {
    const root = this.#records.root(ref);
    if (this.#records.encoding(ref) === ENCODING_LISTPACK) {
      return this.listpacks.find(root, bytes, start, length, 1) !== 0;
    }
    const found = this.store.elements.find(root, hashBytes(bytes, start, length), bytes, start, length);
    return found !== 0 && !this.#ended(found);
  }

  /** The expiry of a field in unix ms, NO_FIELD_EXPIRY without one, NaN when there is no such field. */
  fieldExpiry(ref: number, bytes: Uint8Array, start: number, length: number): number {
    if (this.#records.encoding(ref) === ENCODING_LISTPACK) {
      return this.has(ref, bytes, start, length) ? NO_FIELD_EXPIRY : Number.NaN;
    }
    const root = this.#records.root(ref);
    const found = this.store.elements.find(root, hashBytes(bytes, start, length), bytes, start, length);
    return found === 0 || this.#ended(found) ? Number.NaN : this.#records.expiresAtMs(found);
  }

  /**
   * Makes a key's hash a table when it will become one: by so many new fields, by a text of `longest` bytes,
   * or by `bytes` in all.
   */
  expectFields(ref: number, fields: number, longest: number, bytes: number): void {
    if (this.#records.encoding(ref) !== ENCODING_LISTPACK) return;
    const { limits } = this.store;
    if (
      fields > limits.hashMaxListpackEntries ||
      longest > limits.hashMaxListpackValue ||
      this.listpacks.bytes(this.#records.root(ref)) + bytes + fields * PAIR_OVERHEAD_MAX > BLOCK_BYTES_MAX
    ) {
      this.toTable(ref);
    }
  }

  /**
   * Sets a field; `expiresAtMs`: unix ms, NO_FIELD_EXPIRY or KEEP_FIELD_EXPIRY. Answers FIELD_…. The bytes
   * must not lie in this hash.
   */
  set(
    ref: number,
    field: Uint8Array,
    start: number,
    length: number,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
    expiresAtMs: number,
  ): number {
    if (this.#records.encoding(ref) === ENCODING_LISTPACK) {
      if (expiresAtMs >= 0) this.toTable(ref);
      else this.expectFields(ref, 1, Math.max(length, valueLength), length + valueLength);
    }
    if (this.#records.encoding(ref) === ENCODING_LISTPACK) {
      return this.#setInListpack(ref, field, start, length, value, valueStart, valueLength);
    }
    const root = this.#records.root(ref);
    const { elements, epoch } = this.store;
    const hash = hashBytes(field, start, length);
    const old = elements.find(root, hash, field, start, length);
    const records = this.#records;
    if (old === 0) {
      const expiry = expiresAtMs === KEEP_FIELD_EXPIRY ? NO_FIELD_EXPIRY : expiresAtMs;
      const fresh = records.newField(epoch, field, start, length, value, valueStart, valueLength, expiry);
      elements.insert(root, hash, fresh);
      if (expiry >= 0) elements.noteExpiry(root, 1, hash, expiry);
      return FIELD_NEW;
    }
    this.store.beforeElement(root, old);
    const oldExpiry = records.expiresAtMs(old);
    const ended = this.#ended(old);
    const expiry = expiresAtMs !== KEEP_FIELD_EXPIRY ? expiresAtMs : ended ? NO_FIELD_EXPIRY : oldExpiry;
    if (expiry === oldExpiry && records.fitsField(old, valueLength)) {
      records.writeValue(old, 0, value, valueStart, valueStart + valueLength);
      records.setMark(old, epoch);
    } else {
      const next = records.newField(epoch, field, start, length, value, valueStart, valueLength, expiry);
      elements.replaceFound(next);
      records.release(old);
      this.#noteExpiry(root, hash, oldExpiry, expiry);
    }
    return ended ? FIELD_WAS_EXPIRED : FIELD_UPDATED;
  }

  /** Removes a field; false when there is none to be seen. */
  delete(ref: number, bytes: Uint8Array, start: number, length: number): boolean {
    const root = this.#records.root(ref);
    if (this.#records.encoding(ref) === ENCODING_LISTPACK) {
      const at = this.listpacks.find(root, bytes, start, length, 1);
      if (at === 0) return false;
      const next = this.listpacks.delete(root, at, 2);
      if (next !== root) this.#records.setRoot(ref, next);
      return true;
    }
    const hash = hashBytes(bytes, start, length);
    const found = this.store.elements.find(root, hash, bytes, start, length);
    if (found === 0 || this.#ended(found)) return false;
    this.#removeFound(root, hash, found);
    return true;
  }

  /** Removes a field whether it has ended or not. */
  deleteAny(ref: number, bytes: Uint8Array, start: number, length: number): boolean {
    if (this.#records.encoding(ref) === ENCODING_LISTPACK) return this.delete(ref, bytes, start, length);
    const root = this.#records.root(ref);
    const hash = hashBytes(bytes, start, length);
    const found = this.store.elements.find(root, hash, bytes, start, length);
    if (found !== 0) this.#removeFound(root, hash, found);
    return found !== 0;
  }

  /**
   * Sets the expiry of a field that is there, or clears it (NO_FIELD_EXPIRY): the hash becomes a table when
   * it gets one.
   */
  setFieldExpiry(ref: number, bytes: Uint8Array, start: number, length: number, expiresAtMs: number): void {
    if (this.#records.encoding(ref) === ENCODING_LISTPACK) {
      if (expiresAtMs < 0) return;
      this.toTable(ref);
    }
    const root = this.#records.root(ref);
    const records = this.#records;
    const hash = hashBytes(bytes, start, length);
    const old = this.store.elements.find(root, hash, bytes, start, length);
    if (old === 0) throw new Error('a field that gets an expiry is not there');
    this.store.beforeElement(root, old);
    const oldExpiry = records.expiresAtMs(old);
    if (oldExpiry >= 0 && expiresAtMs >= 0) {
      records.setExpiresAtMs(old, expiresAtMs);
      records.setMark(old, this.store.epoch);
    } else if (oldExpiry !== expiresAtMs) {
      const next = this.#copyRecord(old, expiresAtMs);
      this.store.elements.replaceFound(next);
      records.release(old);
    }
    this.#noteExpiry(root, hash, oldExpiry, expiresAtMs);
  }

  /**
   * Removes fields that ended by `nowMs` from about `segmentsMax` segments, beginning at `from`; each is
   * handed to `expired` before it goes. Returns where to go on, 0 at the end.
   */
  expireFields(
    ref: number,
    from: number,
    segmentsMax: number,
    nowMs: number,
    expired: (field: Buffer) => void,
  ): number {
    const root = this.#records.root(ref);
    const records = this.#records;
    return this.store.expiry.expire(root, from, segmentsMax, nowMs, (record) => {
      const field = records.copyKey(record);
      expired(field);
      const hash = hashBytes(field, 0, field.length);
      if (this.store.elements.find(root, hash, field, 0, field.length) !== record) {
        throw new Error('an expired field is not where it was found');
      }
      this.#removeFound(root, hash, record);
    });
  }

  /** Reads a field chosen at random that can be seen; false when none was met. The hash is not empty. */
  chooseField(ref: number, entry: HashEntry): boolean {
    const root = this.#records.root(ref);
    const { random } = this.store;
    if (this.#records.encoding(ref) === ENCODING_LISTPACK) {
      const index = Math.floor(random() * (this.listpacks.count(root) / 2)) * 2;
      entry.readListpack(root, this.listpacks.seek(root, index));
      return true;
    }
    for (let attempt = 0; attempt < RANDOM_ATTEMPTS_MAX; attempt++) {
      const record = this.#walk.sample(root, random);
      if (this.#ended(record)) continue;
      entry.readRecord(record);
      return true;
    }
    return false;
  }

  /** Makes a key's hash a table. */
  toTable(ref: number): void {
    const root = this.#records.root(ref);
    const table = this.#copyToTable(ENCODING_LISTPACK, root);
    this.listpacks.free(root);
    this.#records.setRoot(ref, table);
    this.#records.setEncoding(ref, ENCODING_TABLE);
  }

  /** Adds a field to a table that no key holds; false when it is there already. */
  addToTable(root: number, field: TextPlace, value: TextPlace, expiresAtMs: number): boolean {
    const { elements } = this.store;
    const { bytes, start, length } = field;
    const hash = hashBytes(bytes, start, length);
    if (elements.find(root, hash, bytes, start, length) !== 0) return false;
    elements.insert(root, hash, this.#newField(field, value, expiresAtMs));
    if (expiresAtMs >= 0) elements.noteExpiry(root, 1, hash, expiresAtMs);
    return true;
  }

  tableOf(encoding: number, root: number): number {
    return encoding === ENCODING_TABLE ? root : 0;
  }

  release(encoding: number, root: number): void {
    this.releaseSome(encoding, root, Number.POSITIVE_INFINITY);
  }

  releaseSome(encoding: number, root: number, budget: number): number {
    if (encoding !== ENCODING_TABLE) {
      this.listpacks.free(root);
      return 0;
    }
    return this.#walk.releaseSome(this.store.elements, root, budget, this.#release) ? 0 : root;
  }

  copy(ref: number): DetachedValue {
    const encoding = this.#records.encoding(ref);
    const root = this.#records.root(ref);
    if (encoding === ENCODING_LISTPACK) return { encoding, root: this.listpacks.copy(root) };
    return { encoding, root: this.#copyToTable(encoding, root) };
  }

  heldBytes(ref: number, samples: number): number {
    const root = this.#records.root(ref);
    if (this.#records.encoding(ref) === ENCODING_LISTPACK) return this.listpacks.heldBytes(root);
    return elementBytes(this.store, this.#walk, root, samples);
  }

  effort(encoding: number, root: number): number {
    return encoding === ENCODING_TABLE ? this.store.elements.count(root) : 1;
  }

  #setInListpack(
    ref: number,
    field: Uint8Array,
    start: number,
    length: number,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): number {
    const root = this.#records.root(ref);
    const at = this.listpacks.find(root, field, start, length, 1);
    let next: number;
    if (at !== 0)
      next = this.listpacks.replace(root, this.listpacks.next(root, at), value, valueStart, valueLength);
    else {
      next = this.listpacks.append(root, field, start, length);
      next = this.listpacks.append(next, value, valueStart, valueLength);
    }
    if (next !== root) this.#records.setRoot(ref, next);
    if (this.listpacks.count(next) / 2 > this.store.limits.hashMaxListpackEntries) this.toTable(ref);
    return at === 0 ? FIELD_NEW : FIELD_UPDATED;
  }

  #ended(record: number): boolean {
    const expiresAtMs = this.#records.expiresAtMs(record);
    return expiresAtMs >= 0 && expiresAtMs <= this.store.nowMs && !this.store.seesExpired;
  }

  #removeFound(root: number, hash: number, record: number): void {
    this.store.beforeElement(root, record);
    if (this.#records.expires(record)) this.store.elements.noteExpiry(root, -1, hash, -1);
    this.store.elements.removeFound(root);
    this.#records.release(record);
  }

  #noteExpiry(root: number, hash: number, before: number, after: number): void {
    if (before < 0 && after < 0) return;
    this.store.elements.noteExpiry(root, (after >= 0 ? 1 : 0) - (before >= 0 ? 1 : 0), hash, after);
  }

  /** A copy of a field's record with another expiry. */
  #copyRecord(record: number, expiresAtMs: number): number {
    const records = this.#records;
    const start = records.keyStart(record);
    const length = records.valueLength(record);
    const bytes = records.segment(record);
    const inline = !records.chunked(record);
    const value = inline ? bytes : Buffer.allocUnsafe(length);
    if (!inline) records.copyValue(record, 0, length, value, 0);
    const valueStart = inline ? records.valueStart(record) : 0;
    const key = records.keyLength(record);
    return records.newField(this.store.epoch, bytes, start, key, value, valueStart, length, expiresAtMs);
  }

  #newField(field: TextPlace, value: TextPlace, expiresAtMs: number): number {
    return this.#records.newField(
      this.store.epoch,
      field.bytes,
      field.start,
      field.length,
      value.bytes,
      value.start,
      value.length,
      expiresAtMs,
    );
  }

  #copyToTable(encoding: number, from: number): number {
    const { elements } = this.store;
    const root = elements.create();
    const cursor = this.#cursor;
    const { field, value } = cursor;
    cursor.open(encoding, from);
    while (cursor.nextAny()) {
      field.asText();
      const hash = hashBytes(field.bytes, field.start, field.length);
      let record: number;
      const expiresAtMs = cursor.expiresAtMs;
      if (cursor.record !== 0) record = this.#copyRecord(cursor.record, expiresAtMs);
      else {
        value.asText();
        record = this.#newField(field, value, NO_FIELD_EXPIRY);
      }
      elements.insert(root, hash, record);
      if (expiresAtMs >= 0) elements.noteExpiry(root, 1, hash, expiresAtMs);
    }
    return root;
  }
}
