/** Scripts of one server: what is known by its SHA1, and the engine that runs it. */
import type { Reply } from '../wire/reply.ts';
import { Libraries, type Library, type LibraryFunction } from './library.ts';
import { readShebang, type Script, sha1Hex } from './script.ts';
import { ScriptCache } from './script-cache.ts';
import type { ScriptArguments, ScriptEngine, ScriptFailure } from './script-engine.ts';

const SHA_LENGTH = 40;

export class Scripting {
  readonly cache = new ScriptCache();
  readonly engine: ScriptEngine;
  readonly libraries: Libraries;
  /** The script that is running. */
  running: Script | null = null;

  constructor(engine: ScriptEngine) {
    this.engine = engine;
    this.libraries = new Libraries((code) => engine.describe(code));
  }

  /** A script by the SHA1 that a client sent, in any case. */
  find(sha: string): Script | undefined {
    return sha.length === SHA_LENGTH ? this.cache.get(sha.toLowerCase()) : undefined;
  }

  /**
   * Takes a script in, once; a string is the error's text without its code. `pinned`: it came by SCRIPT LOAD.
   */
  load(source: Buffer, pinned: boolean): Script | string {
    const sha = sha1Hex(source);
    const known = this.cache.get(sha);
    if (known !== undefined) {
      if (pinned) this.cache.pin(known);
      return known;
    }
    const shebang = readShebang(source);
    if (typeof shebang === 'string') return shebang;
    const problem = this.engine.compile(source.subarray(shebang.codeStart));
    if (problem !== undefined) return `Error compiling script (new function): ${problem}`;
    const script: Script = { sha, source: Buffer.from(source), shebang, pinned };
    this.cache.add(script);
    return script;
  }

  /** See `ScriptEngine.run`. */
  run(
    script: Script,
    words: ScriptArguments,
    first: number,
    keyCount: number,
    out: Reply,
  ): ScriptFailure | undefined {
    this.running = script;
    try {
      return this.engine.run(script, words, first, keyCount, out);
    } finally {
      this.running = null;
      this.cache.used(script);
    }
  }

  /** See `ScriptEngine.runFunction`. */
  runFunction(
    library: Library,
    entry: LibraryFunction,
    words: ScriptArguments,
    first: number,
    keyCount: number,
    out: Reply,
  ): ScriptFailure | undefined {
    return this.engine.runFunction(library, entry, words, first, keyCount, out);
  }

  flush(): void {
    this.cache.clear();
    this.engine.flush();
  }
}
