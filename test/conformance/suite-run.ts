/** Runs one unit of a TCL suite in spawn mode: bounded in time, and again without the case that ended it. */
import { spawn } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readSuiteOutput, type SuiteOutput } from './suite-output.ts';
import type { Workspace } from './suite-workspace.ts';

export interface UnitOptions {
  /** Cases that are left out, and why. */
  readonly skips: ReadonlyMap<string, string>;
  /** The time that all attempts together may take. */
  readonly deadlineMs: number;
  /** Leaves what the servers wrote. */
  readonly keep?: boolean;
  /** Lists the cases without running any. */
  readonly listOnly?: boolean;
}

export interface UnitRun {
  /** What the last attempt said, and why each case that was left out on the way had to be. */
  readonly output: SuiteOutput;
  readonly killers: ReadonlyMap<string, string>;
  /** Everything printed, for people. */
  readonly text: string;
  readonly seconds: number;
}

const attemptsMax = 12;
/** A case that says nothing for so long hangs; some of integration load data for minutes. */
const caseSecondsMax = (unit: string): number => (unit.startsWith('integration/') ? 240 : 120);
const portsOfRun = 900;
const firstPort = 12_000;
const lastPort = 30_000;

/** Runs a unit; a case that hangs is skipped in the next attempt, so that it does not hide those after it. */
export async function runUnit(workspace: Workspace, unit: string, options: UnitOptions): Promise<UnitRun> {
  const started = performance.now();
  const left = (): number => options.deadlineMs - (performance.now() - started);
  const killers = new Map<string, string>();
  let text = '';
  let output: SuiteOutput = readSuiteOutput('');
  for (let attempt = 1; attempt <= attemptsMax && left() > 0; attempt += 1) {
    const said = await runOnce(
      workspace,
      unit,
      options,
      [...options.skips.keys(), ...killers.keys()],
      left(),
    );
    const found = readSuiteOutput(said);
    text += `${said}\n`;
    // An attempt that was stopped early knows less than the one before it.
    if ((found.complete && found.stuckIn === undefined) || known(found) >= known(output)) output = found;
    if (found.complete && found.stuckIn === undefined) break;
    const killer = found.stuckIn;
    if (killer === undefined || killers.has(killer)) break;
    killers.set(killer, 'it did not end');
  }
  return { output, killers, text, seconds: (performance.now() - started) / 1000 };
}

function known(output: SuiteOutput): number {
  return output.passed.length + output.failed.length;
}

function runOnce(
  workspace: Workspace,
  unit: string,
  options: UnitOptions,
  skips: readonly string[],
  deadlineMs: number,
): Promise<string> {
  const { folder } = workspace;
  const name = unit.replaceAll('/', '-');
  const skipFile = path.join(folder, `skip-${name}`);
  writeFileSync(skipFile, skips.join('\n'));
  const basePort = firstPort + Math.floor(Math.random() * (lastPort - firstPort));
  const argv = [
    ['run.tcl', '--single', unit, '--clients', '1', '--durable', '--dont-clean'],
    ['--baseport', `${basePort}`, '--portcount', `${portsOfRun}`, '--timeout', `${caseSecondsMax(unit)}`],
    options.listOnly === true ? ['--only', 'no case is called like this'] : [],
    skips.length > 0 ? ['--skipfile', skipFile] : [],
    workspace.options,
  ].flat();
  return new Promise((resolve, reject) => {
    const child = spawn('tclsh', argv, {
      cwd: folder,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => {
        text += chunk;
      });
    }
    const stop = (): void => killGroup(child.pid);
    const timer = setTimeout(() => {
      text += `\n=== stopped after ${Math.round(deadlineMs / 1000)} s\n`;
      stop();
    }, deadlineMs);
    process.once('exit', stop);
    child.once('error', reject);
    child.once('exit', () => {
      // Servers that outlive their client would keep the pipes open.
      stop();
      clearTimeout(timer);
      process.removeListener('exit', stop);
    });
    child.once('close', () => {
      if (options.keep !== true) removeLeftovers(folder);
      resolve(text);
    });
  });
}

/** The run, its clients and the servers they started are one process group. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Data files and logs of servers that are gone. */
function removeLeftovers(folder: string): void {
  const temporary = path.join(folder, 'tests', 'tmp');
  for (const entry of readdirSync(temporary)) {
    rmSync(path.join(temporary, entry), { recursive: true, force: true });
  }
}
