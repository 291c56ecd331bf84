import { describe, expect, it } from 'vitest';
import { isSchedule, resolveEffective } from './effective.ts';
import type { RedisClusterSpec } from './generated/redis-cluster.ts';
import { listWarnings } from './validation.ts';

function reasons(spec: Partial<RedisClusterSpec>): string[] {
  const effective = resolveEffective(
    {
      apiVersion: 'redwarden.dev/v1alpha1',
      kind: 'RedisCluster',
      metadata: { name: 'orders' },
      spec: {
        profile: 'Sessions',
        shards: 3,
        replicasPerShard: 1,
        resources: { limits: { memory: '2Gi' } },
        storage: { size: '10Gi' },
        ...spec,
      },
    },
    { serverImage: 'x' },
  );
  if (effective.kind !== 'effective') throw new Error(effective.message);
  return listWarnings(effective).map(({ reason }) => reason);
}

const window = (schedule: string, timeZone = 'UTC') => ({
  aof: { rewrite: { window: { schedule, duration: '2h', timeZone } } },
});

describe('listWarnings', () => {
  it('has nothing to say about an ordinary cluster', () => {
    expect(reasons({})).toEqual([]);
  });

  it.each([
    ['CacheWithoutEviction', { profile: 'Cache', memory: { policy: 'noeviction' } }],
    ['FsyncAlways', { persistence: { aof: { fsync: 'always' } } }],
    ['StoreWithoutPersistence', { profile: 'PrimaryStore', persistence: { mode: 'None' } }],
    ['NoReplicas', { replicasPerShard: 0 }],
    ['MaxmemoryTight', { memory: { maxmemory: '2000Mi' } }],
    ['StorageSmall', { storage: { size: '1Gi' } }],
    ['TimeZoneUnknown', { persistence: window('0 3 * * *', 'Mars/Base') }],
    ['ScheduleInvalid', { persistence: window('99 3 * * *') }],
    ['RewriteWindowIgnored', { persistence: { mode: 'RDB', ...window('0 3 * * *') } }],
  ])('warns of %s', (reason, spec) => {
    expect(reasons(spec as Partial<RedisClusterSpec>)).toEqual([reason]);
  });
});

describe('isSchedule', () => {
  it('takes what fires and refuses the rest', () => {
    expect(['0 3 * * *', '*/5 * * * MON-FRI'].map(isSchedule)).toEqual([true, true]);
    expect(['', '0 3 * *', '99 3 * * *', '0 0 31 2 *'].map(isSchedule)).toEqual([false, false, false, false]);
  });
});
