/** The habits of `docs/STYLE.md` that a machine can see, as rules over one file's text. */

import { posix } from 'node:path';
import { outsideRooms, packagesOf, pureImports, roomImports, roomOf, testImports } from './rooms.ts';
import { readSource, type SourceText } from './source-text.ts';

export const FILE_LINES_MAX = 500;
export const FUNCTION_LINES_MAX = 70;
export const LINE_COLUMNS_MAX = 110;
const LONG_LITERAL_COLUMNS = 40;

/** One source file. */
export interface SourceFile {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** A line that breaks a rule. */
export interface Breach {
  readonly path: string;
  readonly line: number;
  readonly problem: string;
}

type Rule = (file: SourceFile, source: SourceText) => readonly (readonly [line: number, problem: string])[];

/** What may not stand in code (not in strings or comments), and what to write instead. */
const bannedCode: readonly (readonly [RegExp, string])[] = [
  [/\bexport default\b/, 'default export: export the name'],
  [/^\s*(export\s+)?(declare\s+)?(const\s+)?enum\s/, 'enum: use a union of literals'],
  [/^\s*(export\s+)?namespace\s/, 'namespace: use a module'],
  [/^\s*export\s+(type\s+)?(\*|\{[^}]*\})\s+from\b/, 're-export: import from the file that defines it'],
  [/(:|\bas|<|\|)\s*any\b(?!\w)/, 'any: write the type, or unknown'],
  [/\b(cfg|conf)\b/, 'abbreviation: config'],
  [/\bctx\b/, 'abbreviation: context'],
  [/\bidx\b/, 'abbreviation: index'],
  [/\bcnt\b/, 'abbreviation: count'],
  [/\bmgr\b|\bManager\b/, 'vague: name what it does'],
  [/\bcb\b/, 'abbreviation: callback'],
  [/\b(utils?|helpers?|misc)\b/i, 'vague: name what it does'],
  [/\b(isMaster|isSlave|masters?|slaves?)\b(?!\??:)/, 'primary, replica'],
];

/** What may not stand in comments, and what to write instead. */
const bannedComments: readonly (readonly [RegExp, string])[] = [
  [/\b(TODO|FIXME|XXX|HACK)\b/, 'unfinished: do it, or open an issue'],
  [/@ts-(ignore|nocheck|expect-error)/, 'suppressed type error: fix the type'],
  [/\b(whitelist|blacklist)\b/i, 'allow list, deny list'],
  [/\bsanity check\b/i, 'check'],
  [/\bmaster node\b|\bslave node\b/i, 'primary, replica'],
];

/** What may not stand in pure rooms: time, chance and I/O come in as parameters. */
const bannedWherePure = /\b(Date\.now|Math\.random|performance\.now|setTimeout|setInterval|setImmediate)\b/;

const IMPORT = /^\s*(?:import|export)\b[^'"]*?\bfrom\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]/;
const DYNAMIC_IMPORT = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/;

function isTest(path: string): boolean {
  return /\.(test|bench|fuzz)\.ts$/.test(path) || path.startsWith('test/');
}

/** Every imported name with its line; imports over several lines count at their last line. */
function importsOf(text: string): [line: number, name: string][] {
  const found: [number, string][] = [];
  let open = '';
  for (const [index, line] of text.split('\n').entries()) {
    if (open === '' && /^(import|export)\b.*\{\s*$/.test(line)) open = line;
    else if (open !== '') open += ` ${line.trim()}`;
    const whole = open === '' ? line : open;
    const match = IMPORT.exec(whole) ?? DYNAMIC_IMPORT.exec(line);
    if (match !== null) found.push([index + 1, match[1] ?? match[2] ?? '']);
    if (match !== null || /^\}?\)?;?$/.test(line) || line.startsWith('}')) open = '';
  }
  return found;
}

/** Why the file of a room may not import a name; undefined: it may. */
function importProblem(path: string, room: string, name: string): string | undefined {
  const [half = ''] = path.split('/');
  if (name.startsWith('.')) {
    if (!name.endsWith('.ts') && !name.endsWith('.json')) return `import of ${name} needs its extension`;
    const target = posix.normalize(posix.join(posix.dirname(path), name));
    const other = roomOf(target);
    if (other === undefined) return `${target} stands in no room`;
    if (other === room || outsideRooms.includes(room)) return undefined;
    if (outsideRooms.includes(other)) return `nobody imports ${other}`;
    if (isTest(path) && testImports.includes(other)) return undefined;
    return roomImports.get(room)?.includes(other) ? undefined : `${room} may not import ${other}`;
  }
  if (isTest(path) || outsideRooms.includes(room)) return undefined;
  const allowedWherePure = pureImports(path);
  if (name.startsWith('node:')) {
    if (allowedWherePure === undefined || allowedWherePure.includes(name)) return undefined;
    return `${path} is pure and may not import ${name}`;
  }
  const package_ = name.startsWith('@') ? name.split('/').slice(0, 2).join('/') : (name.split('/')[0] ?? '');
  return packagesOf[half]?.includes(package_) ? undefined : `${half} may not use the package ${package_}`;
}

const importRule: Rule = (file) => {
  const room = roomOf(file.path);
  if (room === undefined) return [[1, 'stands in no room of the table']];
  return importsOf(file.text).flatMap(([line, name]) => {
    const problem = importProblem(file.path, room, name);
    return problem === undefined ? [] : [[line, problem] as const];
  });
};

/** Lines of tables that the formatter leaves alone: true at the index of each such line. */
function tableLines(lines: readonly string[]): boolean[] {
  // Indent of the line that opens the table; negative: not inside one, undefined: the next line opens it.
  let opened: number | undefined = -1;
  return lines.map((line) => {
    const indent = line.length - line.trimStart().length;
    if (/^\s*\/\/ biome-ignore format/.test(line)) {
      opened = undefined;
      return true;
    }
    if (opened === undefined) {
      opened = indent;
      return true;
    }
    const inside = opened >= 0;
    if (inside && indent === opened && /^\s*[\])}]/.test(line)) opened = -1;
    return inside;
  });
}

/**
 * Columns that a person can do something about: a long literal cannot be broken without hiding it from a
 * search.
 */
function breakableColumns(line: string, codeLine: string): number {
  if (line.length <= LINE_COLUMNS_MAX) return line.length;
  const literals = line.match(/'[^']*'|"[^"]*"|`[^`]*`/g) ?? [];
  const longest = Math.max(0, ...literals.map((literal) => literal.length));
  const isCode = codeLine.trim() !== '';
  return isCode && longest >= LONG_LITERAL_COLUMNS ? line.length - longest : line.length;
}

const lengthRule: Rule = (file, source) => {
  const lines = file.text.split('\n');
  const codeLines = source.code.split('\n');
  const inTable = tableLines(lines);
  const breaches: [number, string][] = [];
  for (const [index, line] of lines.entries()) {
    const columns = inTable[index] === true ? 0 : breakableColumns(line, codeLines[index] ?? '');
    if (columns > LINE_COLUMNS_MAX) {
      breaches.push([index + 1, `${columns} columns, at most ${LINE_COLUMNS_MAX}`]);
    }
  }
  const counted = lines.filter((_, index) => inTable[index] !== true).length - 1;
  if (!isTest(file.path) && counted > FILE_LINES_MAX) {
    breaches.push([counted, `${counted} lines, at most ${FILE_LINES_MAX}`]);
  }
  return breaches;
};

const KEYWORD_BLOCK = /^(\} )?(if|else|for|while|switch|try|catch|finally|do|class|interface|case|default)\b/;
const METHOD = /^((static|async|get|set|override|readonly)\s+)*\*?[#\w$]+(<.*>)?\(.*\{$/;

/** Whether the block that opens at the end of this line (or its continuation) is a function's body. */
function opensFunction(lines: readonly string[], index: number): boolean {
  const line = (lines[index] ?? '').trimEnd();
  const text = line.trim();
  if (!text.endsWith('{')) return false;
  if (text.startsWith(')')) {
    const indent = line.length - line.trimStart().length;
    for (let before = index - 1; before >= 0 && index - before < 40; before -= 1) {
      const opener = lines[before] ?? '';
      if (opener.length - opener.trimStart().length !== indent || opener.trim() === '') continue;
      const start = opener.trim().replace(/^export\s+/, '');
      return !KEYWORD_BLOCK.test(start) && /[(<]$/.test(opener.trimEnd());
    }
    return false;
  }
  const start = text.replace(/^export\s+(abstract\s+)?/, '');
  if (KEYWORD_BLOCK.test(start)) return false;
  return /\bfunction\b/.test(text) || text.endsWith('=> {') || METHOD.test(start);
}

const functionRule: Rule = (file, source) => {
  if (isTest(file.path)) return [];
  const lines = source.code.split('\n');
  const breaches: [number, string][] = [];
  for (const [index, line] of lines.entries()) {
    if (!opensFunction(lines, index)) continue;
    const indent = line.length - line.trimStart().length;
    const closing = new RegExp(`^ {${indent}}\\}`);
    const end = lines.findIndex((later, at) => at > index && closing.test(later));
    const length = end < 0 ? 0 : end - index + 1;
    if (length > FUNCTION_LINES_MAX) {
      breaches.push([index + 1, `function of ${length} lines, at most ${FUNCTION_LINES_MAX}`]);
    }
  }
  return breaches;
};

const wordRule: Rule = (file, source) => {
  const pure = pureImports(file.path) !== undefined && !isTest(file.path);
  const breaches: [number, string][] = [];
  for (const [index, line] of source.code.split('\n').entries()) {
    for (const [word, instead] of bannedCode) {
      const match = word.exec(line);
      if (match !== null) breaches.push([index + 1, `"${match[0].trim()}": ${instead}`]);
    }
    const impure = pure ? bannedWherePure.exec(line) : null;
    if (impure !== null) breaches.push([index + 1, `"${impure[0]}" in a pure room: take it as a parameter`]);
  }
  for (const [index, line] of source.comments.split('\n').entries()) {
    for (const [word, instead] of bannedComments) {
      const match = word.exec(line);
      if (match !== null) breaches.push([index + 1, `"${match[0]}": ${instead}`]);
    }
  }
  return breaches;
};

const nameRule: Rule = (file) => {
  const name = posix.basename(file.path);
  return /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|bench|fuzz))?\.ts$/.test(name)
    ? []
    : [[1, 'file names are kebab-case']];
};

const rules: readonly Rule[] = [importRule, lengthRule, functionRule, wordRule, nameRule];

/** All breaches of one file. */
export function checkFile(file: SourceFile): Breach[] {
  const source = readSource(file.text);
  return rules.flatMap((rule) =>
    rule(file, source).map(([line, problem]) => ({ path: file.path, line, problem })),
  );
}

/** Structures without a test beside them; `table.test.ts` is the test of `table-buckets.ts` too. */
export function checkTests(paths: readonly string[]): Breach[] {
  const tested = (path: string): boolean => {
    for (let name = path.replace(/\.ts$/, ''); ; name = name.replace(/-[^-/]*$/, '')) {
      if (paths.includes(`${name}.test.ts`)) return true;
      if (!/-[^-/]*$/.test(name)) return false;
    }
  };
  return paths
    .filter((path) => path.startsWith('server/structures/') && !isTest(path) && !tested(path))
    .map((path) => ({ path, line: 1, problem: 'a structure needs a test beside it' }));
}

/** The breach as a line that editors can follow. */
export function describeBreach(breach: Breach): string {
  return `${breach.path}:${breach.line}: ${breach.problem}`;
}
