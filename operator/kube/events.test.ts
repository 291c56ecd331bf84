import { describe, expect, it } from 'vitest';
import { ManualClock, settle } from './clock.ts';
import { EventRecorder, type EventToRecord } from './events.ts';
import { KubeFailure } from './failure.ts';
import type { KubeEvent, KubeObject, ObjectReference, ResourceKind } from './resource.ts';

class FakeEvents {
  readonly created: KubeEvent[] = [];
  readonly patches: { name: string; series: { count: number } }[] = [];
  failure: KubeFailure | undefined;
  gate: Promise<void> | undefined;

  async create<T extends KubeObject>(_: ResourceKind<T>, object: T): Promise<T | KubeFailure> {
    await this.gate;
    if (this.failure !== undefined) return this.failure;
    this.created.push(object as unknown as KubeEvent);
    return object;
  }

  async mergePatch<T extends KubeObject>(
    _: ResourceKind<T>,
    reference: ObjectReference,
    patch: object,
  ): Promise<T | KubeFailure> {
    if (this.failure !== undefined) return this.failure;
    const { series } = patch as { series: { count: number } };
    this.patches.push({ name: reference.name, series });
    return {} as T;
  }
}

function make() {
  const events = new FakeEvents();
  const clock = new ManualClock();
  const log: string[] = [];
  let counter = 0;
  const recorder = new EventRecorder({
    client: events,
    reportingController: 'redwarden.dev/operator',
    reportingInstance: 'operator-0',
    clock,
    random: () => (counter = (counter + 0.001) % 1),
    report: (_, message) => log.push(message),
  });
  return { events, clock, recorder, log };
}

const orders: KubeObject = {
  apiVersion: 'redwarden.dev/v1alpha1',
  kind: 'RedisCluster',
  metadata: { name: 'orders', namespace: 'shop', uid: 'u1', resourceVersion: '7' },
};

function event(note: string, regarding = orders): EventToRecord {
  return { regarding, type: 'Normal', reason: 'SettingRepaired', action: 'ConfigSet', note };
}

describe('EventRecorder', () => {
  it('writes an event that the API accepts', async () => {
    const { events, recorder } = make();
    recorder.record(event('maxmemory 1 -> 2'));
    await settle();
    expect(events.created[0]).toMatchObject({
      metadata: { namespace: 'shop', name: expect.stringMatching(/^orders\.[0-9a-f]+$/) },
      eventTime: expect.stringMatching(/\.\d{6}Z$/),
      type: 'Normal',
      reason: 'SettingRepaired',
      action: 'ConfigSet',
      note: 'maxmemory 1 -> 2',
      regarding: { kind: 'RedisCluster', namespace: 'shop', name: 'orders', uid: 'u1' },
      reportingController: 'redwarden.dev/operator',
      reportingInstance: 'operator-0',
    });
  });

  it('counts the same event in one series, written at most once a minute', async () => {
    const { events, clock, recorder } = make();
    for (let second = 0; second < 90; second += 1) {
      recorder.record(event('again'));
      await clock.advance(1000);
    }
    expect(events.created).toHaveLength(1);
    expect(events.patches.length).toBeGreaterThanOrEqual(2);
    expect(events.patches.length).toBeLessThanOrEqual(4);
    await clock.advance(120_000);
    expect(events.patches.at(-1)?.series.count).toBe(90);
    expect(clock.waiting).toBeLessThanOrEqual(1);
    await clock.advance(1_200_000);
    expect(clock.waiting).toBe(0);
  });

  it('begins a new event after ten quiet minutes, and for another note', async () => {
    const { events, clock, recorder } = make();
    recorder.record(event('a'));
    recorder.record(event('b'));
    await clock.advance(11 * 60_000);
    recorder.record(event('a'));
    await settle();
    expect(events.created.map((each) => each.note)).toEqual(['a', 'b', 'a']);
    expect(new Set(events.created.map((each) => each.metadata.name)).size).toBe(3);
  });

  it('limits what one object may cause, not the others', async () => {
    const { events, clock, recorder } = make();
    for (let index = 0; index < 100; index += 1) recorder.record(event(`note ${index}`));
    const other = { ...orders, metadata: { ...orders.metadata, name: 'other', uid: 'u2' } };
    recorder.record(event('mine', other));
    await settle();
    expect(events.created).toHaveLength(26);
    expect(recorder.stats).toMatchObject({ dropped: 75, written: 26 });
    await clock.advance(10_000);
    recorder.record(event('later'));
    await settle();
    expect(events.created).toHaveLength(27);
  });

  it('drops and counts what does not fit while the API server hangs', async () => {
    const { events, recorder } = make();
    let open = (): void => undefined;
    events.gate = new Promise((resolve) => {
      open = resolve;
    });
    for (let index = 0; index < 700; index += 1) {
      const metadata = { ...orders.metadata, name: `c${index}`, uid: `u${index}` };
      recorder.record(event('x', { ...orders, metadata }));
    }
    open();
    await recorder.close(1000);
    expect(recorder.stats.written + recorder.stats.dropped).toBe(700);
    expect(recorder.stats.dropped).toBeGreaterThan(150);
  });

  it('reports a failure and goes on', async () => {
    const { events, recorder, log } = make();
    events.failure = new KubeFailure('forbidden', 'no');
    recorder.record(event('a'));
    await settle();
    events.failure = undefined;
    recorder.record(event('b'));
    await settle();
    expect(log).toEqual(['event not written']);
    expect(events.created.map((each) => each.note)).toEqual(['b']);
  });

  it('writes a series anew when the API server has forgotten it', async () => {
    const { events, recorder } = make();
    recorder.record(event('a'));
    await settle();
    events.mergePatch = async () => new KubeFailure('notFound', 'expired', 404);
    recorder.record(event('a'));
    await settle();
    expect(events.created).toHaveLength(2);
    expect(events.created[1]?.series?.count).toBe(2);
  });

  it('puts events about nodes into default, and cuts long notes between characters', async () => {
    const { events, recorder } = make();
    recorder.record(event(`x${'ä'.repeat(1000)}`, { kind: 'Node', metadata: { name: 'n1', uid: 'u' } }));
    await settle();
    expect(events.created[0]?.metadata.namespace).toBe('default');
    const note = events.created[0]?.note ?? '';
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
    expect(note).toMatch(/^xä+\.\.\.$/);
  });

  it('writes unwritten counts when it is closed, and closes within its deadline', async () => {
    const { events, recorder, clock } = make();
    for (let index = 0; index < 5; index += 1) {
      recorder.record(event('a'));
      await settle();
    }
    await recorder.close(1000);
    expect(events.patches.at(-1)?.series.count).toBe(5);
    const hanging = make();
    hanging.events.gate = new Promise(() => undefined);
    hanging.recorder.record(event('a'));
    const closed = hanging.recorder.close(1000);
    await hanging.clock.advance(1000);
    await closed;
    expect(clock.waiting).toBe(0);
  });
});
