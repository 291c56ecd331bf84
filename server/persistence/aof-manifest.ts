/**
 * The manifest of the append-only files: which file holds what, in the order of loading.
 *
 *   file appendonly.aof.2.base.rdb seq 2 type b      at most one base
 *   file appendonly.aof.5.incr.aof seq 5 type i      increments, by growing sequence number
 *   file appendonly.aof.1.base.rdb seq 1 type h      history: not needed any more, to be deleted
 *
 * A pure value: what reads and writes files stands in aof-directory.ts. The texts of the errors are Redis'.
 */

import { quote, splitWords } from '../config/grammar.ts';
import { parseInteger } from './c-integer.ts';

/** One line of the manifest. */
export interface AofFile {
  readonly name: string;
  readonly sequence: number;
}

export interface AofManifest {
  readonly base: AofFile | null;
  readonly increments: readonly AofFile[];
  readonly history: readonly AofFile[];
  /** Sequence numbers given out last, 0 before the first. */
  readonly baseSequence: number;
  readonly incrementSequence: number;
}

export const EMPTY_MANIFEST: AofManifest = {
  base: null,
  increments: [],
  history: [],
  baseSequence: 0,
  incrementSequence: 0,
};

const LINE_CHARACTERS_MAX = 1024;

/** A manifest that cannot be used: why, and which line (from 1) it is, null when no line is to blame. */
export class AofManifestError extends Error {
  readonly line: number;
  readonly text: string | null;
  constructor(reason: string, line: number, text: string | null) {
    super(reason);
    this.name = 'AofManifestError';
    this.line = line;
    this.text = text;
  }
}

/** A name as the manifest carries it: quoted when it holds spaces, quotes or bytes that do not print. */
function quoted(name: string): string {
  const bytes = Buffer.from(name, 'utf8').toString('latin1');
  if (/^[!#-&(-[\]-~]+$/.test(bytes)) return bytes;
  return quote(bytes).replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

/** One line as file and type letter. */
function parseLine(line: string, number: number): { file: AofFile; type: string } {
  const fail = (reason: string): never => {
    throw new AofManifestError(reason, number, line);
  };
  const fields = splitWords(line);
  if (fields === undefined || fields.length < 6 || fields.length % 2 !== 0) {
    return fail('Invalid AOF manifest file format');
  }
  let name = '';
  let sequence = 0;
  let type = '';
  for (let at = 0; at < fields.length; at += 2) {
    const value = fields[at + 1];
    switch (fields[at].toLowerCase()) {
      case 'file':
        if (value.includes('/') || value.includes('\\')) fail("File can't be a path, just a filename");
        name = Buffer.from(value, 'latin1').toString('utf8');
        break;
      case 'seq':
        sequence = Number(parseInteger(value, 0).value);
        break;
      case 'type':
        type = value.slice(0, 1);
        break;
    }
  }
  if (name === '' || sequence === 0 || type === '') return fail('Invalid AOF manifest file format');
  return { file: { name, sequence }, type };
}

/** Reads a manifest; `text` is its bytes in latin1. Throws `AofManifestError`. */
export function parseManifest(text: string): AofManifest {
  if (text === '') throw new AofManifestError('Found an empty AOF manifest', 0, null);
  const tooLong = (line: number): never => {
    throw new AofManifestError('The AOF manifest file contains too long line', line, null);
  };
  const lines = text.split('\n');
  const last = lines.pop() ?? '';
  let base: AofFile | null = null;
  const increments: AofFile[] = [];
  const history: AofFile[] = [];
  let incrementSequence = 0;
  for (const [index, raw] of lines.entries()) {
    if (raw.startsWith('#')) continue;
    const line = raw.trim();
    const fail = (reason: string): never => {
      throw new AofManifestError(reason, index + 1, line);
    };
    if (raw.length >= LINE_CHARACTERS_MAX) tooLong(index + 1);
    if (line === '') fail('Invalid AOF manifest file format');
    const { file, type } = parseLine(line, index + 1);
    if (type === 'b') {
      if (base !== null) fail('Found duplicate base file information');
      base = file;
    } else if (type === 'h') history.push(file);
    else if (type === 'i') {
      if (file.sequence <= incrementSequence) fail('Found a non-monotonic sequence number');
      incrementSequence = file.sequence;
      increments.push(file);
    } else fail('Unknown AOF file type');
  }
  // Without its line feed the line was cut off.
  if (last !== '' && !last.startsWith('#')) tooLong(lines.length + 1);
  return { base, increments, history, baseSequence: base?.sequence ?? 0, incrementSequence };
}

/** The manifest as its file carries it: plain ASCII. */
export function formatManifest(manifest: AofManifest): string {
  const line = (file: AofFile, type: string): string =>
    `file ${quoted(file.name)} seq ${file.sequence} type ${type}\n`;
  return [
    ...(manifest.base === null ? [] : [line(manifest.base, 'b')]),
    ...manifest.history.map((file) => line(file, 'h')),
    ...manifest.increments.map((file) => line(file, 'i')),
  ].join('');
}

/** Adds the next increment; its name follows from `prefix` (`appendfilename`) and its number. */
export function withIncrement(manifest: AofManifest, prefix: string): AofManifest {
  const sequence = manifest.incrementSequence + 1;
  const file = { name: `${prefix}.${sequence}.incr.aof`, sequence };
  return { ...manifest, increments: [...manifest.increments, file], incrementSequence: sequence };
}

/** The name and number of the base that the next rewrite makes. */
export function nextBase(manifest: AofManifest, prefix: string, form: 'rdb' | 'aof'): AofFile {
  const sequence = manifest.baseSequence + 1;
  return { name: `${prefix}.${sequence}.base.${form}`, sequence };
}

/**
 * A rewrite is done: `base` replaces the old one and all increments before `firstKept`, which become history.
 */
export function withBase(manifest: AofManifest, base: AofFile, firstKept: number): AofManifest {
  const old = manifest.increments.filter((file) => file.sequence < firstKept);
  return {
    ...manifest,
    base,
    baseSequence: base.sequence,
    increments: manifest.increments.filter((file) => file.sequence >= firstKept),
    history: [...old, ...(manifest.base === null ? [] : [manifest.base]), ...manifest.history],
  };
}

/** The history was deleted. Without any increment left, their numbers begin anew. */
export function withoutHistory(manifest: AofManifest): AofManifest {
  const incrementSequence = manifest.increments.length === 0 ? 0 : manifest.incrementSequence;
  return { ...manifest, history: [], incrementSequence };
}
