import type { Call } from './call.ts';

/** Command flags, one bit each; their names as COMMAND INFO prints them stand in `flagNames`. */
export const WRITE = 1;
export const READONLY = 1 << 1;
export const DENYOOM = 1 << 2;
export const ADMIN = 1 << 3;
export const PUBSUB = 1 << 4;
export const NOSCRIPT = 1 << 5;
export const BLOCKING = 1 << 6;
export const LOADING = 1 << 7;
export const STALE = 1 << 8;
export const FAST = 1 << 9;
export const NO_AUTH = 1 << 10;
export const MAY_REPLICATE = 1 << 11;
export const NO_MULTI = 1 << 12;
export const SKIP_MONITOR = 1 << 13;
export const ASKING = 1 << 14;
export const MOVABLE_KEYS = 1 << 15;
export const NO_ASYNC_LOADING = 1 << 16;
export const SKIP_SLOWLOG = 1 << 17;
export const ALLOW_BUSY = 1 << 18;
export const PROTECTED = 1 << 19;
export const NO_MANDATORY_KEYS = 1 << 20;

/** Where the keys stand: first, last (negative counts from the end) and step, as COMMAND reports them. */
export type KeyPlace = readonly [first: number, last: number, step: number];
export const NO_KEY: KeyPlace = [0, 0, 0];
export const ONE_KEY: KeyPlace = [1, 1, 1];
export const TWO_KEYS: KeyPlace = [1, 2, 1];
export const ALL_KEYS: KeyPlace = [1, -1, 1];
export const PAIR_KEYS: KeyPlace = [1, -1, 2];

/** A handler is synchronous, writes its replies into `call.reply` and holds no policy. */
export type Handler = (call: Call) => void;

/** Rare columns. */
export interface RowExtra {
  /** Keys that are no plain range: fills `call.keyPositions` and returns the count, -1 for a syntax error. */
  readonly keys?: (call: Call) => number;
  /** What the words of a call make of the row's flags, where the checks before a command are concerned. */
  readonly flagsOf?: (call: Call, flags: number) => number;
  readonly subcommands?: readonly Row[];
  readonly group?: string;
  readonly tips?: readonly string[];
}

/** One command: name, arity (negative: at least), flags, keys, since, handler, summary, rare columns. */
export type Row = readonly [
  name: string,
  arity: number,
  flags: number,
  keys: KeyPlace,
  since: string,
  run: Handler,
  summary: string,
  extra?: RowExtra,
];
