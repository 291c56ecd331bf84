/** The last part of `make up`: the example cluster, and a client that writes and reads through it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { kubeconfigPath, repositoryRoot, stateDirectory } from '../test/kind/environment.ts';
import { ensurePackages, findProgram } from '../test/kind/packages.ts';
import type { Kubectl } from '../test/support/kubectl.ts';
import { runCommand } from '../test/support/run-command.ts';
import { waitUntil } from '../test/support/wait-until.ts';
import type { Stage } from './stages.ts';

const readyDeadlineMs = 300_000;
const redisDeadlineMs = 20_000;
const keysWritten = 12;

/** What is read of the example and of what the cluster makes of it. */
export interface RedisCluster {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: {
    readonly auth?: { readonly passwordSecretRef?: { readonly name: string; readonly key: string } };
  };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
  };
}

/** Applies the example and waits until it is Ready, saying what it waits for. */
export async function applyExample(kubectl: Kubectl, stage: Stage): Promise<RedisCluster> {
  const file = path.join(repositoryRoot, 'examples', 'quickstart.yaml');
  await kubectl.applyFile(file);
  const objects = parseAllDocuments(readFileSync(file, 'utf8')).map(
    (document) => document.toJS() as RedisCluster,
  );
  const wanted = objects.find((object) => (object as { kind?: string } | null)?.kind === 'RedisCluster');
  if (wanted === undefined) {
    throw new Error(`${file} holds no RedisCluster`);
  }
  const scoped = kubectl.inNamespace(wanted.metadata.namespace ?? 'default');
  let shown = '';
  return waitUntil(`RedisCluster ${wanted.metadata.name} Ready`, readyDeadlineMs, async () => {
    const cluster = await scoped.get<RedisCluster>('rediscluster', wanted.metadata.name);
    const ready = cluster.status?.conditions?.find((condition) => condition.type === 'Ready');
    const words = ready?.message ?? 'no status yet';
    if (words !== shown) {
      stage.say(words);
      shown = words;
    }
    if (ready?.status !== 'True') {
      throw new Error(words);
    }
    return cluster;
  });
}

/**
 * Writes keys over all shards with an unmodified redis-cli and reads them back; returns the service's
 * address.
 */
export async function writeAndRead(kubectl: Kubectl, cluster: RedisCluster, stage: Stage): Promise<string> {
  await ensurePackages(['redis-cli'], stage.progress);
  const { name, namespace } = cluster.metadata;
  const scoped = kubectl.inNamespace(namespace ?? 'default');
  const service = await scoped.get<{ spec: { clusterIP: string } }>('service', name);
  const address = service.spec.clusterIP;
  const reference = cluster.spec.auth?.passwordSecretRef ?? { name: `${name}-auth`, key: 'password' };
  const secret = await scoped.get<{ data: Record<string, string> }>('secret', reference.name);
  const password = Buffer.from(secret.data[reference.key] ?? '', 'base64').toString('utf8');
  const redis = async (...argv: string[]): Promise<string> => {
    const program = findProgram('redis-cli') ?? 'redis-cli';
    const text = await runCommand(program, ['-c', '-h', address, ...argv], {
      deadlineMs: redisDeadlineMs,
      env: { REDISCLI_AUTH: password },
    });
    return text.trim();
  };
  for (let i = 0; i < keysWritten; i++) {
    const value = `${process.pid}-${i}`;
    const written = await redis('SET', `up:${i}`, value);
    const read = await redis('GET', `up:${i}`);
    if (!written.endsWith('OK') || !read.endsWith(value)) {
      throw new Error(`redis-cli wrote ${value} to up:${i} (${written}) and read ${read}`);
    }
  }
  stage.say(`${keysWritten} keys written and read back through ${address}:6379`);
  return address;
}

/** The three commands a person needs next. */
export function printNext(cluster: RedisCluster, address: string): void {
  const { name, namespace = 'default' } = cluster.metadata;
  const secret = `kubectl -n ${namespace} get secret ${name}-auth -o jsonpath={.data.password} | base64 -d`;
  process.stdout.write(`
next:
  export KUBECONFIG=${kubeconfigPath} PATH=${path.join(stateDirectory, 'bin')}:$PATH
  kubectl -n ${namespace} get rediscluster ${name}
  REDISCLI_AUTH=$(${secret}) redis-cli -c -h ${address}

`);
}
