/** What is legal but dangerous, and what CEL in the CRD cannot see. Pure: the lists become conditions. */
import type { Effective } from './effective.ts';
import { formatBytes, MEBIBYTE, parseQuantity } from './quantity.ts';

export interface Warning {
  /** CamelCase, as a condition's reason. */
  readonly reason: string;
  /** What is dangerous and what to write instead. */
  readonly message: string;
}

type Check = (effective: Effective) => string | undefined;

// One check a row: reason, then what is said when it applies.
const checks: readonly (readonly [reason: string, check: Check])[] = [
  ['CacheWithoutEviction', cacheWithoutEviction],
  ['FsyncAlways', fsyncAlways],
  ['StoreWithoutPersistence', storeWithoutPersistence],
  ['NoReplicas', noReplicas],
  ['MaxmemoryTight', maxmemoryTight],
  ['StorageSmall', storageSmall],
  ['TimeZoneUnknown', timeZoneUnknown],
  ['ScheduleInvalid', scheduleInvalid],
  ['RewriteWindowIgnored', rewriteWindowIgnored],
];

/** Every warning about a resolved spec, in a fixed order. */
export function listWarnings(effective: Effective): Warning[] {
  const warnings: Warning[] = [];
  for (const [reason, check] of checks) {
    const message = check(effective);
    if (message !== undefined) warnings.push({ reason, message });
  }
  return warnings;
}

function cacheWithoutEviction({ profile, policy }: Effective): string | undefined {
  if (profile !== 'Cache' || policy !== 'noeviction') return undefined;
  return 'a Cache with policy noeviction refuses writes once it is full: write memory.policy: allkeys-lru';
}

function fsyncAlways({ fsync, persistence }: Effective): string | undefined {
  if (fsync !== 'always' || (persistence !== 'AOF' && persistence !== 'Both')) return undefined;
  return 'fsync always makes every write wait for the disk: write everysec unless losing one second is too much';
}

function storeWithoutPersistence({ profile, persistence }: Effective): string | undefined {
  if (profile !== 'PrimaryStore' || persistence !== 'None') return undefined;
  return 'a PrimaryStore without persistence loses a shard whose members stop together: write persistence.mode: Both';
}

function noReplicas({ profile, replicasPerShard }: Effective): string | undefined {
  if (replicasPerShard > 0 || profile === 'Cache') return undefined;
  return 'without replicas a lost node takes its slots away until it is back: write replicasPerShard: 1';
}

function maxmemoryTight({ maxmemoryBytes, memoryLimitBytes, reserves }: Effective): string | undefined {
  const safe = Math.floor((memoryLimitBytes - reserves.totalBytes) / MEBIBYTE) * MEBIBYTE;
  if (maxmemoryBytes <= safe) return undefined;
  return (
    `maxmemory ${formatBytes(maxmemoryBytes)} leaves less than the ${formatBytes(reserves.totalBytes)} that the ` +
    `server needs beside its data; the kernel may kill it: ` +
    (safe > 0 ? `write at most ${formatBytes(safe)}, or raise the memory limit` : 'raise the memory limit')
  );
}

function storageSmall({ storage, maxmemoryBytes, persistence }: Effective): string | undefined {
  if (persistence === 'None') return undefined;
  const wanted = 2 * maxmemoryBytes;
  if (storageBytes(storage.size) >= wanted) return undefined;
  return (
    `storage.size ${storage.size} is less than twice maxmemory: a rewrite of full data may find no room; ` +
    `write ${formatBytes(Math.ceil(wanted / 1024 ** 3) * 1024 ** 3)} or more`
  );
}

function storageBytes(size: string): number {
  return parseQuantity(size) ?? 0;
}

function timeZoneUnknown({ rewrite }: Effective): string | undefined {
  const name = rewrite.window?.unknownTimeZone;
  if (name === undefined) return undefined;
  return `no time zone is called ${name}: write a name such as Europe/Berlin; UTC is used meanwhile`;
}

function scheduleInvalid({ rewrite }: Effective): string | undefined {
  if (rewrite.invalidSchedule === undefined) return undefined;
  return (
    `${rewrite.invalidSchedule} is no cron schedule that ever fires, so the servers rewrite their files by ` +
    'themselves: write for example 0 3 * * *'
  );
}

function rewriteWindowIgnored({ rewrite, persistence }: Effective): string | undefined {
  if (rewrite.window === undefined || persistence === 'AOF' || persistence === 'Both') return undefined;
  return `a rewrite window without an append-only file does nothing: write persistence.mode: AOF, or take it out`;
}
