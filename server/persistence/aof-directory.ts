/**
 * The folder of the append-only files (`appenddirname`) and its manifest. Every change of the manifest goes
 * to a temporary file, is synced, renamed and synced again with its folder before anything relies on it. All
 * calls block: they are few, and what follows them must not start earlier.
 */
import {
  close,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { syncFolder, writeWhole } from '../config/replace-file.ts';
import { systemMessage } from '../config/system-message.ts';
import {
  type AofFile,
  type AofManifest,
  EMPTY_MANIFEST,
  formatManifest,
  parseManifest,
  withBase,
  withIncrement,
  withoutHistory,
} from './aof-manifest.ts';
import { DirectoryLock } from './directory-lock.ts';

/** Takes how long a call took, for LATENCY. */
export type LatencyNote = (event: string, milliseconds: number) => void;

/** The new manifest is in its place, but a power cut may bring back the old one: both have to hold. */
export class ManifestUnsynced extends Error {}

export class AofDirectory {
  /** First part of all names: `appendfilename`. */
  readonly prefix: string;
  manifest: AofManifest = EMPTY_MANIFEST;
  /** The single file of an older version that `read` took over, null when there was none. */
  migrated: string | null = null;
  readonly #parent: () => string;
  readonly #name: string;
  readonly #latency: () => LatencyNote | null;
  readonly #lock = new DirectoryLock();

  /**
   * `parent` tells `dir`, which may change, `name` is `appenddirname`. `latency` tells who wants to know how
   * long the calls took that block: null for nobody.
   */
  constructor(parent: () => string, name: string, prefix: string, latency: () => LatencyNote | null) {
    this.#parent = parent;
    this.#name = name;
    this.prefix = prefix;
    this.#latency = latency;
  }

  /** The folder itself. */
  get path(): string {
    return join(this.#parent(), this.#name);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  get manifestPath(): string {
    return this.file(`${this.prefix}.manifest`);
  }

  /** Where changes go while a first rewrite runs that the manifest does not know of yet. */
  get temporaryIncrement(): string {
    return this.file(`temp-${this.prefix}.incr`);
  }

  /** Where the rewrite of this process writes its base. */
  temporaryBase(pid: number): string {
    return this.file(`temp-${this.prefix}.${pid}.base`);
  }

  /** The first file of the manifest that is not there, null when all are. */
  get missing(): string | null {
    const { base, increments } = this.manifest;
    const files = base === null ? increments : [base, ...increments];
    return files.find((file) => !existsSync(this.file(file.name)))?.name ?? null;
  }

  /** Bytes of a file, 0 when it does not exist. */
  bytes(name: string): number {
    const stat = this.#timed('aof-fstat', () => statSync(this.file(name), { throwIfNoEntry: false }));
    return stat?.size ?? 0;
  }

  /** Bytes of all files that the manifest needs. */
  get bytesTotal(): number {
    const { base, increments } = this.manifest;
    let total = base === null ? 0 : this.bytes(base.name);
    for (const file of increments) total += this.bytes(file.name);
    return total;
  }

  /** Creates the folder when it is not there. */
  create(): void {
    if (existsSync(this.path)) return;
    mkdirSync(this.path, { mode: 0o755 });
    syncFolder(this.#parent());
  }

  /** Makes sure that no other process of this machine uses these files. Rejects when another does. */
  lock(): Promise<void> {
    return this.#lock.take(this.path, this.prefix, 'the append-only files');
  }

  /**
   * Reads the manifest; false when there is none. A single file of a version before 7.0 becomes the base of a
   * new one. Throws `AofManifestError`.
   */
  read(): boolean {
    const found = existsSync(this.manifestPath);
    if (found) this.manifest = parseManifest(readFileSync(this.manifestPath, 'latin1'));
    return this.#takeOver() || found;
  }

  /** Moves the single file of an older version into the folder; goes on where a crash broke that off. */
  #takeOver(): boolean {
    const old = join(this.#parent(), this.prefix);
    const { base, increments } = this.manifest;
    const begun = base?.name === this.prefix && !existsSync(this.file(this.prefix));
    if (increments.length !== 0 || (base !== null && !begun) || !existsSync(old)) return false;
    this.write({ ...EMPTY_MANIFEST, base: { name: this.prefix, sequence: 1 }, baseSequence: 1 });
    renameSync(old, this.file(this.prefix));
    syncFolder(this.path);
    syncFolder(this.#parent());
    this.migrated = old;
    return true;
  }

  /**
   * Puts a manifest in the place of the old one. Throws when that fails; then the old one holds, unless it is
   * `ManifestUnsynced`.
   */
  write(manifest: AofManifest): void {
    const temporary = this.file(`temp-${this.prefix}.manifest`);
    writeWhole(temporary, Buffer.from(formatManifest(manifest), 'latin1'));
    this.#timed('aof-rename', () => renameSync(temporary, this.manifestPath));
    this.manifest = manifest;
    try {
      syncFolder(this.path);
    } catch (error) {
      throw new ManifestUnsynced(`Fail to fsync AOF directory ${this.path}: ${systemMessage(error)}`);
    }
  }

  /**
   * Names a new base, and what a first rewrite has collected in the temporary increment (`takesTemporary`);
   * increments before `firstKept` become history. Returns the name that the temporary increment has now.
   * Throws when that fails; then the old manifest holds and `discard` was told of the files it does not know,
   * unless it is `ManifestUnsynced`.
   */
  swap(
    base: AofFile,
    firstKept: number,
    takesTemporary: boolean,
    discard: (name: string) => void,
  ): string | null {
    let { manifest } = this;
    let taken: string | null = null;
    try {
      if (takesTemporary) {
        manifest = withIncrement(manifest, this.prefix);
        const name = manifest.increments.at(-1)?.name as string;
        this.#timed('aof-rename', () => renameSync(this.temporaryIncrement, this.file(name)));
        taken = name;
      }
      this.write(withBase(manifest, base, firstKept));
      return taken;
    } catch (error) {
      if (!(error instanceof ManifestUnsynced)) {
        discard(base.name);
        if (taken !== null) discard(taken);
      }
      throw error;
    }
  }

  /** Deletes a file that no manifest names; why that failed, or null. */
  discard(name: string): string | null {
    try {
      rmSync(this.file(name), { force: true });
      return null;
    } catch (error) {
      return systemMessage(error);
    }
  }

  /**
   * Deletes the history and forgets it; `failed` gets what could not be deleted. The names go at once, the
   * space in the background: a file that is open keeps its content until it is closed, which may take long
   * for a large one.
   */
  removeHistory(failed: (message: string) => void): void {
    const { history } = this.manifest;
    if (history.length === 0) return;
    for (const { name } of history) {
      try {
        const descriptor = openSync(this.file(name), 'r');
        unlinkSync(this.file(name));
        close(descriptor, (error) => {
          if (error !== null) failed(`${name}: ${error.message}`);
        });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
          failed(`${name}: ${(error as Error).message}`);
      }
    }
    this.write(withoutHistory(this.manifest));
  }

  /** Deletes what a crash left over. */
  removeTemporary(): void {
    rmSync(this.temporaryIncrement, { force: true });
    const start = `temp-${this.prefix}.`;
    for (const name of readdirSync(this.path)) {
      const isBase = name.startsWith(start) && /^\d+\.base$/.test(name.slice(start.length));
      if (isBase) rmSync(this.file(name), { force: true });
    }
  }

  close(): void {
    this.#lock.release();
  }

  #timed<T>(event: string, work: () => T): T {
    const note = this.#latency();
    if (note === null) return work();
    const startedMs = performance.now();
    const result = work();
    note(event, performance.now() - startedMs);
    return result;
  }
}
