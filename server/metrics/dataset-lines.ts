/** The dataset section of INFO: keys that nobody gave a TTL, and what the largest prefixes hold. */
import type { DatasetReport } from '../keyspace/dataset-profile.ts';

/** Prefixes that are printed. */
export const PREFIXES_SHOWN = 8;

/** A prefix as a value between commas: what could be mistaken for the syntax around it becomes `?`. */
function shown(prefix: string): string {
  return prefix.replaceAll(/[^\w.:;/@+-]/g, '?');
}

export function datasetLines(report: DatasetReport): string[] {
  return [
    `keys_without_ttl:${report.keysWithoutTtl}`,
    `keys_without_ttl_bytes:${report.bytesWithoutTtl}`,
    `keys_without_ttl_growth_per_minute:${report.growthPerMinute}`,
    `dataset_samples:${report.samples}`,
    ...report.prefixes.map(
      ({ prefix, keys, bytes, keysWithoutTtl }, rank) =>
        `prefix_${rank}:name=${shown(prefix)},keys=${keys},bytes=${bytes},keys_without_ttl=${keysWithoutTtl}`,
    ),
  ];
}
