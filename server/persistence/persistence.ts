/**
 * Persistence of one server: what is loaded at start, what is saved when, what may be acknowledged.
 *
 *   load()         RDB or append-only files, before clients are served
 *   flushTurn()    at the end of every turn, before its replies leave
 *   tick()         some ten times a second
 *   shutdown()     the last save
 * The parts: snapshot.ts (iterator), background-save.ts (RDB file), append-only-file.ts (AOF), rdb-load.ts
 * (datasets).
 */
import { messageOf } from '../config/failure.ts';
import { AofDirectory } from './aof-directory.ts';
import { positionAnnotation } from './aof-position.ts';
import { AofWriter, timestampLine } from './aof-writer.ts';
import { AppendOnlyFile } from './append-only-file.ts';
import { BackgroundSave } from './background-save.ts';
import { ChunkThread } from './chunk-thread.ts';
import { CommandSink, CommandWriter } from './command-sink.ts';
import { DatasetLoading, type Loading } from './dataset-loading.ts';
import { DirectoryLock } from './directory-lock.ts';
import { persistenceInfo } from './persistence-info.ts';
import type { PersistenceOptions } from './persistence-options.ts';
import { LIBRARY_FIELD, writtenVersion } from './rdb-format.ts';
import { DatasetBuilder, type Merging, REPLACING } from './rdb-load.ts';
import { type RdbForm, type SaveForm, type SaveOptions, saveDataset } from './rdb-save.ts';
import type { AccessAttributes } from './record-writer.ts';
import { Snapshots } from './snapshot.ts';

/** What SHUTDOWN asks for. */
export interface LastSave {
  /** null: when save points are set. */
  readonly save: boolean | null;
  /** Do not wait for anybody. */
  readonly now: boolean;
  /** End even when something cannot be saved. */
  readonly force: boolean;
}

const POSITION_INTERVAL_MS = 1000;

/** Why the server cannot take writes: the last save failed, or the append-only file cannot be written. */
export type DiskTrouble = { readonly kind: 'rdb' } | { readonly kind: 'aof'; readonly message: string };

export class Persistence {
  readonly snapshots: Snapshots;
  readonly save: BackgroundSave;
  readonly aof: AppendOnlyFile;
  readonly loads: DatasetLoading;
  /** A replica loads its primary's dataset and lets clients know. */
  syncLoading: (Loading & { readonly serves: boolean }) | null = null;
  readonly #options: PersistenceOptions;
  readonly #writer: AofWriter;
  readonly #lock = new DirectoryLock();
  #positionNotedMs = 0;
  #positionNotedOffset = 0;

  constructor(options: PersistenceOptions) {
    this.#options = options;
    const { config, log, keyspace, clock } = options;
    this.loads = new DatasetLoading({
      config,
      log,
      keyspace,
      clock,
      applier: () => options.applier(),
      attributes: () => this.accessAttributes,
      isPrimary: () => options.isPrimary(),
      takeLibraries: (codes, merging) => options.libraries?.take(codes, merging),
      beforeReplace: () => this.snapshots.cancelAll('the dataset was replaced'),
    });
    const { values } = config;
    this.snapshots = new Snapshots(keyspace, {
      monotonicMs: () => clock.monotonicMs(),
      activity: () => options.stats.totalCommandsProcessed,
      attributes: () => this.accessAttributes,
      keyDelayUs: () => Number(values['rdb-key-save-delay']),
      spillFolder: () => values['dir'],
      midway: () => options.midway?.() === true,
      output: (events, broken) => new ChunkThread(events, broken),
    });
    this.#writer = this.#makeWriter();
    this.aof = this.#makeAof();
    this.save = new BackgroundSave({
      log,
      snapshots: this.snapshots,
      keyspace,
      nowMs: () => clock.wallMs(),
      place: () => ({ folder: values['dir'], file: values['dbfilename'] }),
      rdb: () => this.#format(),
      attributes: () => this.accessAttributes,
      fields: () => [...this.rdbFields(), ...options.replicationFields(), ['aof-base', '0']],
      points: () => values['save'],
    });
    this.#listen();
  }

  /** Bytes appended to the AOF since the start: replies note it when they are made. */
  get offset(): number {
    return this.#writer.offset;
  }

  /** Replies noted at or below this may leave. */
  get releasedOffset(): number {
    return this.#writer.releasedOffset;
  }

  /** Whether the files hold, safe from a crash, all that was appended up to `offset`. */
  isInFile(offset: number): boolean {
    return this.aof.state === 'on' && this.#writer.syncedOffset >= offset;
  }

  /** Offset of the replication stream up to which the files are safe from a crash; -1: there are none. */
  get filedStreamOffset(): number {
    return this.aof.state === 'on' ? this.#writer.syncedStreamOffset : -1;
  }

  /** What is being loaded, null when all is. */
  get loading(): Loading | null {
    return this.loads.current;
  }

  /**
   * Why commands may have to wait: `loading`: there is no dataset to serve; `async`: there is one, and a
   * replica loads another beside it.
   */
  get unready(): 'loading' | 'async' | null {
    if (this.loading !== null) return 'loading';
    if (this.syncLoading === null) return null;
    return this.syncLoading.serves ? 'async' : 'loading';
  }

  /** What the files said of themselves at start, such as repl-id. */
  get loadedFields(): ReadonlyMap<string, string> {
    return this.loads.fields;
  }

  /** Loads the dataset and opens the AOF. Throws an Error whose message is the last line of the log. */
  async load(): Promise<void> {
    const { values } = this.#options.config;
    // Who never saves by itself may share the folder with others that do not.
    if (values['save'].length !== 0) {
      await this.#lock.take(values['dir'], values['dbfilename'], values['dbfilename']);
    }
    if (values['save'].length !== 0 || values['appendonly']) ChunkThread.warmUp();
    if (!values['appendonly']) {
      try {
        await this.loads.run(() => this.loads.rdb(REPLACING));
      } catch (error) {
        this.#options.log.warning('Terminating server after rdb file reading failure.');
        throw error;
      }
      return;
    }
    await this.loads.run(() => this.loads.appendOnly(this.aof.directory));
    this.aof.begin((path) => this.#saveBase(path));
  }

  /**
   * DEBUG RELOAD: saves, and loads what was saved. Why it failed, or null; then the dataset is as it was, but
   * for what a merge had read before.
   */
  async reload(save: boolean, merging: Merging): Promise<string | null> {
    if (this.loading !== null) return 'the dataset is being loaded';
    const failure = save ? this.save.saveNow() : null;
    return failure ?? (await this.#loadAgain(() => this.loads.rdb(merging)));
  }

  /** DEBUG LOADAOF: empties the dataset and loads the append-only files. Why it failed, or null. */
  async reloadAof(): Promise<string | null> {
    if (this.loading !== null) return 'the dataset is being loaded';
    const { keyspace, attach, detach } = this.#options;
    const { attached } = this.aof;
    if (!this.#writer.writeNow()) return 'the append-only file cannot be written';
    // What is replayed stands in the files already.
    if (attached) detach(this.#writer);
    this.#options.silence?.(true);
    keyspace.flushAll();
    const failure = await this.#loadAgain(() => this.loads.appendOnly(this.aof.directory));
    this.#options.silence?.(false);
    if (attached) attach(this.#writer);
    if (failure === null) keyspace.dirty = 0;
    return failure;
  }

  async #loadAgain(load: () => Promise<void>): Promise<string | null> {
    try {
      await this.loads.run(load);
      return null;
    } catch (error) {
      this.#options.log.warning(messageOf(error));
      return messageOf(error);
    }
  }

  flushTurn(): void {
    this.#writer.flushTurn();
  }

  tick(nowMs: number): void {
    if (nowMs - this.#positionNotedMs >= POSITION_INTERVAL_MS || nowMs < this.#positionNotedMs) {
      this.#positionNotedMs = nowMs;
      this.#notePosition();
    }
    this.#writer.tick();
    // What is loaded so far is no dataset.
    if (this.loading !== null || this.#options.midway?.() === true) return;
    this.save.tick(nowMs);
    this.aof.tick(nowMs);
  }

  /** What stands in the way of writes, null when nothing does. */
  get trouble(): DiskTrouble | null {
    const { values } = this.#options.config;
    if (this.#writer.lastWriteError !== null) return { kind: 'aof', message: this.#writer.lastWriteError };
    const stops = values['stop-writes-on-bgsave-error'] && values['save'].length !== 0;
    return stops && !this.save.lastOk ? { kind: 'rdb' } : null;
  }

  /** For a replica's full sync: an empty dataset beside the one that serves. It keeps expired keys. */
  syncBuilder(): DatasetBuilder {
    return new DatasetBuilder(this.#options.keyspace, this.loads.buildOptions(false));
  }

  /** To be called when that dataset is in place: the append-only file begins anew. */
  datasetReplaced(): void {
    this.aof.datasetReplaced();
  }

  /** Fields of the header of every RDB, but for those of the replication. */
  rdbFields(): (readonly [name: string, value: string])[] {
    const { keyspace, clock, serverVersion, libraries } = this.#options;
    const codes = [...(libraries?.codes() ?? [])];
    return [
      ['redis-ver', serverVersion],
      ['redis-bits', '64'],
      ['ctime', String(Math.floor(clock.wallMs() / 1000))],
      ['used-mem', String(keyspace.arena.usedBytes)],
      ...codes.map((code) => [LIBRARY_FIELD, Buffer.from(code).toString('latin1')] as const),
    ];
  }

  /** Which access attributes records carry in files and are restored from them: by maxmemory-policy. */
  get accessAttributes(): AccessAttributes {
    const policy = String(this.#options.config.values['maxmemory-policy']);
    if (policy.endsWith('lru')) return 'idle';
    return policy.endsWith('lfu') ? 'frequency' : 'none';
  }

  /** FLUSHALL begins: a BGSAVE that runs would only save what goes away. */
  beforeFlushAll(): void {
    this.save.cancel('FLUSHALL');
  }

  /** FLUSHALL is done: with save points the file on disk becomes empty as well, at once; true when it did. */
  afterFlushAll(): boolean {
    if (this.loading !== null || this.#options.config.values['save'].length === 0) return false;
    this.save.saveNow();
    return true;
  }

  /**
   * The end: stops snapshots, saves, closes the AOF. Nobody may be served until it is over. Returns why it
   * must not end, in the words of the log; null when it may, also because it was forced.
   */
  async shutdown(options: LastSave): Promise<string | null> {
    const { config, log } = this.#options;
    const wanted = options.save ?? config.values['save'].length !== 0;
    if (this.snapshots.has('save')) log.warning('There is a child saving an .rdb. Killing it!');
    this.save.cancel('the server ends');
    const unwritten = this.aof.state === 'waiting' ? this.#finishInitialAof(options) : null;
    if (unwritten !== null) return unwritten;
    if (this.aof.rewriting) log.warning('There is a child rewriting the AOF. Killing it!');
    this.snapshots.cancelAll('the server ends');
    if (this.aof.state === 'on') log.notice('Calling fsync() on the AOF file.');
    if (wanted) {
      log.notice('Saving the final RDB snapshot before exiting.');
      if ((await this.save.finish()) !== null) {
        if (!options.force) return "Error trying to save the DB, can't exit.";
        log.warning('Error trying to save the DB. Exit anyway.');
      }
    }
    this.close();
    return null;
  }

  /** The files on disk do not describe the dataset yet: without them it would be gone. */
  #finishInitialAof({ save, now, force }: LastSave): string | null {
    const { log } = this.#options;
    if (this.aof.rewriting && !force) return "Writing initial AOF, can't exit.";
    if (force && (now || save === false)) {
      log.warning('Writing initial AOF. Exit anyway.');
      return null;
    }
    log.notice('Writing initial AOF before exiting.');
    try {
      this.aof.completeNow((path) => this.#saveBase(path));
    } catch (error) {
      const reason = `The initial AOF cannot be written: ${messageOf(error)}`;
      if (!force) return reason;
      log.warning(reason);
    }
    return null;
  }

  /** Closes the AOF as it is. */
  close(): void {
    this.snapshots.cancelAll('the server ends');
    this.#positionNotedOffset = -1;
    if (this.aof.state === 'on') this.#notePosition();
    this.aof.disable();
    this.aof.directory.close();
    this.#lock.release();
  }

  /** INFO persistence: `field:value`. */
  infoLines(): string[] {
    return persistenceInfo(this, this.#options.keyspace, this.#options.clock.wallMs());
  }

  /** Notes in the AOF where in the history of replication it stands, if anything was appended since. */
  #notePosition(): void {
    if (!this.#writer.isOpen || this.#writer.offset === this.#positionNotedOffset) return;
    const annotation = positionAnnotation(this.#options.replicationFields());
    if (annotation !== null) this.#writer.annotate(annotation);
    this.#positionNotedOffset = this.#writer.offset;
  }

  #listen(): void {
    const { config } = this.#options;
    config.onChange('appendonly', (on) => {
      if (!on) {
        this.aof.disable();
        // Who waits for the file has to be told.
        this.#options.onReleased();
      } else {
        const failure = this.#enableAof();
        if (failure !== null) return failure;
      }
      return undefined;
    });
    config.onChange('aof-disable-auto-gc', () => {
      this.aof.removeHistory();
      return undefined;
    });
    config.onChange('appendfsync', () => {
      this.#writer.flushTurn();
      this.#options.onReleased();
      return undefined;
    });
  }

  #enableAof(): string | null {
    try {
      this.aof.directory.create();
      this.aof.directory.read();
    } catch (error) {
      return messageOf(error);
    }
    if (!this.aof.enable(this.#options.inUnit())) return 'Unable to turn on AOF. Check server logs.';
    this.aof.directory.lock().catch((error: unknown) => {
      this.#options.log.warning(`The append-only file is turned off: ${messageOf(error)}`);
      this.#options.config.assign('appendonly', false);
    });
    return null;
  }

  #makeWriter(): AofWriter {
    const { config, log, clock, fatal, onReleased } = this.#options;
    const { values } = config;
    return new AofWriter({
      policy: () => values['appendfsync'],
      timestamps: () => values['aof-timestamp-enabled'],
      quiet: () => values['no-appendfsync-on-rewrite'] && this.snapshots.active,
      busy: () => this.snapshots.active,
      latency: () => this.#options.latency?.() ?? null,
      nowMs: () => clock.wallMs(),
      turnMs: () => this.#options.keyspace.nowMs,
      streamOffset: () => this.#options.streamOffset(),
      log: (level, message) => log.write(level, message),
      onDoubtful: () => this.aof.doubtful(),
      fatal,
      onReleased,
    });
  }

  #makeAof(): AppendOnlyFile {
    const { config, log, clock } = this.#options;
    const { values } = config;
    const directory = new AofDirectory(
      () => values['dir'],
      values['appenddirname'],
      values['appendfilename'],
      () => this.#options.latency?.() ?? null,
    );
    return new AppendOnlyFile(directory, this.#writer, {
      log,
      snapshots: this.snapshots,
      nowMs: () => clock.wallMs(),
      rdb: () => this.#format(),
      form: () => (values['aof-use-rdb-preamble'] ? 'rdb' : 'aof'),
      asCommands: (target) => new CommandSink(this.#options.keyspace, target, this.#timestamp()),
      fields: () => this.rdbFields(),
      keepsHistory: () => values['aof-disable-auto-gc'],
      streamOffset: () => this.#options.streamOffset(),
      attach: () => this.#options.attach(this.#writer),
      detach: () => this.#options.detach(this.#writer),
      autoRewrite: () => ({
        percentage: Number(values['auto-aof-rewrite-percentage']),
        bytesMin: Number(values['auto-aof-rewrite-min-size']),
      }),
    });
  }

  /** The base of an AOF that is new: what is there, mostly nothing. */
  #saveBase(path: string): void {
    const { keyspace, config } = this.#options;
    const options: SaveOptions = {
      ...this.#format(),
      attributes: this.accessAttributes,
      fields: [...this.rdbFields(), ['aof-base', '1']],
    };
    const commands: SaveForm = (put) => {
      const writer = new CommandWriter(keyspace, put, this.#timestamp());
      return (chunk) => writer.feed(chunk);
    };
    const form = config.values['aof-use-rdb-preamble'] ? undefined : commands;
    saveDataset(keyspace, this.aof.directory.temporaryBase(process.pid), path, options, form);
  }

  /** What a base of commands begins with, an annotation or nothing. */
  #timestamp(): string {
    const { config, clock } = this.#options;
    return config.values['aof-timestamp-enabled'] ? timestampLine(clock.wallMs()) : '';
  }

  #format(): RdbForm {
    const { keyspace } = this.#options;
    const { values } = this.#options.config;
    return {
      version: writtenVersion(Number(values['rdb-version']), keyspace.fieldsExpire),
      compression: values['rdbcompression'],
      checksum: values['rdbchecksum'],
      incrementalFsync: values['rdb-save-incremental-fsync'],
    };
  }
}
