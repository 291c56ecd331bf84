/** What the API server itself refuses about a RedisCluster, and the sentence a person gets. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type ApiServer, startApiServer } from '../support/api-server.ts';
import { type Kubectl, kubectlFor } from '../support/kubectl.ts';
import { waitUntil } from '../support/wait-until.ts';

const root = path.join(import.meta.dirname, '..', '..');
const establishDeadlineMs = 20_000;

let server: ApiServer;
let kubectl: Kubectl;

beforeAll(async () => {
  server = await startApiServer();
  kubectl = await kubectlFor(server.kubeconfigPath);
  await kubectl.applyFile(path.join(root, 'crds', 'redisclusters.redwarden.dev.yaml'));
  await waitUntil('the resource to be served', establishDeadlineMs, () => kubectl.list('redisclusters'));
}, 240_000);

afterAll(async () => {
  await server?.stop();
});

interface Schema {
  readonly description?: string;
  readonly required?: readonly string[];
  readonly properties?: { readonly [name: string]: Schema };
  readonly items?: Schema;
}

interface Field {
  readonly name: string;
  readonly field: Schema;
  readonly required: boolean;
}

/** Every field below a schema. */
function listFields(schema: Schema, prefix: string): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const name = `${prefix}.${key}`;
    const required = schema.required?.includes(key) === true;
    return [
      { name, field, required },
      ...listFields(field, name),
      ...listFields(field.items ?? {}, `${name}[]`),
    ];
  });
}

interface Spec {
  [field: string]: unknown;
}

function manifest(change: Spec = {}, name = 'orders'): { spec: Spec; [field: string]: unknown } {
  return {
    apiVersion: 'redwarden.dev/v1alpha1',
    kind: 'RedisCluster',
    metadata: { name },
    spec: {
      profile: 'Sessions',
      shards: 3,
      resources: { limits: { memory: '2Gi' } },
      storage: { size: '10Gi', storageClassName: 'fast' },
      ...change,
    },
  };
}

/** The API server's answer to a manifest that it must refuse. */
async function refusal(object: object): Promise<string> {
  try {
    await kubectl.run(['apply', '--dry-run=server', '--filename', '-'], undefined, JSON.stringify(object));
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

const aofWindow = (window: object) => ({ persistence: { aof: { rewrite: { window } } } });

describe('the resource definition', () => {
  it('is structural and established', async () => {
    interface Definition {
      status: { conditions: { type: string; status: string }[] };
    }
    const { status } = await kubectl.get<Definition>('crd', 'redisclusters.redwarden.dev');
    const held = status.conditions.filter((condition) => condition.status === 'True').map(({ type }) => type);
    expect(held.sort()).toEqual(['Established', 'NamesAccepted']);
  });

  it('explains its fields to kubectl', async () => {
    const text = await waitUntil('the schema to be published', establishDeadlineMs, () =>
      kubectl.run(['explain', 'rediscluster.spec.memory.maxmemory']),
    );
    expect(text.replaceAll(/\s+/g, ' ')).toContain(
      'in bytes or with a unit. Default the memory limit minus reserves',
    );
  });

  it('describes every field, and every optional field of the spec with its default', () => {
    const crd = parse(readFileSync(path.join(root, 'crds', 'redisclusters.redwarden.dev.yaml'), 'utf8'));
    const schema: Schema = crd.spec.versions[0].schema.openAPIV3Schema;
    const silent = listFields(schema, '').filter(({ field }) => (field.description ?? '') === '');
    expect(silent.map(({ name }) => name)).toEqual(['.metadata']);
    const spec = listFields(schema.properties?.['spec'] ?? {}, '.spec');
    const leaves = spec.filter(({ field, required }) => field.properties === undefined && !required);
    const undecided = leaves.filter(({ field }) => !/[Dd]efault|Optional/.test(field.description ?? ''));
    expect(undecided.map(({ name }) => name)).toEqual(['.spec.pod.tolerations[].value']);
  });

  it('is also known as rdc and shows its columns', async () => {
    await kubectl.apply(manifest({}, 'shown'));
    const [header, row] = (await kubectl.run(['get', 'rdc', 'shown'])).split('\n');
    expect(header?.split(/\s+/).filter(Boolean)).toEqual([
      'NAME',
      'SHARDS',
      'REPLICAS',
      'READY',
      'SLOTS',
      'MEMORY',
      'PHASE',
      'AGE',
    ]);
    expect(row).toMatch(/^shown +3 +1 /);
    await kubectl.run(['scale', 'rdc/shown', '--replicas=2']);
    const scaled = await kubectl.get<{ spec: { replicasPerShard: number } }>('rdc', 'shown');
    expect(scaled.spec.replicasPerShard).toBe(2);
    await kubectl.remove('rdc', 'shown');
  });
});

describe('a manifest', () => {
  it.each(['cache', 'production', 'quickstart', 'stock-valkey'])(
    'of examples/%s.yaml is accepted',
    async (name) => {
      const file = path.join(root, 'examples', `${name}.yaml`);
      expect(await kubectl.run(['apply', '--dry-run=server', '--filename', file])).toContain('created');
    },
  );

  it('may write sizes as numbers', async () => {
    const object = manifest({
      resources: { limits: { memory: 2_147_483_648, cpu: 1 } },
      memory: { maxmemory: 1e9 },
    });
    expect(await refusal(object)).toBe('accepted');
  });

  // biome-ignore format: a table, one mistake a row
  const mistakes: [string, Spec, RegExp][] = [
    ['two shards',                    { shards: 2 },                                            /majority of primaries.*write shards: 3 or more/],
    ['an unknown policy',             { memory: { policy: 'lru' } },                            /supported values: "noeviction", "allkeys-lru"/],
    ['an unknown profile',            { profile: 'Queue' },                                     /supported values: "Cache", "Sessions"/],
    ['maxmemory above the limit',     { memory: { maxmemory: '3Gi' } },                         /maxmemory \(3Gi\) is not below spec\.resources\.limits\.memory \(2Gi\).*leave maxmemory out/],
    ['maxmemory that is no size',     { memory: { maxmemory: '3 Gb' } },                        /not a size: write .* for example 512Mi or 2Gi/],
    ['no profile',                    { profile: undefined },                                   /spec\.profile is missing: say what the data is for/],
    ['no memory limit',               { resources: {} },                                        /limits\.memory is missing: write .* \{limits: \{memory: 2Gi\}\}/],
    ['too small a memory limit',      { resources: { limits: { memory: '64Mi' } } },            /too small.*write 256Mi or more/],
    ['Custom without policy',         { profile: 'Custom', persistence: { mode: 'AOF' } },      /spec\.memory\.policy is missing: with profile Custom/],
    ['Custom without persistence',    { profile: 'Custom', memory: { policy: 'noeviction' } },  /spec\.persistence\.mode is missing: with profile Custom/],
    ['a stock engine without image',  { server: { engine: 'Valkey' } },                         /spec\.server\.image is missing.*write the image/],
    ['a stock engine without files',  { server: { engine: 'Valkey', image: 'v' }, profile: 'Cache' }, /restarts empty.*write persistence: \{mode: RDB\}/],
    ['files on an ephemeral volume',  { storage: { size: '1Gi', ephemeral: true } },            /ephemeral would lose the files/],
    ['no storage size',               { storage: {} },                                          /spec\.storage\.size is missing.*storage: \{size: 10Gi\}/],
    ['an unknown whenDeleted',        { storage: { size: '1Gi', whenDeleted: 'Keep' } },        /supported values: "Retain", "Delete"/],
    ['a schedule in words',           aofWindow({ schedule: 'at three', duration: '2h' }),      /not a schedule: write five cron fields/],
    ['a window of two days',          aofWindow({ schedule: '0 3 * * *', duration: '48h' }),    /not a length from 1m to 24h: write for example/],
    ['a time zone in words',          aofWindow({ schedule: '0 3 * * *', duration: '1h', timeZone: 'two hours east' }), /not the name of a time zone/],
    ['a timeout without unit',        { failover: { nodeTimeout: '5' } },                       /not a time from 500ms to 5m: write for example 5s/],
    ['ten replicas',                  { replicasPerShard: 10 },                                 /write replicasPerShard: 1 or 2 as a rule/],
    ['an owned setting',              { config: { port: '7000' } },                             /the operator owns.*take out bind, port/],
    ['a setting that has a field',    { config: { maxmemory: '1gb' } },                         /write spec\.memory for maxmemory/],
    ['a setting in capitals',         { config: { PORT: '7000' } },                             /lower-case letters, digits and dashes/],
    ['a label of the operator',       { pod: { labels: { 'redwarden.dev/shard': '9' } } },      /labels under redwarden\.dev\/ .* are set by the operator/],
  ];

  it.each(mistakes)('with %s is refused with what to write instead', async (_, change, sentence) => {
    expect((await refusal(manifest(change))).replaceAll(/\s+/g, ' ')).toMatch(sentence);
  });

  it('with a name of 60 characters is refused with the length that fits', async () => {
    expect(await refusal(manifest({}, 'a'.repeat(60)))).toMatch(
      /longer than 40 characters: write a name of at most 40/,
    );
    expect(await refusal(manifest({}, 'a'.repeat(40)))).toBe('accepted');
  });

  it('with a dot in its name is refused', async () => {
    expect(await refusal(manifest({}, 'a.b'))).toMatch(/write lower-case letters, digits and dashes/);
  });

  it('with an unknown field is refused by kubectl', async () => {
    expect(await refusal(manifest({ maxmemory: '1Gi' }))).toMatch(/unknown field "spec\.maxmemory"/);
  });
});

describe('a change', () => {
  beforeAll(() => kubectl.apply(manifest()));
  afterAll(() => kubectl.remove('rdc', 'orders'));

  // biome-ignore format: a table, one mistake a row
  const mistakes: [string, Spec, RegExp][] = [
    ['of the storage class',       { storage: { size: '10Gi', storageClassName: 'slow' } }, /storageClassName cannot change.*write the old value again/],
    ['that drops the class',       { storage: { size: '10Gi' } },                           /storageClassName cannot change/],
    ['to a smaller volume',        { storage: { size: '5Gi', storageClassName: 'fast' } },  /can only grow: volumes do not shrink; write 10Gi or more/],
    ['to an ephemeral volume',     { profile: 'Cache', storage: { storageClassName: 'fast', size: '10Gi', ephemeral: true } }, /ephemeral cannot change/],
  ];

  it.each(mistakes)('%s is refused', async (_, change, sentence) => {
    expect((await refusal(manifest(change))).replaceAll(/\s+/g, ' ')).toMatch(sentence);
  });

  it('to more shards and larger volumes is accepted, back to fewer shards is not', async () => {
    await kubectl.apply(manifest({ shards: 4, storage: { size: '20Gi', storageClassName: 'fast' } }));
    expect(
      await refusal(manifest({ shards: 3, storage: { size: '20Gi', storageClassName: 'fast' } })),
    ).toMatch(/can only be added.*write the old number or more/);
  });

  it('that is none leaves the generation as it is', async () => {
    await kubectl.apply(manifest({}, 'same'));
    const before = await kubectl.get('rdc', 'same');
    await kubectl.apply(manifest({}, 'same'));
    expect((await kubectl.get('rdc', 'same')).metadata.resourceVersion).toBe(before.metadata.resourceVersion);
    await kubectl.remove('rdc', 'same');
  });
});
