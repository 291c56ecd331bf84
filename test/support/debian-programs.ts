/**
 * Servers of other people that tests compare with: redis-server of this Debian, valkey-server of its
 * backports. A program that is installed is used as it is; else its package and what it needs are fetched
 * into the cache and unpacked there, so that nothing on the machine changes and no service starts.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ensureArtefact, type Progress } from '../kind/cache.ts';
import { findProgram } from '../kind/packages.ts';
import { runCommand } from './run-command.ts';

const aptDeadlineMs = 5 * 60_000;

const packageOf = {
  'redis-server': 'redis-server',
  'redis-cli': 'redis-tools',
  'redis-benchmark': 'redis-tools',
  'valkey-server': 'valkey-server',
  'valkey-cli': 'valkey-tools',
} as const;

/** A server or client program that Debian has. */
export type PeerProgram = keyof typeof packageOf;

/** A program and what its environment needs. */
export interface FoundProgram {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Finds or fetches a program; throws with the sentence a person needs when neither is possible. */
export async function debianProgram(program: PeerProgram, progress: Progress): Promise<FoundProgram> {
  const installed = findProgram(program);
  if (installed !== undefined) return { path: installed, env: {} };
  const codename = readCodename();
  const name = `debian-${packageOf[program]}`;
  const directory = await ensureArtefact(
    name,
    codename,
    (partial) => fetchPackage(packageOf[program], codename, partial, progress),
    progress,
  );
  const libraries = [path.join(directory, 'root/usr/lib/x86_64-linux-gnu'), path.join(directory, 'root/lib')];
  return {
    path: path.join(directory, 'root/usr/bin', program),
    env: { LD_LIBRARY_PATH: libraries.join(':') },
  };
}

function readCodename(): string {
  const found = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  if (found === undefined)
    throw new Error('tests compare with programs from Debian packages: this is no Debian');
  return found;
}

/** Fetches a package with what it needs and the machine has not, and unpacks all of it below `root`. */
async function fetchPackage(
  name: string,
  codename: string,
  directory: string,
  progress: Progress,
): Promise<void> {
  const sources = path.join(directory, 'sources');
  const archives = path.join(directory, 'cache/archives');
  for (const folder of ['sources', 'lists/partial', 'cache/archives/partial', 'root']) {
    mkdirSync(path.join(directory, folder), { recursive: true });
  }
  writeFileSync(path.join(sources, 'debian.sources'), sourcesFile(codename));
  const settings = {
    'Dir::State::Lists': path.join(directory, 'lists'),
    'Dir::Cache': path.join(directory, 'cache'),
    'Dir::Etc::SourceList': '/dev/null',
    'Dir::Etc::SourceParts': sources,
    'Debug::NoLocking': 'true',
    'APT::Sandbox::User': process.getuid?.() === 0 ? 'root' : '',
  };
  const apt = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const options = { deadlineMs: aptDeadlineMs, onLine: progress };
  await runCommand('apt-get', [...apt, '-q', 'update'], options);
  const install = ['-q', '-y', '--no-install-recommends', '--download-only', 'install', name];
  await runCommand('apt-get', [...apt, ...install], options);
  for (const archive of readdirSync(archives).filter((file) => file.endsWith('.deb'))) {
    const file = path.join(archives, archive);
    await runCommand('dpkg-deb', ['-x', file, path.join(directory, 'root')], options);
  }
}

function sourcesFile(codename: string): string {
  return [
    'Types: deb',
    'URIs: http://deb.debian.org/debian',
    `Suites: ${codename} ${codename}-updates ${codename}-backports`,
    'Components: main',
    'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
    '',
  ].join('\n');
}
