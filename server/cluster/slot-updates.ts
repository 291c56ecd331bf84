/**
 * What happens when a primary claims slots: the higher configuration epoch wins, and losers follow the
 * winner.
 */
import { SLOT_COUNT } from './bus-message.ts';
import { sendUpdate } from './bus-send.ts';
import type { ClusterState } from './cluster-state.ts';
import { becomePrimary, followPrimary } from './membership.ts';
import type { ClusterNode } from './node-table.ts';
import { isSlotSet } from './slots.ts';

/** Takes in that `claimant` serves exactly the slots of the bitmap, as of `configEpoch`. */
export function applySlotClaims(
  state: ClusterState,
  claimant: ClusterNode,
  configEpoch: number,
  claimed: Uint8Array,
): void {
  const { myself, slots } = state;
  if (claimant === myself) return;
  const shardPrimary = myself.shardPrimary;
  const orphanedKeys: number[] = [];
  let claimedCount = 0;
  let takenFromUs = 0;
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const owner = slots.ownerOf(slot);
    if (!isSlotSet(claimed, slot)) {
      if (owner === claimant) slots.unclaimed[slot] = 1;
      continue;
    }
    claimedCount++;
    if (owner === claimant) {
      slots.unclaimed[slot] = 0;
      continue;
    }
    // A slot that we import changes hands only by the one who moves it: the source still has the old epoch.
    if (slots.importingFrom[slot] !== 0) continue;
    if (owner !== null && slots.unclaimed[slot] === 0 && owner.configEpoch >= configEpoch) continue;
    if (owner === myself && state.environment.keys.countKeysInSlot(slot) > 0) orphanedKeys.push(slot);
    if (owner !== null && owner === shardPrimary) takenFromUs++;
    if (owner === myself) slots.migratingTo[slot] = 0;
    slots.assign(slot, claimant);
    state.updateSoon();
    state.saveSoon(true);
  }
  reactToLoss(state, claimant, shardPrimary, takenFromUs, claimedCount, orphanedKeys);
}

function reactToLoss(
  state: ClusterState,
  claimant: ClusterNode,
  shardPrimary: ClusterNode | null,
  takenFromUs: number,
  claimedCount: number,
  orphanedKeys: readonly number[],
): void {
  const lostAll = takenFromUs > 0 && shardPrimary !== null && shardPrimary.slotCount === 0;
  if (lostAll && (state.settings.allowReplicaMigration || claimedCount === takenFromUs)) {
    state.environment.log(
      'notice',
      `Configuration change detected. Reconfiguring myself as a replica of ${claimant.id}`,
    );
    followPrimary(state, claimant);
    return;
  }
  if (leaveSubReplica(state)) return;
  for (const slot of orphanedKeys) state.environment.keys.deleteSlotKeys(slot);
}

/** Our primary has become a replica itself: we follow whom it follows. True when that was so. */
export function leaveSubReplica(state: ClusterState): boolean {
  const { myself } = state;
  const grandPrimary = myself.primary?.primary ?? null;
  if (!myself.isReplica || grandPrimary === null || grandPrimary === myself) return false;
  state.environment.log(
    'notice',
    `I'm a sub-replica! Reconfiguring myself from ${myself.primary?.id} to ${grandPrimary.id}`,
  );
  followPrimary(state, grandPrimary);
  return true;
}

/** Tells a node that claims slots with an old epoch who has them now; one correction a frame is enough. */
export function correctStaleClaims(
  state: ClusterState,
  sender: ClusterNode,
  configEpoch: number,
  claimed: Uint8Array,
): void {
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    if (!isSlotSet(claimed, slot)) continue;
    const owner = state.slots.ownerOf(slot);
    if (owner === null || owner === sender || state.slots.unclaimed[slot] === 1) continue;
    if (owner.configEpoch <= configEpoch) continue;
    state.environment.log(
      'verbose',
      `Node ${sender.id} has old slots configuration, sending an UPDATE message about ${owner.id}`,
    );
    sendUpdate(state, sender.link, owner);
    return;
  }
}

/** An UPDATE came: somebody knows a newer configuration of `nodeId` than we have. */
export function applyUpdate(
  state: ClusterState,
  nodeId: string,
  configEpoch: number,
  claimed: Uint8Array,
): void {
  const node = state.nodes.byId(nodeId);
  if (node === undefined || node.configEpoch >= configEpoch) return;
  if (node === state.myself && node.isReplica) return;
  becomePrimary(state, node);
  node.configEpoch = configEpoch;
  state.saveSoon(true);
  applySlotClaims(state, node, configEpoch, claimed);
}
