import { describe, expect, it } from 'vitest';
import { decide } from '../plan/plan.ts';
import { sketch } from '../plan/scenarios/sketch.ts';
import type { Snapshot } from '../plan/snapshot.ts';
import { topologyOf } from '../plan/topology.ts';
import { conditionsOf, type Findings } from './conditions.ts';
import { healthOf } from './health.ts';
import { statusOf } from './status.ts';

const HEALTHY = `
  shards 3 replicas 1
  formed
  0-0 zone a primary 0-5460 epoch 1 used 52428800
  0-1 zone b replica of 0-0
  1-0 zone b primary 5461-10922 epoch 2
  1-1 zone c replica of 1-0
  2-0 zone c primary 10923-16383 epoch 3
  2-1 zone a replica of 2-0`;

function findingsOf(snapshot: Snapshot, changes: Partial<Findings> = {}): Findings {
  const topology = topologyOf(snapshot);
  const health = healthOf(snapshot, topology, undefined);
  const plan = decide(snapshot);
  return {
    snapshot,
    effective: undefined,
    health,
    plan,
    creating: false,
    failure: undefined,
    repeating: false,
    ...changes,
  };
}

/** `Type=Status/Reason` of the conditions asked for. */
function judged(snapshot: Snapshot, ...types: string[]): string[] {
  return conditionsOf(findingsOf(snapshot), [])
    .filter(({ type }) => types.includes(type))
    .map(({ type, status, reason }) => `${type}=${status}/${reason}`);
}

function message(snapshot: Snapshot, type: string): string {
  return conditionsOf(findingsOf(snapshot), []).find((each) => each.type === type)?.message ?? '';
}

describe('conditionsOf', () => {
  it('a healthy cluster is Ready and nothing is abnormal', () => {
    const conditions = conditionsOf(findingsOf(sketch(HEALTHY)), []);
    const status = (type: string) => conditions.find((each) => each.type === type)?.status;
    expect(
      ['Ready', 'Available', 'ReplicasInSync', 'ConfigApplied', 'PersistenceHealthy'].map(status),
    ).toEqual(Array.from({ length: 5 }, () => 'True'));
    expect(['Progressing', 'Degraded', 'Reconciling', 'Stalled', 'Paused'].map(status)).toEqual(
      Array.from({ length: 5 }, () => 'False'),
    );
    expect(conditions.every((each) => each.observedGeneration === 1)).toBe(true);
  });

  it.each([
    ['a slot without owner', HEALTHY.replace('10923-16383', '10924-16383')],
    ['a replica that is not in sync', HEALTHY.replace('of 0-0', 'of 0-0 linkdown')],
    ['a slot half-way', HEALTHY.replace('epoch 1', 'epoch 1 open 3 migrating 1-0')],
    ['a setting that differs', HEALTHY.replace('of 0-0', 'of 0-0 set maxmemory 1')],
    ['a member that does not answer', HEALTHY.replace('2-1 zone a', '2-1 silent zone a')],
    ['a pod with an older template', HEALTHY.replace('2-1 zone a', '2-1 old zone a')],
  ])('is not Ready with %s', (_name, text) => {
    expect(judged(sketch(text), 'Ready')[0]).toMatch(/^Ready=False/);
    expect(
      judged(sketch(text), 'Reconciling', 'Stalled').filter((each) => each.includes('=True')),
    ).toHaveLength(1);
  });

  it('says Degraded while a replica is missing, and still Available', () => {
    const text = HEALTHY.replace('2-1 zone a', '2-1 silent zone a');
    expect(judged(sketch(text), 'Available', 'Degraded', 'ReplicasInSync')).toEqual([
      'Available=True/AllSlotsServed',
      'Degraded=True/RedundancyReduced',
      'ReplicasInSync=False/NotInSync',
    ]);
  });

  it('is not Degraded before it was whole for the first time', () => {
    const snapshot = sketch(HEALTHY.replace('of 0-0', 'of 0-0 linkdown'));
    const status = statusOf(
      findingsOf(snapshot, { creating: true }),
      topologyOf(snapshot),
      undefined,
      {},
      [],
    );
    expect(status.phase).toBe('Creating');
    expect(status.conditions?.find((each) => each.type === 'Degraded')?.reason).toBe('BeingCreated');
  });

  it('an image that cannot start is Stalled with reason and remedy', () => {
    const text = HEALTHY.replace('2-1 zone a', '2-1 silent stuck zone a');
    expect(judged(sketch(text), 'Stalled', 'Reconciling')).toEqual([
      'Reconciling=False/Stalled',
      'Stalled=True/ImagePullBackOff',
    ]);
    expect(message(sketch(text), 'Stalled')).toBe(
      'c-shard-2-1: no such image; check spec.server.image and pod.imagePullSecrets',
    );
  });

  it('a missing secret is Stalled and says which', () => {
    const snapshot = sketch('shards 3 replicas 1', {
      password: { kind: 'missing', message: 'Secret mine does not exist; create it' },
    });
    expect(judged(snapshot, 'Stalled')).toEqual(['Stalled=True/SecretMissing']);
    expect(message(snapshot, 'Ready')).toContain('Secret mine does not exist');
  });

  it('a spec that cannot be resolved is Stalled', () => {
    const intent = { kind: 'bad' as const, reason: 'InvalidSpec', message: 'spec.profile is missing' };
    expect(judged(sketch(HEALTHY, { intent }), 'Stalled', 'Ready')).toEqual([
      'Ready=False/InvalidSpec',
      'Stalled=True/InvalidSpec',
    ]);
  });

  it('keeps the time of a condition whose status stayed', () => {
    const before = conditionsOf(findingsOf(sketch(HEALTHY)), []).map((each) => ({
      ...each,
      lastTransitionTime: '2020-01-01T00:00:00Z',
    }));
    const after = conditionsOf(findingsOf(sketch(HEALTHY.replace('of 0-0', 'of 0-0 linkdown'))), before);
    const time = (type: string) => after.find((each) => each.type === type)?.lastTransitionTime;
    expect(time('Available')).toBe('2020-01-01T00:00:00Z');
    expect(time('Ready')).toBe('2026-05-04T03:30:00Z');
  });
});

describe('statusOf', () => {
  const statusFor = (text: string, previous = {}, rewritten: readonly string[] = []) => {
    const snapshot = sketch(text);
    return statusOf(findingsOf(snapshot), topologyOf(snapshot), undefined, previous, rewritten);
  };

  it('names shards, their slots, primaries and replicas, with numbers rounded', () => {
    const status = statusFor(HEALTHY);
    expect(status).toMatchObject({
      phase: 'Ready',
      slots: 16384,
      memory: '50%',
      replicasPerShard: 1,
      formed: true,
    });
    expect(status.shards?.[0]).toEqual({
      name: 'c-shard-0',
      slots: '0-5460',
      memoryPercent: 50,
      primary: { pod: 'c-shard-0-0', nodeId: 'id-0-0', zone: 'a' },
      replicas: [{ pod: 'c-shard-0-1', nodeId: 'id-0-1', zone: 'b', inSync: true }],
    });
  });

  it('keeps the node id of a member that does not answer', () => {
    const status = statusFor(HEALTHY.replace('2-1 zone a', '2-1 silent zone a'), statusFor(HEALTHY));
    expect(status.shards?.[2]?.replicas).toEqual([
      { pod: 'c-shard-2-1', nodeId: 'id-2-1', zone: 'a', inSync: false },
    ]);
  });

  it('marks forming before the first slot is assigned, and formed once all were served', () => {
    const empty = HEALTHY.replaceAll(/^ *(\d-\d).*$/gm, '$1 primary alone').replace('formed', '');
    expect(statusFor(empty).formed).toBe(false);
    expect(statusFor(HEALTHY.replace('formed', '')).formed).toBe(true);
  });

  it('records rewrites by pod and by shard', () => {
    const status = statusFor(HEALTHY, {}, ['c-shard-1-1']);
    expect(status.rewrites).toEqual([{ pod: 'c-shard-1-1', rewrittenAt: '2026-05-04T03:30:00Z' }]);
    expect(status.shards?.[1]?.aof?.lastRewrite).toBe('2026-05-04T03:30:00Z');
  });
});
