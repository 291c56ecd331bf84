/**
 * Libraries of functions: what their first line says, which functions they bring, which library has which.
 */

import { splitWords } from '../wire/request.ts';
import type { Compiled } from './script-engine.ts';

/** A function as the library registered it. */
export interface LibraryFunction {
  readonly name: string;
  readonly description: string | null;
  /** Bits of `script.ts`. */
  readonly flags: number;
  /** The engine's own. */
  compiled: Compiled | null;
}

export interface Library {
  readonly name: string;
  /** All of it, the first line included. */
  readonly code: Buffer;
  /** Where the code behind the first line begins: at its end, so that lines keep their numbers. */
  readonly codeStart: number;
  readonly functions: readonly LibraryFunction[];
}

export interface LibraryHead {
  readonly name: string;
  readonly codeStart: number;
}

const LINE_FEED = 10;
const NAME = /^[A-Za-z0-9_]+$/;

/** Reads `#!lua name=<name>`; a string is the error's text without its code. */
export function readLibraryHead(code: Buffer): LibraryHead | string {
  if (code.latin1Slice(0, 2) !== '#!') return 'Missing library metadata';
  const end = code.indexOf(LINE_FEED);
  if (end < 0) return 'Invalid library metadata';
  const words = splitWords(code.subarray(0, end));
  if (words === null) return 'Invalid library metadata';
  const [engine = '', ...parts] = words.map((word, index) => word.utf8Slice(index === 0 ? 2 : 0));
  let name: string | undefined;
  for (const part of parts) {
    if (!/^name=/i.test(part)) return `Invalid metadata value given: ${part}`;
    if (name !== undefined) return 'Invalid metadata value, name argument was given multiple times';
    name = part.slice('name='.length);
  }
  if (name === undefined) return 'Library name was not given';
  if (!NAME.test(name)) {
    return 'Library names can only contain letters, numbers, or underscores(_) and must be at least one character long';
  }
  if (engine.toLowerCase() !== 'lua') return `Engine '${engine}' not found`;
  return { name, codeStart: end };
}

/** The engine that has the functions of libraries. */
export interface LibraryEngine {
  describe(code: Buffer): readonly LibraryFunction[] | string;
  forgetFunctions(functions: readonly LibraryFunction[]): void;
}

/** What happens when a library of that name is there already. */
export type OnCollision = 'refuse' | 'replace';

export class Libraries {
  #byName = new Map<string, Library>();
  /** By the name in lower case. */
  #byFunction = new Map<string, { readonly library: Library; readonly entry: LibraryFunction }>();
  readonly #engine: LibraryEngine;

  constructor(engine: LibraryEngine) {
    this.#engine = engine;
  }

  get count(): number {
    return this.#byName.size;
  }

  get functionCount(): number {
    return this.#byFunction.size;
  }

  get memoryBytes(): number {
    let bytes = 0;
    for (const { code } of this.#byName.values()) bytes += code.length;
    return bytes;
  }

  all(): Iterable<Library> {
    return this.#byName.values();
  }

  find(functionName: string): { readonly library: Library; readonly entry: LibraryFunction } | undefined {
    return this.#byFunction.get(functionName.toLowerCase());
  }

  /** Reads and runs a library to see what it registers; a string is the error's text without its code. */
  read(code: Buffer): Library | string {
    const head = readLibraryHead(code);
    if (typeof head === 'string') return head;
    const functions = this.#engine.describe(code.subarray(head.codeStart));
    if (typeof functions === 'string') return functions;
    const problem = problemOf(functions);
    if (problem !== undefined) {
      this.#engine.forgetFunctions(functions);
      return problem;
    }
    return { name: head.name, code: Buffer.from(code), codeStart: head.codeStart, functions };
  }

  /** Adds a library; the error's text when it collides, and nothing has changed then. */
  load(code: Buffer, onCollision: OnCollision): Library | string {
    const head = readLibraryHead(code);
    if (typeof head === 'string') return head;
    if (onCollision === 'refuse' && this.#byName.has(head.name))
      return `Library '${head.name}' already exists`;
    const library = this.read(code);
    if (typeof library === 'string') return library;
    const problem = this.#collision([library], onCollision);
    if (problem === undefined) return this.#link(library);
    this.#engine.forgetFunctions(library.functions);
    return problem;
  }

  /** Adds several or none; the error's text. */
  join(libraries: readonly Library[], onCollision: OnCollision): string | undefined {
    for (const { name } of libraries) {
      if (onCollision === 'refuse' && this.#byName.has(name)) return `Library ${name} already exists`;
    }
    const problem = this.#collision(libraries, onCollision);
    if (problem === undefined) for (const library of libraries) this.#link(library);
    return problem;
  }

  /** Frees libraries that were read and do not join. */
  discard(libraries: readonly Library[]): void {
    for (const { functions } of libraries) this.#engine.forgetFunctions(functions);
  }

  /** Takes the libraries of a dataset in place of its own or beside them, all or none; the error's text. */
  take(codes: readonly Uint8Array[], beside: boolean, onCollision: OnCollision): string | undefined {
    const read: Library[] = [];
    for (const code of codes) {
      const library = this.read(Buffer.from(code));
      if (typeof library === 'string') {
        this.discard(read);
        return library;
      }
      read.push(library);
    }
    if (!beside) this.clear();
    const problem = this.join(read, onCollision);
    if (problem !== undefined) this.discard(read);
    return problem;
  }

  /** False when there is none of that name. */
  delete(name: string): boolean {
    const library = this.#byName.get(name);
    if (library === undefined) return false;
    for (const entry of library.functions) this.#byFunction.delete(entry.name.toLowerCase());
    this.#engine.forgetFunctions(library.functions);
    return this.#byName.delete(name);
  }

  clear(): void {
    this.discard([...this.#byName.values()]);
    this.#byName.clear();
    this.#byFunction.clear();
  }

  /** A function of a library that stays. */
  #collision(libraries: readonly Library[], onCollision: OnCollision): string | undefined {
    const going = onCollision === 'replace' ? new Set(libraries.map(({ name }) => name)) : new Set<string>();
    for (const { functions } of libraries) {
      for (const { name } of functions) {
        const known = this.#byFunction.get(name.toLowerCase());
        if (known !== undefined && !going.has(known.library.name)) return `Function ${name} already exists`;
      }
    }
    return undefined;
  }

  #link(library: Library): Library {
    this.delete(library.name);
    this.#byName.set(library.name, library);
    for (const entry of library.functions) this.#byFunction.set(entry.name.toLowerCase(), { library, entry });
    return library;
  }
}

/** What is wrong with the functions that a library registers. */
function problemOf(functions: readonly LibraryFunction[]): string | undefined {
  const names = new Set<string>();
  for (const { name } of functions) {
    if (!NAME.test(name)) {
      return 'Function names can only contain letters, numbers, or underscores(_) and must be at least one character long';
    }
    if (names.has(name)) return 'Function already exists in the library';
    names.add(name);
  }
  return functions.length === 0 ? 'No functions registered' : undefined;
}
