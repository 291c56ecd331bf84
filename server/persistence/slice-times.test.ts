import { expect, it } from 'vitest';
import { SliceTimes } from './slice-times.ts';

it('SliceTimes prints how many slices there were, their percentiles and the longest', () => {
  const times = new SliceTimes();
  for (let k = 0; k < 100; k += 1) {
    times.begin();
    times.end(k === 0 ? 7 : 1);
  }
  times.fixed(0.25);
  const [all, undisturbed, begin] = times.lines();
  expect(all).toMatch(/^snapshot_slice_usec:slices=100,p50=10\d\d,p99=10\d\d,p99\.9=7\d\d\d,max=7000$/);
  expect(undisturbed).toMatch(/^snapshot_undisturbed_slice_usec:slices=\d+,/);
  expect(begin).toBe('snapshot_begin_usec_max:250');
});

it('SliceTimes calls a slice undisturbed that took no longer than it should', () => {
  const times = new SliceTimes();
  for (let k = 0; k < 50; k += 1) {
    times.begin();
    times.end(1.05);
  }
  expect(times.lines()[1]).toMatch(/slices=50,.*max=1050$/);
});
