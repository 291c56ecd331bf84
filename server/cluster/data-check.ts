/**
 * After loading: keys in slots that nodes.conf does not give us were written before a move or without a
 * cluster.
 */
import { SLOT_COUNT } from './bus-message.ts';
import type { ClusterState } from './cluster-state.ts';

/**
 * As a primary: takes slots without an owner, and marks slots of others as being imported, so that no key is
 * lost.
 */
export function adoptKeysFound(state: ClusterState): void {
  const { slots, myself, environment } = state;
  if (!myself.isPrimary || environment.keys.isEmpty()) return;
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const owner = slots.ownerOf(slot);
    if (owner === myself || slots.importingFrom[slot] !== 0) continue;
    if (environment.keys.countKeysInSlot(slot) === 0) continue;
    if (owner === null) {
      environment.log('notice', `I have keys for unassigned slot ${slot}. Taking responsibility for it.`);
      slots.assign(slot, myself);
    } else {
      environment.log(
        'notice',
        `I have keys for slot ${slot}, but the slot is assigned to another node. ` +
          'Setting it to importing state.',
      );
      slots.importingFrom[slot] = owner.index;
    }
    state.updateSoon();
    state.saveSoon(true);
  }
}
