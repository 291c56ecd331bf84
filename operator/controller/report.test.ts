import { describe, expect, it } from 'vitest';
import type { Condition, RedisClusterStatus } from '../api/generated/redis-cluster.ts';
import { KubeFailure } from '../kube/failure.ts';
import type { Step } from '../plan/step.ts';
import type { StoredRedisCluster } from './caches.ts';
import { type Reporter, recordStep, recordTransitions, writeStatus } from './report.ts';

function make(answer?: KubeFailure) {
  const sent: unknown[] = [];
  const events: string[] = [];
  let now = 1_000_000;
  const apply = async (_kind: unknown, object: unknown) => {
    sent.push(object);
    return answer ?? { object, created: false };
  };
  const record = (event: { type: string; reason: string; note: string }): void => {
    events.push(`${event.type} ${event.reason}: ${event.note}`);
  };
  const reporter = {
    client: { apply },
    recorder: { record },
    now: () => now,
    writtenAt: now,
  } as unknown as Reporter;
  const later = (ms: number): void => {
    now += ms;
  };
  return { reporter, sent, events, later };
}

const STATUS: RedisClusterStatus = {
  phase: 'Ready',
  slots: 16384,
  memory: '40%',
  shards: [{ name: 'c-shard-0', memoryPercent: 40 }],
};

function resource(status?: RedisClusterStatus): StoredRedisCluster {
  const metadata = { name: 'c', namespace: 'default', uid: 'u', resourceVersion: '7' };
  return { metadata, ...(status === undefined ? {} : { status }) } as unknown as StoredRedisCluster;
}

function condition(type: string, status: Condition['status'], reason = 'R', message = 'm'): Condition {
  return { type, status, reason, message, lastTransitionTime: '2026-01-01T00:00:00Z' };
}

describe('writeStatus', () => {
  it('writes news at once, guarded by uid and resource version', async () => {
    const { reporter, sent } = make();
    await writeStatus(reporter, resource({ ...STATUS, phase: 'Creating' }), STATUS);
    expect(sent).toMatchObject([
      { metadata: { name: 'c', namespace: 'default', uid: 'u', resourceVersion: '7' }, status: STATUS },
    ]);
  });

  it('writes nothing when nothing changed', async () => {
    const { reporter, sent, later } = make();
    later(3_600_000);
    expect(await writeStatus(reporter, resource(STATUS), structuredClone(STATUS))).toBeUndefined();
    expect(sent).toEqual([]);
  });

  it('refreshes numbers every five minutes only', async () => {
    const { reporter, sent, later } = make();
    const moved = { ...STATUS, memory: '45%', shards: [{ name: 'c-shard-0', memoryPercent: 45 }] };
    await writeStatus(reporter, resource(STATUS), moved);
    expect(sent).toHaveLength(0);
    later(300_000);
    await writeStatus(reporter, resource(STATUS), moved);
    await writeStatus(reporter, resource(moved), { ...moved, memory: '50%' });
    expect(sent).toHaveLength(1);
  });

  it('answers the failure', async () => {
    const { reporter } = make(new KubeFailure('conflict', 'modified'));
    expect(await writeStatus(reporter, resource(), STATUS)).toMatchObject({ kind: 'conflict' });
  });
});

describe('recordTransitions', () => {
  it('tells of a condition that changed, as a warning when it is no good news', () => {
    const { reporter, events } = make();
    const before = [condition('Ready', 'True'), condition('Degraded', 'False')];
    const after = [condition('Ready', 'False', 'MembersSilent', 'x is away'), condition('Degraded', 'False')];
    recordTransitions(reporter, resource(), before, after);
    recordTransitions(reporter, resource(), after, before);
    expect(events).toEqual(['Warning MembersSilent: x is away', 'Normal ReadyTrue: m']);
  });

  it('tells of every new reason why it is stalled, but not of every new reason why it is not ready', () => {
    const { reporter, events } = make();
    const before = [condition('Ready', 'False', 'A'), condition('Stalled', 'True', 'A')];
    recordTransitions(reporter, resource(), before, [
      condition('Ready', 'False', 'B'),
      condition('Stalled', 'True', 'B'),
    ]);
    expect(events).toEqual(['Warning B: m']);
  });

  it('a new cluster begins with what is under way, without warnings', () => {
    const { reporter, events } = make();
    const after = [
      condition('Ready', 'False'),
      condition('Available', 'False'),
      condition('Progressing', 'True', 'FormCluster'),
    ];
    recordTransitions(reporter, resource(), [], after);
    expect(events).toEqual(['Normal FormCluster: m']);
  });
});

describe('recordStep', () => {
  it('names old and new value of a setting that somebody changed', () => {
    const { reporter, events } = make();
    const on = { pod: 'c-shard-0-0', nodeId: 'a', address: { host: 'h', port: 1, busPort: 2 } };
    const step: Step = { kind: 'setSetting', on, name: 'maxmemory', value: '9', was: '5', cause: 'drift' };
    recordStep(reporter, resource(), step);
    expect(events).toEqual([
      'Warning SettingRepaired: maxmemory of c-shard-0-0 had been changed to "5"; it is "9" again',
    ]);
  });
});
