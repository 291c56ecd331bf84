/**
 * `make conformance`: the TCL suites of Valkey 8.1 and Redis 7.0.15, from Debian, against this server.
 *
 *   node tools/conformance.ts [--suite valkey|redis] [--only unit/type/set,unit/sort] [--all] [--jobs 2]
 *                             [--record] [--list] [--theirs] [--tree folder] [--keep] [--minutes 15]
 *
 *   --only     these units; without it the units of the gate, with `--all` every unit of the list
 *   --record   writes the counts into docs/conformance.md and the README
 *   --list     makes the frozen list of cases anew, with the suite's own server; with `--theirs` by running
 *              them, for units whose cases stand in the way of those after them when they are left out
 *   --theirs   tests the suite's own server instead of ours
 *   --tree     another built copy of this project
 *   --keep     leaves the folder of the run, with the logs of the servers
 *   --minutes  what one unit may take
 *
 * What a unit said is left in build/conformance/<suite>/<unit>.log, what did not pass in `.missing`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  countUnit,
  gateOf,
  listedNames,
  readCases,
  readSkips,
  type UnitCount,
  writeCases,
} from '../test/conformance/suite-cases.ts';
import { record, sumRows, type UnitRow } from '../test/conformance/suite-report.ts';
import { runUnit } from '../test/conformance/suite-run.ts';
import { ensureSuite, type Suite, type SuiteName, suiteNames } from '../test/conformance/suite-source.ts';
import { type Contestant, makeWorkspace, type Workspace } from '../test/conformance/suite-workspace.ts';
import { ensurePackages } from '../test/kind/packages.ts';
import { runMain, runStage } from './stages.ts';

const root = path.resolve(import.meta.dirname, '..');
const minute = 60_000;
/** Cluster tests come with the issue that they belong to. */
const listedUnit = /^(unit\/(type\/)?|integration\/)[^/]+$/;

const { values: options } = parseArgs({
  options: {
    suite: { type: 'string', default: 'valkey' },
    only: { type: 'string' },
    all: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '1' },
    record: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    theirs: { type: 'boolean', default: false },
    tree: { type: 'string', default: root },
    keep: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '15' },
  },
});

await runMain(async () => {
  const name = suiteNames.find((known) => known === options.suite);
  if (name === undefined) throw new Error(`--suite is one of ${suiteNames.join(', ')}`);
  const suite = await runStage(`suite of ${name}`, async (stage) => {
    await ensurePackages(['tclsh'], stage.progress);
    return ensureSuite(name, stage.progress);
  });
  if (options.list) await listCases(suite);
  else await runUnits(suite, name);
});

/** Does `work` for every unit, some at a time, each lane in a folder of its own. */
async function inLanes(
  suite: Suite,
  units: readonly string[],
  contestant: Contestant,
  work: (workspace: Workspace, unit: string) => Promise<void>,
): Promise<void> {
  const waiting = [...units];
  const lanes = Array.from({ length: Math.max(1, Number(options.jobs)) }, async () => {
    const workspace = makeWorkspace(suite, contestant, options.keep);
    try {
      for (let unit = waiting.shift(); unit !== undefined; unit = waiting.shift())
        await work(workspace, unit);
    } finally {
      if (options.keep) process.stdout.write(`    kept: ${workspace.folder}\n`);
      else workspace.remove();
    }
  });
  await Promise.all(lanes);
}

function unitsOf(suite: Suite): string[] {
  const text = execFileSync('tclsh', ['tests/test_helper.tcl', '--list-tests'], {
    cwd: suite.source,
    encoding: 'utf8',
    timeout: minute,
  });
  const wanted = options.only?.split(',');
  return text
    .split('\n')
    .filter((unit) => listedUnit.test(unit))
    .filter((unit) => wanted === undefined || wanted.includes(unit))
    .sort();
}

async function listCases(suite: Suite): Promise<void> {
  const cases = new Map(readCases(suite.name));
  const deadlineMs = Number(options.minutes) * minute;
  const listOnly = !options.theirs;
  await inLanes(suite, unitsOf(suite), 'theirs', async (workspace, unit) => {
    const run = await runUnit(workspace, unit, { skips: new Map(), deadlineMs, listOnly });
    const { named, aborts, complete } = run.output;
    const names = listedNames(unit, named);
    cases.set(unit, names);
    process.stdout.write(`    ${unit}: ${names.length}${complete ? '' : ', not complete'}\n`);
    for (const abort of aborts) process.stdout.write(`      left early: ${abort.split('\n')[0]}\n`);
  });
  writeCases(suite.name, new Map([...cases].sort(([a], [b]) => (a < b ? -1 : 1))));
}

async function runUnits(suite: Suite, name: SuiteName): Promise<void> {
  const cases = readCases(name);
  const wanted =
    options.only?.split(',') ?? [...cases.keys()].filter((unit) => options.all || gateOf(unit) !== undefined);
  const unknown = wanted.find((unit) => !cases.has(unit));
  if (unknown !== undefined) throw new Error(`no unit ${unknown} in test/conformance/cases/${name}.txt`);
  const git = (argv: readonly string[]): string =>
    execFileSync('git', argv, { cwd: root, encoding: 'utf8' }).trim();
  const commit = git(['rev-parse', '--short', 'HEAD']);
  const date = new Date().toISOString().slice(0, 10);
  const rows: UnitRow[] = [];
  await inLanes(
    suite,
    wanted,
    options.theirs ? 'theirs' : { tree: path.resolve(options.tree) },
    async (workspace, unit) => {
      const skips = readSkips(name, unit);
      const run = await runUnit(workspace, unit, {
        skips,
        deadlineMs: Number(options.minutes) * minute,
        keep: options.keep,
      });
      const count = countUnit(unit, cases.get(unit) ?? [], run.output, new Map([...skips, ...run.killers]));
      rows.push({ unit, passed: count.passed, total: count.total, date, commit });
      leave(name, unit, run.text, count, run.output.aborts);
      const left = run.output.aborts.length === 0 ? '' : `, ${run.output.aborts.length} blocks left early`;
      const stopped = run.output.complete ? '' : ', stopped';
      const hung = run.killers.size === 0 ? '' : `, hung in: ${[...run.killers.keys()].join('; ')}`;
      process.stdout.write(
        `    ${unit}: ${count.passed}/${count.total} in ${run.seconds.toFixed(0)} s${left}${stopped}${hung}\n`,
      );
    },
  );
  const sum = sumRows(rows);
  process.stdout.write(`    total: ${sum.passed}/${sum.total}\n`);
  if (options.record) record(name, rows);
}

/** Leaves what a unit said where people can read it. */
function leave(
  name: SuiteName,
  unit: string,
  text: string,
  count: UnitCount,
  aborts: readonly string[],
): void {
  const file = path.join(root, 'build', 'conformance', name, unit);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.log`, text);
  const left = aborts.map((abort) => `BLOCK LEFT EARLY: ${abort}`);
  writeFileSync(`${file}.missing`, `${[...count.missing, ...left].join('\n\n')}\n`);
}
