import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Effective, resolveEffective } from './effective.ts';
import type { RedisClusterSpec } from './generated/redis-cluster.ts';
import { fileSettings, isSameValue, liveSettings, reservedNames } from './settings.ts';

function resolve(spec: Partial<RedisClusterSpec>): Effective {
  const effective = resolveEffective(
    {
      apiVersion: 'redwarden.dev/v1alpha1',
      kind: 'RedisCluster',
      metadata: { name: 'orders' },
      spec: {
        profile: 'Sessions',
        shards: 3,
        replicasPerShard: 1,
        resources: { limits: { memory: '2Gi' } },
        storage: { size: '10Gi' },
        ...spec,
      },
    },
    { serverImage: 'x' },
  );
  if (effective.kind !== 'effective') throw new Error(effective.message);
  return effective;
}

function settingOf(spec: Partial<RedisClusterSpec>, name: string): string | undefined {
  return fileSettings(resolve(spec)).find((setting) => setting.name === name)?.value;
}

describe('reservedNames', () => {
  const crd = parse(
    readFileSync(new URL('../../crds/redisclusters.redwarden.dev.yaml', import.meta.url), 'utf8'),
  );
  const rules: { rule: string; message: string }[] =
    crd.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.config['x-kubernetes-validations'];

  function namesIn(start: string): string[] {
    const rule = rules.find(({ message }) => message.startsWith(start))?.rule ?? '';
    return [...rule.matchAll(/'([^']+)'/g)].map((match) => match[1] ?? '');
  }

  it('are the names that the CRD refuses in spec.config', () => {
    expect(namesIn('spec.config sets what has a field').sort()).toEqual(reservedNames('field').sort());
    expect(namesIn('spec.config sets what the operator owns').sort()).toEqual(
      reservedNames('operator').sort(),
    );
  });
});

describe('fileSettings', () => {
  it('writes the profile, once each', () => {
    const names = fileSettings(resolve({})).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(settingOf({}, 'maxmemory-policy')).toBe('volatile-ttl');
    expect(settingOf({}, 'appendonly')).toBe('yes');
    expect(settingOf({}, 'save')).toBe('');
    expect(settingOf({ profile: 'Leaderboard' }, 'save')).toBe('3600 1 300 100 60 10000');
  });

  it('leaves the rewrite to the window, with the server as the net below', () => {
    const window = { schedule: '0 3 * * *', duration: '2h' };
    const rewrite = { growthPercent: 150, window };
    expect(settingOf({}, 'auto-aof-rewrite-percentage')).toBe('100');
    expect(settingOf({ persistence: { aof: { rewrite } } }, 'auto-aof-rewrite-percentage')).toBe('600');
  });

  it('never holds a password', () => {
    const names = fileSettings(resolve({})).map(({ name }) => name);
    expect(names).not.toContain('requirepass');
    expect(names).not.toContain('masterauth');
  });

  it('names the admin port only to the engine that has one', () => {
    expect(settingOf({}, 'admin-port')).toBe('9121');
    expect(settingOf({ server: { engine: 'Valkey', image: 'v' } }, 'admin-port')).toBeUndefined();
  });

  it('passes free settings on, and lets them size the backlog', () => {
    expect(settingOf({ config: { 'lua-time-limit': '5000' } }, 'lua-time-limit')).toBe('5000');
    expect(settingOf({ config: { 'repl-backlog-size': '5mb' } }, 'repl-backlog-size')).toBe('5mb');
  });
});

describe('liveSettings', () => {
  it('are set on running servers: everything typed, and free ones that can be compared', () => {
    const config = {
      'lua-time-limit': '5000',
      databases: '4',
      'notify-keyspace-events': 'KEA',
      'client-output-buffer-limit': 'pubsub 32mb 8mb 60',
    };
    const names = liveSettings(resolve({ config })).map(({ name }) => name);
    expect(names).toContain('maxmemory');
    expect(names).toContain('cluster-node-timeout');
    expect(names).toContain('lua-time-limit');
    for (const name of ['databases', 'notify-keyspace-events', 'client-output-buffer-limit', 'dir', 'port'])
      expect(names).not.toContain(name);
  });
});

describe('isSameValue', () => {
  it('compares sizes as bytes and words without regard to case', () => {
    expect(isSameValue('bytes', '64mb', '67108864')).toBe(true);
    expect(isSameValue('bytes', '64mb', '64000000')).toBe(false);
    expect(isSameValue('text', 'yes', 'YES')).toBe(true);
    expect(isSameValue('text', '5', '6')).toBe(false);
  });
});
