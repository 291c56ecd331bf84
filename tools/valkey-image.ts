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
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ensureArtefact } from '../test/kind/cache.ts';
import { debianSuite, unpackPackages } from '../test/support/debian-packages.ts';
import { writeImage } from './image-archive.ts';
import { addProgram, addSystemFiles, USER } from './image-content.ts';
import type { Tree } from './tar.ts';

const root = path.join(import.meta.dirname, '..');
const target = path.join(root, 'dist', 'images', 'valkey.tar');
const tag = 'redwarden-test-valkey:8';
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
    await unpackPackages(packages, directory, { dependencies: 'whole', backports: true, progress: say });
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
