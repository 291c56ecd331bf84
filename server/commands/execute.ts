/**
 * The one way to run a command, in Redis' order: lookup, arity, authentication, routing, memory, disk,
 * replicas, role, loading, transaction queue, run, propagate, count. Handlers hold no policy; all of it
 * stands here.
 */
import { WAITS_REFUSAL } from '../replication/empty-start.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import { rememberKeys } from './client-tracking.ts';
import type { CommandEntry, CommandTable } from './command-table.ts';
import type { ServerContext } from './context.ts';
import * as errors from './errors.ts';
import { refusalWhileSubscribed } from './pubsub.ts';
import { ttlRefusal } from './require-ttl.ts';
import { route } from './route.ts';
import {
  ALLOW_BUSY,
  DENYOOM,
  LOADING,
  MAY_REPLICATE,
  NO_ASYNC_LOADING,
  NO_AUTH,
  NO_MULTI,
  READONLY,
  SKIP_MONITOR,
  STALE,
  WRITE,
} from './row.ts';
import { endTransaction } from './transaction.ts';

/** What `execute` did with the request. */
export const DONE = 0;
/** Writes are paused: keep the request and try again later. */
export const HELD = 1;

/** A clock costs as much as a short command: after the first few calls, one stands for so many. */
const TIMED_EVERY = 16;
/** Commands with more words are timed one by one: most take as long as they are. */
const ARGUMENTS_TIMED = 24;
const UNKNOWN_ARGUMENTS_SHOWN = 128;
const ERROR_CODES_MAX = 128;
const OTHER_ERRORS = 'ERRORSTATS_OVERFLOW';
const ABOUT_DATA = READONLY | WRITE | MAY_REPLICATE;
/** Commands that act at once inside MULTI. */
const NOT_QUEUED = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset']);

export class Executor {
  /** Nothing stands in the way of any command outside a transaction: `#refusal` would answer null. */
  calm = false;
  /** Keys are being evicted before a command runs. */
  evicting = false;
  readonly #context: ServerContext;
  readonly #table: CommandTable;

  constructor(context: ServerContext, table: CommandTable) {
    this.#context = context;
    this.#table = table;
  }

  /** Runs the command in `call`, replies included: DONE or HELD. */
  execute(call: Call): number {
    const client = call.client;
    const context = this.#context;
    const entry = this.#lookup(call);
    if (entry === null) return DONE;
    const flags = entry.flags;
    if (!client.authenticated && (flags & NO_AUTH) === 0 && context.access.signInNeeded) {
      return this.#reject(call, errors.NO_AUTH_YET, entry);
    }
    client.lastInteractionMs = context.keyspace.nowMs;
    // Most clients send one command again and again, and storing a reference costs more than comparing.
    if (client.lastCommand !== entry) client.lastCommand = entry;
    const user = client.user;
    if (user !== null && !user.unrestricted) {
      const denial = context.access.refusal(call, entry, 'toplevel');
      if (denial !== null) return this.#reject(call, `NOPERM ${denial}`, entry);
    }
    if (client.kind !== 'primary') {
      if (context.cluster !== null && entry.hasKeys) {
        const redirect = route(call, entry, context.cluster);
        if (redirect !== null) return this.#reject(call, redirect, entry);
      }
      if (!this.calm || client.queued !== null || client.subscribed) {
        const refusal = this.#refusal(call, entry);
        if (refusal !== null) return refusal === '' ? HELD : this.#refuse(call, entry, refusal);
      }
    }
    if (client.queued !== null && !NOT_QUEUED.has(entry.name)) {
      this.#queue(call, entry);
      return DONE;
    }
    const { tracking } = context;
    if (tracking.clients !== 0) tracking.current = client;
    const calm = this.calm;
    const importing = !calm && client.importSource && context.config.values['import-mode'];
    if (importing) context.keyspace.seesExpired = true;
    const onReplica = !calm && this.#changesReplica(client, entry);
    // What is expired does not exist for a write: it must not lend its moment to what is written.
    if (onReplica) context.keyspace.deletesExpired = true;
    this.run(call, entry);
    if (importing) context.keyspace.seesExpired = false;
    if (onReplica) this.#noteForReplica(call, entry);
    if ((flags & (READONLY | WRITE)) === 0) this.refreshCalm();
    if (client.asking && entry.name !== 'asking' && client.queued === null) client.asking = false;
    if (tracking.clients !== 0) this.#endTracked(client, entry);
    if (context.blocking.ready && !call.inTransaction) context.blocking.serve();
    return DONE;
  }

  /** For what a replica says on its link: it may not touch the data, and what it is answered is not sent. */
  executeForReplica(call: Call): number {
    const entry = this.#table.find(call.bytes, call.argStart[0], call.argLength[0]);
    if (entry === null || (entry.flags & (READONLY | WRITE | MAY_REPLICATE)) === 0) return this.execute(call);
    call.client.lastCommand = entry;
    this.#context.log.warning(
      `== CRITICAL == This primary is sending an error to its replica: '${errors.REPLICA_KEYSPACE}' ` +
        `after processing the command '${entry.name}'`,
    );
    return this.#reject(call, `ERR ${errors.REPLICA_KEYSPACE}`, entry);
  }

  /** Whether a client of a writable replica is about to write. */
  #changesReplica(client: Client, entry: CommandEntry): boolean {
    if (this.#context.replication.role !== 'replica') return false;
    return client.kind === 'normal' && (entry.flags & WRITE) !== 0;
  }

  /** Keys that a client of a writable replica wrote: see `ReplicaExpiry`. */
  #noteForReplica(call: Call, entry: CommandEntry): void {
    const { keyspace } = this.#context;
    const { client } = call;
    keyspace.deletesExpired = false;
    const count = entry.findKeys(call);
    for (let key = 0; key < count; key++) {
      const index = call.keyPositions[key];
      keyspace.replicaExpiry.note(
        client.databaseIndex,
        call.bytes,
        call.argStart[index],
        call.argLength[index],
      );
    }
  }

  #endTracked(client: Client, entry: CommandEntry): void {
    this.#context.tracking.current = null;
    // CLIENT CACHING is meant for the next command or transaction.
    if (client.tracking === null || client.queued !== null || entry.name.startsWith('client|')) return;
    client.tracking.caching = false;
  }

  /**
   * Looks at what could stand in the way of a command and is the same for all of them. Called at the begin of
   * a turn and after every command that is not about data; who changes role or pauses writes in between
   * clears `calm`.
   */
  refreshCalm(): void {
    const { keyspace, replication, persistence, config, clients, guard, scripts } = this.#context;
    this.calm =
      replication.role === 'primary' &&
      keyspace.eviction.maxmemory === 0 &&
      guard.calm &&
      persistence.loading === null &&
      scripts.suspended === null &&
      !replication.emptyStart.holds &&
      persistence.trouble === null &&
      config.values['min-replicas-to-write'] === 0 &&
      config.values['require-ttl'] === '' &&
      !config.values['import-mode'] &&
      replication.writesPausedUntilMs <= keyspace.nowMs &&
      clients.pausedUntilMs <= keyspace.nowMs;
  }

  /** Runs without any check, for the primary's stream, files and queued commands. */
  executeTrusted(call: Call): boolean {
    const entry = this.#lookup(call);
    if (entry === null) return false;
    if (call.client.queued !== null && !NOT_QUEUED.has(entry.name)) this.#queue(call, entry);
    else if (!this.#refusedInExec(call, entry)) this.run(call, entry);
    return true;
  }

  /** A queued command that its user may not run any more. */
  #refusedInExec(call: Call, entry: CommandEntry): boolean {
    const { user, kind } = call.client;
    const unbounded = kind === 'normal' ? ttlRefusal(call, entry) : null;
    if (unbounded !== null) {
      this.#reject(call, unbounded, entry);
      return true;
    }
    if (user === null || user.unrestricted) return false;
    const reason = this.#context.access.refusalInExec(call, entry);
    if (reason === null) return false;
    this.#reject(call, errors.noPermissionInExec(reason), entry);
    return true;
  }

  /** Runs the handler, propagates what it changed and counts it. */
  run(call: Call, entry: CommandEntry): void {
    const context = this.#context;
    const keyspace = context.keyspace;
    const reply = call.reply;
    if (call.entry !== entry) call.entry = entry;
    const database = keyspace.databases[call.client.databaseIndex];
    if (call.database !== database) call.database = database;
    reply.protocol = call.client.protocol;
    const dirty = keyspace.dirty;
    const failures = reply.errors;
    const { observer } = context;
    const replyStart = reply.at;
    if (observer.monitors.watched) observer.monitors.before(call);
    const calls = entry.calls;
    const exact = observer.exact || entry.varies || call.argc > ARGUMENTS_TIMED || calls < TIMED_EVERY;
    const weight = exact ? 1 : calls % TIMED_EVERY === 0 ? TIMED_EVERY : 0;
    const startedMs = weight === 0 ? 0 : performance.now();
    const traceless = call.client.noTouch && entry.touches;
    if (traceless) keyspace.holdTouches();
    entry.run(call);
    if (traceless) keyspace.releaseTouches();
    if (call.waits) call.waits = false;
    else {
      if (weight !== 0) observer.timed(call, entry, performance.now() - startedMs, weight);
      const requestBytes = call.sourceEnd - call.sourceStart;
      const replyBytes = reply.at - replyStart;
      if (requestBytes >= observer.requestBytes || replyBytes >= observer.replyBytes) {
        observer.sized(call, entry, requestBytes, replyBytes);
      }
    }
    if (observer.monitors.watched) observer.monitors.after(call, entry);
    if (
      (entry.flags & (WRITE | MAY_REPLICATE)) !== 0 &&
      (keyspace.dirty !== dirty || call.effects !== null) &&
      context.propagation.active
    ) {
      this.#propagate(call);
    }
    if (context.tracking.clients !== 0 && (entry.flags & READONLY) !== 0) rememberKeys(call, entry);
    if (reply.errors !== failures) {
      entry.failed += 1;
      this.#countError(reply.lastErrorCode, (entry.flags & SKIP_MONITOR) !== 0);
      // It counts once, not again for the transaction or script around it.
      reply.errors = failures;
    }
    entry.calls++;
    call.client.commandCount++;
    context.stats.totalCommandsProcessed++;
  }

  #lookup(call: Call): CommandEntry | null {
    const entry = this.#table.find(call.bytes, call.argStart[0], call.argLength[0]);
    if (entry === null) {
      this.#unknown(call);
      return null;
    }
    if (call.argc !== entry.arity && (entry.arity > 0 || call.argc < -entry.arity)) {
      this.#reject(call, errors.wrongArity(entry.name), entry);
      return null;
    }
    if (entry.subcommands === null || call.argc < 2) return entry;
    const sub = entry.subcommands.get(call.latin1(1).toLowerCase());
    if (sub === undefined) {
      this.#reject(
        call,
        `ERR unknown subcommand '${call.text(1).slice(0, 128)}'. Try ${entry.row[0]} HELP.`,
        entry,
      );
      return null;
    }
    if (call.argc !== sub.arity && (sub.arity > 0 || call.argc < -sub.arity)) {
      this.#reject(call, errors.wrongArity(sub.name), sub);
      return null;
    }
    return sub;
  }

  #unknown(call: Call): void {
    let shown = '';
    for (let index = 1; index < call.argc && shown.length < UNKNOWN_ARGUMENTS_SHOWN; index++) {
      shown += `'${shownWord(call, index, UNKNOWN_ARGUMENTS_SHOWN - shown.length)}' `;
    }
    const name = shownWord(call, 0, UNKNOWN_ARGUMENTS_SHOWN);
    if (/^(post|host:)$/i.test(name)) {
      // A browser that was lured into posting commands to this port.
      this.#context.log.warning(
        `Possible SECURITY ATTACK detected: ${name} from ${call.client.link.remoteAddress}`,
      );
      call.client.link.destroy('it speaks HTTP');
      return;
    }
    this.#reject(call, `ERR unknown command '${name}', with args beginning with: ${shown}`);
  }

  /** Why a client's command is not run now: an error, '' to hold it, null to go on. */
  #refusal(call: Call, entry: CommandEntry): string | null {
    const context = this.#context;
    const { keyspace, replication, persistence, config } = context;
    const client = call.client;
    const own = entry.flagsOf === null ? entry.flags : entry.flagsOf(call, entry.flags);
    // EXEC is judged by what it would run: it may do what all of that may, and does what any of that does.
    const ends = entry.name === 'exec' && client.queued !== null;
    const queued = ends ? client.queuedFlags & (WRITE | DENYOOM | MAY_REPLICATE) : 0;
    const flags = (own | queued) & ~(ends ? client.queuedLacks & (STALE | LOADING) : 0);
    const replica = replication.role === 'replica';
    if (replica && client.redirectable) {
      const redirect = redirection(context, client, ends ? client.queuedFlags : flags);
      if (redirect !== null) return redirect;
    }
    if ((flags & NO_MULTI) !== 0 && client.queued !== null) return errors.NOT_IN_TRANSACTION;
    // While a failover needs the stream to stand, nothing may be evicted either.
    const paused = replication.writesPausedUntilMs > keyspace.nowMs;
    if (keyspace.eviction.maxmemory > 0 && !replica && !paused) {
      this.evicting = true;
      const fits = keyspace.eviction.makeRoom();
      this.evicting = false;
      if (!fits && (flags & DENYOOM) !== 0) return errors.OUT_OF_MEMORY;
    }
    if (!replica && context.guard.full && (flags & DENYOOM) !== 0) return errors.CONTAINER_FULL;
    const writes = (flags & WRITE) !== 0;
    const { trouble } = persistence;
    if (trouble !== null && (writes || entry.name === 'ping')) {
      return trouble.kind === 'rdb' ? errors.MISCONF : errors.aofMisconf(trouble.message);
    }
    if (writes) {
      if (replica) {
        if (config.values['replica-read-only']) return errors.READ_ONLY;
      } else {
        if (config.values['min-replicas-to-write'] > 0 && !replication.hasEnoughReplicas())
          return errors.NO_REPLICAS;
        if (client.queued === null && config.values['require-ttl'] !== '') {
          const unbounded = ttlRefusal(call, entry);
          if (unbounded !== null) return unbounded;
        }
      }
    }
    const confined = refusalWhileSubscribed(client, entry.name);
    if (confined !== null) return confined;
    if (
      replica &&
      !replication.linkUp &&
      !config.values['replica-serve-stale-data'] &&
      (flags & STALE) === 0
    ) {
      return errors.MASTER_DOWN;
    }
    const { unready } = persistence;
    if (unready === 'loading' && (flags & LOADING) === 0) return errors.LOADING_DATASET;
    if (unready === 'async' && (flags & NO_ASYNC_LOADING) !== 0) return errors.LOADING_DATASET;
    if (context.scripts.suspended !== null && (flags & ALLOW_BUSY) === 0) return context.scripts.busy;
    if (replication.emptyStart.holds && (flags & ABOUT_DATA) !== 0) return WAITS_REFUSAL;
    if (client.kind === 'replica' || entry.name === 'client|unpause') return null;
    if (paused && (flags & (WRITE | MAY_REPLICATE)) !== 0) return '';
    return context.clients.pausedUntilMs > keyspace.nowMs ? '' : null;
  }

  /** EXEC that is refused ends its transaction. */
  #refuse(call: Call, entry: CommandEntry, refusal: string): number {
    if (entry.name !== 'exec' || call.client.queued === null) return this.#reject(call, refusal, entry);
    endTransaction(call.client, this.#context);
    if (refusal.startsWith('REDIRECT ')) return this.#reject(call, refusal, entry);
    return this.#reject(call, `EXECABORT Transaction discarded because of: ${refusal}`, entry);
  }

  #queue(call: Call, entry: CommandEntry): void {
    const client = call.client;
    const bytes = call.canonical
      ? Buffer.from(call.bytes.subarray(call.sourceStart, call.sourceEnd))
      : encodeCall(call);
    client.queued?.push(bytes);
    client.queuedBytes += bytes.length;
    const flags = entry.flagsOf === null ? entry.flags : entry.flagsOf(call, entry.flags);
    client.queuedFlags |= flags;
    client.queuedLacks |= ~flags;
    call.reply.queued();
  }

  #propagate(call: Call): void {
    const propagation = this.#context.propagation;
    const database = call.client.databaseIndex;
    if (call.effects !== null) {
      for (const words of call.effects) propagation.words(database, words);
    } else if (call.canonical) {
      propagation.bytes(database, call.bytes, call.sourceStart, call.sourceEnd);
    } else {
      const bytes = encodeCall(call);
      propagation.bytes(database, bytes, 0, bytes.length);
    }
    call.client.writeOffset = this.#context.replication.offset;
    call.client.fileOffset = this.#context.persistence.offset;
  }

  #reject(call: Call, text: string, entry?: CommandEntry): number {
    if (this.#context.scripts.suspended !== null && this.#context.scripts.debugging.take(call)) return DONE;
    call.reply.protocol = call.client.protocol;
    call.reply.error(text);
    if (entry !== undefined) entry.rejected++;
    this.#countError(call.reply.lastErrorCode);
    if (call.client.queued !== null) call.client.queueError = true;
    return DONE;
  }

  /** Counts a command that ended with an error after it had been blocked. */
  countFailure(entry: CommandEntry, error: string): void {
    entry.rejected++;
    this.#countError(error.slice(0, Math.max(error.indexOf(' '), 0)));
  }

  /** Counts a command that a script called and that was not run. */
  countRejected(entry: CommandEntry | null, error: string): void {
    if (entry !== null) entry.rejected++;
    this.#countError(error.slice(0, Math.max(error.indexOf(' '), 0)));
  }

  /** No code: it was counted where it arose. */
  #countError(code: string, byScript = false): void {
    if (code === '') return;
    const stats = this.#context.stats;
    stats.totalErrorReplies++;
    // Scripts can invent codes: what comes when the table is full is counted together.
    const known = !byScript || stats.errors.size < ERROR_CODES_MAX || stats.errors.has(code);
    const name = known ? code : OTHER_ERRORS;
    stats.errors.set(name, (stats.errors.get(name) ?? 0) + 1);
  }
}

/**
 * A replica outside a cluster tells clients that understand it (CLIENT CAPA REDIRECT) where the primary is;
 * null when they may go on, '' while the roles are about to change.
 */
function redirection(context: ServerContext, client: Client, flags: number): string | null {
  const { keyspace, replication } = context;
  const { replica } = replication;
  const reads = (flags & READONLY) !== 0 && !client.readonlyMode;
  if (context.cluster !== null || replica === null || (!reads && (flags & WRITE) === 0)) return null;
  if (replication.writesPausedUntilMs > keyspace.nowMs) return '';
  return `REDIRECT ${replica.host}:${replica.port}`;
}

/** A word in an error text: cut at the limit and, as in C, at a zero byte. */
function shownWord(call: Call, index: number, charactersMax: number): string {
  return call.text(index).slice(0, charactersMax).split('\0', 1)[0] ?? '';
}

/** The call's words in canonical RESP. */
export function encodeCall(call: Call): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${call.argc}\r\n`)];
  for (let index = 0; index < call.argc; index++) {
    const start = call.argStart[index];
    const length = call.argLength[index];
    parts.push(
      Buffer.from(`$${length}\r\n`),
      call.bytes.subarray(start, start + length),
      Buffer.from('\r\n'),
    );
  }
  return Buffer.concat(parts);
}
