/**
 * Loads the append-only files: the base, an RDB or commands, then the increments in order.
 *
 *   file = [RDB] (command | '#' annotation line)*        command = RESP array of bulk strings
 *
 * What stands behind the last whole command or transaction of the last file was cut off by a crash; with
 * `aof-load-truncated` the file is shortened to that place. The texts are Redis'.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { AofDirectory } from './aof-directory.ts';
import type { PositionFields } from './aof-position.ts';
import { AofLoadError, AofScanner, type CommandApplier } from './aof-scanner.ts';
import { type BuildOptions, DatasetBuilder, loadRdbFile } from './rdb-load.ts';

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

const READ_BYTES = 256 * 1024;
const RDB_HEAD_BYTES = 6;

/** One file of the manifest. */
interface Part {
  readonly name: string;
  readonly path: string;
  /** A cut tail may be removed. */
  readonly isLast: boolean;
  /** The single file of a version before 7.0. */
  readonly isOld: boolean;
}

function startsWithRdb(path: string): boolean {
  const descriptor = openSync(path, 'r');
  try {
    const head = Buffer.alloc(RDB_HEAD_BYTES);
    const text = head.latin1Slice(0, readSync(descriptor, head, 0, RDB_HEAD_BYTES, 0));
    return text.startsWith('REDIS') || text === 'VALKEY';
  } finally {
    closeSync(descriptor);
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The commands of a file from an offset on; how many bytes are left at its end that make none. */
async function loadCommands(
  path: string,
  scanner: AofScanner,
  from: number,
  progress: (position: number) => void,
): Promise<number> {
  const descriptor = openSync(path, 'r');
  try {
    let buffer = Buffer.allocUnsafe(READ_BYTES * 2);
    /** Bytes of the buffer in use; what is left of the last round stands at its beginning. */
    let length = 0;
    let position = from;
    for (;;) {
      if (buffer.length - length < READ_BYTES) {
        // A command larger than what was read is looked at again from its start: read as much again.
        const grown = Buffer.allocUnsafe(length * 2 + READ_BYTES);
        buffer.copy(grown, 0, 0, length);
        buffer = grown;
      }
      const count = readSync(descriptor, buffer, length, buffer.length - length, position);
      if (count === 0) return length;
      position += count;
      const end = length + count;
      let at = scanner.feed(buffer, 0, end, position - end);
      while (scanner.held) {
        await turn();
        if (!scanner.held) at = scanner.feed(buffer, at, end, position - end + at);
      }
      length = end - at;
      buffer.copyWithin(0, at, end);
      progress(position);
      // Clients are told that the data is being loaded.
      await turn();
    }
  } finally {
    closeSync(descriptor);
  }
}

async function loadPart(
  keyspace: Keyspace,
  part: Part,
  before: AofLoaded,
  options: AofLoadOptions,
  progress: (position: number) => void,
): Promise<AofLoaded> {
  let from = 0;
  let { keysLoaded, position } = before;
  if (startsWithRdb(part.path)) {
    const builder = await loadRdbPart(keyspace, part, options, progress);
    from = builder.end;
    keysLoaded = builder.keysLoaded;
    position = null;
  }
  const scanner = new AofScanner(options.applier(), from);
  scanner.position = position;
  let rest = 0;
  try {
    rest = await loadCommands(part.path, scanner, from, progress);
  } catch (error) {
    throw loadError(error, part.name, scanner.validBytes);
  }
  if (rest !== 0 || scanner.insideTransaction) await cutTail(part, scanner, options);
  return { keysLoaded, position: scanner.position };
}

async function loadRdbPart(
  keyspace: Keyspace,
  { name, path, isOld }: Part,
  options: AofLoadOptions,
  progress: (position: number) => void,
): Promise<{ end: number; keysLoaded: number }> {
  const what = isOld ? 'RDB preamble of the AOF' : 'RDB base';
  options.notice(isOld ? 'Reading RDB preamble from AOF file...' : 'Reading RDB base file on AOF loading...');
  const builder = new DatasetBuilder(keyspace, options.build);
  try {
    const { end } = await loadRdbFile(path, builder, progress);
    builder.commit();
    if (isOld) options.notice('Reading the remaining AOF tail...');
    return { end, keysLoaded: builder.keysLoaded };
  } catch (error) {
    builder.abort();
    if (!(error instanceof Error)) throw error;
    throw new AofLoadError(`Error reading the ${what} file ${name}, AOF loading aborted: ${error.message}`);
  }
}

function loadError(error: unknown, name: string, offset: number): unknown {
  if (!(error instanceof Error)) return error;
  if (!(error instanceof AofLoadError)) {
    return new AofLoadError(
      `Error reading the append only file ${name}, error: ${error.message} (at offset ${offset} or behind it)`,
    );
  }
  return new AofLoadError(
    `Bad file format reading the append only file ${name}: make a backup of your AOF file, ` +
      `then use ./redwarden-check-aof --fix <filename.manifest>. (${error.message})`,
  );
}

async function cutTail(
  { name, path, isLast }: Part,
  scanner: AofScanner,
  options: AofLoadOptions,
): Promise<void> {
  const { warning, allowTruncated } = options;
  const { validBytes } = scanner;
  if (scanner.insideTransaction) warning(`Revert incomplete MULTI/EXEC transaction in AOF file ${name}`);
  if (allowTruncated && isLast) {
    warning(`!!! Warning: short read while loading the AOF file ${name}!!!`);
    warning(`!!! Truncating the AOF ${name} at offset ${validBytes} !!!`);
    await truncate(path, validBytes);
    warning(`AOF ${name} loaded anyway because aof-load-truncated is enabled`);
    return;
  }
  throw new AofLoadError(
    `Unexpected end of file reading the append only file ${name}. You can: 1) Make a backup of your AOF file, ` +
      'then use ./redwarden-check-aof --fix <filename.manifest>. 2) Alternatively you can set the ' +
      `'aof-load-truncated' configuration option to yes and restart the server. (after offset ${validBytes}` +
      `${isLast ? '' : '; the truncated file is not the last file'})`,
  );
}

/** Loads everything the manifest names. Throws an Error whose message says which file and why. */
export async function loadAppendOnlyFiles(
  keyspace: Keyspace,
  directory: AofDirectory,
  options: AofLoadOptions,
): Promise<AofLoaded> {
  const { manifest, prefix } = directory;
  const { base, increments } = manifest;
  const files = [...(base === null ? [] : [base]), ...increments];
  let before = 0;
  let loaded: AofLoaded = { keysLoaded: 0, position: null };
  const startedMs = performance.now();
  for (const [index, file] of files.entries()) {
    const fileStartedMs = performance.now();
    const part: Part = {
      name: file.name,
      path: directory.file(file.name),
      isLast: index === files.length - 1,
      isOld: file.name === prefix,
    };
    const progress = (position: number): void => options.progress(before + position);
    loaded = await loadPart(keyspace, part, loaded, options, progress);
    before += directory.bytes(file.name);
    const seconds = ((performance.now() - fileStartedMs) / 1000).toFixed(3);
    options.notice(`DB loaded from ${file === base ? 'base' : 'incr'} file ${file.name}: ${seconds} seconds`);
  }
  options.notice(
    `DB loaded from append only file: ${((performance.now() - startedMs) / 1000).toFixed(3)} seconds`,
  );
  return loaded;
}
