/**
 * Lua 5.1 in WebAssembly (docs/decisions/0009, 0030): one interpreter for scripts and one for functions, both
 * on the main thread. Compiled scripts are kept by the interpreter that compiled them; when it is replaced
 * (SCRIPT FLUSH, or it holds much memory or has failed) they are compiled again as they are called.
 */
import type { Log } from '../config/log.ts';
import type { Reply } from '../wire/reply.ts';
import type { Library, LibraryFunction } from './library.ts';
import { compileInterpreter, FAILURE, type LuaCode, LuaMachine, VALUE } from './lua-machine.ts';
import type { Script } from './script.ts';
import type {
  RunOptions,
  RunState,
  ScriptArguments,
  ScriptEngine,
  ScriptFailure,
  ScriptHost,
} from './script-engine.ts';

/** How long a library may run while it is loaded. */
const LOAD_MS_MAX = 500;
/** An interpreter for scripts that holds more is replaced between two scripts: its memory never shrinks. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;

export class LuaEngine implements ScriptEngine {
  readonly #host: ScriptHost;
  readonly #log: Log;
  #code: LuaCode | null = null;
  #scripts: LuaMachine | null = null;
  #functions: LuaMachine | null = null;
  /** Which of them ran last. */
  #last: LuaMachine | null = null;

  constructor(host: ScriptHost, log: Log) {
    this.#host = host;
    this.#log = log;
  }

  get memoryBytes(): number {
    return this.#scripts?.usedBytes ?? 0;
  }

  get functionMemoryBytes(): number {
    return this.#functions?.usedBytes ?? 0;
  }

  async start(): Promise<void> {
    this.#code = await compileInterpreter();
    this.#scripts = this.#make(false);
  }

  compile(script: Script): string | undefined {
    const machine = this.#scriptMachine();
    const ref = machine.compile(script.source.subarray(script.shebang.codeStart));
    if (ref < 0) return machine.message;
    script.compiled = { machine, ref };
    return undefined;
  }

  forget(script: Script): void {
    const { compiled } = script;
    script.compiled = null;
    if (compiled !== null && compiled.machine === this.#scripts) this.#scripts.release(compiled.ref);
  }

  run(
    script: Script,
    words: ScriptArguments,
    first: number,
    keyCount: number,
    options: RunOptions,
  ): RunState {
    const machine = this.#scriptMachine();
    if (script.compiled?.machine !== machine) this.#compileAgain(script);
    const ref = script.compiled?.ref ?? 0;
    return this.#enter(machine, ref, words, first, keyCount, options, false);
  }

  describe(code: Buffer): readonly LibraryFunction[] | string {
    const machine = this.#functionMachine();
    const registered = machine.loadLibrary(code, LOAD_MS_MAX);
    if (typeof registered === 'string') {
      return registered.endsWith('FUNCTION LOAD timeout') ? 'FUNCTION LOAD timeout' : registered;
    }
    return registered.map(({ name, description, flags, ref }) => ({
      name,
      description,
      flags,
      compiled: { machine, ref },
    }));
  }

  forgetFunctions(functions: readonly LibraryFunction[]): void {
    for (const entry of functions) {
      const { compiled } = entry;
      entry.compiled = null;
      if (compiled !== null && compiled.machine === this.#functions) this.#functions.release(compiled.ref);
    }
    this.#functions?.collect();
  }

  runFunction(
    library: Library,
    entry: LibraryFunction,
    words: ScriptArguments,
    first: number,
    keyCount: number,
    options: RunOptions,
  ): RunState {
    const machine = this.#functionMachine();
    if (entry.compiled?.machine !== machine) this.#loadAgain(library);
    const ref = entry.compiled?.ref ?? 0;
    return this.#enter(machine, ref, words, first, keyCount, options, true);
  }

  writeValue(out: Reply): void {
    this.#last?.writeValue(out);
  }

  failure(): ScriptFailure {
    if (this.#last === null) throw new Error('no script has run');
    return this.#last.failure();
  }

  flush(): void {
    this.#scripts = this.#make(false);
  }

  #enter(
    machine: LuaMachine,
    ref: number,
    words: ScriptArguments,
    first: number,
    keyCount: number,
    options: RunOptions,
    isFunction: boolean,
  ): RunState {
    this.#last = machine;
    return machine.run(ref, words, first, keyCount, options, isFunction) as RunState;
  }

  #scriptMachine(): LuaMachine {
    const machine = this.#scripts;
    if (machine !== null && !machine.broken && machine.heldBytes <= HELD_BYTES_MAX) return machine;
    return (this.#scripts = this.#make(false));
  }

  /** Made when the first library comes: a server without functions needs none. */
  #functionMachine(): LuaMachine {
    const machine = this.#functions;
    if (machine !== null && !machine.broken) return machine;
    return (this.#functions = this.#make(true));
  }

  #make(forFunctions: boolean): LuaMachine {
    if (this.#code === null) throw new Error('the script engine was not started');
    return new LuaMachine(this.#code, this.#host, forFunctions, (state) =>
      this.#host.ended(state === VALUE ? VALUE : FAILURE),
    );
  }

  #compileAgain(script: Script): void {
    const problem = this.compile(script);
    if (problem !== undefined)
      throw new Error(`a script that was compiled before does not compile: ${problem}`);
  }

  /** The functions of a library in another interpreter; variables that they share begin anew. */
  #loadAgain(library: Library): void {
    const described = this.describe(library.code.subarray(library.codeStart));
    if (typeof described === 'string') {
      this.#log.warning(`The library ${library.name} does not load again: ${described}`);
      return;
    }
    for (const entry of library.functions) {
      entry.compiled = described.find(({ name }) => name === entry.name)?.compiled ?? null;
    }
  }
}
