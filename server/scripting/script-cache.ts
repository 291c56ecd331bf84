/** The scripts that are known by their SHA1; those that only EVAL brought are kept while they are used. */
import type { Script } from './script.ts';

/** Scripts of EVAL alone that are kept: who makes a new script for every call must not fill the memory. */
export const EVAL_SCRIPTS_MAX = 500;
/** What one script costs beside its source: the entry, its hash, its place in the order of use. */
const SCRIPT_OVERHEAD_BYTES = 168;

export class ScriptCache {
  readonly #forget: (script: Script) => void;
  readonly #byHash = new Map<string, Script>();
  /** Scripts of EVAL, the one used longest ago first. */
  readonly #evaluated = new Map<string, Script>();
  #sourceBytes = 0;
  /** Scripts forgotten because there were too many. */
  evicted = 0;

  /** `forget` is told of scripts that were forgotten because there were too many. */
  constructor(forget: (script: Script) => void = () => {}) {
    this.#forget = forget;
  }

  get count(): number {
    return this.#byHash.size;
  }

  get memoryBytes(): number {
    return this.#sourceBytes + this.#byHash.size * SCRIPT_OVERHEAD_BYTES;
  }

  get(sha: string): Script | undefined {
    return this.#byHash.get(sha);
  }

  add(script: Script): void {
    this.#byHash.set(script.sha, script);
    this.#sourceBytes += script.source.length;
    if (script.pinned) return;
    for (const [oldest, old] of this.#evaluated) {
      if (this.#evaluated.size < EVAL_SCRIPTS_MAX) break;
      this.#evaluated.delete(oldest);
      this.#byHash.delete(oldest);
      this.#sourceBytes -= old.source.length;
      this.#forget(old);
      this.evicted++;
    }
    this.#evaluated.set(script.sha, script);
  }

  /** SCRIPT LOAD names a script that EVAL brought: from now on it stays. */
  pin(script: Script): void {
    script.pinned = true;
    this.#evaluated.delete(script.sha);
  }

  /** The script has run: it is the last to be forgotten. */
  used(script: Script): void {
    if (script.pinned || this.#evaluated.size < 2 || !this.#evaluated.delete(script.sha)) return;
    this.#evaluated.set(script.sha, script);
  }

  clear(): void {
    this.#byHash.clear();
    this.#evaluated.clear();
    this.#sourceBytes = 0;
  }
}
