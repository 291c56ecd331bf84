/** Which volume claims are smaller than they should be. */
import type { Effective } from '../api/effective.ts';
import { parseQuantity } from '../api/quantity.ts';
import { claimName } from '../desired/names.ts';
import type { KubeObject, PersistentVolumeClaim } from '../kube/resource.ts';
import type { SmallClaim, Workload } from '../plan/snapshot.ts';

/** `cached` answers the claim of this name, if there is one. */
export function smallClaimsOf(
  storage: Effective['storage'],
  workloads: readonly Workload[],
  cached: (name: string) => KubeObject | undefined,
): SmallClaim[] {
  if (storage.ephemeral) return [];
  const wantedBytes = parseQuantity(storage.size) ?? 0;
  const claims: SmallClaim[] = [];
  for (const workload of workloads) {
    for (let ordinal = 0; ordinal < workload.replicas; ordinal += 1) {
      const name = claimName(`${workload.name}-${ordinal}`);
      const claim = cached(name) as PersistentVolumeClaim | undefined;
      const bytes =
        parseQuantity(claim?.spec?.resources?.requests?.['storage'] ?? storage.size) ?? wantedBytes;
      if (claim?.metadata.uid === undefined || bytes >= wantedBytes) continue;
      claims.push({ name, uid: claim.metadata.uid, wanted: storage.size });
    }
  }
  return claims;
}
