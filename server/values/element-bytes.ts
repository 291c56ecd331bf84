import { TableWalk } from '../structures/table-walk.ts';
import type { ValueStore } from './value-store.ts';

/** Bytes of the arena that a table of elements holds, estimated from `samples` of them (0: all). */
export function elementBytes(store: ValueStore, walk: TableWalk, root: number, samples: number): number {
  const count = store.elements.count(root);
  const wanted = samples === 0 ? count : Math.min(samples, count);
  let sampled = 0;
  walk.open(root);
  for (let index = 0; index < wanted; index++) sampled += store.records.heldBytes(walk.next());
  const elements = wanted === 0 ? 0 : (sampled / wanted) * count;
  return TableWalk.heldBytes(store.arena, root) + Math.round(elements);
}
