/**
 * Pods made from an older template are restarted one after the other, each only while the rest of its shard
 * is whole.
 *
 * Pods that do not run are replaced first. Then replicas; a primary hands over to a replica in sync and is
 * a replica itself when its turn comes. Few shards are in motion at a time, so that the majority of
 * primaries never hangs on it. A new pod that cannot run stops the roll for all others.
 */
import { actOrBlock, type Block, type Decision, type Holds, NOTHING } from './decision.ts';
import type { Intent, LiveMember, Member, Snapshot } from './snapshot.ts';
import { type Step, targetOf } from './step.ts';
import { membersOfShard, replicasInSync, type Topology, topologyOf } from './topology.ts';

export function restartOutdated(snapshot: Snapshot, holds: Holds): Decision {
  const { intent } = snapshot;
  if (intent.kind !== 'intent' || snapshot.cachesBehind) return NOTHING;
  const outdated = snapshot.members.filter((member) => isOutdated(snapshot, member));
  if (outdated.length === 0) return NOTHING;
  const stuck = outdated.filter(({ pod }) => pod.trouble !== undefined && !pod.terminating);
  if (stuck.length > 0) {
    const steps = stuck.map(({ pod }): Step => ({ kind: 'deletePod', pod: pod.name, uid: pod.uid }));
    return actOrBlock(steps, 'outdated pods that do not run are replaced', []);
  }
  if (holds.onCluster('destroy') || holds.anywhere('slots')) return NOTHING;
  const failing = snapshot.members.find((member) => member.pod.trouble !== undefined);
  if (failing !== undefined) return actOrBlock([], '', [halted(failing)]);
  return roll(snapshot, intent, outdated, holds);
}

export function isOutdated(snapshot: Snapshot, { pod }: Member): boolean {
  const revision = snapshot.workloads.find((each) => each.shard === pod.shard)?.updateRevision;
  return revision !== undefined && revision !== '' && pod.revision !== undefined && pod.revision !== revision;
}

function halted({ pod }: Member): Block {
  return {
    scope: 'cluster',
    holds: [],
    reason: 'RollHalted',
    message:
      `no further pod is restarted: ${pod.name} does not run after its restart (${pod.trouble?.reason}: ` +
      `${pod.trouble?.message}); correct the spec or take the change back`,
  };
}

function roll(snapshot: Snapshot, intent: Intent, outdated: readonly Member[], holds: Holds): Decision {
  const topology = topologyOf(snapshot);
  const shards = [...new Set(outdated.map((member) => member.pod.shard))].sort((left, right) => left - right);
  const inMotionMax = Math.max(1, Math.floor((intent.shards - 1) / 2));
  const moving = topology.shards.filter(
    (shard) => whyNotWhole(snapshot, intent, topology, shard) !== undefined,
  );
  const steps: Step[] = [];
  const blocks: Block[] = [];
  for (const shard of shards) {
    if (moving.length + steps.length >= inMotionMax) break;
    if (moving.includes(shard) || holds.on('destroy', shard)) continue;
    const next = nextStep(snapshot, intent, topology, shard);
    if (next === undefined) continue;
    if ('reason' in next) blocks.push(next);
    else steps.push(next);
  }
  if (steps.length === 0) {
    for (const shard of moving) {
      const message = `waiting before the next restart: ${whyNotWhole(snapshot, intent, topology, shard)}`;
      blocks.push({ scope: shard, holds: [], reason: 'RollWaits', message });
    }
  }
  return actOrBlock(
    steps,
    `${outdated.length} pods have an older template and are restarted in turn`,
    blocks,
  );
}

/** Why another member of this shard must not be taken away now; undefined when all are there and in sync. */
function whyNotWhole(
  snapshot: Snapshot,
  intent: Intent,
  topology: Topology,
  shard: number,
): string | undefined {
  const name = `${snapshot.name}-shard-${shard}`;
  const members = snapshot.members.filter((member) => member.pod.shard === shard);
  const absent = members.find(({ pod, server }) => server.kind === 'silent' || pod.terminating || !pod.ready);
  if (absent !== undefined) return `${absent.pod.name} is not ready`;
  if (members.length < intent.replicasPerShard + 1) return `${name} has ${members.length} pods`;
  const primary = topology.primaries.get(shard);
  if (primary === undefined) return `${name} has no primary that answers`;
  const inSync = heirs(topology, shard, primary).length;
  return inSync < intent.replicasPerShard ? `${name} has ${inSync} replicas in sync` : undefined;
}

function nextStep(
  snapshot: Snapshot,
  intent: Intent,
  topology: Topology,
  shard: number,
): Step | Block | undefined {
  const members = membersOfShard(topology, shard);
  const primary = topology.primaries.get(shard);
  const outdated = members.filter((member) => isOutdated(snapshot, member));
  const replica = outdated.find((member) => member !== primary);
  if (replica !== undefined) return restart(replica);
  if (primary === undefined || !outdated.includes(primary)) return undefined;
  const [heir] = heirs(topology, shard, primary);
  if (heir !== undefined) return { kind: 'failover', on: targetOf(heir) };
  if (intent.persistent) return restart(primary);
  return {
    scope: shard,
    holds: [],
    reason: 'RestartWouldLoseData',
    message:
      `${primary.pod.name} keeps its old template: it has no replica and writes no files, so a restart would ` +
      'empty it; write replicasPerShard: 1 or persistence: {mode: RDB}, or delete the pod yourself',
  };
}

/** Who may take over: another shard's member that strayed to this primary is wanted elsewhere. */
function heirs(topology: Topology, shard: number, primary: LiveMember): LiveMember[] {
  return replicasInSync(topology, primary.server.nodeId).filter((each) => each.pod.shard === shard);
}

function restart(member: LiveMember): Step {
  return { kind: 'deletePod', pod: member.pod.name, uid: member.pod.uid };
}
