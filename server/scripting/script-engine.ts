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
  /** bytes[start, end) is the request in canonical RESP. */
  readonly start: number;
  readonly end: number;
}

/** What the host says of a script that runs: go on, pause, or end with an error. */
export const GO_ON = 0;
export const LATE = 1;
export const KILLED = 2;
/** What a debugger asks of a script that stands still, beside them. */
export const EVALUATE = 3;
export const PRINT = 4;
export const TRACE = 5;

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
  /** Asked every few thousand instructions: GO_ON, LATE or KILLED. */
  tick(): number;
  /** The script stands still; resolves when it is to go on. */
  pause(): Promise<number>;
  /** It goes on: GO_ON, KILLED, or what a debugger asks for. */
  resumed(): number;
  /** The word that belongs to what the debugger asks for. */
  readonly debugWord: string;
  /** A debugged script is at a line: whether it stops. `isCount`: it has run on for some time. */
  stopsAt(line: number, isCount: boolean): boolean;
  /** A line for who debugs, or a line of the script. */
  debugSays(line: string | number): void;
  /** redis.breakpoint() */
  breakpoint(): void;
  /** A script has ended that `run` left suspended; `writeValue` or `failure` says how. */
  ended(state: RunState): void;
}

/** How a script ended that did not end with a value. */
export interface ScriptFailure {
  /** With its code, as in `WRONGTYPE Operation …`. */
  readonly message: string;
  /** What was being run, as in `@user_script`; '' when it is not known. */
  readonly place: string;
  readonly line: number;
  /** A command answered with it, and it was counted then. */
  readonly counted: boolean;
}

/** What an engine has made of a script; no business of anybody else. */
export interface Compiled {
  readonly machine: object;
  readonly ref: number;
}

/** Where a run stands: it waits in the middle, has a value, or has failed. */
export type RunState = 0 | 1 | 2;
export const RUN_SUSPENDED = 0;
export const RUN_VALUE = 1;
export const RUN_FAILURE = 2;

/** How a run is to be. */
export interface RunOptions {
  /** Of the client that the value is for. */
  readonly protocol: 2 | 3;
  /** The host is asked whether it is late. */
  readonly watched: boolean;
  /** The host is asked at every line. */
  readonly debugged: boolean;
}

export interface ScriptEngine {
  /** Makes ready; nothing else may be called before. Rejects when it cannot. */
  start(): Promise<void>;
  /** Compiles; undefined, or the compiler's words. */
  compile(script: Script): string | undefined;
  /** Frees what `compile` made. */
  forget(script: Script): void;
  /**
   * Runs the script: of `words` those from `first` on are its keys (so many as `keyCount` says) and
   * arguments. A script that is suspended ends later, which `ScriptHost.ended` is told.
   */
  run(script: Script, words: ScriptArguments, first: number, keyCount: number, options: RunOptions): RunState;
  /** Runs a library's code to see what it registers; a string is the error's text without its code. */
  describe(code: Buffer): readonly LibraryFunction[] | string;
  /** Frees the functions of a library. */
  forgetFunctions(functions: readonly LibraryFunction[]): void;
  /** As `run`, for a function of a library. */
  runFunction(
    library: Library,
    entry: LibraryFunction,
    words: ScriptArguments,
    first: number,
    keyCount: number,
    options: RunOptions,
  ): RunState;
  /** Writes the value that the last run ended with, its errors counted as those of the reply. */
  writeValue(out: Reply): void;
  /** How the last run failed. */
  failure(): ScriptFailure;
  /** Forgets everything that earlier scripts left behind. */
  flush(): void;
  /** What the values of scripts take, and those of functions. */
  readonly memoryBytes: number;
  readonly functionMemoryBytes: number;
}

/** Words that lie somewhere, without a request around them. */
export type ScriptArguments = Omit<ScriptWords, 'start' | 'end'>;
