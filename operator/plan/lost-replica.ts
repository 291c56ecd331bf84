/**
 * A replica whose Kubernetes node is gone is given up, so that its StatefulSet can make it again elsewhere.
 *
 * Deleting a pod by force proves nothing about its process. It is done only to a member that owns no slot,
 * whose node id a majority of primaries marked as failed, and whose Kubernetes node is absent or fenced
 * (`node.kubernetes.io/out-of-service`). NotReady for any length of time is not enough.
 */
import { actOrBlock, type Block, type Decision, type Holds, NOTHING } from './decision.ts';
import type { Member, Snapshot } from './snapshot.ts';
import type { Step } from './step.ts';
import { podOfHostname, type Topology, topologyOf } from './topology.ts';

export function lostReplica(snapshot: Snapshot, holds: Holds): Decision {
  if (holds.onCluster('destroy')) return NOTHING;
  const topology = topologyOf(snapshot);
  const steps: Step[] = [];
  const blocks: Block[] = [];
  for (const member of snapshot.members) {
    const { pod, server } = member;
    if (server.kind === 'answer' || !nodeIsLost(snapshot, pod.nodeName)) continue;
    if (holds.on('destroy', pod.shard)) continue;
    const verdict = judge(snapshot, topology, member);
    if (verdict === 'lost') {
      steps.push({ kind: 'forceDeletePod', pod: pod.name, uid: pod.uid });
    } else {
      blocks.push({
        scope: pod.shard,
        holds: [],
        reason: 'MemberUnreachable',
        message: `${pod.name} was on Kubernetes node ${pod.nodeName}, which is gone: ${verdict}`,
      });
    }
  }
  return actOrBlock(steps, 'members on Kubernetes nodes that are gone are made again elsewhere', blocks);
}

function judge(snapshot: Snapshot, topology: Topology, member: Member): 'lost' | string {
  const nodeId = nodeIdOf(snapshot, topology, member);
  if (nodeId === undefined) return 'its node id is not known, so nothing is done to it';
  if (topology.owned.has(nodeId)) return 'it owns slots; its replica has to take over first';
  const primaries = [...topology.owned.keys()];
  const accusers = primaries.filter((id) =>
    topology.byNodeId.get(id)?.server.table.some((entry) => entry.nodeId === nodeId && entry.failed),
  );
  if (accusers.length * 2 <= primaries.length) return 'a majority of primaries has not marked it as failed';
  return 'lost';
}

function nodeIdOf(snapshot: Snapshot, topology: Topology, member: Member): string | undefined {
  const remembered = snapshot.history.nodeIds.get(member.pod.name);
  if (remembered !== undefined) return remembered;
  for (const { server } of topology.live) {
    const entry = server.table.find((each) => podOfHostname(each.hostname) === member.pod.name);
    if (entry !== undefined) return entry.nodeId;
  }
  return undefined;
}

/** Absent, or fenced by an administrator. */
function nodeIsLost(snapshot: Snapshot, name: string | undefined): boolean {
  if (name === undefined || snapshot.nodes.size === 0) return false;
  const node = snapshot.nodes.get(name);
  return (
    node === undefined || node.taints.some((taint) => taint.startsWith('node.kubernetes.io/out-of-service'))
  );
}
