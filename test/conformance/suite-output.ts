/**
 * What a run of a TCL suite prints, read into results per case:
 *
 *   [ok]: name (12 ms)            passed
 *   [err]: name in tests/x.tcl    failed; the lines after it say why
 *   [err]: …                      without a case: a block was left early
 *   [skip]: name                  left out by the caller
 *   [ignore]: name: reason        left out by a tag
 *   [exception]: …                the run ends here
 *   [TIMEOUT]: …                  no progress; a line `(IN PROGRESS) name` says where
 */

export interface Failure {
  readonly name: string;
  /** Why, in the suite's words. */
  readonly detail: string;
}

export interface SuiteOutput {
  /** Every case that was named, in the suite's order. */
  readonly named: readonly string[];
  readonly passed: readonly string[];
  readonly failed: readonly Failure[];
  readonly skipped: readonly string[];
  /** Blocks that were left early; what cases they had is not known here. */
  readonly aborts: readonly string[];
  /** The case that ran when the run ended too early. */
  readonly stuckIn: string | undefined;
  /** True when the run came to its own end, though perhaps because a case hung. */
  readonly complete: boolean;
}

const headPattern = /^\[(ok|err|skip|ignore|exception|TIMEOUT)\]: (.*)$/;
const otherHeadPattern =
  /^(\[(ready|testing|\d+\/\d+ done)\]|Testing |Starting test server|Cleanup|\s+The End|!!! WARNING)/;
const detailLinesMax = 40;

/** Reads the text of a whole run. */
export function readSuiteOutput(text: string): SuiteOutput {
  const named: string[] = [];
  const passed: string[] = [];
  const failed: Failure[] = [];
  const skipped: string[] = [];
  const aborts: string[] = [];
  let stuckIn: string | undefined;
  let complete = false;
  const lines = withoutColours(text).split('\n');
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    stuckIn ??= /=> \(IN PROGRESS\) (.*)$/.exec(line)?.[1];
    // Below this line the failures are listed a second time.
    if (/^\s+The End/.test(line)) {
      complete = true;
      break;
    }
    const [, status, rest = ''] = headPattern.exec(line) ?? [];
    if (status === undefined) continue;
    const detail = linesOfDetail(lines, index + 1);
    if (status === 'exception') aborts.push([rest, ...detail].join('\n'));
    const name = nameOfCase(status, rest);
    if (name === undefined) {
      if (status === 'err') aborts.push([rest, ...detail].join('\n'));
      continue;
    }
    named.push(name);
    if (status === 'ok') passed.push(name);
    else if (status === 'skip') skipped.push(name);
    else if (status === 'err') failed.push({ name, detail: detail.join('\n') });
  }
  return { named, passed, failed, skipped, aborts, stuckIn, complete };
}

/** The case that a line speaks of; undefined when it speaks of a block or of the run. */
function nameOfCase(status: string, rest: string): string | undefined {
  switch (status) {
    case 'ok':
      return rest.replace(/ \(\d+ ms\)$/, '');
    case 'skip':
      return rest;
    case 'err':
      return /^(.*) in tests\/\S+\.tcl$/.exec(rest)?.[1];
    case 'ignore':
      // What the tags of a whole block leave out has no name here.
      return /^(?!Tag: )(.*): [^:]+$/.exec(rest)?.[1];
    default:
      return undefined;
  }
}

function linesOfDetail(lines: readonly string[], from: number): string[] {
  const detail: string[] = [];
  for (const line of lines.slice(from, from + detailLinesMax)) {
    if (headPattern.test(line) || otherHeadPattern.test(line)) break;
    detail.push(line);
  }
  return detail;
}

function withoutColours(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals speak so
  return text.replace(/\u001b\[[0-9;]*m/g, '');
}
