/**
 * Debian packages unpacked into a folder: nothing on the machine changes and no service starts. apt runs with
 * folders of its own. `SUITE` and `MIRROR` choose another Debian than the machine's.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Progress } from '../kind/cache.ts';
import { runCommand } from './run-command.ts';

const aptDeadlineMs = 5 * 60_000;
const unpackDeadlineMs = 60_000;
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Code name of the release whose packages are used. */
export function debianSuite(): string {
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const suite = process.env['SUITE'] ?? codename;
  if (suite === undefined) {
    throw new Error('this machine has no Debian codename: set SUITE, for example to bookworm');
  }
  return suite;
}

/** Where the machine gets its own Debian packages from. */
function debianMirror(): string {
  if (process.env['MIRROR'] !== undefined) return process.env['MIRROR'];
  const folder = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((name) => `${folder}/${name}`) : []),
  ];
  for (const file of files.filter((name) => existsSync(name))) {
    const text = readFileSync(file, 'utf8');
    const match = /^(?:URIs:|deb (?:\[[^\]]*\] )?)\s*(https?:\S+\/debian)\/?(?:\s|$)/m.exec(text);
    if (match?.[1] !== undefined) return match[1];
  }
  throw new Error('no Debian mirror in /etc/apt: set MIRROR');
}

export interface UnpackOptions {
  /**
   * `whole`: everything the packages depend on, for an image; `missing`: only what this machine lacks, to run
   * them here.
   */
  readonly dependencies: 'whole' | 'missing';
  /** Newer versions from the release's backports where there are some. */
  readonly backports: boolean;
  /** Code name of another release than this machine's; its packages then come whole. */
  readonly suite?: string;
  readonly progress: Progress;
}

/** Downloads packages with what they depend on and unpacks them into `folder`/root. */
export async function unpackPackages(
  packages: readonly string[],
  folder: string,
  options: UnpackOptions,
): Promise<void> {
  const suite = options.suite ?? debianSuite();
  const apt = path.join(folder, 'apt');
  const archives = path.join(apt, 'cache', 'archives');
  for (const name of ['lists/partial', 'cache/archives/partial']) {
    mkdirSync(path.join(apt, name), { recursive: true });
  }
  writeFileSync(
    path.join(apt, 'sources.list'),
    sourceLine('deb', suite) + sourceLine('deb', `${suite}-backports`),
  );
  const settings = aptSettings(apt, options.dependencies);
  const limits = { deadlineMs: aptDeadlineMs, onLine: options.progress };
  await runCommand('apt-get', [...settings, '-q', 'update'], limits);
  const release = options.backports ? ['-t', `${suite}-backports`] : [];
  const install = ['-q', '-y', '--download-only', ...release, 'install', ...packages];
  await runCommand('apt-get', [...settings, ...install], limits);
  for (const name of readdirSync(archives)
    .filter((file) => file.endsWith('.deb'))
    .sort()) {
    await runCommand('dpkg-deb', ['-x', path.join(archives, name), path.join(folder, 'root')], {
      deadlineMs: unpackDeadlineMs,
    });
  }
}

/**
 * Downloads the upstream tarball of a source package of `suite` into `folder`; its path. apt checks it
 * against the signed index of the release.
 */
export async function downloadUpstream(
  name: string,
  suite: string,
  folder: string,
  progress: Progress,
): Promise<string> {
  const apt = path.join(folder, 'apt');
  for (const part of ['lists/partial', 'cache/archives/partial']) {
    mkdirSync(path.join(apt, part), { recursive: true });
  }
  writeFileSync(path.join(apt, 'sources.list'), sourceLine('deb-src', suite));
  const settings = aptSettings(apt, 'missing');
  const limits = { deadlineMs: aptDeadlineMs, onLine: progress, directory: folder };
  await runCommand('apt-get', [...settings, '-q', 'update'], limits);
  await runCommand('apt-get', [...settings, '-q', 'source', '--tar-only', '--download-only', name], limits);
  const tarball = readdirSync(folder).find((file) => file.startsWith(`${name}_`) && file.includes('.orig.'));
  rmSync(apt, { recursive: true });
  if (tarball === undefined) throw new Error(`apt has brought no upstream tarball of ${name} (${suite})`);
  return path.join(folder, tarball);
}

function sourceLine(kind: 'deb' | 'deb-src', suite: string): string {
  return `${kind} [signed-by=${keyring}] ${debianMirror()} ${suite} main\n`;
}

function aptSettings(apt: string, dependencies: UnpackOptions['dependencies']): string[] {
  const status = path.join(apt, 'status');
  if (dependencies === 'whole') writeFileSync(status, '');
  return [
    `Dir::Etc::sourcelist=${path.join(apt, 'sources.list')}`,
    'Dir::Etc::sourceparts=/dev/null',
    'Dir::Etc::preferencesparts=/dev/null',
    `Dir::State::lists=${path.join(apt, 'lists')}`,
    ...(dependencies === 'whole' ? [`Dir::State=${apt}`, `Dir::State::status=${status}`] : []),
    `Dir::Cache=${path.join(apt, 'cache')}`,
    'APT::Install-Recommends=false',
    'APT::Sandbox::User=root',
    'Debug::NoLocking=true',
  ].flatMap((setting) => ['-o', setting]);
}
