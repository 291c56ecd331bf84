/**
 * Taking elements out of a rank tree (rank-tree.ts draws it): nodes that get small are merged, empty ones
 * freed.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { TREE_HEIGHT, TREE_ROOT } from './rank-tree-layout.ts';
import type { RankTreeNodes } from './rank-tree-nodes.ts';
import type { RankTreeSearch } from './rank-tree-search.ts';

const LEAF_MERGE_BELOW = 32;
const LEAF_MERGED_MAX = 72;
const INNER_MERGE_BELOW = 12;
const INNER_MERGED_MAX = 40;

export class RankTreeShrink {
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

  /** Removes `count` elements of the path's leaf from its index on. */
  removeHere(header: number, count: number): void {
    const nodes = this.#nodes;
    const height = this.#search.height(header);
    const leaf = this.#search.leaf;
    nodes.removeFromLeaf(leaf, this.#search.index, count);
    this.#search.addToCounts(header, height, -count);
    const left = nodes.count(leaf);
    if (height === 0) return;
    if (left === 0) {
      nodes.unlinkLeaf(leaf);
      this.#arena.free(leaf);
      this.#removeChild(header, height - 1, this.#search.pathIndex[height - 1]);
      return;
    }
    if (this.#search.index === 0) this.#search.firstChanged(height, nodes.refAt(leaf, 0));
    if (left < LEAF_MERGE_BELOW) this.#mergeLeaf(header, height, left);
  }

  #mergeLeaf(header: number, height: number, count: number): void {
    const nodes = this.#nodes;
    const parent = this.#search.pathNode[height - 1];
    const own = this.#search.pathIndex[height - 1];
    let left = own;
    if (own + 1 >= nodes.count(parent) || nodes.childCount(parent, own + 1) + count > LEAF_MERGED_MAX) {
      if (own === 0 || nodes.childCount(parent, own - 1) + count > LEAF_MERGED_MAX) return;
      left = own - 1;
    }
    const into = nodes.child(parent, left);
    const gone = nodes.child(parent, left + 1);
    nodes.moveToLeftLeaf(into, gone, nodes.count(gone));
    nodes.unlinkLeaf(gone);
    this.#arena.free(gone);
    nodes.setChildCount(parent, left, nodes.count(into));
    this.#removeChild(header, height - 1, left + 1);
  }

  /** Takes a child, which is freed already, out of the path's node of `level`. */
  #removeChild(header: number, level: number, index: number): void {
    const nodes = this.#nodes;
    const node = this.#search.pathNode[level];
    nodes.removeChild(node, index);
    const count = nodes.count(node);
    if (count === 0) {
      // The root has two children at least, so this is none.
      this.#arena.free(node);
      this.#removeChild(header, level - 1, this.#search.pathIndex[level - 1]);
      return;
    }
    if (index === 0) this.#search.firstChanged(level, nodes.first(node, 0));
    if (level === 0) {
      if (count === 1) this.#lowerRoot(header);
    } else if (count < INNER_MERGE_BELOW) this.#mergeInner(header, level, count);
  }

  #mergeInner(header: number, level: number, count: number): void {
    const nodes = this.#nodes;
    const parent = this.#search.pathNode[level - 1];
    const own = this.#search.pathIndex[level - 1];
    let left = own;
    if (
      own + 1 >= nodes.count(parent) ||
      nodes.count(nodes.child(parent, own + 1)) + count > INNER_MERGED_MAX
    ) {
      if (own === 0 || nodes.count(nodes.child(parent, own - 1)) + count > INNER_MERGED_MAX) return;
      left = own - 1;
    }
    const into = nodes.child(parent, left);
    const gone = nodes.child(parent, left + 1);
    nodes.moveChildren(gone, into, nodes.count(gone));
    this.#arena.free(gone);
    nodes.setChildCount(parent, left, nodes.total(into));
    this.#removeChild(header, level - 1, left + 1);
  }

  /** The root has one child: that becomes the root, and so on. */
  #lowerRoot(header: number): void {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    while (words[at + TREE_HEIGHT] > 0 && this.#nodes.count(words[at + TREE_ROOT]) === 1) {
      const old = words[at + TREE_ROOT];
      words[at + TREE_ROOT] = this.#nodes.child(old, 0);
      words[at + TREE_HEIGHT]--;
      this.#arena.free(old);
    }
  }
}
