/**
 * The TCL suites of Valkey and Redis with the programs they want: fetched from Debian at test time into the
 * cache outside the tree, never committed.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { ensureArtefact, type Progress } from '../kind/cache.ts';
import { downloadUpstream, unpackPackages } from '../support/debian-packages.ts';
import { runCommand } from '../support/run-command.ts';

const unpackDeadlineMs = 60_000;

/** Which suite, which Debian release has it, what its programs are called. */
const suites = {
  valkey: {
    release: 'trixie',
    packages: ['valkey-server', 'valkey-tools'],
    server: 'valkey-server',
    programs: ['valkey-cli', 'valkey-benchmark', 'valkey-check-aof', 'valkey-check-rdb'],
    options: [],
  },
  redis: {
    release: 'bookworm',
    packages: ['redis-server', 'redis-tools'],
    server: 'redis-server',
    programs: ['redis-cli', 'redis-benchmark', 'redis-check-aof', 'redis-check-rdb'],
    // Small lists and sets are listpacks since 7.2.
    options: ['--ignore-encoding'],
  },
} as const;

export type SuiteName = keyof typeof suites;
export const suiteNames = Object.keys(suites) as SuiteName[];

export interface Suite {
  readonly name: SuiteName;
  /** The unpacked source tree: `tests/`, `src/`, … */
  readonly source: string;
  /** Name of the server's program below `src/`. */
  readonly server: string;
  /** The client programs that tests call. */
  readonly programs: readonly string[];
  /** Of every run of it. */
  readonly options: readonly string[];
  /** What a shell script says to run a program of the suite's own release, the server included. */
  command(program: string): string;
}

/** Fetches a suite and its programs unless they are in the cache. */
export async function ensureSuite(name: SuiteName, progress: Progress): Promise<Suite> {
  const { release, packages, server, programs, options } = suites[name];
  const source = await ensureArtefact(
    `suite-${name}`,
    release,
    (folder) => unpackSource(name, release, folder, progress),
    progress,
  );
  const debian = await ensureArtefact(
    `suite-${name}-programs`,
    release,
    async (folder) => {
      const options = { dependencies: 'whole', backports: false, suite: release, progress } as const;
      await unpackPackages(packages, folder, options);
      rmSync(path.join(folder, 'apt'), { recursive: true });
    },
    progress,
  );
  const root = path.join(debian, 'root');
  return {
    name,
    source: path.join(source, 'tree'),
    server,
    programs,
    options,
    command: (program) => shellCommand(root, program),
  };
}

async function unpackSource(
  name: SuiteName,
  release: string,
  folder: string,
  progress: Progress,
): Promise<void> {
  const tarball = await downloadUpstream(name, release, folder, progress);
  const tree = path.join(folder, 'tree');
  mkdirSync(tree);
  const argv = ['-xf', tarball, '-C', tree, '--strip-components=1'];
  await runCommand('tar', argv, { deadlineMs: unpackDeadlineMs });
}

/** A program of another release runs with that release's C library, by its own loader. */
function shellCommand(root: string, program: string): string {
  const below = (folder: string): string => path.join(root, folder);
  const loader = ['usr/lib64', 'lib64']
    .map((folder) => below(`${folder}/ld-linux-x86-64.so.2`))
    .find((file) => existsSync(file));
  if (loader === undefined) throw new Error(`no loader below ${root}`);
  const libraries = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'].map(below).join(':');
  return `exec '${loader}' --library-path '${libraries}' '${below(`usr/bin/${program}`)}' "$@"`;
}
