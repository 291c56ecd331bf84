/** A field of a hash and its value as they lie in memory, and a walk over all of them. */
import { ListpackEntry } from '../structures/listpack.ts';
import type { ListpackBlocks } from '../structures/listpack-block.ts';
import { ENCODING_LISTPACK } from '../structures/record.ts';
import { TableWalk } from '../structures/table-walk.ts';
import { ElementText } from './element-text.ts';
import type { ValueStore } from './value-store.ts';

const NO_BYTES = Buffer.alloc(0);

export class HashEntry {
  readonly field = new ElementText();
  /** Without bytes when `chunked`. */
  readonly value = new ElementText();
  /** The field's record, 0 in a listpack. */
  record = 0;
  /** The value lies in several chunks: only `Records.copyValue` of `record` reads it. */
  chunked = false;
  readonly #store: ValueStore;
  readonly #listpacks: ListpackBlocks;
  readonly #entry = new ListpackEntry();

  constructor(store: ValueStore, listpacks: ListpackBlocks) {
    this.#store = store;
    this.#listpacks = listpacks;
  }

  /** Unix ms, -1 without expiry. */
  get expiresAtMs(): number {
    return this.record === 0 ? -1 : this.#store.records.expiresAtMs(this.record);
  }

  /** True for a field that has ended and must not be seen. */
  get hidden(): boolean {
    if (this.record === 0 || this.#store.seesExpired) return false;
    const expiresAtMs = this.#store.records.expiresAtMs(this.record);
    return expiresAtMs >= 0 && expiresAtMs <= this.#store.nowMs;
  }

  valueLength(): number {
    if (!this.chunked) this.value.asText();
    return this.value.length;
  }

  /** Writes the value's text, `valueLength` bytes, at `at`. */
  writeValue(target: Uint8Array, at: number): void {
    if (this.chunked) this.#store.records.copyValue(this.record, 0, this.value.length, target, at);
    else {
      this.value.asText();
      this.value.bytes.copy(target, at, this.value.start, this.value.start + this.value.length);
    }
  }

  copyValue(): Buffer {
    const copy = Buffer.allocUnsafe(this.valueLength());
    this.writeValue(copy, 0);
    return copy;
  }

  /** The pair whose field stands at `at`; returns where the next field stands, 0 when there is none. */
  readListpack(root: number, at: number): number {
    const bytes = this.#listpacks.segment(root);
    const valueAt = this.#listpacks.read(root, at, this.#entry);
    this.field.setEntry(bytes, this.#entry);
    return this.readListpackValue(root, valueAt);
  }

  readListpackValue(root: number, valueAt: number): number {
    const next = this.#listpacks.read(root, valueAt, this.#entry);
    this.value.setEntry(this.#listpacks.segment(root), this.#entry);
    this.record = 0;
    this.chunked = false;
    return next;
  }

  readRecord(ref: number): void {
    const { records } = this.#store;
    this.field.setText(records.segment(ref), records.keyStart(ref), records.keyLength(ref));
    this.readRecordValue(ref);
  }

  readRecordValue(ref: number): void {
    const { records } = this.#store;
    this.record = ref;
    this.chunked = records.chunked(ref);
    const length = records.valueLength(ref);
    if (this.chunked) this.value.setText(NO_BYTES, 0, length);
    else this.value.setText(records.segment(ref), records.valueStart(ref), length);
  }
}

/** Goes over a hash that does not change meanwhile; fields that have ended are left out. */
export class HashCursor extends HashEntry {
  readonly #walk: TableWalk;
  readonly #blocks: ListpackBlocks;
  #encoding = 0;
  #root = 0;
  #at = 0;

  constructor(store: ValueStore, listpacks: ListpackBlocks) {
    super(store, listpacks);
    this.#walk = new TableWalk(store.arena);
    this.#blocks = listpacks;
  }

  open(encoding: number, root: number): void {
    this.#encoding = encoding;
    this.#root = root;
    if (encoding === ENCODING_LISTPACK) this.#at = this.#blocks.first(root);
    else this.#walk.open(root);
  }

  /** Moves to the next field; false at the end. */
  next(): boolean {
    do {
      if (!this.nextAny()) return false;
    } while (this.hidden);
    return true;
  }

  /** Like `next`, ended fields included. */
  nextAny(): boolean {
    if (this.#encoding === ENCODING_LISTPACK) {
      if (this.#at === 0) return false;
      this.#at = this.readListpack(this.#root, this.#at);
      return true;
    }
    const ref = this.#walk.next();
    if (ref === 0) return false;
    this.readRecord(ref);
    return true;
  }
}
