/** Programs that come from Debian packages and are installed when they are missing. */
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from '../support/run-command.ts';
import type { Progress } from './cache.ts';

const aptDeadlineMs = 10 * 60_000;
const servicePolicy = '/usr/sbin/policy-rc.d';

const packageOf = {
  dockerd: 'docker.io',
  // since Debian 13 a package of its own; before, docker.io brings it
  docker: 'docker-cli',
  containerd: 'containerd',
  debootstrap: 'debootstrap',
  nft: 'nftables',
  ip: 'iproute2',
  jq: 'jq',
  unzip: 'unzip',
  busybox: 'busybox-static',
  'redis-cli': 'redis-tools',
  tclsh: 'tcl',
} as const;

/** A program this project takes from a Debian package. */
export type DebianProgram = keyof typeof packageOf;

/** Path of a program in PATH or in the system's own folders, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

/** Installs what is missing; throws with the sentence a person needs when that is not possible. */
export async function ensurePackages(programs: readonly DebianProgram[], progress: Progress): Promise<void> {
  const missing = programs.filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) {
    return;
  }
  const packages = missing.map((name) => packageOf[name]);
  const wanted = `${missing.join(', ')} missing (Debian: apt-get install ${packages.join(' ')})`;
  if (findProgram('apt-get') === undefined || process.getuid?.() !== 0) {
    throw new Error(`${wanted}; install by hand, or run as root on Debian`);
  }
  progress(`installing ${packages.join(' ')}`);
  const options = { deadlineMs: aptDeadlineMs, env: { DEBIAN_FRONTEND: 'noninteractive' }, onLine: progress };
  const allowed = holdServices();
  try {
    await runCommand('apt-get', ['-q', 'update'], options);
    await runCommand('apt-get', ['-q', '-y', 'install', '--no-install-recommends', ...packages], options);
  } finally {
    allowed();
  }
}

/**
 * Installing docker.io would start a daemon of the machine's own; ours is started where it can be taken
 * away.
 */
function holdServices(): () => void {
  if (existsSync(servicePolicy)) {
    return () => {};
  }
  writeFileSync(servicePolicy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  return () => rmSync(servicePolicy, { force: true });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
