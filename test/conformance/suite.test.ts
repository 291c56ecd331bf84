/** How the runner of the TCL suites reads, counts and reports. The suites run in `make conformance`. */
import { describe, expect, it } from 'vitest';
import {
  countUnit,
  gateOf,
  listedNames,
  parseCases,
  printCases,
  readCases,
  readSkips,
} from './suite-cases.ts';
import { readSuiteOutput } from './suite-output.ts';
import { parseRows, printRows, replaceBetween } from './suite-report.ts';

const run = [
  'Testing unit/type/set',
  '\u001b[0;32;49m[ok]\u001b[0m: SADD adds (3 ms)',
  '[\u001b[0;31;49merr\u001b[0m]: SREM removes in tests/unit/type/set.tcl',
  "Expected '1' to be equal to '2'",
  '[ok]: SADD adds (4 ms)',
  '[skip]: SPOP pops',
  '[err]: can\'t read "r"',
  '    while executing',
  '[ignore]: big one: large memory flag not provided',
  '[1/1 done]: unit/type/set (2 seconds)',
  '',
  '                   The End',
  '*** [err]: SREM removes in tests/unit/type/set.tcl',
].join('\n');

describe('readSuiteOutput', () => {
  it('tells passed, failed and skipped cases apart and keeps what was said about a failure', () => {
    const output = readSuiteOutput(run);
    expect(output.passed).toEqual(['SADD adds', 'SADD adds']);
    expect(output.failed).toEqual([{ name: 'SREM removes', detail: "Expected '1' to be equal to '2'" }]);
    expect(output.skipped).toEqual(['SPOP pops']);
    expect(output.aborts).toEqual(['can\'t read "r"\n    while executing']);
    expect(output.complete).toBe(true);
  });

  it('names the case that was running when a run hung', () => {
    const output = readSuiteOutput(
      '[TIMEOUT]: clients state report follows.\nsock1 => (IN PROGRESS) BLPOP waits\n',
    );
    expect(output.stuckIn).toBe('BLPOP waits');
    expect(output.complete).toBe(false);
  });

  it('takes a run that was cut off anywhere', () => {
    for (let length = 0; length < run.length; length += 1) {
      expect(readSuiteOutput(run.slice(0, length)).passed.length).toBeLessThanOrEqual(2);
    }
  });
});

describe('countUnit', () => {
  it('counts a name that stands twice twice, and what was not run as not passed', () => {
    const names = ['SADD adds', 'SADD adds', 'SADD adds', 'SREM removes', 'SPOP pops', 'never reached'];
    const count = countUnit(
      'unit/type/set',
      names,
      readSuiteOutput(run),
      new Map([['SPOP pops', 'needs a fork']]),
    );
    expect([count.passed, count.total]).toEqual([2, 6]);
    expect(count.missing).toEqual([
      'SADD adds\nwas not run',
      "SREM removes\nExpected '1' to be equal to '2'",
      'SPOP pops\nneeds a fork',
      'never reached\nwas not run',
    ]);
  });

  it('a case of chance is one case, which passes when it does every time', () => {
    const unit = 'integration/psync2';
    const said = (status: string, name: string): string => `[${status}]: ${name}`;
    const text = [
      said('ok', 'PSYNC2: --- CYCLE 1 --- (0 ms)'),
      said('ok', 'PSYNC2: Set #1 to replicate from #3 (9 ms)'),
      said('ok', 'PSYNC2: --- CYCLE 2 --- (0 ms)'),
      said('err', 'PSYNC2: Set #0 to replicate from #2 in tests/integration/psync2.tcl'),
      said('ok', 'PSYNC2: cluster is consistent after load (x = 7023) (4 ms)'),
    ].join('\n');
    const names = listedNames(unit, readSuiteOutput(text).named);
    expect(names).toEqual([
      'PSYNC2: --- CYCLE N ---',
      'PSYNC2: Set #N to replicate from #N',
      'PSYNC2: cluster is consistent after load (x = N)',
    ]);
    const count = countUnit(unit, names, readSuiteOutput(text), new Map());
    expect([count.passed, count.total]).toEqual([2, 3]);
  });

  it('a unit without cases counts as one, which passes when the run ends without an error', () => {
    const unit = 'integration/aof-race';
    const names = listedNames(unit, []);
    const ended = readSuiteOutput('[1/1 done]: integration/aof-race (2 seconds)\n   The End\n');
    const broken = readSuiteOutput("[err]: can't read\n   The End\n");
    expect(countUnit(unit, names, ended, new Map()).passed).toBe(1);
    expect(countUnit(unit, names, broken, new Map()).passed).toBe(0);
  });

  it('a passed case that is not in the list adds nothing', () => {
    const count = countUnit('unit/type/set', ['other'], readSuiteOutput(run), new Map());
    expect([count.passed, count.total]).toEqual([0, 1]);
  });
});

describe('case lists', () => {
  it('printed and parsed are the same', () => {
    const cases = readCases('valkey');
    expect(cases.size).toBeGreaterThan(50);
    expect(parseCases(printCases(cases))).toEqual(cases);
  });

  it('a unit counts for the gate of its kind, and some for none', () => {
    const gates = ['unit/type/set', 'unit/sort', 'integration/aof', 'unit/shutdown'].map(gateOf);
    expect(gates).toEqual(['data', 'data', 'durability', 'durability']);
    for (const unit of ['unit/acl', 'integration/cross-version-replication']) {
      expect(gateOf(unit)).toBe(undefined);
    }
  });

  it('every skip names a case of its unit and says why', () => {
    for (const suite of ['valkey', 'redis'] as const) {
      for (const [unit, names] of readCases(suite)) {
        for (const [name, reason] of readSkips(suite, unit)) {
          expect(names).toContain(name);
          expect(reason).not.toBe('');
        }
      }
    }
  });
});

describe('report', () => {
  const rows = [
    { unit: 'unit/acl', passed: 1, total: 111, date: '2026-11-23', commit: 'abc1234' },
    { unit: 'unit/type/set', passed: 100, total: 118, date: '2026-11-23', commit: 'abc1234' },
  ];

  it('rows survive the document; the gate is summed apart', () => {
    const text = `head\n<!-- counts of valkey -->\nold\n<!-- end of counts of valkey -->\ntail\n`;
    const filled = replaceBetween(text, 'counts of valkey', printRows(rows));
    expect(parseRows(filled, 'valkey')).toEqual([rows[1], rows[0]]);
    expect(filled).toContain('| **gate of the data types** | 100 | 118 |');
    expect(filled.startsWith('head\n')).toBe(true);
    expect(filled.endsWith('<!-- end of counts of valkey -->\ntail\n')).toBe(true);
  });

  it('a document without the markers is an error', () => {
    expect(() => replaceBetween('nothing', 'counts of valkey', '')).toThrow('no markers');
  });
});
