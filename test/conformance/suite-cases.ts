/**
 * The frozen lists of cases, `cases/<suite>.txt`: the denominator. A line without indent names a unit, the
 * lines below it are its cases as the suite lists them; a name that stands twice is two cases.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { SuiteOutput } from './suite-output.ts';
import type { SuiteName } from './suite-source.ts';

const folder = import.meta.dirname;

/** Units whose cases issue 4 counts. */
// biome-ignore format: a list
const gateUnits = [
  'expire', 'scan', 'keyspace', 'dump', 'sort', 'multi', 'pubsub', 'info', 'maxmemory', 'bitops', 'bitfield',
  'geo', 'hyperloglog', 'slowlog', 'commandlog', 'latency-monitor', 'introspection', 'introspection-2', 'protocol',
  'querybuf', 'networking', 'limits', 'auth', 'other',
] as const;

/** Whether a unit counts for the gate. */
export function isGate(unit: string): boolean {
  return unit.startsWith('unit/type/') || gateUnits.some((name) => unit === `unit/${name}`);
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
  names: readonly string[],
  output: SuiteOutput,
  reasons: ReadonlyMap<string, string>,
): UnitCount {
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
