/**
 * What the server needs of a language for scripts, and what a script needs of the server. Engines know no
 * commands and no policy; the commands room knows no Lua.
 */
import type { Reply } from '../wire/reply.ts';
import type { Library, LibraryFunction } from './library.ts';
import type { Script } from './script.ts';

/** The words of a command, with the same meaning as those of the request parser. */
export interface ScriptWords {
  readonly bytes: Uint8Array;
  readonly argc: number;
  readonly argStart: Int32Array;
  readonly argLength: Int32Array;
  /** bytes[0, end) is the request in canonical RESP. */
  readonly end: number;
}

/** What a running script may ask for. */
export interface ScriptHost {
  /**
   * Runs a command. Its reply is RESP in the protocol the script chose, from 0 to `at`; valid until the next.
   */
  call(words: ScriptWords): Reply;
  /** Level 0 (debug) to 3 (warning). */
  log(level: number, message: Buffer): void;
  /** The protocol that replies are to have from now on; scripts begin with 2. */
  setProtocol(version: 2 | 3): void;
  /** Where effects go from now on: bit 0 the append-only file, bit 1 replicas. */
  setReplication(targets: number): void;
  /** Whether the script's user may run a command; null: there is no such command. */
  mayRun(words: ScriptWords): boolean | null;
}

/** How a script ended that did not end with a value. */
export interface ScriptFailure {
  /** With its code, as in `WRONGTYPE Operation …`. */
  readonly message: string;
  /** The line that failed; 0: not known, or it does not help. */
  readonly line: number;
}

export interface ScriptEngine {
  /** Makes ready; nothing else may be called before. Rejects when it cannot. */
  start(): Promise<void>;
  /** Undefined when the code compiles, else the compiler's words. */
  compile(code: Buffer): string | undefined;
  /**
   * Runs the script: of `words` those from `first` on are its keys (so many as `keyCount` says) and
   * arguments. Its value is written into `out` in the protocol of `out`; undefined then, else how it failed.
   */
  run(
    script: Script,
    words: ScriptWords | ScriptArguments,
    first: number,
    keyCount: number,
    out: Reply,
  ): ScriptFailure | undefined;
  /** Runs a library's code to see what it registers; a string is the error's text without its code. */
  describe(code: Buffer): readonly LibraryFunction[] | string;
  /** As `run`, for a function of a library. */
  runFunction(
    library: Library,
    entry: LibraryFunction,
    words: ScriptArguments,
    first: number,
    keyCount: number,
    out: Reply,
  ): ScriptFailure | undefined;
  /** Ends the script that runs; false when this engine cannot, or none runs. */
  kill(): boolean;
  /** Forgets everything that earlier scripts left behind. */
  flush(): void;
  readonly memoryBytes: number;
}

/** Words that lie somewhere, without a request around them. */
export type ScriptArguments = Omit<ScriptWords, 'end'>;
