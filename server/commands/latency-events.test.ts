import { describe, expect, it } from 'vitest';
import { LatencyEvents } from './latency-events.ts';
import { latencyGraph } from './latency-graph.ts';
import { latencyReport } from './latency-report.ts';

describe('LatencyEvents', () => {
  it('notes only what reaches the threshold, the longest of each second', () => {
    const events = new LatencyEvents();
    events.note('command', 1000, 0);
    expect(events.all()).toEqual([]);
    events.thresholdMs = 10;
    events.note('command', 9.9, 0);
    events.note('command', 12, 1000);
    events.note('command', 30.7, 1999);
    events.note('command', 20, 2000);
    expect(events.byName('command')).toEqual({
      name: 'command',
      samples: [
        { timeSeconds: 1, latencyMs: 30 },
        { timeSeconds: 2, latencyMs: 20 },
      ],
      maxMs: 30,
      sumMs: 62,
      count: 3,
    });
  });

  it('keeps 160 samples of an event', () => {
    const events = new LatencyEvents();
    for (let second = 0; second < 500; second += 1) events.add('fork', second, second * 1000);
    const samples = events.byName('fork')?.samples ?? [];
    expect([samples.length, samples[0]?.latencyMs]).toEqual([160, 340]);
  });

  it('reset counts what it forgets; unknown names are no error', () => {
    const events = new LatencyEvents();
    events.add('a', 1, 0);
    events.add('b', 1, 0);
    expect([events.reset(['a', 'x']), events.reset([]), events.reset([])]).toEqual([1, 1, 0]);
  });
});

it('latencyGraph draws one column a sample, as high as its share', () => {
  const events = new LatencyEvents();
  for (const [second, ms] of [
    [1, 10],
    [2, 500],
    [3, 250],
  ] as const)
    events.add('command', ms, second * 1000);
  const event = events.byName('command');
  if (event === undefined) throw new Error('no event');
  const lines = latencyGraph(event, 70_000).split('\n');
  expect(lines[0]).toBe('command - high 500 ms, low 10 ms (all time high 500 ms)');
  expect(lines.slice(2, 6)).toEqual([' # ', ' # ', ' ##', 'o##']);
  expect(lines.slice(6, 8)).toEqual(['111', 'mmm']);
});

describe('latencyReport', () => {
  it('says when nothing is watched, when nothing happened, and what helps', () => {
    expect(latencyReport([], 0)).toContain('disabled');
    expect(latencyReport([], 100)).toContain('100 ms');
    const events = new LatencyEvents();
    events.add('command', 200, 0);
    expect(latencyReport(events.all(), 100)).toContain('SLOWLOG');
  });
});
