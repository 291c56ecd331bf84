/** What of the resolved spec a person reads in the status. */
import type { Effective } from './effective.ts';
import type { EffectiveStatus } from './generated/redis-cluster.ts';

/** `status.effective`. */
export function effectiveStatus(effective: Effective): EffectiveStatus {
  return {
    engine: effective.engine,
    image: effective.image,
    maxmemory: effective.maxmemoryBytes,
    policy: effective.policy,
    samples: effective.samples,
    persistence: effective.persistence,
    fsync: effective.fsync,
    save: effective.save.map(({ seconds, changes }) => `${seconds} ${changes}`).join(' '),
    storageSize: effective.storage.size,
    nodeTimeoutMs: effective.nodeTimeoutMs,
  };
}
