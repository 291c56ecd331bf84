/**
 * One Lua interpreter: the WebAssembly module of `lua/interpreter.c` with its own memory.
 *
 * `run` enters by a promising export, so that the count hook can suspend the script in the middle (through
 * everything: pcall, sort, metamethods). A script that was never late has ended when `run` returns; its value
 * or its error lies in the module's memory until the next one.
 */
import { brotliDecompressSync } from 'node:zlib';
import { formatDouble } from '../structures/double.ts';
import type { Reply } from '../wire/reply.ts';
import { interpreterPacked } from './generated/lua-interpreter.ts';
import { sha1Hex } from './script.ts';
import {
  KILLED,
  type RunOptions,
  type ScriptArguments,
  type ScriptFailure,
  type ScriptHost,
  type ScriptWords,
} from './script-engine.ts';

/** How a run ended, or that it has not. */
export const SUSPENDED = 0;
export const VALUE = 1;
export const FAILURE = 2;

/** Bits of the mode that `run` takes. */
const CLIENT_SPEAKS_3 = 1;
const IS_FUNCTION = 2;
const IS_WATCHED = 4;
const IS_DEBUGGED = 8;

// Places in the module's `facts`, see interpreter.c.
const BYTES_END = 1;
const WORD_COUNT = 2;
const STARTS = 3;
const LENGTHS = 4;
const PLACES = 5;
const REPLY = 6;
const REPLY_SIZE = 7;
const OUT = 8;
const OUT_LENGTH = 9;
const STATE = 10;
const LINE = 11;
const SOURCE = 12;
const SOURCE_LENGTH = 13;
const ERRORS = 14;
const FIRST_ERROR = 15;
const FACTS = 16;

const WORD_BYTES = 4;
/** Bytes that a loop copies faster than a call. */
const LOOP_BYTES = 32;
const SPACE = 32;
const CR = 13;
const MINUS = 45;
/** What WASI answers about files: there are none. */
const BAD_FILE = 8;

interface LuaExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  facts(): number;
  input(size: number): number;
  reserveReply(size: number): void;
  open(forFunctions: number): void;
  compile(length: number): number;
  release(ref: number): void;
  loadLibrary(length: number): number;
  run(ref: number, wordCount: number, keyCount: number, mode: number): number;
  usedBytes(): number;
  collect(): void;
}

type Imports = Record<string, Record<string, unknown>>;

/** What is used of WebAssembly; the library of ECMAScript does not declare it. */
interface WebAssemblyApi {
  compile(bytes: Uint8Array): Promise<object>;
  readonly Module: { imports(module: object): { readonly module: string; readonly name: string }[] };
  readonly Instance: new (module: object, imports: Imports) => { readonly exports: unknown };
  readonly Suspending: new (wait: () => Promise<number>) => object;
  promising(run: LuaExports['run']): (...words: Parameters<LuaExports['run']>) => Promise<number>;
}

const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyApi };

/** The module without a memory, compiled once. */
export type LuaCode = object;

export function compileInterpreter(): Promise<LuaCode> {
  return WebAssembly.compile(brotliDecompressSync(Buffer.from(interpreterPacked, 'base64')));
}

/** The words of a command where the interpreter has written them. */
class HeapWords implements ScriptWords {
  bytes: Buffer = Buffer.alloc(0);
  argc = 0;
  argStart: Int32Array = new Int32Array(0);
  argLength: Int32Array = new Int32Array(0);
  start = 0;
  end = 0;
}

/** What a library registers when it is loaded. */
export interface Registered {
  readonly ref: number;
  readonly flags: number;
  readonly name: string;
  readonly description: string | null;
}

export class LuaMachine {
  /** The words of the last call or the compiler. */
  message = '';
  /** A script stands still in the middle. */
  suspended = false;
  /** A script has run into what the interpreter cannot survive: it must not be used again. */
  broken = false;
  readonly #host: ScriptHost;
  readonly #exports: LuaExports;
  readonly #enter: (...words: Parameters<LuaExports['run']>) => Promise<number>;
  readonly #words = new HeapWords();
  /** Takes the state of a script that was suspended and has ended. */
  readonly #ended: (state: number) => void;
  /** When the library that is being loaded must have ended, in ms of `performance`; 0: none is. */
  #loadingUntilMs = 0;
  #heap: Buffer = Buffer.alloc(0);
  #facts = new Int32Array(0);
  #bug: unknown = null;

  /** `ended` is told when a script has ended that was suspended: VALUE or FAILURE. */
  constructor(code: LuaCode, host: ScriptHost, forFunctions: boolean, ended: (state: number) => void) {
    this.#host = host;
    this.#ended = ended;
    const instance = new WebAssembly.Instance(code, this.#imports(code));
    this.#exports = instance.exports as LuaExports;
    this.#enter = WebAssembly.promising(this.#exports.run);
    this.#exports._initialize();
    this.#exports.open(forFunctions ? 1 : 0);
    this.#refresh();
  }

  /** Bytes of the values that live in the interpreter. */
  get usedBytes(): number {
    return this.#exports.usedBytes();
  }

  /** Bytes of memory that the module holds; they never become fewer. */
  get heldBytes(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  /** What refers to the compiled function; -1: `message` says what is wrong. */
  compile(code: Uint8Array): number {
    this.#place(code);
    const ref = this.#exports.compile(code.length);
    if (ref < 0) this.#takeMessage();
    return ref;
  }

  release(ref: number): void {
    if (!this.broken) this.#exports.release(ref);
  }

  /** Frees at once what nothing refers to. */
  collect(): void {
    if (!this.broken && !this.suspended) this.#exports.collect();
  }

  /** What the library registers; a string is the error's text. */
  loadLibrary(code: Uint8Array, msMax: number): Registered[] | string {
    if (this.suspended) return 'Error registering functions: ERR a function is running';
    this.#place(code);
    this.#loadingUntilMs = performance.now() + msMax;
    const state = this.#exports.loadLibrary(code.length);
    this.#loadingUntilMs = 0;
    if (state === VALUE) return this.#readRegistered();
    this.#takeMessage();
    if (state !== FAILURE) return `Error compiling function: ${this.message}`;
    return `Error registering functions: ${this.message}`;
  }

  /**
   * Runs a compiled function with the words from `first` on, of which `keyCount` are keys: VALUE, FAILURE or
   * SUSPENDED.
   */
  run(
    ref: number,
    words: ScriptArguments,
    first: number,
    keyCount: number,
    options: RunOptions,
    isFunction: boolean,
  ): number {
    this.#placeWords(words, first);
    this.#bug = null;
    const mode =
      (options.protocol === 3 ? CLIENT_SPEAKS_3 : 0) |
      (isFunction ? IS_FUNCTION : 0) |
      (options.watched ? IS_WATCHED : 0) |
      (options.debugged ? IS_DEBUGGED : 0);
    const promise = this.#enter(ref, words.argc - first, keyCount, mode);
    this.#refresh();
    const state = this.#facts[STATE];
    if (state !== SUSPENDED) return state;
    // What went wrong in a command is no fault of the script.
    if (this.#bug !== null) {
      promise.catch(() => {});
      throw this.#bug;
    }
    if (this.suspended) {
      promise.then(this.#resumedTo, this.#crashedLater);
      return SUSPENDED;
    }
    // It has trapped already; why is only told later.
    this.broken = true;
    this.message = 'ERR Error running script: the interpreter failed';
    promise.catch((error: unknown) => this.#host.log(3, Buffer.from(`The interpreter failed: ${error}`)));
    return FAILURE;
  }

  /** Writes the value that the script ended with. */
  writeValue(out: Reply): void {
    const facts = this.#facts;
    const start = facts[OUT];
    const length = facts[OUT_LENGTH];
    const heap = this.#heap;
    out.reserve(length);
    if (length <= LOOP_BYTES) {
      const { buffer } = out;
      let at = out.at;
      for (let from = start; from < start + length; from++) buffer[at++] = heap[from];
      out.at = at;
    } else {
      heap.copy(out.buffer, out.at, start, start + length);
      out.at += length;
    }
    if (facts[ERRORS] === 0 && heap[start] !== MINUS) return;
    out.errors++;
    out.lastErrorCode = facts[ERRORS] === 0 ? '' : this.#codeAt(start + facts[FIRST_ERROR]);
  }

  /** How the script failed. */
  failure(): ScriptFailure {
    if (this.broken) return { message: this.message, place: '', line: 0, counted: false };
    const facts = this.#facts;
    this.#takeMessage();
    const source = facts[SOURCE];
    return {
      message: this.message,
      place: this.#heap.utf8Slice(source, source + facts[SOURCE_LENGTH]),
      line: facts[LINE],
      counted: facts[ERRORS] === 0,
    };
  }

  /** The module's memory has grown: what looked into the old one is of no use. */
  #refresh(): void {
    if (this.#heap.length !== 0) return;
    const { buffer } = this.#exports.memory;
    this.#heap = Buffer.from(buffer);
    this.#facts = new Int32Array(buffer, this.#exports.facts(), FACTS);
    this.#words.argStart = new Int32Array(0);
  }

  #place(bytes: Uint8Array): void {
    const address = this.#exports.input(bytes.length);
    this.#refresh();
    this.#heap.set(bytes, address);
  }

  #placeWords(words: ScriptArguments, first: number): void {
    const { argc, argStart, argLength, bytes } = words;
    let size = 0;
    for (let index = first; index < argc; index++) size += WORD_BYTES + argLength[index];
    let lengthAt = this.#exports.input(size);
    this.#refresh();
    const heap = this.#heap;
    let at = lengthAt + (argc - first) * WORD_BYTES;
    for (let index = first; index < argc; index++) {
      const length = argLength[index];
      const start = argStart[index];
      heap[lengthAt] = length & 255;
      heap[lengthAt + 1] = (length >>> 8) & 255;
      heap[lengthAt + 2] = (length >>> 16) & 255;
      heap[lengthAt + 3] = length >>> 24;
      lengthAt += WORD_BYTES;
      if (length <= LOOP_BYTES)
        for (let from = start; from < start + length; from++) heap[at++] = bytes[from];
      else {
        heap.set(bytes.subarray(start, start + length), at);
        at += length;
      }
    }
  }

  #takeMessage(): void {
    this.#refresh();
    const start = this.#facts[OUT];
    this.message = this.#heap.utf8Slice(start, start + this.#facts[OUT_LENGTH]);
  }

  #codeAt(start: number): string {
    const heap = this.#heap;
    let end = start;
    while (heap[end] !== SPACE && heap[end] !== CR) end++;
    return heap.latin1Slice(start, end);
  }

  #readRegistered(): Registered[] {
    this.#refresh();
    const heap = this.#heap;
    const registered: Registered[] = [];
    const end = this.#facts[OUT] + this.#facts[OUT_LENGTH];
    for (let at = this.#facts[OUT]; at < end; ) {
      const nameStart = at + 4 * WORD_BYTES;
      const nameEnd = nameStart + heap.readInt32LE(at + 2 * WORD_BYTES);
      const described = heap.readInt32LE(at + 3 * WORD_BYTES);
      registered.push({
        ref: heap.readInt32LE(at),
        flags: heap.readInt32LE(at + WORD_BYTES),
        name: heap.latin1Slice(nameStart, nameEnd),
        description: described < 0 ? null : heap.latin1Slice(nameEnd, nameEnd + described),
      });
      at = nameEnd + Math.max(described, 0);
    }
    return registered;
  }

  readonly #resumedTo = (state: number): void => {
    this.#refresh();
    this.suspended = false;
    this.#ended(state);
  };

  readonly #crashedLater = (error: unknown): void => {
    if (this.#bug !== null) throw this.#bug;
    this.suspended = false;
    this.broken = true;
    this.message = 'ERR Error running script: the interpreter failed';
    this.#host.log(3, Buffer.from(`The interpreter failed: ${error}`));
    this.#ended(FAILURE);
  };

  /** The words that `facts` tell of. */
  #wordsCalled(): HeapWords {
    this.#refresh();
    const words = this.#words;
    const facts = this.#facts;
    const heap = this.#heap;
    if (words.argStart.byteOffset !== facts[STARTS] || words.argStart.length !== facts[PLACES]) {
      words.argStart = new Int32Array(heap.buffer, facts[STARTS], facts[PLACES]);
      words.argLength = new Int32Array(heap.buffer, facts[LENGTHS], facts[PLACES]);
    }
    words.bytes = heap;
    words.argc = facts[WORD_COUNT];
    words.start = facts[0];
    words.end = facts[BYTES_END];
    return words;
  }

  #call(): number {
    const { buffer, at } = this.#host.call(this.#wordsCalled());
    if (this.#facts[REPLY_SIZE] < at) {
      this.#exports.reserveReply(at);
      this.#refresh();
    }
    const heap = this.#heap;
    const to = this.#facts[REPLY];
    if (at <= LOOP_BYTES) for (let from = 0; from < at; from++) heap[to + from] = buffer[from];
    else buffer.copy(heap, to, 0, at);
    return at;
  }

  #pause(): Promise<number> {
    this.suspended = true;
    return this.#host.pause();
  }

  #resumed(): number {
    const asked = this.#host.resumed();
    if (asked > KILLED) this.#place(Buffer.from(`${this.#host.debugWord}\0`, 'latin1'));
    return asked;
  }

  #imports(code: LuaCode): Imports {
    const host = this.#host;
    const bytes = (address: number, length: number): Buffer => {
      this.#refresh();
      return this.#heap.subarray(address, address + length);
    };
    const files: Record<string, unknown> = {};
    for (const { module, name } of WebAssembly.Module.imports(code)) {
      if (module !== 'host') files[name] = () => BAD_FILE;
    }
    return {
      wasi_snapshot_preview1: files,
      host: {
        // What a command throws is a bug of ours, not an error of the script.
        call: () => {
          try {
            return this.#call();
          } catch (error) {
            this.#bug = error;
            throw error;
          }
        },
        mayRun: () => {
          const answer = host.mayRun(this.#wordsCalled());
          return answer === null ? -1 : Number(answer);
        },
        tick: () => {
          if (this.#loadingUntilMs === 0) return host.tick();
          return performance.now() < this.#loadingUntilMs ? 0 : 2;
        },
        wait: new WebAssembly.Suspending(() => this.#pause()),
        resumed: () => this.#resumed(),
        line: (line: number, isCount: number) => Number(host.stopsAt(line, isCount !== 0)),
        say: (address: number, length: number) => host.debugSays(bytes(address, length).latin1Slice()),
        sayLine: (line: number) => host.debugSays(line),
        breakpoint: () => {
          host.breakpoint();
          return 1;
        },
        log: (level: number, address: number, length: number) =>
          host.log(level, Buffer.from(bytes(address, length))),
        setProtocol: (version: number) => host.setProtocol(version === 3 ? 3 : 2),
        setReplication: (targets: number) => host.setReplication(targets),
        sha1: (address: number, length: number, to: number) => {
          this.#heap.latin1Write(sha1Hex(bytes(address, length)), to);
        },
        formatDouble: (value: number, to: number) => {
          this.#refresh();
          return this.#heap.latin1Write(formatDouble(value), to);
        },
        clock: () => performance.now() * 1000,
      },
    };
  }
}
