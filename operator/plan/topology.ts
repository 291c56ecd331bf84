/**
 * Who owns what, derived from a Snapshot: live members, slot owners, shard owners, primaries to follow.
 *
 * A slot may be claimed by several nodes at once (a failover, a migration, a partition). The claim with the
 * highest config epoch wins, as on the bus; between equal epochs what a node says of itself wins over gossip.
 */

import { SLOT_COUNT, type SlotRange, toRanges } from './slots.ts';
import type { LiveMember, Member, Snapshot, TableEntry } from './snapshot.ts';

/** A node that owns slots. */
export interface Owner {
  readonly nodeId: string;
  /** Undefined when no pod that answers has this node id. */
  readonly member: LiveMember | undefined;
}

export interface Topology {
  readonly live: readonly LiveMember[];
  readonly byNodeId: ReadonlyMap<string, LiveMember>;
  /** Node id by slot; undefined where nobody claims it. */
  readonly slotOwner: readonly (string | undefined)[];
  /** Slots by the node that wins them, ascending; nodes without slots are absent. */
  readonly owned: ReadonlyMap<string, readonly number[]>;
  readonly unowned: readonly number[];
  /** Shards the spec asks for or that exist, ascending. */
  readonly shards: readonly number[];
  /** Slot owners by shard, silent ones included. */
  readonly owners: ReadonlyMap<number, readonly Owner[]>;
  /** Owners that nothing ties to a shard. */
  readonly strayOwners: readonly string[];
  /**
   * The live primary that a shard's other members follow. Absent while it cannot be told: its owner does not
   * answer, or two own slots.
   */
  readonly primaries: ReadonlyMap<number, LiveMember>;
}

/** Every rule asks; a snapshot never changes. */
const derived = new WeakMap<Snapshot, Topology>();

export function topologyOf(snapshot: Snapshot): Topology {
  const known = derived.get(snapshot);
  if (known !== undefined) return known;
  const topology = derive(snapshot);
  derived.set(snapshot, topology);
  return topology;
}

function derive(snapshot: Snapshot): Topology {
  const live = liveMembers(snapshot.members);
  const byNodeId = new Map(live.map((member) => [member.server.nodeId, member]));
  const slotOwner = winSlots(live, byNodeId);
  const owned = new Map<string, number[]>();
  const unowned: number[] = [];
  slotOwner.forEach((nodeId, slot) => {
    if (nodeId === undefined) unowned.push(slot);
    else if (owned.get(nodeId)?.push(slot) === undefined) owned.set(nodeId, [slot]);
  });
  const shards = shardNumbers(snapshot);
  const owners = new Map<number, Owner[]>(shards.map((shard) => [shard, []]));
  const strayOwners: string[] = [];
  for (const nodeId of owned.keys()) {
    const shard = shardOfNode(snapshot, live, nodeId);
    const list = shard === undefined ? undefined : owners.get(shard);
    if (list === undefined) strayOwners.push(nodeId);
    else list.push({ nodeId, member: byNodeId.get(nodeId) });
  }
  const primaries = choosePrimaries(live, shards, owners);
  return { live, byNodeId, slotOwner, owned, unowned, shards, owners, strayOwners, primaries };
}

export function liveMembers(members: readonly Member[]): LiveMember[] {
  const live: LiveMember[] = [];
  for (const { pod, server } of members) {
    if (server.kind === 'answer' && pod.address !== undefined)
      live.push({ pod, address: pod.address, server });
  }
  return live;
}

function winSlots(
  live: readonly LiveMember[],
  byNodeId: ReadonlyMap<string, LiveMember>,
): (string | undefined)[] {
  const slotOwner: (string | undefined)[] = new Array(SLOT_COUNT).fill(undefined);
  const winningEpoch: number[] = new Array(SLOT_COUNT).fill(-1);
  const claim = (nodeId: string, ranges: readonly SlotRange[], epoch: number): void => {
    for (const { first, last } of ranges) {
      for (let slot = first; slot <= last; slot += 1) {
        if (epoch <= (winningEpoch[slot] ?? -1)) continue;
        winningEpoch[slot] = epoch;
        slotOwner[slot] = nodeId;
      }
    }
  };
  for (const { server } of live) {
    if (server.role === 'primary') claim(server.nodeId, server.slots, server.configEpoch);
  }
  for (const { server } of live) {
    for (const entry of server.table) {
      if (entry.role !== 'primary' || entry.myself || byNodeId.has(entry.nodeId)) continue;
      claim(entry.nodeId, entry.slots, entry.configEpoch);
    }
  }
  return slotOwner;
}

function shardNumbers(snapshot: Snapshot): number[] {
  const shards = new Set<number>(snapshot.workloads.map((workload) => workload.shard));
  for (const member of snapshot.members) shards.add(member.pod.shard);
  if (snapshot.intent.kind === 'intent') {
    for (let shard = 0; shard < snapshot.intent.shards; shard += 1) shards.add(shard);
  }
  return [...shards].sort((left, right) => left - right);
}

/**
 * The shard a node id belongs to: by its pod, its last known pod, the host name it announces, or a live
 * replica that follows it; undefined when nothing tells.
 */
function shardOfNode(snapshot: Snapshot, live: readonly LiveMember[], nodeId: string): number | undefined {
  const member = live.find((each) => each.server.nodeId === nodeId);
  if (member !== undefined) return member.pod.shard;
  for (const [pod, knownId] of snapshot.history.nodeIds) {
    if (knownId === nodeId) return shardOfPodName(snapshot.name, pod);
  }
  for (const { server } of live) {
    const pod = podOfHostname(server.table.find((entry) => entry.nodeId === nodeId)?.hostname);
    const shard = pod === undefined ? undefined : shardOfPodName(snapshot.name, pod);
    if (shard !== undefined) return shard;
  }
  return live.find((each) => each.server.primaryId === nodeId)?.pod.shard;
}

/** `orders-shard-2-0.orders-nodes.default.svc` → `orders-shard-2-0`. */
export function podOfHostname(hostname: string | undefined): string | undefined {
  return hostname === undefined || hostname === '' ? undefined : hostname.split('.')[0];
}

/** `orders-shard-2-0` of cluster `orders` → 2. */
export function shardOfPodName(cluster: string, pod: string): number | undefined {
  if (!pod.startsWith(`${cluster}-shard-`)) return undefined;
  const shard = Number(pod.slice(cluster.length + '-shard-'.length).split('-')[0]);
  return Number.isInteger(shard) ? shard : undefined;
}

/**
 * A shard with one slot owner follows that; one without slots (fresh, or after a scale-out) follows the
 * member that has followers already, else the one in the zone with the fewest primaries, else the lowest
 * ordinal.
 */
function choosePrimaries(
  live: readonly LiveMember[],
  shards: readonly number[],
  owners: ReadonlyMap<number, readonly Owner[]>,
): Map<number, LiveMember> {
  const chosen = new Map<number, LiveMember>();
  const crowd = new Map<string | undefined, number>();
  const choose = (shard: number, member: LiveMember): void => {
    chosen.set(shard, member);
    crowd.set(member.pod.zone, (crowd.get(member.pod.zone) ?? 0) + 1);
  };
  for (const shard of shards) {
    const list = owners.get(shard) ?? [];
    const member = list.length === 1 ? list[0]?.member : undefined;
    if (member !== undefined) choose(shard, member);
  }
  const followers = (member: LiveMember): number =>
    live.filter(
      (each) => each.pod.shard === member.pod.shard && each.server.primaryId === member.server.nodeId,
    ).length;
  for (const shard of shards) {
    if ((owners.get(shard) ?? []).length > 0) continue;
    const best = live
      .filter((each) => each.pod.shard === shard && each.server.role === 'primary' && !each.pod.terminating)
      .sort(
        (left, right) =>
          followers(right) - followers(left) ||
          (crowd.get(left.pod.zone) ?? 0) - (crowd.get(right.pod.zone) ?? 0) ||
          left.pod.ordinal - right.pod.ordinal,
      )[0];
    if (best !== undefined) choose(shard, best);
  }
  return chosen;
}

export function membersOfShard(topology: Topology, shard: number): LiveMember[] {
  return topology.live.filter((member) => member.pod.shard === shard);
}

export function entryOf(member: LiveMember, nodeId: string): TableEntry | undefined {
  return member.server.table.find((entry) => entry.nodeId === nodeId);
}

/** Knows the node, handshake done. */
export function knows(member: LiveMember, nodeId: string): boolean {
  const entry = entryOf(member, nodeId);
  return entry !== undefined && !entry.handshake;
}

/** Every live member knows every other. */
export function allAcquainted(topology: Topology): boolean {
  return topology.live.every((one) => topology.live.every((other) => knows(one, other.server.nodeId)));
}

/** Replicas of a primary whose link is up and that receive no full sync. */
export function replicasInSync(topology: Topology, primaryId: string): LiveMember[] {
  return topology.live.filter(
    (each) => each.server.primaryId === primaryId && each.server.linkUp && !each.server.syncing,
  );
}

/** The member that others are introduced to: an owner of slots, known by the most. */
export function seedOf(topology: Topology): LiveMember | undefined {
  const popularity = (member: LiveMember): number =>
    topology.live.filter((each) => knows(each, member.server.nodeId)).length;
  const ranked = topology.live
    .map((member) => ({
      member,
      slots: topology.owned.get(member.server.nodeId)?.length ?? 0,
      known: popularity(member),
    }))
    .sort(
      (left, right) =>
        Number(right.slots > 0) - Number(left.slots > 0) ||
        right.known - left.known ||
        left.member.pod.shard - right.member.pod.shard ||
        left.member.pod.ordinal - right.member.pod.ordinal,
    );
  return ranked[0]?.member;
}

export function ownedRanges(topology: Topology, nodeId: string): SlotRange[] {
  return toRanges(topology.owned.get(nodeId) ?? []);
}
