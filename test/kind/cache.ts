/**
 * Things that take minutes to make and are kept outside the tree, by content: an artefact is a directory
 * `<name>-<key>` whose key is the hash of everything it is made from. It appears whole or not at all.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Receives one line of what is going on, for people. */
export type Progress = (line: string) => void;

const unusedDaysMax = 14;
const waitMsMax = 60 * 60_000;

/** Where artefacts are kept: `REDWARDEN_CACHE`, or `~/.cache/redwarden`. */
export function cacheDirectory(): string {
  return process.env['REDWARDEN_CACHE'] ?? path.join(homedir(), '.cache', 'redwarden');
}

/** Hash of files and folders (names, modes and contents) and of words, 16 hexadecimal digits. */
export function contentKey(root: string, entries: readonly string[], words: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of entries.flatMap((entry) => filesBelow(path.join(root, entry))).sort()) {
    const executable = (statSync(file).mode & 0o100) !== 0;
    const contents = readFileSync(file);
    hash.update(`${path.relative(root, file)} ${executable} ${contents.length}\n`);
    hash.update(contents);
  }
  for (const word of words) {
    hash.update(`${word}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/**
 * Path of an artefact, made by `build` into the directory it is given unless it exists.
 * Only one process makes an artefact; others wait for it. What failed leaves nothing behind.
 */
export async function ensureArtefact(
  name: string,
  key: string,
  build: (directory: string) => Promise<void>,
  progress: Progress,
): Promise<string> {
  const directory = path.join(cacheDirectory(), `${name}-${key}`);
  mkdirSync(cacheDirectory(), { recursive: true });
  const unlock = await lock(directory, progress);
  if (unlock === undefined) {
    touch(directory);
    return directory;
  }
  const partial = `${directory}.partial`;
  try {
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial);
    await build(partial);
    renameSync(partial, directory);
    removeUnused(name, directory);
    return directory;
  } finally {
    rmSync(partial, { recursive: true, force: true });
    unlock();
  }
}

/** Takes the right to make a directory; undefined when it exists, perhaps after another process made it. */
async function lock(directory: string, progress: Progress): Promise<(() => void) | undefined> {
  const file = `${directory}.lock`;
  const limit = performance.now() + waitMsMax;
  let announced = false;
  for (;;) {
    if (existsSync(directory)) {
      return undefined;
    }
    try {
      writeFileSync(file, `${process.pid}`, { flag: 'wx' });
      if (existsSync(directory)) {
        rmSync(file);
        return undefined;
      }
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw error;
      }
    }
    const owner = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (owner !== '' && !existsSync(`/proc/${owner}`)) {
      rmSync(file, { force: true });
      continue;
    }
    if (!announced) {
      progress(`process ${owner} is making ${path.basename(directory)}, waiting for it`);
      announced = true;
    }
    if (performance.now() > limit) {
      throw new Error(
        `${file} is held by process ${owner} for more than an hour; remove it if that is wrong`,
      );
    }
    await sleep(500);
  }
}

function filesBelow(entry: string): string[] {
  if (!statSync(entry).isDirectory()) {
    return [entry];
  }
  return readdirSync(entry).flatMap((name) => filesBelow(path.join(entry, name)));
}

function touch(directory: string): void {
  const now = new Date();
  utimesSync(directory, now, now);
}

/** Old versions of an artefact go when nobody has used them for two weeks. */
function removeUnused(name: string, current: string): void {
  const oldest = Date.now() - unusedDaysMax * 24 * 3600_000;
  const pattern = new RegExp(`^${name}-[0-9a-f]{16}$`);
  for (const entry of readdirSync(cacheDirectory())) {
    const directory = path.join(cacheDirectory(), entry);
    if (pattern.test(entry) && directory !== current && statSync(directory).mtimeMs < oldest) {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}
