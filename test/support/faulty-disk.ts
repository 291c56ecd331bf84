/**
 * A disk with faults for one server process: loaded before everything else (`node --import`), it stands
 * between `node:fs` and the server's code, in every thread. The server does not know of it.
 *
 *   DISK_ROOT     folder below which files count; everything else passes untouched
 *   DISK_JOURNAL  file that gets a record of every change and every fsync (disk-journal.ts)
 *   DISK_FSYNC    `usual,longest,seed` in ms: how long an fsync takes at random; the real one is not made
 *   DISK_RULES    file with a JSON array of `FaultRule`, read again whenever it changed
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { threadId } from 'node:worker_threads';
import { type DiskEvent, encodeRecord, journalMs } from './disk-journal.ts';
import type { FaultCall, FaultRule } from './fault-rule.ts';

const root = process.env['DISK_ROOT'] ?? '';
const journalPath = process.env['DISK_JOURNAL'];
const rulesPath = process.env['DISK_RULES'];
const real = { ...fs, promises: { ...fs.promises } };
const journal = journalPath === undefined ? -1 : real.openSync(journalPath, 'a');

function note(event: DiskEvent, payload?: Uint8Array): void {
  if (journal >= 0) real.writeSync(journal, encodeRecord(event, journalMs(), payload));
}

// How long an fsync takes.

const [usualMs = 0, longestMs = 0, seed = 1] = (process.env['DISK_FSYNC'] ?? '').split(',').map(Number);
const LONG_ONE_IN = 20;
let state = (seed + threadId * 7919) >>> 0;

function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 0x1_0000_0000;
}

function fsyncMs(): number {
  return random() < 1 / LONG_ONE_IN ? random() * longestMs : random() * usualMs;
}

// Which faults there are now.

let rules: readonly FaultRule[] = [];
let rulesText = '';
let matches: number[] = [];

function readRules(): void {
  if (rulesPath === undefined) return;
  const text = real.existsSync(rulesPath) ? real.readFileSync(rulesPath, 'utf8') : '[]';
  if (text === rulesText) return;
  rulesText = text;
  rules = JSON.parse(text) as FaultRule[];
  matches = rules.map(() => 0);
}

interface Fate {
  readonly delayMs: number;
  readonly bytesMax: number;
  readonly error: Error | null;
}

const FINE: Fate = { delayMs: 0, bytesMax: Number.POSITIVE_INFINITY, error: null };

function systemError(code: string, call: string, file: string): Error {
  const errno = -(os.constants.errno as Record<string, number>)[code]!;
  return Object.assign(new Error(`${code}: injected, ${call} '${file}'`), { code, errno, syscall: call });
}

/** What becomes of a call on this file. */
function fate(call: FaultCall, file: string): Fate {
  readRules();
  for (const [index, rule] of rules.entries()) {
    if (rule.call !== call || !file.includes(rule.path)) continue;
    const match = matches[index]!;
    matches[index] = match + 1;
    const { skip = 0, times = Number.POSITIVE_INFINITY, delayMs = 0, bytesMax, error } = rule;
    if (match < skip || match >= skip + times) continue;
    return {
      delayMs,
      bytesMax: bytesMax ?? FINE.bytesMax,
      error: error === undefined ? null : systemError(error, call, file),
    };
  }
  return FINE;
}

const pause = new Int32Array(new SharedArrayBuffer(4));

/** Lets a blocking call have its fate; the bytes it may write. */
function suffer(call: FaultCall, file: string): number {
  const { delayMs, bytesMax, error } = fate(call, file);
  if (delayMs > 0) Atomics.wait(pause, 0, 0, delayMs);
  if (error !== null) throw error;
  return bytesMax;
}

// Which files are open.

interface Opened {
  readonly path: string;
  readonly inode: number;
  readonly append: boolean;
  readonly folder: boolean;
  /** Where a write without a position goes. */
  position: number;
}

const opened = new Map<number, Opened>();

function counts(file: string): boolean {
  return root !== '' && (file === root || file.startsWith(`${root}/`));
}

/** The file behind a descriptor, which another thread may have opened; null when it does not count. */
function fileOf(descriptor: number): Opened | null {
  const stat = real.fstatSync(descriptor);
  const known = opened.get(descriptor);
  if (known !== undefined && known.inode === stat.ino) return known;
  opened.delete(descriptor);
  const file = real.readlinkSync(`/proc/self/fd/${descriptor}`);
  if (!counts(file)) return null;
  const found = { path: file, inode: stat.ino, append: true, folder: stat.isDirectory(), position: 0 };
  opened.set(descriptor, found);
  return found;
}

function absolute(place: unknown): string {
  return path.resolve(place instanceof URL ? fileURLToPath(place) : String(place));
}

function isWriting(flags: unknown): boolean {
  if (typeof flags === 'number') return (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR)) !== 0;
  return typeof flags === 'string' && /[wa+]/.test(flags);
}

function isAppending(flags: unknown): boolean {
  return typeof flags === 'number' ? (flags & fs.constants.O_APPEND) !== 0 : String(flags).includes('a');
}

function isTruncating(flags: unknown): boolean {
  return typeof flags === 'number' ? (flags & fs.constants.O_TRUNC) !== 0 : String(flags).includes('w');
}

/** Before an open: its file when it counts, and whether it is there. */
function beforeOpen(place: fs.PathLike, flags: unknown): { file: string; existed: boolean } | null {
  const file = absolute(place);
  if (!counts(file)) return null;
  suffer(isWriting(flags) ? 'open' : 'openToRead', file);
  return { file, existed: real.existsSync(file) };
}

function afterOpen(descriptor: number, before: { file: string; existed: boolean }, flags: unknown): void {
  const stat = real.fstatSync(descriptor);
  const { file, existed } = before;
  const folder = stat.isDirectory();
  opened.set(descriptor, { path: file, inode: stat.ino, append: isAppending(flags), folder, position: 0 });
  if (folder) return;
  note({ op: 'open', path: file, inode: stat.ino, created: !existed });
  if (existed && isTruncating(flags)) note({ op: 'truncate', inode: stat.ino, bytes: 0 });
}

function wrote(descriptor: number, file: Opened, bytes: Buffer, position: number | null): void {
  let offset = file.position;
  if (file.append) offset = real.fstatSync(descriptor).size - bytes.length;
  else if (position !== null) offset = position;
  else file.position += bytes.length;
  note({ op: 'write', inode: file.inode, offset, size: bytes.length }, bytes);
}

/** The bytes and the position that a call of `write` names. */
function toWrite(data: unknown, ...rest: unknown[]): { bytes: Buffer; position: number | null } {
  if (typeof data === 'string') {
    return { bytes: Buffer.from(data), position: typeof rest[0] === 'number' ? rest[0] : null };
  }
  const view = data as NodeJS.ArrayBufferView;
  const all = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  const options =
    typeof rest[0] === 'object' && rest[0] !== null ? (rest[0] as Record<string, number>) : null;
  const offset = Number(options?.['offset'] ?? (options === null ? rest[0] : 0) ?? 0);
  const length = Number(
    options?.['length'] ?? (options === null ? rest[1] : undefined) ?? all.length - offset,
  );
  const position = options?.['position'] ?? (options === null ? rest[2] : null);
  return {
    bytes: all.subarray(offset, offset + length),
    position: typeof position === 'number' ? position : null,
  };
}

let syncs = 0;

function syncBegins(file: Opened): string {
  syncs += 1;
  const id = `${threadId}.${syncs}`;
  note({ op: 'syncBegin', id, inode: file.inode, folder: file.folder ? file.path : null });
  return id;
}

// The calls that block.

type Patch = Record<string, unknown>;
const patched: Patch = {};

patched['openSync'] = (place: fs.PathLike, flags: fs.OpenMode = 'r', mode?: fs.Mode): number => {
  const before = beforeOpen(place, flags);
  const descriptor = real.openSync(place, flags, mode);
  if (before !== null) afterOpen(descriptor, before, flags);
  return descriptor;
};

patched['closeSync'] = (descriptor: number): void => {
  opened.delete(descriptor);
  real.closeSync(descriptor);
};

const writeSync = (descriptor: number, data: unknown, ...rest: unknown[]): number => {
  const file = fileOf(descriptor);
  const { bytes, position } = toWrite(data, ...rest);
  if (file === null) return real.writeSync(descriptor, bytes, 0, bytes.length, position);
  const count = Math.min(bytes.length, suffer('write', file.path));
  const done = real.writeSync(descriptor, bytes, 0, count, file.append ? null : position);
  wrote(descriptor, file, bytes.subarray(0, done), position);
  return done;
};
patched['writeSync'] = writeSync;

const syncNow = (descriptor: number): void => {
  const file = fileOf(descriptor);
  if (file === null) {
    real.fsyncSync(descriptor);
    return;
  }
  const id = syncBegins(file);
  Atomics.wait(pause, 0, 0, fsyncMs());
  suffer('fsync', file.path);
  note({ op: 'syncEnd', id });
};
patched['fsyncSync'] = syncNow;
patched['fdatasyncSync'] = syncNow;

const renameSync = (from: fs.PathLike, to: fs.PathLike): void => {
  const [source, target] = [absolute(from), absolute(to)];
  if (counts(source)) suffer('rename', source);
  real.renameSync(from, to);
  if (counts(source)) note({ op: 'rename', from: source, to: target });
};
patched['renameSync'] = renameSync;

const unlinkSync = (place: fs.PathLike): void => {
  const file = absolute(place);
  if (counts(file)) suffer('unlink', file);
  real.unlinkSync(place);
  if (counts(file)) note({ op: 'remove', path: file });
};
patched['unlinkSync'] = unlinkSync;

const rmSync = (place: fs.PathLike, options?: fs.RmOptions): void => {
  if (options?.recursive === true) throw new Error('not modelled: rm of a folder');
  if (options?.force === true && !real.existsSync(place)) return;
  unlinkSync(place);
};
patched['rmSync'] = rmSync;

const truncateSync = (place: fs.PathLike, bytes = 0): void => {
  const file = absolute(place);
  if (counts(file)) suffer('truncate', file);
  real.truncateSync(place, bytes);
  if (!counts(file)) return;
  const inode = real.statSync(file).ino;
  note({ op: 'open', path: file, inode, created: false });
  note({ op: 'truncate', inode, bytes });
};
patched['truncateSync'] = truncateSync;

const ftruncateSync = (descriptor: number, bytes = 0): void => {
  const file = fileOf(descriptor);
  if (file !== null) suffer('truncate', file.path);
  real.ftruncateSync(descriptor, bytes);
  if (file !== null) note({ op: 'truncate', inode: file.inode, bytes });
};
patched['ftruncateSync'] = ftruncateSync;

const mkdirSync = (place: fs.PathLike, options?: fs.MakeDirectoryOptions): void => {
  const file = absolute(place);
  const existed = real.existsSync(file);
  if (counts(file)) suffer('open', file);
  real.mkdirSync(place, options);
  if (counts(file) && !existed) note({ op: 'makeFolder', path: file });
};
patched['mkdirSync'] = mkdirSync;

const writeFileSync = (place: fs.PathOrFileDescriptor, data: string | Uint8Array, append: boolean): void => {
  if (typeof place === 'number') {
    writeSync(place, data);
    return;
  }
  const descriptor = (patched['openSync'] as typeof fs.openSync)(place, append ? 'a' : 'w', 0o666);
  try {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
  } finally {
    (patched['closeSync'] as typeof fs.closeSync)(descriptor);
  }
};
patched['writeFileSync'] = (place: fs.PathOrFileDescriptor, data: string | Uint8Array): void =>
  writeFileSync(place, data, false);
patched['appendFileSync'] = (place: fs.PathOrFileDescriptor, data: string | Uint8Array): void =>
  writeFileSync(place, data, true);

// The calls that go on in the background: the same, a turn later; an fsync takes its time there.

type Callback = (error: Error | null, ...results: unknown[]) => void;

function later(work: (...args: never[]) => unknown): (...args: unknown[]) => void {
  return (...args) => {
    const callback = args.pop() as Callback;
    let error: Error | null = null;
    let result: unknown;
    try {
      result = (work as (...all: unknown[]) => unknown)(...args);
    } catch (failure) {
      error = failure as Error;
    }
    setImmediate(() => (error === null ? callback(null, result) : callback(error)));
  };
}

patched['open'] = later(patched['openSync'] as typeof fs.openSync);
patched['close'] = later(patched['closeSync'] as typeof fs.closeSync);
patched['write'] = later(writeSync);
patched['writev'] = later((descriptor: number, views: readonly Uint8Array[], position?: number) =>
  writeSync(descriptor, Buffer.concat(views), 0, undefined, position),
);
patched['rename'] = later(renameSync);
patched['unlink'] = later(unlinkSync);
patched['rm'] = later(rmSync);
patched['truncate'] = later(truncateSync);
patched['ftruncate'] = later(ftruncateSync);
patched['mkdir'] = later(mkdirSync);

function syncLater(descriptor: number, callback: Callback): void {
  const file = fileOf(descriptor);
  if (file === null) {
    real.fsync(descriptor, callback);
    return;
  }
  const id = syncBegins(file);
  const { delayMs, error } = fate('fsync', file.path);
  setTimeout(() => {
    if (error === null) note({ op: 'syncEnd', id });
    callback(error);
  }, delayMs + fsyncMs());
}
patched['fsync'] = syncLater;
patched['fdatasync'] = syncLater;

// node:fs/promises and its file handles.

function promised(work: (...args: never[]) => unknown): (...args: unknown[]) => Promise<unknown> {
  return async (...args) => (work as (...all: unknown[]) => unknown)(...args);
}

interface Handle {
  readonly fd: number;
}

function patchHandle(handle: object): void {
  const prototype = Object.getPrototypeOf(handle) as Patch;
  if (prototype['redwarden'] === true) return;
  const sync = function (this: Handle): Promise<void> {
    return new Promise((resolve, reject) => {
      syncLater(this.fd, (error) => (error === null ? resolve() : reject(error)));
    });
  };
  const { close } = prototype as { close(): Promise<void> };
  Object.assign(prototype, {
    redwarden: true,
    sync,
    datasync: sync,
    async write(this: Handle, data: Uint8Array, ...rest: unknown[]) {
      return { bytesWritten: writeSync(this.fd, data, ...rest), buffer: data };
    },
    async writeFile(this: Handle, data: string | Uint8Array) {
      writeFileSync(this.fd, data, false);
    },
    async truncate(this: Handle, bytes?: number) {
      ftruncateSync(this.fd, bytes);
    },
    close(this: Handle) {
      opened.delete(this.fd);
      return close.call(this);
    },
  });
}

const promises: Patch = {
  async open(place: fs.PathLike, flags: fs.OpenMode = 'r', mode?: fs.Mode) {
    const before = beforeOpen(place, flags);
    const handle = await real.promises.open(place, flags as string, mode);
    patchHandle(handle);
    if (before !== null) afterOpen(handle.fd, before, flags);
    return handle;
  },
};
for (const name of ['rename', 'unlink', 'rm', 'truncate', 'mkdir', 'writeFile', 'appendFile']) {
  promises[name] = promised(patched[`${name}Sync`] as () => unknown);
}

Object.assign(fs.promises, promises);
Object.assign(fs, patched);
syncBuiltinESMExports();
