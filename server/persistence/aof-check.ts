/**
 * What `redwarden-check-aof` does: looks at one append-only file or at all that a manifest names, command by
 * command, and cuts off a bad end (`--fix`) or what came after a moment (`--truncate-to-timestamp`). Only the
 * last file may be cut. Texts, offsets and line numbers are those of valkey-check-aof.
 *
 *   file = [RDB] (annotation line | '*' count CR LF ('$' length CR LF bytes CR LF)*)*
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemMessage } from '../config/system-message.ts';
import { AofCheckFile } from './aof-check-file.ts';
import { type AofManifest, AofManifestError, parseManifest } from './aof-manifest.ts';
import { parseInteger } from './c-integer.ts';

/** The process ends with this status; all there is to say was printed. */
export class CheckEnd extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`exit ${status}`);
    this.status = status;
  }
}

export interface AofCheckOptions {
  /** The name of the program, as its texts give it. */
  readonly program: string;
  /** Cut a bad end off, after a question. */
  readonly fix: boolean;
  /** Unix seconds after which everything is cut off; 0n: nothing is. */
  readonly timestamp: bigint;
  /** Takes text in latin1: names and bytes of files pass unchanged. */
  print(text: string): void;
  /** A line of the server's log. */
  log(text: string): void;
  /** The first character of the next line of input, empty when there is none. */
  ask(): string;
  /** Checks the RDB that the file begins with: the offset behind it, null when it is bad. */
  rdb(path: string, print: (text: string) => void): number | null;
}

type Outcome = 'valid' | 'empty' | 'truncated' | 'truncated to timestamp';

const LINE_BYTES_MAX = 127;
const ANNOTATION_BYTES_MAX = 1023;
/** Comments that a manifest begins with may take up so much. */
const MANIFEST_HEAD_BYTES_MAX = 64 * 1024;
const RDB_HEAD_BYTES = 8;
const COMMAND_NAME_BYTES_MAX = 8;
const HASH = 35;
const STAR = 42;
const LONG_MAX = 2n ** 63n - 1n;

/** Checks the file that the command line names; throws `CheckEnd` when it is not sane. */
export function checkAof(path: string, options: AofCheckOptions): void {
  if (isManifest(path, options)) {
    new AofCheck(options).manifest(path);
    return;
  }
  const preamble = isRdb(path, options);
  options.print('Start checking Old-Style AOF\n');
  const check = new AofCheck(options);
  check.tell(check.file(path, path, true, preamble), path, 'AOF');
}

function fail(options: AofCheckOptions, text: string): never {
  options.print(text);
  throw new CheckEnd(1);
}

/** The first bytes of the file, or the end of the check. */
function begin(path: string, most: number, options: AofCheckOptions): string {
  try {
    return headOf(path, most);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EISDIR') return fail(options, `Cannot read file: ${path}\n`);
    return fail(options, `Cannot open file ${path}: ${systemMessage(error)}\n`);
  }
}

/** Whether a file that holds at least one begins, after comments, with a line of a manifest. */
function isManifest(path: string, options: AofCheckOptions): boolean {
  const head = begin(path, MANIFEST_HEAD_BYTES_MAX, options);
  for (const line of head.split('\n')) {
    if (!line.startsWith('#')) return line.startsWith('file');
  }
  return false;
}

/** Whether the file begins with an RDB. */
function isRdb(path: string, options: AofCheckOptions): boolean {
  const head = begin(path, RDB_HEAD_BYTES, options);
  return head.length === RDB_HEAD_BYTES && (head.startsWith('REDIS') || head.startsWith('VALKEY'));
}

/** The first bytes of a file, in latin1. */
function headOf(path: string, most: number): string {
  const descriptor = openSync(fsPath(path), 'r');
  try {
    const bytes = Buffer.alloc(most);
    return bytes.latin1Slice(0, readSync(descriptor, bytes, 0, most, 0));
  } finally {
    closeSync(descriptor);
  }
}

/** Paths are texts in latin1 here, one character a byte. */
function fsPath(path: string): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}

class AofCheck {
  readonly #options: AofCheckOptions;
  /** Lines of all files so far. */
  #line = 1;
  /** Where the last read began, and what was wrong there. */
  #readAt = 0;
  #error = '';

  constructor(options: AofCheckOptions) {
    this.#options = options;
  }

  manifest(path: string): void {
    const { print } = this.#options;
    print('Start checking Multi Part AOF\n');
    const { base, increments } = this.#loadManifest(path);
    const folder = dirname(path);
    const total = increments.length + (base === null ? 0 : 1);
    let count = 0;
    if (base !== null) {
      const name = Buffer.from(base.name, 'utf8').toString('latin1');
      const file = join(folder, name);
      const preamble = isRdb(file, this.#options);
      print(`Start to check BASE AOF (${preamble ? 'RDB' : 'RESP'} format).\n`);
      count += 1;
      this.tell(this.file(name, file, count === total, preamble), name, 'BASE AOF');
    }
    if (increments.length !== 0) print('Start to check INCR files.\n');
    for (const increment of increments) {
      const name = Buffer.from(increment.name, 'utf8').toString('latin1');
      count += 1;
      this.tell(this.file(name, join(folder, name), count === total, false), name, 'INCR AOF');
    }
    print('All AOF files and manifest are valid\n');
  }

  #loadManifest(path: string): AofManifest {
    const { log } = this.#options;
    try {
      return parseManifest(readFileSync(fsPath(path), 'latin1'));
    } catch (error) {
      if (!(error instanceof AofManifestError)) throw error;
      log('\n*** FATAL AOF MANIFEST FILE ERROR ***\n');
      if (error.text !== null) {
        log(`Reading the manifest file, at line ${error.line}\n`);
        log(`>>> '${error.text}'\n`);
      }
      log(`${error.message}\n`);
      throw new CheckEnd(1);
    }
  }

  tell(outcome: Outcome, name: string, kind: string): void {
    const { print, timestamp } = this.#options;
    if (outcome === 'valid' || outcome === 'empty') print(`${kind} ${name} is ${outcome}\n`);
    else if (outcome === 'truncated') print(`Successfully truncated AOF ${name}\n`);
    else print(`Successfully truncated AOF ${name} to timestamp ${timestamp}\n`);
  }

  /** One file, `name` in the texts; only the last one may be cut. */
  file(name: string, path: string, last: boolean, preamble: boolean): Outcome {
    const file = this.#open(path);
    try {
      if (file.size === 0) return 'empty';
      if (preamble) this.#checkPreamble(file, path);
      return this.#commands(file, name, path, last);
    } finally {
      file.close();
    }
  }

  #open(path: string): AofCheckFile {
    try {
      return new AofCheckFile(fsPath(path));
    } catch (error) {
      return fail(this.#options, `Cannot open file ${path}: ${systemMessage(error)}, aborting...\n`);
    }
  }

  #checkPreamble(file: AofCheckFile, path: string): void {
    const { rdb, print } = this.#options;
    const end = rdb(path, print);
    if (end === null) fail(this.#options, 'RDB preamble of AOF file is not sane, aborting.\n');
    print('RDB preamble is OK, proceeding with AOF tail...\n');
    file.position = end;
  }

  #commands(file: AofCheckFile, name: string, path: string, last: boolean): Outcome {
    const { print, timestamp } = this.#options;
    let valid = 0;
    const transaction = { depth: 0 };
    for (;;) {
      if (transaction.depth === 0) valid = file.position;
      const mark = file.peek();
      if (mark < 0) break;
      if (mark === HASH) {
        if (!this.#annotation(file, path, last)) return 'truncated to timestamp';
      } else if (mark === STAR) {
        if (!this.#command(file, path, transaction)) break;
      } else {
        print(`AOF ${name} format error\n`);
        break;
      }
    }
    if (file.atEnd && transaction.depth !== 0 && this.#error === '') {
      this.#fault('Reached EOF before reading EXEC for MULTI');
    }
    if (this.#error !== '') print(`${this.#error}\n`);
    const rest = file.size - valid;
    if (rest === 0 && timestamp !== 0n) {
      print(`Truncate nothing in AOF ${name} to timestamp ${timestamp}\n`);
      return 'valid';
    }
    print(
      `AOF analyzed: filename=${name}, size=${file.size}, ok_up_to=${valid}, ` +
        `ok_up_to_line=${this.#line}, diff=${rest}\n`,
    );
    return rest === 0 ? 'valid' : this.#cut(file, name, valid, last);
  }

  /** The bad end of a file: reported, or cut off after a question. */
  #cut(file: AofCheckFile, name: string, valid: number, last: boolean): Outcome {
    const { print, ask, fix } = this.#options;
    if (!fix) fail(this.#options, `AOF ${name} is not valid. Use the --fix option to try fixing it.\n`);
    if (!last) fail(this.#options, `Failed to truncate AOF ${name} because it is not the last file\n`);
    const rest = file.size - valid;
    print(
      `This will shrink the AOF ${name} from ${file.size} bytes, with ${rest} bytes, to ${valid} bytes\n`,
    );
    print('Continue? [y/N]: ');
    if (ask().toLowerCase() !== 'y') fail(this.#options, 'Aborting...\n');
    try {
      file.truncate(valid);
    } catch {
      // Every reason has this one text; the status says the rest.
      fail(this.#options, `Failed to truncate AOF ${name}\n`);
    }
    return 'truncated';
  }

  /** False when everything from here on was later than the timestamp and is cut off. */
  #annotation(file: AofCheckFile, path: string, last: boolean): boolean {
    const { timestamp, program } = this.#options;
    this.#readAt = file.position;
    const line = file.line(ANNOTATION_BYTES_MAX) ?? '';
    if (timestamp === 0n || !line.startsWith('#TS:')) return true;
    const { value, end, overflow } = parseInteger(line, 4);
    if (overflow || line[end] !== '\r') fail(this.#options, 'Invalid timestamp annotation\n');
    if (value <= timestamp) return true;
    if (this.#readAt === 0) {
      fail(this.#options, `AOF ${path} has nothing before timestamp ${timestamp}, aborting...\n`);
    }
    if (!last) {
      fail(
        this.#options,
        `Failed to truncate AOF ${path} to timestamp ${timestamp} to offset ${this.#readAt} ` +
          'because it is not the last file.\n' +
          'If you insist, please delete all files after this file according to the manifest file and delete ' +
          `the corresponding records in manifest file manually. Then re-run ${program}.\n`,
      );
    }
    try {
      file.truncate(this.#readAt);
    } catch {
      fail(this.#options, `Failed to truncate AOF ${path} to timestamp ${timestamp}\n`);
    }
    return false;
  }

  /** One command; counts MULTI and EXEC. False when it is bad or cut. */
  #command(file: AofCheckFile, path: string, transaction: { depth: number }): boolean {
    const count = this.#integer(file, '*');
    if (count === null) return false;
    for (let argument = 0n; argument < count; argument += 1n) {
      if (!this.#string(file)) return false;
      if (argument !== 0n) continue;
      const name = file.head.toLowerCase();
      if (name === 'multi\r\n') {
        transaction.depth += 1;
        if (transaction.depth !== 1) return this.#fault(`Unexpected MULTI in AOF ${path}`);
      } else if (name === 'exec\r\n') {
        transaction.depth -= 1;
        if (transaction.depth !== 0) return this.#fault(`Unexpected EXEC in AOF ${path}`);
      }
    }
    return true;
  }

  /** One argument; its first bytes, with its line end when they are all, stay in `file.head`. */
  #string(file: AofCheckFile): boolean {
    const length = this.#integer(file, '$');
    if (length === null) return false;
    if (length < 0n || length > LONG_MAX - 2n) {
      return this.#fault(`Expected to read string of ${length} bytes, which is not in the suitable range`);
    }
    const wanted = length + 2n;
    this.#readAt = file.position;
    const end = file.position + Number(length);
    const isName = length <= COMMAND_NAME_BYTES_MAX;
    const body = file.skip(Number(length), isName ? COMMAND_NAME_BYTES_MAX : 0);
    const head = file.head;
    const tail = end <= file.size ? file.skip(2, 2) : 0;
    if (BigInt(body + tail) !== wanted) {
      return this.#fault(`Expected to read ${wanted} bytes, got ${body + tail} bytes`);
    }
    const lineEnd = file.head;
    file.head = isName ? head + lineEnd : '';
    return this.#lineEnd(lineEnd, 0);
  }

  /** A line of a mark and a number; null when it is none. */
  #integer(file: AofCheckFile, mark: string): bigint | null {
    this.#readAt = file.position;
    const line = file.line(LINE_BYTES_MAX);
    if (line === null) return null;
    if (line[0] !== mark) {
      this.#fault(`Expected prefix '${mark}', got: '${line[0]}'`);
      return null;
    }
    const { value, end } = parseInteger(line, 1);
    return this.#lineEnd(line, end) ? value : null;
  }

  #lineEnd(text: string, at: number): boolean {
    if (text.startsWith('\r\n', at)) {
      this.#line += 1;
      return true;
    }
    return this.#fault(`Expected \\r\\n, got: ${hex(text, at)}${hex(text, at + 1)}`);
  }

  #fault(reason: string): false {
    this.#error = `0x${this.#readAt.toString(16).padStart(16)}: ${reason}`;
    return false;
  }
}

/** A byte as C prints a char that has a sign. */
function hex(text: string, at: number): string {
  const byte = at < text.length ? text.charCodeAt(at) : 0;
  return byte < 128 ? byte.toString(16).padStart(2, '0') : `ffffff${byte.toString(16)}`;
}
