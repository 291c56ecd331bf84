/** Numbers of the rank tree's layout (rank-tree.ts draws it) and the order of scores as integers. */

export const TREE_HEADER_BYTES = 16;
// Words of the header.
export const TREE_ROOT = 0;
/** Levels of inner nodes; 0: the root is a leaf. */
export const TREE_HEIGHT = 1;
export const TREE_COUNT = 2;
/** For the owner of the tree. */
export const TREE_OWNER = 3;

/** Words of a leaf: head, then refs, then one byte an element. */
export const LEAF_BYTES = 512;
export const LEAF_COUNT = 0;
export const LEAF_NEXT = 1;
export const LEAF_PREVIOUS = 2;
export const LEAF_BASE_HIGH = 3;
export const LEAF_BASE_LOW = 4;
export const LEAF_SHIFT = 5;
export const LEAF_REFS = 6;
export const LEAF_CAPACITY = 96;
/** Byte of the first hint. */
export const LEAF_HINTS = (LEAF_REFS + LEAF_CAPACITY) * 4;

/** Words of an inner node: the count, then one column after the other. */
export const INNER_BYTES = 1024;
export const INNER_COUNT = 0;
export const INNER_CAPACITY = 50;
export const INNER_CHILDREN = 2;
export const INNER_COUNTS = INNER_CHILDREN + INNER_CAPACITY;
/** The first element below each child, and its score as two ordered words. */
export const INNER_FIRSTS = INNER_COUNTS + INNER_CAPACITY;
export const INNER_HIGHS = INNER_FIRSTS + INNER_CAPACITY;
export const INNER_LOWS = INNER_HIGHS + INNER_CAPACITY;

/** More levels than 2^32 elements in nodes of two could need. */
export const DEPTH_MAX = 34;

const DOUBLE = new Float64Array(1);
const DOUBLE_WORDS = new Uint32Array(DOUBLE.buffer);

/**
 * The upper word of a score's place among all doubles: unsigned, (high, low) compares as the scores do; both
 * zeros have one place. `orderedLow` goes with the last call.
 */
export function orderedHigh(score: number): number {
  DOUBLE[0] = score + 0;
  const high = DOUBLE_WORDS[1];
  return high >>> 31 === 0 ? (high | 0x80000000) >>> 0 : ~high >>> 0;
}

/** The lower word for the score that `orderedHigh` was just asked for. */
export function orderedLow(): number {
  return DOUBLE_WORDS[1] >>> 31 === 0 ? DOUBLE_WORDS[0] : ~DOUBLE_WORDS[0] >>> 0;
}

/** The upper 52 bits of an ordered pair as one exact number. */
export function orderOf(high: number, low: number): number {
  return high * 0x100000 + (low >>> 12);
}

const HINT_MAX = 255;
/** 2^-shift. */
const FACTORS: Float64Array = Float64Array.from({ length: 64 }, (_, shift) => 2 ** -shift);

/**
 * The byte that stands for an order in a leaf with this base and shift: never falls while the order rises.
 */
export function hintOf(order: number, base: number, shift: number): number {
  if (order <= base) return 0;
  const hint = (order - base) * FACTORS[shift];
  return hint >= HINT_MAX ? HINT_MAX : hint | 0;
}

/** The shift with which orders `range` above the base still have a hint of their own. */
export function shiftFor(range: number): number {
  let shift = 0;
  while (range * FACTORS[shift] > HINT_MAX) shift++;
  return shift;
}
