/**
 * Loads RDBs into databases that nobody sees yet, and puts them in the place of the old ones when they are
 * whole.
 *
 *   DatasetBuilder   the databases under construction, fed by an RdbReader
 *   feed(bytes)      any pieces, in order; they may be kept
 *   commit()         the new databases replace the old ones, which are emptied
 *   abort()          the new databases are emptied; the old ones were never touched
 *
 * Seam. A replica's full sync uses a builder beside the dataset that goes on serving; the start of the server
 * uses the same on an empty keyspace (`loadRdbFile`). All failures are errors with a sentence for the log.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { Database, NO_EXPIRY } from '../keyspace/database.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { KEY_BYTES_MAX } from '../structures/record.ts';
import type { DetachedValue } from '../values/value-type.ts';
import { Codecs } from './codecs/codecs.ts';
import { type KeyRecord, RdbReader, type RdbVisitor } from './rdb-reader.ts';
import { RdbError } from './rdb-source.ts';
import type { RdbText } from './rdb-text.ts';
import { type AccessAttributes, restoredAccessClock } from './record-writer.ts';

/** How a dataset that is loaded joins the one that is there. */
export interface Merging {
  /** Keys that are there already stay; what is read joins them at once, and stays if the rest fails. */
  readonly keepsOthers: boolean;
  /** A key or a library that is there already is replaced; else it is an error. */
  readonly replacesSame: boolean;
}

export const REPLACING: Merging = { keepsOthers: false, replacesSame: false };

export interface BuildOptions {
  readonly verifyChecksum: boolean;
  /** Look for what only a damaged or foreign file can have; true when not given. */
  readonly thorough?: boolean;
  /** Read files of versions that this server does not know (`rdb-version-check relaxed`). */
  readonly relaxed?: boolean;
  /** Leave out keys that are expired by the keyspace's clock; a replica must not. */
  readonly skipExpired: boolean;
  /** Which access attributes are worth restoring. */
  readonly attributes: AccessAttributes;
  /** Called when the new databases are about to replace the old ones: no snapshot may run any more then. */
  readonly beforeReplace?: () => void;
  /** Told of all libraries of functions before the dataset is replaced; a text refuses it. */
  readonly takeLibraries?: (codes: readonly Uint8Array[], merging: Merging) => string | undefined;
  /** REPLACING when not given. */
  readonly merging?: Merging;
  /** Microseconds to wait after each key, for tests (`key-load-delay`). */
  readonly keyDelayMicros?: number;
  /** Told of a key whose value has no elements, which is left out. */
  readonly onEmpty?: (key: Uint8Array) => void;
  /** Told of a key that `skipExpired` leaves out. */
  readonly onExpired?: (database: number, key: Uint8Array) => void;
}

/** A file may say that more keys come than do: only so much room is made for them. */
const PREPARED_KEYS_MAX = 4 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
const SLEEPER = new Int32Array(new SharedArrayBuffer(4));

export class DatasetBuilder implements RdbVisitor {
  /** Fields of the header: redis-ver, ctime, repl-id … */
  readonly fields: Map<string, string> = new Map();
  keysLoaded = 0;
  keysExpired = 0;
  /** Keys whose value had no elements: they are left out. */
  keysEmpty = 0;
  readonly #keyspace: Keyspace;
  readonly #options: BuildOptions;
  readonly #reader: RdbReader;
  readonly #merging: Merging;
  readonly #databases: Database[];
  #database: Database;
  readonly #libraries: Uint8Array[] = [];
  #failed = false;

  constructor(keyspace: Keyspace, options: BuildOptions) {
    this.#keyspace = keyspace;
    this.#options = options;
    const { verifyChecksum, thorough = true, relaxed = false, merging = REPLACING } = options;
    const codecs = new Codecs(keyspace.values);
    this.#reader = new RdbReader(this, verifyChecksum, codecs, { thorough, relaxed });
    this.#merging = merging;
    this.#databases = merging.keepsOthers
      ? keyspace.databases
      : keyspace.databases.map((_, index) => new Database(keyspace, index));
    this.#database = this.#databases[0];
  }

  /** Whether the RDB was read to its end. */
  get done(): boolean {
    return this.#reader.done;
  }

  /** Bytes read up to the last whole record. */
  get offset(): number {
    return this.#reader.offset;
  }

  /**
   * Takes the next bytes; returns how many lie behind the end of the RDB. Throws when it cannot be loaded.
   */
  feed(bytes: Uint8Array): number {
    if (this.#reader.done) return bytes.length;
    this.room(bytes.length).set(bytes);
    return this.advance(bytes.length);
  }

  /** Says how many bytes the file has, so that as much room is made as it can need. */
  expectBytes(total: number): void {
    this.#reader.expectBytes(total);
  }

  /** A place for the next `count` bytes at most; who writes there calls `advance`, which is like `feed`. */
  room(count: number): Buffer {
    return this.#reader.room(count);
  }

  advance(count: number): number {
    if (this.#failed) throw new Error('the RDB was refused before');
    this.#failed = true;
    // Loading is no change that a save point counts.
    const { dirty } = this.#keyspace;
    try {
      const rest = this.#reader.advance(count);
      this.#failed = false;
      return rest;
    } finally {
      this.#keyspace.dirty = dirty;
    }
  }

  /** Throws when the RDB is not whole; then `abort` must follow. */
  commit(): void {
    this.#reader.end();
    const { keepsOthers } = this.#merging;
    // A snapshot that runs over an empty dataset has written all that it has to.
    if (!keepsOthers && this.#keyspace.size !== 0) {
      this.#options.beforeReplace?.();
      if (this.#keyspace.snapshotHook !== null)
        throw new Error('a snapshot runs over the dataset to be replaced');
    }
    const problem = this.#options.takeLibraries?.(this.#libraries, this.#merging);
    if (problem !== undefined) throw new Error(`Failed loading a library of functions: ${problem}`);
    if (keepsOthers) return;
    const old = this.#keyspace.databases;
    this.#keyspace.databases = this.#databases;
    for (const database of old) database.flush();
  }

  abort(): void {
    // A snapshot that runs must not learn of keys that never belonged to the dataset.
    const hook = this.#keyspace.snapshotHook;
    this.#keyspace.snapshotHook = null;
    this.#reader.abandon();
    if (!this.#merging.keepsOthers) for (const database of this.#databases) database.flush();
    this.#keyspace.snapshotHook = hook;
  }

  aux(name: string, value: string): void {
    this.fields.set(name, value);
  }

  library(code: Uint8Array): void {
    this.#libraries.push(new Uint8Array(code));
  }

  selectDatabase(index: number): void {
    const database = this.#databases[index];
    if (database === undefined) {
      const count = this.#databases.length;
      throw new RdbError(
        `Data file was created with a server configured to handle more than ${count} databases`,
        -1,
      );
    }
    this.#database = database;
  }

  resize(keys: number): void {
    this.#database.expect(Math.min(keys, PREPARED_KEYS_MAX));
  }

  string(record: KeyRecord, value: RdbText): void {
    if (this.#skips(record)) return;
    const { bytes, start, length } = record.key;
    const before = this.#database.size;
    const expiry = expiryOf(record);
    this.#database.setString(bytes, start, length, value.bytes, value.start, value.length, expiry);
    this.#loaded(record, before);
  }

  value(record: KeyRecord, type: number, value: DetachedValue): void {
    if (value.root === 0) {
      this.keysEmpty += 1;
      this.#options.onEmpty?.(record.key.copy());
      return;
    }
    if (this.#skips(record)) {
      this.#keyspace.values.of(type).release(value.encoding, value.root);
      return;
    }
    const { bytes, start, length } = record.key;
    const before = this.#database.size;
    this.#database.putValue(bytes, start, length, type, value.encoding, value.root, expiryOf(record));
    this.#loaded(record, before);
  }

  #skips(record: KeyRecord): boolean {
    const { key, expireAtMs } = record;
    if (key.length > KEY_BYTES_MAX) throw new RdbError(`A key is longer than ${KEY_BYTES_MAX} bytes`, -1);
    if (this.#merging.keepsOthers) this.#refuseTwice(key);
    const expired = this.#options.skipExpired && expireAtMs >= 0 && expireAtMs < this.#keyspace.nowMs;
    if (!expired) return false;
    this.keysExpired += 1;
    this.#options.onExpired?.(this.#database.index, key.copy());
    return true;
  }

  #loaded(record: KeyRecord, sizeBefore: number): void {
    const database = this.#database;
    if (database.size === sizeBefore && !this.#merging.replacesSame) this.#twice(record.key);
    this.keysLoaded += 1;
    const { keyDelayMicros = 0 } = this.#options;
    if (keyDelayMicros > 0) Atomics.wait(SLEEPER, 0, 0, keyDelayMicros / 1000);
    if (this.#options.attributes !== 'none') this.#restoreAccess(database, record);
  }

  /** Before the key that is there is touched. */
  #refuseTwice(key: RdbText): void {
    if (this.#merging.replacesSame) return;
    if (this.#database.findAny(key.bytes, key.start, key.length) !== 0) this.#twice(key);
  }

  #twice(key: RdbText): never {
    throw new RdbError(`RDB has duplicated key '${key.toString()}' in DB ${this.#database.index}`, -1);
  }

  #restoreAccess(database: Database, record: KeyRecord): void {
    const { key, idleSeconds, frequency } = record;
    const clock = restoredAccessClock(this.#options.attributes, this.#keyspace.nowMs, idleSeconds, frequency);
    if (clock < 0) return;
    this.#keyspace.records.setAccessClock(database.findAny(key.bytes, key.start, key.length), clock);
  }
}

function expiryOf(record: KeyRecord): number {
  return record.expireAtMs < 0 ? NO_EXPIRY : record.expireAtMs;
}

/** What is left of a file when its RDB has ended: an old append-only file goes on with commands. */
export interface LoadedFile {
  /** Offset of the first byte behind the RDB. */
  readonly end: number;
  readonly bytesTotal: number;
}

/**
 * Reads a file into the builder, giving way to others between the pieces; `progress` gets the bytes read.
 * Throws with the file's name; `commit` or `abort` is the caller's.
 */
export async function loadRdbFile(
  path: string,
  builder: DatasetBuilder,
  progress: (bytesRead: number, bytesTotal: number) => void,
): Promise<LoadedFile> {
  const descriptor = openSync(path, 'r');
  try {
    const bytesTotal = fstatSync(descriptor).size;
    builder.expectBytes(bytesTotal);
    let position = 0;
    while (!builder.done) {
      // Read where it stands, a piece a turn: blocking costs less than handing every piece around.
      const bytesRead = readSync(descriptor, builder.room(READ_BYTES), 0, READ_BYTES, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      const rest = builder.advance(bytesRead);
      if (builder.done) return { end: position - rest, bytesTotal };
      progress(position, bytesTotal);
      await turn();
    }
    throw new RdbError('Short read: unexpected EOF reading RDB file', builder.offset);
  } catch (error) {
    if (!(error instanceof RdbError)) throw error;
    const at = error.offset < 0 ? builder.offset : error.offset;
    throw new RdbError(`${error.message} (offset ${at} of ${path})`, at);
  } finally {
    closeSync(descriptor);
  }
}
