/**
 * After failovers primaries gather where replicas were. A zone (or, without zones, a host) that holds half
 * of them takes the majority with it when it is lost, and then nobody can be elected: one hands over at a
 * time, to a replica in sync in a place that has fewer, and only while the whole cluster is well.
 */
import { act, type Decision, type Holds, NOTHING } from './decision.ts';
import type { LiveMember, Snapshot } from './snapshot.ts';
import { targetOf } from './step.ts';
import { replicasInSync, topologyOf } from './topology.ts';

export function balancePrimaries(snapshot: Snapshot, holds: Holds): Decision {
  const { intent } = snapshot;
  if (intent.kind !== 'intent' || !intent.spread || snapshot.cachesBehind) return NOTHING;
  if (holds.anywhere('slots') || holds.anywhere('destroy') || holds.anywhere('members')) return NOTHING;
  const topology = topologyOf(snapshot);
  const whole = snapshot.members.every(
    ({ pod, server }) =>
      server.kind === 'answer' && server.linkUp && !server.syncing && pod.ready && !pod.terminating,
  );
  const primaries = topology.shards.flatMap((shard) => topology.primaries.get(shard) ?? []);
  if (!whole || primaries.length < topology.shards.length || topology.unowned.length > 0) return NOTHING;
  const placeOf = places(snapshot);
  const count = (place: string | undefined): number =>
    primaries.filter((each) => placeOf(each) === place).length;
  for (const primary of primaries) {
    const crowd = count(placeOf(primary));
    if (placeOf(primary) === undefined || crowd * 2 < topology.shards.length) continue;
    const heir = replicasInSync(topology, primary.server.nodeId)
      .filter((each) => each.pod.shard === primary.pod.shard && placeOf(each) !== undefined)
      .find((each) => count(placeOf(each)) + 1 < crowd);
    if (heir === undefined) continue;
    const message = `${crowd} of ${topology.shards.length} primaries are in ${placeOf(primary)}`;
    return act([{ kind: 'failover', on: targetOf(heir) }], message);
  }
  return NOTHING;
}

/** Zones where there are several, hosts otherwise. */
function places(snapshot: Snapshot): (member: LiveMember) => string | undefined {
  const zones = new Set([...snapshot.nodes.values()].flatMap((node) => node.zone ?? []));
  return zones.size > 1 ? ({ pod }) => pod.zone : ({ pod }) => pod.nodeName;
}
