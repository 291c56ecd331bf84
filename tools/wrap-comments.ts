/**
 * Breaks comment lines that are too long; what the formatter of code leaves alone. Drawings and lists stay.
 */

import { LINE_COLUMNS_MAX } from './tidy.ts';

const ONE_LINE = /^(\s*)\/\*\* (.*) \*\/$/;
const PROSE = /^(\s*(?:\* |\/\/ ))(.*)$/;
/** A line that begins something of its own: a list, a drawing, a tag, an empty line. */
const OWN_LINE = /^[\s\-@*`|]|^$|\S {2,}\S/;

/** The text with every long comment line broken; its rest begins the next line or a line of its own. */
export function wrapComments(text: string): string {
  const waiting = text.split('\n').reverse();
  const done: string[] = [];
  for (let line = waiting.pop(); line !== undefined; line = waiting.pop()) {
    const oneLine = line.length > LINE_COLUMNS_MAX ? ONE_LINE.exec(line) : null;
    if (oneLine !== null) {
      const [, indent = '', content = ''] = oneLine;
      waiting.push(`${indent} */`, `${indent} * ${content}`);
      done.push(`${indent}/**`);
      continue;
    }
    const rest = breakLine(line);
    if (rest === undefined) {
      done.push(line);
      continue;
    }
    done.push(rest.head);
    const next = waiting.at(-1);
    const following = next?.startsWith(rest.prefix) ? next.slice(rest.prefix.length) : undefined;
    if (following !== undefined && !OWN_LINE.test(following)) {
      waiting[waiting.length - 1] = `${rest.prefix}${rest.tail} ${following}`;
    } else {
      waiting.push(rest.prefix + rest.tail);
    }
  }
  return done.join('\n');
}

/** A long line of prose in two parts; undefined when it is short, no prose, or has no place to break at. */
function breakLine(line: string): { prefix: string; head: string; tail: string } | undefined {
  const match = line.length > LINE_COLUMNS_MAX ? PROSE.exec(line) : null;
  const [, prefix = '', content = ''] = match ?? [];
  if (match === null || / {2,}\S/.test(content)) return undefined;
  const cut = line.lastIndexOf(' ', LINE_COLUMNS_MAX);
  if (cut <= prefix.length) return undefined;
  return { prefix, head: line.slice(0, cut), tail: line.slice(cut + 1) };
}
