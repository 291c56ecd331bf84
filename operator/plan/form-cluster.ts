/**
 * A cluster is formed once, from members that hold nothing.
 *
 * 1. every expected member answers, 2. epochs and introductions, 3. all know each other, 4. slots. Killed
 * anywhere it goes on: what is assigned stays, and the rest goes to shards that have nothing yet. Once a
 * member holds a key, or the status says that all slots were served before, nothing is ever assigned again.
 */
import { act, type Block, blocked, type Decision, type Holds, NOTHING } from './decision.ts';
import { printSlots, splitEvenly, toRanges } from './slots.ts';
import type { Intent, LiveMember, Snapshot } from './snapshot.ts';
import { type Step, targetOf } from './step.ts';
import { allAcquainted, knows, type Topology, topologyOf } from './topology.ts';

export function formCluster(snapshot: Snapshot, holds: Holds): Decision {
  const { intent } = snapshot;
  if (intent.kind !== 'intent' || holds.onCluster('slots')) return NOTHING;
  const topology = topologyOf(snapshot);
  if (topology.unowned.length === 0) return NOTHING;
  const obstacle = whyNot(snapshot, intent, topology);
  if (obstacle !== undefined) return blocked([obstacle]);
  const primaries = topology.shards
    .map((shard) => topology.primaries.get(shard))
    .filter((member) => member !== undefined);
  if (!allAcquainted(topology)) return introduce(topology, primaries);
  const receivers = primaries.filter((member) => !topology.owned.has(member.server.nodeId));
  const pieces = splitEvenly(topology.unowned, receivers.length);
  const steps = receivers.map((member, index): Step => {
    return { kind: 'addSlots', on: targetOf(member), ranges: toRanges(pieces[index] ?? []) };
  });
  return act(steps, `forming the cluster: ${receivers.length} shards share the slots`);
}

function whyNot(snapshot: Snapshot, intent: Intent, topology: Topology): Block | undefined {
  const missing = printSlots(toRanges(topology.unowned));
  const expected = topology.shards.length * (intent.replicasPerShard + 1);
  if (topology.live.length < expected) {
    return waiting(`${topology.live.length} of ${expected} members answer: ${describeSilent(snapshot)}`);
  }
  // Once forming has begun, early clients may have written into the shards that have their slots already.
  const holder =
    snapshot.history.formed === false ? undefined : topology.live.find((member) => member.server.keys > 0);
  if (snapshot.history.formed === true || holder !== undefined) {
    const because = holder === undefined ? 'the cluster was formed before' : `${holder.pod.name} holds keys`;
    return unassigned(
      `nobody owns slots ${missing}, and they are not assigned anew because ${because}: ` +
        'bring back the volume that owned them, or restore a backup into a new RedisCluster',
    );
  }
  const undecided = topology.shards.find((shard) => !topology.primaries.has(shard));
  const receivers = topology.shards.filter((shard) => topology.owners.get(shard)?.length === 0);
  const full = receivers
    .map((shard) => topology.primaries.get(shard))
    .find((each) => each !== undefined && (each.server.keys > 0 || each.server.slots.length > 0));
  if (
    undecided !== undefined ||
    topology.strayOwners.length > 0 ||
    receivers.length === 0 ||
    full !== undefined
  ) {
    return unassigned(`slots ${missing} have no owner and there is no empty shard to take them`);
  }
  return undefined;
}

function waiting(message: string): Block {
  return { scope: 'cluster', holds: ['slots'], reason: 'WaitingForMembers', message };
}

function unassigned(message: string): Block {
  return { scope: 'cluster', holds: ['slots'], reason: 'SlotsUnassigned', message };
}

function describeSilent(snapshot: Snapshot): string {
  const silent = snapshot.members.flatMap(({ pod, server }) =>
    server.kind === 'silent' ? [`${pod.name}: ${pod.trouble?.reason ?? server.message}`] : [],
  );
  return silent.length === 0 ? 'pods are being created' : silent.slice(0, 5).join('; ');
}

/** Distinct epochs first, while nobody knows anybody: later they would have to be negotiated. */
function introduce(topology: Topology, primaries: readonly LiveMember[]): Decision {
  const seed = primaries[0];
  if (seed === undefined) return NOTHING;
  const steps: Step[] = [];
  primaries.forEach((member, index) => {
    const { server } = member;
    if (server.configEpoch === 0 && server.currentEpoch === 0 && server.table.length === 1) {
      steps.push({ kind: 'setConfigEpoch', on: targetOf(member), epoch: index + 1 });
    }
  });
  for (const peer of topology.live) {
    if (peer === seed || (knows(seed, peer.server.nodeId) && knows(peer, seed.server.nodeId))) continue;
    steps.push({ kind: 'meet', via: targetOf(seed), peer: targetOf(peer) });
  }
  if (steps.length > 0) return act(steps, 'forming the cluster: members are introduced to each other');
  return blocked([
    {
      scope: 'cluster',
      holds: ['slots', 'members'],
      reason: 'WaitingForGossip',
      message: 'forming the cluster: not every member knows every other yet',
    },
  ]);
}
