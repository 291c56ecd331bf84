/**
 * How a server starts: the command line, the configuration file it names and the files that one includes
 * become one `Config`, or the text of the failure as Redis prints it.
 *
 * The options of the command line are read as further lines after the file, so the last one wins.
 */

import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Config, type UserDirective } from './config.ts';
import { quote, splitWords } from './grammar.ts';
import { Refusal } from './kinds.ts';
import { formatTime } from './log.ts';
import { defaultValues, findParameter } from './parameter-table.ts';
import type { ParameterName, Values } from './parameters.ts';
import { systemMessage } from './system-message.ts';

/** The Redis version whose behaviour this server follows. */
export const REDIS_VERSION = '7.2.0';

const INCLUDE_DEPTH_MAX = 16;

/** Why the server does not start: what to print on standard error. */
export class StartFailure {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Files of the machine, or of a test. */
export interface FileReader {
  /** The text of a file; `-` is standard input. Throws with `errno` when it cannot be read. */
  read(path: string): string;
  /** The files that a pattern of `include` names. */
  expand(pattern: string): readonly string[];
}

const machineFiles: FileReader = {
  read: (path) => readFileSync(path === '-' ? 0 : path, 'utf8'),
  expand: (pattern) => (/[*?[]/.test(pattern) ? globSync(pattern).sort() : [pattern]),
};

/** What was read so far. */
interface Reading {
  readonly values: Values;
  readonly seen: Set<ParameterName>;
  readonly users: UserDirective[];
  readonly renames: (readonly [from: string, to: string])[];
  readonly files: FileReader;
}

/** The configuration that the command line (without program and script) asks for. */
export function loadConfig(argv: readonly string[], files: FileReader = machineFiles): Config | StartFailure {
  const line = splitCommandLine(argv);
  const reading: Reading = { values: defaultValues(), seen: new Set(), users: [], renames: [], files };
  const path = line.file === undefined ? undefined : resolve(line.file);
  let text = '';
  for (const source of [path, line.standardInput ? '-' : undefined]) {
    if (source === undefined) continue;
    const content = readSource(source, files);
    if (content instanceof StartFailure) return content;
    text += `${content}\n`;
  }
  if (text === '') text = '\n';
  const failure = readLines(text + line.options.join('\n'), reading, 0);
  if (failure !== undefined) return failure;
  if (reading.values['cluster-enabled'] && reading.values.replicaof !== undefined) {
    return new StartFailure(fatal('replicaof directive not allowed in cluster mode\n'));
  }
  const config = new Config(reading.values, path);
  config.users = reading.users;
  config.renames = reading.renames;
  return config;
}

function readSource(source: string, files: FileReader): string | StartFailure {
  try {
    return files.read(source);
  } catch (error) {
    const why = systemMessage(error);
    const head = `${process.pid}:C ${formatTime(Date.now())} #`;
    return new StartFailure(`${head} Fatal error, can't open config file '${source}': ${why}\n`);
  }
}

function fatal(rest: string): string {
  return `\n*** FATAL CONFIG FILE ERROR (Redis ${REDIS_VERSION}) ***\n${rest}`;
}

interface CommandLine {
  readonly file: string | undefined;
  readonly standardInput: boolean;
  /** Lines as a configuration file would hold them. */
  readonly options: readonly string[];
}

/** Takes the command line apart: an optional file first, then `--name value …`, `-` for standard input. */
export function splitCommandLine(argv: readonly string[]): CommandLine {
  const rest = [...argv];
  const file = rest[0] !== undefined && !rest[0].startsWith('-') ? rest.shift() : undefined;
  const options: { name: string; words: string[] }[] = [];
  let standardInput = false;
  for (const [index, word] of rest.entries()) {
    const last = options.at(-1);
    // The word after a name is its value whatever it looks like, but for `save`, which may have none.
    const waiting = last !== undefined && last.words.length === 0 && last.name !== 'save';
    if (word === '-' && index === rest.length - 1) standardInput = true;
    else if (word.startsWith('--') && !waiting) options.push(splitOption(word.slice(2)));
    else if (last !== undefined) last.words.push(word);
    else options.push({ name: word, words: [] });
  }
  return { file, standardInput, options: options.map(optionLine) };
}

/** `--hz 20` given as one argument is a name and a value as well. */
function splitOption(text: string): { name: string; words: string[] } {
  const [name = '', ...words] = splitWords(text) ?? text.split(' ');
  return { name, words };
}

function optionLine(option: { name: string; words: string[] }): string {
  const words = option.words.length === 0 && option.name === 'save' ? [''] : option.words;
  return [option.name, ...words.map(quote)].join(' ');
}

function readLines(text: string, reading: Reading, depth: number): StartFailure | undefined {
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const words = splitWords(line);
    const outcome =
      words === undefined ? 'Unbalanced quotes in configuration line' : readDirective(words, reading, depth);
    if (outcome instanceof StartFailure) return outcome;
    if (outcome === undefined) continue;
    const where = `Reading the configuration file, at line ${index + 1}\n`;
    return new StartFailure(fatal(`${where}>>> '${line}'\n${outcome}\n`));
  }
  return undefined;
}

/** Undefined when the directive is taken, else the reason or, from an included file, the whole failure. */
function readDirective(
  words: readonly string[],
  reading: Reading,
  depth: number,
): string | StartFailure | undefined {
  const [name = '', ...values] = words;
  if (name.toLowerCase() === 'include' && values.length === 1) {
    return readIncluded(values[0] ?? '', reading, depth);
  }
  if (name.toLowerCase() === 'user' && values.length > 0) return readUser(values, reading);
  if (name.toLowerCase() === 'rename-command' && values.length === 2) {
    reading.renames.push([values[0] ?? '', values[1] ?? '']);
    return undefined;
  }
  const parameter = findParameter(name);
  if (parameter === undefined) return 'Bad directive or wrong number of arguments';
  const { kind } = parameter;
  if (!kind.many && values.length !== 1) return 'wrong number of arguments';
  const single = kind.many && values.length === 1 ? (values[0] ?? '').trim() : '';
  const value = kind.read(single === '' ? values : single.split(/\s+/), {
    previous: reading.values[parameter.name],
    first: !reading.seen.has(parameter.name),
    starting: true,
  });
  if (value instanceof Refusal) return value.reason;
  reading.seen.add(parameter.name);
  (reading.values as Record<ParameterName, unknown>)[parameter.name] = value;
  return undefined;
}

function readUser(words: readonly string[], reading: Reading): string | undefined {
  const [name = '', ...rules] = words;
  if (reading.users.some((user) => user.name === name)) {
    return `Error in user declaration '${name}': Duplicate user found. A user can only be defined once in config files`;
  }
  reading.users.push({ name, rules });
  return undefined;
}

function readIncluded(pattern: string, reading: Reading, depth: number): string | StartFailure | undefined {
  if (depth >= INCLUDE_DEPTH_MAX) return `include is nested deeper than ${INCLUDE_DEPTH_MAX} files`;
  for (const path of reading.files.expand(pattern)) {
    const content = readSource(path, reading.files);
    if (content instanceof StartFailure) return content;
    const failure = readLines(content, reading, depth + 1);
    if (failure !== undefined) return failure;
  }
  return undefined;
}
