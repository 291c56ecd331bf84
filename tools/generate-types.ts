/**
 * Generates operator/api/generated/redis-cluster.ts from crds/redisclusters.redwarden.dev.yaml.
 *
 *     node tools/generate-types.ts            writes the file
 *     node tools/generate-types.ts --check    fails when the file differs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { compile, type JSONSchema } from 'json-schema-to-typescript';
import { parse } from 'yaml';

const root = new URL('../', import.meta.url);
const source = new URL('crds/redisclusters.redwarden.dev.yaml', root);
const target = new URL('operator/api/generated/redis-cluster.ts', root);

const banner = `/**
 * The RedisCluster resource. Generated from crds/redisclusters.redwarden.dev.yaml by tools/generate-types.ts.
 */
import type { V1ObjectMeta } from '@kubernetes/client-node';
`;

type Schema = { [key: string]: unknown };

/** The TypeScript text for the CRD in `crdText`. Throws when it holds no schema. */
export async function generateTypes(crdText: string): Promise<string> {
  const crd: { spec?: { versions?: { schema?: { openAPIV3Schema?: Schema } }[] } } = parse(crdText);
  const schema = crd.spec?.versions?.[0]?.schema?.openAPIV3Schema;
  if (schema === undefined) throw new Error('no spec.versions[0].schema.openAPIV3Schema in the CRD');
  return compile(toJsonSchema(schema) as JSONSchema, 'RedisCluster', {
    additionalProperties: false,
    bannerComment: banner,
    style: { singleQuote: true, printWidth: 110, trailingComma: 'all' },
  });
}

/**
 * Structural OpenAPI as the API server understands it to plain JSON Schema; `metadata` becomes V1ObjectMeta.
 */
function toJsonSchema(schema: Schema, path = ''): Schema {
  const result: Schema = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key.startsWith('x-kubernetes-') || key === 'anyOf' || key === 'default') continue;
    if (key === 'properties') result[key] = mapValues(value as Schema, path);
    else if (key === 'items') result[key] = toJsonSchema(value as Schema, `${path}[]`);
    else if (key === 'maxItems' || key === 'maxProperties') continue;
    else result[key] = value;
  }
  if (path === '.metadata') result['tsType'] = 'V1ObjectMeta';
  if (path === '.apiVersion') result['tsType'] = `'redwarden.dev/v1alpha1'`;
  if (path === '.kind') result['tsType'] = `'RedisCluster'`;
  if (schema['x-kubernetes-int-or-string'] === true) result['type'] = ['integer', 'string'];
  if (schema['x-kubernetes-preserve-unknown-fields'] === true) result['additionalProperties'] = true;
  if (path === '') result['required'] = ['apiVersion', 'kind', 'metadata', 'spec'];
  // The API server fills these in (defaults) before anybody reads the object.
  if (path === '.spec') result['required'] = ['shards', 'replicasPerShard'];
  const name = titles[path];
  if (name !== undefined) result['title'] = name;
  return result;
}

/** Parts that other files name. */
const titles: { [path: string]: string } = {
  '.spec': 'RedisClusterSpec',
  '.status': 'RedisClusterStatus',
  '.status.effective': 'EffectiveStatus',
  '.status.shards[]': 'ShardStatus',
  '.status.shards[].replicas[]': 'ReplicaStatus',
  '.status.conditions[]': 'Condition',
  '.status.rewrites[]': 'RewriteStatus',
  '.spec.persistence.aof.rewrite.window': 'Window',
};

function mapValues(properties: Schema, path: string): Schema {
  return Object.fromEntries(
    Object.entries(properties).map(([name, child]) => [
      name,
      toJsonSchema(child as Schema, `${path}.${name}`),
    ]),
  );
}

if (process.argv[1] !== undefined && import.meta.url === new URL(`file://${process.argv[1]}`).href) {
  const text = await generateTypes(readFileSync(source, 'utf8'));
  if (!process.argv.includes('--check')) writeFileSync(target, text);
  else if (readFileSync(target, 'utf8') !== text) {
    process.stderr.write(
      'operator/api/generated/redis-cluster.ts is out of date: run node tools/generate-types.ts\n',
    );
    process.exitCode = 1;
  }
}
