/**
 * An image of stock Valkey 8 from Debian's packages, for tests: the operator must work with servers that are
 * not ours.
 *
 *     node tools/valkey-image.ts      dist/images/valkey.tar, tagged redwarden-test-valkey:8
 *
 * apt runs with folders of its own, so the machine's sources and packages stay as they are. SUITE and MIRROR
 * choose another Debian than the machine's. The image has busybox as its shell, because probes and hand-over
 * of a stock server are scripts.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ensureArtefact } from '../test/kind/cache.ts';
import { writeImage } from './image-archive.ts';
import { addProgram, addSystemFiles, USER } from './image-content.ts';
import type { Tree } from './tar.ts';

const root = path.join(import.meta.dirname, '..');
const target = path.join(root, 'dist', 'images', 'valkey.tar');
const tag = 'redwarden-test-valkey:8';
const aptDeadlineMs = 300_000;
const unpackDeadlineMs = 60_000;
const packages = ['valkey-server', 'valkey-tools', 'busybox-static'];

/** What the scripts call. */
const applets = [
  'sh',
  'cat',
  'date',
  'grep',
  'head',
  'ls',
  'sed',
  'seq',
  'sleep',
  'sort',
  'timeout',
  'tr',
  'true',
];

function debianSuite(): string {
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const suite = process.env['SUITE'] ?? codename;
  if (suite === undefined)
    throw new Error('this machine has no Debian codename: set SUITE, for example to bookworm');
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
    const match = /^(?:URIs:|deb (?:\[[^\]]*\] )?)\s*(https?:\S+\/debian)\/?(?:\s|$)/m.exec(
      readFileSync(file, 'utf8'),
    );
    if (match !== null) return match[1]!;
  }
  throw new Error('no Debian mirror in /etc/apt: set MIRROR');
}

/** Downloads the packages with all they depend on and unpacks them into `folder`. */
function unpackPackages(folder: string, suite: string, mirror: string): void {
  const apt = path.join(folder, 'apt');
  for (const name of ['lists/partial', 'cache/archives/partial', 'etc'])
    mkdirSync(path.join(apt, name), { recursive: true });
  writeFileSync(path.join(apt, 'status'), '');
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const line = (name: string): string => `deb [signed-by=${keys}] ${mirror} ${name} main\n`;
  writeFileSync(path.join(apt, 'sources.list'), line(suite) + line(`${suite}-backports`));
  const options = [
    `Dir::Etc::sourcelist=${path.join(apt, 'sources.list')}`,
    'Dir::Etc::sourceparts=/dev/null',
    'Dir::Etc::preferencesparts=/dev/null',
    `Dir::State=${apt}`,
    `Dir::State::lists=${path.join(apt, 'lists')}`,
    `Dir::State::status=${path.join(apt, 'status')}`,
    `Dir::Cache=${path.join(apt, 'cache')}`,
    'APT::Install-Recommends=false',
    'APT::Sandbox::User=root',
    'Debug::NoLocking=true',
  ].flatMap((option) => ['-o', option]);
  const run = (program: string, ...words: string[]): string =>
    execFileSync(program, words, {
      encoding: 'utf8',
      timeout: aptDeadlineMs,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  run('apt-get', ...options, '-q', 'update');
  run(
    'apt-get',
    ...options,
    '-q',
    '-y',
    '--download-only',
    '-t',
    `${suite}-backports`,
    'install',
    ...packages,
  );
  const archives = path.join(apt, 'cache', 'archives');
  for (const name of readdirSync(archives)
    .filter((file) => file.endsWith('.deb'))
    .sort()) {
    execFileSync('dpkg-deb', ['-x', path.join(archives, name), path.join(folder, 'root')], {
      timeout: unpackDeadlineMs,
    });
  }
}

function imageTree(files: string): Tree {
  const tree: Tree = new Map();
  addSystemFiles(tree);
  const libraries = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu']
    .map((folder) => path.join(files, folder))
    .join(':');
  for (const program of ['valkey-server', 'valkey-cli']) {
    addProgram(tree, path.join(files, 'usr', 'bin', program), `usr/bin/${program}`, libraries);
  }
  const busybox = ['usr/bin/busybox', 'bin/busybox']
    .map((name) => path.join(files, name))
    .find((name) => existsSync(name));
  if (busybox === undefined) throw new Error('the package busybox-static holds no busybox');
  tree.set('usr/bin/busybox', { kind: 'file', content: readFileSync(busybox), mode: 0o755 });
  for (const applet of applets) tree.set(`bin/${applet}`, { kind: 'link', target: '/usr/bin/busybox' });
  return tree;
}

const suite = debianSuite();
const say = (line: string): boolean => process.stdout.write(`${line}\n`);
const folder = await ensureArtefact(
  'valkey-packages',
  suite,
  async (directory) => {
    say(`downloading ${packages.join(' ')} of Debian ${suite}`);
    unpackPackages(directory, suite, debianMirror());
  },
  say,
);
const id = writeImage(
  target,
  {
    tag,
    entrypoint: ['/usr/bin/valkey-server'],
    user: `${USER}:${USER}`,
    environment: ['PATH=/usr/bin:/bin'],
    workingDirectory: '/data',
    ports: ['6379', '16379'],
    title: 'redwarden-test-valkey',
    version: '8',
  },
  [imageTree(path.join(folder, 'root'))],
);
say(`${tag} ${id.slice(7, 19)}: dist/images/valkey.tar`);
