/** A script as it is kept: its source, its SHA1, and what its first line says of it. */
import { hash } from 'node:crypto';
import { splitWords } from '../wire/request.ts';
import type { Compiled } from './script-engine.ts';

/** What `flags=` of a shebang line may say, one bit each. */
export const SCRIPT_NO_WRITES = 1;
export const SCRIPT_ALLOW_OOM = 1 << 1;
export const SCRIPT_ALLOW_STALE = 1 << 2;
export const SCRIPT_NO_CLUSTER = 1 << 3;
export const SCRIPT_ALLOW_CROSS_SLOT = 1 << 4;
/** There is no shebang: the rules of scripts before Redis 7 hold. */
export const SCRIPT_WITHOUT_SHEBANG = 1 << 5;

const flagsByName: ReadonlyMap<string, number> = new Map([
  ['no-writes', SCRIPT_NO_WRITES],
  ['allow-oom', SCRIPT_ALLOW_OOM],
  ['allow-stale', SCRIPT_ALLOW_STALE],
  ['no-cluster', SCRIPT_NO_CLUSTER],
  ['allow-cross-slot-keys', SCRIPT_ALLOW_CROSS_SLOT],
]);

/** The names of the flags that are set. */
export function flagNames(flags: number): string[] {
  return [...flagsByName].filter(([, flag]) => (flags & flag) !== 0).map(([name]) => name);
}

const HASH = 35;
const EXCLAMATION = 33;
const LINE_FEED = 10;

/** The first line of a script. */
export interface Shebang {
  readonly flags: number;
  /** Where the code begins: at the end of the shebang line, so that lines keep their numbers. */
  readonly codeStart: number;
}

export interface Script {
  /** 40 hex digits in lower case. */
  readonly sha: string;
  readonly source: Buffer;
  readonly shebang: Shebang;
  /** Came by SCRIPT LOAD and stays; what only EVAL brought may be forgotten. */
  pinned: boolean;
  /** The engine's own; null until it has compiled the script. */
  compiled: Compiled | null;
}

/** SHA1 in lower case hex. */
export function sha1Hex(bytes: Uint8Array): string {
  return hash('sha1', bytes, 'hex');
}

/** Reads the first line; a string is the error's text without its code. */
export function readShebang(source: Buffer): Shebang | string {
  if (source[0] !== HASH || source[1] !== EXCLAMATION) return { flags: SCRIPT_WITHOUT_SHEBANG, codeStart: 0 };
  const end = source.indexOf(LINE_FEED);
  if (end < 0) return 'Invalid script shebang';
  const words = splitWords(source.subarray(0, end));
  if (words === null) return 'Invalid engine in script shebang';
  const [engine = '', ...options] = words.map((word, index) => word.utf8Slice(index === 0 ? 2 : 0));
  if (engine !== 'lua') return `Could not find scripting engine '${engine}'`;
  let flags = 0;
  for (const option of options) {
    if (!option.startsWith('flags=')) return `Unknown lua shebang option: ${option}`;
    const names = option.slice('flags='.length);
    for (const name of names === '' ? [] : names.split(',')) {
      const flag = flagsByName.get(name);
      if (flag === undefined) return `Unexpected flag in script shebang: ${name}`;
      flags |= flag;
    }
  }
  return { flags, codeStart: end };
}
