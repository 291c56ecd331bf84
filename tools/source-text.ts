/**
 * A source text without what is no code: strings, templates, regular expressions and comments become blanks,
 * line breaks stay, so that line numbers and columns keep their meaning. Good enough for formatted
 * TypeScript; it is no parser.
 */

const REGEX_MAY_FOLLOW = new Set([...'(,=:[!&|?{};+-*%<>~^\n']);

/** The text split into what runs and what people read. */
export interface SourceText {
  /** Strings, templates, regular expressions and comments blanked. */
  readonly code: string;
  /** Everything but comments blanked. */
  readonly comments: string;
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

/** Where the quoted text that opens at `start` ends: the index after its closing mark. */
function endOfQuoted(text: string, start: number, mark: string): number {
  let at = start + 1;
  while (at < text.length) {
    if (text[at] === '\\') at += 2;
    else if (text[at] === mark) return at + 1;
    else if (mark === '`' && text.startsWith('${', at)) at = endOfExpression(text, at + 2);
    else at += 1;
  }
  return text.length;
}

/** Where the `${` expression whose inside starts at `start` ends: the index after its brace. */
function endOfExpression(text: string, start: number): number {
  let depth = 1;
  let at = start;
  while (at < text.length && depth > 0) {
    const character = text[at] ?? '';
    if (character === '"' || character === "'" || character === '`') {
      at = endOfQuoted(text, at, character);
      continue;
    }
    if (character === '{') depth += 1;
    if (character === '}') depth -= 1;
    at += 1;
  }
  return at;
}

function endOfRegex(text: string, start: number): number {
  let inClass = false;
  for (let at = start + 1; at < text.length && text[at] !== '\n'; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '[') inClass = true;
    else if (text[at] === ']') inClass = false;
    else if (text[at] === '/' && !inClass) return at + 1;
  }
  return start + 1;
}

/** Where the piece that opens at `at` ends, and whether it is a comment; undefined: plain code. */
function pieceAt(text: string, at: number, before: string): { end: number; comment: boolean } | undefined {
  const character = text[at] ?? '';
  if (text.startsWith('//', at)) {
    const end = text.indexOf('\n', at);
    return { end: end < 0 ? text.length : end, comment: true };
  }
  if (text.startsWith('/*', at)) {
    const end = text.indexOf('*/', at + 2);
    return { end: end < 0 ? text.length : end + 2, comment: true };
  }
  if (character === '"' || character === "'" || character === '`') {
    return { end: endOfQuoted(text, at, character), comment: false };
  }
  const last = before.trimEnd().at(-1) ?? '\n';
  const regexMayFollow = REGEX_MAY_FOLLOW.has(last) || /\breturn\s*$/.test(before);
  if (character === '/' && regexMayFollow) return { end: endOfRegex(text, at), comment: false };
  return undefined;
}

/** Takes a source text apart. */
export function readSource(text: string): SourceText {
  let code = '';
  let comments = '';
  let at = 0;
  while (at < text.length) {
    const piece = /["'`/]/.test(text[at] ?? '') ? pieceAt(text, at, code.slice(-80)) : undefined;
    const end = piece?.end ?? at + 1;
    const part = text.slice(at, end);
    code += piece === undefined ? part : blank(part);
    comments += piece?.comment === true ? part : blank(part);
    at = end;
  }
  return { code, comments };
}
