import { describe, expect, it } from 'vitest';
import { smallClaimsOf } from './claims.ts';

const storage = {
  size: '2Gi',
  storageClassName: undefined,
  whenDeleted: 'Retain',
  ephemeral: false,
} as const;
const workloads = [{ name: 'c-shard-0', shard: 0, replicas: 3, updateRevision: 'r' }];

function claim(uid: string, size: string) {
  const spec = { resources: { requests: { storage: size } } };
  return { kind: 'PersistentVolumeClaim', metadata: { name: uid, uid }, spec };
}

describe('smallClaimsOf', () => {
  it('names claims that ask for less than the spec, by value and not by spelling', () => {
    const claims = new Map([
      ['data-c-shard-0-0', claim('a', '1Gi')],
      ['data-c-shard-0-1', claim('b', '2048Mi')],
    ]);
    expect(smallClaimsOf(storage, workloads, (name) => claims.get(name))).toEqual([
      { name: 'data-c-shard-0-0', uid: 'a', wanted: '2Gi' },
    ]);
  });

  it('never names a larger one: volumes do not shrink', () => {
    expect(smallClaimsOf(storage, workloads, () => claim('a', '3Gi'))).toEqual([]);
  });

  it('has none to name without volumes', () => {
    expect(smallClaimsOf({ ...storage, ephemeral: true }, workloads, () => claim('a', '1Gi'))).toEqual([]);
  });
});
