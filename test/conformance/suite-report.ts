/** The counts of a run in the documents: a row a unit in `docs/conformance.md`, one line in the README. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Gate, gateOf, readCases } from './suite-cases.ts';
import type { SuiteName } from './suite-source.ts';

const root = path.resolve(import.meta.dirname, '../..');
const documentFile = path.join(root, 'docs', 'conformance.md');
const readmeFile = path.join(root, 'README.md');

export interface UnitRow {
  readonly unit: string;
  readonly passed: number;
  readonly total: number;
  /** When it was counted, `YYYY-MM-DD`. */
  readonly date: string;
  /** Of which commit. */
  readonly commit: string;
}

const titles: Record<SuiteName, string> = { valkey: 'Valkey 8.1', redis: 'Redis 7.0.15' };
const shareOf = (passed: number, total: number): string =>
  total === 0 ? '–' : `${((passed / total) * 100).toFixed(1)} %`;

/** The rows of a suite's table. */
export function parseRows(document: string, suite: SuiteName): UnitRow[] {
  const rows: UnitRow[] = [];
  const table = between(document, `counts of ${suite}`) ?? '';
  for (const line of table.split('\n')) {
    const cells = /^\| `(\S+)` \| (\d+) \| (\d+) \| [^|]* \| (\S+) \| (\S+) \|$/.exec(line);
    if (cells === null) continue;
    const [, unit = '', passed, total, date = '', commit = ''] = cells;
    rows.push({ unit, passed: Number(passed), total: Number(total), date, commit });
  }
  return rows;
}

/** Sums of some rows. */
export function sumRows(rows: readonly UnitRow[]): { readonly passed: number; readonly total: number } {
  const sum = { passed: 0, total: 0 };
  for (const { passed, total } of rows) {
    sum.passed += passed;
    sum.total += total;
  }
  return sum;
}

const gateWords: Record<Gate, string> = {
  data: 'the data types and their commands',
  durability: 'files, replication and shutdown',
};

const gateTitles: readonly (readonly [Gate | undefined, string])[] = [
  ['data', '**gate of the data types**'],
  ['durability', '**gate of durability**'],
  [undefined, ''],
];

/** The table of a suite in Markdown, the units of the gates first. */
export function printRows(rows: readonly UnitRow[]): string {
  const place = (unit: string): number => gateTitles.findIndex(([gate]) => gate === gateOf(unit));
  const sorted = [...rows].sort((a, b) => place(a.unit) - place(b.unit) || (a.unit < b.unit ? -1 : 1));
  const line = (name: string, passed: number, total: number, date: string, commit: string): string =>
    `| ${name} | ${passed} | ${total} | ${shareOf(passed, total)} | ${date} | ${commit} |`;
  const sums = gateTitles.flatMap(([gate, title]) => {
    const ofGate = sorted.filter((row) => gateOf(row.unit) === gate);
    const { passed, total } = sumRows(ofGate);
    return gate === undefined || ofGate.length === 0 ? [] : [line(title, passed, total, '', '')];
  });
  const all = sumRows(sorted);
  return [
    '| unit | passed | cases | share | date | commit |',
    '|---|---|---|---|---|---|',
    ...sums,
    line('**all**', all.passed, all.total, '', ''),
    ...sorted.map((row) => line(`\`${row.unit}\``, row.passed, row.total, row.date, row.commit)),
  ].join('\n');
}

/** Takes new rows into the documents; units that were not run keep theirs. */
export function record(suite: SuiteName, rows: readonly UnitRow[]): void {
  const text = readFileSync(documentFile, 'utf8');
  const kept = parseRows(text, suite).filter((old) => !rows.some(({ unit }) => unit === old.unit));
  const all = [...kept, ...rows];
  // What was never run did not pass: a sum over some units must not look like one over all.
  for (const [unit, names] of readCases(suite)) {
    if (gateOf(unit) === undefined || all.some((row) => row.unit === unit)) continue;
    all.push({ unit, passed: 0, total: names.length, date: 'never', commit: 'never' });
  }
  writeFileSync(documentFile, replaceBetween(text, `counts of ${suite}`, printRows(all)));
  if (!existsSync(readmeFile) || suite !== 'valkey') return;
  const counted = (gate: Gate): string => {
    const { passed, total } = sumRows(all.filter((row) => gateOf(row.unit) === gate));
    return `${passed} of ${total} cases of ${gateWords[gate]} (${shareOf(passed, total)})`;
  };
  const gates = all.some((row) => gateOf(row.unit) === 'durability')
    ? `${counted('data')}, ${counted('durability')}`
    : counted('data');
  const sentence = `${titles[suite]}'s own suite: ${gates}, [unit by unit](docs/conformance.md).`;
  writeFileSync(readmeFile, replaceBetween(readFileSync(readmeFile, 'utf8'), 'conformance', sentence));
}

function between(text: string, name: string): string | undefined {
  return text.split(`<!-- ${name} -->\n`)[1]?.split(`\n<!-- end of ${name} -->`)[0];
}

/** Replaces what stands between the markers of `name`; a text without them is an error. */
export function replaceBetween(text: string, name: string, content: string): string {
  const old = between(text, name);
  if (old === undefined) throw new Error(`no markers "${name}"`);
  const [head = '', ...rest] = text.split(`<!-- ${name} -->\n`);
  const tail = rest.join('').slice(old.length);
  return `${head}<!-- ${name} -->\n${content}${tail}`;
}
