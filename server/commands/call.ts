/** One command being executed: its words where they were read, who sent it, where the reply goes. Reused. */
import type { Database } from '../keyspace/database.ts';
import type { Reply } from '../wire/reply.ts';
import type { RequestParser } from '../wire/request.ts';
import type { Client } from './client.ts';
import type { CommandEntry, CommandTable } from './command-table.ts';
import type { ServerContext } from './context.ts';

export class Call {
  readonly context: ServerContext;
  readonly table: CommandTable;
  reply: Reply;
  client: Client;
  entry: CommandEntry;
  database: Database;
  /** Where the words lie; only valid while the handler runs. */
  bytes: Uint8Array = Buffer.alloc(0);
  argc = 0;
  argStart: Int32Array = new Int32Array(0);
  argLength: Int32Array = new Int32Array(0);
  /** The request as it came, when `canonical`: bytes[sourceStart, sourceEnd). */
  canonical = false;
  sourceStart = 0;
  sourceEnd = 0;
  keyPositions: Int32Array = new Int32Array(64);
  /** True within EXEC: nothing may block. */
  inTransaction = false;
  /** True when the command has begun to wait for a key: it has not run. */
  waits = false;
  /** True when a script runs the command. */
  inScript = false;
  /** True when a client that was blocked runs its command once more. */
  runsAgain = false;
  /** What to propagate in place of the request: null = the request, [] = nothing. */
  effects: (readonly (string | Uint8Array)[])[] | null = null;

  constructor(context: ServerContext, table: CommandTable, client: Client, reply: Reply) {
    this.context = context;
    this.table = table;
    this.client = client;
    this.reply = reply;
    this.entry = table.entries[0];
    this.database = context.keyspace.databases[0];
  }

  /** Takes over what the parser found between `start` and `end` of `bytes`. */
  take(parser: RequestParser, start: number, end: number): void {
    // Mostly the same as for the command before: comparing costs less than storing a reference.
    if (this.bytes !== parser.bytes) this.bytes = parser.bytes;
    this.argc = parser.argc;
    if (this.argStart !== parser.argStart) {
      this.argStart = parser.argStart;
      this.argLength = parser.argLength;
    }
    this.canonical = parser.canonical;
    this.sourceStart = start;
    this.sourceEnd = end;
    if (this.effects !== null) this.effects = null;
  }

  reserveKeys(count: number): void {
    if (count > this.keyPositions.length) this.keyPositions = new Int32Array(count);
  }

  /**
   * False in a transaction, a script, the primary's stream and files: what would wait answers as on timeout.
   */
  get mayBlock(): boolean {
    return !this.inTransaction && this.client.kind !== 'primary' && this.client.kind !== 'aof';
  }

  /** A copy of word `index`. */
  copy(index: number): Buffer {
    const start = this.argStart[index];
    return Buffer.from(this.bytes.subarray(start, start + this.argLength[index]));
  }

  /** Word `index` as UTF-8 text. */
  text(index: number): string {
    const start = this.argStart[index];
    return Buffer.prototype.utf8Slice.call(this.bytes, start, start + this.argLength[index]);
  }

  latin1(index: number): string {
    const start = this.argStart[index];
    return Buffer.prototype.latin1Slice.call(this.bytes, start, start + this.argLength[index]);
  }

  /** True when word `index` is `upper` (given in upper case) in any case. */
  is(index: number, upper: string): boolean {
    const length = upper.length;
    if (this.argLength[index] !== length) return false;
    const start = this.argStart[index];
    for (let at = 0; at < length; at++) {
      const byte = this.bytes[start + at];
      const up = byte >= 97 && byte <= 122 ? byte - 32 : byte;
      if (up !== upper.charCodeAt(at)) return false;
    }
    return true;
  }

  /** Word `index` as an integer of at most 53 bits, NaN when it is none or longer; use `integer64` beyond. */
  integer(index: number): number {
    const start = this.argStart[index];
    return parseInteger(this.bytes, start, start + this.argLength[index]);
  }

  /** Word `index` as a 64-bit integer, null when it is none. */
  integer64(index: number): bigint | null {
    const start = this.argStart[index];
    return parseInteger64(this.bytes, start, start + this.argLength[index]);
  }

  /**
   * Tells who listens to keyspace events of this class (NOTIFY_…) what happened to the key in word `index`.
   */
  notify(eventClass: number, event: string, index: number): void {
    const { events } = this.context.keyspace;
    if ((events.flags & eventClass) === 0) return;
    events.deliver(event, this.database.index, this.bytes, this.argStart[index], this.argLength[index]);
  }

  /** Propagate these words in place of the request; several calls, several commands. */
  propagateAs(words: readonly (string | Uint8Array)[]): void {
    if (this.effects === null) this.effects = [words];
    else this.effects.push(words);
  }

  /** Propagate nothing although data may have changed. */
  propagateNothing(): void {
    this.effects ??= [];
  }

  /**
   * Answers later: no more commands of this client are read until the returned function is called (once). It
   * does nothing when the client has gone meanwhile. Must not be used when `inTransaction`.
   */
  defer(): (write: (reply: Reply) => void) => void {
    const client = this.client;
    client.blocked = true;
    client.link.block();
    return (write) => {
      if (!client.blocked) return;
      client.blocked = false;
      client.link.unblock(write);
    };
  }
}

/**
 * Canonical decimal of at most 53 bits (as strings are stored as integers): no sign but '-', no leading zero.
 */
export function parseInteger(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  const negative = bytes[at] === 45 && end - start > 1;
  if (negative) at++;
  const digits = end - at;
  if (digits < 1 || digits > 16) return Number.NaN;
  let value = bytes[at] - 48;
  if (value < 0 || value > 9) return Number.NaN;
  if (value === 0) return digits === 1 && !negative ? 0 : Number.NaN;
  for (at++; at < end; at++) {
    const digit = bytes[at] - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  if (value > Number.MAX_SAFE_INTEGER) return Number.NaN;
  return negative ? -value : value;
}

const INT64_MIN = -(1n << 63n);
const INT64_MAX = (1n << 63n) - 1n;

/** Canonical decimal of 64 bits, null when it is none or out of range. */
export function parseInteger64(bytes: Uint8Array, start: number, end: number): bigint | null {
  if (end - start > 20) return null;
  const text = Buffer.prototype.latin1Slice.call(bytes, start, end);
  if (!/^(0|-?[1-9][0-9]*)$/.test(text)) return null;
  const value = BigInt(text);
  return value < INT64_MIN || value > INT64_MAX ? null : value;
}

/** True when a 64-bit signed integer holds `value`. */
export function fitsInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}
