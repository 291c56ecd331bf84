/**
 * Walks the entries of a stream in either direction. One entry at a time lies open: its id, its number of
 * fields, and by `nextField` one field and value after the other, as entries of the node's listpack. Any
 * change of the stream ends the walk.
 */
import { IdCursor, type IdTree } from '../structures/id-tree.ts';
import * as listpack from '../structures/listpack.ts';
import { StreamId } from '../structures/stream-id.ts';
import { ENTRY_DELETED, ENTRY_SAME_FIELDS, NodeView, type StreamNodes } from './stream-nodes.ts';

export class StreamIterator {
  readonly id = new StreamId();
  /** Pairs of field and value in the entry. */
  fields = 0;
  flags = 0;
  /** False: deleted entries are met too. */
  skipsDeleted = true;
  /** The node in which the entry lies, and where. */
  readonly cursor = new IdCursor();
  readonly view = new NodeView();
  /** Place of the entry's flags in the listpack. */
  flagsAt = 0;
  /** What `nextField` read: positions are those of `view.bytes`. */
  readonly field = new listpack.ListpackEntry();
  readonly value = new listpack.ListpackEntry();

  readonly #nodes: IdTree;
  readonly #blocks: StreamNodes;
  readonly #from = new StreamId();
  readonly #to = new StreamId();
  readonly #nodeId = new StreamId();
  readonly #entry = new listpack.ListpackEntry();
  #reverse = false;
  /** A node is open. */
  #open = false;
  #ended = true;
  /** What comes next in the listpack: forwards behind what was read, 0 at its end. */
  #at = 0;
  /** Listpack entries of this stream entry that nobody has read. */
  #unread = 0;
  #nodeFields = 0;
  #nodeFieldsAt = 0;
  #fieldAt = 0;

  constructor(nodes: IdTree, blocks: StreamNodes) {
    this.#nodes = nodes;
    this.#blocks = blocks;
  }

  /** Begins a walk over the ids from `from` to `to`, both included; backwards from `to` when `reverse`. */
  begin(stream: number, from: StreamId, to: StreamId, reverse: boolean): void {
    this.#from.copyFrom(from);
    this.#to.copyFrom(to);
    this.#reverse = reverse;
    this.#open = false;
    this.skipsDeleted = true;
    const cursor = this.cursor;
    if (reverse) this.#ended = !this.#nodes.seekLast(stream, to, cursor);
    else this.#ended = !this.#nodes.seekLast(stream, from, cursor) && !this.#nodes.first(stream, cursor);
  }

  /** Opens the next entry; false when there is none. */
  next(): boolean {
    while (!this.#ended) {
      if (this.#reverse ? this.#stepBack() : this.#step()) {
        if (this.skipsDeleted && (this.flags & ENTRY_DELETED) !== 0) continue;
        const above = this.id.compare(this.#to) > 0;
        const below = this.id.compare(this.#from) < 0;
        if (!above && !below) return true;
        if (this.#reverse ? below : above) this.#ended = true;
        continue;
      }
      const more = this.#reverse ? this.#nodes.previous(this.cursor) : this.#nodes.next(this.cursor);
      if (!more) this.#ended = true;
    }
    return false;
  }

  /** Reads the entry's next field and value; at most `fields` times. */
  nextField(): void {
    const { bytes, start } = this.view;
    if ((this.flags & ENTRY_SAME_FIELDS) !== 0) {
      this.#fieldAt = listpack.read(bytes, start, this.#fieldAt, this.field);
    } else {
      this.#at = listpack.read(bytes, start, this.#at, this.field);
      this.#unread--;
    }
    this.#at = listpack.read(bytes, start, this.#at, this.value);
    this.#unread--;
  }

  /** Opens the node of the cursor: `#at` becomes its terminating 0. */
  #enter(): void {
    const { bytes, start } = this.view;
    this.#nodes.idAt(this.cursor, this.#nodeId);
    let at = listpack.next(bytes, start, listpack.first(bytes, start));
    at = listpack.next(bytes, start, at);
    this.#nodeFieldsAt = listpack.read(bytes, start, at, this.#entry);
    this.#nodeFields = this.#entry.value;
    at = this.#nodeFieldsAt;
    for (let count = this.#nodeFields; count > 0; count--) at = listpack.next(bytes, start, at);
    this.#at = at;
    this.#unread = 0;
    this.#open = true;
  }

  /** Forwards to the next entry of the node; false, and the node is closed, at its end. */
  #step(): boolean {
    const { view } = this;
    if (!this.#open) {
      this.#blocks.open(this.#nodes.valueAt(this.cursor), view);
      this.#enter();
    }
    let at = this.#at;
    for (let count = this.#unread; count > 0; count--) at = listpack.next(view.bytes, view.start, at);
    // The count that ends an entry, or the zero behind the names of the node.
    at = listpack.next(view.bytes, view.start, at);
    if (at === 0) {
      this.#open = false;
      return false;
    }
    this.#read(at);
    return true;
  }

  #stepBack(): boolean {
    const { view } = this;
    let at: number;
    if (this.#open) at = listpack.previous(view.bytes, view.start, this.flagsAt);
    else {
      this.#blocks.open(this.#nodes.valueAt(this.cursor), view);
      this.#enter();
      at = listpack.last(view.bytes, view.start);
    }
    listpack.read(view.bytes, view.start, at, this.#entry);
    const count = this.#entry.value;
    if (count === 0) {
      this.#open = false;
      return false;
    }
    for (let left = count; left > 0; left--) at = listpack.previous(view.bytes, view.start, at);
    this.#read(at);
    return true;
  }

  /** Reads flags, id and number of fields of the entry at `at`. */
  #read(at: number): void {
    const { bytes, start } = this.view;
    const entry = this.#entry;
    this.flagsAt = at;
    at = listpack.read(bytes, start, at, entry);
    this.flags = entry.value;
    at = listpack.read(bytes, start, at, entry);
    addTo(this.#nodeId, entry, this.id, true);
    at = listpack.read(bytes, start, at, entry);
    addTo(this.#nodeId, entry, this.id, false);
    if ((this.flags & ENTRY_SAME_FIELDS) !== 0) {
      this.fields = this.#nodeFields;
      this.#unread = this.fields;
      this.#fieldAt = this.#nodeFieldsAt;
    } else {
      at = listpack.read(bytes, start, at, entry);
      this.fields = entry.value;
      this.#unread = this.fields * 2;
    }
    this.#at = at;
  }
}

/** Adds the difference in `entry` to one half of an id, modulo 2^64. */
export function addTo(
  base: StreamId,
  entry: listpack.ListpackEntry,
  into: StreamId,
  milliseconds: boolean,
): void {
  const low = (milliseconds ? base.msLow : base.seqLow) + entry.low;
  const carry = low > 0xffffffff ? 1 : 0;
  const high = ((milliseconds ? base.msHigh : base.seqHigh) + entry.high + carry) >>> 0;
  if (milliseconds) {
    into.msHigh = high;
    into.msLow = low >>> 0;
  } else {
    into.seqHigh = high;
    into.seqLow = low >>> 0;
  }
}
