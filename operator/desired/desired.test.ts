import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type Effective, resolveEffective } from '../api/effective.ts';
import type { RedisClusterSpec } from '../api/generated/redis-cluster.ts';
import { desiredObjects } from './desired.ts';
import type { ClusterIdentity } from './names.ts';
import { podDisruptionBudget } from './pod-disruption-budget.ts';
import { statefulSet } from './stateful-set.ts';

const orders: ClusterIdentity = { name: 'orders', namespace: 'shop', uid: 'uid-1' };

function resolve(spec: Partial<RedisClusterSpec> = {}, name = 'orders'): Effective {
  const effective = resolveEffective(
    {
      apiVersion: 'redwarden.dev/v1alpha1',
      kind: 'RedisCluster',
      metadata: { name, namespace: 'shop' },
      spec: {
        profile: 'Sessions',
        shards: 3,
        replicasPerShard: 1,
        resources: { limits: { memory: '256Mi' } },
        storage: { size: '1Gi' },
        ...spec,
      },
    },
    { serverImage: 'redwarden-server:test' },
  );
  if (effective.kind !== 'effective') throw new Error(effective.message);
  return effective;
}

function asYaml(effective: Effective): string {
  return desiredObjects(orders, effective)
    .map(({ object }) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }))
    .join('---\n');
}

const valkey: Partial<RedisClusterSpec> = { server: { engine: 'Valkey', image: 'valkey:test' } };

describe('desiredObjects', () => {
  it('are these for the quick start', async () => {
    const text = asYaml(resolve());
    await expect(text).toMatchFileSnapshot('golden/quickstart.yaml');
  });

  it('are these for stock Valkey with hard placement', async () => {
    const effective = resolve({
      ...valkey,
      profile: 'PrimaryStore',
      placement: { zone: { spread: 'Required' }, host: { spread: 'Required' } },
      storage: { size: '10Gi', storageClassName: 'fast', whenDeleted: 'Delete' },
      pod: { labels: { team: 'shop' }, tolerations: [{ key: 'redis', operator: 'Exists' }] },
      service: { type: 'LoadBalancer', annotations: { note: 'yes' } },
      config: { 'lua-time-limit': '5000' },
    });
    const text = asYaml(effective);
    await expect(text).toMatchFileSnapshot('golden/valkey.yaml');
  });

  it('apply configuration before pods', () => {
    const kinds = [...new Set(desiredObjects(orders, resolve()).map(({ kind }) => kind))];
    expect(kinds).toEqual(['ConfigMap', 'Service', 'NetworkPolicy', 'PodDisruptionBudget', 'StatefulSet']);
  });

  it('never hold a password', () => {
    for (const { object, kind } of desiredObjects(orders, resolve())) {
      expect(kind).not.toBe('Secret');
      expect(JSON.stringify(object)).not.toMatch(/requirepass|masterauth/);
    }
  });

  it('have names and label values of at most 63 characters, unique ids and the cluster as owner', () => {
    const name = fc.stringMatching(/^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/);
    const shards = fc.integer({ min: 3, max: 1000 });
    fc.assert(
      fc.property(name, shards, fc.integer({ min: 0, max: 5 }), (clusterName, count, replicasPerShard) => {
        const cluster = { ...orders, name: clusterName };
        const last = { ...resolve({ replicasPerShard }, clusterName), shards: count };
        const objects = desiredObjects(cluster, last);
        expect(new Set(objects.map(({ id }) => id)).size).toBe(objects.length);
        for (const { name: objectName, object, kind } of objects) {
          // A revision label is the StatefulSet's name with eleven characters more.
          expect(objectName.length + (kind === 'StatefulSet' ? 11 : 0)).toBeLessThanOrEqual(63);
          expect(objectName).toMatch(/^[a-z]([-a-z0-9]*[a-z0-9])?$/);
          const { labels, ownerReferences } = object['metadata'] as {
            labels: { [name: string]: string };
            ownerReferences: { uid: string }[];
          };
          for (const value of Object.values(labels)) expect(value.length).toBeLessThanOrEqual(63);
          expect(ownerReferences.map(({ uid }) => uid)).toEqual(['uid-1']);
        }
      }),
      { numRuns: 8 },
    );
  });

  it('are the same for the same spec, and keep their selectors whatever the spec says', () => {
    const selectors = (spec: Partial<RedisClusterSpec>) =>
      desiredObjects(orders, resolve(spec)).map(
        ({ object }) => (object['spec'] as { selector?: unknown })?.selector,
      );
    expect(desiredObjects(orders, resolve())).toEqual(desiredObjects(orders, resolve()));
    expect(selectors({ ...valkey, pod: { labels: { team: 'x' } }, replicasPerShard: 2 })).toEqual(
      selectors({}),
    );
  });
});

describe('statefulSet', () => {
  it('passes the restricted Pod Security Standard for every engine', () => {
    for (const spec of [{}, valkey]) {
      const pod = statefulSet(orders, resolve(spec), 0).spec?.template.spec;
      expect(pod?.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      for (const { securityContext } of pod?.containers ?? []) {
        expect(securityContext).toMatchObject({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
      }
      expect(pod?.automountServiceAccountToken).toBe(false);
    }
  });

  it('gives at least 60 seconds to hand over, and more to save', () => {
    const grace = (spec: Partial<RedisClusterSpec>) =>
      statefulSet(orders, resolve(spec), 0).spec?.template.spec?.terminationGracePeriodSeconds ?? 0;
    expect(grace({})).toBe(60);
    expect(grace({ profile: 'Leaderboard', resources: { limits: { memory: '16Gi' } } })).toBeGreaterThan(200);
  });

  it('puts nothing twice into the spread constraints: Kubernetes refuses pairs of key and kind', () => {
    for (const spread of ['Required', 'Preferred', 'Disabled'] as const) {
      const effective = resolve({ placement: { zone: { spread }, host: { spread } } });
      const spec = statefulSet(orders, effective, 0).spec?.template.spec;
      const pairs = (spec?.topologySpreadConstraints ?? []).map(
        (it) => `${it.topologyKey} ${it.whenUnsatisfiable}`,
      );
      expect(new Set(pairs).size).toBe(pairs.length);
      expect(pairs).toHaveLength(spread === 'Disabled' ? 0 : 2);
    }
  });

  it('keeps the affinity that the user wrote', () => {
    const written = {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } },
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 7, podAffinityTerm: { topologyKey: 'rack' } },
        ],
      },
    };
    const affinity = statefulSet(orders, resolve({ pod: { affinity: written } }), 0).spec?.template.spec
      ?.affinity;
    expect(affinity?.nodeAffinity).toEqual(written.nodeAffinity);
    const weights = affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.map(
      (it) => it.weight,
    );
    expect(weights).toEqual([7, 100, 2, 50, 1]);
  });

  it('keeps the claim templates of a live one: they cannot change', () => {
    const live = statefulSet(orders, resolve({ storage: { size: '1Gi' } }), 0);
    const grown = statefulSet(orders, resolve({ storage: { size: '5Gi' } }), 0, live);
    expect(grown.spec?.volumeClaimTemplates).toEqual(live.spec?.volumeClaimTemplates);
  });

  it('has no claims when it is ephemeral', () => {
    const { spec } = statefulSet(orders, resolve({ profile: 'Cache', storage: { ephemeral: true } }), 0);
    expect(spec?.volumeClaimTemplates).toBeUndefined();
    expect(spec?.template.spec?.volumes?.map(({ name }) => name)).toContain('data');
  });

  it('changes its template when a setting needs a restart, not when a live one changes', () => {
    const print = (config: { [name: string]: string }, policy: 'noeviction' | 'allkeys-lru') =>
      statefulSet(orders, resolve({ config, memory: { policy } }), 0).spec?.template;
    expect(print({}, 'noeviction')).toEqual(print({}, 'allkeys-lru'));
    expect(print({ databases: '4' }, 'noeviction')).not.toEqual(print({}, 'noeviction'));
  });
});

describe('podDisruptionBudget', () => {
  it('closes on request', () => {
    expect(podDisruptionBudget(orders, 1, { allowed: 0, evictUnready: true }).spec).toMatchObject({
      maxUnavailable: 0,
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    });
  });
});
