/**
 * Elements of a sorted set in the order (score, member bytes), each with its rank: a B+ tree over the arena.
 *
 *   header (16 bytes)              inner node (1 KiB, up to 50 children)
 *   | root | height | count | own |->| n | children | counts below | first elements | scores (ordered) |
 *                                      |
 *   leaf (512 bytes, up to 96)          v
 *   | n | next | previous | base | shift | refs of scored records, 4 bytes | hints, 1 byte each |
 *
 * A hint is the element's score as a byte: its distance from the leaf's base, shifted, at most 255. It never
 * falls along the leaf, so that a search reads the few records whose hint is that of what it looks for, not
 * seven of them, each a miss of the cache. Scores in inner nodes stand as integers that compare as they do.
 *
 * Invariants: inner counts are exact; a first element is the first one below its child; leaves are linked in
 * order; no leaf but the root is empty. A full leaf gives to a neighbour before it splits, and one at either
 * end of the tree begins a new leaf, so that ascending and descending inserts leave full leaves. A leaf below
 * a third is merged with a neighbour when both together stay below three quarters.
 * Complexity: all operations O(log n); no allocation outside the arena. Memory: 5.3 bytes an element when
 * full, 6.8 after random inserts.
 * Departs from Redis, which keeps a skiplist of 37 bytes an element and more.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { RankTreeGrowth } from './rank-tree-growth.ts';
import {
  INNER_BYTES,
  LEAF_BYTES,
  LEAF_CAPACITY,
  LEAF_COUNT,
  LEAF_NEXT,
  LEAF_PREVIOUS,
  LEAF_REFS,
  TREE_COUNT,
  TREE_HEADER_BYTES,
  TREE_HEIGHT,
  TREE_OWNER,
  TREE_ROOT,
} from './rank-tree-layout.ts';
import { RankTreeNodes } from './rank-tree-nodes.ts';
import { RankTreeSearch } from './rank-tree-search.ts';
import { RankTreeShrink } from './rank-tree-shrink.ts';
import type { Records } from './record.ts';

/** A place in a tree, from which a walk goes on. */
export class RankTreeCursor {
  leaf = 0;
  index = 0;
}

/** All rank trees of one arena; a tree is the ref of its header. */
export class RankTree {
  readonly #arena: Arena;
  readonly #records: Records;
  readonly #nodes: RankTreeNodes;
  readonly #search: RankTreeSearch;
  readonly #growth: RankTreeGrowth;
  readonly #shrink: RankTreeShrink;
  readonly #words: Uint32Array[];
  readonly #removed = new Uint32Array(LEAF_CAPACITY);

  constructor(arena: Arena, records: Records) {
    this.#arena = arena;
    this.#records = records;
    this.#nodes = new RankTreeNodes(records);
    this.#search = new RankTreeSearch(arena, records, this.#nodes);
    this.#growth = new RankTreeGrowth(arena, this.#nodes, this.#search);
    this.#shrink = new RankTreeShrink(arena, this.#nodes, this.#search);
    this.#words = arena.words;
  }

  /** A new empty tree. `owner`: a word that the tree keeps for its owner. */
  create(owner: number): number {
    const header = this.#arena.allocate(TREE_HEADER_BYTES);
    const leaf = this.#arena.allocate(LEAF_BYTES);
    this.#nodes.startLeaf(leaf, 0, 0);
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    words[at + TREE_ROOT] = leaf;
    words[at + TREE_HEIGHT] = 0;
    words[at + TREE_COUNT] = 0;
    words[at + TREE_OWNER] = owner;
    return header;
  }

  owner(header: number): number {
    return this.#words[header >>> SEGMENT_SHIFT][((header & UNIT_MASK) << 1) + TREE_OWNER];
  }

  count(header: number): number {
    return this.#words[header >>> SEGMENT_SHIFT][((header & UNIT_MASK) << 1) + TREE_COUNT];
  }

  /** Bytes of the arena that the tree holds. O(n / 4000): it counts leaves by the inner nodes. */
  heldBytes(header: number): number {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    return TREE_HEADER_BYTES + this.#nodeBytes(words[at + TREE_ROOT], words[at + TREE_HEIGHT]);
  }

  #nodeBytes(node: number, height: number): number {
    if (height === 0) return LEAF_BYTES;
    const count = this.#nodes.count(node);
    if (height === 1) return INNER_BYTES + count * LEAF_BYTES;
    let bytes = INNER_BYTES;
    for (let index = 0; index < count; index++)
      bytes += this.#nodeBytes(this.#nodes.child(node, index), height - 1);
    return bytes;
  }

  /** Adds a scored record that is not in the tree. */
  insert(header: number, ref: number): void {
    this.#search.lookForElement(ref);
    this.#search.descend(header);
    const order = this.#search.order;
    const leaf = this.#search.leaf;
    const index = this.#search.index;
    const height = this.#search.height(header);
    this.#search.addToCounts(header, height, 1);
    if (this.#nodes.count(leaf) < LEAF_CAPACITY) {
      this.#nodes.insertInLeaf(leaf, index, ref, order);
      if (index === 0) this.#search.firstChanged(height, ref);
    } else this.#growth.insertInFull(header, height, leaf, index, ref, order);
  }

  /**
   * Adds refs[count - 1] to refs[0], scored records that are not in the tree. Those that come in ascending
   * order and behind all others enter the last leaf where it ends; a leaf's number is told to the nodes above
   * once.
   */
  insertBackward(header: number, refs: Uint32Array, count: number): void {
    const nodes = this.#nodes;
    let last = 0;
    let leaf = 0;
    let room = 0;
    let untold = 0;
    for (let index = count - 1; index >= 0; index--) {
      const ref = refs[index];
      const ascends = last === 0 || this.#search.isBelow(last, ref);
      if (ascends && room > 0) {
        nodes.insertInLeaf(leaf, LEAF_CAPACITY - room, ref, nodes.orderOfRef(ref));
        room--;
        untold++;
        last = ref;
        continue;
      }
      this.#tell(header, last, untold);
      untold = 0;
      this.insert(header, ref);
      last = ref;
      room = 0;
      if (!ascends) continue;
      this.#search.find(header, ref);
      leaf = this.#search.leaf;
      const held = nodes.count(leaf);
      const isLast = nodes.next(leaf) === 0 && this.#search.index === held - 1;
      if (isLast) room = LEAF_CAPACITY - held;
    }
    this.#tell(header, last, untold);
  }

  /** Counts elements that were put behind the others of the leaf that holds `ref`. */
  #tell(header: number, ref: number, elements: number): void {
    if (elements === 0) return;
    this.#search.find(header, ref);
    this.#search.addToCounts(header, this.#search.height(header), elements);
  }

  /** Takes an element out; its score must be the one it was inserted with. The caller frees the record. */
  remove(header: number, ref: number): void {
    this.#search.find(header, ref);
    this.#shrink.removeHere(header, 1);
  }

  /** Gives an element another score and its place. */
  setScore(header: number, ref: number, score: number): void {
    this.#search.find(header, ref);
    if (this.#search.staysHere(ref, score)) {
      this.#records.setScore(ref, score);
      const leaf = this.#search.leaf;
      this.#nodes.setHint(leaf, this.#search.index, this.#nodes.orderOfRef(ref));
      if (this.#search.index === 0) this.#search.firstChanged(this.#search.height(header), ref);
      return;
    }
    this.#shrink.removeHere(header, 1);
    this.#records.setScore(ref, score);
    this.insert(header, ref);
  }

  /** Elements before this one. */
  rankOf(header: number, ref: number): number {
    this.#search.find(header, ref);
    return this.#search.rank;
  }

  /** Elements with a score below `score`, or of at most `score` when `inclusive`. */
  countBelowScore(header: number, score: number, inclusive: boolean): number {
    this.#search.findScore(header, score, inclusive);
    return this.#search.rank;
  }

  /**
   * Elements with a member below the given one, or up to it when `inclusive`; only meaningful when all scores
   * are the same.
   */
  countBelowMember(
    header: number,
    member: Uint8Array,
    start: number,
    length: number,
    inclusive: boolean,
  ): number {
    this.#search.findMember(header, member, start, length, inclusive);
    return this.#search.rank;
  }

  /** The element of this rank (0 … count - 1), from which `next` and `previous` go on. */
  at(header: number, rank: number, cursor: RankTreeCursor): number {
    this.#search.descendToRank(header, rank);
    cursor.leaf = this.#search.leaf;
    cursor.index = this.#search.index;
    return this.#nodes.refAt(cursor.leaf, cursor.index);
  }

  /** The element behind the cursor's, 0 at the end. The tree must not have changed. */
  next(cursor: RankTreeCursor): number {
    const words = this.#words[cursor.leaf >>> SEGMENT_SHIFT];
    const at = (cursor.leaf & UNIT_MASK) << 1;
    if (++cursor.index < words[at + LEAF_COUNT]) return words[at + LEAF_REFS + cursor.index];
    cursor.leaf = words[at + LEAF_NEXT];
    cursor.index = 0;
    return cursor.leaf === 0 ? 0 : this.#nodes.refAt(cursor.leaf, 0);
  }

  /** The element before the cursor's, 0 at the start. The tree must not have changed. */
  previous(cursor: RankTreeCursor): number {
    if (cursor.index === 0) {
      cursor.leaf = this.#nodes.previous(cursor.leaf);
      if (cursor.leaf === 0) return 0;
      cursor.index = this.#nodes.count(cursor.leaf);
    }
    return this.#nodes.refAt(cursor.leaf, --cursor.index);
  }

  /**
   * Up to target.length elements in a row into `target`, from the cursor's own on, which moves behind them;
   * their number. Of what is left, `max` at most; the tree must not have changed.
   */
  collect(cursor: RankTreeCursor, reverse: boolean, max: number, target: Uint32Array): number {
    const wanted = Math.min(max, target.length);
    let found = 0;
    while (found < wanted && cursor.leaf !== 0) {
      const words = this.#words[cursor.leaf >>> SEGMENT_SHIFT];
      const at = (cursor.leaf & UNIT_MASK) << 1;
      const first = at + LEAF_REFS + cursor.index;
      const here = reverse ? cursor.index + 1 : words[at + LEAF_COUNT] - cursor.index;
      const taken = Math.min(here, wanted - found);
      if (reverse) for (let step = 0; step < taken; step++) target[found++] = words[first - step];
      else for (let step = 0; step < taken; step++) target[found++] = words[first + step];
      if (taken < here) {
        cursor.index += reverse ? -taken : taken;
        return found;
      }
      cursor.leaf = words[at + (reverse ? LEAF_PREVIOUS : LEAF_NEXT)];
      cursor.index = reverse && cursor.leaf !== 0 ? this.#nodes.count(cursor.leaf) - 1 : 0;
    }
    return found;
  }

  /**
   * Takes `count` elements from `rank` on out; `visit` gets each when the tree holds none of them any more.
   */
  removeRange(header: number, rank: number, count: number, visit: (ref: number) => void): void {
    while (count > 0) {
      this.#search.descendToRank(header, rank);
      const taken = Math.min(count, this.#nodes.count(this.#search.leaf) - this.#search.index);
      this.#nodes.copyRefs(this.#search.leaf, this.#search.index, taken, this.#removed);
      this.#shrink.removeHere(header, taken);
      for (let index = 0; index < taken; index++) visit(this.#removed[index]);
      count -= taken;
    }
  }

  /** Frees the nodes and the header; the elements are the caller's. */
  destroy(header: number): void {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    this.#destroyNode(words[at + TREE_ROOT], words[at + TREE_HEIGHT]);
    this.#arena.free(header);
  }

  #destroyNode(node: number, height: number): void {
    if (height > 0) {
      const count = this.#nodes.count(node);
      for (let index = 0; index < count; index++)
        this.#destroyNode(this.#nodes.child(node, index), height - 1);
    }
    this.#arena.free(node);
  }

  /** Header words root and height, for the checker of the tests. */
  shape(header: number): { root: number; height: number } {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    return { root: words[at + TREE_ROOT], height: words[at + TREE_HEIGHT] };
  }
}
