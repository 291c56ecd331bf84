/** The resolved spec as rules read it. */
import type { Effective, Unresolvable } from '../api/effective.ts';
import { fileSettings, liveSettings, type Setting } from '../api/settings.ts';
import type { BadIntent, Intent } from '../plan/snapshot.ts';

/** Share of maxmemory above which a shard takes no more slots. */
const CRITICAL_PERCENT = 85;

export function intentOf(effective: Effective | Unresolvable): Intent | BadIntent {
  if (effective.kind === 'unresolvable') {
    return { kind: 'bad', reason: effective.reason, message: effective.message };
  }
  const { rewrite } = effective;
  const aof = effective.persistence === 'AOF' || effective.persistence === 'Both';
  return {
    kind: 'intent',
    shards: effective.shards,
    replicasPerShard: effective.replicasPerShard,
    settings: [...liveSettings(effective), ...readableRestartSettings(effective)],
    maxmemory: effective.maxmemoryBytes,
    maxmemoryPolicy: effective.policy,
    criticalPercent: CRITICAL_PERCENT,
    persistent: effective.persistence !== 'None',
    spread: effective.zone.spread !== 'Disabled' || effective.host.spread !== 'Disabled',
    aofRewrite:
      rewrite.window === undefined || !aof
        ? undefined
        : {
            schedule: rewrite.window.schedule,
            durationMs: rewrite.window.durationMs,
            timeZone: rewrite.window.timeZone,
            growthPercent: rewrite.growthPercent,
            minSizeBytes: rewrite.minSizeBytes,
          },
  };
}

/** Settings of spec.config that take a restart, where a server prints what was written. */
function readableRestartSettings(effective: Effective): Setting[] {
  return fileSettings(effective).filter(
    ({ name, value, change }) =>
      change === 'restart' &&
      name in effective.config &&
      name !== 'notify-keyspace-events' &&
      !/\s/.test(value),
  );
}
