/** Scripts of one server: what is known by its SHA1, and the engine that runs it. */
import { Libraries } from './library.ts';
import { readShebang, type Script, sha1Hex } from './script.ts';
import { ScriptCache } from './script-cache.ts';
import type { ScriptEngine } from './script-engine.ts';

const SHA_LENGTH = 40;

export class Scripting {
  readonly cache: ScriptCache;
  readonly engine: ScriptEngine;
  readonly libraries: Libraries;

  constructor(engine: ScriptEngine) {
    this.engine = engine;
    this.cache = new ScriptCache((script) => engine.forget(script));
    this.libraries = new Libraries(engine);
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
    const script: Script = { sha, source: Buffer.from(source), shebang, pinned, compiled: null };
    const problem = this.engine.compile(script);
    if (problem !== undefined) return `Error compiling script (new function): ${problem}`;
    this.cache.add(script);
    return script;
  }

  flush(): void {
    this.cache.clear();
    this.engine.flush();
  }
}
