/**
 * What happens when a leaf of a rank tree (rank-tree.ts draws it) is full: it gives to a neighbour, or
 * another leaf begins, and above it nodes split where they must.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import {
  INNER_BYTES,
  INNER_CAPACITY,
  LEAF_BYTES,
  LEAF_CAPACITY,
  TREE_HEIGHT,
  TREE_ROOT,
} from './rank-tree-layout.ts';
import type { RankTreeNodes } from './rank-tree-nodes.ts';
import type { RankTreeSearch } from './rank-tree-search.ts';

/** A neighbour with less room than this takes nothing. */
const GIVE_ROOM_MIN = 12;

export class RankTreeGrowth {
  readonly #arena: Arena;
  readonly #nodes: RankTreeNodes;
  readonly #search: RankTreeSearch;
  readonly #words: Uint32Array[];

  constructor(arena: Arena, nodes: RankTreeNodes, search: RankTreeSearch) {
    this.#arena = arena;
    this.#nodes = nodes;
    this.#search = search;
    this.#words = arena.words;
  }

  /** Inserts at a place of a full leaf; the counts along the path have it already. */
  insertInFull(
    header: number,
    height: number,
    leaf: number,
    index: number,
    ref: number,
    order: number,
  ): void {
    const nodes = this.#nodes;
    const parent = height === 0 ? 0 : this.#search.pathNode[height - 1];
    const own = height === 0 ? 0 : this.#search.pathIndex[height - 1];
    const next = nodes.next(leaf);
    const previous = nodes.previous(leaf);
    if ((index === LEAF_CAPACITY && next === 0) || (index === 0 && previous === 0)) {
      // At an end of the tree: what comes in order leaves full leaves behind.
      const fresh = this.#arena.allocate(LEAF_BYTES);
      const behind = index !== 0;
      nodes.startLeaf(fresh, behind ? leaf : 0, behind ? 0 : leaf);
      nodes.insertInLeaf(fresh, 0, ref, order);
      nodes.refreshHints(fresh);
      this.#addLeaf(header, height, leaf, fresh, behind);
      return;
    }
    if (parent !== 0 && own + 1 < nodes.count(parent)) {
      const room = LEAF_CAPACITY - nodes.childCount(parent, own + 1);
      if (room >= GIVE_ROOM_MIN) {
        this.#giveRight(parent, own, leaf, next, room, index, ref, order);
        return;
      }
    }
    if (own > 0) {
      const room = LEAF_CAPACITY - nodes.childCount(parent, own - 1);
      if (room >= GIVE_ROOM_MIN) {
        this.#giveLeft(parent, own, previous, leaf, room, index, ref, order);
        return;
      }
    }
    const right = this.#arena.allocate(LEAF_BYTES);
    nodes.startLeaf(right, leaf, next);
    const half = LEAF_CAPACITY >>> 1;
    nodes.moveToRightLeaf(leaf, right, LEAF_CAPACITY - half);
    if (index <= half) nodes.insertInLeaf(leaf, index, ref, order);
    else nodes.insertInLeaf(right, index - half, ref, order);
    this.#addLeaf(header, height, leaf, right, true);
  }

  /** Half of the right neighbour's room is filled from a full leaf, which then takes the element. */
  #giveRight(
    parent: number,
    own: number,
    leaf: number,
    right: number,
    room: number,
    index: number,
    ref: number,
    order: number,
  ): void {
    const nodes = this.#nodes;
    const moved = room >>> 1;
    nodes.moveToRightLeaf(leaf, right, moved);
    const kept = LEAF_CAPACITY - moved;
    if (index <= kept) nodes.insertInLeaf(leaf, index, ref, order);
    else nodes.insertInLeaf(right, index - kept, ref, order);
    nodes.setChildCount(parent, own, nodes.count(leaf));
    nodes.setChildCount(parent, own + 1, nodes.count(right));
    nodes.setFirst(parent, own + 1, nodes.refAt(right, 0));
  }

  #giveLeft(
    parent: number,
    own: number,
    left: number,
    leaf: number,
    room: number,
    index: number,
    ref: number,
    order: number,
  ): void {
    const nodes = this.#nodes;
    const moved = room >>> 1;
    nodes.moveToLeftLeaf(left, leaf, moved);
    if (index <= moved) nodes.insertInLeaf(left, nodes.count(left) - moved + index, ref, order);
    else nodes.insertInLeaf(leaf, index - moved, ref, order);
    nodes.setChildCount(parent, own - 1, nodes.count(left));
    nodes.setChildCount(parent, own, nodes.count(leaf));
    nodes.setFirst(parent, own, nodes.refAt(leaf, 0));
  }

  /** Enters a new leaf beside the one of the path; the path counts the elements of both as the old one's. */
  #addLeaf(header: number, height: number, leaf: number, fresh: number, behind: boolean): void {
    const nodes = this.#nodes;
    if (height === 0) {
      this.#newRoot(header, behind ? leaf : fresh, behind ? fresh : leaf, 0);
      return;
    }
    const parent = this.#search.pathNode[height - 1];
    const own = this.#search.pathIndex[height - 1];
    nodes.setChildCount(parent, own, nodes.count(leaf));
    this.#addChild(
      header,
      height - 1,
      behind ? own + 1 : own,
      fresh,
      nodes.count(fresh),
      nodes.refAt(fresh, 0),
    );
    // A leaf in front of all others: its element is the first of every node on the way.
    if (!behind) this.#search.firstChanged(height - 1, nodes.refAt(fresh, 0));
  }

  /** Inserts a child into the path's node of `level`, which splits when it is full. */
  #addChild(header: number, level: number, index: number, child: number, count: number, first: number): void {
    const nodes = this.#nodes;
    const node = this.#search.pathNode[level];
    if (nodes.count(node) < INNER_CAPACITY) {
      nodes.insertChild(node, index, child, count, first);
      return;
    }
    const right = this.#arena.allocate(INNER_BYTES);
    nodes.startInner(right);
    // A node at the right end stays full, as leaves do.
    const kept = index === INNER_CAPACITY && this.#isRightmost(level) ? INNER_CAPACITY : INNER_CAPACITY >>> 1;
    nodes.moveChildren(node, right, INNER_CAPACITY - kept);
    if (index < kept) nodes.insertChild(node, index, child, count, first);
    else nodes.insertChild(right, index - kept, child, count, first);
    if (level === 0) {
      this.#newRoot(header, node, right, this.#search.height(header));
      return;
    }
    nodes.setChildCount(
      this.#search.pathNode[level - 1],
      this.#search.pathIndex[level - 1],
      nodes.total(node),
    );
    const above = this.#search.pathIndex[level - 1] + 1;
    this.#addChild(header, level - 1, above, right, nodes.total(right), nodes.first(right, 0));
  }

  #isRightmost(level: number): boolean {
    for (let above = 0; above < level; above++) {
      if (this.#search.pathIndex[above] !== this.#nodes.count(this.#search.pathNode[above]) - 1) return false;
    }
    return true;
  }

  /** `height`: that of the two nodes. */
  #newRoot(header: number, left: number, right: number, height: number): void {
    const nodes = this.#nodes;
    const root = this.#arena.allocate(INNER_BYTES);
    nodes.startInner(root);
    for (const node of [left, right]) {
      const count = height === 0 ? nodes.count(node) : nodes.total(node);
      const first = height === 0 ? nodes.refAt(node, 0) : nodes.first(node, 0);
      nodes.insertChild(root, nodes.count(root), node, count, first);
    }
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    words[at + TREE_ROOT] = root;
    words[at + TREE_HEIGHT] = height + 1;
  }
}
