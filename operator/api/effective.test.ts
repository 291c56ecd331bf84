import { describe, expect, it } from 'vitest';
import { type Effective, resolveEffective } from './effective.ts';
import { effectiveStatus } from './effective-status.ts';
import type { RedisCluster, RedisClusterSpec } from './generated/redis-cluster.ts';
import { reserveMemory } from './memory-reserves.ts';
import { MEBIBYTE } from './quantity.ts';

const defaults = { serverImage: 'redwarden-server:test' };

function cluster(spec: Partial<RedisClusterSpec>): RedisCluster {
  return {
    apiVersion: 'redwarden.dev/v1alpha1',
    kind: 'RedisCluster',
    metadata: { name: 'orders', namespace: 'shop' },
    spec: {
      profile: 'Sessions',
      shards: 3,
      replicasPerShard: 1,
      resources: { limits: { memory: '2Gi' } },
      storage: { size: '10Gi' },
      ...spec,
    },
  };
}

function resolve(spec: Partial<RedisClusterSpec>): Effective {
  const effective = resolveEffective(cluster(spec), defaults);
  if (effective.kind !== 'effective') throw new Error(effective.message);
  return effective;
}

function refusal(spec: Partial<RedisClusterSpec>): string {
  const effective = resolveEffective(cluster(spec), defaults);
  return effective.kind === 'unresolvable' ? effective.message : 'resolved';
}

describe('resolveEffective', () => {
  it('takes policy and persistence from the profile', () => {
    const table = (['Cache', 'Sessions', 'RateLimiter', 'Leaderboard', 'PrimaryStore'] as const).map(
      (profile) => {
        const { policy, persistence, minReplicasToWrite } = resolve({ profile });
        return [profile, policy, persistence, minReplicasToWrite];
      },
    );
    expect(table).toEqual([
      ['Cache', 'allkeys-lru', 'None', 0],
      ['Sessions', 'volatile-ttl', 'AOF', 0],
      ['RateLimiter', 'volatile-ttl', 'AOF', 0],
      ['Leaderboard', 'noeviction', 'RDB', 0],
      ['PrimaryStore', 'noeviction', 'Both', 1],
    ]);
  });

  it('lets a field written by hand win over the profile', () => {
    const effective = resolve({
      profile: 'Cache',
      memory: { policy: 'allkeys-lfu', maxmemory: '1Gi', samples: 10 },
      persistence: { mode: 'RDB', rdb: { save: [{ after: '15m', changes: 1 }] } },
    });
    expect(effective.policy).toBe('allkeys-lfu');
    expect(effective.maxmemoryBytes).toBe(1024 * MEBIBYTE);
    expect(effective.save).toEqual([{ seconds: 900, changes: 1 }]);
  });

  it('derives maxmemory from the limit minus the reserves, in whole MiB', () => {
    const { maxmemoryBytes, reserves, memoryLimitBytes } = resolve({});
    expect(maxmemoryBytes % MEBIBYTE).toBe(0);
    expect(maxmemoryBytes).toBeLessThanOrEqual(memoryLimitBytes - reserves.totalBytes);
    expect(maxmemoryBytes).toBeGreaterThan(1500 * MEBIBYTE);
    expect(resolve({ resources: { limits: { memory: '256Mi' } } }).maxmemoryBytes).toBeGreaterThan(
      64 * MEBIBYTE,
    );
  });

  it('never asks for more replicas to write than there are', () => {
    expect(resolve({ profile: 'PrimaryStore', replicasPerShard: 0 }).minReplicasToWrite).toBe(0);
  });

  it('uses the bundled image only for the bundled engine', () => {
    expect(resolve({}).image).toBe('redwarden-server:test');
    expect(resolve({ server: { engine: 'Valkey', image: 'valkey:8' } }).image).toBe('valkey:8');
    expect(refusal({ server: { engine: 'Valkey' } })).toMatch(/image is missing/);
  });

  it('generates the password unless a Secret is named', () => {
    expect(resolve({}).password).toEqual({ secretName: 'orders-auth', key: 'password', generated: true });
    expect(resolve({ auth: { passwordSecretRef: { name: 'mine', key: 'p' } } }).password).toEqual({
      secretName: 'mine',
      key: 'p',
      generated: false,
    });
  });

  it('requests the memory limit, and no more processor than its limit', () => {
    const { requests } = resolve({ resources: { limits: { memory: '2Gi', cpu: '50m' } } }).resources;
    expect(requests).toEqual({ memory: '2Gi', cpu: '50m' });
  });

  it('replaces a time zone that nobody knows by UTC and remembers it', () => {
    const window = { schedule: '0 3 * * *', duration: '2h', timeZone: 'Europe/Atlantis' };
    expect(resolve({ persistence: { aof: { rewrite: { window } } } }).rewrite.window).toEqual({
      schedule: '0 3 * * *',
      durationMs: 7_200_000,
      timeZone: 'UTC',
      unknownTimeZone: 'Europe/Atlantis',
    });
  });

  it.each([
    ['a missing profile', { profile: undefined }, /profile is missing/],
    [
      'Custom without policy',
      { profile: 'Custom', persistence: { mode: 'AOF' } },
      /memory.policy is missing/,
    ],
    [
      'Custom without mode',
      { profile: 'Custom', memory: { policy: 'noeviction' } },
      /persistence.mode is missing/,
    ],
    ['no memory limit', { resources: {} }, /limits.memory is missing/],
    ['a limit below the reserves', { resources: { limits: { memory: '100Mi' } } }, /leaves nothing for data/],
    ['maxmemory above the limit', { memory: { maxmemory: '2Gi' } }, /not below/],
    ['a size that is none', { storage: { size: 'much' } }, /not a size/],
    ['a time that is none', { failover: { nodeTimeout: 'soon' } }, /not a time/],
  ])('explains %s', (_, spec, message) => {
    expect(refusal(spec as Partial<RedisClusterSpec>)).toMatch(message);
  });
});

describe('reserveMemory', () => {
  it('adds up, and keeps room for a forked child only where the engine forks', () => {
    for (const engine of ['Redwarden', 'Valkey', 'Redis'] as const) {
      const reserves = reserveMemory(4096 * MEBIBYTE, engine, true);
      const { totalBytes, ...parts } = reserves;
      expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBe(totalBytes);
      expect(reserves.snapshotBytes).toBe((engine === 'Redwarden' ? 128 : 1024) * MEBIBYTE);
    }
  });
});

describe('effectiveStatus', () => {
  it('names what was resolved', () => {
    expect(effectiveStatus(resolve({ profile: 'Leaderboard' }))).toMatchObject({
      policy: 'noeviction',
      persistence: 'RDB',
      save: '3600 1 300 100 60 10000',
      nodeTimeoutMs: 5000,
    });
  });
});
