/**
 * What a person or an operator may do to the configuration of this node. Every function either changes the
 * state and returns null, or changes nothing and returns the error text for the client. `settle` has to
 * follow.
 */
import { SLOT_COUNT } from './bus-message.ts';
import type { ClusterState } from './cluster-state.ts';
import { bumpEpochWithoutConsensus } from './election.ts';
import { broadcastPong } from './gossip.ts';
import { resetManualFailover, startManualFailover } from './manual-failover.ts';
import { becomePrimary, followPrimary, forgetNode, removeNode } from './membership.ts';
import { type ClusterNode, FAILED } from './node-table.ts';

/** The whole error text, or null. */
export type ConfigRefusal = string | null;

/** A slot that stands twice in the list, or -1. */
function repeated(slots: readonly number[]): number {
  const seen = new Uint8Array(SLOT_COUNT);
  for (const slot of slots) {
    if (seen[slot] === 1) return slot;
    seen[slot] = 1;
  }
  return -1;
}

export function takeSlots(state: ClusterState, slots: readonly number[]): ConfigRefusal {
  const busy = slots.find((slot) => state.slots.owner[slot] !== 0);
  if (busy !== undefined) return `ERR Slot ${busy} is already busy`;
  const twice = repeated(slots);
  if (twice >= 0) return `ERR Slot ${twice} specified multiple times`;
  for (const slot of slots) {
    state.slots.importingFrom[slot] = 0;
    state.slots.assign(slot, state.myself);
  }
  changed(state);
  return null;
}

export function releaseSlots(state: ClusterState, slots: readonly number[]): ConfigRefusal {
  const free = slots.find((slot) => state.slots.owner[slot] === 0);
  if (free !== undefined) return `ERR Slot ${free} is already unassigned`;
  const twice = repeated(slots);
  if (twice >= 0) return `ERR Slot ${twice} specified multiple times`;
  for (const slot of slots) state.slots.release(slot);
  changed(state);
  return null;
}

export function flushSlots(state: ClusterState): ConfigRefusal {
  if (!state.environment.keys.isEmpty()) return 'ERR DB must be empty to perform CLUSTER FLUSHSLOTS.';
  state.slots.releaseAllOf(state.myself);
  changed(state);
  return null;
}

export function bumpEpoch(state: ClusterState): boolean {
  const bumped = bumpEpochWithoutConsensus(state);
  if (bumped) changed(state);
  return bumped;
}

export function setConfigEpoch(state: ClusterState, epoch: number): ConfigRefusal {
  if (state.nodes.size > 1) {
    return 'ERR The user can assign a config epoch only when the node does not know any other node.';
  }
  if (state.myself.configEpoch !== 0) return 'ERR Node config epoch is already non-zero';
  state.myself.configEpoch = epoch;
  state.currentEpoch = Math.max(state.currentEpoch, epoch);
  changed(state);
  return null;
}

export function forget(state: ClusterState, id: string): ConfigRefusal {
  const node = state.nodes.byId(id);
  if (node === undefined) return state.isBanned(id) ? null : `ERR Unknown node ${id}`;
  if (node === state.myself) return "ERR I tried hard but I can't forget myself...";
  if (state.myself.primary === node) return "ERR Can't forget my master!";
  forgetNode(state, node);
  return null;
}

export function startReplicating(state: ClusterState, id: string): ConfigRefusal {
  const { myself, environment } = state;
  const node = state.nodes.byId(id);
  if (node === undefined) return `ERR Unknown node ${id}`;
  if (node === myself) return "ERR Can't replicate myself";
  if (node.isReplica) return 'ERR I can only replicate a master, not a replica.';
  if (myself.isPrimary && (myself.slotCount !== 0 || !environment.keys.isEmpty())) {
    return 'ERR To set a master the node must be empty and without assigned slots.';
  }
  if (myself.primary === node) return null;
  followPrimary(state, node);
  return null;
}

export function startFailover(state: ClusterState, mode: 'normal' | 'force' | 'takeover'): ConfigRefusal {
  const { myself } = state;
  if (myself.isPrimary) return 'ERR You should send CLUSTER FAILOVER to a replica';
  if (state.leaving) return 'ERR This node is shutting down';
  if (myself.primary === null) return "ERR I'm a replica but my master is unknown to me";
  if (mode === 'normal' && (myself.primary.has(FAILED) || myself.primary.link === null)) {
    return 'ERR Master is down or failed, please use CLUSTER FAILOVER FORCE';
  }
  startManualFailover(state, mode);
  return null;
}

/** Leaves the cluster behind; with `hard` under a new name and without epochs. */
export function reset(state: ClusterState, hard: boolean): ConfigRefusal {
  const { myself, environment } = state;
  if (myself.isPrimary && !environment.keys.isEmpty()) {
    return "ERR CLUSTER RESET can't be called with master nodes containing keys";
  }
  if (myself.isReplica) {
    becomePrimary(state, myself);
    environment.replication.promote();
    environment.replication.flushData();
    myself.shardId = environment.newNodeId();
  }
  resetManualFailover(state);
  state.slots.clearMigrations();
  for (let slot = 0; slot < SLOT_COUNT; slot++) state.slots.release(slot);
  for (const node of [...state.nodes.all()]) if (node !== myself) removeNode(state, node);
  if (hard) {
    state.currentEpoch = 0;
    myself.configEpoch = 0;
    state.lastVoteEpoch = 0;
    const before = myself.id;
    state.nodes.rename(myself, environment.newNodeId());
    environment.log('notice', `Node hard reset, I'm now ${myself.id}, formerly ${before}`);
  }
  changed(state);
  return null;
}

/** A primary that may be the other end of a move, or the error text. */
function partner(state: ClusterState, id: string, unknown: string): ClusterNode | string {
  const node = state.nodes.byId(id);
  if (node === undefined) return unknown;
  return node.isReplica ? 'ERR Target node is not a master' : node;
}

export function setSlotMigrating(state: ClusterState, slot: number, targetId: string): ConfigRefusal {
  if (state.slots.ownerOf(slot) !== state.myself) return `ERR I'm not the owner of hash slot ${slot}`;
  const target = partner(state, targetId, `ERR I don't know about node ${targetId}`);
  if (typeof target === 'string') return target;
  state.slots.migratingTo[slot] = target.index;
  changed(state);
  return null;
}

export function setSlotImporting(state: ClusterState, slot: number, sourceId: string): ConfigRefusal {
  if (state.slots.ownerOf(slot) === state.myself) return `ERR I'm already the owner of hash slot ${slot}`;
  const source = partner(state, sourceId, `ERR I don't know about node ${sourceId}`);
  if (typeof source === 'string') return source;
  state.slots.importingFrom[slot] = source.index;
  changed(state);
  return null;
}

export function setSlotStable(state: ClusterState, slot: number): ConfigRefusal {
  state.slots.importingFrom[slot] = 0;
  state.slots.migratingTo[slot] = 0;
  changed(state);
  return null;
}

/** Ends a move: on the target first, which takes a new epoch, so that the news wins everywhere. */
export function setSlotOwner(state: ClusterState, slot: number, ownerId: string): ConfigRefusal {
  const { myself, slots, environment } = state;
  const node = partner(state, ownerId, `ERR Unknown node ${ownerId}`);
  if (typeof node === 'string') return node;
  const wasMine = slots.ownerOf(slot) === myself;
  const keys = environment.keys.countKeysInSlot(slot);
  if (wasMine && node !== myself && keys !== 0) {
    const what = `hashslot ${slot} to a different node`;
    return `ERR Can't assign ${what} while I still hold keys for this hash slot.`;
  }
  if (keys === 0) slots.migratingTo[slot] = 0;
  slots.assign(slot, node);
  changed(state);
  if (node === myself && slots.importingFrom[slot] !== 0) {
    if (bumpEpochWithoutConsensus(state)) {
      environment.log('notice', `configEpoch updated after importing slot ${slot}`);
    }
    slots.importingFrom[slot] = 0;
    broadcastPong(state, 'all');
  }
  if (wasMine && node !== myself && myself.slotCount === 0 && state.settings.allowReplicaMigration) {
    environment.log(
      'notice',
      `Configuration change detected. Reconfiguring myself as a replica of ${node.id}`,
    );
    followPrimary(state, node);
  }
  return null;
}

function changed(state: ClusterState): void {
  state.updateSoon();
  state.saveSoon(true);
}
