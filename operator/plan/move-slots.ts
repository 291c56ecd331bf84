/**
 * Slots spread evenly over the shards, by the fewest moves: shards above their share give, those below take.
 * A pass moves one bounded batch between one pair; what was interrupted is finished by `openSlots` first.
 */
import { act, type Block, blocked, type Decision, type Holds, NOTHING } from './decision.ts';
import { otherPrimaries } from './open-slots.ts';
import { SLOT_COUNT } from './slots.ts';
import type { Intent, LiveMember, Snapshot } from './snapshot.ts';
import { targetOf } from './step.ts';
import { allAcquainted, replicasInSync, type Topology, topologyOf } from './topology.ts';

/** Slots in one step; `act` stops earlier when its time is up. */
const BATCH_SLOTS = 512;

export interface Move {
  readonly fromShard: number;
  readonly toShard: number;
  readonly slots: readonly number[];
}

export function moveSlots(snapshot: Snapshot, holds: Holds): Decision {
  const { intent } = snapshot;
  if (intent.kind !== 'intent' || holds.anywhere('slots')) return NOTHING;
  const topology = topologyOf(snapshot);
  if (topology.unowned.length > 0 || topology.owned.size === 0) return NOTHING;
  const shards = topology.shards.filter((shard) => shard < intent.shards);
  // A surplus shard keeps what it has: draining is not built.
  if (shards.length < topology.shards.length) return NOTHING;
  const moves = evenMoves(new Map(shards.map((shard) => [shard, slotsOfShard(topology, shard)])));
  if (moves.length === 0) return NOTHING;
  const blocks: Block[] = [];
  for (const move of moves) {
    const obstacle = obstacleOf(snapshot, intent, topology, move);
    if (obstacle !== undefined) {
      if (!blocks.some((block) => block.message === obstacle.message)) blocks.push(obstacle);
      continue;
    }
    const from = topology.primaries.get(move.fromShard);
    const to = topology.primaries.get(move.toShard);
    if (from === undefined || to === undefined) continue;
    const total = moves.reduce((sum, each) => sum + each.slots.length, 0);
    return act(
      [
        {
          kind: 'migrateSlots',
          from: targetOf(from),
          to: targetOf(to),
          slots: move.slots.slice(0, BATCH_SLOTS),
          others: otherPrimaries(topology, from, to),
        },
      ],
      `${total} slots have to move for an even layout over ${shards.length} shards`,
      blocks,
    );
  }
  return blocked(blocks);
}

function slotsOfShard(topology: Topology, shard: number): number[] {
  return (topology.owners.get(shard) ?? []).flatMap((owner) => [...(topology.owned.get(owner.nodeId) ?? [])]);
}

/**
 * The fewest moves to shares that differ by at most one. The larger shares stay with those that have most
 * now; givers give their highest slots, so that ranges stay whole.
 */
export function evenMoves(layout: ReadonlyMap<number, readonly number[]>): Move[] {
  const base = Math.floor(SLOT_COUNT / layout.size);
  const larger = SLOT_COUNT - base * layout.size;
  const ranked = [...layout].sort(
    ([leftShard, left], [rightShard, right]) => right.length - left.length || leftShard - rightShard,
  );
  const givers: { shard: number; slots: number[] }[] = [];
  const takers: { shard: number; room: number }[] = [];
  ranked.forEach(([shard, slots], index) => {
    const share = base + (index < larger ? 1 : 0);
    if (slots.length > share) givers.push({ shard, slots: slots.slice(share) });
    if (slots.length < share) takers.push({ shard, room: share - slots.length });
  });
  const moves: Move[] = [];
  for (const taker of takers) {
    for (const giver of givers) {
      const slots = giver.slots.splice(0, taker.room);
      taker.room -= slots.length;
      if (slots.length > 0) moves.push({ fromShard: giver.shard, toShard: taker.shard, slots });
    }
  }
  return moves;
}

function obstacleOf(snapshot: Snapshot, intent: Intent, topology: Topology, move: Move): Block | undefined {
  const name = `${snapshot.name}-shard-${move.toShard}`;
  const wait = (message: string, reason = 'WaitingForMembers'): Block => {
    return { scope: move.toShard, holds: ['slots'], reason, message };
  };
  const from = topology.primaries.get(move.fromShard);
  const to = topology.primaries.get(move.toShard);
  if (from === undefined)
    return wait(`the primary of ${snapshot.name}-shard-${move.fromShard} does not answer`);
  if (to === undefined) return wait(`${name} has no primary that answers yet`);
  if (!allAcquainted(topology)) return wait('not every member knows every other yet', 'WaitingForGossip');
  const followers = replicasInSync(topology, to.server.nodeId).length;
  if (followers < Math.min(1, intent.replicasPerShard)) {
    return wait(`${name} takes no slots before a replica is in sync`, 'WaitingForReplica');
  }
  return memoryObstacle(intent, to, name, move.toShard);
}

function memoryObstacle(intent: Intent, to: LiveMember, name: string, shard: number): Block | undefined {
  const { used, max } = to.server.memory;
  if (max === 0 || used * 100 < max * intent.criticalPercent) return undefined;
  return {
    scope: shard,
    holds: ['slots'],
    reason: 'TargetTooFull',
    message:
      `${name} uses ${Math.floor((used * 100) / max)}% of its memory and takes no more slots: ` +
      'raise spec.resources.limits.memory (and memory.maxmemory) or write more shards',
  };
}
