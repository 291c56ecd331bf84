/** Members enter the cluster, and each follows the primary of the shard that its label names. */
import { actOrBlock, type Block, type Decision, type Holds, NOTHING } from './decision.ts';
import type { SlotRange } from './slots.ts';
import type { LiveMember, Snapshot } from './snapshot.ts';
import { type Step, targetOf } from './step.ts';
import { knows, membersOfShard, seedOf, type Topology, topologyOf } from './topology.ts';

/** New members are introduced to the cluster through one of its slot owners. */
export function joinMembers(snapshot: Snapshot, holds: Holds): Decision {
  const topology = topologyOf(snapshot);
  const seed = seedOf(topology);
  if (seed === undefined || topology.owned.size === 0) return NOTHING;
  const steps: Step[] = [];
  const blocks: Block[] = [];
  for (const peer of topology.live) {
    if (peer === seed || holds.on('members', peer.pod.shard)) continue;
    if (knows(seed, peer.server.nodeId) && knows(peer, seed.server.nodeId)) continue;
    const rival = rivalOf(topology, seed, peer);
    if (rival !== undefined) blocks.push(rival);
    else steps.push({ kind: 'meet', via: targetOf(seed), peer: targetOf(peer) });
  }
  return actOrBlock(steps, 'members join the cluster', blocks);
}

/** Strangers whose tables claim the same slots: joining them would erase one side's data. */
function rivalOf(topology: Topology, seed: LiveMember, peer: LiveMember): Block | undefined {
  if (knows(seed, peer.server.nodeId) || knows(peer, seed.server.nodeId)) return undefined;
  const strangers = topology.live.filter((each) => each !== peer && !knows(peer, each.server.nodeId));
  const contested = strangers.some((stranger) =>
    peer.server.table.some((entry) => overlap(entry.slots, stranger.server.slots)),
  );
  if (!contested) return undefined;
  return {
    scope: peer.pod.shard,
    holds: ['members', 'slots', 'destroy'],
    reason: 'RivalOwners',
    message:
      `${peer.pod.name} knows owners for slots that others own here, and they do not know each other: its volume ` +
      'belongs to another cluster; delete its claim and pod to let it join empty, after saving what it holds',
  };
}

function overlap(left: readonly SlotRange[], right: readonly SlotRange[]): boolean {
  return left.some((one) => right.some((other) => one.first <= other.last && other.first <= one.last));
}

/** Every member that owns no slot follows the primary of its shard. */
export function attachMembers(snapshot: Snapshot, holds: Holds): Decision {
  const topology = topologyOf(snapshot);
  if (topology.owned.size === 0) return NOTHING;
  const steps: Step[] = [];
  const blocks: Block[] = [];
  for (const shard of topology.shards) {
    if (holds.on('members', shard)) continue;
    const primary = topology.primaries.get(shard);
    if (primary === undefined) {
      const block = ownerUnclear(snapshot, topology, shard);
      if (block !== undefined) blocks.push(block);
      continue;
    }
    for (const member of membersOfShard(topology, shard)) {
      if (member === primary || member.server.primaryId === primary.server.nodeId) continue;
      if (!knows(member, primary.server.nodeId)) continue;
      const reason = whyKept(topology, member, primary);
      if (reason !== undefined) blocks.push(reason);
      else steps.push({ kind: 'replicate', on: targetOf(member), primary: targetOf(primary) });
    }
  }
  return actOrBlock(steps, 'members attach to the primary of their shard', blocks);
}

function ownerUnclear(snapshot: Snapshot, topology: Topology, shard: number): Block | undefined {
  const owners = topology.owners.get(shard) ?? [];
  const members = membersOfShard(topology, shard);
  if (owners.length === 0) return members.length === 0 ? undefined : noPrimary(snapshot, shard, members);
  if (owners.length > 1) {
    const names = owners.map((owner) => owner.member?.pod.name ?? owner.nodeId.slice(0, 8)).join(' and ');
    return {
      scope: shard,
      holds: ['members', 'slots', 'destroy'],
      reason: 'TwoOwners',
      message: `${names} own slots of the same shard; nothing is attached until one of them has handed over`,
    };
  }
  const nodeId = owners[0]?.nodeId ?? '';
  const silent = snapshot.members.some(({ pod, server }) => pod.shard === shard && server.kind === 'silent');
  if (!silent && members.length > 0 && members.every(({ server }) => server.primaryId !== nodeId)) {
    return {
      scope: shard,
      holds: ['members', 'slots', 'destroy'],
      reason: 'ShardLost',
      message:
        `no member of this shard has its data: slots belong to node ${nodeId.slice(0, 8)}, which no pod is any ` +
        'more; bring back its volume, or restore a backup into a new RedisCluster',
    };
  }
  return {
    scope: shard,
    holds: ['members', 'slots', 'destroy'],
    reason: 'PrimaryDown',
    message:
      `the primary of this shard (node ${nodeId.slice(0, 8)}) does not answer; ` +
      'its replicas take over by election, or it comes back with its volume',
  };
}

/** Only a reset would make a replica an empty primary again, and nothing is ever reset. */
function noPrimary(snapshot: Snapshot, shard: number, members: readonly LiveMember[]): Block {
  const name = members[0]?.pod.name;
  return {
    scope: shard,
    holds: ['slots'],
    reason: 'NoPrimaryInShard',
    message:
      `every member of ${snapshot.name}-shard-${shard} that answers is a replica of another shard: ` +
      `delete the claim and the pod of one, for example ${name}, to let it start empty`,
  };
}

/** Following a primary erases what a member holds: never when that may be the only copy. */
function whyKept(topology: Topology, member: LiveMember, primary: LiveMember): Block | undefined {
  const { server, pod } = member;
  if (topology.owned.has(server.nodeId) || server.slots.length > 0) {
    return keep(
      pod.shard,
      `${pod.name} still claims slots that ${primary.pod.name} owns; gossip settles that`,
      'WaitingForGossip',
    );
  }
  if (server.role === 'primary' && server.keys > 0) {
    return keep(
      pod.shard,
      `${pod.name} holds ${server.keys} keys and owns no slot: attaching it would erase them; ` +
        'copy them elsewhere and remove its claim and pod to let it start empty',
    );
  }
  if (server.primaryId !== undefined) {
    const followed = topology.byNodeId.get(server.primaryId);
    if (followed === undefined && topology.owned.has(server.primaryId)) {
      return keep(pod.shard, `${pod.name} is the copy of a primary that does not answer; it is left alone`);
    }
  }
  return undefined;
}

function keep(scope: number, message: string, reason = 'MemberKept'): Block {
  return { scope, holds: ['members'], reason, message };
}
