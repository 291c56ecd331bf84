/** A folder that looks to a TCL suite like its own source tree after `make`, with the server to be tested. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Suite } from './suite-source.ts';

const startDeadlineMs = 20_000;

/** Whose server is tested: that of a tree of this project, or the suite's own to see what the suite says. */
export type Contestant = { readonly tree: string } | 'theirs';

export interface Workspace {
  readonly folder: string;
  /** Options of every run in it. */
  readonly options: readonly string[];
  remove(): void;
}

/** Makes the folder. Our server goes in as a copy: what is built meanwhile does not change a run. */
export function makeWorkspace(suite: Suite, contestant: Contestant, keep: boolean): Workspace {
  const folder = mkdtempSync(path.join(tmpdir(), `suite-${suite.name}-`));
  for (const entry of readdirSync(suite.source)) {
    if (entry === 'tests')
      cpSync(path.join(suite.source, entry), path.join(folder, entry), { recursive: true });
    else if (entry !== 'src') symlinkSync(path.join(suite.source, entry), path.join(folder, entry));
  }
  mkdirSync(path.join(folder, 'tests', 'tmp'), { recursive: true });
  const programs = path.join(folder, 'src');
  mkdirSync(programs);
  for (const entry of readdirSync(path.join(suite.source, 'src'))) {
    symlinkSync(path.join(suite.source, 'src', entry), path.join(programs, entry));
  }
  const server = contestant === 'theirs' ? suite.command(suite.server) : ownServer(contestant.tree, folder);
  for (const program of suite.programs) {
    const command = commandOf(suite, contestant, folder, program);
    if (command !== undefined) writeScript(path.join(programs, program), command);
  }
  writeScript(path.join(programs, suite.server), server);
  // A server that does not even start would cost every unit its deadline.
  execFileSync(path.join(programs, suite.server), ['--version'], { timeout: startDeadlineMs });
  // Lines as they come: what a run has said so far counts when it has to be stopped.
  writeFileSync(
    path.join(folder, 'run.tcl'),
    'fconfigure stdout -buffering line\nsource tests/test_helper.tcl\n',
  );
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  // A run that is stopped leaves nothing either.
  if (!keep) process.once('exit', remove);
  return { folder, options: suite.options, remove };
}

function ownServer(tree: string, folder: string): string {
  const copy = path.join(folder, 'redwarden');
  for (const entry of ['server/bin', 'dist/server', 'package.json']) {
    cpSync(path.join(tree, entry), path.join(copy, entry), { recursive: true });
  }
  symlinkSync(path.join(tree, 'node_modules'), path.join(copy, 'node_modules'));
  // In the process list it goes by the name that it was called by.
  return `REDWARDEN_PROGRAM="$0" exec '${path.join(copy, 'server/bin/redwarden-server')}' "$@"`;
}

/** A client program of the suite's release; what reads files of ours is ours, and absent until it exists. */
function commandOf(
  suite: Suite,
  contestant: Contestant,
  folder: string,
  program: string,
): string | undefined {
  const [, checker] = /-(check-(?:rdb|aof))$/.exec(program) ?? [];
  if (contestant === 'theirs' || checker === undefined) return suite.command(program);
  const own = path.join(folder, 'redwarden/server/bin', `redwarden-${checker}`);
  return existsSync(own) ? `exec '${own}' "$@"` : undefined;
}

function writeScript(file: string, command: string): void {
  rmSync(file, { force: true });
  writeFileSync(file, `#!/bin/sh\n${command}\n`, { mode: 0o755 });
}
