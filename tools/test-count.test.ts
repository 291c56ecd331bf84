import { describe, expect, it } from 'vitest';
import { countReport } from './test-count.ts';

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
