/**
 * What must hold whatever the rules say: asserted by `act` before each step, and by property tests over
 * random snapshots. A violation is a bug of ours: the step is not done and the pass ends.
 */
import { ghostIds } from './forget-ghosts.ts';
import { hasSlot } from './slots.ts';
import type { Snapshot } from './snapshot.ts';
import type { Step } from './step.ts';
import type { Topology } from './topology.ts';

type Invariant = (snapshot: Snapshot, topology: Topology, step: Step) => string | undefined;

/** Slots go only to nodes that hold neither key nor slot, and only slots that nobody owns. */
const assignsOnlyToEmptyNodes: Invariant = (_snapshot, topology, step) => {
  if (step.kind !== 'addSlots') return undefined;
  const member = topology.byNodeId.get(step.on.nodeId);
  if (member === undefined) return 'it does not answer';
  if (member.server.keys > 0 || member.server.slots.length > 0) return 'it holds a key or a slot';
  const taken = step.ranges.some(({ first, last }) => {
    for (let slot = first; slot <= last; slot += 1) if (topology.slotOwner[slot] !== undefined) return true;
    return false;
  });
  return taken ? 'a slot has an owner' : undefined;
};

/** Following a primary erases: only nodes without slots, and primaries only without keys. */
const attachesOnlyWithoutData: Invariant = (_snapshot, topology, step) => {
  if (step.kind !== 'replicate') return undefined;
  const member = topology.byNodeId.get(step.on.nodeId);
  if (member === undefined) return 'it does not answer';
  if (member.server.slots.length > 0 || topology.owned.has(step.on.nodeId)) return 'it owns a slot';
  if (member.server.role === 'primary' && member.server.keys > 0) return 'it holds keys';
  const followed = member.server.primaryId;
  const lastCopy = followed !== undefined && topology.owned.has(followed) && !topology.byNodeId.has(followed);
  return lastCopy ? 'it may be the last copy of a primary that does not answer' : undefined;
};

const attachesWithinShard: Invariant = (_snapshot, topology, step) => {
  if (step.kind !== 'replicate') return undefined;
  const member = topology.byNodeId.get(step.on.nodeId);
  const primary = topology.byNodeId.get(step.primary.nodeId);
  return member?.pod.shard === primary?.pod.shard ? undefined : 'its primary is in another shard';
};

const forgetsOnlyGhosts: Invariant = (snapshot, topology, step) => {
  if (step.kind !== 'forget') return undefined;
  if (snapshot.cachesBehind) return 'the caches are behind';
  return ghostIds(snapshot, topology).includes(step.nodeId)
    ? undefined
    : 'the node may be alive or own slots';
};

const movesOnlyOwnedSlots: Invariant = (_snapshot, topology, step) => {
  if (step.kind !== 'migrateSlots') return undefined;
  const from = topology.byNodeId.get(step.from.nodeId);
  if (from === undefined || !topology.byNodeId.has(step.to.nodeId)) return 'one end does not answer';
  return step.slots.every((slot) => hasSlot(from.server.slots, slot))
    ? undefined
    : 'the source owns not all of them';
};

const deletesOnlyWithoutSlots: Invariant = (snapshot, topology, step) => {
  if (step.kind !== 'forceDeletePod') return undefined;
  if (snapshot.cachesBehind) return 'the caches are behind';
  const member = snapshot.members.find((each) => each.pod.name === step.pod);
  if (member?.pod.uid !== step.uid) return 'the pod is another by now';
  if (member.server.kind === 'answer') return 'it answers';
  const nodeId = snapshot.history.nodeIds.get(step.pod);
  return nodeId !== undefined && topology.owned.has(nodeId) ? 'it owns slots' : undefined;
};

/**
 * A running member is restarted only while all others of its shard run and it owns no slot that a replica
 * could take.
 */
const restartsOneOfAShard: Invariant = (snapshot, topology, step) => {
  if (step.kind !== 'deletePod') return undefined;
  if (snapshot.cachesBehind) return 'the caches are behind';
  const member = snapshot.members.find((each) => each.pod.name === step.pod);
  if (member?.pod.uid !== step.uid) return 'the pod is another by now';
  if (member.pod.trouble !== undefined) return undefined;
  const others = snapshot.members.filter((each) => each !== member && each.pod.shard === member.pod.shard);
  if (others.some(({ pod, server }) => server.kind === 'silent' || pod.terminating || !pod.ready)) {
    return 'another member of its shard does not run';
  }
  const nodeId = member.server.kind === 'answer' ? member.server.nodeId : undefined;
  return nodeId !== undefined && topology.owned.has(nodeId) && others.length > 0
    ? 'it owns slots'
    : undefined;
};

/** No StatefulSet gives up a member that owns slots. */
const shrinksOnlyReplicas: Invariant = (snapshot, topology, step) => {
  if (step.kind !== 'applyObject') return undefined;
  const workload = snapshot.workloads.find((each) => `StatefulSet/${each.name}` === step.id);
  const { replicas } = step;
  if (workload === undefined || replicas === undefined) return undefined;
  const leaving = topology.live.some(
    (member) =>
      member.pod.shard === workload.shard &&
      member.pod.ordinal >= replicas &&
      topology.owned.has(member.server.nodeId),
  );
  return leaving ? 'a member that owns slots would go' : undefined;
};

const createsNothingWhileDeleting: Invariant = (snapshot) =>
  snapshot.deleting || snapshot.paused ? 'the resource is being deleted or paused' : undefined;

export const INVARIANTS: ReadonlyMap<string, Invariant> = new Map(
  Object.entries({
    assignsOnlyToEmptyNodes,
    attachesOnlyWithoutData,
    attachesWithinShard,
    forgetsOnlyGhosts,
    movesOnlyOwnedSlots,
    deletesOnlyWithoutSlots,
    restartsOneOfAShard,
    shrinksOnlyReplicas,
    createsNothingWhileDeleting,
  }),
);

/** The first invariant that a step would break, in words; undefined when none. */
export function violationOf(snapshot: Snapshot, topology: Topology, step: Step): string | undefined {
  for (const [name, invariant] of INVARIANTS) {
    const violation = invariant(snapshot, topology, step);
    if (violation !== undefined) return `${name}: ${violation}`;
  }
  return undefined;
}
