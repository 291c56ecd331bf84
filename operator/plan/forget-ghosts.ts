/**
 * Node ids that belong to nobody any more: their pod lost its volume, or was removed.
 *
 * Forgotten only when it is certain: no slots, nobody follows it, no pod can be it, no handshake under way,
 * and nobody has a working link to it. A member that does not answer cannot be told to forget: it learns so
 * on a later pass, and is not waited for.
 */
import { act, type Block, blocked, type Decision, type Holds, NOTHING } from './decision.ts';
import type { LiveMember, Snapshot, TableEntry } from './snapshot.ts';
import { type Step, targetOf } from './step.ts';
import { podOfHostname, type Topology, topologyOf } from './topology.ts';

export function forgetGhosts(snapshot: Snapshot, holds: Holds): Decision {
  if (holds.onCluster('destroy')) return NOTHING;
  const topology = topologyOf(snapshot);
  const steps: Step[] = [];
  const blocks: Block[] = [];
  const ghosts = ghostIds(snapshot, topology);
  for (const nodeId of ghosts) {
    for (const member of topology.live) {
      if (member.server.table.some((entry) => entry.nodeId === nodeId)) {
        steps.push({ kind: 'forget', on: targetOf(member), nodeId });
      }
    }
  }
  if (steps.length === 0) return blocked(blocks);
  return act(
    steps,
    `node ids ${ghosts.map((id) => id.slice(0, 8)).join(', ')} belong to no pod any more`,
    blocks,
  );
}

/** Exported for the invariants: the same question asked of a single step. */
export function ghostIds(snapshot: Snapshot, topology: Topology): string[] {
  const candidates = new Map<string, TableEntry[]>();
  for (const { server } of topology.live) {
    for (const entry of server.table) {
      if (entry.myself || topology.byNodeId.has(entry.nodeId)) continue;
      const entries = candidates.get(entry.nodeId);
      if (entries === undefined) candidates.set(entry.nodeId, [entry]);
      else entries.push(entry);
    }
  }
  const ghosts = new Set(
    [...candidates]
      .filter(([nodeId, entries]) => isGone(snapshot, topology, nodeId, entries))
      .map(([nodeId]) => nodeId),
  );
  // A primary whose replica may still come back stays, so that the replica finds something to follow.
  for (const [nodeId, entries] of candidates) {
    if (ghosts.has(nodeId)) continue;
    for (const entry of entries) if (entry.primaryId !== undefined) ghosts.delete(entry.primaryId);
  }
  for (const { server } of topology.live) if (server.primaryId !== undefined) ghosts.delete(server.primaryId);
  return [...ghosts].sort();
}

function isGone(
  snapshot: Snapshot,
  topology: Topology,
  nodeId: string,
  entries: readonly TableEntry[],
): boolean {
  if (topology.owned.has(nodeId)) return false;
  if (entries.some((entry) => entry.handshake || entry.slots.length > 0)) return false;
  if (entries.some((entry) => entry.connected && !entry.failed && !entry.suspected && !entry.noAddress))
    return false;
  return !mayBeSilentPod(snapshot, topology.live, nodeId, entries);
}

/** A pod that does not answer may have this id, unless its name or its last known id says otherwise. */
function mayBeSilentPod(
  snapshot: Snapshot,
  live: readonly LiveMember[],
  nodeId: string,
  entries: readonly TableEntry[],
): boolean {
  const announced = entries.map((entry) => podOfHostname(entry.hostname)).find((pod) => pod !== undefined);
  const remembered = [...snapshot.history.nodeIds].find(([, knownId]) => knownId === nodeId)?.[0];
  const podName = announced ?? remembered;
  if (podName !== undefined && live.some((member) => member.pod.name === podName)) return false;
  const silent = snapshot.members.filter((member) => !live.some((each) => each.pod.name === member.pod.name));
  if (podName !== undefined) {
    return silent.some((member) => member.pod.name === podName) || belongsToWorkload(snapshot, podName);
  }
  return silent.some((member) => {
    const knownId = snapshot.history.nodeIds.get(member.pod.name);
    return knownId === undefined || knownId === nodeId;
  });
}

/** The pod is absent for the moment only: its StatefulSet makes it again, with the same volume. */
function belongsToWorkload(snapshot: Snapshot, podName: string): boolean {
  return snapshot.workloads.some((workload) => {
    const ordinal = Number(podName.slice(workload.name.length + 1));
    return (
      podName.startsWith(`${workload.name}-`) && Number.isInteger(ordinal) && ordinal < workload.replicas
    );
  });
}
