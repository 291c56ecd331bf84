/**
 * Generates what is derived from the CRD and the chart: charts/redwarden/files/ (a copy of crds/) and
 * install.yaml (the chart with its defaults in namespace redwarden-system, for people without Helm).
 *
 *     node tools/generate-install.ts            writes the files
 *     node tools/generate-install.ts --check    fails when a file differs
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import { ensureHelm } from '../test/kind/tools.ts';

const root = path.join(import.meta.dirname, '..');
const chart = path.join(root, 'charts', 'redwarden');
const crd = 'redisclusters.redwarden.dev.yaml';
const namespace = 'redwarden-system';
const deadlineMs = 60_000;

interface KubernetesObject {
  kind: string;
  metadata: {
    name: string;
    labels?: { [name: string]: string };
    annotations?: { [name: string]: string };
  };
}

/** What is applied first: names, then rights, then what uses them. */
const ORDER = [
  'Namespace',
  'CustomResourceDefinition',
  'ServiceAccount',
  'ClusterRole',
  'ClusterRoleBinding',
  'Role',
  'RoleBinding',
];

const header = `# The Redwarden operator with its defaults, generated from charts/redwarden.
# Generator: tools/generate-install.ts
#
#     kubectl apply --server-side -f install.yaml
#
`;

/** The chart's objects without what only Helm needs, in the order in which they can be applied. */
function renderInstall(helm: string): string {
  const text = execFileSync(helm, ['template', 'redwarden', chart, '--namespace', namespace], {
    encoding: 'utf8',
    timeout: deadlineMs,
    maxBuffer: 16 * 1024 * 1024,
  });
  const objects = parseAllDocuments(text)
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object) => object !== null);
  const all = [namespaceObject(), ...objects.map(withoutHelm)];
  const sorted = all.sort((left, right) => rank(left) - rank(right) || compare(left, right));
  return (
    header +
    sorted.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n')
  );
}

function namespaceObject(): KubernetesObject & { apiVersion: string } {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  };
}

function withoutHelm(object: KubernetesObject): KubernetesObject {
  const { labels, annotations } = object.metadata;
  delete labels?.['helm.sh/chart'];
  delete labels?.['app.kubernetes.io/managed-by'];
  delete annotations?.['helm.sh/resource-policy'];
  if (annotations !== undefined && Object.keys(annotations).length === 0) delete object.metadata.annotations;
  return object;
}

function rank(object: KubernetesObject): number {
  const place = ORDER.indexOf(object.kind);
  return place === -1 ? ORDER.length : place;
}

function compare(left: KubernetesObject, right: KubernetesObject): number {
  return `${left.kind}/${left.metadata.name}` < `${right.kind}/${right.metadata.name}` ? -1 : 1;
}

/** Writes or compares one file; answers whether it was as it should be. */
function settle(file: string, text: string, check: boolean): boolean {
  const target = path.join(root, file);
  if (existsSync(target) && readFileSync(target, 'utf8') === text) return true;
  if (!check) {
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
    return true;
  }
  process.stderr.write(`${file} is out of date: run node tools/generate-install.ts\n`);
  return false;
}

const check = process.argv.includes('--check');
const copied = settle(
  `charts/redwarden/files/${crd}`,
  readFileSync(path.join(root, 'crds', crd), 'utf8'),
  check,
);
const rendered = settle('install.yaml', renderInstall(await ensureHelm()), check);
process.exitCode = copied && rendered ? 0 : 1;
