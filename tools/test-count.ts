/** How many tests passed and failed, from the report of vitest's `json` reporter. */

export interface TestCount {
  readonly passed: number;
  readonly failed: number;
}

interface Report {
  readonly numPassedTests?: number;
  readonly numFailedTests?: number;
  readonly testResults?: readonly {
    readonly status?: string;
    readonly assertionResults?: readonly { readonly status?: string }[];
  }[];
}

/**
 * Counts a report. A file that failed without a failed test (it did not load, a hook threw) counts as one
 * failed test; a text that is no report counts as one failed test as well.
 */
export function countReport(text: string): TestCount {
  const report = parse(text);
  if (report?.numPassedTests === undefined || report.numFailedTests === undefined)
    return { passed: 0, failed: 1 };
  const brokenFiles = (report.testResults ?? []).filter(
    (file) =>
      file.status === 'failed' && !(file.assertionResults ?? []).some((test) => test.status === 'failed'),
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + brokenFiles.length };
}

function parse(text: string): Report | undefined {
  try {
    return JSON.parse(text) as Report;
  } catch {
    return undefined;
  }
}
