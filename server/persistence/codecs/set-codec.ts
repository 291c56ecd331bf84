/**
 * Sets in RDB.
 *
 *   2    count, member ...
 *   11   one intset
 *   20   one listpack of members           (from version 11 on)
 *
 * Written by encoding: intset as 11, listpack as 20 or 2, table as 2.
 */
import { BLOCK_BYTES_MAX } from '../../structures/arena.ts';
import { INTSET_HEADER_BYTES, validateIntset } from '../../structures/intset.ts';
import * as listpack from '../../structures/listpack.ts';
import {
  ENCODING_INTSET,
  ENCODING_LISTPACK,
  ENCODING_TABLE,
  KEY_BYTES_MAX,
  TYPE_SET,
} from '../../structures/record.ts';
import { type Sets, SetValue } from '../../values/set.ts';
import type { DetachedValue } from '../../values/value-type.ts';
import type { Values } from '../../values/values.ts';
import type { RdbSource } from '../rdb-source.ts';
import { RdbText } from '../rdb-text.ts';
import type { RdbWriter } from '../rdb-writer.ts';
import type { ElementWriter, ValueCodec, ValueDecoder } from '../value-codec.ts';
import { writeName } from './element-name.ts';
import { checkedEntries } from './packed-check.ts';

const RDB_SET = 2;
const RDB_SET_INTSET = 11;
const RDB_SET_LISTPACK = 20;
const RDB_VERSION_LISTPACK = 11;
const MEMBERS_PER_COMMAND = 64;

export class SetCodec implements ValueCodec {
  readonly type = TYPE_SET;
  readonly reads = [RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK];
  readonly #values: Values;
  readonly #text = new RdbText();

  constructor(values: Values) {
    this.#values = values;
  }

  rdbType(ref: number, version: number): number {
    const encoding = this.#values.store.records.encoding(ref);
    if (encoding === ENCODING_INTSET) return RDB_SET_INTSET;
    return encoding === ENCODING_LISTPACK && version >= RDB_VERSION_LISTPACK ? RDB_SET_LISTPACK : RDB_SET;
  }

  write(writer: RdbWriter, ref: number, version: number): void {
    const { sets, store } = this.#values;
    const { records } = store;
    const encoding = records.encoding(ref);
    const root = records.root(ref);
    const rdbType = this.rdbType(ref, version);
    if (rdbType !== RDB_SET) {
      const blocks = rdbType === RDB_SET_INTSET ? sets.intsets : sets.listpacks;
      const start = blocks.start(root);
      writer.string(blocks.segment(root), start, start + blocks.bytes(root));
      return;
    }
    writer.size(sets.count(ref));
    const cursor = sets.newCursor();
    cursor.open(encoding, root);
    while (cursor.next()) {
      cursor.asText();
      writer.string(cursor.bytes, cursor.start, cursor.start + cursor.length);
    }
  }

  elements(ref: number): ElementWriter | null {
    const { sets, store } = this.#values;
    const { records } = store;
    if (records.encoding(ref) !== ENCODING_TABLE) return null;
    const count = sets.count(ref);
    return {
      head: (writer) => writer.size(count),
      element: (writer, element) => writeName(writer, records, element),
    };
  }

  whole(rdbType: number, source: RdbSource): DetachedValue | null {
    if (rdbType !== RDB_SET_LISTPACK || source.thorough) return null;
    const before = source.at;
    const text = this.#text;
    source.read(text);
    const entries = checkedEntries(source, text);
    const { sets, store } = this.#values;
    if (entries > store.limits.setMaxListpackEntries || text.length > BLOCK_BYTES_MAX) {
      source.at = before;
      return null;
    }
    if (entries === 0) return { encoding: ENCODING_LISTPACK, root: 0 };
    return { encoding: ENCODING_LISTPACK, root: sets.listpacks.copyIn(text.bytes, text.start) };
  }

  decoder(rdbType: number): ValueDecoder {
    return new SetDecoder(this.#values.sets, rdbType, this.#text);
  }

  commands(ref: number, key: Uint8Array, put: (words: readonly Uint8Array[]) => void): void {
    const { sets, store } = this.#values;
    const name = Buffer.from('SADD');
    const cursor = sets.newCursor();
    cursor.open(store.records.encoding(ref), store.records.root(ref));
    let words: Uint8Array[] = [name, key];
    while (cursor.next()) {
      words.push(cursor.copy());
      if (words.length < MEMBERS_PER_COMMAND + 2) continue;
      put(words);
      words = [name, key];
    }
    if (words.length > 2) put(words);
  }
}

class SetDecoder implements ValueDecoder {
  readonly #sets: Sets;
  readonly #rdbType: number;
  readonly #set = new SetValue();
  readonly #text: RdbText;
  /** Members that are left; -1 before the count was read. */
  #left = -1;

  /** `text` holds what is read within one step. */
  constructor(sets: Sets, rdbType: number, text: RdbText) {
    this.#sets = sets;
    this.#rdbType = rdbType;
    this.#text = text;
  }

  step(source: RdbSource): boolean {
    if (this.#rdbType !== RDB_SET) {
      const bytes = source.string();
      if (this.#rdbType === RDB_SET_INTSET) this.#intset(source, bytes);
      else this.#listpack(source, bytes);
      return true;
    }
    if (this.#left < 0) {
      const count = source.size();
      if (count > this.#sets.store.limits.setMaxIntsetEntries) this.#set.encoding = ENCODING_TABLE;
      this.#set.root = this.#sets.newRoot(this.#set.encoding);
      if (this.#set.encoding === ENCODING_TABLE)
        this.#sets.store.elements.prepare(this.#set.root, source.roomFor(count));
      this.#left = count;
      source.settle();
    }
    const text = this.#text;
    for (; this.#left > 0; this.#left--) {
      source.read(text);
      this.#add(source, text.bytes, text.start, text.length);
      source.settle();
    }
    return true;
  }

  result(): DetachedValue {
    const { encoding, root } = this.#set;
    if (root !== 0 && this.#sets.countOf(encoding, root) > 0) return { encoding, root };
    this.abandon();
    return { encoding, root: 0 };
  }

  abandon(): void {
    if (this.#set.root !== 0) this.#sets.release(this.#set.encoding, this.#set.root);
    this.#set.root = 0;
  }

  #add(source: RdbSource, bytes: Buffer, start: number, length: number): void {
    if (length > KEY_BYTES_MAX) source.fail('a member of a set is longer than 1 MiB');
    if (!this.#sets.addTo(this.#set, bytes, start, length)) source.fail('Duplicate set members detected');
  }

  #intset(source: RdbSource, bytes: Buffer): void {
    const problem = validateIntset(bytes, 0, bytes.length, true);
    if (problem !== '') source.fail(problem);
    if (bytes.length > BLOCK_BYTES_MAX) {
      this.#largeIntset(source, bytes);
      return;
    }
    this.#set.encoding = ENCODING_INTSET;
    this.#set.root = this.#sets.intsets.copyIn(bytes, 0, bytes.length);
    this.#sets.limitIntset(this.#set);
  }

  /** An intset longer than a block becomes a table. */
  #largeIntset(source: RdbSource, bytes: Buffer): void {
    this.#set.encoding = ENCODING_TABLE;
    this.#set.root = this.#sets.newRoot(ENCODING_TABLE);
    const width = bytes.readUInt32LE(0);
    for (let at = INTSET_HEADER_BYTES; at < bytes.length; at += width) {
      const value = width === 8 ? bytes.readBigInt64LE(at) : bytes.readIntLE(at, width);
      const member = Buffer.from(value.toString());
      this.#add(source, member, 0, member.length);
    }
  }

  #listpack(source: RdbSource, bytes: Buffer): void {
    const problem = listpack.validate(bytes, 0, bytes.length, true);
    if (problem !== '') source.fail(problem);
    const count = listpack.count(bytes, 0);
    if (count > this.#sets.store.limits.setMaxListpackEntries || bytes.length > BLOCK_BYTES_MAX) {
      this.#set.encoding = ENCODING_TABLE;
      this.#set.root = this.#sets.newRoot(ENCODING_TABLE);
    }
    const entry = new listpack.ListpackEntry();
    const seen = new Set<string>();
    for (let at = listpack.first(bytes, 0); at !== 0; ) {
      at = listpack.read(bytes, 0, at, entry);
      const member = entry.copyText(bytes);
      if (this.#set.root !== 0) this.#add(source, member, 0, member.length);
      else {
        if (member.length > KEY_BYTES_MAX) source.fail('a member of a set is longer than 1 MiB');
        const text = member.latin1Slice();
        if (seen.has(text)) source.fail('a set has a member twice');
        seen.add(text);
      }
    }
    if (this.#set.root !== 0) return;
    this.#set.encoding = ENCODING_LISTPACK;
    this.#set.root = this.#sets.listpacks.copyIn(bytes, 0);
  }
}
