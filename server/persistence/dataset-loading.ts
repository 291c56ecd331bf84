/** What is loaded from disk: at the server's start, and again by DEBUG RELOAD and DEBUG LOADAOF. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../config/clock.ts';
import type { Config } from '../config/config.ts';
import { messageOf } from '../config/failure.ts';
import type { Log } from '../config/log.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { AofDirectory } from './aof-directory.ts';
import { loadAppendOnlyFiles } from './aof-load.ts';
import { AofManifestError } from './aof-manifest.ts';
import type { CommandApplier } from './aof-scanner.ts';
import { ExpiredKeys } from './expired-keys.ts';
import { checkRdb } from './rdb-check.ts';
import { type BuildOptions, DatasetBuilder, loadRdbFile, type Merging } from './rdb-load.ts';
import { printable, RdbError } from './rdb-source.ts';
import type { AccessAttributes } from './record-writer.ts';

/** A load under way. */
export interface Loading {
  readonly startedMs: number;
  bytesTotal: number;
  bytesLoaded: number;
}

export interface LoadingEnvironment {
  readonly config: Config;
  readonly log: Log;
  readonly keyspace: Keyspace;
  readonly clock: Clock;
  /** A fresh applier for one append-only file. */
  applier(): CommandApplier;
  attributes(): AccessAttributes;
  /** This server decides when keys go. */
  isPrimary(): boolean;
  /** The present dataset is about to be replaced: snapshots of it must end. */
  beforeReplace(): void;
  takeLibraries(codes: readonly Uint8Array[], merging: Merging): string | undefined;
}

export class DatasetLoading {
  /**
   * null when nothing is being loaded. From the first moment on: clients may connect before the load begins.
   */
  current: Loading | null;
  /** Header fields of the RDB that was loaded, such as repl-id; of an AOF only its place in a history. */
  fields: ReadonlyMap<string, string> = new Map();
  /** There were files to load. */
  found = false;
  keysLoaded = 0;
  keysExpired = 0;
  /** What the last load of an RDB file left out; null: of no such load. */
  expired: ExpiredKeys | null = null;
  readonly #environment: LoadingEnvironment;

  constructor(environment: LoadingEnvironment) {
    this.#environment = environment;
    this.current = this.#fresh();
  }

  /** Runs a load; `current` is null after it, whatever comes of it. */
  async run(load: () => Promise<void>): Promise<void> {
    this.current = this.#fresh();
    try {
      await load();
    } finally {
      this.current = null;
    }
  }

  /** The RDB file, if there is one. Throws an Error with the reason; the dataset is as before then. */
  async rdb(merging: Merging): Promise<void> {
    const { config, log, keyspace } = this.#environment;
    const path = join(config.values['dir'], config.values['dbfilename']);
    if (!existsSync(path)) return;
    this.found = true;
    const startedMs = performance.now();
    const expired = new ExpiredKeys(Number(config.values['repl-backlog-size']));
    const builder = new DatasetBuilder(keyspace, {
      // A replica waits for what its primary says.
      ...this.buildOptions(this.#environment.isPrimary()),
      merging,
      onExpired: (database, key) => expired.add(database, key),
    });
    log.notice('Loading DB in memory...');
    try {
      await loadRdbFile(path, builder, (read, total) => this.#progress(read, total));
      this.#logFields(builder.fields);
      builder.commit();
    } catch (error) {
      builder.abort();
      const reason = messageOf(error);
      log.warning(`Internal error in RDB reading offset ${builder.offset} -> ${reason}`);
      // As redis-check-rdb says it; a file that cannot be read at all or is of another version tells nothing.
      if (error instanceof RdbError && error.offset > 0) this.#report(path);
      throw new Error(`Fatal error loading the DB, check server logs. Exiting. ${reason}`);
    }
    this.fields = builder.fields;
    this.expired = expired;
    this.keysLoaded = builder.keysLoaded;
    this.keysExpired = builder.keysExpired;
    const empty = builder.keysEmpty === 0 ? '' : `, empty keys skipped: ${builder.keysEmpty}`;
    const { keysLoaded, keysExpired } = builder;
    log.notice(`Done loading RDB, keys loaded: ${keysLoaded}, keys expired: ${keysExpired}${empty}.`);
    log.notice(`DB loaded from disk: ${((performance.now() - startedMs) / 1000).toFixed(3)} seconds`);
  }

  /**
   * The append-only files, if there are any. Throws an Error with the reason; the dataset may be half-loaded.
   */
  async appendOnly(directory: AofDirectory): Promise<void> {
    const { keyspace, log, config, applier } = this.#environment;
    directory.create();
    await directory.lock();
    if (!this.#readManifest(directory)) return;
    this.found = true;
    if (directory.missing !== null) {
      throw new Error(`The append log file ${directory.missing} doesn't exist: No such file or directory`);
    }
    const bytesTotal = directory.bytesTotal;
    log.notice('Loading DB in memory...');
    // The file says itself when a key has expired.
    const { dirty, deletesExpired } = keyspace;
    keyspace.seesExpired = true;
    keyspace.deletesExpired = false;
    try {
      const loaded = await loadAppendOnlyFiles(keyspace, directory, {
        build: this.buildOptions(false),
        allowTruncated: config.values['aof-load-truncated'],
        applier,
        notice: (message) => log.notice(message),
        warning: (message) => log.warning(message),
        progress: (read) => this.#progress(read, bytesTotal),
      });
      if (loaded.position !== null) this.fields = new Map(loaded.position);
      this.keysLoaded = loaded.keysLoaded;
    } finally {
      keyspace.seesExpired = false;
      keyspace.deletesExpired = deletesExpired;
      keyspace.dirty = dirty;
    }
  }

  buildOptions(skipExpired: boolean): BuildOptions {
    const { config, attributes, beforeReplace, takeLibraries, keyspace, log } = this.#environment;
    const verifyChecksum = config.values['rdbchecksum'] && !keyspace.switches.skipsChecksums;
    return {
      verifyChecksum,
      // A right checksum says that values are what a server wrote: nothing is in place before it was read.
      thorough: config.values['sanitize-dump-payload'] === 'yes' || !verifyChecksum,
      relaxed: config.values['rdb-version-check'] === 'relaxed',
      skipExpired,
      keyDelayMicros: config.values['key-load-delay'],
      attributes: attributes(),
      beforeReplace,
      takeLibraries,
      onEmpty: (key) => log.notice(`rdbLoadObject skipping empty key: ${printable(key)}`),
    };
  }

  #report(path: string): void {
    const { log, clock } = this.#environment;
    checkRdb(path, {
      nowMs: clock.wallMs(),
      print: (line) => log.warning(line),
      // That the server ends is said where it does.
      log: () => {},
    });
  }

  /** False when there is nothing to load. */
  #readManifest(directory: AofDirectory): boolean {
    const { log } = this.#environment;
    try {
      if (!directory.read()) {
        this.#warnOfRdb();
        return false;
      }
    } catch (error) {
      if (!(error instanceof AofManifestError)) throw error;
      log.warning('*** FATAL AOF MANIFEST FILE ERROR ***');
      if (error.text !== null) {
        log.warning(`Reading the manifest file, at line ${error.line}`);
        log.warning(`>>> '${error.text}'`);
      }
      throw error;
    }
    if (directory.migrated !== null) {
      const { migrated, path } = directory;
      log.notice(
        `Successfully migrated an old-style AOF configuration (${migrated}) into the AOF directory (${path}).`,
      );
    }
    return directory.manifest.base !== null || directory.manifest.increments.length !== 0;
  }

  /** As in Redis the append-only file alone counts, even when it is new; somebody may be surprised. */
  #warnOfRdb(): void {
    const { config, log } = this.#environment;
    const path = join(config.values['dir'], config.values['dbfilename']);
    if (!existsSync(path)) return;
    log.warning(`${path} is not loaded: appendonly is yes and there are no append-only files yet`);
  }

  #fresh(): Loading {
    return { startedMs: this.#environment.clock.wallMs(), bytesTotal: 0, bytesLoaded: 0 };
  }

  #progress(bytesLoaded: number, bytesTotal: number): void {
    const { keyspace, clock } = this.#environment;
    keyspace.setNow(clock.wallMs());
    if (this.current === null) return;
    this.current.bytesLoaded = bytesLoaded;
    this.current.bytesTotal = bytesTotal;
  }

  #logFields(fields: ReadonlyMap<string, string>): void {
    const { log, clock } = this.#environment;
    const version = fields.get('redis-ver') ?? fields.get('valkey-ver');
    if (version !== undefined) log.notice(`Loading RDB produced by version ${version}`);
    const created = Number(fields.get('ctime') ?? Number.NaN);
    if (Number.isSafeInteger(created)) {
      log.notice(`RDB age ${Math.max(0, Math.floor(clock.wallMs() / 1000) - created)} seconds`);
    }
    const used = Number(fields.get('used-mem') ?? Number.NaN);
    if (Number.isFinite(used)) log.notice(`RDB memory usage when created ${(used / 1048576).toFixed(2)} Mb`);
  }
}
