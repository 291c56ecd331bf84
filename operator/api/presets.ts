/**
 * What a profile decides where the spec is silent. Frozen for v1alpha1: a new answer needs a new API version.
 */
import type { RedisClusterSpec } from './generated/redis-cluster.ts';

export type Profile = NonNullable<RedisClusterSpec['profile']>;
export type Policy = NonNullable<NonNullable<RedisClusterSpec['memory']>['policy']>;
export type PersistenceMode = NonNullable<NonNullable<RedisClusterSpec['persistence']>['mode']>;

export interface Preset {
  readonly policy: Policy;
  readonly persistence: PersistenceMode;
  /** Replicas that must be linked for a primary to accept writes; never more than there are. */
  readonly minReplicasToWrite: number;
}

// biome-ignore format: a table, one profile a row
export const presets: { readonly [profile in Exclude<Profile, 'Custom'>]: Preset } = {
  // rebuilds from its source; writes must never fail
  Cache:        { policy: 'allkeys-lru',  persistence: 'None', minReplicasToWrite: 0 },
  // losing sessions logs everybody out, one second of them is acceptable; the nearest to expiry goes first
  Sessions:     { policy: 'volatile-ttl', persistence: 'AOF',  minReplicasToWrite: 0 },
  // a refused INCR silently switches limiting off
  RateLimiter:  { policy: 'volatile-ttl', persistence: 'AOF',  minReplicasToWrite: 0 },
  // can be rebuilt, must not lose members one by one
  Leaderboard:  { policy: 'noeviction',   persistence: 'RDB',  minReplicasToWrite: 0 },
  // nothing is evicted; RDB for backup, AOF for recovery
  PrimaryStore: { policy: 'noeviction',   persistence: 'Both', minReplicasToWrite: 1 },
};
