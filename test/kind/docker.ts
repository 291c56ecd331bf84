/** The docker daemon that runs the nodes: the machine's own where there is one, else one of ours. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { lastLines, runCommand, tryCommand } from '../support/run-command.ts';
import { ensureNodeImage } from './artefacts.ts';
import type { Progress } from './cache.ts';
import {
  bridgeName,
  dockerDataDirectory,
  dockerRunDirectory,
  dockerVariables,
  type Environment,
  writeEnvironment,
} from './environment.ts';
import { ensurePackages, findProgram } from './packages.ts';
import { timeLimits } from './time-limits.ts';

/** Runs docker against the daemon of an environment; returns its standard output. */
export function docker(
  environment: Environment,
  argv: readonly string[],
  deadlineMs: number,
): Promise<string> {
  return runCommand('docker', argv, { deadlineMs, env: dockerVariables(environment) });
}

/** Whether the daemon of an environment answers. */
export async function dockerAnswers(environment: Environment): Promise<boolean> {
  if (findProgram('docker') === undefined) {
    return false;
  }
  const options = { deadlineMs: timeLimits.dockerMs, env: dockerVariables(environment) };
  return (await tryCommand('docker', ['info'], options)).code === 0;
}

/** Makes the environment's daemon answer; starts one when the machine has none. */
export async function ensureDocker(environment: Environment, progress: Progress): Promise<void> {
  if (await dockerAnswers(environment)) {
    environment.ownNetwork =
      environment.ownDaemon || environment.ownNetwork || !(await hasKindNetwork(environment));
    return;
  }
  if (environment.dockerHost !== '' && !environment.ownDaemon) {
    throw new Error(`no docker daemon answers at DOCKER_HOST=${environment.dockerHost}`);
  }
  environment.dockerHost = `unix://${dockerRunDirectory}/docker.sock`;
  environment.ownDaemon = true;
  environment.ownNetwork = true;
  environment.daemonTraces = [...environment.daemonTraces, ...absentTraces()];
  // Written first: a daemon that starts while we are interrupted must be found again.
  writeEnvironment(environment);
  await startDaemon(progress);
}

/**
 * The name of the image that the nodes are made of, present in the daemon; empty for the one kind chooses.
 */
export async function ensureNodeImageLoaded(environment: Environment, progress: Progress): Promise<string> {
  if (!environment.ownDaemon && (await canPull(environment, progress))) {
    return '';
  }
  const image = await ensureNodeImage(progress);
  const options = { deadlineMs: timeLimits.dockerMs, env: dockerVariables(environment) };
  const present = await tryCommand('docker', ['image', 'inspect', image.name], options);
  if (present.code !== 0) {
    progress(`loading ${image.name} into docker`);
    await docker(environment, ['load', '--quiet', '--input', image.archive], timeLimits.loadNodeImageMs);
  }
  return image.name;
}

/** Starts our own daemon and waits until it answers. */
export async function startDaemon(progress: Progress): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error('no docker daemon answers, and starting one needs root: run as root, or start Docker');
  }
  await ensurePackages(['dockerd', 'containerd', 'ip', 'nft'], progress);
  await ensurePackages(['docker'], progress);
  if (!existsSync(dockerRunDirectory) && existsSync(`/sys/class/net/${bridgeName}`)) {
    throw new Error(
      `the network ${bridgeName} is there already: run make down in the working copy that is up`,
    );
  }
  progress('starting a docker daemon');
  await dockerdScript('start');
}

/** Ends our own daemon; containers must be gone before. */
export async function stopDaemon(): Promise<void> {
  const file = path.join(dockerRunDirectory, 'docker.pid');
  if (existsSync(file)) {
    await dockerdScript('stop');
  }
}

/** What a daemon leaves behind wherever its directories are, children first; those that do not exist yet. */
function absentTraces(): string[] {
  const folders = ['/run/docker/plugins', '/run/docker', '/run/containerd', '/etc/docker'];
  const root = '/sys/fs/cgroup';
  const hierarchies = existsSync(root)
    ? readdirSync(root).map((name) => path.join(root, name, 'docker'))
    : [];
  return ['/etc/docker/key.json', ...folders, path.join(root, 'docker'), ...hierarchies].filter(
    (trace) => !existsSync(trace),
  );
}

async function dockerdScript(verb: 'start' | 'stop'): Promise<void> {
  const data = dockerDataDirectory();
  mkdirSync(data, { recursive: true });
  const script = path.join(import.meta.dirname, 'dockerd.sh');
  await runCommand(script, [verb, dockerRunDirectory, data], { deadlineMs: timeLimits.startDaemonMs });
}

async function hasKindNetwork(environment: Environment): Promise<boolean> {
  const options = { deadlineMs: timeLimits.dockerMs, env: dockerVariables(environment) };
  return (await tryCommand('docker', ['network', 'inspect', 'kind'], options)).code === 0;
}

/** Whether kind's own node image is here or can be had. `REDWARDEN_NODE_IMAGE=built` says not to try. */
async function canPull(environment: Environment, progress: Progress): Promise<boolean> {
  if (process.env['REDWARDEN_NODE_IMAGE'] === 'built') {
    return false;
  }
  const options = { deadlineMs: timeLimits.pullImageMs, env: dockerVariables(environment), onLine: progress };
  if ((await tryCommand('docker', ['image', 'inspect', officialNodeImage], options)).code === 0) {
    return true;
  }
  progress(`pulling ${officialNodeImage}`);
  try {
    await runCommand('docker', ['pull', officialNodeImage], options);
    return true;
  } catch (error) {
    progress(`cannot be pulled (${lastLines((error as Error).message, 1)}); the node image is built here`);
    return false;
  }
}

/** The default of kind 0.33.0. */
const officialNodeImage =
  'kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5';
