/**
 * `make test`: check, unit and integration tests, end-to-end stories; `make check` and `make e2e` are parts
 * of it.
 *
 *   node tools/test.ts [check | e2e]
 *
 * All parts run even when one fails, so that one run shows everything. What failed is named again at the end;
 * the last line is `N passed, N failed`; the exit code is 0 only when nothing failed and something passed.
 */

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { countReport, type Failure, failuresIn, type TestCount } from './test-count.ts';

const root = path.resolve(import.meta.dirname, '..');
const reportFolder = path.join(root, 'build', 'test');
const minute = 60_000;

/** A part of the tests: one program, counted by the report that vitest leaves or as a single test. */
interface Part {
  readonly name: string;
  readonly program: string;
  readonly argv: readonly string[];
  readonly deadlineMs: number;
  /** Name of the report; absent: the program itself counts as one test. */
  readonly report?: string;
  /** What must have gone well before; otherwise this part is left out. */
  readonly after?: Part;
  /** Prepares or clears up: its success is no test, its failure is one. */
  readonly aside?: true;
}

function vitest(report: string, deadlineMs: number, ...argv: readonly string[]): Part {
  const file = path.join(reportFolder, `${report}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  return { name: report, program: 'vitest', argv: ['run', ...argv, ...reporters], deadlineMs, report: file };
}

const build: Part = { name: 'types', program: 'tsc', argv: ['--build'], deadlineMs: 5 * minute };
const lint: Part = { name: 'format and lint', program: 'biome', argv: ['ci', '.'], deadlineMs: 2 * minute };
const unused: Part = { name: 'unused exports', program: 'knip', argv: [], deadlineMs: 3 * minute };
const tidy = vitest('tidy', 2 * minute, 'tools/tidy');
const programs: Part = {
  name: 'programs for integration tests',
  program: 'node',
  argv: ['tools/up.ts', '--tools-only'],
  deadlineMs: 30 * minute,
  aside: true,
};
const units = vitest('unit and integration', 15 * minute);
const up: Part = { name: 'make up', program: 'node', argv: ['tools/up.ts'], deadlineMs: 40 * minute };
const stories: Part = {
  ...vitest('end to end', 25 * minute, '--config', 'vitest.e2e.config.ts'),
  after: up,
};
const down: Part = {
  name: 'make down',
  program: 'node',
  argv: ['tools/down.ts'],
  deadlineMs: 5 * minute,
  aside: true,
};

function partsOf(wanted: string | undefined): readonly Part[] {
  // A cluster that somebody brought up stays; one that the tests bring up goes.
  const alreadyUp = existsSync(path.join(root, '.state', 'environment.json'));
  const endToEnd = alreadyUp ? [up, stories] : [up, stories, down];
  if (wanted === 'check') return [lint, build, unused, tidy];
  if (wanted === 'e2e') return [build, ...endToEnd];
  return [lint, build, unused, programs, units, ...endToEnd];
}

/** Runs a program with our output; its exit code, -1 when it did not start or took too long. */
function run(part: Part): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(part.program, part.argv, { cwd: root, stdio: 'inherit', detached: true });
    const stop = (): void => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    const timer = setTimeout(() => {
      process.stdout.write(`${part.name}: not finished after ${part.deadlineMs / minute} minutes\n`);
      stop();
    }, part.deadlineMs);
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
    child.once('error', (error) => {
      process.stdout.write(`${part.name}: ${error.message}\n`);
      clearTimeout(timer);
      resolve(-1);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      process.removeListener('SIGTERM', stop);
      process.removeListener('SIGINT', stop);
      resolve(code ?? -1);
    });
  });
}

interface Outcome extends TestCount {
  readonly failures: readonly Failure[];
}

async function runAndCount(part: Part): Promise<Outcome> {
  process.stdout.write(`\n==> ${part.name}\n`);
  const started = performance.now();
  if (part.report !== undefined) rmSync(part.report, { force: true });
  const code = await run(part);
  process.stdout.write(`    ${code === 0 ? 'done' : 'failed'} after ${seconds(started)} s\n`);
  const whole: Failure = { name: part.name, lines: [`exit code ${code}`] };
  if (part.report === undefined) {
    if (code !== 0) return { passed: 0, failed: 1, failures: [whole] };
    return { passed: part.aside === true ? 0 : 1, failed: 0, failures: [] };
  }
  const report = existsSync(part.report) ? readFileSync(part.report, 'utf8') : undefined;
  const found = report === undefined ? { passed: 0, failed: 0 } : countReport(report);
  const failures = failuresIn(report ?? '');
  const unexplained = code !== 0 && found.failed === 0;
  const empty = found.passed + found.failed === 0;
  if (unexplained || empty) return { passed: found.passed, failed: found.failed + 1, failures: [whole] };
  return { ...found, failures: found.failed > 0 && failures.length === 0 ? [whole] : failures };
}

function printFailure(failure: Failure): void {
  const name = failure.name.replace(`${root}${path.sep}`, '');
  process.stdout.write(`\nfailed: ${name}\n${failure.lines.map((line) => `    ${line}\n`).join('')}`);
}

function seconds(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(1);
}

const started = performance.now();
mkdirSync(reportFolder, { recursive: true });
const total = { passed: 0, failed: 0 };
const failedParts: string[] = [];
const failures: Failure[] = [];
const failedBefore = new Set<Part>();
for (const part of partsOf(process.argv[2])) {
  if (part.after !== undefined && failedBefore.has(part.after)) {
    process.stdout.write(`\n==> ${part.name}: left out, because ${part.after.name} failed\n`);
    continue;
  }
  const found = await runAndCount(part);
  total.passed += found.passed;
  total.failed += found.failed;
  failures.push(...found.failures);
  if (found.failed > 0) failedBefore.add(part);
  if (found.failed > 0) failedParts.push(`${part.name} (${found.failed})`);
}
for (const failure of failures) printFailure(failure);
process.stdout.write(
  `\n${seconds(started)} s${failedParts.length > 0 ? `; failed: ${failedParts.join(', ')}` : ''}\n`,
);
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
