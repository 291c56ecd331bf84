/**
 * Loads the append-only files: the base, an RDB or commands, then the increments in order.
 *
 *   file = [RDB] (command | '#' annotation line)*        command = RESP array of bulk strings
 *
 * Commands reach the applier in whole units: one command, or MULTI to EXEC. What stands behind the last whole
 * unit of the last file was cut off by a crash; with `aof-load-truncated` the file is shortened to that
 * place.
 */
import { open, truncate } from 'node:fs/promises';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { AofDirectory } from './aof-directory.ts';
import { type PositionFields, readPosition } from './aof-position.ts';
import { type BuildOptions, DatasetBuilder, loadRdbFile } from './rdb-load.ts';

/** Runs commands of a file; filled from above. */
export interface CommandApplier {
  /** Database that the file selected last; 0 at its beginning. */
  database: number;
  /**
   * Runs all of bytes[start, end): whole commands, transactions closed. Returns `end`; throws on a refused
   * one.
   */
  apply(bytes: Uint8Array, start: number, end: number): number;
}

export interface AofLoadOptions {
  readonly build: BuildOptions;
  readonly allowTruncated: boolean;
  applier(): CommandApplier;
  notice(message: string): void;
  warning(message: string): void;
  /** Bytes read so far of all files. */
  progress(bytesRead: number): void;
}

/**
 * How many keys the base had, and where in a history the dataset stands, when the files say so at their end.
 */
export interface AofLoaded {
  readonly keysLoaded: number;
  readonly position: PositionFields | null;
}

/** Why a file cannot be loaded, in a sentence for the log. */
export class AofLoadError extends Error {}

class FormatError extends Error {}

const READ_BYTES = 256 * 1024;
const ARGUMENTS_MAX = 1024 * 1024;
const BULK_BYTES_MAX = 512 * 1024 * 1024;
const LINE_BYTES_MAX = 32;
const INCOMPLETE = -1;

/** A `*n` or `$n` line at `at`: the number, with `lineEnd` behind it; INCOMPLETE when it is cut. */
let lineEnd = 0;
function readCount(bytes: Uint8Array, at: number, end: number, mark: number, most: number): number {
  if (at >= end) return INCOMPLETE;
  if (bytes[at] !== mark) throw new FormatError();
  let value = 0;
  for (let here = at + 1; here < end; here += 1) {
    const byte = bytes[here];
    if (byte === 13) {
      if (here + 1 >= end) return INCOMPLETE;
      if (bytes[here + 1] !== 10 || here === at + 1) throw new FormatError();
      lineEnd = here + 2;
      if (value > most) throw new FormatError();
      return value;
    }
    if (byte < 48 || byte > 57 || here - at > LINE_BYTES_MAX) throw new FormatError();
    value = value * 10 + byte - 48;
  }
  return INCOMPLETE;
}

type Word = 'multi' | 'exec' | 'other';
let firstWord: Word = 'other';

/** The end of the command at `at`, INCOMPLETE when it is cut. Leaves its name in `firstWord`. */
function commandEnd(bytes: Uint8Array, at: number, end: number): number {
  const count = readCount(bytes, at, end, 42, ARGUMENTS_MAX);
  if (count === INCOMPLETE) return INCOMPLETE;
  if (count < 1) throw new FormatError();
  let here = lineEnd;
  firstWord = 'other';
  for (let argument = 0; argument < count; argument += 1) {
    const length = readCount(bytes, here, end, 36, BULK_BYTES_MAX);
    if (length === INCOMPLETE || lineEnd + length + 2 > end) return INCOMPLETE;
    if (bytes[lineEnd + length] !== 13 || bytes[lineEnd + length + 1] !== 10) throw new FormatError();
    if (argument === 0 && count === 1) firstWord = wordAt(bytes, lineEnd, length);
    here = lineEnd + length + 2;
  }
  return here;
}

function wordAt(bytes: Uint8Array, start: number, length: number): Word {
  if (length !== 4 && length !== 5) return 'other';
  const word = String.fromCharCode(...bytes.subarray(start, start + length)).toLowerCase();
  return word === 'multi' || word === 'exec' ? word : 'other';
}

/** Cuts a file into units and hands them to the applier. */
export class AofScanner {
  /** Bytes of the file that were applied or skipped. */
  validBytes: number;
  /** The bytes behind `validBytes` begin with MULTI. */
  insideTransaction = false;
  /** What the last annotation said, null once commands followed it or before the first. */
  position: PositionFields | null = null;
  readonly #applier: CommandApplier;
  #bytes: Uint8Array = new Uint8Array(0);

  /** `offset`: where in the file the first byte fed stands. */
  constructor(applier: CommandApplier, offset: number) {
    this.#applier = applier;
    this.validBytes = offset;
  }

  /** Bytes fed that do not make a whole unit yet. */
  get pendingBytes(): number {
    return this.#bytes.length;
  }

  /** Throws `AofLoadError` with the offset, or what the applier throws. */
  feed(chunk: Uint8Array): void {
    const bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    let at = 0;
    // Units between annotations are applied in one go.
    let batch = 0;
    const applyUpTo = (end: number): void => {
      if (end === batch) return;
      this.position = null;
      if (this.#applier.apply(bytes, batch, end) !== end) {
        throw new AofLoadError(`The commands at offset ${this.validBytes} were not all applied`);
      }
    };
    try {
      for (;;) {
        if (bytes[at] === 35) {
          const newline = bytes.indexOf(10, at);
          if (newline < 0) break;
          applyUpTo(at);
          this.position =
            readPosition(Buffer.from(bytes.subarray(at, newline)).toString('latin1')) ?? this.position;
          this.validBytes += newline + 1 - batch;
          at = newline + 1;
          batch = at;
          continue;
        }
        const end = this.#unitEnd(bytes, at);
        if (end === INCOMPLETE) break;
        at = end;
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new AofLoadError(`no command at offset ${this.validBytes + at - batch}`);
    }
    applyUpTo(at);
    this.validBytes += at - batch;
    this.#bytes = bytes.subarray(at);
  }

  /** The end of the command or transaction at `at`. */
  #unitEnd(bytes: Uint8Array, at: number): number {
    let end = commandEnd(bytes, at, bytes.length);
    this.insideTransaction = end !== INCOMPLETE && firstWord === 'multi';
    while (this.insideTransaction) {
      end = commandEnd(bytes, end, bytes.length);
      if (end === INCOMPLETE) return INCOMPLETE;
      if (firstWord === 'exec') this.insideTransaction = false;
    }
    return end;
  }
}

async function startsWithRdb(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(6);
    const { bytesRead } = await file.read(head, 0, 6, 0);
    const text = head.toString('latin1', 0, bytesRead);
    return text.startsWith('REDIS') || text.startsWith('VALKEY');
  } finally {
    await file.close();
  }
}

async function loadCommands(
  path: string,
  scanner: AofScanner,
  from: number,
  progress: (position: number) => void,
): Promise<void> {
  const file = await open(path, 'r');
  try {
    let position = from;
    let size = READ_BYTES;
    for (;;) {
      const chunk = new Uint8Array(size);
      const { bytesRead } = await file.read(chunk, 0, size, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      scanner.feed(chunk.subarray(0, bytesRead));
      // A unit larger than what was read is looked at again from its start: read as much again.
      size = Math.max(READ_BYTES, scanner.pendingBytes);
      progress(position);
    }
  } finally {
    await file.close();
  }
}

/** One file; `last`: whether a cut tail may be removed; `before`: what the files before it came to. */
async function loadFile(
  keyspace: Keyspace,
  path: string,
  name: string,
  last: boolean,
  before: AofLoaded,
  options: AofLoadOptions,
  progress: (position: number) => void,
): Promise<AofLoaded> {
  let from = 0;
  let { keysLoaded, position } = before;
  if (await startsWithRdb(path)) {
    const builder = new DatasetBuilder(keyspace, options.build);
    try {
      from = (await loadRdbFile(path, builder, progress)).end;
      builder.commit();
    } catch (error) {
      builder.abort();
      throw error;
    }
    keysLoaded = builder.keysLoaded;
    position = null;
  }
  const scanner = new AofScanner(options.applier(), from);
  scanner.position = position;
  try {
    await loadCommands(path, scanner, from, progress);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (!(error instanceof AofLoadError)) {
      throw new AofLoadError(
        `${error.message}, reading the append only file ${name} at offset ${scanner.validBytes}`,
      );
    }
    throw new AofLoadError(
      `Bad file format reading the append only file ${name}: make a backup of your AOF file, ` +
        `then use ./redis-check-aof --fix <filename.manifest>. (${error.message})`,
    );
  }
  if (scanner.pendingBytes !== 0) await cutTail(path, name, scanner, last && options.allowTruncated, options);
  return { keysLoaded, position: scanner.position };
}

async function cutTail(
  path: string,
  name: string,
  scanner: AofScanner,
  allowed: boolean,
  options: AofLoadOptions,
): Promise<void> {
  if (!allowed) {
    throw new AofLoadError(
      `Unexpected end of file reading the append only file ${name}. You can: 1) Make a backup of your AOF file, ` +
        'then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the ' +
        "'aof-load-truncated' configuration option to yes and restart the server.",
    );
  }
  if (scanner.insideTransaction) options.warning('Revert incomplete MULTI/EXEC transaction from AOF file');
  options.warning(`!!! Warning: short read while loading the AOF file ${name}!!!`);
  options.warning(`AOF ${name} loaded anyway because aof-load-truncated is enabled`);
  options.warning(`Truncating the AOF ${name} at offset ${scanner.validBytes}`);
  await truncate(path, scanner.validBytes);
}

/** Loads everything the manifest names. Throws an Error whose message says which file and why. */
export async function loadAppendOnlyFiles(
  keyspace: Keyspace,
  directory: AofDirectory,
  options: AofLoadOptions,
): Promise<AofLoaded> {
  const { base, increments } = directory.manifest;
  const files = [...(base === null ? [] : [base]), ...increments];
  let before = 0;
  let loaded: AofLoaded = { keysLoaded: 0, position: null };
  const startedMs = performance.now();
  for (const [index, file] of files.entries()) {
    const fileStartedMs = performance.now();
    const path = directory.file(file.name);
    const last = index === files.length - 1;
    const progress = (position: number): void => options.progress(before + position);
    loaded = await loadFile(keyspace, path, file.name, last, loaded, options, progress);
    before += directory.bytes(file.name);
    const seconds = ((performance.now() - fileStartedMs) / 1000).toFixed(3);
    options.notice(`DB loaded from ${file === base ? 'base' : 'incr'} file ${file.name}: ${seconds} seconds`);
  }
  options.notice(
    `DB loaded from append only file: ${((performance.now() - startedMs) / 1000).toFixed(3)} seconds`,
  );
  return loaded;
}
