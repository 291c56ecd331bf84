/**
 * Runs scripts: their commands go through the executor as those of a client do, their effects leave as one
 * transaction, their value is the reply.
 *
 *   EVAL -> run -> engine.run ── VALUE or FAILURE ──> #settle: reply, end of the unit
 *                     │
 *                     └ SUSPENDED, when it is late: the client waits, its request is kept, everybody else
 *                       gets BUSY; a slice a turn of the loop; `ended` -> #settle -> the client, or EXEC
 */
import { TO_ALL } from '../replication/propagation.ts';
import type { Library, LibraryFunction } from '../scripting/library.ts';
import { LuaEngine } from '../scripting/lua-engine.ts';
import type { Script } from '../scripting/script.ts';
import {
  GO_ON,
  KILLED,
  LATE,
  RUN_FAILURE,
  RUN_SUSPENDED,
  type RunOptions,
  type RunState,
  type ScriptHost,
  type ScriptWords,
} from '../scripting/script-engine.ts';
import { Scripting } from '../scripting/scripting.ts';
import { Reply } from '../wire/reply.ts';
import { NO_LINK } from './applier.ts';
import { Call } from './call.ts';
import { Client } from './client.ts';
import type { CommandEntry, CommandTable } from './command-table.ts';
import type { ServerContext } from './context.ts';
import * as errors from './errors.ts';
import type { Executor } from './execute.ts';
import { DebugSessions } from './script-debug-sessions.ts';
import { isObeyed, refusalInScript, refusalOfScript, runOf, type ScriptRun } from './script-policy.ts';
import { SuspendedScript } from './suspended-script.ts';

const REPLY_BYTES_KEPT = 1024 * 1024;
/** How long a late script runs before the others have their turn again. */
const SLICE_MS = 5;

/**
 * Goes on when a script that stood still has ended. All that is said until then is there; `muted`: nobody
 * wants to hear it.
 */
export type AfterScript = (reply: Reply, muted: boolean) => void;

export class ScriptRunner implements ScriptHost {
  readonly scripting: Scripting;
  readonly debugging: DebugSessions;
  /** The script that is late: it stands still between two slices, and nothing else may be done. */
  suspended: SuspendedScript | null = null;
  readonly #context: ServerContext;
  readonly #table: CommandTable;
  readonly #executor: Executor;
  readonly #client: Client;
  readonly #call: Call;
  readonly #reply = new Reply();
  #run: ScriptRun | null = null;
  /** Of the run that is under way or was last. */
  #name = '';
  #isFunction = false;
  #ownUnit = false;
  #commandsBefore = 0;
  /** When it began, in ms of `performance` and as the keyspace's clock. */
  #startedMs = 0;
  #clockMs = 0;
  #sliceStartedMs = 0;

  constructor(context: ServerContext, table: CommandTable, executor: Executor) {
    this.#context = context;
    this.#table = table;
    this.#executor = executor;
    this.#client = new Client(0, NO_LINK, context.keyspace.nowMs);
    this.#client.authenticated = true;
    this.#call = new Call(context, table, this.#client, this.#reply);
    this.#call.inTransaction = true;
    this.#call.inScript = true;
    this.scripting = new Scripting(new LuaEngine(this, context.log));
    this.debugging = new DebugSessions(context, (words) => this.call(words));
  }

  /** Who runs the script that is running; null when none is. */
  get caller(): Client | null {
    return this.#run?.caller ?? null;
  }

  /** The hash or the function's name. */
  get name(): string {
    return this.#name;
  }

  /** What a command is told that may not run while a script is late. */
  get busy(): string {
    return this.#isFunction ? errors.BUSY_FUNCTION : errors.BUSY_SCRIPT;
  }

  /** Runs `script` for the call, whose keys begin at word `first`, and answers it. */
  run(call: Call, script: Script, first: number, keyCount: number, readOnlyCommand: boolean): void {
    const options = this.#begin(call, script.shebang.flags, readOnlyCommand, script.sha, false);
    if (options === null) return;
    const { engine, cache } = this.scripting;
    const debugged = this.debugging.begin(call, script);
    const state = engine.run(script, call, first, keyCount, debugged ? { ...options, debugged } : options);
    cache.used(script);
    if (state === RUN_SUSPENDED) this.#suspend(call);
    else {
      if (debugged) call.reply.raw(this.debugging.lastLines());
      this.#settle(call.reply, state);
      if (debugged) this.debugging.end(call.client);
    }
  }

  /** As `run`, for a function of a library. */
  runFunction(
    call: Call,
    library: Library,
    entry: LibraryFunction,
    first: number,
    keyCount: number,
    readOnlyCommand: boolean,
  ): void {
    const options = this.#begin(call, entry.flags, readOnlyCommand, entry.name, true);
    if (options === null) return;
    const state = this.scripting.engine.runFunction(library, entry, call, first, keyCount, options);
    if (state === RUN_SUSPENDED) this.#suspend(call);
    else this.#settle(call.reply, state);
  }

  /** Ends the script that is late, of the kind that is asked for; undefined, or why not. */
  kill(isFunction: boolean): string | undefined {
    const { suspended } = this;
    const run = this.#run;
    if (suspended === null || run === null) return 'NOTBUSY No scripts in execution right now.';
    if (run.wrote) return errors.UNKILLABLE;
    if (isFunction !== this.#isFunction) return this.busy;
    suspended.killed = true;
    this.debugging.forget(null);
    return undefined;
  }

  /**
   * What follows in the same transaction goes on when the script has ended. The reply so far is taken over,
   * the rest is written behind it.
   */
  continueWith(reply: Reply, start: number, after: AfterScript): void {
    const { suspended } = this;
    if (suspended === null) throw new Error('no script stands still');
    suspended.takeOver(reply, start);
    suspended.after = after;
  }

  /** Ready to run: how; null when the script may not, which is answered. */
  #begin(
    call: Call,
    flags: number,
    readOnlyCommand: boolean,
    name: string,
    isFunction: boolean,
  ): RunOptions | null {
    const { context, client, reply } = call;
    if (this.#run !== null) {
      // Only with DEBUG SET-DISABLE-DENY-SCRIPTS.
      reply.error('ERR This Redis command is not allowed from script');
      return null;
    }
    const run = runOf(client, flags, readOnlyCommand, this.#isOutOfMemory(client));
    const refusal = refusalOfScript(context, run, flags, readOnlyCommand);
    if (refusal !== null) {
      reply.error(refusal);
      return null;
    }
    this.#adopt(client);
    this.#commandsBefore = this.#client.commandCount;
    this.#run = run;
    this.#name = name;
    this.#isFunction = isFunction;
    this.#ownUnit = !call.inTransaction;
    if (this.#ownUnit) context.propagation.beginUnit();
    this.#startedMs = performance.now();
    this.#clockMs = context.keyspace.nowMs;
    // Our primary's stream is applied in one go, so nobody could be served in between.
    const watched = context.config.values['busy-reply-threshold'] > 0 && client.kind !== 'primary';
    return { protocol: client.protocol, watched, debugged: false };
  }

  /** The script has ended: its value or its error is the reply. */
  #settle(reply: Reply, state: RunState): void {
    const { context } = this.#call;
    const run = this.#run as ScriptRun;
    const { caller } = run;
    this.#run = null;
    if (state === RUN_FAILURE) this.#answerFailure(reply);
    else this.scripting.engine.writeValue(reply);
    context.propagation.targets = TO_ALL;
    if (this.#ownUnit) context.propagation.endUnit();
    caller.commandCount += this.#client.commandCount - this.#commandsBefore;
    if (this.#client.writeOffset !== caller.writeOffset) caller.writeOffset = context.replication.offset;
  }

  #answerFailure(reply: Reply): void {
    const { message, place, line, counted } = this.scripting.engine.failure();
    const where = place === '' ? '' : ` script: ${this.#name}, on ${place}:${line}.`;
    reply.error(`${message}${where}`);
    // What a command answered was counted when it did.
    if (counted) reply.lastErrorCode = '';
  }

  // ---- A script that is late ----

  tick(): number {
    const nowMs = performance.now();
    if (this.suspended !== null) {
      if (this.suspended.killed) return KILLED;
      return nowMs - this.#sliceStartedMs < SLICE_MS ? GO_ON : LATE;
    }
    const limit = this.#context.config.values['busy-reply-threshold'];
    if (limit === 0 || nowMs - this.#startedMs < limit) return GO_ON;
    this.#context.log.warning(
      `Slow script detected: still in execution after ${Math.floor(nowMs - this.#startedMs)} milliseconds. ` +
        `You can try killing the script using the ${this.#isFunction ? 'FUNCTION' : 'SCRIPT'} KILL command. ` +
        `Script name is: ${this.#name}.`,
    );
    return LATE;
  }

  pause(): Promise<number> {
    const { keyspace, tracking } = this.#context;
    if (this.suspended !== null) {
      tracking.current = null;
      keyspace.setNow(Date.now());
    }
    const debugged = this.debugging.pause(this.suspended === null);
    if (debugged !== null) return debugged;
    return new Promise((resolve) => {
      setImmediate(() => resolve(0));
    });
  }

  resumed(): number {
    const { keyspace, tracking } = this.#context;
    // Time stands still for a script, or keys would expire in its middle.
    keyspace.setNow(this.#clockMs);
    if (tracking.clients !== 0) tracking.current = this.#run?.caller ?? null;
    this.#sliceStartedMs = performance.now();
    if (this.suspended?.killed === true) return KILLED;
    return this.debugging.current?.request ?? GO_ON;
  }

  /** The client waits; what was asked is kept for the logs. */
  #suspend(call: Call): void {
    this.suspended = new SuspendedScript(call, this.#startedMs);
    this.#executor.calm = false;
    call.waits = true;
    const { firstLines } = this.debugging;
    if (firstLines === null) call.client.link.block();
    else call.reply.raw(firstLines);
  }

  ended(state: RunState): void {
    const suspended = this.suspended as SuspendedScript;
    const { call, reply } = suspended;
    const context = this.#context;
    const { keyspace, tracking, observer, blocking } = context;
    reply.errors = 0;
    this.#settle(reply, state);
    this.suspended = null;
    tracking.current = null;
    if (reply.errors > 0) {
      call.entry.failed++;
      this.#executor.countRejected(null, `${reply.lastErrorCode} `);
    }
    observer.timed(call, call.entry, performance.now() - suspended.startedMs, 1);
    keyspace.setNow(Date.now());
    this.#executor.refreshCalm();
    if (this.debugging.current !== null) this.#endDebugging(call.client, reply);
    else if (suspended.after !== null) suspended.after(reply, suspended.muted);
    else call.client.link.unblock((to) => to.raw(reply.buffer.subarray(0, suspended.muted ? 0 : reply.at)));
    if (blocking.ready && this.suspended === null) blocking.serve();
  }

  #endDebugging(client: Client, reply: Reply): void {
    client.link.write(this.debugging.lastLines());
    client.link.write(reply.buffer.subarray(0, reply.at));
    this.debugging.end(client);
  }

  // ---- What a debugged script asks for ----

  get debugWord(): string {
    return this.debugging.current?.word ?? '';
  }

  stopsAt(line: number, isCount: boolean): boolean {
    const session = this.debugging.current;
    if (session === null) return false;
    if (session.alone) return isCount && this.tick() !== GO_ON;
    return session.stopsAt(line, isCount);
  }

  debugSays(line: string | number): void {
    const session = this.debugging.current;
    if (typeof line === 'number') session?.sayLine(line);
    else session?.sayMuch(line);
  }

  breakpoint(): void {
    this.debugging.current?.stopAtNext();
  }

  // ---- What a script asks for ----

  call(words: ScriptWords): Reply {
    const reply = this.#reply;
    reply.at = 0;
    if (reply.buffer.length > REPLY_BYTES_KEPT) reply.reset(true);
    reply.protocol = this.#client.protocol;
    const refusal = this.#execute(words);
    if (refusal !== null) reply.error(refusal);
    if (this.debugging.current !== null) this.debugging.noteCommand(words, reply);
    return reply;
  }

  log(level: number, message: Buffer): void {
    const text = message.toString();
    const { log } = this.#context;
    if (level === 0) log.debug(text);
    else if (level === 1) log.verbose(text);
    else if (level === 2) log.notice(text);
    else log.warning(text);
  }

  setProtocol(version: 2 | 3): void {
    this.#client.protocol = version;
  }

  setReplication(targets: number): void {
    this.#context.propagation.targets = targets & TO_ALL;
  }

  mayRun(words: ScriptWords): boolean | null {
    const entry = this.#lookup(words);
    if (entry === null) return null;
    this.#take(words);
    return this.#context.access.mayRun(this.#call, entry);
  }

  /** The client that the script's commands see: the caller's user and database, a protocol of its own. */
  #adopt(caller: Client): void {
    const client = this.#client;
    client.kind = isObeyed(caller) ? caller.kind : 'normal';
    client.databaseIndex = caller.databaseIndex;
    client.protocol = 2;
    client.user = caller.user;
    client.asking = caller.asking;
    client.readonlyMode = caller.readonlyMode;
    client.noTouch = caller.noTouch;
    client.writeOffset = caller.writeOffset;
    client.fileOffset = caller.fileOffset;
    client.shownAs = caller;
  }

  #isOutOfMemory(caller: Client): boolean {
    const { keyspace, replication, guard } = this.#context;
    if (replication.role === 'replica' || isObeyed(caller)) return false;
    return guard.full || (keyspace.eviction.maxmemory !== 0 && !keyspace.eviction.makeRoom());
  }

  /** Runs one command; its reply is in `#reply`, or it did not run and the error is returned. */
  #execute(words: ScriptWords): string | null {
    const run = this.#run;
    if (run === null) throw new Error('a script calls although none runs');
    if (words.argc === 0) return 'ERR Please specify at least one argument for this redis lib call';
    const entry = this.#lookup(words);
    const refusal = this.#refusal(words, entry, run);
    if (refusal !== null) {
      this.#executor.countRejected(entry, refusal);
      return refusal;
    }
    this.#executor.run(this.#call, entry as CommandEntry);
    return null;
  }

  #refusal(words: ScriptWords, entry: CommandEntry | null, run: ScriptRun): string | null {
    if (entry === null) return 'ERR Unknown command called from script';
    if (words.argc !== entry.arity && (entry.arity > 0 || words.argc < -entry.arity)) {
      return 'ERR Wrong number of args calling command from script';
    }
    this.#take(words);
    return refusalInScript(this.#call, entry, run);
  }

  /** Lets `#call` be about these words. */
  #take(words: ScriptWords): void {
    const call = this.#call;
    call.bytes = words.bytes;
    call.argc = words.argc;
    call.argStart = words.argStart;
    call.argLength = words.argLength;
    call.canonical = true;
    call.sourceStart = words.start;
    call.sourceEnd = words.end;
    call.effects = null;
  }

  #lookup(words: ScriptWords): CommandEntry | null {
    const { bytes, argStart, argLength, argc } = words;
    const entry = this.#table.find(bytes, argStart[0], argLength[0]);
    if (entry === null || entry.subcommands === null || argc < 2) return entry;
    const name = Buffer.prototype.latin1Slice.call(bytes, argStart[1], argStart[1] + argLength[1]);
    return entry.subcommands.get(name.toLowerCase()) ?? null;
  }
}
