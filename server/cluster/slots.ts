/**
 * Which node owns which of the 16384 slots, and which slots are on their way. One 16-bit node index a slot
 * and map, 0 for "none", so that routing reads typed arrays only.
 *
 * Invariant: `owner[s] === n.index` exactly when bit s of `n.slots` is set, and `n.slotCount` counts those
 * bits.
 */
import { SLOT_COUNT } from './bus-message.ts';
import type { ClusterNode, NodeTable } from './node-table.ts';

export class SlotMap {
  readonly owner: Uint16Array = new Uint16Array(SLOT_COUNT);
  readonly migratingTo: Uint16Array = new Uint16Array(SLOT_COUNT);
  readonly importingFrom: Uint16Array = new Uint16Array(SLOT_COUNT);
  /**
   * Slots whose owner in our view no longer claims them itself: anybody may take those, whatever the epoch.
   */
  readonly unclaimed: Uint8Array = new Uint8Array(SLOT_COUNT);
  assignedCount = 0;
  readonly #nodes: NodeTable;

  constructor(nodes: NodeTable) {
    this.#nodes = nodes;
  }

  ownerOf(slot: number): ClusterNode | null {
    return this.#nodes.byIndex(this.owner[slot] as number);
  }

  migratingNode(slot: number): ClusterNode | null {
    return this.#nodes.byIndex(this.migratingTo[slot] as number);
  }

  importingNode(slot: number): ClusterNode | null {
    return this.#nodes.byIndex(this.importingFrom[slot] as number);
  }

  /** Gives the slot to `node`, whoever had it. */
  assign(slot: number, node: ClusterNode): void {
    this.release(slot);
    this.owner[slot] = node.index;
    node.slots[slot >> 3] = (node.slots[slot >> 3] as number) | (1 << (slot & 7));
    node.slotCount++;
    this.assignedCount++;
    this.unclaimed[slot] = 0;
  }

  /** Leaves the slot without an owner; false when it had none. */
  release(slot: number): boolean {
    const node = this.ownerOf(slot);
    if (node === null) return false;
    this.owner[slot] = 0;
    node.slots[slot >> 3] = (node.slots[slot >> 3] as number) & ~(1 << (slot & 7));
    node.slotCount--;
    this.assignedCount--;
    this.unclaimed[slot] = 0;
    return true;
  }

  releaseAllOf(node: ClusterNode): number {
    let released = 0;
    if (node.slotCount === 0) return 0;
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (this.owner[slot] === node.index && this.release(slot)) released++;
    }
    return released;
  }

  /** Takes every mention of a node that goes away out of the maps. */
  forget(node: ClusterNode): void {
    this.releaseAllOf(node);
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (this.migratingTo[slot] === node.index) this.migratingTo[slot] = 0;
      if (this.importingFrom[slot] === node.index) this.importingFrom[slot] = 0;
    }
  }

  clearMigrations(): void {
    this.migratingTo.fill(0);
    this.importingFrom.fill(0);
  }
}

/** The slots set in a bitmap as inclusive ranges, ascending. */
export function slotRanges(bitmap: Uint8Array): [first: number, last: number][] {
  const ranges: [number, number][] = [];
  let first = -1;
  for (let slot = 0; slot <= SLOT_COUNT; slot++) {
    const set = slot < SLOT_COUNT && (((bitmap[slot >> 3] as number) >> (slot & 7)) & 1) === 1;
    if (set && first < 0) first = slot;
    if (!set && first >= 0) {
      ranges.push([first, slot - 1]);
      first = -1;
    }
  }
  return ranges;
}

export function isSlotSet(bitmap: Uint8Array, slot: number): boolean {
  return (((bitmap[slot >> 3] as number) >> (slot & 7)) & 1) === 1;
}
