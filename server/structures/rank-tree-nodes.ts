/**
 * The nodes of a rank tree (rank-tree.ts draws them): moving entries within a node and between two. `words`
 * and `at` are the words of a node's segment and the node's first word among them.
 */

import { SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import {
  hintOf,
  INNER_CHILDREN,
  INNER_COUNT,
  INNER_COUNTS,
  INNER_FIRSTS,
  INNER_HIGHS,
  INNER_LOWS,
  LEAF_BASE_HIGH,
  LEAF_BASE_LOW,
  LEAF_COUNT,
  LEAF_HINTS,
  LEAF_NEXT,
  LEAF_PREVIOUS,
  LEAF_REFS,
  LEAF_SHIFT,
  orderedHigh,
  orderedLow,
  orderOf,
  shiftFor,
} from './rank-tree-layout.ts';
import type { Records } from './record.ts';

/** Below this a loop is faster than the call into the runtime. */
const LOOP_MOVE_MAX = 24;

/** Moves words[from, from + count) by `by` places; the ranges may overlap. */
function moveWords(words: Uint32Array, from: number, count: number, by: number): void {
  if (count > LOOP_MOVE_MAX) words.copyWithin(from + by, from, from + count);
  else if (by > 0) for (let at = from + count - 1; at >= from; at--) words[at + by] = words[at];
  else for (let at = from; at < from + count; at++) words[at + by] = words[at];
}

function moveBytes(bytes: Uint8Array, from: number, count: number, by: number): void {
  if (count > LOOP_MOVE_MAX) bytes.copyWithin(from + by, from, from + count);
  else if (by > 0) for (let at = from + count - 1; at >= from; at--) bytes[at + by] = bytes[at];
  else for (let at = from; at < from + count; at++) bytes[at + by] = bytes[at];
}

/** Access to the nodes of all trees of one arena. */
export class RankTreeNodes {
  readonly words: Uint32Array[];
  readonly bytes: Buffer[];
  readonly #records: Records;

  constructor(records: Records) {
    this.words = records.words;
    this.bytes = records.bytes;
    this.#records = records;
  }

  count(node: number): number {
    return this.words[node >>> SEGMENT_SHIFT][(node & UNIT_MASK) << 1];
  }

  next(leaf: number): number {
    return this.words[leaf >>> SEGMENT_SHIFT][((leaf & UNIT_MASK) << 1) + LEAF_NEXT];
  }

  previous(leaf: number): number {
    return this.words[leaf >>> SEGMENT_SHIFT][((leaf & UNIT_MASK) << 1) + LEAF_PREVIOUS];
  }

  refAt(leaf: number, index: number): number {
    return this.words[leaf >>> SEGMENT_SHIFT][((leaf & UNIT_MASK) << 1) + LEAF_REFS + index];
  }

  /** Makes `leaf` an empty one that stands between two others, which learn of it; 0: none. */
  startLeaf(leaf: number, previous: number, next: number): void {
    const at = (leaf & UNIT_MASK) << 1;
    this.words[leaf >>> SEGMENT_SHIFT].fill(0, at, at + LEAF_REFS);
    this.#linkLeaves(previous, leaf);
    this.#linkLeaves(leaf, next);
  }

  /** Takes a leaf out of the chain. */
  unlinkLeaf(leaf: number): void {
    const next = this.next(leaf);
    const previous = this.previous(leaf);
    if (next !== 0) this.words[next >>> SEGMENT_SHIFT][((next & UNIT_MASK) << 1) + LEAF_PREVIOUS] = previous;
    if (previous !== 0)
      this.words[previous >>> SEGMENT_SHIFT][((previous & UNIT_MASK) << 1) + LEAF_NEXT] = next;
  }

  #linkLeaves(left: number, right: number): void {
    if (left !== 0) this.words[left >>> SEGMENT_SHIFT][((left & UNIT_MASK) << 1) + LEAF_NEXT] = right;
    if (right !== 0) this.words[right >>> SEGMENT_SHIFT][((right & UNIT_MASK) << 1) + LEAF_PREVIOUS] = left;
  }

  /** Puts a ref, whose score has this order, at `index` of a leaf that has room. */
  insertInLeaf(leaf: number, index: number, ref: number, order: number): void {
    const words = this.words[leaf >>> SEGMENT_SHIFT];
    const bytes = this.bytes[leaf >>> SEGMENT_SHIFT];
    const at = (leaf & UNIT_MASK) << 1;
    const hints = (at << 2) + LEAF_HINTS;
    const count = words[at + LEAF_COUNT];
    if (index < count) {
      moveWords(words, at + LEAF_REFS + index, count - index, 1);
      moveBytes(bytes, hints + index, count - index, 1);
    }
    words[at + LEAF_REFS + index] = ref;
    bytes[hints + index] = hintOf(
      order,
      orderOf(words[at + LEAF_BASE_HIGH], words[at + LEAF_BASE_LOW]),
      words[at + LEAF_SHIFT],
    );
    words[at + LEAF_COUNT] = count + 1;
    // A leaf begins with a base and a shift that know one element only.
    if (count === 7 || count === 23 || count === 63) this.refreshHints(leaf);
  }

  setHint(leaf: number, index: number, order: number): void {
    const words = this.words[leaf >>> SEGMENT_SHIFT];
    const at = (leaf & UNIT_MASK) << 1;
    const base = orderOf(words[at + LEAF_BASE_HIGH], words[at + LEAF_BASE_LOW]);
    const hint = hintOf(order, base, words[at + LEAF_SHIFT]);
    this.bytes[leaf >>> SEGMENT_SHIFT][(at << 2) + LEAF_HINTS + index] = hint;
  }

  removeFromLeaf(leaf: number, index: number, count: number): void {
    const words = this.words[leaf >>> SEGMENT_SHIFT];
    const at = (leaf & UNIT_MASK) << 1;
    const behind = words[at + LEAF_COUNT] - index - count;
    if (behind > 0) {
      const hints = (at << 2) + LEAF_HINTS;
      moveWords(words, at + LEAF_REFS + index + count, behind, -count);
      moveBytes(this.bytes[leaf >>> SEGMENT_SHIFT], hints + index + count, behind, -count);
    }
    words[at + LEAF_COUNT] -= count;
  }

  /** Moves the last `count` entries of a leaf to the front of its right neighbour. */
  moveToRightLeaf(left: number, right: number, count: number): void {
    const from = this.words[left >>> SEGMENT_SHIFT];
    const fromAt = (left & UNIT_MASK) << 1;
    const to = this.words[right >>> SEGMENT_SHIFT];
    const toAt = (right & UNIT_MASK) << 1;
    moveWords(to, toAt + LEAF_REFS, to[toAt + LEAF_COUNT], count);
    const first = fromAt + LEAF_REFS + from[fromAt + LEAF_COUNT] - count;
    for (let index = 0; index < count; index++) to[toAt + LEAF_REFS + index] = from[first + index];
    from[fromAt + LEAF_COUNT] -= count;
    to[toAt + LEAF_COUNT] += count;
    this.refreshHints(left);
    this.refreshHints(right);
  }

  /** Moves the first `count` entries of a leaf to the end of its left neighbour. */
  moveToLeftLeaf(left: number, right: number, count: number): void {
    const to = this.words[left >>> SEGMENT_SHIFT];
    const toAt = (left & UNIT_MASK) << 1;
    const from = this.words[right >>> SEGMENT_SHIFT];
    const fromAt = (right & UNIT_MASK) << 1;
    const end = toAt + LEAF_REFS + to[toAt + LEAF_COUNT];
    for (let index = 0; index < count; index++) to[end + index] = from[fromAt + LEAF_REFS + index];
    from[fromAt + LEAF_COUNT] -= count;
    to[toAt + LEAF_COUNT] += count;
    moveWords(from, fromAt + LEAF_REFS + count, from[fromAt + LEAF_COUNT], -count);
    this.refreshHints(left);
    this.refreshHints(right);
  }

  /** Chooses base and shift by what the leaf holds, and writes all hints. */
  refreshHints(leaf: number): void {
    const words = this.words[leaf >>> SEGMENT_SHIFT];
    const bytes = this.bytes[leaf >>> SEGMENT_SHIFT];
    const at = (leaf & UNIT_MASK) << 1;
    const hints = (at << 2) + LEAF_HINTS;
    const count = words[at + LEAF_COUNT];
    if (count === 0) return;
    const last = this.orderOfRef(words[at + LEAF_REFS + count - 1]);
    const baseHigh = orderedHigh(this.#records.score(words[at + LEAF_REFS]));
    const baseLow = orderedLow();
    const base = orderOf(baseHigh, baseLow);
    const shift = shiftFor(last - base);
    words[at + LEAF_BASE_HIGH] = baseHigh;
    words[at + LEAF_BASE_LOW] = baseLow;
    words[at + LEAF_SHIFT] = shift;
    for (let index = 0; index < count; index++) {
      bytes[hints + index] = hintOf(this.orderOfRef(words[at + LEAF_REFS + index]), base, shift);
    }
  }

  orderOfRef(ref: number): number {
    const high = orderedHigh(this.#records.score(ref));
    return orderOf(high, orderedLow());
  }

  child(node: number, index: number): number {
    return this.words[node >>> SEGMENT_SHIFT][((node & UNIT_MASK) << 1) + INNER_CHILDREN + index];
  }

  /** Elements below child `index`. */
  childCount(node: number, index: number): number {
    return this.words[node >>> SEGMENT_SHIFT][((node & UNIT_MASK) << 1) + INNER_COUNTS + index];
  }

  setChildCount(node: number, index: number, count: number): void {
    this.words[node >>> SEGMENT_SHIFT][((node & UNIT_MASK) << 1) + INNER_COUNTS + index] = count;
  }

  /** The first element below child `index`. */
  first(node: number, index: number): number {
    return this.words[node >>> SEGMENT_SHIFT][((node & UNIT_MASK) << 1) + INNER_FIRSTS + index];
  }

  setFirst(node: number, index: number, ref: number): void {
    const words = this.words[node >>> SEGMENT_SHIFT];
    const at = ((node & UNIT_MASK) << 1) + index;
    words[at + INNER_FIRSTS] = ref;
    words[at + INNER_HIGHS] = orderedHigh(this.#records.score(ref));
    words[at + INNER_LOWS] = orderedLow();
  }

  /** Elements below all children. */
  total(node: number): number {
    const words = this.words[node >>> SEGMENT_SHIFT];
    const at = (node & UNIT_MASK) << 1;
    let total = 0;
    for (let index = 0; index < words[at + INNER_COUNT]; index++) total += words[at + INNER_COUNTS + index];
    return total;
  }

  startInner(node: number): void {
    this.words[node >>> SEGMENT_SHIFT][(node & UNIT_MASK) << 1] = 0;
  }

  insertChild(node: number, index: number, child: number, count: number, first: number): void {
    const words = this.words[node >>> SEGMENT_SHIFT];
    const at = (node & UNIT_MASK) << 1;
    const behind = words[at + INNER_COUNT] - index;
    for (const column of INNER_COLUMNS) moveWords(words, at + column + index, behind, 1);
    words[at + INNER_CHILDREN + index] = child;
    words[at + INNER_COUNTS + index] = count;
    words[at + INNER_COUNT]++;
    this.setFirst(node, index, first);
  }

  removeChild(node: number, index: number): void {
    const words = this.words[node >>> SEGMENT_SHIFT];
    const at = (node & UNIT_MASK) << 1;
    const behind = words[at + INNER_COUNT] - index - 1;
    for (const column of INNER_COLUMNS) moveWords(words, at + column + index + 1, behind, -1);
    words[at + INNER_COUNT]--;
  }

  /** Moves the last `count` children of a node behind those of another, which has room; 0 … its count. */
  moveChildren(from: number, to: number, count: number): void {
    const source = this.words[from >>> SEGMENT_SHIFT];
    const sourceAt = (from & UNIT_MASK) << 1;
    const target = this.words[to >>> SEGMENT_SHIFT];
    const targetAt = (to & UNIT_MASK) << 1;
    const first = source[sourceAt + INNER_COUNT] - count;
    const end = target[targetAt + INNER_COUNT];
    for (const column of INNER_COLUMNS) {
      for (let index = 0; index < count; index++) {
        target[targetAt + column + end + index] = source[sourceAt + column + first + index];
      }
    }
    source[sourceAt + INNER_COUNT] -= count;
    target[targetAt + INNER_COUNT] += count;
  }

  /** Refs of a leaf from `index` on into `target`. */
  copyRefs(leaf: number, index: number, count: number, target: Uint32Array): void {
    const words = this.words[leaf >>> SEGMENT_SHIFT];
    const first = ((leaf & UNIT_MASK) << 1) + LEAF_REFS + index;
    for (let to = 0; to < count; to++) target[to] = words[first + to];
  }
}

const INNER_COLUMNS = [INNER_CHILDREN, INNER_COUNTS, INNER_FIRSTS, INNER_HIGHS, INNER_LOWS] as const;
