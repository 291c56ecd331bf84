/**
 * Cuts an append-only file into commands and annotations.
 *
 *   ... *3 SET .. *1 MULTI *3 SET .. │ *1 EXEC #TS:1700000000 *3 SE
 *                 └ validBytes                                └ left for the next feed
 *
 * Commands take effect as they come; between MULTI and EXEC the applier only collects them, so that
 * `validBytes` stays in front of MULTI until EXEC is there. What stands behind it at the end of the file was
 * cut off by a crash.
 */
import { type PositionFields, readPosition } from './aof-position.ts';

/** Runs commands of a file; filled from above. */
export interface CommandApplier {
  /** Database that the file selected last; 0 at its beginning. */
  database: number;
  /** The commands since MULTI wait for their EXEC. */
  readonly inTransaction: boolean;
  /** Where the last MULTI of the last call of `replay` began, -1 when there was none. */
  readonly multiAt: number;
  /** A script has been running for long and stands still: nothing may be run until it has ended. */
  readonly held: boolean;
  /**
   * Runs the whole commands of bytes[start, end) up to an annotation and returns the position behind the
   * last one. Throws `CommandFormatError` for what is no command, any other error for one that is refused.
   */
  replay(bytes: Uint8Array, start: number, end: number): number;
}

/** At `at` of the bytes stands no command. */
export class CommandFormatError extends Error {
  readonly at: number;
  constructor(at: number) {
    super('no command');
    this.at = at;
  }
}

/** Why a file cannot be loaded, in a sentence for the log. */
export class AofLoadError extends Error {}

const HASH = 35;
const LINE_FEED = 10;

export class AofScanner {
  /** Bytes of the file whose commands are in effect. */
  validBytes: number;
  /** What the last annotation said, null once commands followed it or before the first. */
  position: PositionFields | null = null;
  readonly #applier: CommandApplier;

  /** `offset`: where in the file the first command stands. */
  constructor(applier: CommandApplier, offset: number) {
    this.#applier = applier;
    this.validBytes = offset;
  }

  /** The file breaks off between MULTI and EXEC. */
  get insideTransaction(): boolean {
    return this.#applier.inTransaction;
  }

  /** A script of the file runs for long: it is fed again when this is over. */
  get held(): boolean {
    return this.#applier.held;
  }

  /**
   * Takes bytes[start, end), of which the first stands at `offset` of the file, and returns how far it came:
   * there the next feed begins. Throws `AofLoadError` for bytes that are no command, or what the applier
   * throws.
   */
  feed(bytes: Uint8Array, start: number, end: number, offset: number): number {
    let at = start;
    while (at < end) {
      const isLine = bytes[at] === HASH;
      const next = isLine ? this.#annotation(bytes, at, end) : this.#commands(bytes, at, end, offset - start);
      if (next === at) break;
      at = next;
      if (!this.#applier.inTransaction) this.validBytes = offset + at - start;
      if (this.#applier.held) break;
    }
    return at;
  }

  /** `fileStart`: where in the file bytes[0] stands. */
  #commands(bytes: Uint8Array, at: number, end: number, fileStart: number): number {
    const applier = this.#applier;
    try {
      const next = applier.replay(bytes, at, end);
      if (next === at) return at;
      this.position = null;
      // One transaction may have ended and the next one begun.
      if (applier.inTransaction && applier.multiAt >= 0) this.validBytes = fileStart + applier.multiAt;
      return next;
    } catch (error) {
      if (!(error instanceof CommandFormatError)) throw error;
      throw new AofLoadError(`no command at offset ${fileStart + error.at}`);
    }
  }

  /** The position behind the line at `at`, or `at` when its end is not there. */
  #annotation(bytes: Uint8Array, at: number, end: number): number {
    const feed = bytes.indexOf(LINE_FEED, at);
    if (feed < 0 || feed >= end) return at;
    const line = Buffer.from(bytes.buffer, bytes.byteOffset + at, feed - at).toString('latin1');
    this.position = readPosition(line) ?? this.position;
    return feed + 1;
  }
}
