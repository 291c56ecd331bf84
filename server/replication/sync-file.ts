/** The RDB file of a full sync through the disk: the one that BGSAVE writes, so it is there afterwards. */
import { close, fstatSync, openSync, read, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { FileSink } from '../persistence/file-sink.ts';
import type { ReadableBytes } from './log-cursor.ts';
import type { SyncFile } from './rdb-run.ts';

const READ_BYTES = 1024 * 1024;

/**
 * Writes under a temporary name until it is whole; throws when that is impossible. `temporary` is
 * rdb-del-sync-files: then the file has no name any more once it is read.
 */
export function syncFile(folder: string, name: string, pid: number, temporary: () => boolean): SyncFile {
  const path = join(folder, name);
  return {
    sink: new FileSink(join(folder, `temp-sync-${pid}.rdb`), path),
    open() {
      const file = new OpenSyncFile(path);
      if (temporary()) unlinkSync(path);
      return file;
    },
  };
}

class OpenSyncFile implements ReadableBytes {
  readonly end: number;
  readonly #descriptor: number;
  #reads = 0;
  #closed = false;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'r');
    this.end = fstatSync(this.#descriptor).size;
  }

  view(): null {
    return null;
  }

  read(position: number, done: (error: Error | null, bytes: Uint8Array) => void): void {
    const bytes = new Uint8Array(Math.min(READ_BYTES, this.end - position));
    this.#reads += 1;
    read(this.#descriptor, bytes, 0, bytes.length, position, (error, count) => {
      this.#reads -= 1;
      this.#closeIfIdle();
      const short = error === null && count === 0 ? new Error('the file became shorter') : error;
      done(short, bytes.subarray(0, count));
    });
  }

  close(): void {
    this.#closed = true;
    this.#closeIfIdle();
  }

  #closeIfIdle(): void {
    if (!this.#closed || this.#reads !== 0) return;
    close(this.#descriptor, (error) => {
      // Only read from: nothing is lost by it.
      if (error !== null) process.emitWarning(`closing the RDB of a full sync: ${error.message}`);
    });
  }
}
