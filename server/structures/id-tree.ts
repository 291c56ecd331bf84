/**
 * An ordered map from 128-bit ids to refs: a B+ tree in the arena. Its head stands in a block of its owner:
 *
 *   head, at word `offset` of the holder's block:  root | height (0: the root is a leaf) | entries
 *
 *   node   word 0    count 16 | capacity 16
 *          word 1-2  next and previous leaf, 0 at the ends; unused above the leaves
 *          then for each entry: 4 words of id, 1 word of value, ascending
 *
 * Above the leaves an entry's id is a lower bound of the child that its value names; the first one's is not
 * looked at. A full node has NODE_CAPACITY entries in 512 bytes; a root leaf begins small and grows. Ids come
 * in ascending order as a rule: a node that is full at the right edge stays full and a new one follows it.
 * Nodes are merged when they are less than a quarter full and their neighbour has room. All operations are
 * O(log n); a step of a cursor is O(1). Cursors are void after an insert or a delete.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { StreamId } from './stream-id.ts';

const HEADER_WORDS = 3;
const ENTRY_WORDS = 5;
const VALUE = 4;
const NODE_CAPACITY = 25;
const NODE_BYTES = (HEADER_WORDS + NODE_CAPACITY * ENTRY_WORDS) * 4;
const MERGE_BELOW = 7;
const MERGED_MAX = 18;
const HEIGHT_MAX = 24;

/** Words of a head. */
export const ID_TREE_WORDS = 3;

/** A place in a tree: entry `slot` of `leaf`; leaf 0 is no place. */
export class IdCursor {
  leaf = 0;
  slot = 0;
}

export class IdTree {
  readonly #arena: Arena;
  readonly #words: Uint32Array[];
  readonly #offset: number;
  readonly #path = new Uint32Array(HEIGHT_MAX);
  readonly #slots = new Uint32Array(HEIGHT_MAX);
  readonly #separator = new StreamId();

  /** Trees whose heads stand at word `offset` of their holders' blocks. */
  constructor(arena: Arena, offset: number) {
    this.#arena = arena;
    this.#words = arena.words;
    this.#offset = offset;
  }

  /** Makes the head of a new block an empty tree. */
  clear(holder: number): void {
    this.#setHead(holder, 0, 0);
    this.#setCount(holder, 0);
  }

  count(holder: number): number {
    return this.#head(holder, 2);
  }

  /** The value of an id, 0 when it is not there. */
  find(holder: number, id: StreamId): number {
    const leaf = this.#descend(holder, id);
    if (leaf === 0) return 0;
    const slot = this.#lowerBound(leaf, id);
    return slot < this.#countOf(leaf) && this.#compareAt(leaf, slot, id) === 0 ? this.#value(leaf, slot) : 0;
  }

  /** Adds an id with its value (not 0); false, and nothing changed, when it is there. */
  insert(holder: number, id: StreamId, value: number): boolean {
    let leaf = this.#descend(holder, id);
    if (leaf === 0) {
      leaf = this.#newNode(1);
      this.#setHead(holder, leaf, 0);
    }
    const slot = this.#lowerBound(leaf, id);
    const count = this.#countOf(leaf);
    if (slot < count && this.#compareAt(leaf, slot, id) === 0) return false;
    this.#setCount(holder, this.count(holder) + 1);
    const height = this.#head(holder, 1);
    if (height === 0 && count === this.#capacityOf(leaf) && count < NODE_CAPACITY) {
      leaf = this.#growRoot(holder, leaf);
    }
    this.#insertAt(holder, height, leaf, slot, id, value);
    return true;
  }

  /** Takes an id out: its value, 0 when it is not there. */
  delete(holder: number, id: StreamId): number {
    const leaf = this.#descend(holder, id);
    if (leaf === 0) return 0;
    const slot = this.#lowerBound(leaf, id);
    if (slot >= this.#countOf(leaf) || this.#compareAt(leaf, slot, id) !== 0) return 0;
    const value = this.#value(leaf, slot);
    this.#setCount(holder, this.count(holder) - 1);
    this.#removeAt(holder, this.#head(holder, 1), leaf, slot);
    return value;
  }

  /** Places the cursor at the first id that is not below `id`; false when there is none. */
  seek(holder: number, id: StreamId, cursor: IdCursor): boolean {
    cursor.leaf = this.#descend(holder, id);
    if (cursor.leaf === 0) return false;
    cursor.slot = this.#lowerBound(cursor.leaf, id);
    if (cursor.slot < this.#countOf(cursor.leaf)) return true;
    cursor.slot--;
    return this.next(cursor);
  }

  /** Places the cursor at the last id that is not above `id`; false when there is none. */
  seekLast(holder: number, id: StreamId, cursor: IdCursor): boolean {
    cursor.leaf = this.#descend(holder, id);
    if (cursor.leaf === 0) return false;
    cursor.slot = this.#lowerBound(cursor.leaf, id);
    const found = cursor.slot < this.#countOf(cursor.leaf);
    if (found && this.#compareAt(cursor.leaf, cursor.slot, id) === 0) return true;
    return this.previous(cursor);
  }

  first(holder: number, cursor: IdCursor): boolean {
    let node = this.#head(holder, 0);
    for (let height = this.#head(holder, 1); height > 0; height--) node = this.#value(node, 0);
    cursor.leaf = node;
    cursor.slot = 0;
    return node !== 0;
  }

  last(holder: number, cursor: IdCursor): boolean {
    let node = this.#head(holder, 0);
    for (let height = this.#head(holder, 1); height > 0; height--)
      node = this.#value(node, this.#countOf(node) - 1);
    cursor.leaf = node;
    cursor.slot = node === 0 ? 0 : this.#countOf(node) - 1;
    return node !== 0;
  }

  /** One step up; false, and no place any more, behind the last id. */
  next(cursor: IdCursor): boolean {
    if (++cursor.slot < this.#countOf(cursor.leaf)) return true;
    cursor.leaf = this.#word(cursor.leaf, 1);
    cursor.slot = 0;
    return cursor.leaf !== 0;
  }

  /** One step down; false, and no place any more, before the first id. */
  previous(cursor: IdCursor): boolean {
    if (cursor.slot > 0) {
      cursor.slot--;
      return true;
    }
    cursor.leaf = this.#word(cursor.leaf, 2);
    if (cursor.leaf === 0) return false;
    cursor.slot = this.#countOf(cursor.leaf) - 1;
    return true;
  }

  idAt(cursor: IdCursor, id: StreamId): void {
    id.readWords(this.#words[cursor.leaf >>> SEGMENT_SHIFT], entryAt(cursor.leaf, cursor.slot));
  }

  valueAt(cursor: IdCursor): number {
    return this.#value(cursor.leaf, cursor.slot);
  }

  setValueAt(cursor: IdCursor, value: number): void {
    const { leaf, slot } = cursor;
    this.#words[leaf >>> SEGMENT_SHIFT][entryAt(leaf, slot) + VALUE] = value;
  }

  /**
   * Frees the tree from its end, entry by entry, at most `entriesMax` of them; `visit` gets each value. True
   * when the tree is empty.
   */
  releaseSome(holder: number, entriesMax: number, visit: (value: number) => void): boolean {
    const cursor = new IdCursor();
    const id = this.#separator;
    while (entriesMax > 0 && this.last(holder, cursor)) {
      // Counted down in the leaf; only its last entry takes the way through the tree.
      while (entriesMax > 0 && cursor.leaf !== 0) {
        const count = this.#countOf(cursor.leaf);
        visit(this.valueAt(cursor));
        entriesMax--;
        if (count > 1) {
          this.#setCountOf(cursor.leaf, count - 1);
          cursor.slot--;
          this.#setCount(holder, this.count(holder) - 1);
          continue;
        }
        this.idAt(cursor, id);
        this.delete(holder, id);
        break;
      }
    }
    return this.#head(holder, 0) === 0;
  }

  /** Bytes of the arena that the nodes hold, estimated from their count when there are many. */
  heldBytes(holder: number): number {
    const root = this.#head(holder, 0);
    if (root === 0) return 0;
    if (this.#head(holder, 1) === 0) return this.#arena.blockBytes(root);
    return Math.ceil(this.count(holder) / (NODE_CAPACITY - 1)) * NODE_BYTES;
  }

  // --- growing

  #insertAt(holder: number, level: number, node: number, slot: number, id: StreamId, value: number): void {
    const count = this.#countOf(node);
    if (count < this.#capacityOf(node)) {
      this.#put(node, slot, id, value);
      return;
    }
    const isLeaf = level === this.#head(holder, 1);
    const right = this.#newNode(NODE_CAPACITY);
    const atEdge = slot === count && (!isLeaf || this.#word(node, 1) === 0);
    const stay = atEdge ? count : count >>> 1;
    this.#moveTail(node, stay, right);
    if (isLeaf) this.#linkAfter(node, right);
    if (slot > stay || atEdge) this.#put(right, slot - stay, id, value);
    else this.#put(node, slot, id, value);
    this.#separator.readWords(this.#words[right >>> SEGMENT_SHIFT], entryAt(right, 0));
    if (level > 0) {
      const parent = this.#path[level - 1];
      this.#insertAt(holder, level - 1, parent, this.#slots[level - 1] + 1, this.#separator, right);
      return;
    }
    const root = this.#newNode(NODE_CAPACITY);
    this.#put(root, 0, this.#separator, right);
    this.#separator.readWords(this.#words[node >>> SEGMENT_SHIFT], entryAt(node, 0));
    this.#put(root, 0, this.#separator, node);
    this.#setHead(holder, root, this.#head(holder, 1) + 1);
  }

  #growRoot(holder: number, leaf: number): number {
    const count = this.#countOf(leaf);
    const next = this.#newNode(Math.min(NODE_CAPACITY, count * 2 + 1));
    this.#copyEntries(leaf, 0, count, next, 0);
    this.#setCountOf(next, count);
    this.#arena.free(leaf);
    this.#setHead(holder, next, 0);
    return next;
  }

  #linkAfter(left: number, right: number): void {
    const next = this.#word(left, 1);
    this.#setWord(right, 1, next);
    this.#setWord(right, 2, left);
    this.#setWord(left, 1, right);
    if (next !== 0) this.#setWord(next, 2, right);
  }

  // --- shrinking

  #removeAt(holder: number, level: number, node: number, slot: number): void {
    const height = this.#head(holder, 1);
    const count = this.#countOf(node) - 1;
    this.#copyEntries(node, slot + 1, count - slot, node, slot);
    this.#setCountOf(node, count);
    if (count === 0) this.#dropNode(holder, level, node);
    else if (level === 0 && height > 0 && count === 1) {
      this.#setHead(holder, this.#value(node, 0), height - 1);
      this.#arena.free(node);
    } else if (level > 0 && count < MERGE_BELOW) this.#merge(holder, level, node);
  }

  #dropNode(holder: number, level: number, node: number): void {
    if (level === this.#head(holder, 1)) this.#unlinkLeaf(node);
    this.#arena.free(node);
    if (level === 0) this.#setHead(holder, 0, 0);
    else this.#removeAt(holder, level - 1, this.#path[level - 1], this.#slots[level - 1]);
  }

  /** Joins a node that is nearly empty with a neighbour of the same parent, if one has room. */
  #merge(holder: number, level: number, node: number): void {
    const parent = this.#path[level - 1];
    const slot = this.#slots[level - 1];
    const count = this.#countOf(node);
    let left = node;
    let rightSlot = slot + 1;
    if (rightSlot >= this.#countOf(parent) || !this.#fits(count, this.#value(parent, rightSlot))) {
      if (slot === 0 || !this.#fits(count, this.#value(parent, slot - 1))) return;
      left = this.#value(parent, slot - 1);
      rightSlot = slot;
    }
    const right = this.#value(parent, rightSlot);
    const leftCount = this.#countOf(left);
    const rightCount = this.#countOf(right);
    this.#copyEntries(right, 0, rightCount, left, leftCount);
    this.#setCountOf(left, leftCount + rightCount);
    if (level === this.#head(holder, 1)) this.#unlinkLeaf(right);
    else {
      // The first bound of a node is not kept right; here it becomes one that is looked at.
      const bound = this.#separator;
      bound.readWords(this.#words[parent >>> SEGMENT_SHIFT], entryAt(parent, rightSlot));
      bound.writeWords(this.#words[left >>> SEGMENT_SHIFT], entryAt(left, leftCount));
    }
    this.#arena.free(right);
    this.#removeAt(holder, level - 1, parent, rightSlot);
  }

  #fits(count: number, neighbour: number): boolean {
    return this.#countOf(neighbour) + count <= MERGED_MAX;
  }

  #unlinkLeaf(leaf: number): void {
    const next = this.#word(leaf, 1);
    const previous = this.#word(leaf, 2);
    if (next !== 0) this.#setWord(next, 2, previous);
    if (previous !== 0) this.#setWord(previous, 1, next);
  }

  // --- nodes

  /** The leaf in which `id` is or would be, 0 in an empty tree; fills path and slots above it. */
  #descend(holder: number, id: StreamId): number {
    let node = this.#head(holder, 0);
    const height = this.#head(holder, 1);
    for (let level = 0; level < height; level++) {
      let low = 1;
      let high = this.#countOf(node);
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (this.#compareAt(node, middle, id) <= 0) low = middle + 1;
        else high = middle;
      }
      this.#path[level] = node;
      this.#slots[level] = low - 1;
      node = this.#value(node, low - 1);
    }
    return node;
  }

  /** The first slot whose id is not below `id`. */
  #lowerBound(leaf: number, id: StreamId): number {
    let low = 0;
    let high = this.#countOf(leaf);
    // Most inserts are at the end.
    if (high > 0 && this.#compareAt(leaf, high - 1, id) < 0) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compareAt(leaf, middle, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The entry's id against `id`. */
  #compareAt(node: number, slot: number, id: StreamId): number {
    const words = this.#words[node >>> SEGMENT_SHIFT];
    const at = entryAt(node, slot);
    if (words[at] !== id.msHigh) return words[at] - id.msHigh;
    if (words[at + 1] !== id.msLow) return words[at + 1] - id.msLow;
    if (words[at + 2] !== id.seqHigh) return words[at + 2] - id.seqHigh;
    return words[at + 3] - id.seqLow;
  }

  #value(node: number, slot: number): number {
    return this.#words[node >>> SEGMENT_SHIFT][entryAt(node, slot) + VALUE];
  }

  #put(node: number, slot: number, id: StreamId, value: number): void {
    const count = this.#countOf(node);
    if (slot < count) this.#copyEntries(node, slot, count - slot, node, slot + 1);
    const words = this.#words[node >>> SEGMENT_SHIFT];
    const at = entryAt(node, slot);
    id.writeWords(words, at);
    words[at + VALUE] = value;
    this.#setCountOf(node, count + 1);
  }

  #moveTail(node: number, from: number, right: number): void {
    const moved = this.#countOf(node) - from;
    this.#copyEntries(node, from, moved, right, 0);
    this.#setCountOf(right, moved);
    this.#setCountOf(node, from);
  }

  #copyEntries(from: number, slot: number, count: number, to: number, toSlot: number): void {
    if (count <= 0) return;
    const words = this.#words[from >>> SEGMENT_SHIFT];
    const start = entryAt(from, slot);
    const end = start + count * ENTRY_WORDS;
    if (from === to) words.copyWithin(entryAt(to, toSlot), start, end);
    else this.#words[to >>> SEGMENT_SHIFT].set(words.subarray(start, end), entryAt(to, toSlot));
  }

  #newNode(capacity: number): number {
    const node = this.#arena.allocate((HEADER_WORDS + capacity * ENTRY_WORDS) * 4);
    this.#setWord(node, 0, capacity << 16);
    this.#setWord(node, 1, 0);
    this.#setWord(node, 2, 0);
    return node;
  }

  #countOf(node: number): number {
    return this.#word(node, 0) & 0xffff;
  }

  #setCountOf(node: number, count: number): void {
    this.#setWord(node, 0, (this.#word(node, 0) & 0xffff0000) | count);
  }

  #capacityOf(node: number): number {
    return this.#word(node, 0) >>> 16;
  }

  #word(node: number, index: number): number {
    return this.#words[node >>> SEGMENT_SHIFT][((node & UNIT_MASK) << 1) + index];
  }

  #setWord(node: number, index: number, value: number): void {
    this.#words[node >>> SEGMENT_SHIFT][((node & UNIT_MASK) << 1) + index] = value;
  }

  #head(holder: number, index: number): number {
    return this.#words[holder >>> SEGMENT_SHIFT][((holder & UNIT_MASK) << 1) + this.#offset + index];
  }

  #setHead(holder: number, root: number, height: number): void {
    const words = this.#words[holder >>> SEGMENT_SHIFT];
    const at = ((holder & UNIT_MASK) << 1) + this.#offset;
    words[at] = root;
    words[at + 1] = height;
  }

  #setCount(holder: number, count: number): void {
    this.#words[holder >>> SEGMENT_SHIFT][((holder & UNIT_MASK) << 1) + this.#offset + 2] = count;
  }
}

function entryAt(node: number, slot: number): number {
  return ((node & UNIT_MASK) << 1) + HEADER_WORDS + slot * ENTRY_WORDS;
}
