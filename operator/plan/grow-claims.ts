/**
 * Volumes that are smaller than the spec asks for are told to grow. Last of the rules: where the StorageClass
 * cannot do it, the API server refuses every time, and nothing else waits for that.
 */
import { act, type Decision, type Holds, NOTHING } from './decision.ts';
import type { Snapshot } from './snapshot.ts';
import type { Step } from './step.ts';

export function growClaims(snapshot: Snapshot, holds: Holds): Decision {
  if (holds.onCluster('create') || snapshot.cachesBehind || snapshot.smallClaims.length === 0) return NOTHING;
  const steps = snapshot.smallClaims.map(({ name, uid, wanted }): Step => {
    return { kind: 'growClaim', claim: name, uid, size: wanted };
  });
  return act(steps, 'volumes are smaller than spec.storage.size');
}
