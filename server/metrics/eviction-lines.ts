/** The eviction section of INFO: what went by policy and type, and how long it had not been touched. */
import { AGE_SECONDS, type EvictionCounters } from '../keyspace/eviction-counters.ts';

export function evictionLines(counters: EvictionCounters): string[] {
  const lines: string[] = [];
  for (const [policy, types] of counters.byPolicy) {
    const counts = [...types].map(([type, count]) => `${type}=${count}`);
    lines.push(`evicted_${policy}:${counts.join(',')}`);
  }
  const ends = [...AGE_SECONDS.map((seconds) => `to_${seconds}`), 'above'];
  const ages = ends.map((end, place) => `${end}=${counters.ages[place]}`);
  lines.push(`eviction_age_seconds:${ages.join(',')},sum=${counters.ageSeconds}`);
  return lines;
}
