/**
 * Searching a rank tree (rank-tree.ts draws it): the way from the root to a place, kept until the next search
 * so that a change can follow it up again.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import {
  DEPTH_MAX,
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
  LEAF_REFS,
  LEAF_SHIFT,
  orderedHigh,
  orderedLow,
  orderOf,
  TREE_COUNT,
  TREE_HEIGHT,
  TREE_ROOT,
} from './rank-tree-layout.ts';
import type { RankTreeNodes } from './rank-tree-nodes.ts';
import type { Records } from './record.ts';

/** What a search looks for: an element, the first score of at least or above, the first member likewise. */
const ELEMENT = 0;
const SCORE_FROM = 1;
const SCORE_ABOVE = 2;
const MEMBER_FROM = 3;
const MEMBER_ABOVE = 4;

const NO_BYTES = Buffer.alloc(0);

export class RankTreeSearch {
  /** Inner nodes of the last descent, from the root on, and the child taken in each. */
  readonly pathNode = new Uint32Array(DEPTH_MAX);
  readonly pathIndex = new Uint32Array(DEPTH_MAX);
  /** Where it ended, and the elements before that place. */
  leaf = 0;
  index = 0;
  rank = 0;
  readonly #records: Records;
  readonly #nodes: RankTreeNodes;
  readonly #words: Uint32Array[];
  readonly #bytes: Buffer[];
  #kind = ELEMENT;
  #score = 0;
  #high = 0;
  #low = 0;
  #member: Uint8Array = NO_BYTES;
  #memberStart = 0;
  #memberLength = 0;

  constructor(arena: Arena, records: Records, nodes: RankTreeNodes) {
    this.#records = records;
    this.#nodes = nodes;
    this.#words = arena.words;
    this.#bytes = arena.bytes;
  }

  /** Place in the order of scores of what was looked for last. */
  get order(): number {
    return orderOf(this.#high, this.#low);
  }

  height(header: number): number {
    return this.#words[header >>> SEGMENT_SHIFT][((header & UNIT_MASK) << 1) + TREE_HEIGHT];
  }

  /** Sets the rank to the number of elements below a score, or up to it when `inclusive`. */
  findScore(header: number, score: number, inclusive: boolean): void {
    this.#kind = inclusive ? SCORE_ABOVE : SCORE_FROM;
    this.#lookForScore(score);
    this.descend(header);
  }

  /** The same by member; all scores must be equal. */
  findMember(header: number, member: Uint8Array, start: number, length: number, inclusive: boolean): void {
    this.#kind = inclusive ? MEMBER_ABOVE : MEMBER_FROM;
    this.#member = member;
    this.#memberStart = start;
    this.#memberLength = length;
    this.descend(header);
  }

  #lookForScore(score: number): void {
    this.#score = score;
    this.#high = orderedHigh(score);
    this.#low = orderedLow();
  }

  lookForElement(ref: number): void {
    const records = this.#records;
    this.#kind = ELEMENT;
    this.#lookForScore(records.score(ref));
    this.#member = records.segment(ref);
    this.#memberStart = records.keyStart(ref);
    this.#memberLength = records.keyLength(ref);
  }

  /** Whether the first of two scored records stands before the other. */
  isBelow(ref: number, other: number): boolean {
    const score = this.#records.score(ref);
    const otherScore = this.#records.score(other);
    if (score !== otherScore) return score < otherScore;
    this.lookForElement(other);
    return this.#compareMember(ref) < 0;
  }

  /** Descends to an element that is in the tree. */
  find(header: number, ref: number): void {
    this.lookForElement(ref);
    this.descend(header);
    if (this.index >= this.#nodes.count(this.leaf) || this.#nodes.refAt(this.leaf, this.index) !== ref) {
      throw new Error('an element is not where its score and member say');
    }
  }

  /** Sets path, leaf, index and rank to the place before which all is less than what is looked for. */
  descend(header: number): void {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    const height = words[at + TREE_HEIGHT];
    let node = words[at + TREE_ROOT];
    let rank = 0;
    for (let level = 0; level < height; level++) {
      const nodeWords = this.#words[node >>> SEGMENT_SHIFT];
      const nodeAt = (node & UNIT_MASK) << 1;
      const index =
        this.#kind >= MEMBER_FROM
          ? this.#childByMember(nodeWords, nodeAt)
          : this.#childByScore(nodeWords, nodeAt);
      this.pathNode[level] = node;
      this.pathIndex[level] = index;
      const counts = nodeAt + INNER_COUNTS;
      for (let before = counts; before < counts + index; before++) rank += nodeWords[before];
      node = nodeWords[nodeAt + INNER_CHILDREN + index];
    }
    this.leaf = node;
    this.index = this.#placeInLeaf(node);
    this.rank = rank + this.index;
  }

  descendToRank(header: number, rank: number): void {
    const words = this.#words[header >>> SEGMENT_SHIFT];
    const at = (header & UNIT_MASK) << 1;
    const height = words[at + TREE_HEIGHT];
    let node = words[at + TREE_ROOT];
    for (let level = 0; level < height; level++) {
      const nodeWords = this.#words[node >>> SEGMENT_SHIFT];
      const nodeAt = (node & UNIT_MASK) << 1;
      let index = 0;
      while (rank >= nodeWords[nodeAt + INNER_COUNTS + index])
        rank -= nodeWords[nodeAt + INNER_COUNTS + index++];
      this.pathNode[level] = node;
      this.pathIndex[level] = index;
      node = nodeWords[nodeAt + INNER_CHILDREN + index];
    }
    this.leaf = node;
    this.index = rank;
  }

  /**
   * The last child whose first element is not behind what is looked for, by score and, for an element,
   * member.
   */
  #childByScore(words: Uint32Array, at: number): number {
    const high = this.#high;
    let low = 0;
    let end = words[at + INNER_COUNT];
    while (end - low > 1) {
      const middle = (low + end) >>> 1;
      const own = words[at + INNER_HIGHS + middle];
      let right = own < high;
      if (own === high) {
        const ownLow = words[at + INNER_LOWS + middle];
        if (ownLow !== this.#low) right = ownLow < this.#low;
        else if (this.#kind === ELEMENT) right = this.#compareMember(words[at + INNER_FIRSTS + middle]) <= 0;
        else right = this.#kind === SCORE_ABOVE;
      }
      if (right) low = middle;
      else end = middle;
    }
    return low;
  }

  #childByMember(words: Uint32Array, at: number): number {
    let low = 0;
    let end = words[at + INNER_COUNT];
    while (end - low > 1) {
      const middle = (low + end) >>> 1;
      const order = this.#compareMember(words[at + INNER_FIRSTS + middle]);
      if (order < 0 || (order === 0 && this.#kind === MEMBER_ABOVE)) low = middle;
      else end = middle;
    }
    return low;
  }

  #hintIn(leaf: number, order: number): number {
    const words = this.#words[leaf >>> SEGMENT_SHIFT];
    const at = (leaf & UNIT_MASK) << 1;
    return hintOf(
      order,
      orderOf(words[at + LEAF_BASE_HIGH], words[at + LEAF_BASE_LOW]),
      words[at + LEAF_SHIFT],
    );
  }

  /** Elements of the leaf that are before what is looked for. */
  #placeInLeaf(leaf: number): number {
    const words = this.#words[leaf >>> SEGMENT_SHIFT];
    const at = (leaf & UNIT_MASK) << 1;
    let low = 0;
    let end = words[at + LEAF_COUNT];
    if (this.#kind < MEMBER_FROM && end > 0) {
      const bytes = this.#bytes[leaf >>> SEGMENT_SHIFT];
      const hints = (at << 2) + LEAF_HINTS;
      const hint = this.#hintIn(leaf, orderOf(this.#high, this.#low));
      // The first place with this hint, then the first behind it.
      while (low < end) {
        const middle = (low + end) >>> 1;
        if (bytes[hints + middle] < hint) low = middle + 1;
        else end = middle;
      }
      const count = words[at + LEAF_COUNT];
      let step = 1;
      while (end < count && bytes[hints + end] === hint) {
        end = Math.min(count, end + step);
        step += step;
      }
      // `end` may lie too far behind by less than a step; the search below finds the place all the same.
    }
    while (low < end) {
      const middle = (low + end) >>> 1;
      if (this.#isBefore(words[at + LEAF_REFS + middle])) low = middle + 1;
      else end = middle;
    }
    return low;
  }

  #isBefore(ref: number): boolean {
    if (this.#kind >= MEMBER_FROM) {
      const order = this.#compareMember(ref);
      return order < 0 || (order === 0 && this.#kind === MEMBER_ABOVE);
    }
    const score = this.#records.score(ref);
    if (score !== this.#score) return score < this.#score;
    if (this.#kind === ELEMENT) return this.#compareMember(ref) < 0;
    return this.#kind === SCORE_ABOVE;
  }

  #compareElement(ref: number): number {
    const score = this.#records.score(ref);
    return score !== this.#score ? score - this.#score : this.#compareMember(ref);
  }

  /** Below 0 when the record's member is before the one that is looked for. */
  #compareMember(ref: number): number {
    const records = this.#records;
    const bytes = records.segment(ref);
    const start = records.keyStart(ref);
    const length = records.keyLength(ref);
    const other = this.#member;
    const otherStart = this.#memberStart;
    const shared = Math.min(length, this.#memberLength);
    for (let at = 0; at < shared; at++) {
      const difference = bytes[start + at] - other[otherStart + at];
      if (difference !== 0) return difference;
    }
    return length - this.#memberLength;
  }

  /** True when the element that was just found keeps its place with another score. */
  staysHere(ref: number, score: number): boolean {
    const leaf = this.leaf;
    const index = this.index;
    const last = this.#nodes.count(leaf) - 1;
    // A neighbour in another leaf is not looked at: such a move is rare.
    if ((index === 0 && this.#nodes.previous(leaf) !== 0) || (index === last && this.#nodes.next(leaf) !== 0))
      return false;
    this.lookForElement(ref);
    this.#lookForScore(score);
    if (index > 0 && this.#compareElement(this.#nodes.refAt(leaf, index - 1)) >= 0) return false;
    return index === last || this.#compareElement(this.#nodes.refAt(leaf, index + 1)) > 0;
  }

  /** Adds to the count of the tree and to those along the path. */
  addToCounts(header: number, height: number, change: number): void {
    this.#words[header >>> SEGMENT_SHIFT][((header & UNIT_MASK) << 1) + TREE_COUNT] += change;
    for (let level = 0; level < height; level++) {
      const node = this.pathNode[level];
      const at = ((node & UNIT_MASK) << 1) + INNER_COUNTS + this.pathIndex[level];
      this.#words[node >>> SEGMENT_SHIFT][at] += change;
    }
  }

  /** The node at `height` (counted from the root) on the path has another first element. */
  firstChanged(height: number, ref: number): void {
    for (let level = height - 1; level >= 0; level--) {
      this.#nodes.setFirst(this.pathNode[level], this.pathIndex[level], ref);
      if (this.pathIndex[level] !== 0) return;
    }
  }
}
