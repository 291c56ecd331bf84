/** The entries of a stream: adding at its end, trimming from its begin, deleting anywhere. */
import { BLOCK_BYTES_MAX, SEGMENT_SHIFT, UNIT_MASK } from '../structures/arena.ts';
import { IdCursor, type IdTree } from '../structures/id-tree.ts';
import * as listpack from '../structures/listpack.ts';
import * as edit from '../structures/listpack-edit.ts';
import { StreamId } from '../structures/stream-id.ts';
import { addTo, StreamIterator } from './stream-iterator.ts';
import {
  STREAM_ADDED,
  STREAM_FIRST_ID,
  STREAM_LAST_ID,
  STREAM_LENGTH,
  type StreamLayout,
} from './stream-layout.ts';
import { ENTRY_DELETED, ENTRY_SAME_FIELDS, NodeView, type StreamNodes } from './stream-nodes.ts';
import type { StreamSnapshot } from './stream-snapshot.ts';
import type { ValueStore } from './value-store.ts';

/** The words of a command, as Call holds them. */
export interface Words {
  readonly bytes: Uint8Array;
  readonly argStart: Int32Array;
  readonly argLength: Int32Array;
}

/** What a trim leaves: at most `maxLength` entries, or no id below `minId` where that is not null. */
export interface Trim {
  maxLength: number;
  minId: StreamId | null;
  /** Only whole nodes go. */
  approximate: boolean;
  /** Entries that may go at most; 0: any number. */
  limit: number;
}

/** Listpack entries besides fields and values: flags and both parts of the id. */
const FIXED_ENTRIES = 3;
/** A listpack entry is at most this much longer than the text in it. */
const ENTRY_OVERHEAD_MAX = 10;
/** Integers up to here are one byte, in which they can be changed. */
const SMALL_INTEGER_MAX = 127;
const MIN_ID = new StreamId();
const MAX_ID = new StreamId();
MAX_ID.setMax();

export class StreamEntries {
  /** Streams of which somebody writes the nodes they had, by their refs. */
  readonly snapshots: Map<number, StreamSnapshot> = new Map();
  readonly #store: ValueStore;
  readonly #layout: StreamLayout;
  readonly #nodes: IdTree;
  readonly #blocks: StreamNodes;
  readonly #iterator: StreamIterator;
  readonly #cursor = new IdCursor();
  readonly #view = new NodeView();
  readonly #nodeId = new StreamId();
  readonly #id = new StreamId();
  readonly #entry = new listpack.ListpackEntry();
  #msHigh = 0;
  #msLow = 0;
  #seqHigh = 0;
  #seqLow = 0;

  constructor(store: ValueStore, layout: StreamLayout, nodes: IdTree, blocks: StreamNodes) {
    this.#store = store;
    this.#layout = layout;
    this.#nodes = nodes;
    this.#blocks = blocks;
    this.#iterator = new StreamIterator(nodes, blocks);
  }

  /**
   * Adds an entry behind all others: `id` must be above the last one, the fields and values are `pairs` times
   * two of the words, from `first` on.
   */
  append(stream: number, words: Words, first: number, pairs: number, id: StreamId): void {
    const layout = this.#layout;
    const cursor = this.#cursor;
    if (!this.#nodes.last(stream, cursor) || !this.#appendToNode(stream, words, first, pairs, id))
      this.#nodes.insert(stream, id, this.#newNode(words, first, pairs));
    const length = layout.word(stream, STREAM_LENGTH) + 1;
    layout.setWord(stream, STREAM_LENGTH, length);
    layout.setNumber(stream, STREAM_ADDED, layout.number(stream, STREAM_ADDED) + 1);
    layout.writeId(stream, STREAM_LAST_ID, id);
    if (length === 1) layout.writeId(stream, STREAM_FIRST_ID, id);
  }

  /** Takes entries from the begin, as `trim` says; the number of them. */
  trim(stream: number, trim: Trim): number {
    const layout = this.#layout;
    const cursor = this.#cursor;
    let removed = 0;
    while (this.#nodes.first(stream, cursor)) {
      const length = layout.word(stream, STREAM_LENGTH);
      if (trim.minId === null && length <= trim.maxLength) break;
      const ref = this.#nodes.valueAt(cursor);
      this.#blocks.open(ref, this.#view);
      const live = this.#blocks.integer(this.#view, listpack.HEADER_BYTES);
      if (trim.limit !== 0 && removed + live > trim.limit) break;
      this.#nodes.idAt(cursor, this.#nodeId);
      if (trim.minId === null ? length - live >= trim.maxLength : this.#endsBelow(trim.minId)) {
        this.#removeNode(stream, ref);
        layout.setWord(stream, STREAM_LENGTH, length - live);
        removed += live;
        continue;
      }
      if (!trim.approximate) removed += this.#trimNode(stream, ref, live, trim);
      break;
    }
    if (removed !== 0) this.noteFirst(stream);
    return removed;
  }

  /** Deletes one entry; false when it is not there. The caller keeps first and greatest deleted id. */
  delete(stream: number, id: StreamId): boolean {
    const iterator = this.#iterator;
    iterator.begin(stream, id, id, false);
    if (!iterator.next()) return false;
    const { cursor, flagsAt } = iterator;
    const blocks = this.#blocks;
    let ref = this.#nodes.valueAt(cursor);
    const live = blocks.integer(iterator.view, listpack.HEADER_BYTES);
    if (live === 1) {
      this.#nodes.idAt(cursor, this.#nodeId);
      this.#removeNode(stream, ref);
    } else {
      this.#nodes.idAt(cursor, this.#nodeId);
      this.#beforeChange(stream, ref);
      ref = blocks.replaceInteger(ref, flagsAt, iterator.flags | ENTRY_DELETED);
      this.#nodes.setValueAt(cursor, this.#moveCounts(ref, live, 1));
    }
    this.#layout.setWord(stream, STREAM_LENGTH, this.#layout.word(stream, STREAM_LENGTH) - 1);
    return true;
  }

  exists(stream: number, id: StreamId): boolean {
    this.#iterator.begin(stream, id, id, false);
    return this.#iterator.next();
  }

  /**
   * The id at one end; deleted entries count when `deleted`. False, and `id` unchanged, when there is none.
   */
  edge(stream: number, atEnd: boolean, deleted: boolean, id: StreamId): boolean {
    this.#iterator.begin(stream, MIN_ID, MAX_ID, atEnd);
    this.#iterator.skipsDeleted = !deleted;
    if (!this.#iterator.next()) return false;
    id.copyFrom(this.#iterator.id);
    return true;
  }

  /** Sets the first id to what it is. */
  noteFirst(stream: number): void {
    this.#id.copyFrom(MIN_ID);
    if (this.#layout.word(stream, STREAM_LENGTH) !== 0) this.edge(stream, false, false, this.#id);
    this.#layout.writeId(stream, STREAM_FIRST_ID, this.#id);
  }

  /** The node `ref`, whose id is `#nodeId`, is about to change. */
  #beforeChange(stream: number, ref: number): void {
    if (this.snapshots.size !== 0) this.snapshots.get(stream)?.beforeChange(this.#nodeId, ref);
  }

  /** Takes the node `ref`, whose id is `#nodeId`, out of the stream. */
  #removeNode(stream: number, ref: number): void {
    this.#nodes.delete(stream, this.#nodeId);
    const kept = this.snapshots.size !== 0 && this.snapshots.get(stream)?.take(this.#nodeId, ref);
    if (kept !== true) this.#blocks.free(ref);
  }

  // --- adding

  /** Adds to the node under the cursor; false when it is full (and is made as small as it can be). */
  #appendToNode(stream: number, words: Words, first: number, pairs: number, id: StreamId): boolean {
    const blocks = this.#blocks;
    const limits = this.#store.limits;
    const ref = this.#nodes.valueAt(this.#cursor);
    const total = blocks.bytes(ref);
    let bytesMax = limits.streamNodeMaxBytes;
    if (bytesMax === 0 || bytesMax > BLOCK_BYTES_MAX) bytesMax = BLOCK_BYTES_MAX;
    const text = textBytes(words, first, pairs);
    if (total + text >= bytesMax) return this.#close(ref);
    const view = this.#view;
    blocks.open(ref, view);
    const { bytes, start } = view;
    const entry = this.#entry;
    let at = listpack.read(bytes, start, listpack.HEADER_BYTES, entry);
    const live = entry.value;
    at = listpack.read(bytes, start, at, entry);
    if (limits.streamNodeMaxEntries > 0 && live + entry.value >= limits.streamNodeMaxEntries)
      return this.#close(ref);
    at = listpack.read(bytes, start, at, entry);
    const same = entry.value === pairs && sameFields(view, at, words, first, pairs);
    this.#nodes.idAt(this.#cursor, this.#nodeId);
    this.#measure(id, this.#nodeId);
    // An upper bound: what the entry takes is known when it is written.
    const room = total + text + (pairs * 2 + FIXED_ENTRIES + 3) * ENTRY_OVERHEAD_MAX;
    if (room > BLOCK_BYTES_MAX) return this.#close(ref);
    this.#beforeChange(stream, ref);
    let roomy = blocks.reserve(ref, room, bytesMax);
    blocks.open(roomy, view);
    if (live < SMALL_INTEGER_MAX) view.bytes[view.start + listpack.HEADER_BYTES] = live + 1;
    else {
      roomy = blocks.replaceInteger(roomy, listpack.HEADER_BYTES, live + 1);
      blocks.open(roomy, view);
    }
    if (roomy !== ref) this.#nodes.setValueAt(this.#cursor, roomy);
    const end = listpack.end(view.bytes, view.start);
    const added = this.#writeEntry(view.bytes, view.start + end, words, first, pairs, same);
    edit.splice(view.bytes, view.start, end, 0, added, entriesOf(pairs, same) + 1);
    return true;
  }

  #close(ref: number): boolean {
    const shrunk = this.#blocks.shrink(ref);
    if (shrunk !== ref) this.#nodes.setValueAt(this.#cursor, shrunk);
    return false;
  }

  /** A node with this one entry. */
  #newNode(words: Words, first: number, pairs: number): number {
    this.#measure(MIN_ID, MIN_ID);
    const added = this.#entryBytes(words, first, pairs, true);
    let head = edit.integerEntryBytes(0, pairs) + 3 * edit.integerEntryBytes(0, 1);
    for (let index = first; index < first + pairs * 2; index += 2)
      head += edit.textEntryBytes(words.bytes, words.argStart[index], words.argLength[index]);
    const total = listpack.EMPTY_BYTES + head + added;
    const inline = total <= BLOCK_BYTES_MAX;
    const ref = inline ? this.#store.arena.allocate(total) : 0;
    const bytes = inline ? this.#store.arena.bytes[ref >>> SEGMENT_SHIFT] : Buffer.allocUnsafe(total);
    const start = inline ? (ref & UNIT_MASK) << 3 : 0;
    edit.writeEmpty(bytes, start);
    edit.splice(bytes, start, listpack.HEADER_BYTES, 0, head + added, 4 + pairs + entriesOf(pairs, true) + 1);
    let at = start + listpack.HEADER_BYTES;
    at += edit.writeIntegerEntry(bytes, at, 0, 1);
    at += edit.writeIntegerEntry(bytes, at, 0, 0);
    at += edit.writeIntegerEntry(bytes, at, 0, pairs);
    for (let index = first; index < first + pairs * 2; index += 2)
      at += edit.writeTextEntry(bytes, at, words.bytes, words.argStart[index], words.argLength[index]);
    at += edit.writeIntegerEntry(bytes, at, 0, 0);
    this.#writeEntry(bytes, at, words, first, pairs, true);
    return inline ? ref : this.#blocks.store(bytes, 0);
  }

  /** Keeps how far `id` lies above `base`, each half modulo 2^64. */
  #measure(id: StreamId, base: StreamId): void {
    this.#msLow = (id.msLow - base.msLow) >>> 0;
    this.#msHigh = (id.msHigh - base.msHigh - (id.msLow < base.msLow ? 1 : 0)) | 0;
    this.#seqLow = (id.seqLow - base.seqLow) >>> 0;
    this.#seqHigh = (id.seqHigh - base.seqHigh - (id.seqLow < base.seqLow ? 1 : 0)) | 0;
  }

  #entryBytes(words: Words, first: number, pairs: number, same: boolean): number {
    let bytes =
      edit.integerEntryBytes(0, ENTRY_SAME_FIELDS) +
      edit.integerEntryBytes(this.#msHigh, this.#msLow) +
      edit.integerEntryBytes(this.#seqHigh, this.#seqLow) +
      edit.integerEntryBytes(0, entriesOf(pairs, same));
    if (!same) bytes += edit.integerEntryBytes(0, pairs);
    const { bytes: source, argStart, argLength } = words;
    for (let index = first + (same ? 1 : 0); index < first + pairs * 2; index += same ? 2 : 1)
      bytes += edit.textEntryBytes(source, argStart[index], argLength[index]);
    return bytes;
  }

  #writeEntry(
    bytes: Uint8Array,
    at: number,
    words: Words,
    first: number,
    pairs: number,
    same: boolean,
  ): number {
    const from = at;
    at += edit.writeIntegerEntry(bytes, at, 0, same ? ENTRY_SAME_FIELDS : 0);
    at += edit.writeIntegerEntry(bytes, at, this.#msHigh, this.#msLow);
    at += edit.writeIntegerEntry(bytes, at, this.#seqHigh, this.#seqLow);
    if (!same) at += edit.writeIntegerEntry(bytes, at, 0, pairs);
    const { bytes: source, argStart, argLength } = words;
    for (let index = first + (same ? 1 : 0); index < first + pairs * 2; index += same ? 2 : 1)
      at += edit.writeTextEntry(bytes, at, source, argStart[index], argLength[index]);
    return at + edit.writeIntegerEntry(bytes, at, 0, entriesOf(pairs, same)) - from;
  }

  // --- trimming

  /** Whether all entries of the open node have ids below `minId`; deleted ones are looked at as well. */
  #endsBelow(minId: StreamId): boolean {
    const { bytes, start } = this.#view;
    const entry = this.#entry;
    let at = listpack.last(bytes, start);
    listpack.read(bytes, start, at, entry);
    for (let left = entry.value; left > 0; left--) at = listpack.previous(bytes, start, at);
    this.#readId(listpack.next(bytes, start, at));
    return this.#id.compare(minId) < 0;
  }

  /** Reads the id at `at` of the open node; returns where the next listpack entry stands. */
  #readId(at: number): number {
    const { bytes, start } = this.#view;
    const next = listpack.read(bytes, start, at, this.#entry);
    addTo(this.#nodeId, this.#entry, this.#id, true);
    const after = listpack.read(bytes, start, next, this.#entry);
    addTo(this.#nodeId, this.#entry, this.#id, false);
    return after;
  }

  /** Marks entries of the first node, which is open, as deleted; the number of them. */
  #trimNode(stream: number, ref: number, live: number, trim: Trim): number {
    const { bytes, start } = this.#view;
    const entry = this.#entry;
    const layout = this.#layout;
    const length = layout.word(stream, STREAM_LENGTH);
    this.#beforeChange(stream, ref);
    let at = listpack.seek(bytes, start, 2);
    at = listpack.read(bytes, start, at, entry);
    const nodeFields = entry.value;
    for (let left = nodeFields + 1; left > 0; left--) at = listpack.next(bytes, start, at);
    let removed = 0;
    while (at !== 0) {
      if (trim.minId === null && length - removed <= trim.maxLength) break;
      const flagsAt = at;
      at = listpack.read(bytes, start, at, entry);
      const flags = entry.value;
      at = this.#readId(at);
      if (trim.minId !== null && this.#id.compare(trim.minId) >= 0) break;
      let skipped = nodeFields;
      if ((flags & ENTRY_SAME_FIELDS) === 0) {
        at = listpack.read(bytes, start, at, entry);
        skipped = entry.value * 2;
      }
      for (let left = skipped + 1; left > 0; left--) at = listpack.next(bytes, start, at);
      if ((flags & ENTRY_DELETED) !== 0) continue;
      ref = this.#blocks.replaceInteger(ref, flagsAt, flags | ENTRY_DELETED);
      removed++;
    }
    if (removed !== 0) ref = this.#moveCounts(ref, live, removed);
    this.#nodes.setValueAt(this.#cursor, ref);
    layout.setWord(stream, STREAM_LENGTH, length - removed);
    return removed;
  }

  /**
   * Counts `moved` of the `live` entries of a node as deleted; returns the ref that is valid from then on.
   */
  #moveCounts(ref: number, live: number, moved: number): number {
    const counted = this.#blocks.replaceInteger(ref, listpack.HEADER_BYTES, live - moved);
    this.#blocks.open(counted, this.#view);
    const at = listpack.next(this.#view.bytes, this.#view.start, listpack.HEADER_BYTES);
    const deleted = this.#blocks.integer(this.#view, at);
    return this.#blocks.replaceInteger(counted, at, deleted + moved);
  }
}

/** Listpack entries that an entry of `pairs` consists of, the count at its end not included. */
function entriesOf(pairs: number, same: boolean): number {
  return same ? FIXED_ENTRIES + pairs : FIXED_ENTRIES + 1 + pairs * 2;
}

/** Bytes of all fields and values. */
export function textBytes(words: Words, first: number, pairs: number): number {
  let bytes = 0;
  for (let index = first; index < first + pairs * 2; index++) bytes += words.argLength[index];
  return bytes;
}

function sameFields(view: NodeView, at: number, words: Words, first: number, pairs: number): boolean {
  const { bytes, start } = view;
  for (let index = first; index < first + pairs * 2; index += 2) {
    if (!listpack.equals(bytes, start, at, words.bytes, words.argStart[index], words.argLength[index]))
      return false;
    at = listpack.next(bytes, start, at);
  }
  return true;
}
