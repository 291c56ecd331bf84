/** The status of a pass: pure, from what was seen, decided and done. */
import type { Effective } from '../api/effective.ts';
import { effectiveStatus } from '../api/effective-status.ts';
import type {
  RedisClusterStatus,
  ReplicaStatus,
  RewriteStatus,
  ShardStatus,
} from '../api/generated/redis-cluster.ts';
import type { Plan } from '../plan/plan.ts';
import { REWRITE_SKIPPED } from '../plan/rewrite-aof.ts';
import { printSlots } from '../plan/slots.ts';
import type { LiveMember, Snapshot } from '../plan/snapshot.ts';
import { ownedRanges, type Topology } from '../plan/topology.ts';
import { conditionsOf, type Findings, MAINTENANCE } from './conditions.ts';
import { allServed, type Health } from './health.ts';

/** Percent and sizes are rounded: a status that changes all the time is written all the time. */
const PERCENT_STEP = 5;

export function statusOf(
  findings: Findings,
  topology: Topology,
  effective: Effective | undefined,
  previous: RedisClusterStatus,
  /** Pods whose rewrite was started in this pass. */
  rewritten: readonly string[],
): RedisClusterStatus {
  const { snapshot, health, plan } = findings;
  const shards = topology.shards.map((shard) => shardStatus(findings, topology, previous, shard, rewritten));
  const percents = shards.flatMap((shard) => shard.memoryPercent ?? []);
  const rewrites = rewritesOf(snapshot, previous, rewritten);
  const formed = formedOf(findings);
  const conditions = conditionsOf(findings, previous.conditions ?? []);
  return {
    observedGeneration: snapshot.generation,
    phase: phaseOf(
      findings,
      conditions.some((each) => each.type === 'Stalled' && each.status === 'True'),
    ),
    slots: health.servedSlots,
    ...(percents.length === 0 ? {} : { memory: `${Math.max(...percents)}%` }),
    replicasPerShard: health.replicasInSync,
    ...(formed === undefined ? {} : { formed }),
    ...(effective === undefined ? {} : { effective: effectiveStatus(effective) }),
    shards,
    ...(rewrites.length === 0 ? {} : { rewrites }),
    conditions,
  };

  function formedOf({ snapshot: seen }: Findings): boolean | undefined {
    if (seen.history.formed === true || allServed(health)) return true;
    return plan.rule === 'formCluster' ? false : seen.history.formed;
  }
}

function phaseOf({ snapshot, health, plan, creating }: Findings, stalled: boolean): string {
  if (snapshot.deleting) return 'Deleting';
  if (snapshot.paused) return 'Paused';
  if (stalled) return 'Stalled';
  const phase = workPhase(health, plan);
  return creating && phase !== 'Ready' ? 'Creating' : phase;
}

function workPhase(health: Health, plan: Plan): string {
  if (!allServed(health)) return 'Unavailable';
  if (plan.rule === 'moveSlots' || plan.rule === 'openSlots') return 'Scaling';
  if (health.silent.length > 0 || health.missingReplicas.length > 0) return 'Degraded';
  if (plan.rule !== 'nothingToDo' && !MAINTENANCE.has(plan.rule)) return 'Updating';
  return health.restartNeeded.length > 0 || health.wrongSettings.length > 0 ? 'Updating' : 'Ready';
}

function shardStatus(
  { snapshot, plan }: Findings,
  topology: Topology,
  previous: RedisClusterStatus,
  shard: number,
  rewritten: readonly string[],
): ShardStatus {
  const name = `${snapshot.name}-shard-${shard}`;
  const before = previous.shards?.find((each) => each.name === name);
  const primary = topology.primaries.get(shard);
  const owner = topology.owners.get(shard)?.[0];
  const slots = owner === undefined ? 'none' : printSlots(ownedRanges(topology, owner.nodeId));
  const skip = plan.blocks.find((block) => block.reason === REWRITE_SKIPPED && block.scope === shard);
  const started = rewritten.some((pod) => pod.startsWith(`${name}-`));
  const lastSkip = started ? undefined : (skip?.message ?? before?.aof?.lastSkip);
  const lastRewrite = started ? timestamp(snapshot.now) : before?.aof?.lastRewrite;
  const size = primary?.server.persistence.aofEnabled ? primary.server.persistence.aofSize : undefined;
  const aof = {
    ...(size === undefined ? {} : { sizeBytes: roundSize(size) }),
    ...(lastRewrite === undefined ? {} : { lastRewrite }),
    ...(lastSkip === undefined ? {} : { lastSkip }),
  };
  const primaryStatus = primary === undefined ? before?.primary : primaryOf(primary);
  return {
    name,
    slots,
    ...(primary === undefined || primary.server.memory.max === 0
      ? {}
      : { memoryPercent: percentOf(primary.server.memory) }),
    ...(primaryStatus === undefined ? {} : { primary: primaryStatus }),
    replicas: replicasOf(snapshot, topology, shard, primaryStatus?.pod, before),
    ...(Object.keys(aof).length === 0 ? {} : { aof }),
  };
}

function primaryOf({ pod, server }: LiveMember): NonNullable<ShardStatus['primary']> {
  return { pod: pod.name, nodeId: server.nodeId, ...(pod.zone === undefined ? {} : { zone: pod.zone }) };
}

/** Every other pod of the shard; one that does not answer keeps its last known node id. */
function replicasOf(
  snapshot: Snapshot,
  topology: Topology,
  shard: number,
  primaryPod: string | undefined,
  before: ShardStatus | undefined,
): ReplicaStatus[] {
  return snapshot.members
    .filter(({ pod }) => pod.shard === shard && pod.name !== primaryPod)
    .map(({ pod, server }) => {
      const known = [before?.primary, ...(before?.replicas ?? [])].find(
        (each) => each?.pod === pod.name,
      )?.nodeId;
      const nodeId = server.kind === 'answer' ? server.nodeId : known;
      const primary = topology.primaries.get(shard);
      const inSync =
        server.kind === 'answer' &&
        server.primaryId !== undefined &&
        server.primaryId === primary?.server.nodeId &&
        server.linkUp &&
        !server.syncing;
      return {
        pod: pod.name,
        ...(nodeId === undefined ? {} : { nodeId }),
        ...(pod.zone === undefined ? {} : { zone: pod.zone }),
        inSync,
      };
    });
}

function rewritesOf(
  snapshot: Snapshot,
  previous: RedisClusterStatus,
  rewritten: readonly string[],
): RewriteStatus[] {
  const now = timestamp(snapshot.now);
  const kept = (previous.rewrites ?? []).filter(
    ({ pod }) => !rewritten.includes(pod) && snapshot.members.some((member) => member.pod.name === pod),
  );
  return [...kept, ...rewritten.map((pod) => ({ pod, rewrittenAt: now }))];
}

function percentOf({ used, max }: { readonly used: number; readonly max: number }): number {
  return Math.round((used * 100) / max / PERCENT_STEP) * PERCENT_STEP;
}

/** Two significant digits. */
function roundSize(bytes: number): number {
  return bytes === 0 ? 0 : Number(bytes.toPrecision(2));
}

/** Whole seconds, as Kubernetes writes times. */
export function timestamp(now: number): string {
  return `${new Date(now).toISOString().slice(0, 19)}Z`;
}

/** The status without what changes by itself: only a difference here is written at once. */
export function withoutVolatile(status: RedisClusterStatus): unknown {
  const { memory: _memory, shards, ...rest } = status;
  return {
    ...rest,
    shards: (shards ?? []).map(({ memoryPercent: _percent, aof, ...shard }) => ({
      ...shard,
      aof: { lastRewrite: aof?.lastRewrite, lastSkip: aof?.lastSkip },
    })),
  };
}

/** It has not been Ready since it was made. */
export function isBeingCreated(previous: RedisClusterStatus): boolean {
  return previous.phase === undefined || previous.phase === 'Creating';
}
