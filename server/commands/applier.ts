/** Runs commands that come from no client: the primary's stream and the append-only file. */
import { CommandFormatError } from '../persistence/aof-scanner.ts';
import { ApplyFailure } from '../replication/replication-seams.ts';
import { Reply } from '../wire/reply.ts';
import { INCOMPLETE, MALFORMED, RequestParser } from '../wire/request.ts';
import { Call } from './call.ts';
import { Client, type ClientKind, type ClientLink } from './client.ts';
import type { CommandTable } from './command-table.ts';
import type { ServerContext } from './context.ts';
import type { Executor } from './execute.ts';

/** A link that nobody reads. */
export const NO_LINK: ClientLink = {
  remoteAddress: '',
  localAddress: '',
  pendingBytes: 0,
  queryBytes: 0,
  queryCapacity: 0,
  memoryBytes: 0,
  write: () => {},
  push: () => {},
  holdMessages: () => {},
  closeAfterReplies: () => {},
  destroy: () => {},
  block: () => {},
  unblock: () => {},
};

const REPLY_BYTES_KEPT = 1024 * 1024;

const MINUS = 45;
const HASH = 35;
const STAR = 42;
/** So many commands are looked at ahead of time, by their bytes. */
const LOOK_AHEAD_BYTES_MIN = 1024;
const ERROR_SHOWN_MAX = 256;

/** Reads the places of the keys of commands to come; returns how far it came. */
export interface KeyReader {
  read(database: number, bytes: Uint8Array, at: number, end: number): number;
}

/** Known to the replication room by its base. */
export class ApplyError extends ApplyFailure {}

export class CommandApplier {
  readonly #parser = new RequestParser();
  readonly #reply = new Reply();
  readonly #client: Client;
  readonly #call: Call;
  readonly #executor: Executor;
  readonly #context: ServerContext;
  /** Commands run so far. */
  applied = 0;
  /** Where the last MULTI of the last `replay` began, -1 when there was none. */
  multiAt = -1;
  readonly #lookAhead: () => KeyReader;

  constructor(
    context: ServerContext,
    table: CommandTable,
    executor: Executor,
    kind: ClientKind,
    lookAhead: () => KeyReader,
  ) {
    this.#lookAhead = lookAhead;
    this.#context = context;
    this.#executor = executor;
    this.#client = new Client(0, NO_LINK, context.keyspace.nowMs);
    this.#client.kind = kind;
    this.#client.authenticated = true;
    this.#call = new Call(context, table, this.#client, this.#reply);
  }

  /** Database that the stream selected last. */
  get database(): number {
    return this.#client.databaseIndex;
  }

  set database(index: number) {
    this.#client.databaseIndex = index;
  }

  get held(): boolean {
    return this.#context.scripts.suspended !== null;
  }

  /** True while the stream stands between MULTI and EXEC. */
  get inTransaction(): boolean {
    return this.#client.queued !== null;
  }

  /**
   * Runs the whole commands of bytes[start, end) and returns the position after the last one. Throws
   * ApplyError when the bytes are no commands, or name one that this server does not know.
   */
  apply(bytes: Uint8Array, start: number, end: number): number {
    const { keyspace } = this.#context;
    const seesExpired = keyspace.seesExpired;
    keyspace.seesExpired = true;
    try {
      let at = start;
      while (at < end) {
        const next = this.#parser.parse(bytes, at, end, true);
        if (next === INCOMPLETE) break;
        if (next === MALFORMED) throw new ApplyError(this.#parser.problem);
        if (this.#parser.argc > 0) this.#run(at, next);
        at = next;
      }
      return at;
    } finally {
      keyspace.seesExpired = seesExpired;
    }
  }

  /**
   * Runs the whole commands of bytes[start, end), of a file, up to an annotation line, and returns the
   * position behind the last one. Throws CommandFormatError when the bytes are no commands, ApplyError when
   * they name one that this server does not know.
   */
  replay(bytes: Uint8Array, start: number, end: number): number {
    const parser = this.#parser;
    const client = this.#client;
    const lookAhead = this.#lookAhead();
    let at = start;
    let lookedTo = start;
    this.multiAt = -1;
    while (at < end) {
      if (bytes[at] !== STAR) {
        if (bytes[at] === HASH) break;
        throw new CommandFormatError(at);
      }
      if (at >= lookedTo && end - at >= LOOK_AHEAD_BYTES_MIN) {
        const looked = lookAhead.read(client.databaseIndex, bytes, at, end);
        lookedTo = looked === at ? end : looked;
      }
      const next = parser.parse(bytes, at, end, true);
      if (next === INCOMPLETE) break;
      if (next === MALFORMED || parser.argc === 0) throw new CommandFormatError(at);
      const outside = client.queued === null;
      this.#run(at, next);
      if (outside && client.queued !== null) this.multiAt = at;
      at = next;
      // A script that is late: what stands behind it waits.
      if (this.held) break;
    }
    return at;
  }

  #run(start: number, end: number): void {
    this.#call.take(this.#parser, start, end);
    const reply = this.#reply;
    reply.at = 0;
    if (reply.buffer.length > REPLY_BYTES_KEPT) reply.reset(true);
    const failures = this.#context.stats.totalErrorReplies;
    const known = this.#executor.executeTrusted(this.#call);
    const failed = this.#context.stats.totalErrorReplies !== failures;
    if (!known && this.#client.kind !== 'primary') {
      throw new ApplyError(`${reply.buffer.utf8Slice(1, reply.at).trim()}`);
    }
    this.applied++;
    if (failed) this.#tellFailure();
    if (failed && this.#stopsAtErrors) {
      throw new ApplyError(`${reply.buffer.utf8Slice(1, reply.at).trim()} (propagation-error-behavior)`);
    }
    const { blocking } = this.#context;
    if (blocking.ready && !this.inTransaction) blocking.serve();
  }

  /** propagation-error-behavior: Redis ends its process, we leave the primary, or the file. */
  get #stopsAtErrors(): boolean {
    const { values } = this.#context.config;
    const behaviour = values['propagation-error-behavior'];
    if (this.#client.kind !== 'primary') return behaviour === 'panic';
    return behaviour !== 'ignore' && values['replica-read-only'];
  }

  /** The sender's data has this change and ours has not: somebody must see it. */
  #tellFailure(): void {
    const { buffer, at, lastErrorCode } = this.#reply;
    const ofPrimary = this.#client.kind === 'primary';
    const sender = ofPrimary
      ? 'This replica is sending an error to its primary'
      : 'This server is sending an error to its AOF-loading-client';
    const text =
      buffer[0] === MINUS ? buffer.utf8Slice(1, at).trim() : `${lastErrorCode} within a transaction`;
    const command = this.#call.latin1(0).toLowerCase();
    this.#context.log.warning(
      `== CRITICAL == ${sender}: '${text.slice(0, ERROR_SHOWN_MAX)}' after processing the command '${command}'`,
    );
  }
}
