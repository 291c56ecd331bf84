/** Takes away everything an environment has put on the machine, and looks whether anything is left. */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand, tryCommand } from '../support/run-command.ts';
import { waitUntil } from '../support/wait-until.ts';
import type { Progress } from './cache.ts';
import { clusterExists, deleteCluster } from './cluster.ts';
import { docker, dockerAnswers, startDaemon, stopDaemon } from './docker.ts';
import { removePartitions } from './driver.ts';
import {
  bridgeName,
  clusterName,
  dockerDataDirectory,
  dockerRunDirectory,
  type Environment,
  partitionTable,
  readEnvironment,
  stateDirectory,
} from './environment.ts';
import { findProgram } from './packages.ts';
import { timeLimits } from './time-limits.ts';
import { ensureTools } from './tools.ts';

const endDeadlineMs = 20_000;

/** Settings that kubelets change for the whole machine. */
export function readKernelSettings(): Record<string, string> {
  const names = ['vm/overcommit_memory', 'kernel/panic', 'kernel/panic_on_oops'];
  return Object.fromEntries(
    names
      .filter((name) => existsSync(`/proc/sys/${name}`))
      .map((name) => [name, readFileSync(`/proc/sys/${name}`, 'utf8').trim()]),
  );
}

/** Removes the environment, whole or half made; returns what is left nevertheless, one sentence each. */
export async function removeEnvironment(progress: Progress): Promise<string[]> {
  const environment = readEnvironment();
  if (environment !== undefined) {
    await removeRoutes(environment);
    await removeCluster(environment, progress);
  }
  if (process.getuid?.() === 0) {
    if (findProgram('nft') !== undefined) {
      await removePartitions();
    }
    await stopDaemon();
    await endProcesses(progress);
    await unmount();
    if (existsSync(`/sys/class/net/${bridgeName}`)) {
      await runCommand(findProgram('ip') ?? 'ip', ['link', 'delete', bridgeName], { deadlineMs: 10_000 });
    }
  }
  for (const directory of [dockerRunDirectory, dockerDataDirectory()]) {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  restoreKernelSettings(environment);
  removeTraces(environment);
  rmSync(stateDirectory, { recursive: true, force: true });
  return leftovers(environment);
}

async function removeCluster(environment: Environment, progress: Progress): Promise<void> {
  if (environment.ownDaemon && existsSync(dockerDataDirectory()) && !(await dockerAnswers(environment))) {
    // Containers of a daemon that died live on; only a daemon can take them away in order.
    await startDaemon(progress);
  }
  if (!(await dockerAnswers(environment))) {
    return;
  }
  const tools = await ensureTools(progress);
  if (await clusterExists(environment, tools)) {
    progress('deleting the cluster');
    await deleteCluster(environment, tools);
  }
  if (environment.ownNetwork) {
    const names = await docker(environment, ['network', 'ls', '--format', '{{.Name}}'], timeLimits.dockerMs);
    if (names.split('\n').includes('kind')) {
      await docker(environment, ['network', 'rm', 'kind'], timeLimits.dockerMs);
    }
  }
}

async function removeRoutes(environment: Environment): Promise<void> {
  const program = findProgram('ip');
  if (program === undefined) {
    return;
  }
  for (const destination of environment.routes) {
    // A route goes with its bridge or with a reboot; that it is not there is what we want.
    await tryCommand(program, ['route', 'delete', destination], { deadlineMs: 10_000 });
  }
}

/** Processes that name our directories: a containerd or its shims after a daemon that was killed. */
function processesOfOurs(): { pid: number; command: string }[] {
  const ours = [dockerRunDirectory, dockerDataDirectory()];
  const found: { pid: number; command: string }[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) {
      continue;
    }
    const command = readProcess(entry);
    if (ours.some((directory) => command.includes(`${directory}/`))) {
      found.push({ pid: Number(entry), command });
    }
  }
  return found;
}

function readProcess(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return ''; // it ended while we looked
  }
}

async function endProcesses(progress: Progress): Promise<void> {
  if (processesOfOurs().length === 0) {
    return;
  }
  await waitUntil('the end of the daemon\u2019s processes', endDeadlineMs, async () => {
    const found = processesOfOurs();
    for (const { pid, command } of found) {
      progress(`ending ${pid} ${command.slice(0, 80)}`);
      killProcess(pid);
    }
    return found.length === 0 ? true : undefined;
  });
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw error;
    }
  }
}

function mountsOfOurs(): string[] {
  if (!existsSync('/proc/mounts')) {
    return [];
  }
  const ours = [dockerRunDirectory, dockerDataDirectory(), stateDirectory];
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => ours.some((directory) => point === directory || point.startsWith(`${directory}/`)));
}

async function unmount(): Promise<void> {
  for (const point of mountsOfOurs().reverse()) {
    await runCommand('umount', ['--lazy', point], { deadlineMs: 10_000 });
  }
}

/** Removes what the daemon made in fixed places, unless somebody else uses it by now. */
function removeTraces(environment: Environment | undefined): void {
  for (const trace of environment?.daemonTraces ?? []) {
    if (!existsSync(trace)) {
      continue;
    }
    try {
      if (statSync(trace).isDirectory()) {
        removeEmptyFolders(trace);
      } else {
        rmSync(trace);
      }
    } catch (error) {
      if (!['ENOTEMPTY', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')) {
        throw error;
      }
    }
  }
}

/** A control group is a folder whose files cannot be removed and need not be. */
function removeEmptyFolders(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      removeEmptyFolders(path.join(directory, entry.name));
    }
  }
  rmdirSync(directory);
}

function restoreKernelSettings(environment: Environment | undefined): void {
  for (const [name, value] of Object.entries(environment?.kernelSettings ?? {})) {
    const file = path.join('/proc/sys', name);
    if (readFileSync(file, 'utf8').trim() !== value) {
      writeFileSync(file, value);
    }
  }
}

async function leftovers(environment: Environment | undefined): Promise<string[]> {
  const found = [
    ...processesOfOurs().map(({ pid, command }) => `process ${pid}: ${command.slice(0, 100)}`),
    ...mountsOfOurs().map((point) => `mount ${point}`),
    ...[dockerRunDirectory, dockerDataDirectory(), stateDirectory]
      .filter((directory) => existsSync(directory))
      .map((directory) => `directory ${directory}`),
  ];
  if (existsSync(`/sys/class/net/${bridgeName}`)) {
    found.push(`network ${bridgeName}`);
  }
  const ip = findProgram('ip');
  if (ip !== undefined) {
    const routes = await tryCommand(ip, ['-4', 'route', 'show'], { deadlineMs: 10_000 });
    for (const destination of environment?.routes ?? []) {
      if (routes.stdout.split('\n').some((line) => line.startsWith(`${destination} `))) {
        found.push(`route ${destination}`);
      }
    }
  }
  const nft = findProgram('nft');
  if (nft !== undefined && process.getuid?.() === 0) {
    const tables = await tryCommand(nft, ['list', 'tables'], { deadlineMs: 10_000 });
    if (tables.stdout.includes(partitionTable)) {
      found.push(`nft table bridge ${partitionTable}`);
    }
  }
  if (environment !== undefined && !environment.ownDaemon && (await dockerAnswers(environment))) {
    const filter = `label=io.x-k8s.kind.cluster=${clusterName}`;
    const argv = ['ps', '--all', '--quiet', '--filter', filter];
    const ids = (await docker(environment, argv, timeLimits.dockerMs)).trim();
    if (ids !== '') {
      found.push(`containers ${ids.split('\n').join(' ')}`);
    }
  }
  return found;
}
