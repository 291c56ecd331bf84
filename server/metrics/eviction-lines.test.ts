import { describe, expect, it } from 'vitest';
import { EvictionCounters } from '../keyspace/eviction-counters.ts';
import { evictionLines } from './eviction-lines.ts';

describe('evictionLines', () => {
  it('tells nothing of policies that evicted nothing', () => {
    expect(evictionLines(new EvictionCounters())).toEqual([
      'eviction_age_seconds:to_1=0,to_10=0,to_60=0,to_600=0,to_3600=0,to_21600=0,to_86400=0,above=0,sum=0',
    ]);
  });

  it('counts by policy, type and age', () => {
    const counters = new EvictionCounters();
    counters.count('allkeys-lru', 'string', 0);
    counters.count('allkeys-lru', 'hash', 10);
    counters.count('allkeys-lru', 'string', 11);
    counters.count('volatile-ttl', 'stream', 100_000);
    expect(evictionLines(counters)).toEqual([
      'evicted_allkeys-lru:string=2,hash=1',
      'evicted_volatile-ttl:stream=1',
      'eviction_age_seconds:to_1=1,to_10=1,to_60=1,to_600=0,to_3600=0,to_21600=0,to_86400=0,above=1,sum=100021',
    ]);
    counters.reset();
    expect(evictionLines(counters)).toHaveLength(1);
  });
});
