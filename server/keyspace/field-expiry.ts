/**
 * Which hashes of one database have fields that expire, and when the first one does: a table of the keys'
 * names with that moment as their expiry. The moment may be earlier than true, which shows when it comes: so
 * it need not be known when a field loses its expiry, only when the last one of a hash does.
 */
import { hashBytes } from '../structures/hash.ts';
import { TYPE_HASH } from '../structures/record.ts';
import type { Database } from './database.ts';
import { NOTIFY_GENERIC } from './events.ts';
import type { Keyspace } from './keyspace.ts';

const NO_BYTES = Buffer.alloc(0);
/** Table segments of one hash, and of the table of names, that one step looks at. */
const SEGMENTS_PER_STEP = 4;

export class FieldExpiry {
  readonly #keyspace: Keyspace;
  /** Header of the table of names, 0 while there was none. */
  #header = 0;
  /** Where the walk of `expireSome` goes on. */
  #entry = 0;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  /** Hashes that have fields that expire. */
  get size(): number {
    return this.#header === 0 ? 0 : this.#keyspace.values.elements.count(this.#header);
  }

  /** Must be told of every key that is new under its name. */
  note(ref: number): void {
    const { records, values } = this.#keyspace;
    if (records.type(ref) !== TYPE_HASH) return;
    const earliest = values.hashes.earliestExpiry(records.encoding(ref), records.root(ref));
    if (earliest === Number.POSITIVE_INFINITY) return;
    this.noteAt(ref, earliest);
  }

  /** Must be told of a hash of which a field ends at `expiresAtMs` from now on. */
  noteAt(ref: number, expiresAtMs: number): void {
    const { records } = this.#keyspace;
    this.#note(records.segment(ref), records.keyStart(ref), records.keyLength(ref), expiresAtMs);
  }

  /** Must be told after a change by which the hash may have lost its last field that expires. */
  look(ref: number): void {
    const { records, values } = this.#keyspace;
    if (this.size === 0) return;
    if (values.hashes.expiringOf(records.encoding(ref), records.root(ref)) === 0) this.leave(ref);
  }

  /** Must be told of every key that goes, or gets another value. */
  leave(ref: number): void {
    const { records, values } = this.#keyspace;
    if (this.size === 0 || records.type(ref) !== TYPE_HASH) return;
    const start = records.keyStart(ref);
    const length = records.keyLength(ref);
    const bytes = records.segment(ref);
    const hash = hashBytes(bytes, start, length);
    const known = values.elements.find(this.#header, hash, bytes, start, length);
    if (known !== 0) this.#removeFound(hash, known);
  }

  #removeFound(hash: number, record: number): void {
    const { elements } = this.#keyspace.values;
    elements.noteExpiry(this.#header, -1, hash, -1);
    elements.removeFound(this.#header);
    this.#keyspace.records.release(record);
  }

  #note(key: Buffer, start: number, length: number, earliest: number): void {
    this.#keyspace.noteExpiry(earliest);
    const { records, values } = this.#keyspace;
    const { elements } = values;
    if (this.#header === 0) this.#header = elements.create();
    const hash = hashBytes(key, start, length);
    const known = elements.find(this.#header, hash, key, start, length);
    if (known === 0) {
      const record = records.newField(0, key, start, length, NO_BYTES, 0, 0, earliest);
      elements.insert(this.#header, hash, record);
      elements.noteExpiry(this.#header, 1, hash, earliest);
    } else if (earliest < records.expiresAtMs(known)) {
      records.setExpiresAtMs(known, earliest);
      elements.noteExpiry(this.#header, 0, hash, earliest);
    }
  }

  /** The arena was cleared. */
  forget(): void {
    this.#header = 0;
    this.#entry = 0;
  }

  clear(): void {
    if (this.#header === 0) return;
    const { records, values } = this.#keyspace;
    values.elements.destroy(this.#header, (record) => records.release(record));
    this.forget();
  }

  /** Removes fields that have ended, until `late`; false when it was late, the next call goes on there. */
  expireSome(database: Database, late: () => boolean): boolean {
    if (this.#header === 0) return true;
    const { values, nowMs } = this.#keyspace;
    const due: Buffer[] = [];
    do {
      const from = this.#entry;
      due.length = 0;
      this.#entry = values.store.expiry.expire(this.#header, from, SEGMENTS_PER_STEP, nowMs, (record) =>
        due.push(this.#takeName(record)),
      );
      for (let index = 0; index < due.length; index++) {
        if (this.#expireFields(database, due[index])) continue;
        // More of it has ended than one step removes.
        this.#note(due[index], 0, due[index].length, nowMs);
        this.#entry = 0;
      }
      if (late()) return false;
    } while (this.#entry !== 0);
    return true;
  }

  #takeName(record: number): Buffer {
    const { records, values } = this.#keyspace;
    const { elements } = values;
    const name = records.copyKey(record);
    const hash = hashBytes(name, 0, name.length);
    if (elements.find(this.#header, hash, name, 0, name.length) !== record) {
      throw new Error('a name whose moment came is not where it was found');
    }
    this.#removeFound(hash, record);
    return name;
  }

  /** False when more fields have ended than were removed now. */
  #expireFields(database: Database, key: Buffer): boolean {
    const keyspace = this.#keyspace;
    const { records, nowMs } = keyspace;
    const { hashes } = keyspace.values;
    const ref = database.findAny(key, 0, key.length);
    if (ref === 0 || records.type(ref) !== TYPE_HASH || hashes.expiring(ref) === 0) return true;
    if (hashes.earliestExpiry(records.encoding(ref), records.root(ref)) > nowMs) {
      this.note(ref);
      return true;
    }
    database.beforeChange(ref);
    const fields: Buffer[] = [];
    const more = hashes.expireFields(ref, 0, SEGMENTS_PER_STEP, nowMs, (field) => fields.push(field));
    if (fields.length !== 0) {
      keyspace.stats.expiredFields += fields.length;
      // No change that a save point counts: the expiry itself was saved.
      if (keyspace.watches.size !== 0) keyspace.watches.touch(database.index, key, 0, key.length);
      keyspace.onFieldsExpired(database.index, key, fields);
    }
    if (hashes.count(ref) === 0) {
      database.findAny(key, 0, key.length);
      database.removeFound(ref);
      keyspace.dirty--;
      keyspace.events.emit(NOTIFY_GENERIC, 'del', database.index, key, 0, key.length);
      return true;
    }
    if (more === 0) this.note(ref);
    return more === 0;
  }
}
