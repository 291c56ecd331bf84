import { describe, expect, it } from 'vitest';
import { ManualClock, settle } from './clock.ts';
import { type RunOutcome, WorkQueue } from './queue.ts';

interface Run {
  readonly key: string;
  readonly end: (outcome?: RunOutcome) => void;
}

function make(options: { concurrencyMax?: number; keysMax?: number } = {}) {
  const clock = new ManualClock();
  const runs: Run[] = [];
  const queue = new WorkQueue({
    run: (key) =>
      new Promise((resolve) => {
        runs.push({ key, end: (outcome = { kind: 'done' }) => resolve(outcome) });
      }),
    concurrencyMax: options.concurrencyMax ?? 2,
    keysMax: options.keysMax ?? 100,
    backoff: { firstMs: 100, maxMs: 1000 },
    clock,
    random: () => 0,
  });
  return { clock, runs, queue, keys: () => runs.map((run) => run.key) };
}

describe('WorkQueue', () => {
  it('runs a key once however often it was added before', async () => {
    const { queue, keys } = make();
    queue.add('a');
    queue.add('a');
    queue.add('b');
    queue.start();
    await settle();
    expect(keys()).toEqual(['a', 'b']);
  });

  it('never runs a key twice at a time, and once more when it was added meanwhile', async () => {
    const { queue, runs, keys } = make();
    queue.start();
    queue.add('a');
    queue.add('a');
    queue.add('a');
    await settle();
    expect(keys()).toEqual(['a']);
    runs[0]?.end();
    await settle();
    expect(keys()).toEqual(['a', 'a']);
    runs[1]?.end();
    await settle();
    expect(keys()).toEqual(['a', 'a']);
  });

  it('keeps to its concurrency, in order of arrival', async () => {
    const { queue, runs, keys } = make({ concurrencyMax: 2 });
    queue.start();
    for (const key of ['a', 'b', 'c', 'd']) queue.add(key);
    await settle();
    expect(keys()).toEqual(['a', 'b']);
    expect([queue.running, queue.depth]).toEqual([2, 2]);
    runs[1]?.end();
    await settle();
    expect(keys()).toEqual(['a', 'b', 'c']);
  });

  it('backs off a key that fails, and forgets that when it succeeds', async () => {
    const { queue, runs, clock } = make();
    queue.start();
    queue.add('a');
    const waits: number[] = [];
    for (let failures = 1; failures <= 6; failures += 1) {
      await settle();
      runs.at(-1)?.end({ kind: 'failed' });
      await settle();
      const before = clock.now();
      while (runs.length === failures) await clock.advance(10);
      waits.push(clock.now() - before);
    }
    expect(waits).toEqual([50, 100, 200, 400, 500, 500]);
    expect(queue.failures('a')).toBe(6);
    runs.at(-1)?.end();
    await settle();
    expect(queue.failures('a')).toBe(0);
  });

  it('does not spin when a failing run causes the event that wants the next', async () => {
    const { queue, runs, clock } = make();
    queue.start();
    queue.add('a');
    queue.add('a');
    runs[0]?.end({ kind: 'failed' });
    await settle();
    expect(runs).toHaveLength(1);
    await clock.advance(100);
    expect(runs).toHaveLength(2);
  });

  it('looks again after the time a run asked for, or earlier when something happens', async () => {
    const { queue, runs, clock } = make();
    queue.start();
    queue.add('a');
    runs[0]?.end({ kind: 'again', afterMs: 1000 });
    await clock.advance(999);
    expect(runs).toHaveLength(1);
    await clock.advance(1);
    expect(runs).toHaveLength(2);
    runs[1]?.end({ kind: 'again', afterMs: 1000 });
    await settle();
    queue.add('a');
    expect(runs).toHaveLength(3);
    runs[2]?.end();
    await clock.advance(10_000);
    expect(runs).toHaveLength(3);
    expect(clock.waiting).toBe(0);
  });

  it('keeps the earliest of several due times', async () => {
    const { queue, runs, clock } = make();
    queue.start();
    queue.addAfter('a', 500);
    queue.addAfter('a', 100);
    queue.addAfter('a', 900);
    await clock.advance(100);
    expect(runs).toHaveLength(1);
    expect(clock.waiting).toBe(0);
  });

  it('refuses keys beyond its limit, but never a key it knows', () => {
    const { queue } = make({ keysMax: 2 });
    expect([queue.add('a'), queue.addAfter('b', 10), queue.add('c'), queue.add('a')]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    expect(queue.refused).toBe(1);
  });

  it('forgets keys that are done', async () => {
    const { queue, runs } = make({ keysMax: 1 });
    queue.start();
    for (let index = 0; index < 10; index += 1) {
      expect(queue.add(`key-${index}`)).toBe(true);
      runs.at(-1)?.end();
      await settle();
    }
  });

  it('stops: waits for runs under way, begins no other', async () => {
    const { queue, runs, clock } = make({ concurrencyMax: 1 });
    queue.start();
    queue.add('a');
    queue.add('b');
    queue.addAfter('c', 10);
    let stopped = false;
    void queue.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(stopped).toBe(false);
    runs[0]?.end({ kind: 'failed' });
    await clock.advance(10_000);
    expect(stopped).toBe(true);
    expect(runs).toHaveLength(1);
    expect(queue.add('d')).toBe(false);
  });
});
