/**
 * The frozen lists of cases, `cases/<suite>.txt`: the denominator. A line without indent names a unit, the
 * lines below it are its cases as the suite lists them; a name that stands twice is two cases.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { SuiteOutput } from './suite-output.ts';
import type { SuiteName } from './suite-source.ts';

const folder = import.meta.dirname;

/** What a share is asked of: the units of the data types, or those of files and replication. */
export type Gate = 'data' | 'durability';

// biome-ignore format: a list
const dataUnits: readonly string[] = [
  'expire', 'scan', 'keyspace', 'dump', 'sort', 'multi', 'pubsub', 'info', 'maxmemory', 'bitops', 'bitfield',
  'geo', 'hyperloglog', 'slowlog', 'commandlog', 'latency-monitor', 'introspection', 'introspection-2', 'protocol',
  'querybuf', 'networking', 'limits', 'auth', 'other',
].map((name) => `unit/${name}`);

/** Integration units that no gate asks for: a protocol of one server alone, two servers of different age. */
const integrationBeyondGates: readonly string[] = [
  'integration/dual-channel-replication',
  'integration/cross-version-replication',
];

/** The gate that a unit counts for, if any. */
export function gateOf(unit: string): Gate | undefined {
  if (unit.startsWith('unit/type/') || dataUnits.includes(unit)) return 'data';
  if (unit === 'unit/shutdown') return 'durability';
  if (unit.startsWith('integration/') && !integrationBeyondGates.includes(unit)) return 'durability';
  return undefined;
}

/** Units that name their cases after what chance does, and name them as often as there is time for. */
const unitsOfChance: readonly string[] = ['integration/psync2', 'integration/psync2-reg'];

/** What a unit has that tests without naming cases. */
const unnamedCase = 'runs to its end';

/** What the list says of a run in which these cases were named. */
export function listedNames(unit: string, named: readonly string[]): readonly string[] {
  if (unitsOfChance.includes(unit)) return [...new Set(named.map(withoutChance))];
  return named.length === 0 && unit === 'integration/aof-race' ? [unnamedCase] : named;
}

/** A name without the numbers of instances and rounds, `Set #3 to replicate from #1`. */
function withoutChance(name: string): string {
  return name.replace(/(#|CYCLE |x = )\d+(?!\d| regression)/g, '$1N');
}

/** Results under the names of the list: a case of chance passed when it did every time. */
function underListedNames(unit: string, output: SuiteOutput): SuiteOutput {
  if (unit === 'integration/aof-race') {
    return output.complete && output.aborts.length === 0 ? { ...output, passed: [unnamedCase] } : output;
  }
  if (!unitsOfChance.includes(unit)) return output;
  const failed = output.failed.map(({ name, detail }) => ({ name: withoutChance(name), detail }));
  const passed = [...new Set(output.passed.map(withoutChance))];
  return {
    ...output,
    failed,
    passed: passed.filter((name) => failed.every((failure) => failure.name !== name)),
  };
}

/** Cases by unit. */
export type CaseList = ReadonlyMap<string, readonly string[]>;

function listFile(suite: SuiteName): string {
  return path.join(folder, 'cases', `${suite}.txt`);
}

export function readCases(suite: SuiteName): CaseList {
  const file = listFile(suite);
  return existsSync(file) ? parseCases(readFileSync(file, 'utf8')) : new Map();
}

export function writeCases(suite: SuiteName, cases: CaseList): void {
  writeFileSync(listFile(suite), printCases(cases));
}

export function parseCases(text: string): CaseList {
  const cases = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if (line.startsWith('  ')) current.push(line.slice(2));
    else {
      current = [];
      cases.set(line, current);
    }
  }
  return cases;
}

export function printCases(cases: CaseList): string {
  return [...cases]
    .map(([unit, names]) => [unit, ...names.map((name) => `  ${name}`), ''].join('\n'))
    .join('');
}

/** Cases that are left out in every run: suite -> unit -> case -> reason. They count as not passed. */
export function readSkips(suite: SuiteName, unit: string): ReadonlyMap<string, string> {
  type Table = Partial<Record<string, Partial<Record<string, Record<string, string>>>>>;
  const table = JSON.parse(readFileSync(path.join(folder, 'skips.json'), 'utf8')) as Table;
  return new Map(Object.entries(table[suite]?.[unit] ?? {}));
}

export interface UnitCount {
  readonly passed: number;
  readonly total: number;
  /** Cases of the list that did not pass, with what was said about them. */
  readonly missing: readonly string[];
}

/** Compares a run with the list; a case that was not run did not pass. */
export function countUnit(
  unit: string,
  names: readonly string[],
  said: SuiteOutput,
  reasons: ReadonlyMap<string, string>,
): UnitCount {
  const output = underListedNames(unit, said);
  const left = new Map<string, number>();
  for (const name of output.passed) left.set(name, (left.get(name) ?? 0) + 1);
  const failed = new Map(output.failed.map(({ name, detail }) => [name, detail]));
  const missing: string[] = [];
  let passed = 0;
  for (const name of names) {
    const times = left.get(name) ?? 0;
    if (times > 0) {
      left.set(name, times - 1);
      passed += 1;
    } else missing.push(`${name}\n${reasons.get(name) ?? failed.get(name) ?? 'was not run'}`);
  }
  return { passed, total: names.length, missing };
}
