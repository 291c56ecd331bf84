/**
 * Where logs put what memory has no room for: files of some size that lose their name as soon as they are
 * open, so that a crash leaves nothing behind, and that go when nobody needs their bytes any more. All logs
 * of a server share one bound, repl-spill-max.
 */

/** A file without a name. At most one write is under way; reads may overlap. */
export interface SpillFile {
  write(bytes: Uint8Array, position: number, done: (error: Error | null) => void): void;
  /** Blocking; throws. */
  writeNow(bytes: Uint8Array, position: number): void;
  /** `bytes` is filled, or there is an error. */
  read(bytes: Uint8Array, position: number, done: (error: Error | null) => void): void;
  close(): void;
}

export interface SpillDisk {
  /** Throws when no file can be made. */
  open(): SpillFile;
}

export interface SpillSizes {
  /** What memory holds of one log for slow readers, beyond what the log keeps anyway. */
  readonly memoryBytes: number;
  /** When so much more waits for the disk, appends wait for it too. */
  readonly writeBehindBytes: number;
  /** Size of a file; whole blocks of a log. */
  readonly segmentBytes: number;
}

const SIZES: SpillSizes = {
  memoryBytes: 16 * 1024 * 1024,
  writeBehindBytes: 32 * 1024 * 1024,
  segmentBytes: 64 * 1024 * 1024,
};

/** The room that all logs share. */
export class Spill {
  readonly sizes: SpillSizes;
  readonly #disk: SpillDisk;
  readonly #bytesMax: () => number;
  #usedBytes = 0;

  /** `bytesMax` is read at each use; 0: nothing may be spilled. */
  constructor(disk: SpillDisk, bytesMax: () => number, sizes = SIZES) {
    this.sizes = sizes;
    this.#disk = disk;
    this.#bytesMax = bytesMax;
  }

  get bytesMax(): number {
    return this.#bytesMax();
  }

  /** Bytes that stand in files. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  hasRoom(bytes: number): boolean {
    return this.#usedBytes + bytes <= this.#bytesMax();
  }

  take(bytes: number): void {
    this.#usedBytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  /** Throws when no file can be made. */
  openFile(): SpillFile {
    return this.#disk.open();
  }
}
