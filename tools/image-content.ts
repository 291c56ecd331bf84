/**
 * What goes into an image: programs with the libraries they need, emitted JavaScript, production packages.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import type { Tree } from './tar.ts';

/** The user that images run as. */
export const USER = 65_532;
const LOADER = '/lib64/ld-linux-x86-64.so.2';
const deadlineMs = 30_000;

/** Users, resolver order, certificates, /tmp and /data: what programs expect of any system. */
export function addSystemFiles(tree: Tree): void {
  addText(
    tree,
    'etc/passwd',
    `root:x:0:0:root:/:/sbin/nologin\nredwarden:x:${USER}:${USER}::/:/sbin/nologin\n`,
  );
  addText(tree, 'etc/group', `root:x:0:\nredwarden:x:${USER}:\n`);
  addText(tree, 'etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n');
  tree.set('tmp', { kind: 'folder', mode: 0o1777 });
  tree.set('data', { kind: 'folder', mode: 0o755, owner: USER });
  const certificates = '/etc/ssl/certs/ca-certificates.crt';
  if (existsSync(certificates)) {
    tree.set('etc/ssl/certs/ca-certificates.crt', {
      kind: 'file',
      content: readFileSync(certificates),
      mode: 0o644,
    });
  }
}

export function addText(tree: Tree, target: string, text: string): void {
  tree.set(target, { kind: 'file', content: Buffer.from(text), mode: 0o644 });
}

/** A dynamically linked program under `target`, and every library it loads where the loader looks for it. */
export function addProgram(tree: Tree, program: string, target: string, libraryPath?: string): void {
  tree.set(target, { kind: 'file', content: readFileSync(realpathSync(program)), mode: 0o755 });
  for (const [name, file] of sharedLibraries(program, libraryPath)) {
    tree.set(`lib/x86_64-linux-gnu/${name}`, {
      kind: 'file',
      content: readFileSync(realpathSync(file)),
      mode: 0o755,
    });
  }
  tree.set(LOADER.slice(1), { kind: 'file', content: readFileSync(realpathSync(LOADER)), mode: 0o755 });
}

/** Name to file of everything that the loader would load. */
function sharedLibraries(program: string, libraryPath: string | undefined): Map<string, string> {
  const env = { ...process.env, ...(libraryPath === undefined ? {} : { LD_LIBRARY_PATH: libraryPath }) };
  const text = execFileSync('ldd', [program], { encoding: 'utf8', timeout: deadlineMs, env });
  const libraries = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line.includes('not found')) throw new Error(`${program} needs a library that is not here:${line}`);
    const match = /^\s*(\S+) => (\/\S+)/.exec(line);
    if (match !== null) libraries.set(match[1]!, match[2]!);
  }
  return libraries;
}

/** Files below `folder` that `keep` wants, under `target`. */
export function addFolder(tree: Tree, folder: string, target: string, keep: (file: string) => boolean): void {
  for (const name of readdirSync(folder).sort()) {
    const source = path.join(folder, name);
    const kind = lstatSync(source);
    if (kind.isDirectory()) addFolder(tree, source, `${target}/${name}`, keep);
    else if (kind.isFile() && keep(source)) {
      tree.set(`${target}/${name}`, { kind: 'file', content: readFileSync(source), mode: 0o644 });
    }
  }
}

/** Emitted JavaScript that runs in production. */
export function isProductionScript(file: string): boolean {
  return /\.(js|wasm)$/.test(file) && !/\.(test|bench|fuzz)\.js$/.test(file);
}

/** Bare names of the packages that scripts below `folder` import. */
export function importedPackages(folder: string): Set<string> {
  const packages = new Set<string>();
  const tree: Tree = new Map();
  addFolder(tree, folder, '', isProductionScript);
  for (const entry of tree.values()) {
    if (entry.kind !== 'file') continue;
    const text = Buffer.from(entry.content).toString('utf8');
    for (const match of text.matchAll(/(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*['"]([^'"]+)['"]/g)) {
      const name = match[1]!;
      if (/^[@a-z]/.test(name) && !name.startsWith('node:')) packages.add(packageName(name));
    }
  }
  return packages;
}

function packageName(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

interface LockFile {
  readonly packages: {
    readonly [location: string]: {
      readonly dependencies?: { readonly [name: string]: string };
      readonly optionalDependencies?: { readonly [name: string]: string };
    };
  };
}

/**
 * Locations (`node_modules/...`) of the packages and of all that they depend on, as the lock file resolves
 * them.
 */
export function packageClosure(lockText: string, names: Iterable<string>): string[] {
  const lock: LockFile = JSON.parse(lockText);
  const found = new Set<string>();
  const open = [...names].map((name) => ({ name, from: '', optional: false }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const location = resolveLocation(lock, next.name, next.from);
    if (location === undefined) {
      if (next.optional) continue;
      throw new Error(`${next.name}, needed by ${next.from || 'the scripts'}, is not in package-lock.json`);
    }
    if (found.has(location)) continue;
    found.add(location);
    const entry = lock.packages[location]!;
    const optional = entry.optionalDependencies ?? {};
    for (const name of Object.keys({ ...entry.dependencies, ...optional })) {
      open.push({ name, from: location, optional: name in optional });
    }
  }
  return [...found].sort();
}

/** As Node looks: in the package's own node_modules, then in each folder above. */
function resolveLocation(lock: LockFile, name: string, from: string): string | undefined {
  for (let base = from; ; base = base.slice(0, Math.max(0, base.lastIndexOf('node_modules') - 1))) {
    const location = `${base === '' ? '' : `${base}/`}node_modules/${name}`;
    if (location in lock.packages) return location;
    if (base === '') return undefined;
  }
}

/** Package files that only developers read, or that belong to another module system or to browsers. */
export function isProductionPackageFile(file: string): boolean {
  if (/\.(d\.[cm]?ts|ts|map|md|markdown|flow|html|yml|yaml|tgz)$/i.test(file)) return false;
  const folder = /\/(test|tests|__tests__|benchmark|benchmarks|example|examples|docs|coverage|\.github)\//;
  return !folder.test(file.slice(file.lastIndexOf('node_modules')));
}
