/** The chart by real Helm: what it renders, what it refuses, and its life in an API server. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { ensureHelm } from '../kind/tools.ts';
import { type ApiServer, startApiServer } from '../support/api-server.ts';
import { type Kubectl, kubectlFor } from '../support/kubectl.ts';
import { runCommand } from '../support/run-command.ts';

const chart = path.join(import.meta.dirname, '..', '..', 'charts', 'redwarden');
const deadlineMs = 60_000;
const namespace = 'redwarden-system';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

interface Rendered {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: { readonly [name: string]: string };
  };
  readonly rules?: readonly Rule[];
  readonly spec?: { readonly [field: string]: unknown };
}

let helm: string;
beforeAll(async () => {
  helm = await ensureHelm();
}, 180_000);

function run(...argv: string[]): Promise<string> {
  return runCommand(helm, argv, { deadlineMs });
}

async function render(...settings: string[]): Promise<Rendered[]> {
  const text = await run('template', 'redwarden', chart, '--namespace', namespace, ...settings);
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null);
}

async function refusal(...settings: string[]): Promise<string> {
  return render(...settings).then(
    () => 'rendered',
    (error: Error) => error.message,
  );
}

describe('the chart', () => {
  it('has nothing that helm lint complains about', async () => {
    expect(await run('lint', '--strict', chart)).toContain('0 chart(s) failed');
  });

  it('runs the operator as nobody, on a read-only file system, without privileges', async () => {
    const deployment = (await render()).find(({ kind }) => kind === 'Deployment');
    expect(deployment?.spec).toMatchObject({
      template: {
        spec: {
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
            },
          ],
        },
      },
    });
  });

  it('never asks for exec, for all Secrets, or for everything', async () => {
    for (const settings of [[], ['--set', 'watchNamespaces={a,b}']]) {
      const operatorRoles = (await render(...settings)).filter(
        ({ metadata }) => !/-(edit|view)$/.test(metadata.name),
      );
      const rules = operatorRoles.flatMap((object) => object.rules ?? []);
      expect(rules.length).toBeGreaterThan(5);
      for (const { resources, verbs, apiGroups } of rules) {
        expect([...resources, ...verbs, ...apiGroups]).not.toContain('*');
        expect(resources).not.toContain('pods/exec');
        if (resources.includes('secrets')) expect(verbs).toEqual(['get', 'create', 'patch']);
      }
    }
  });

  it('with watchNamespaces has rights there only, and reads nodes', async () => {
    const objects = await render('--set', 'watchNamespaces={a,b}');
    const cluster = objects.filter(
      ({ kind, metadata }) => kind === 'ClusterRole' && !/-(edit|view)$/.test(metadata.name),
    );
    expect(cluster.flatMap((role) => role.rules?.flatMap(({ resources }) => resources))).toEqual(['nodes']);
    const roles = objects.filter(({ kind }) => kind === 'Role').map(({ metadata }) => metadata.namespace);
    expect(roles.sort()).toEqual(['a', 'b', namespace]);
  });

  it('keeps the resource definition on uninstall unless told otherwise', async () => {
    const definition = (objects: Rendered[]) =>
      objects.find(({ kind }) => kind === 'CustomResourceDefinition');
    expect(definition(await render())?.metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
    expect(definition(await render('--set', 'crds.keep=false'))?.metadata.annotations).toBeUndefined();
    expect(definition(await render('--set', 'crds.install=false'))).toBeUndefined();
  });

  it('budgets disruption only for more than one replica', async () => {
    const budgets = async (...settings: string[]) =>
      (await render(...settings)).filter(({ kind }) => kind === 'PodDisruptionBudget').length;
    expect(await budgets()).toBe(0);
    expect(await budgets('--set', 'replicas=2')).toBe(1);
  });

  it.each([
    ['an unknown value', 'replicaCount=2', /replicaCount/],
    ['a replica without leader election', 'replicas=2,leaderElection.enabled=false', /replicas/],
    ['a log level that is none', 'log.level=loud', /log.*level/],
    ['a namespace that is none', 'watchNamespaces={Shop}', /watchNamespaces/],
  ])('refuses %s', async (_, settings, message) => {
    expect(await refusal('--set', settings)).toMatch(message);
  });
});

describe('a release', () => {
  let server: ApiServer;
  let kubectl: Kubectl;

  beforeAll(async () => {
    server = await startApiServer();
    kubectl = await kubectlFor(server.kubeconfigPath, namespace);
  }, 240_000);

  afterAll(async () => {
    await server?.stop();
  });

  it('is installed, upgraded and uninstalled, and leaves the resource definition with its resources', async () => {
    const scope = ['--kubeconfig', server.kubeconfigPath, '--namespace', namespace];
    await run('install', 'redwarden', chart, ...scope, '--create-namespace');
    const first = await kubectl.get('deployment', 'redwarden');
    await run('upgrade', 'redwarden', chart, ...scope);
    const second = await kubectl.get('deployment', 'redwarden');
    expect(second.metadata.generation).toBe(first.metadata.generation);
    await run('upgrade', 'redwarden', chart, ...scope, '--set', 'log.level=debug');
    expect((await kubectl.get('deployment', 'redwarden')).metadata.generation).toBe(2);
    await run('uninstall', 'redwarden', ...scope);
    expect(await kubectl.find('deployment', 'redwarden')).toBeUndefined();
    expect(await kubectl.find('clusterrole', 'redwarden-system-redwarden')).toBeUndefined();
    expect(await kubectl.find('crd', 'redisclusters.redwarden.dev')).toBeDefined();
  });

  it('takes over the resource definition that an earlier release left', async () => {
    const scope = ['--kubeconfig', server.kubeconfigPath, '--namespace', namespace];
    await run('install', 'redwarden', chart, ...scope);
    expect(await kubectl.find('deployment', 'redwarden')).toBeDefined();
  });
});
