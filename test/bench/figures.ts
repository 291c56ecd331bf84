/** Numbers that say how sure they are: medians with their spread, percentiles, rows of text. */

/** Middle and ends of several measurements of one thing. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Spread of at least one number. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  return { min: sorted[0] ?? 0, median: percentile(sorted, 50), max: sorted.at(-1) ?? 0 };
}

/** The value that `percent` of the ascending numbers do not exceed; 0 without numbers. */
export function percentile(sorted: readonly number[] | Float64Array, percent: number): number {
  const rank = Math.ceil((sorted.length * percent) / 100) - 1;
  return sorted[Math.max(rank, 0)] ?? 0;
}

/** "0.81 (0.77-0.90)". */
export function spreadText(spread: Spread, digits: number): string {
  const text = (value: number): string => value.toFixed(digits);
  return `${text(spread.median)} (${text(spread.min)}-${text(spread.max)})`;
}

/** Rows as a Markdown table, so that they can be pasted into docs/benchmarks.md. */
export function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join(
    '\n',
  );
}

/** Prints a line of a measurement's result. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
