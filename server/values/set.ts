/**
 * Sets: members without order, each once.
 *
 *   ENCODING_INTSET     root = intset: all members are integers, at most set-max-intset-entries
 *   ENCODING_LISTPACK   root = listpack of members: few (set-max-listpack-entries) and short ones
 *   ENCODING_TABLE      root = table of member records
 *
 * Encodings change exactly as in Redis 7.2: only towards the table as members are added, never back. Who
 * changes a key's set calls `beforeChange` of its database first.
 */
import { BLOCK_BYTES_MAX } from '../structures/arena.ts';
import { hashBytes } from '../structures/hash.ts';
import { Int64, int64TextLength, parseInt64 } from '../structures/int64.ts';
import { Intsets } from '../structures/intset.ts';
import { ListpackBlocks } from '../structures/listpack-block.ts';
import {
  ENCODING_INTSET,
  ENCODING_LISTPACK,
  ENCODING_TABLE,
  type Records,
  TYPE_SET,
} from '../structures/record.ts';
import { TableWalk } from '../structures/table-walk.ts';
import { elementBytes } from './element-bytes.ts';
import { SetCursor } from './set-cursor.ts';
import type { ValueStore } from './value-store.ts';
import type { DetachedValue, ValueType } from './value-type.ts';

/** An intset of more would not fit one block. */
const INTSET_ENTRIES_MAX = 500_000;
/** Bytes beyond its text that a member takes in a listpack, at most. */
const ENTRY_OVERHEAD_MAX = 16;

/** A set as its key holds it, or one that no key holds. */
export class SetValue {
  encoding = ENCODING_INTSET;
  root = 0;
}

const number = new Int64();

export class Sets implements ValueType {
  readonly type = TYPE_SET;
  readonly name = 'set';
  readonly store: ValueStore;
  readonly listpacks: ListpackBlocks;
  readonly intsets: Intsets;
  readonly #records: Records;
  readonly #walk: TableWalk;
  /** The key's set that is being changed. */
  readonly #open = new SetValue();
  /** For a command that reads one set. */
  readonly reading: SetCursor;
  /** Walks over what is being converted or copied. */
  readonly #cursor: SetCursor;
  readonly #release: (ref: number) => void;

  constructor(store: ValueStore) {
    this.store = store;
    this.#records = store.records;
    this.listpacks = new ListpackBlocks(store.arena);
    this.intsets = new Intsets(store.arena);
    this.#walk = new TableWalk(store.arena);
    this.reading = this.newCursor();
    this.#cursor = this.newCursor();
    this.#release = (ref) => this.#records.release(ref);
  }

  newCursor(): SetCursor {
    return new SetCursor(this.#records, this.listpacks, this.intsets);
  }

  encodingName(ref: number): string {
    const encoding = this.#records.encoding(ref);
    if (encoding === ENCODING_INTSET) return 'intset';
    return encoding === ENCODING_LISTPACK ? 'listpack' : 'hashtable';
  }

  count(ref: number): number {
    return this.countOf(this.#records.encoding(ref), this.#records.root(ref));
  }

  countOf(encoding: number, root: number): number {
    if (encoding === ENCODING_INTSET) return this.intsets.count(root);
    return encoding === ENCODING_LISTPACK ? this.listpacks.count(root) : this.store.elements.count(root);
  }

  /** The encoding that a new set gets whose first member is this one, when about `sizeHint` will follow. */
  encodingFor(bytes: Uint8Array, start: number, length: number, sizeHint: number): number {
    const { limits } = this.store;
    if (sizeHint <= limits.setMaxIntsetEntries && parseInt64(bytes, start, length, number)) {
      return ENCODING_INTSET;
    }
    return sizeHint <= limits.setMaxListpackEntries ? ENCODING_LISTPACK : ENCODING_TABLE;
  }

  /** The root of an empty set. */
  newRoot(encoding: number): number {
    if (encoding === ENCODING_INTSET) return this.intsets.create();
    return encoding === ENCODING_LISTPACK ? this.listpacks.create() : this.store.elements.create();
  }

  has(ref: number, bytes: Uint8Array, start: number, length: number): boolean {
    return this.hasIn(this.#records.encoding(ref), this.#records.root(ref), bytes, start, length);
  }

  hasIn(encoding: number, root: number, bytes: Uint8Array, start: number, length: number): boolean {
    if (encoding === ENCODING_TABLE) {
      return this.store.elements.find(root, hashBytes(bytes, start, length), bytes, start, length) !== 0;
    }
    if (encoding === ENCODING_LISTPACK) return this.listpacks.find(root, bytes, start, length, 0) !== 0;
    return parseInt64(bytes, start, length, number) && this.intsets.has(root, number.high, number.low);
  }

  /** True when the set has the member at which the cursor stands. */
  hasMember(encoding: number, root: number, member: SetCursor): boolean {
    if (member.isInteger && encoding === ENCODING_INTSET) {
      return this.intsets.has(root, member.high, member.low);
    }
    member.asText();
    return this.hasIn(encoding, root, member.bytes, member.start, member.length);
  }

  /** Adds a member to a key's set; true when it was new. */
  add(ref: number, bytes: Uint8Array, start: number, length: number): boolean {
    const open = this.#load(ref);
    const added = this.addTo(open, bytes, start, length);
    if (added) this.#keep(ref, open);
    return added;
  }

  addTo(set: SetValue, bytes: Uint8Array, start: number, length: number): boolean {
    if (set.encoding === ENCODING_TABLE) return this.#addToTable(set.root, bytes, start, length);
    if (set.encoding === ENCODING_LISTPACK) {
      if (this.listpacks.find(set.root, bytes, start, length, 0) !== 0) return false;
      const { limits } = this.store;
      if (
        this.listpacks.count(set.root) < limits.setMaxListpackEntries &&
        length <= limits.setMaxListpackValue &&
        this.listpacks.bytes(set.root) + length + ENTRY_OVERHEAD_MAX <= BLOCK_BYTES_MAX
      ) {
        set.root = this.listpacks.append(set.root, bytes, start, length);
        return true;
      }
      this.#toTable(set);
      return this.#addToTable(set.root, bytes, start, length);
    }
    if (parseInt64(bytes, start, length, number)) return this.#addInteger(set, number.high, number.low);
    this.#leaveIntset(set, length);
    return this.addTo(set, bytes, start, length);
  }

  /** Adds the member at which a cursor stands. */
  addMember(set: SetValue, member: SetCursor): boolean {
    if (member.isInteger && set.encoding === ENCODING_INTSET) {
      return this.#addInteger(set, member.high, member.low);
    }
    member.asText();
    return this.addTo(set, member.bytes, member.start, member.length);
  }

  remove(ref: number, bytes: Uint8Array, start: number, length: number): boolean {
    const open = this.#load(ref);
    const removed = this.removeFrom(open, bytes, start, length);
    if (removed) this.#keep(ref, open);
    return removed;
  }

  removeFrom(set: SetValue, bytes: Uint8Array, start: number, length: number): boolean {
    if (set.encoding === ENCODING_TABLE) {
      const { elements } = this.store;
      const found = elements.find(set.root, hashBytes(bytes, start, length), bytes, start, length);
      if (found === 0) return false;
      this.store.beforeElement(set.root, found);
      elements.removeFound(set.root);
      this.#records.release(found);
      return true;
    }
    if (set.encoding === ENCODING_LISTPACK) {
      const at = this.listpacks.find(set.root, bytes, start, length, 0);
      if (at === 0) return false;
      set.root = this.listpacks.delete(set.root, at);
      return true;
    }
    if (!parseInt64(bytes, start, length, number)) return false;
    const count = this.intsets.count(set.root);
    set.root = this.intsets.remove(set.root, number.high, number.low);
    return this.intsets.count(set.root) !== count;
  }

  /** Makes a key's set a table when so many members come that it will become one. */
  expectMembers(ref: number, sizeHint: number): void {
    const { limits } = this.store;
    const encoding = this.#records.encoding(ref);
    if (
      (encoding === ENCODING_LISTPACK && sizeHint > limits.setMaxListpackEntries) ||
      (encoding === ENCODING_INTSET && sizeHint > limits.setMaxIntsetEntries)
    ) {
      const open = this.#load(ref);
      this.#toTable(open);
      this.#keep(ref, open);
    }
  }

  /** Moves the cursor to a member chosen at random; the set is not empty. */
  chooseMember(ref: number, member: SetCursor): void {
    const encoding = this.#records.encoding(ref);
    const root = this.#records.root(ref);
    const { random } = this.store;
    if (encoding === ENCODING_TABLE) member.readRecord(this.#walk.sample(root, random));
    else if (encoding === ENCODING_LISTPACK) {
      const index = Math.floor(random() * this.listpacks.count(root));
      member.readListpack(root, this.listpacks.seek(root, index));
    } else member.readIntset(root, Math.floor(random() * this.intsets.count(root)));
  }

  /** Makes a set that no key holds an intset; every member is an integer. */
  toIntset(set: SetValue): void {
    if (set.encoding === ENCODING_INTSET) return;
    if (this.countOf(set.encoding, set.root) > this.#intsetEntriesMax()) return;
    let root = this.intsets.create();
    const cursor = this.#cursor;
    cursor.open(set.encoding, set.root);
    while (cursor.next()) {
      cursor.asText();
      if (!parseInt64(cursor.bytes, cursor.start, cursor.length, number)) {
        throw new Error('a member of a set of integers is none');
      }
      root = this.intsets.add(root, number.high, number.low);
    }
    this.release(set.encoding, set.root);
    set.encoding = ENCODING_INTSET;
    set.root = root;
  }

  /** Makes a set that no key holds a table when it is an intset of too many members. */
  limitIntset(set: SetValue): void {
    if (this.intsets.count(set.root) > this.#intsetEntriesMax()) this.#toTable(set);
  }

  /** Gives a key a set in place of the one it held, which is no longer its own. */
  giveValue(ref: number, set: SetValue): void {
    this.#keep(ref, set);
  }

  tableOf(encoding: number, root: number): number {
    return encoding === ENCODING_TABLE ? root : 0;
  }

  release(encoding: number, root: number): void {
    this.releaseSome(encoding, root, Number.POSITIVE_INFINITY);
  }

  releaseSome(encoding: number, root: number, budget: number): number {
    if (encoding !== ENCODING_TABLE) {
      this.store.arena.free(root);
      return 0;
    }
    return this.#walk.releaseSome(this.store.elements, root, budget, this.#release) ? 0 : root;
  }

  copy(ref: number): DetachedValue {
    const encoding = this.#records.encoding(ref);
    const root = this.#records.root(ref);
    if (encoding === ENCODING_INTSET) return { encoding, root: this.intsets.copy(root) };
    if (encoding === ENCODING_LISTPACK) return { encoding, root: this.listpacks.copy(root) };
    return { encoding, root: this.#copyToTable(encoding, root) };
  }

  heldBytes(ref: number, samples: number): number {
    const root = this.#records.root(ref);
    if (this.#records.encoding(ref) !== ENCODING_TABLE) return this.store.arena.blockBytes(root);
    return elementBytes(this.store, this.#walk, root, samples);
  }

  effort(encoding: number, root: number): number {
    return encoding === ENCODING_TABLE ? this.store.elements.count(root) : 1;
  }

  /** Adds a member record to a table under construction whose members are all different. */
  addToTable(root: number, bytes: Uint8Array, start: number, length: number): void {
    const member = this.#records.newMember(this.store.epoch, bytes, start, length);
    this.store.elements.insert(root, hashBytes(bytes, start, length), member);
  }

  #addToTable(root: number, bytes: Uint8Array, start: number, length: number): boolean {
    const { elements } = this.store;
    const hash = hashBytes(bytes, start, length);
    if (elements.find(root, hash, bytes, start, length) !== 0) return false;
    elements.insert(root, hash, this.#records.newMember(this.store.epoch, bytes, start, length));
    return true;
  }

  #addInteger(set: SetValue, high: number, low: number): boolean {
    const count = this.intsets.count(set.root);
    set.root = this.intsets.add(set.root, high, low);
    if (this.intsets.count(set.root) === count) return false;
    if (count + 1 > this.#intsetEntriesMax()) this.#toTable(set);
    return true;
  }

  #intsetEntriesMax(): number {
    return Math.min(this.store.limits.setMaxIntsetEntries, INTSET_ENTRIES_MAX);
  }

  /** A member that is no integer, of `length` bytes, will be added: the set becomes a listpack or a table. */
  #leaveIntset(set: SetValue, length: number): void {
    const { limits } = this.store;
    const count = this.intsets.count(set.root);
    let longest = 0;
    if (count > 0) {
      this.intsets.get(set.root, 0, number);
      longest = int64TextLength(number.high, number.low);
      this.intsets.get(set.root, count - 1, number);
      longest = Math.max(longest, int64TextLength(number.high, number.low));
    }
    const small = count < limits.setMaxListpackEntries && count * 12 + length + 64 <= BLOCK_BYTES_MAX;
    const short = length <= limits.setMaxListpackValue && longest <= limits.setMaxListpackValue;
    if (!small || !short) {
      this.#toTable(set);
      return;
    }
    let root = this.listpacks.create(count * 6 + length + 8);
    for (let index = 0; index < count; index++) {
      this.intsets.get(set.root, index, number);
      root = this.listpacks.appendInteger(root, number.high, number.low);
    }
    this.intsets.free(set.root);
    set.encoding = ENCODING_LISTPACK;
    set.root = root;
  }

  #toTable(set: SetValue): void {
    const root = this.#copyToTable(set.encoding, set.root);
    this.release(set.encoding, set.root);
    set.encoding = ENCODING_TABLE;
    set.root = root;
  }

  #copyToTable(encoding: number, from: number): number {
    const root = this.store.elements.create();
    const cursor = this.#cursor;
    cursor.open(encoding, from);
    while (cursor.next()) {
      cursor.asText();
      this.addToTable(root, cursor.bytes, cursor.start, cursor.length);
    }
    return root;
  }

  #load(ref: number): SetValue {
    this.#open.encoding = this.#records.encoding(ref);
    this.#open.root = this.#records.root(ref);
    return this.#open;
  }

  #keep(ref: number, set: SetValue): void {
    if (this.#records.root(ref) !== set.root) this.#records.setRoot(ref, set.root);
    if (this.#records.encoding(ref) !== set.encoding) this.#records.setEncoding(ref, set.encoding);
  }
}
