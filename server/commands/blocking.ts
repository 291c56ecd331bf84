/**
 * What blocking commands are written with. A handler that finds nothing calls `blockForKeys` and returns
 * without a reply; `BlockedClients` keeps the request and runs the same command again when a key changes.
 */
import type { Reply } from '../wire/reply.ts';
import type { Call } from './call.ts';

export interface BlockRequest {
  /** Word of the first key. */
  readonly firstKey: number;
  readonly keyCount: number;
  /** Words from one key to the next; 1 when not given. */
  readonly keyStep?: number;
  /** Type of record that the command can take from. */
  readonly type: number;
  /** 0: for ever. */
  readonly timeoutMs: number;
  /** Writes the answer of a client that waited in vain, and of one that must not wait. */
  readonly onTimeout: (reply: Reply) => void;
  /** Runs the command also when a key goes or changes its type: for one that answers an error then. */
  readonly wakeOnDelete?: boolean;
  /**
   * The command to run later in place of the one that came, with as many words: for what depends on the
   * moment, like `$` of XREAD.
   */
  readonly again?: readonly (string | Uint8Array)[];
}

/** A client that waits, as CLIENT UNBLOCK and the end of its role see it. */
export interface Waiting {
  /** Answers as if the time were over. */
  timeOut(): void;
  /** Answers with an error, code included. */
  fail(error: string): void;
}

/**
 * Blocks the client until one of the keys has something for it. In a transaction or a script, which must not
 * wait, it answers as on timeout. A command that was run again and finds nothing calls it again and keeps its
 * place and its deadline.
 */
export function blockForKeys(call: Call, request: BlockRequest): void {
  if (call.mayBlock) call.context.blocking.block(call, request);
  else request.onTimeout(call.reply);
}

const INT64_MAX = 2 ** 63;
/** A decimal or hexadecimal number as the C library reads it. */
const NUMBER = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|0x[0-9a-f]+|inf(?:inity)?)$/i;
const OUT_OF_RANGE = 'ERR timeout is out of range';
const NEGATIVE = 'ERR timeout is negative';

/** Word `index` in seconds with fractions -> ms, 0 for ever; -1 when an error was answered. */
export function parseTimeout(call: Call, index: number): number {
  const text = call.latin1(index);
  const value = NUMBER.test(text) ? numberOf(text) : Number.NaN;
  if (Number.isNaN(value)) return refuse(call, 'ERR timeout is not a float or out of range');
  return bounded(call, Math.ceil(value * 1000));
}

/** Word `index` in whole milliseconds, 0 for ever; -1 when an error was answered. */
export function parseTimeoutMs(call: Call, index: number): number {
  const value = call.integer64(index);
  if (value === null) return refuse(call, 'ERR timeout is not an integer or out of range');
  return bounded(call, Number(value));
}

function numberOf(text: string): number {
  const magnitude = text.replace(/^[+-]/, '');
  const value = /^inf/i.test(magnitude) ? Number.POSITIVE_INFINITY : Number(magnitude);
  return text.startsWith('-') ? -value : value;
}

function bounded(call: Call, timeoutMs: number): number {
  if (timeoutMs > INT64_MAX) return refuse(call, OUT_OF_RANGE);
  if (timeoutMs < 0) return refuse(call, NEGATIVE);
  if (timeoutMs + call.context.keyspace.nowMs >= INT64_MAX) return refuse(call, OUT_OF_RANGE);
  return timeoutMs;
}

function refuse(call: Call, error: string): -1 {
  call.reply.error(error);
  return -1;
}

/** CLIENT UNBLOCK ... ERROR. */
export const UNBLOCKED_BY_CLIENT = 'UNBLOCKED client unblocked via CLIENT UNBLOCK';
/** The server became a replica. */
export const UNBLOCKED_BY_ROLE =
  'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)';
