/**
 * What a disk may hold after the power failed: the events of a journal applied to a model that knows of every
 * file and folder what an fsync has made safe and what may still be lost.
 *
 *   file    safe bytes   + writes since the last fsync that began behind them and ended
 *   folder  safe entries + links and removals since
 * At a crash each file keeps any number of its latest writes, oldest first, the last of them torn anywhere;
 * each folder any number of its changes, oldest first. A file whose name was not made safe is gone with its
 * bytes, synced or not.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Prng } from '../../server/structures/prng.ts';
import type { DiskEvent, DiskRecord } from './disk-journal.ts';

/** What becomes of what was not synced: all is lost, all is kept (as when a process is killed), or chance. */
export type Loss = 'all' | 'nothing' | 'some';

interface FileChange {
  readonly offset: number;
  /** null: the file is cut at `offset`. */
  readonly bytes: Buffer | null;
}

class ModelFile {
  safe: Buffer = Buffer.alloc(0);
  changes: FileChange[] = [];
  /** Changes made safe so far: what an fsync covers is counted from the beginning. */
  safeCount = 0;

  settle(count: number): void {
    const covered = Math.max(0, count - this.safeCount);
    this.safe = applyChanges(this.safe, this.changes.splice(0, covered));
    this.safeCount += covered;
  }

  content(loss: Loss, random: Prng): Buffer {
    if (loss === 'all') return this.safe;
    const kept = loss === 'nothing' ? this.changes.length : random.below(this.changes.length + 1);
    const changes = this.changes.slice(0, kept);
    const torn = this.changes[kept];
    if (torn !== undefined && torn.bytes !== null) {
      changes.push({ ...torn, bytes: torn.bytes.subarray(0, random.below(torn.bytes.length + 1)) });
    }
    return applyChanges(this.safe, changes);
  }
}

function applyChanges(bytes: Buffer, changes: readonly FileChange[]): Buffer {
  if (changes.length === 0) return bytes;
  const ends = changes.map(({ offset, bytes: added }) => offset + (added?.length ?? 0));
  const out = Buffer.alloc(ends.reduce((most, end) => Math.max(most, end), bytes.length));
  bytes.copy(out);
  let { length } = bytes;
  for (const { offset, bytes: added } of changes) {
    if (added !== null) {
      added.copy(out, offset);
      length = Math.max(length, offset + added.length);
    } else {
      if (offset < length) out.fill(0, offset, length);
      length = offset;
    }
  }
  return out.subarray(0, length);
}

type Entry = ModelFile | ModelFolder;
interface FolderChange {
  readonly name: string;
  /** null: the name is gone. */
  readonly entry: Entry | null;
}

class ModelFolder {
  readonly safe = new Map<string, Entry>();
  readonly now = new Map<string, Entry>();
  /** Each change is one step of the file system: a rename takes one name away and gives another. */
  changes: (readonly FolderChange[])[] = [];
  safeCount = 0;

  change(...step: FolderChange[]): void {
    this.changes.push(step);
    applyStep(this.now, step);
  }

  settle(count: number): void {
    const covered = Math.max(0, count - this.safeCount);
    for (const step of this.changes.splice(0, covered)) applyStep(this.safe, step);
    this.safeCount += covered;
  }

  entries(loss: Loss, random: Prng): Map<string, Entry> {
    if (loss === 'all') return this.safe;
    if (loss === 'nothing') return this.now;
    const kept = new Map(this.safe);
    for (const step of this.changes.slice(0, random.below(this.changes.length + 1))) applyStep(kept, step);
    return kept;
  }
}

function applyStep(entries: Map<string, Entry>, step: readonly FolderChange[]): void {
  for (const { name, entry } of step) {
    if (entry === null) entries.delete(name);
    else entries.set(name, entry);
  }
}

export class DiskModel {
  readonly #root: string;
  readonly #folder: ModelFolder;
  readonly #files = new Map<number, ModelFile>();
  readonly #running = new Map<string, { target: Entry; count: number; atMs: number }>();
  /** The longest fsync that ended, ms. */
  longestSyncMs = 0;

  /** `root`: the path that the journal names; `base`: a copy of what it held at first, all of it safe. */
  constructor(root: string, base: string | null) {
    this.#root = root;
    this.#folder = base === null ? new ModelFolder() : folderOf(base);
  }

  /** When the fsync that runs longest began; undefined when none runs. */
  get oldestSyncMs(): number | undefined {
    const starts = [...this.#running.values()].map(({ atMs }) => atMs);
    return starts.length === 0 ? undefined : Math.min(...starts);
  }

  apply({ event, payload, atMs }: DiskRecord): void {
    switch (event.op) {
      case 'open':
        this.#open(event);
        return;
      case 'write':
        this.#file(event.inode).changes.push({ offset: event.offset, bytes: payload });
        return;
      case 'truncate':
        this.#file(event.inode).changes.push({ offset: event.bytes, bytes: null });
        return;
      case 'makeFolder':
        this.#parent(event.path).change({ name: path.basename(event.path), entry: new ModelFolder() });
        return;
      case 'rename':
        this.#rename(event.from, event.to);
        return;
      case 'remove':
        this.#parent(event.path).change({ name: path.basename(event.path), entry: null });
        return;
      case 'syncBegin': {
        const target = event.folder === null ? this.#file(event.inode) : this.#folderAt(event.folder);
        const count = target.safeCount + target.changes.length;
        this.#running.set(event.id, { target, count, atMs });
        return;
      }
      case 'syncEnd':
        this.#synced(event.id, atMs);
        return;
    }
    event satisfies never;
  }

  /** Writes what is left after a crash at this moment into an empty folder. */
  writeTo(folder: string, loss: Loss, random: Prng): void {
    const write = (source: ModelFolder, target: string): void => {
      for (const [name, entry] of source.entries(loss, random)) {
        const place = path.join(target, name);
        if (entry instanceof ModelFile) writeFileSync(place, entry.content(loss, random));
        else {
          mkdirSync(place);
          write(entry, place);
        }
      }
    };
    write(this.#folder, folder);
  }

  #synced(id: string, atMs: number): void {
    const sync = this.#running.get(id);
    if (sync === undefined) throw new Error(`fsync ${id} ends and never began`);
    this.#running.delete(id);
    sync.target.settle(sync.count);
    this.longestSyncMs = Math.max(this.longestSyncMs, atMs - sync.atMs);
  }

  #open(event: DiskEvent & { readonly op: 'open' }): void {
    const parent = this.#parent(event.path);
    const name = path.basename(event.path);
    const there = parent.now.get(name);
    if (there instanceof ModelFile) {
      this.#files.set(event.inode, there);
      return;
    }
    const file = new ModelFile();
    this.#files.set(event.inode, file);
    parent.change({ name, entry: file });
  }

  #rename(from: string, to: string): void {
    const [source, target] = [this.#parent(from), this.#parent(to)];
    const entry = source.now.get(path.basename(from));
    if (entry === undefined) throw new Error(`${from} is renamed and was never made`);
    const taken = { name: path.basename(from), entry: null };
    const given = { name: path.basename(to), entry };
    if (source === target) source.change(taken, given);
    else {
      target.change(given);
      source.change(taken);
    }
  }

  #file(inode: number): ModelFile {
    const file = this.#files.get(inode);
    if (file === undefined) throw new Error(`inode ${inode} was never opened`);
    return file;
  }

  #parent(place: string): ModelFolder {
    return this.#folderAt(path.dirname(place));
  }

  #folderAt(place: string): ModelFolder {
    let folder = this.#folder;
    for (const name of path.relative(this.#root, place).split('/')) {
      if (name === '') continue;
      const next = folder.now.get(name);
      if (!(next instanceof ModelFolder)) throw new Error(`${place} is no folder of the model`);
      folder = next;
    }
    return folder;
  }
}

/** A folder as it stands on the real disk, as safe content. */
function folderOf(place: string): ModelFolder {
  const folder = new ModelFolder();
  for (const name of readdirSync(place)) {
    const child = path.join(place, name);
    let entry: Entry;
    if (statSync(child).isDirectory()) entry = folderOf(child);
    else {
      entry = new ModelFile();
      entry.safe = readFileSync(child);
    }
    folder.safe.set(name, entry);
    folder.now.set(name, entry);
  }
  return folder;
}
