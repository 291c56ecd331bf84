/**
 * `make up`: from an empty machine to a RedisCluster that serves. Every stage looks first what is there
 * already, so that a second run takes seconds and a run after a failure goes on where the last one ended.
 *
 *   --tools-only    stop when the programs are there (what the API server tests need)
 *   --cluster-only  stop when the Kubernetes cluster is up
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseAllDocuments } from 'yaml';
import { ensureKubernetesBinary } from '../test/kind/artefacts.ts';
import { addRoutes, ensureCluster } from '../test/kind/cluster.ts';
import { ensureDocker, ensureNodeImageLoaded } from '../test/kind/docker.ts';
import { loadImage } from '../test/kind/driver.ts';
import {
  dockerDataDirectory,
  type Environment,
  kubeconfigPath,
  readEnvironment,
  repositoryRoot,
  stateDirectory,
  writeEnvironment,
} from '../test/kind/environment.ts';
import { ensurePackages, findProgram } from '../test/kind/packages.ts';
import { readKernelSettings } from '../test/kind/removal.ts';
import { ensureTools, type Tools } from '../test/kind/tools.ts';
import { Kubectl } from '../test/support/kubectl.ts';
import { runCommand } from '../test/support/run-command.ts';
import { waitUntil } from '../test/support/wait-until.ts';
import { runMain, runStage, type Stage } from './stages.ts';

const operatorNamespace = 'redwarden-system';
const imageNames = ['redwarden-server', 'redwarden-operator'] as const;
const imageBuildDeadlineMs = 15 * 60_000;
const chartDeadlineMs = 180_000;
const readyDeadlineMs = 300_000;
const redisDeadlineMs = 20_000;
const keysWritten = 12;

interface RedisCluster {
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

await runMain(async () => {
  const started = performance.now();
  const tools = await runStage('tools', prepareTools);
  if (process.argv.includes('--tools-only')) {
    return;
  }
  const environment = newOrKnownEnvironment();
  await runStage('docker daemon', async (stage) => {
    await ensureDocker(environment, stage.say);
    writeEnvironment(environment);
  });
  await runStage('node image', async (stage) => {
    environment.nodeImage = await ensureNodeImageLoaded(environment, stage.progress);
    writeEnvironment(environment);
    stage.say(environment.nodeImage === '' ? 'the official one' : environment.nodeImage);
  });
  const kubectl = new Kubectl(tools.kubectl, kubeconfigPath, 'default');
  await runStage('cluster', (stage) => startCluster(environment, tools, kubectl, stage));
  if (!process.argv.includes('--cluster-only')) {
    const changed = await runStage('images', (stage) => loadImages(environment, tools, stage));
    await runStage('chart', (stage) => installChart(tools, kubectl, changed, stage));
    const cluster = await runStage('examples/quickstart.yaml', (stage) => applyExample(kubectl, stage));
    const address = await runStage('redis-cli', (stage) => writeAndRead(kubectl, cluster, stage));
    printNext(cluster, address);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  process.stdout.write(`up after ${seconds} s; make down takes all of it away\n`);
});

async function prepareTools(stage: Stage): Promise<Tools> {
  const tools = await ensureTools(stage.progress);
  await ensureKubernetesBinary(stage.progress);
  const directory = path.join(stateDirectory, 'bin');
  mkdirSync(directory, { recursive: true });
  for (const [name, target] of Object.entries(tools) as [string, string][]) {
    rmSync(path.join(directory, name), { force: true });
    symlinkSync(target, path.join(directory, name));
  }
  stage.say('kubectl, helm and kind are in .state/bin');
  return tools;
}

function newOrKnownEnvironment(): Environment {
  const known = readEnvironment();
  if (known !== undefined) {
    return known;
  }
  const environment = {
    dockerHost: process.env['DOCKER_HOST'] ?? '',
    ownDaemon: false,
    ownNetwork: false,
    nodeImage: '',
    routes: [],
    kernelSettings: process.getuid?.() === 0 ? readKernelSettings() : {},
    daemonTraces: [],
    images: {},
  };
  if (existsSync(dockerDataDirectory())) {
    throw new Error(`${dockerDataDirectory()} is left from an environment that is not known: run make down`);
  }
  return environment;
}

async function startCluster(
  environment: Environment,
  tools: Tools,
  kubectl: Kubectl,
  stage: Stage,
): Promise<void> {
  const outcome = await ensureCluster(environment, tools, stage.progress);
  if (outcome === 'created') {
    environment.images = {};
  }
  try {
    environment.routes = await addRoutes(kubectl);
  } catch (error) {
    stage.say(`no routes to pods and services from here: ${(error as Error).message.split('\n')[0]}`);
  }
  writeEnvironment(environment);
  const nodes = await kubectl.list('nodes');
  for (const { metadata } of nodes) {
    stage.say(`${metadata.name} ${metadata.labels?.['topology.kubernetes.io/zone'] ?? ''}`);
  }
}

/** Returns the names of the images whose content the cluster did not have yet. */
async function loadImages(environment: Environment, tools: Tools, stage: Stage): Promise<string[]> {
  await runCommand(process.execPath, [path.join(repositoryRoot, 'tools', 'image.ts')], {
    deadlineMs: imageBuildDeadlineMs,
    directory: repositoryRoot,
    onLine: stage.progress,
  });
  const changed: string[] = [];
  for (const name of imageNames) {
    const archive = path.join(repositoryRoot, 'dist', 'images', `${name.replace('redwarden-', '')}.tar`);
    const digest = await sha256(archive);
    if (environment.images[name] !== digest) {
      stage.say(`loading ${name}`);
      await loadImage(environment, tools.kind, archive);
      environment.images[name] = digest;
      writeEnvironment(environment);
      changed.push(name);
    }
  }
  return changed;
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function installChart(tools: Tools, kubectl: Kubectl, changed: string[], stage: Stage): Promise<void> {
  const chart = path.join(repositoryRoot, 'charts', 'redwarden');
  const argv = ['upgrade', '--install', 'redwarden', chart, '--namespace', operatorNamespace];
  await runCommand(tools.helm, [...argv, '--create-namespace', '--wait', '--timeout', '150s'], {
    deadlineMs: chartDeadlineMs,
    env: { KUBECONFIG: kubeconfigPath },
    onLine: stage.progress,
  });
  if (changed.includes('redwarden-operator')) {
    // The tag of a local build stays the same, so Kubernetes cannot see that the image is another one.
    const operator = kubectl.inNamespace(operatorNamespace);
    await operator.run(['rollout', 'restart', 'deployment'], chartDeadlineMs);
    await operator.run(['rollout', 'status', 'deployment', '--timeout=150s'], chartDeadlineMs);
  }
}

async function applyExample(kubectl: Kubectl, stage: Stage): Promise<RedisCluster> {
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
async function writeAndRead(kubectl: Kubectl, cluster: RedisCluster, stage: Stage): Promise<string> {
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

function printNext(cluster: RedisCluster, address: string): void {
  const { name, namespace = 'default' } = cluster.metadata;
  const secret = `kubectl -n ${namespace} get secret ${name}-auth -o jsonpath={.data.password} | base64 -d`;
  process.stdout.write(`
next:
  export KUBECONFIG=${kubeconfigPath} PATH=${path.join(stateDirectory, 'bin')}:$PATH
  kubectl -n ${namespace} get rediscluster ${name}
  REDISCLI_AUTH=$(${secret}) redis-cli -c -h ${address}

`);
}
