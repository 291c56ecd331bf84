import { describe, expect, it } from 'vitest';
import { ManualClock, settle } from '../kube/clock.ts';
import { type PassMeasure, type Reconcile, Reconciler } from './reconciler.ts';

function make(reconcile: Reconcile, options: { mayRun?: () => boolean } = {}) {
  const clock = new ManualClock();
  const passes: PassMeasure[] = [];
  const log: string[] = [];
  const reconciler = new Reconciler({
    reconcile,
    mayRun: options.mayRun ?? (() => true),
    deadlineMs: 1000,
    concurrencyMax: 2,
    keysMax: 3,
    backoff: { firstMs: 100, maxMs: 1000 },
    clock,
    random: () => 0,
    report: (level, message) => log.push(`${level} ${message}`),
    measure: (pass) => passes.push(pass),
  });
  reconciler.start();
  return { clock, passes, log, reconciler };
}

describe('Reconciler', () => {
  it('looks again after the time a pass asked for; after 0 only when something happens', async () => {
    let requeueAfterMs = 500;
    const { clock, passes, reconciler } = make(async () => ({ requeueAfterMs }));
    reconciler.enqueue('a');
    await clock.advance(499);
    expect(passes).toHaveLength(1);
    requeueAfterMs = 0;
    await clock.advance(1);
    expect(passes).toHaveLength(2);
    await clock.advance(100_000);
    expect(passes.map((pass) => pass.outcome)).toEqual(['done', 'done']);
  });

  it('backs off after a pass that threw, loudly, and after one that failed', async () => {
    let bug = true;
    const { clock, passes, log, reconciler } = make(async () => {
      if (bug) throw new Error('bug');
      return { requeueAfterMs: 10_000, failed: true };
    });
    reconciler.enqueue('a');
    await settle();
    expect(log).toEqual(['error pass threw']);
    bug = false;
    await clock.advance(50);
    expect(passes.map((pass) => pass.outcome)).toEqual(['threw', 'failed']);
    await clock.advance(99);
    expect(passes).toHaveLength(2);
    await clock.advance(1);
    expect(passes).toHaveLength(3);
  });

  it('tells a pass that its time is over, and never runs the key twice meanwhile', async () => {
    let began = 0;
    const { clock, passes, reconciler, log } = make((_, signal) => {
      began += 1;
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve({ requeueAfterMs: 5000 }));
      });
    });
    reconciler.enqueue('a');
    reconciler.enqueue('a');
    await clock.advance(999);
    expect(began).toBe(1);
    await clock.advance(1);
    expect(passes).toMatchObject([{ key: 'a', durationMs: 1000, outcome: 'overdue' }]);
    expect(log).toEqual(['error pass over its deadline']);
    await clock.advance(100);
    expect(began).toBe(2);
  });

  it('reports a pass that ignores the end of its time as stuck, and keeps others going', async () => {
    const { clock, passes, reconciler } = make((key) =>
      key === 'bad' ? new Promise(() => undefined) : Promise.resolve({ requeueAfterMs: 0 }),
    );
    reconciler.enqueue('bad');
    await clock.advance(60_000);
    expect(reconciler.stuck()).toEqual([]);
    await clock.advance(2_000);
    expect(reconciler.stuck()).toEqual(['bad']);
    reconciler.enqueue('good');
    await settle();
    expect(passes.map((pass) => pass.key)).toEqual(['good']);
    const stopped = reconciler.stop(1000);
    await clock.advance(1000);
    expect(await stopped).toBe(false);
  });

  it('does not begin a pass without leadership', async () => {
    let leads = false;
    const { clock, passes, reconciler } = make(async () => ({ requeueAfterMs: 0 }), { mayRun: () => leads });
    reconciler.enqueue('a');
    await clock.advance(1000);
    expect(passes).toEqual([]);
    leads = true;
    await clock.advance(1000);
    expect(passes).toHaveLength(1);
  });

  it('stops: aborts passes under way and waits for them', async () => {
    const { passes, reconciler, log } = make(
      (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    );
    reconciler.enqueue('a');
    await settle();
    expect(await reconciler.stop(1000)).toBe(true);
    expect(passes).toHaveLength(1);
    expect(log).toEqual([]);
    reconciler.enqueue('b');
    expect(log).toEqual([]);
  });

  it('says so when its queue is full', () => {
    const { reconciler, log } = make(() => new Promise(() => undefined));
    for (const key of ['a', 'b', 'c', 'd']) reconciler.enqueue(key);
    expect(log).toEqual(['error queue full: key not taken until the next resync']);
    expect(reconciler.refused).toBe(1);
  });
});
