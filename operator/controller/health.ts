/**
 * What a Snapshot says about the well-being of a cluster: one value a question, with names of those
 * concerned.
 */
import type { Effective } from '../api/effective.ts';
import { isOutdated } from '../plan/restart-outdated.ts';
import { settingDifferences } from '../plan/settings.ts';
import { SLOT_COUNT } from '../plan/slots.ts';
import type { Member, PodTrouble, Snapshot } from '../plan/snapshot.ts';
import { membersOfShard, replicasInSync, type Topology } from '../plan/topology.ts';

export interface Health {
  /** Slots whose owner answers. */
  readonly servedSlots: number;
  /** In-sync replicas of the shard that has the fewest. */
  readonly replicasInSync: number;
  /** Sentences, one for each shard that lacks some. */
  readonly missingReplicas: readonly string[];
  /** Members that are expected and do not answer, with the reason. */
  readonly silent: readonly string[];
  /** Pods that answer clients CLUSTERDOWN. */
  readonly clusterDown: readonly string[];
  readonly openSlots: readonly number[];
  /** Live settings that differ, `pod: name is "a", not "b"`. */
  readonly wrongSettings: readonly string[];
  /** What only a restart brings, `pod: name`. */
  readonly restartNeeded: readonly string[];
  readonly misplaced: readonly string[];
  readonly persistence: readonly string[];
  /** Pods that cannot run, `pod: reason: message`. */
  readonly troubled: readonly Trouble[];
}

export interface Trouble extends PodTrouble {
  readonly pod: string;
}

export function healthOf(snapshot: Snapshot, topology: Topology, effective: Effective | undefined): Health {
  const served = [...topology.owned].filter(([nodeId]) => topology.byNodeId.has(nodeId));
  const { intent } = snapshot;
  const wantedReplicas = intent.kind === 'intent' ? intent.replicasPerShard : 0;
  const counts = topology.shards.map((shard) => countInSync(topology, shard));
  const differences = settingDifferences(snapshot);
  return {
    servedSlots: served.reduce((sum, [, slots]) => sum + slots.length, 0),
    replicasInSync: counts.length === 0 ? 0 : Math.min(...counts),
    missingReplicas: topology.shards.flatMap((shard, index) => {
      const count = counts[index] ?? 0;
      if (count >= wantedReplicas) return [];
      return [`${snapshot.name}-shard-${shard} has ${count} of ${wantedReplicas} replicas in sync`];
    }),
    silent: snapshot.members.flatMap(describeSilence),
    clusterDown: topology.live.filter(({ server }) => !server.clusterOk).map(({ pod }) => pod.name),
    openSlots: [...new Set(topology.live.flatMap(({ server }) => server.openSlots.map((open) => open.slot)))],
    wrongSettings: differences
      .filter(({ setting }) => setting.change === 'live')
      .map(({ member, setting, actual }) =>
        actual === undefined
          ? `${member.pod.name} does not know ${setting.name}`
          : `${member.pod.name}: ${setting.name} is "${actual}" instead of "${setting.value}"`,
      ),
    restartNeeded: [
      ...differences
        .filter(({ setting }) => setting.change === 'restart')
        .map(({ member, setting }) => `${member.pod.name} for ${setting.name}`),
      ...snapshot.members
        .filter((member) => isOutdated(snapshot, member))
        .map(({ pod }) => `${pod.name} for its pod template`),
    ],
    misplaced: effective === undefined ? [] : misplaced(snapshot, topology, effective),
    persistence: topology.live.flatMap(({ pod, server }) =>
      persistenceProblems(pod.name, server.persistence),
    ),
    troubled: snapshot.members.flatMap(({ pod }) =>
      pod.trouble === undefined ? [] : [{ pod: pod.name, ...pod.trouble }],
    ),
  };
}

function countInSync(topology: Topology, shard: number): number {
  const primary = topology.primaries.get(shard);
  return primary === undefined ? 0 : replicasInSync(topology, primary.server.nodeId).length;
}

function describeSilence({ pod, server }: Member): string[] {
  if (server.kind === 'answer') return [];
  return [`${pod.name}: ${pod.trouble?.reason ?? server.message}`];
}

function persistenceProblems(
  pod: string,
  facts: { aofWriteOk: boolean; aofRewriteOk: boolean; snapshotOk: boolean },
): string[] {
  const problems: string[] = [];
  if (!facts.aofWriteOk)
    problems.push(`${pod} cannot write its append-only file: free or enlarge its volume`);
  if (!facts.aofRewriteOk) problems.push(`the last rewrite on ${pod} failed: its log says why (disk full?)`);
  if (!facts.snapshotOk) problems.push(`the last snapshot on ${pod} failed: its log says why (disk full?)`);
  return problems;
}

/** Members of a shard that share a zone or a host while others are free. */
function misplaced(snapshot: Snapshot, topology: Topology, effective: Effective): string[] {
  const zones = new Set<string>();
  for (const node of snapshot.nodes.values()) if (node.zone !== undefined && node.ready) zones.add(node.zone);
  const hosts = [...snapshot.nodes.values()].filter((node) => node.ready && !node.unschedulable).length;
  const found: string[] = [];
  for (const shard of topology.shards) {
    const pods = membersOfShard(topology, shard).map((member) => member.pod);
    const share = (what: string, places: readonly (string | undefined)[], available: number): void => {
      const used = new Set(places.filter((place) => place !== undefined)).size;
      if (used < Math.min(places.length, available)) {
        const names = pods.map((pod, index) => `${pod.name} in ${places[index] ?? 'none'}`).join(', ');
        found.push(`${snapshot.name}-shard-${shard} uses ${used} ${what} of ${available}: ${names}`);
      }
    };
    if (effective.zone.spread !== 'Disabled')
      share(
        'zones',
        pods.map((pod) => pod.zone),
        zones.size,
      );
    else if (effective.host.spread !== 'Disabled')
      share(
        'hosts',
        pods.map((pod) => pod.nodeName),
        hosts,
      );
  }
  return found;
}

export function allServed(health: Health): boolean {
  return health.servedSlots === SLOT_COUNT;
}
