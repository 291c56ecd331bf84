/**
 * `make up`: from an empty machine to a RedisCluster that serves. Every stage looks first what is there
 * already, so that a second run takes seconds and a run after a failure goes on where the last one ended.
 *
 *   --tools-only    stop when the programs are there (what the API server tests need)
 *   --cluster-only  stop when the Kubernetes cluster is up
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
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
import { readKernelSettings } from '../test/kind/removal.ts';
import { ensureTools, type Tools } from '../test/kind/tools.ts';
import { Kubectl } from '../test/support/kubectl.ts';
import { runCommand } from '../test/support/run-command.ts';
import { explain } from './explain.ts';
import { applyExample, printNext, writeAndRead } from './quickstart.ts';
import { runMain, runStage, type Stage } from './stages.ts';

const operatorNamespace = 'redwarden-system';
const imageNames = ['redwarden-server', 'redwarden-operator'] as const;
const imageBuildDeadlineMs = 15 * 60_000;
const chartDeadlineMs = 180_000;

await runMain(async () => {
  const started = performance.now();
  const tools = await runStage('tools', prepareTools);
  if (process.argv.includes('--tools-only')) {
    return;
  }
  const environment = newOrKnownEnvironment();
  await runStage('docker daemon', async (stage) => {
    await ensureDocker(environment, stage.progress);
    stage.say(environment.ownDaemon ? 'a daemon of our own' : "the machine's own daemon");
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
    try {
      await startQuickstart(environment, tools, kubectl);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n\n${await explain(kubectl, operatorNamespace)}`);
    }
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  process.stdout.write(`up after ${seconds} s; make down takes all of it away\n`);
});

async function startQuickstart(environment: Environment, tools: Tools, kubectl: Kubectl): Promise<void> {
  const changed = await runStage('images', (stage) => loadImages(environment, tools, stage));
  await runStage('chart', (stage) => installChart(tools, kubectl, changed, stage));
  const cluster = await runStage('examples/quickstart.yaml', (stage) => applyExample(kubectl, stage));
  const address = await runStage('redis-cli', (stage) => writeAndRead(kubectl, cluster, stage));
  printNext(cluster, address);
}

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
  const knew = environment.images['redwarden-server'] !== undefined;
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
  if (knew && changed.includes('redwarden-server')) {
    stage.say('servers that run already keep the image they were started with');
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
