/**
 * Lua 5.1 by the package `lua-redis-wasm`: one interpreter on the main thread, entered synchronously.
 *
 * What it cannot do: it compiles a script each time it runs, for it has no way to keep a compiled function; a
 * script that loops stops the server until its budget of instructions is used up, and cannot be killed before
 * (docs/decisions/0009). An interpreter that ran out of its 64 MiB or aborted is thrown away; a spare one
 * takes its place at once.
 */
import type { Log } from '../config/log.ts';
import { Reply } from '../wire/reply.ts';
import type { Library, LibraryFunction } from './library.ts';
import { callingCode, describingCode, readDescription } from './lua-library.ts';
import { type LuaExports, type LuaModule, makeLuaModule } from './lua-module.ts';
import { HOST_LOG, HOST_MAY_RUN, HOST_SET_REPL, HOST_WAS_NULL, withPrelude } from './lua-prelude.ts';
import { isNothing, ValueEncoder, writeValue } from './lua-values.ts';
import { type Script, sha1Hex } from './script.ts';
import type { ScriptArguments, ScriptEngine, ScriptFailure, ScriptHost } from './script-engine.ts';
import { WordBuffer } from './script-words.ts';

/** Instructions that one script may run: some ten seconds. */
const FUEL = 1_000_000_000;
/** Instructions that a library may run while it is loaded: some half a second. */
const LOAD_FUEL = 50_000_000;
const INITIAL_BYTES = 16 * 1024;
/** Larger areas in the interpreter's memory are given back after the script. */
const AREA_BYTES_KEPT = 1024 * 1024;
const RESULT_BYTES = 8;
const COUNT_BYTES = 4;
const CHECK_CODE = Buffer.from(
  'local f,e=loadstring(ARGV[1],"@user_script") if f then return redis.status_reply("") end return e',
);
const HOST_NAME_MARK = 1;
const UNDERSCORE = 95;
const MARKER = '__RLUA_E__:';
const TOO_LONG = 'Script ended: it ran more instructions than one script may';
const OUT_OF_FUEL = 'Script killed by fuel limit';

/** A piece of the interpreter's memory that is used again and again. */
interface Area {
  address: number;
  size: number;
}

export class LuaEngine implements ScriptEngine {
  readonly #host: ScriptHost;
  readonly #log: Log;
  readonly #words = new WordBuffer();
  readonly #encoder = new ValueEncoder();
  #current: LuaModule | null = null;
  #spare: LuaModule | null = null;
  /** The interpreter's memory. */
  #heap: Buffer = Buffer.alloc(0);
  #result = 0;
  #code: Area = { address: 0, size: 0 };
  #arguments: Area = { address: 0, size: 0 };
  /** Scripts as they are compiled. */
  #prepared = new WeakMap<Script | LibraryFunction, Buffer>();
  /** The last reply of a command was the null of RESP 3. */
  #wasNull = false;

  constructor(host: ScriptHost, log: Log) {
    this.#host = host;
    this.#log = log;
  }

  get memoryBytes(): number {
    return this.#code.size + this.#arguments.size;
  }

  async start(): Promise<void> {
    this.#use(await makeLuaModule(FUEL));
    this.#makeSpare();
  }

  compile(code: Buffer): string | undefined {
    this.#words.begin(1);
    this.#words.add(code, 0, code.length);
    const failure = this.#evaluate(CHECK_CODE, this.#words, 0, 0);
    if (typeof failure !== 'number') return failure.message;
    // A status says that it compiled; text is the compiler's.
    const length = this.#heap.readUInt32LE(failure + 1);
    const text = this.#heap.utf8Slice(failure + 5, failure + 5 + length);
    this.#exports._free_mem(failure);
    return text === '' ? undefined : text;
  }

  run(
    script: Script,
    words: ScriptArguments,
    first: number,
    keyCount: number,
    out: Reply,
  ): ScriptFailure | undefined {
    return this.#runCode(this.#codeOf(script), words, first, keyCount, out);
  }

  describe(code: Buffer): readonly LibraryFunction[] | string {
    const problem = this.compile(code);
    if (problem !== undefined) return `Error compiling function: ${named(problem)}`;
    this.#words.begin(0);
    this.#exports._set_limits(LOAD_FUEL, 0, 0);
    const out = new Reply();
    const failure = this.#runCode(describingCode(code), this.#words, 0, 0, out);
    this.#exports._set_limits(FUEL, 0, 0);
    if (failure !== undefined) {
      if (failure.message.includes(TOO_LONG)) return 'FUNCTION LOAD timeout';
      return `Error registering functions: ${named(failure.message)}`;
    }
    // One bulk string.
    const start = out.buffer.indexOf('\n') + 1;
    return readDescription(out.buffer.latin1Slice(start, out.at - 2));
  }

  runFunction(
    library: Library,
    entry: LibraryFunction,
    words: ScriptArguments,
    first: number,
    keyCount: number,
    out: Reply,
  ): ScriptFailure | undefined {
    let code = this.#prepared.get(entry);
    if (code === undefined) {
      code = callingCode(library.code.subarray(library.codeStart), entry.name);
      this.#prepared.set(entry, code);
    }
    const failure = this.#runCode(code, words, first, keyCount, out);
    return failure === undefined ? undefined : { message: named(failure.message), line: failure.line };
  }

  kill(): boolean {
    return false;
  }

  flush(): void {
    this.#prepared = new WeakMap();
  }

  #runCode(
    code: Buffer,
    words: ScriptArguments,
    first: number,
    keyCount: number,
    out: Reply,
  ): ScriptFailure | undefined {
    const result = this.#evaluate(code, words, first, keyCount);
    if (typeof result !== 'number') return result;
    if (isNothing(this.#heap, result)) {
      out.nullBulk();
      this.#exports._free_mem(result);
      return undefined;
    }
    const failure = writeValue(this.#heap, result, out);
    this.#exports._free_mem(result);
    return failure === undefined ? undefined : explain(failure);
  }

  get #exports(): LuaExports {
    if (this.#current === null) throw new Error('the script engine was not started');
    return this.#current.exports;
  }

  #codeOf(script: Script): Buffer {
    const known = this.#prepared.get(script);
    if (known !== undefined) return known;
    const code = withPrelude(script.source.subarray(script.shebang.codeStart));
    this.#prepared.set(script, code);
    return code;
  }

  /** The address of the value, or how the interpreter itself failed. */
  #evaluate(code: Buffer, words: ScriptArguments, first: number, keyCount: number): number | ScriptFailure {
    if (this.#current === null) return { message: 'ERR The script engine is being restarted', line: 0 };
    try {
      const exports = this.#exports;
      this.#place(this.#code, code.length);
      code.copy(this.#heap, this.#code.address);
      const length = this.#writeArguments(words, first);
      const { address } = this.#arguments;
      exports._eval_with_args(this.#result, this.#code.address, code.length, address, length, keyCount);
      this.#shrink(this.#code);
      this.#shrink(this.#arguments);
      return this.#heap.readUInt32LE(this.#result);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #writeArguments(words: ScriptArguments, first: number): number {
    const { argc, argStart, argLength, bytes } = words;
    let size = COUNT_BYTES;
    for (let index = first; index < argc; index++) size += COUNT_BYTES + argLength[index];
    this.#place(this.#arguments, size);
    const heap = this.#heap;
    let at = heap.writeUInt32LE(argc - first, this.#arguments.address);
    for (let index = first; index < argc; index++) {
      const start = argStart[index];
      at = heap.writeUInt32LE(argLength[index], at);
      heap.set(bytes.subarray(start, start + argLength[index]), at);
      at += argLength[index];
    }
    return size;
  }

  #place(area: Area, size: number): void {
    if (size <= area.size) return;
    if (area.size > 0) this.#exports._free_mem(area.address);
    area.size = 0;
    const wanted = Math.max(size, INITIAL_BYTES);
    area.address = this.#exports._alloc(wanted);
    if (area.address === 0) throw new Error('no memory for the words of the script');
    area.size = wanted;
  }

  #shrink(area: Area): void {
    if (area.size <= AREA_BYTES_KEPT) return;
    this.#exports._free_mem(area.address);
    area.size = 0;
  }

  /** The interpreter is not to be trusted any more: the spare one goes on. */
  #failed(error: unknown): ScriptFailure {
    const reason = error instanceof Error ? error.message : String(error);
    this.#log.warning(`The script engine failed and is replaced: ${reason}`);
    this.#current = null;
    if (this.#spare !== null) this.#use(this.#spare);
    this.#makeSpare();
    const memory = /OOM|no memory/.test(reason);
    return {
      message: memory ? 'ERR Error running script: not enough memory' : 'ERR Error running script',
      line: 0,
    };
  }

  #makeSpare(): void {
    this.#spare = null;
    makeLuaModule(FUEL).then(
      (made) => {
        if (this.#current === null) {
          this.#use(made);
          this.#makeSpare();
        } else this.#spare = made;
      },
      (error: unknown) => this.#log.warning(`No spare script engine: ${String(error)}`),
    );
  }

  #use(module: LuaModule): void {
    const { exports, handlers } = module;
    const { buffer, byteOffset, length } = exports.HEAPU8;
    this.#current = module;
    this.#heap = Buffer.from(buffer, byteOffset, length);
    this.#code = { address: 0, size: 0 };
    this.#arguments = { address: 0, size: 0 };
    this.#result = exports._alloc(RESULT_BYTES);
    handlers.log = (level, address, length) =>
      this.#host.log(level, Buffer.from(this.#heap.subarray(address, address + length)));
    handlers.setresp = (version) => this.#host.setProtocol(version === 3 ? 3 : 2);
    handlers.sha1hex = (result, address, length) => {
      const hex = sha1Hex(this.#heap.subarray(address, address + length));
      this.#answer(result, Buffer.from(hex, 'latin1'));
    };
    const call = (result: number, address: number): void => {
      this.#readWords(address);
      const { bytes, end } = this.#called();
      this.#answer(result, bytes.subarray(0, end));
    };
    handlers.call = call;
    handlers.pcall = call;
  }

  /** Hands bytes to the interpreter, which frees them. */
  #answer(result: number, bytes: Uint8Array): void {
    const address = this.#exports._alloc(bytes.length);
    if (address === 0) throw new Error('no memory for a reply');
    this.#heap.set(bytes, address);
    this.#heap.writeUInt32LE(address, result);
    this.#heap.writeUInt32LE(bytes.length, result + COUNT_BYTES);
  }

  #readWords(address: number): void {
    const heap = this.#heap;
    const count = heap.readUInt32LE(address);
    let at = address + COUNT_BYTES;
    this.#words.begin(count);
    for (let index = 0; index < count; index++) {
      const length = heap.readUInt32LE(at);
      at += COUNT_BYTES;
      this.#words.add(heap, at, length);
      at += length;
    }
  }

  /** Runs what the words ask for. */
  #called(): ValueEncoder {
    const words = this.#words;
    const own = words.argc > 0 && words.bytes[words.argStart[0]] === HOST_NAME_MARK;
    if (own) this.#encoder.encode(Buffer.from(this.#hostCall()));
    else {
      const { buffer } = this.#host.call(words);
      this.#wasNull = buffer[0] === UNDERSCORE;
      this.#encoder.encode(buffer);
    }
    return this.#encoder;
  }

  /** The calls that a prelude makes; the answer in RESP. */
  #hostCall(): string {
    const words = this.#words;
    const word = (index: number): string => {
      const start = words.argStart[index];
      return words.bytes.latin1Slice(start, start + words.argLength[index]);
    };
    switch (word(0)) {
      case HOST_SET_REPL:
        this.#host.setReplication(Number(word(1)));
        return '+OK\r\n';
      case HOST_LOG:
        this.#host.log(Number(word(1)), Buffer.from(word(2), 'latin1'));
        return '+OK\r\n';
      case HOST_WAS_NULL:
        return `:${this.#wasNull ? 1 : 0}\r\n`;
      case HOST_MAY_RUN: {
        const inner = new WordBuffer();
        inner.begin(words.argc - 1);
        for (let index = 1; index < words.argc; index++) {
          inner.add(words.bytes, words.argStart[index], words.argLength[index]);
        }
        const answer = this.#host.mayRun(inner);
        return `:${answer === null ? -1 : Number(answer)}\r\n`;
      }
      default:
        return '-ERR Unknown command called from script\r\n';
    }
  }
}

/** The package names every piece of code as it does a script. */
function named(message: string): string {
  return message.replace(/\buser_script:/g, 'user_function:');
}

/** The package's words for an error, as Redis says it. */
function explain(failure: ScriptFailure): ScriptFailure {
  const { message } = failure;
  const marked = /^(?:user_script:(\d+): )?__command__:/.exec(message);
  if (marked !== null) {
    return { message: message.slice(marked[0].length), line: Number(marked[1] ?? failure.line) };
  }
  const marker = message.indexOf(MARKER);
  let text = message;
  if (marker >= 0) {
    const [kind, name = ''] = message.slice(marker + MARKER.length).split(':');
    text =
      kind === 'global-read'
        ? `${message.slice(0, marker)}Script attempted to access nonexistent global variable '${name}'`
        : 'Command arguments must be strings or integers';
  }
  if (text.endsWith(OUT_OF_FUEL)) text = TOO_LONG;
  const prefix = /^user_script:(\d+): /.exec(text);
  const line = failure.line !== 0 ? failure.line : Number(prefix?.[1] ?? 0);
  return { message: /^[A-Z][A-Z0-9]* /.test(text) ? text : `ERR ${text}`, line };
}
