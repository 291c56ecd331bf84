/**
 * The package `lua-redis-wasm` below its convenience classes: what its WebAssembly module exports and imports
 * (its ABI is version 1.5's). The classes copy every word into a Buffer and hash every script they run.
 */
import { load } from 'lua-redis-wasm';

/** The functions the module exports. Addresses are offsets into `HEAPU8`, which never grows. */
export interface LuaExports {
  readonly HEAPU8: Uint8Array;
  _alloc(size: number): number;
  _free_mem(address: number): void;
  /** Address and length of the value are written to `result`, 4 bytes each. */
  _eval_with_args(
    result: number,
    script: number,
    scriptLength: number,
    words: number,
    wordsLength: number,
    keyCount: number,
  ): void;
  _set_limits(fuel: number, replyBytes: number, argumentBytes: number): void;
  _set_compat(flags: number): void;
  _init(): number;
}

/** The functions the module imports; they may be replaced at any time. */
export interface LuaImports {
  log(level: number, address: number, length: number): void;
  setresp(version: number): void;
  sha1hex(result: number, address: number, length: number): void;
  call(result: number, address: number, length: number): void;
  pcall(result: number, address: number, length: number): void;
}

interface LuaModule {
  readonly exports: LuaExports;
  readonly handlers: LuaImports;
}

/** `os.clock` and the alias `server` are there, `print` is not. */
const COMPATIBILITY = 6;

/** Constants of the table `redis`, and functions that do nothing. */
const redisProperties = {
  REPL_NONE: { value: 0 },
  REPL_AOF: { value: 1 },
  REPL_SLAVE: { value: 2 },
  REPL_REPLICA: { value: 2 },
  REPL_ALL: { value: 3 },
  REDIS_VERSION: { value: '7.2.0' },
  REDIS_VERSION_NUM: { value: 0x70200 },
  replicate_commands: { returns: true },
  breakpoint: { returns: false },
  debug: { returns: null },
};

/** A fresh instance. `fuel`: instructions one script may run. Rejects when it cannot be made. */
export async function makeLuaModule(fuel: number): Promise<LuaModule> {
  const module = (await load({ redisProps: redisProperties })) as unknown as LuaModule;
  const { exports } = module;
  if (exports._eval_with_args.length !== 6) throw new Error('lua-redis-wasm: an unknown calling convention');
  exports._set_limits(fuel, 0, 0);
  exports._set_compat(COMPATIBILITY);
  if (exports._init() !== 0) throw new Error('lua-redis-wasm: the interpreter does not start');
  return module;
}

export type { LuaModule };
