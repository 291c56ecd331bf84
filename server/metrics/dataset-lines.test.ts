import { describe, expect, it } from 'vitest';
import { datasetLines } from './dataset-lines.ts';

describe('datasetLines', () => {
  it('keeps names of prefixes apart from the syntax of the line', () => {
    const prefixes = [{ prefix: 'a,b=c\r\n:', keys: 3, bytes: 4, keysWithoutTtl: 1 }];
    const report = { keysWithoutTtl: 5, bytesWithoutTtl: 6, growthPerMinute: -7, samples: 8, prefixes };
    expect(datasetLines(report)).toEqual([
      'keys_without_ttl:5',
      'keys_without_ttl_bytes:6',
      'keys_without_ttl_growth_per_minute:-7',
      'dataset_samples:8',
      'prefix_0:name=a?b?c??:,keys=3,bytes=4,keys_without_ttl=1',
    ]);
  });
});
