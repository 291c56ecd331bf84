/**
 * Migrations that somebody began and did not end, ours or anybody's, are finished; markers of migrations
 * that are over, or whose other end no longer exists, are dropped.
 *
 * Finishing is always right while both ends answer: keys of the slot may be on either side, and only moving
 * the rest brings them together. After a failover of one end the migration goes on with its new primary.
 */
import { actOrBlock, type Block, type Decision, type Holds, NOTHING } from './decision.ts';
import type { LiveMember, OpenSlot, Snapshot } from './snapshot.ts';
import { type Step, targetOf } from './step.ts';
import { type Topology, topologyOf } from './topology.ts';

export function openSlots(snapshot: Snapshot, holds: Holds): Decision {
  const topology = topologyOf(snapshot);
  if (holds.onCluster('slots')) return NOTHING;
  const closing: Step[] = [];
  const blocks: Block[] = [];
  /** Slots to finish, by source and target. */
  const moves = new Map<string, { from: LiveMember; to: LiveMember; slots: Set<number> }>();
  for (const holder of topology.live) {
    if (holder.server.role !== 'primary') continue;
    for (const open of holder.server.openSlots) {
      const verdict = judge(topology, holder, open);
      if (verdict.kind === 'close')
        closing.push({ kind: 'closeSlot', on: targetOf(holder), slot: open.slot });
      else if (verdict.kind === 'wait') blocks.push(waiting(holder, open, verdict.message));
      else {
        const key = `${verdict.from.server.nodeId} ${verdict.to.server.nodeId}`;
        const move = moves.get(key) ?? { from: verdict.from, to: verdict.to, slots: new Set<number>() };
        move.slots.add(open.slot);
        moves.set(key, move);
      }
    }
  }
  const finishing = [...moves.values()]
    .filter(({ from, to }) => !holds.on('slots', from.pod.shard) && !holds.on('slots', to.pod.shard))
    .map(({ from, to, slots }): Step => {
      return {
        kind: 'migrateSlots',
        from: targetOf(from),
        to: targetOf(to),
        slots: [...slots].sort((left, right) => left - right),
        others: otherPrimaries(topology, from, to),
      };
    });
  return actOrBlock([...closing, ...finishing], 'migrations that were interrupted are finished', blocks);
}

export function otherPrimaries(topology: Topology, from: LiveMember, to: LiveMember) {
  return topology.live
    .filter((each) => each !== from && each !== to && topology.owned.has(each.server.nodeId))
    .map(targetOf);
}

type Verdict =
  | { readonly kind: 'close' }
  | { readonly kind: 'finish'; readonly from: LiveMember; readonly to: LiveMember }
  | { readonly kind: 'wait'; readonly message: string };

function judge(topology: Topology, holder: LiveMember, open: OpenSlot): Verdict {
  const ownerId = topology.slotOwner[open.slot];
  const holderOwns = ownerId === holder.server.nodeId;
  if (open.direction === 'migrating') {
    if (!holderOwns) return { kind: 'close' };
    const target = currentPrimary(topology, open.peerId);
    if (target === 'unknown' || target === holder) return { kind: 'close' };
    if (target === 'silent') return { kind: 'wait', message: 'the node it moves to does not answer' };
    return { kind: 'finish', from: holder, to: target };
  }
  if (holderOwns) return { kind: 'close' };
  const owner = ownerId === undefined ? undefined : topology.byNodeId.get(ownerId);
  if (owner === undefined) return { kind: 'wait', message: 'the owner it comes from does not answer' };
  return { kind: 'finish', from: owner, to: holder };
}

/** The node, or after a failover the primary that replaced it. */
function currentPrimary(topology: Topology, nodeId: string): LiveMember | 'silent' | 'unknown' {
  const member = topology.byNodeId.get(nodeId);
  if (member?.server.role === 'primary') return member;
  if (member !== undefined) return topology.primaries.get(member.pod.shard) ?? 'silent';
  const known = topology.live.some((each) => each.server.table.some((entry) => entry.nodeId === nodeId));
  return known ? 'silent' : 'unknown';
}

function waiting(holder: LiveMember, open: OpenSlot, message: string): Block {
  return {
    scope: holder.pod.shard,
    holds: ['slots', 'files'],
    reason: 'SlotMigrationWaits',
    message: `slot ${open.slot} on ${holder.pod.name} is half-way (${open.direction}): ${message}`,
  };
}
