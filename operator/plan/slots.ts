/** Sets of hash slots as sorted, disjoint ranges, both ends included. */

export const SLOT_COUNT = 16_384;

export interface SlotRange {
  readonly first: number;
  readonly last: number;
}

export function countSlots(ranges: readonly SlotRange[]): number {
  return ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0);
}

export function hasSlot(ranges: readonly SlotRange[], slot: number): boolean {
  return ranges.some((range) => range.first <= slot && slot <= range.last);
}

/** Ranges of ascending slots. */
export function toRanges(slots: readonly number[]): SlotRange[] {
  const ranges: { first: number; last: number }[] = [];
  for (const slot of slots) {
    const open = ranges.at(-1);
    if (open !== undefined && open.last === slot - 1) open.last = slot;
    else ranges.push({ first: slot, last: slot });
  }
  return ranges;
}

/** `count` consecutive slots from `first` on, cut into `parts` of sizes that differ by at most one. */
export function splitEvenly(slots: readonly number[], parts: number): number[][] {
  const pieces: number[][] = [];
  for (let part = 0; part < parts; part += 1) {
    const from = Math.floor((part * slots.length) / parts);
    const to = Math.floor(((part + 1) * slots.length) / parts);
    pieces.push(slots.slice(from, to));
  }
  return pieces;
}

/** `0-5460,8000`: as Redis prints them, comma-separated; `none` for no slot. */
export function printSlots(ranges: readonly SlotRange[]): string {
  if (ranges.length === 0) return 'none';
  return ranges.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`)).join(',');
}

/** Inverse of `printSlots`. */
export function parseSlots(text: string): SlotRange[] {
  if (text === 'none' || text === '') return [];
  return text.split(',').map((piece) => {
    const [first, last] = piece.split('-');
    return { first: Number(first), last: Number(last ?? first) };
  });
}
