/** Files for logs that spill: in a folder, without a name as soon as they are open. */
import { close, openSync, read, unlinkSync, write, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { SpillDisk, SpillFile } from './spill.ts';

let opened = 0;

/** Files in the folder that `folder` names at the moment. */
export function spillDisk(folder: () => string): SpillDisk {
  return {
    open() {
      opened += 1;
      const path = join(folder(), `temp-spill-${process.pid}-${opened}`);
      const descriptor = openSync(path, 'wx+', 0o600);
      unlinkSync(path);
      return new NamelessFile(descriptor);
    },
  };
}

class NamelessFile implements SpillFile {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  write(bytes: Uint8Array, position: number, done: (error: Error | null) => void): void {
    write(this.#descriptor, bytes, 0, bytes.length, position, (error, count) => {
      if (error !== null || count === bytes.length) done(error);
      else this.write(bytes.subarray(count), position + count, done);
    });
  }

  writeNow(bytes: Uint8Array, position: number): void {
    for (let at = 0; at < bytes.length; ) {
      at += writeSync(this.#descriptor, bytes, at, bytes.length - at, position + at);
    }
  }

  read(bytes: Uint8Array, position: number, done: (error: Error | null) => void): void {
    read(this.#descriptor, bytes, 0, bytes.length, position, (error, count) => {
      if (error !== null || count === bytes.length) done(error);
      else if (count === 0) done(new Error('the spill file is shorter than what was written to it'));
      else this.read(bytes.subarray(count), position + count, done);
    });
  }

  close(): void {
    close(this.#descriptor, (error) => {
      // Its bytes are of no use to anybody: nothing is lost by it.
      if (error !== null) process.emitWarning(`closing a spill file: ${error.message}`);
    });
  }
}
