import { describe, expect, it } from 'vitest';
import { Slices } from '../keyspace/slices.ts';
import { sliceLines } from './slice-lines.ts';

describe('sliceLines', () => {
  it('tells nothing of work that was not done', () => {
    expect(sliceLines(new Slices())).toEqual([]);
  });

  it('cumulates the classes and gives microseconds', () => {
    const slices = new Slices();
    for (const ms of [0.1, 0.4, 1.9, 40]) slices.of('compact').note(ms);
    expect(sliceLines(slices)).toEqual([
      'slices_compact:count=4,usec=42400,longest_usec=40000,' +
        'to_250=1,to_500=2,to_1000=2,to_2000=3,to_4000=3,to_8000=3,to_16000=3,to_32000=3',
    ]);
  });
});
