/**
 * What the report of vitest's `json` reporter says: how many tests passed and failed, which failed and why.
 */

import { stripVTControlCharacters } from 'node:util';

export interface TestCount {
  readonly passed: number;
  readonly failed: number;
}

export interface Failure {
  /** Path of the file as the report gives it, then the test's name; the path alone when the file failed. */
  readonly name: string;
  /** The first lines of the message, without colours and without the runner's own frames. */
  readonly lines: readonly string[];
}

interface Report {
  readonly numPassedTests?: number;
  readonly numFailedTests?: number;
  readonly testResults?: readonly FileResult[];
}

interface FileResult {
  readonly name?: string;
  readonly status?: string;
  readonly message?: string;
  readonly assertionResults?: readonly {
    readonly status?: string;
    readonly fullName?: string;
    readonly failureMessages?: readonly string[];
  }[];
}

const failureLinesMax = 12;

/**
 * Counts a report. A file that failed without a failed test (it did not load, a hook threw) counts as one
 * failed test; a text that is no report counts as one failed test as well.
 */
export function countReport(text: string): TestCount {
  const report = parse(text);
  if (report?.numPassedTests === undefined || report.numFailedTests === undefined)
    return { passed: 0, failed: 1 };
  const brokenFiles = (report.testResults ?? []).filter(failedAsAWhole);
  return { passed: report.numPassedTests, failed: report.numFailedTests + brokenFiles.length };
}

/** What a report counts as failed, in its order; nothing for a text that is no report. */
export function failuresIn(text: string): readonly Failure[] {
  return (parse(text)?.testResults ?? []).flatMap((file) => {
    const name = file.name ?? 'a file without a name';
    if (failedAsAWhole(file)) return [{ name, lines: firstLines(file.message ?? '') }];
    return (file.assertionResults ?? [])
      .filter((test) => test.status === 'failed')
      .map((test) => ({
        name: `${name} > ${test.fullName ?? ''}`,
        lines: firstLines((test.failureMessages ?? []).join('\n')),
      }));
  });
}

function failedAsAWhole(file: FileResult): boolean {
  return file.status === 'failed' && !(file.assertionResults ?? []).some((test) => test.status === 'failed');
}

function firstLines(message: string): readonly string[] {
  return stripVTControlCharacters(message)
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s+at .*(\/node_modules\/|<anonymous>)/.test(line))
    .slice(0, failureLinesMax);
}

function parse(text: string): Report | undefined {
  try {
    return JSON.parse(text) as Report;
  } catch {
    return undefined;
  }
}
