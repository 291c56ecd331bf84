/** Tells what a pass found: status when it says something new, events on transitions. */

import { isDeepStrictEqual } from 'node:util';
import type { Condition, RedisClusterStatus } from '../api/generated/redis-cluster.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import { KubeFailure } from '../kube/failure.ts';
import type { KubeObject } from '../kube/resource.ts';
import type { Step } from '../plan/step.ts';
import { REDIS_CLUSTER, type StoredRedisCluster } from './caches.ts';
import { CONDITIONS } from './conditions.ts';
import { withoutVolatile } from './status.ts';

const STATUS_MANAGER = 'redwarden-status';
/** Conditions of which a new reason is news, too. */
const REASONS_TOLD: ReadonlySet<string> = new Set([
  'Progressing',
  'Stalled',
  'ConfigurationWarning',
  'Paused',
]);
/** Rounded numbers are refreshed this often. */
const VOLATILE_EVERY_MS = 5 * 60_000;

export interface Reporter {
  readonly client: Pick<KubeClient, 'apply'>;
  readonly recorder: Pick<EventRecorder, 'record'>;
  readonly now: () => number;
  /** When the status of this cluster was last written by this process, ms; 0 when never. */
  writtenAt: number;
}

/**
 * Writes the status unless it says nothing new. Answers the object as written, undefined when nothing was,
 * or the failure. Guarded by the resource version: a status computed from an old one must not undo a newer.
 */
export async function writeStatus(
  reporter: Reporter,
  resource: StoredRedisCluster,
  status: RedisClusterStatus,
): Promise<KubeObject | KubeFailure | undefined> {
  const before = resource.status;
  const news = !isDeepStrictEqual(plain(withoutVolatile(before ?? {})), plain(withoutVolatile(status)));
  const stale = reporter.now() - reporter.writtenAt >= VOLATILE_EVERY_MS;
  if (!news && (!stale || isDeepStrictEqual(plain(before ?? {}), plain(status)))) return undefined;
  const { name, namespace, uid, resourceVersion } = resource.metadata;
  const metadata = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  const { apiVersion, kind } = REDIS_CLUSTER;
  const object = { apiVersion, kind, metadata, status } as unknown as StoredRedisCluster;
  const applied = await reporter.client.apply(REDIS_CLUSTER, object, {
    fieldManager: STATUS_MANAGER,
    force: true,
    subresource: 'status',
  });
  if (applied instanceof KubeFailure) return applied;
  reporter.writtenAt = reporter.now();
  return applied.object;
}

/** As it goes over the wire: without fields that are undefined. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/**
 * An event for every condition whose status changed, and for every new thing that is under way or in the
 * way.
 */
export function recordTransitions(
  reporter: Reporter,
  resource: StoredRedisCluster,
  before: readonly Condition[],
  after: readonly Condition[],
): void {
  for (const condition of after) {
    const old = before.find((each) => each.type === condition.type);
    const row = CONDITIONS.find((each) => each.type === condition.type);
    const good = condition.status === row?.good;
    const tellsReasons = REASONS_TOLD.has(condition.type);
    // Where nothing was known before, only what is under way or in the way is news; that it ended is none.
    const unknown = old === undefined || old.status === 'Unknown' || condition.status === 'Unknown';
    if (unknown && (good || !tellsReasons)) continue;
    if (condition.type === 'Reconciling' || (condition.type === 'Progressing' && good)) continue;
    const changed =
      old?.status !== condition.status || (tellsReasons && !good && old.reason !== condition.reason);
    if (!changed) continue;
    reporter.recorder.record({
      regarding: resource,
      type: good || condition.type === 'Progressing' ? 'Normal' : 'Warning',
      reason: good ? `${condition.type}${condition.status}` : condition.reason,
      action: condition.type,
      note: condition.message,
    });
  }
}

/** An event for a step that people want to know of. */
export function recordStep(reporter: Reporter, resource: StoredRedisCluster, step: Step): void {
  if (step.kind === 'setSetting') {
    const drift = step.cause === 'drift';
    const note = drift
      ? `${step.name} of ${step.on.pod} had been changed to "${step.was}"; it is "${step.value}" again`
      : `${step.name} of ${step.on.pod} changed from "${step.was}" to "${step.value}"`;
    reporter.recorder.record({
      regarding: resource,
      type: drift ? 'Warning' : 'Normal',
      reason: drift ? 'SettingRepaired' : 'SettingChanged',
      action: 'ConfigSet',
      note,
    });
  }
  if (step.kind === 'rewriteAof') {
    const note = `${step.on.pod} rewrites its append-only file`;
    reporter.recorder.record({
      regarding: resource,
      type: 'Normal',
      reason: 'RewriteStarted',
      action: 'RewriteAof',
      note,
    });
  }
  if (step.kind === 'deletePod') {
    const note = `${step.pod} is restarted for a change of its pod template`;
    reporter.recorder.record({
      regarding: resource,
      type: 'Normal',
      reason: 'PodRestarted',
      action: 'Restart',
      note,
    });
  }
  if (step.kind === 'forceDeletePod') {
    const note = `${step.pod} was on a Kubernetes node that is gone and owns no slot`;
    reporter.recorder.record({
      regarding: resource,
      type: 'Warning',
      reason: 'PodGivenUp',
      action: 'ForceDelete',
      note,
    });
  }
}
