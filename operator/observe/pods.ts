/** Pods and Kubernetes nodes as the caches hold them → facts of a Snapshot. */
import { BUS_PORT, CLIENT_PORT } from '../api/settings.ts';
import { SERVER_CONTAINER, SHARD_LABEL } from '../desired/names.ts';
import type { KubernetesNode as CachedNode, Pod } from '../kube/resource.ts';
import type { KubernetesNode, PodFact, PodTrouble } from '../plan/snapshot.ts';

/** Undefined for a pod that is no member: without the label of a shard, or whose name ends in no ordinal. */
export function podFact(pod: Pod, nodes: ReadonlyMap<string, KubernetesNode>): PodFact | undefined {
  const shard = Number(pod.metadata.labels?.[SHARD_LABEL] ?? Number.NaN);
  const ordinal = Number(/-(\d+)$/.exec(pod.metadata.name)?.[1] ?? Number.NaN);
  if (!Number.isInteger(shard) || !Number.isInteger(ordinal)) return undefined;
  const ended = pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
  const host = ended ? undefined : pod.status?.podIP;
  const nodeName = pod.spec?.nodeName;
  return {
    name: pod.metadata.name,
    uid: pod.metadata.uid ?? '',
    shard,
    ordinal,
    address: host === undefined || host === '' ? undefined : { host, port: CLIENT_PORT, busPort: BUS_PORT },
    nodeName,
    zone: nodeName === undefined ? undefined : nodes.get(nodeName)?.zone,
    ready: (pod.status?.conditions ?? []).some((each) => each.type === 'Ready' && each.status === 'True'),
    terminating: pod.metadata.deletionTimestamp !== undefined,
    revision: pod.metadata.labels?.['controller-revision-hash'],
    trouble: troubleOf(pod),
  };
}

/** Reasons that do not go away by waiting a moment. */
const STUCK: ReadonlySet<string> = new Set([
  'ImagePullBackOff',
  'ErrImagePull',
  'ErrImageNeverPull',
  'InvalidImageName',
  'CrashLoopBackOff',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
]);

function troubleOf(pod: Pod): PodTrouble | undefined {
  const scheduled = (pod.status?.conditions ?? []).find((each) => each.type === 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    return {
      reason: 'Unschedulable',
      message: scheduled.message ?? 'no node fits',
      since: timeOf(scheduled.lastTransitionTime, pod),
    };
  }
  const container = (pod.status?.containerStatuses ?? []).find((each) => each.name === SERVER_CONTAINER);
  const waiting = container?.state?.waiting;
  if (waiting?.reason === undefined || !STUCK.has(waiting.reason)) return undefined;
  const ended = container?.lastState?.terminated;
  const exit =
    ended === undefined
      ? ''
      : ` (last exit code ${ended.exitCode}${ended.message ? `: ${ended.message}` : ''})`;
  return {
    reason: waiting.reason,
    message: `${waiting.message ?? waiting.reason}${exit}`,
    since: timeOf(undefined, pod),
  };
}

/** A time of the pod's status, else when it was made. */
function timeOf(text: string | undefined, pod: Pod): number {
  const time = Date.parse(text ?? pod.metadata.creationTimestamp ?? '');
  return Number.isFinite(time) ? time : 0;
}

export function nodeFact(node: CachedNode, zoneLabel: string): KubernetesNode {
  return {
    name: node.metadata.name,
    zone: node.metadata.labels?.[zoneLabel],
    ready: (node.status?.conditions ?? []).some((each) => each.type === 'Ready' && each.status === 'True'),
    unschedulable: node.spec?.unschedulable === true,
    taints: (node.spec?.taints ?? []).map((taint) => `${taint.key}:${taint.effect}`),
  };
}
