/**
 * What `redwarden-check-rdb` does, and the server when it cannot load its file: reads an RDB to its end or to
 * the first thing that is wrong with it, and says what, where, in which key. Texts are those of
 * redis-check-rdb, but for the line of rdb.c that theirs names, which is another one in every build.
 *
 * Values are made as loading makes them, in a keyspace of their own, and freed at once.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Stats } from '../keyspace/stats.ts';
import type { DetachedValue } from '../values/value-type.ts';
import { Codecs } from './codecs/codecs.ts';
import { checkTypeName, STREAM_TYPES_MIN } from './rdb-check-names.ts';
import { RDB_VERSION_CHECKSUM } from './rdb-format.ts';
import { type KeyRecord, RdbReader, type RdbVisitor } from './rdb-reader.ts';
import { RdbError } from './rdb-source.ts';

export interface RdbCheckOptions {
  /** Unix ms: keys whose expiry is below count as expired. */
  readonly nowMs: number;
  /** Takes a line without its end, in latin1. */
  print(line: string): void;
  /** Says a line in the server's log, when the check ends where Redis' loader does. */
  log(line: string): void;
}

const READ_BYTES = 256 * 1024;
const EOF_TEXT = 'Unexpected EOF reading RDB file';
/** What the checker itself says; all else is said by the loader. */
const OWN_TEXTS = [
  'Wrong signature',
  "Can't handle RDB format",
  'RDB CRC error',
  'Pre-release function format',
  'bad when_opcode',
  'Failed loading library',
];

/** A value without elements, which has no place in a file. */
class EmptyKey extends Error {}

class RdbCheck implements RdbVisitor {
  readonly #options: RdbCheckOptions;
  readonly #keyspace = new Keyspace({
    databases: 1,
    perSlot: false,
    stats: new Stats(),
    random: Math.random,
  });
  readonly #reader: RdbReader;
  #keys = 0;
  #expires = 0;
  #expired = 0;

  constructor(options: RdbCheckOptions) {
    this.#options = options;
    this.#reader = new RdbReader(this, true, new Codecs(this.#keyspace.values), {
      lenient: true,
      skipModule: (name) => this.#module(name),
    });
  }

  /** The offset behind the RDB, null when it is bad. */
  run(path: string): number | null {
    this.#print(`Checking RDB file ${path}`, 0);
    let descriptor: number;
    try {
      descriptor = openSync(path, 'r');
    } catch {
      return null;
    }
    const reader = this.#reader;
    try {
      let position = 0;
      while (!reader.done) {
        const read = readSync(descriptor, reader.room(READ_BYTES), 0, READ_BYTES, position);
        if (read === 0) throw new RdbError(EOF_TEXT, -1);
        position += read;
        reader.advance(read);
      }
    } catch (error) {
      this.#fail(error);
      return null;
    } finally {
      closeSync(descriptor);
    }
    if (reader.version >= RDB_VERSION_CHECKSUM) {
      const none = 'RDB file was saved with checksum disabled: no check performed.';
      this.#print(reader.hasChecksum ? 'Checksum OK' : none, reader.offset);
    }
    this.#print('\\o/ RDB looks OK! \\o/', reader.offset);
    this.#printCounts();
    return reader.offset;
  }

  aux(name: string, value: string): void {
    this.#print(`AUX FIELD ${name} = '${value}'`, this.#reader.offset);
  }

  library(): void {}

  resize(): void {}

  selectDatabase(index: number): void {
    this.#print(`Selecting DB ID ${index}`, this.#reader.offset);
  }

  string(record: KeyRecord): void {
    this.#count(record);
  }

  value(record: KeyRecord, type: number, value: DetachedValue): void {
    if (value.root === 0) throw new EmptyKey();
    this.#keyspace.values.of(type).release(value.encoding, value.root);
    this.#count(record);
  }

  #module(name: string): void {
    if (this.#reader.activity === 'read-module-aux') {
      this.#print(`MODULE AUX for: ${name}`, this.#reader.offset);
    } else this.#count(this.#reader.record);
  }

  #count({ expireAtMs }: KeyRecord): void {
    this.#keys++;
    if (expireAtMs < 0) return;
    this.#expires++;
    if (expireAtMs < this.#options.nowMs) this.#expired++;
  }

  #fail(error: unknown): void {
    const reader = this.#reader;
    if (!(error instanceof RdbError || error instanceof EmptyKey)) throw error;
    const empty = error instanceof EmptyKey || error.message === 'a list node without bytes';
    const atEnd = empty || error.message === EOF_TEXT;
    let text = atEnd ? EOF_TEXT : loaderText(error.message);
    if (atEnd && !empty && reader.missing !== '' && reader.rdbType >= STREAM_TYPES_MIN) text = reader.missing;
    if (atEnd && reader.activity === 'read-functions') {
      text = 'Failed loading library, Failed loading library payload';
    }
    const unknown = /^Unknown RDB (?:encoding type|opcode) (\d+)/.exec(text);
    if (unknown !== null && !reader.keyKnown) text = `Invalid object type: ${unknown[1]}`;
    const own =
      text === EOF_TEXT ||
      OWN_TEXTS.some((beginning) => text.startsWith(beginning)) ||
      text.startsWith('Invalid object type');
    if (!own) {
      text = `Internal error in RDB reading offset 0, function at rdb.c:0 -> ${text}`;
    }
    this.#report(text);
    if (!own) this.#options.log('Terminating server after rdb file reading failure.');
  }

  #report(text: string): void {
    const { print } = this.#options;
    const reader = this.#reader;
    // Before the first key theirs is at type 0 without having read it.
    const rdbType = reader.rdbType === -1 && this.#keys === 0 ? 0 : reader.rdbType;
    // A key counts as soon as its name was read.
    if (reader.keyKnown) this.#keys++;
    print('--- RDB ERROR DETECTED ---');
    this.#print(text, reader.stoppedAt);
    print(`[additional info] While doing: ${reader.activity}`);
    if (reader.keyKnown) print(`[additional info] Reading key '${cString(reader.record.key.toString())}'`);
    if (rdbType !== -1) print(`[additional info] Reading type ${rdbType} (${checkTypeName(rdbType)})`);
    this.#printCounts();
  }

  #printCounts(): void {
    const { print } = this.#options;
    print(`[info] ${this.#keys} keys read`);
    print(`[info] ${this.#expires} expires`);
    print(`[info] ${this.#expired} already expired`);
  }

  #print(text: string, offset: number): void {
    this.#options.print(`[offset ${offset}] ${text}`);
  }
}

/** Redis' words for what a decoder says in more detail. */
function loaderText(message: string): string {
  if (message.includes('unknown container type')) return 'Quicklist integrity check failed.';
  if (message.startsWith('RDB CRC error')) return 'RDB CRC error';
  const failed = / integrity check failed(?=:)/.exec(message);
  return failed === null ? message : `${message.slice(0, failed.index)} integrity check failed.`;
}

/** A text up to its first zero, as a program in C prints it. */
function cString(text: string): string {
  const zero = text.indexOf('\0');
  return zero < 0 ? text : text.slice(0, zero);
}

/** Checks a file, or the RDB that an AOF begins with: the offset behind it, null when it is bad. */
export function checkRdb(path: string, options: RdbCheckOptions): number | null {
  return new RdbCheck(options).run(path);
}
