import { describe, expect, it } from 'vitest';
import { countReport, failuresIn } from './test-count.ts';

describe('countReport', () => {
  it('takes the counts of the report', () => {
    expect(countReport('{"numPassedTests":5,"numFailedTests":2}')).toEqual({ passed: 5, failed: 2 });
  });

  it('counts a file that did not load as a failed test', () => {
    const report = {
      numPassedTests: 5,
      numFailedTests: 1,
      testResults: [
        { status: 'failed', assertionResults: [] },
        { status: 'failed', assertionResults: [{ status: 'failed' }] },
        { status: 'passed', assertionResults: [{ status: 'passed' }] },
      ],
    };
    expect(countReport(JSON.stringify(report))).toEqual({ passed: 5, failed: 2 });
  });

  it.each(['', 'not json', '{}'])('counts %j as a failure', (text) => {
    expect(countReport(text)).toEqual({ passed: 0, failed: 1 });
  });
});

describe('failuresIn', () => {
  const report = {
    testResults: [
      {
        name: 'a.test.ts',
        status: 'failed',
        assertionResults: [
          { status: 'passed', fullName: 'outer goes well', failureMessages: [] },
          {
            status: 'failed',
            fullName: 'outer goes wrong',
            failureMessages: [
              '\u001b[31mError: no\u001b[39m\n    at a.test.ts:2:70\n    at x (/node_modules/vitest/run.js:1)\n',
            ],
          },
        ],
      },
      { name: 'b.test.ts', status: 'failed', message: "Cannot find './gone.ts'", assertionResults: [] },
      {
        name: 'c.test.ts',
        status: 'failed',
        message: 'a hook threw',
        assertionResults: [{ status: 'passed' }],
      },
      { name: 'd.test.ts', status: 'passed', assertionResults: [{ status: 'passed' }] },
    ],
  };

  it('names each failed test with its message, without colours and frames of the runner', () => {
    expect(failuresIn(JSON.stringify(report))[0]).toEqual({
      name: 'a.test.ts > outer goes wrong',
      lines: ['Error: no', '    at a.test.ts:2:70'],
    });
  });

  it('names files that did not load or whose hook threw', () => {
    expect(failuresIn(JSON.stringify(report)).slice(1)).toEqual([
      { name: 'b.test.ts', lines: ["Cannot find './gone.ts'"] },
      { name: 'c.test.ts', lines: ['a hook threw'] },
    ]);
  });

  it('keeps only the first lines of a long message', () => {
    const message = Array.from({ length: 40 }, (_, line) => `line ${line}`).join('\n');
    const long = { testResults: [{ name: 'a.test.ts', status: 'failed', message }] };
    expect(failuresIn(JSON.stringify(long))[0]?.lines).toEqual(message.split('\n').slice(0, 12));
  });

  it.each(['', 'not json', '{}'])('finds none in %j', (text) => {
    expect(failuresIn(text)).toEqual([]);
  });
});
