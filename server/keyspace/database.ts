/**
 * One numbered database: its keys found, changed, expired and deleted. Every change of a record passes
 * `beforeChange` first.
 */
import { Arena } from '../structures/arena.ts';
import { keySlot } from '../structures/crc16.ts';
import { hashBytes } from '../structures/hash.ts';
import {
  CHUNKED_BYTES_MIN,
  copyBytes,
  ENCODING_RAW,
  KEY_BYTES_MAX,
  Records,
  TYPE_STRING,
} from '../structures/record.ts';
import { NOTIFY_KEY_MISS, NOTIFY_NEW } from './events.ts';
import { FieldExpiry } from './field-expiry.ts';
import type { Keyspace } from './keyspace.ts';
import { SlotTables } from './slot-tables.ts';

/** In place of an expiry: none. */
export const NO_EXPIRY = -1;
/** In place of an expiry: the one that the key has. */
export const KEEP_EXPIRY = -2;

/** Table segments that one step of the expiry walk looks at. */
const SEGMENTS_PER_STEP = 1;

export class Database extends SlotTables {
  /** Its number; SWAPDB changes it. */
  index: number;
  /** The number it had when the running or last snapshot began. */
  snapshotIndex: number;
  /** Keys that have an expiry. */
  expiring = 0;
  /** Hashes with fields that have one. */
  readonly fields: FieldExpiry;
  #hash = 0;
  #slot = 0;
  /** Where the expiry walk of `expireSome` goes on. */
  #expireSlot = 0;
  #expireEntry = 0;

  constructor(keyspace: Keyspace, index: number) {
    super(keyspace);
    this.index = index;
    this.snapshotIndex = index;
    this.fields = new FieldExpiry(keyspace);
  }

  /** The key's record whether expired or not, 0 when there is none. Remembers hash and slot for a change. */
  findAny(key: Uint8Array, start: number, length: number): number {
    const keyspace = this.keyspace;
    const { table } = keyspace;
    // Commands about one key come in rows: what was found last is asked first.
    const last = table.found;
    if (last !== 0 && keyspace.finder === this && keyspace.records.keyMatches(last, key, start, length)) {
      return last;
    }
    this.#slot = keyspace.perSlot ? keySlot(key, start, length) : 0;
    this.#hash = hashBytes(key, start, length);
    const header = this.headers[this.#slot];
    if (header === 0) {
      table.found = 0;
      return 0;
    }
    if (keyspace.finder !== this) keyspace.finder = this;
    return table.find(header, this.#hash, key, start, length);
  }

  /** The key's live record, 0 when there is none; an expired one is deleted on the way (not on a replica). */
  find(key: Uint8Array, start: number, length: number): number {
    const ref = this.findAny(key, start, length);
    if (ref === 0) return 0;
    const keyspace = this.keyspace;
    const expiresAtMs = keyspace.records.expiresAtMs(ref);
    if (expiresAtMs >= 0 && expiresAtMs <= keyspace.nowMs && !keyspace.seesExpired) {
      if (keyspace.deletesExpired) this.#expireFound(ref, key, start, length);
      return 0;
    }
    return ref;
  }

  /** The key's live record, 0 when there is none; an expired one stays where it is. */
  findLive(key: Uint8Array, start: number, length: number): number {
    const ref = this.findAny(key, start, length);
    if (ref === 0) return 0;
    const expiresAtMs = this.keyspace.records.expiresAtMs(ref);
    return expiresAtMs >= 0 && expiresAtMs <= this.keyspace.nowMs && !this.keyspace.seesExpired ? 0 : ref;
  }

  /** Like `find`, and counts hit or miss and refreshes the access clock. */
  read(key: Uint8Array, start: number, length: number): number {
    const ref = this.find(key, start, length);
    const keyspace = this.keyspace;
    if (ref === 0) {
      keyspace.stats.keyspaceMisses++;
      keyspace.events.emit(NOTIFY_KEY_MISS, 'keymiss', this.index, key, start, length);
      return 0;
    }
    keyspace.stats.keyspaceHits++;
    keyspace.touchAccess(ref);
    return ref;
  }

  /**
   * Sets a string. `expiresAtMs`: unix ms, NO_EXPIRY or KEEP_EXPIRY. The value's bytes must not lie in the
   * arena. Throws RangeError when the key is longer than 1 MiB.
   */
  setString(
    key: Uint8Array,
    keyStart: number,
    keyLength: number,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
    expiresAtMs: number,
    encoding = 0,
  ): void {
    if (keyLength > KEY_BYTES_MAX) throw new RangeError(`a key is at most ${KEY_BYTES_MAX} bytes long`);
    const keyspace = this.keyspace;
    const records = keyspace.records;
    const old = this.findAny(key, keyStart, keyLength);
    if (expiresAtMs === KEEP_EXPIRY) expiresAtMs = old === 0 ? NO_EXPIRY : records.expiresAtMs(old);
    if (old !== 0) {
      this.beforeChange(old);
      this.#noteExpiryChange(records.expires(old), expiresAtMs);
    } else if (expiresAtMs >= 0) this.#noteExpiryChange(false, expiresAtMs, true);
    if (old !== 0 && records.type(old) !== TYPE_STRING) this.#dropValue(old);
    const clock = old === 0 ? keyspace.freshClock : records.accessClock(old);
    const first = TYPE_STRING | (encoding << 4) | (clock << 8);
    if (old !== 0 && records.fits(old, valueLength, expiresAtMs >= 0)) {
      const end = valueStart + valueLength;
      records.overwrite(old, first, keyspace.epoch, expiresAtMs, value, valueStart, end);
      keyspace.changed(this.index, key, keyStart, keyLength);
      return;
    }
    const inline = valueLength <= CHUNKED_BYTES_MIN;
    const bytes = Records.inlineBytes(keyLength, inline ? valueLength : 0, expiresAtMs >= 0);
    let ref = 0;
    if (old !== 0 && inline && !records.chunked(old)) {
      if (keyspace.arena.blockBytes(old) === Arena.roundUp(bytes)) ref = old;
    }
    if (ref === 0) {
      ref = inline
        ? keyspace.arena.allocate(bytes)
        : keyspace.strings.allocateChunked(keyLength, valueLength, expiresAtMs >= 0);
    }
    records.writeHeader(ref, first, keyspace.epoch, keyLength, valueLength, expiresAtMs, !inline);
    const segment = records.segment(ref);
    const at = records.keyStart(ref);
    copyBytes(key, keyStart, keyStart + keyLength, segment, at);
    if (inline) copyBytes(value, valueStart, valueStart + valueLength, segment, at + keyLength);
    else {
      keyspace.strings.fillChunks(ref, valueLength);
      records.writeValue(ref, 0, value, valueStart, valueStart + valueLength);
    }
    if (old === 0) {
      this.#insert(ref, expiresAtMs);
      keyspace.events.emit(NOTIFY_NEW, 'new', this.index, key, keyStart, keyLength);
    } else if (old !== ref) {
      keyspace.table.replaceFound(ref);
      records.release(old);
    }
    keyspace.changed(this.index, key, keyStart, keyLength);
  }

  /**
   * Overwrites the string at `ref` with one of the same length, expiry kept, without looking for its key
   * again; false when it does not fit. The value's bytes must not lie in the arena.
   */
  overwriteString(ref: number, value: Uint8Array, length: number, encoding: number): boolean {
    const { records, freshClock, epoch } = this.keyspace;
    if (records.valueLength(ref) !== length || records.chunked(ref)) return false;
    this.beforeChange(ref);
    const first = TYPE_STRING | (encoding << 4) | (freshClock << 8);
    records.overwrite(ref, first, epoch, records.expiresAtMs(ref), value, 0, length);
    return true;
  }

  /**
   * Makes the string at `ref` (just found, live) `length` bytes long, new bytes zero, and returns the record
   * to write into. Keeps expiry and key; the encoding becomes raw.
   */
  resizeString(ref: number, length: number): number {
    const keyspace = this.keyspace;
    const records = keyspace.records;
    const oldLength = records.valueLength(ref);
    const keyLength = records.keyLength(ref);
    const expiresAtMs = records.expiresAtMs(ref);
    this.beforeChange(ref);
    const key = records.copyKey(ref);
    let next = ref;
    if (length <= CHUNKED_BYTES_MIN && !records.chunked(ref)) {
      const bytes = Records.inlineBytes(keyLength, length, expiresAtMs >= 0);
      if (keyspace.arena.blockBytes(ref) < bytes) next = keyspace.strings.moveInline(ref, bytes);
      records.setValueLength(next, length);
      if (length > oldLength) {
        const start = records.valueStart(next);
        records.segment(next).fill(0, start + oldLength, start + length);
      }
    } else {
      next = keyspace.strings.resizeChunked(ref, key, oldLength, length, expiresAtMs, keyspace.epoch);
    }
    if (next !== ref) {
      this.findAny(key, 0, keyLength);
      keyspace.table.replaceFound(next);
      keyspace.arena.free(ref);
    }
    records.setEncoding(next, ENCODING_RAW);
    records.setMark(next, keyspace.epoch);
    keyspace.changed(this.index, key, 0, keyLength);
    return next;
  }

  /**
   * Adds a key of another type than string; `find` of the same key has just found nothing. Returns its
   * record. Throws RangeError when the key is longer than 1 MiB; the value is the caller's then.
   */
  addValue(
    key: Uint8Array,
    start: number,
    length: number,
    type: number,
    encoding: number,
    root: number,
    expiresAtMs = NO_EXPIRY,
  ): number {
    if (length > KEY_BYTES_MAX) throw new RangeError(`a key is at most ${KEY_BYTES_MAX} bytes long`);
    const keyspace = this.keyspace;
    const first = type | (encoding << 4) | (keyspace.freshClock << 8);
    const ref = keyspace.records.newKey(first, keyspace.epoch, key, start, length, root, expiresAtMs);
    this.adopt(ref, key, start, length);
    return ref;
  }

  /** Makes room for so many keys in an empty database; not in cluster mode, where they spread over slots. */
  expect(keys: number): void {
    if (this.size !== 0 || this.headers.length !== 1) return;
    const { table } = this.keyspace;
    if (this.headers[0] === 0) this.headers[0] = table.create();
    table.prepare(this.headers[0], keys);
  }

  /** Adds a record that has this key and is in no database, in place of what the key holds. */
  adopt(ref: number, key: Uint8Array, start: number, length: number): void {
    const keyspace = this.keyspace;
    const expiresAtMs = keyspace.records.expiresAtMs(ref);
    const old = this.findAny(key, start, length);
    if (old !== 0) this.#removeFound(old);
    if (expiresAtMs >= 0) this.#noteExpiryChange(false, expiresAtMs, true);
    this.#insert(ref, expiresAtMs);
    this.fields.note(ref);
    if (old === 0) keyspace.events.emit(NOTIFY_NEW, 'new', this.index, key, start, length);
  }

  /** Like `addValue`, in place of what the key holds; `expiresAtMs` may be KEEP_EXPIRY. */
  putValue(
    key: Uint8Array,
    start: number,
    length: number,
    type: number,
    encoding: number,
    root: number,
    expiresAtMs = NO_EXPIRY,
  ): number {
    const old = this.findAny(key, start, length);
    if (expiresAtMs === KEEP_EXPIRY) {
      expiresAtMs = old === 0 ? NO_EXPIRY : this.keyspace.records.expiresAtMs(old);
    }
    return this.addValue(key, start, length, type, encoding, root, expiresAtMs);
  }

  /** Takes the record that `find` just returned out of the database; the record is the caller's. */
  takeFound(ref: number): void {
    const keyspace = this.keyspace;
    this.beforeChange(ref);
    if (keyspace.records.expires(ref)) this.#noteExpiryChange(true, NO_EXPIRY);
    this.fields.leave(ref);
    keyspace.table.removeFound(this.headers[this.#slot]);
    this.size--;
  }

  /** Sets or clears (NO_EXPIRY) the expiry of a record that `find` just returned. */
  setExpiry(ref: number, expiresAtMs: number): void {
    const keyspace = this.keyspace;
    const records = keyspace.records;
    this.beforeChange(ref);
    const had = records.expires(ref);
    this.#noteExpiryChange(had, expiresAtMs);
    const keyLength = records.keyLength(ref);
    const keyStart = records.keyStart(ref);
    const key = Buffer.from(records.segment(ref).subarray(keyStart, keyStart + keyLength));
    if (had && expiresAtMs >= 0) records.setExpiresAtMs(ref, expiresAtMs);
    else if (had || expiresAtMs >= 0) {
      const tail = records.tailBytes(ref);
      const next = keyspace.arena.allocate(Records.inlineBytes(keyLength, tail, expiresAtMs >= 0));
      const first = records.type(ref) | (records.encoding(ref) << 4) | (records.accessClock(ref) << 8);
      records.writeHeader(
        next,
        first,
        keyspace.epoch,
        keyLength,
        records.valueLength(ref),
        expiresAtMs,
        records.chunked(ref),
      );
      copyBytes(
        records.segment(ref),
        keyStart,
        keyStart + keyLength + tail,
        records.segment(next),
        records.keyStart(next),
      );
      keyspace.table.replaceFound(next);
      keyspace.arena.free(ref);
    }
    keyspace.changed(this.index, key, 0, keyLength);
  }

  /** Deletes a live key: true when it was there. */
  remove(key: Uint8Array, start: number, length: number): boolean {
    const ref = this.find(key, start, length);
    if (ref === 0) return false;
    this.#removeFound(ref);
    this.keyspace.changed(this.index, key, start, length);
    return true;
  }

  /** Deletes the record that `find` or `findAny` just returned. */
  removeFound(ref: number): void {
    const key = this.keyspace.records.copyKey(ref);
    this.#removeFound(ref);
    this.keyspace.changed(this.index, key, 0, key.length);
  }

  /** Must be called before the record's bytes change in any way. */
  beforeChange(ref: number): void {
    const keyspace = this.keyspace;
    keyspace.touchChange(ref);
    if (keyspace.snapshotHook !== null && keyspace.records.mark(ref) !== keyspace.epoch) {
      keyspace.snapshotHook(this.snapshotIndex, ref);
    }
  }

  /** Removes every key; the number removed. */
  flush(): number {
    const removed = this.size;
    this.keyspace.noteFlushed(this);
    for (let slot = 0; slot < this.headers.length; slot++) this.#dropSlot(slot);
    this.fields.clear();
    return removed;
  }

  /** The arena was cleared, and with it every table and record. */
  forget(): void {
    this.keyspace.table.found = 0;
    this.headers.fill(0);
    this.fields.forget();
    this.size = 0;
    this.expiring = 0;
    this.#expireSlot = 0;
    this.#expireEntry = 0;
  }

  /** Removes every key of a slot (0 outside cluster mode); the number removed. */
  flushSlot(slot: number): number {
    this.keyspace.noteFlushed(this, slot);
    return this.#dropSlot(slot);
  }

  #dropSlot(slot: number): number {
    const header = this.headers[slot];
    if (header === 0) return 0;
    const keyspace = this.keyspace;
    keyspace.table.found = 0;
    const removed = keyspace.table.count(header);
    this.expiring -= keyspace.table.expiring(header);
    this.size -= removed;
    this.headers[slot] = 0;
    if (keyspace.adoptTable?.(this.snapshotIndex, header) === true) return removed;
    if (keyspace.snapshotHook === null && keyspace.lazyFree.releaseTable(header)) return removed;
    keyspace.table.destroy(header, (ref) => {
      this.beforeChange(ref);
      keyspace.release(ref);
    });
    return removed;
  }

  /**
   * Deletes keys that expired, looking at no more than about `budget` table segments or slots, until `late`.
   * False when it was late; the next call goes on there.
   */
  expireSome(budget: number, late: () => boolean): boolean {
    if (this.expiring === 0) return true;
    const { expiry, nowMs } = this.keyspace;
    const expired = (ref: number): void => this.expireRecord(ref);
    for (let left = Math.max(budget, 1); left > 0; ) {
      const header = this.headers[this.#expireSlot];
      if (header !== 0)
        this.#expireEntry = expiry.expire(header, this.#expireEntry, SEGMENTS_PER_STEP, nowMs, expired);
      left -= this.#expireEntry === 0 ? 1 : SEGMENTS_PER_STEP;
      if (this.#expireEntry === 0) {
        this.#expireSlot = (this.#expireSlot + 1) % this.headers.length;
        // Once around is enough.
        if (this.headers.length === 1) return true;
      }
      if (late()) return false;
    }
    return true;
  }

  /** Deletes one expired record, tells propagation and counts it. */
  expireRecord(ref: number): void {
    const key = this.keyspace.records.copyKey(ref);
    if (this.findAny(key, 0, key.length) !== ref) return;
    this.#expireFound(ref, key, 0, key.length);
  }

  /** Frees what a key that is no string holds and leaves an empty string in its place. */
  #dropValue(ref: number): void {
    const { records } = this.keyspace;
    this.fields.leave(ref);
    this.keyspace.releaseValue(ref);
    records.setRoot(ref, 0);
    records.setEmptyString(ref);
  }

  #expireFound(ref: number, key: Uint8Array, start: number, length: number): void {
    const keyspace = this.keyspace;
    const { lazyFree } = keyspace;
    const { lazily } = lazyFree;
    lazyFree.lazily = lazyFree.policy.expire;
    this.#removeFound(ref);
    lazyFree.lazily = lazily;
    keyspace.stats.expiredKeys++;
    // No change that a save point counts: the expiry itself was saved.
    if (keyspace.watches.size !== 0) keyspace.watches.touch(this.index, key, start, length);
    keyspace.onExpired(this.index, key, start, length);
  }

  #removeFound(ref: number): void {
    this.takeFound(ref);
    this.keyspace.release(ref);
  }

  #insert(ref: number, expiresAtMs: number): void {
    const table = this.keyspace.table;
    if (this.headers[this.#slot] === 0) this.headers[this.#slot] = table.create();
    table.insert(this.headers[this.#slot], this.#hash, ref);
    if (expiresAtMs >= 0) table.noteExpiry(this.headers[this.#slot], 1, this.#hash, expiresAtMs);
    this.size++;
  }

  /** Keeps the counts and the earliest expiry of the table; `inserting`: the table learns it in `#insert`. */
  #noteExpiryChange(had: boolean, expiresAtMs: number, inserting = false): void {
    const has = expiresAtMs >= 0;
    if (!had && !has) return;
    const change = (has ? 1 : 0) - (had ? 1 : 0);
    if (has) this.keyspace.noteExpiry(expiresAtMs);
    this.expiring += change;
    if (!inserting) {
      this.keyspace.table.noteExpiry(this.headers[this.#slot], change, this.#hash, expiresAtMs);
    }
  }
}
