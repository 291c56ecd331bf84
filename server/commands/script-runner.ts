/**
 * Runs scripts: their commands go through the executor as those of a client do, their effects leave as one
 * transaction, their value is the reply.
 */
import { TO_ALL } from '../replication/propagation.ts';
import type { Library, LibraryFunction } from '../scripting/library.ts';
import { LuaEngine } from '../scripting/lua-engine.ts';
import type { Script } from '../scripting/script.ts';
import type { ScriptFailure, ScriptHost, ScriptWords } from '../scripting/script-engine.ts';
import { Scripting } from '../scripting/scripting.ts';
import { Reply } from '../wire/reply.ts';
import { NO_LINK } from './applier.ts';
import { Call } from './call.ts';
import { Client } from './client.ts';
import type { CommandEntry, CommandTable } from './command-table.ts';
import type { ServerContext } from './context.ts';
import type { Executor } from './execute.ts';
import { isObeyed, refusalInScript, refusalOfScript, runOf, type ScriptRun } from './script-policy.ts';

const REPLY_BYTES_KEPT = 1024 * 1024;
/** Errors of commands that are remembered, to know them when the script passes one on. */
const ERRORS_KEPT = 16;
const MINUS = 45;

export class ScriptRunner implements ScriptHost {
  readonly scripting: Scripting;
  readonly #context: ServerContext;
  readonly #table: CommandTable;
  readonly #executor: Executor;
  readonly #client: Client;
  readonly #call: Call;
  readonly #reply = new Reply();
  #run: ScriptRun | null = null;
  /** Errors that commands of this script answered with. */
  #errors: string[] = [];

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
  }

  /** Who runs the script that is running; null when none is. */
  get caller(): Client | null {
    return this.#run?.caller ?? null;
  }

  /** Runs `script` for the call, whose keys begin at word `first`, and answers it. */
  run(call: Call, script: Script, first: number, keyCount: number, readOnlyCommand: boolean): void {
    this.#runPiece(call, script.shebang.flags, readOnlyCommand, script.sha, '@user_script', () =>
      this.scripting.run(script, call, first, keyCount, call.reply),
    );
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
    this.#runPiece(call, entry.flags, readOnlyCommand, entry.name, '@user_function', () =>
      this.scripting.runFunction(library, entry, call, first, keyCount, call.reply),
    );
  }

  #runPiece(
    call: Call,
    flags: number,
    readOnlyCommand: boolean,
    name: string,
    place: string,
    execute: () => ScriptFailure | undefined,
  ): void {
    const { context, client, reply } = call;
    const run = runOf(client, flags, readOnlyCommand, this.#isOutOfMemory(client));
    const refusal = refusalOfScript(context, run, flags, readOnlyCommand);
    if (refusal !== null) {
      reply.error(refusal);
      return;
    }
    this.#adopt(client);
    const commandsBefore = this.#client.commandCount;
    this.#run = run;
    this.#errors = [];
    const { propagation } = context;
    const ownUnit = !call.inTransaction;
    if (ownUnit) propagation.beginUnit();
    const start = reply.at;
    try {
      const failure = execute();
      if (failure !== undefined) this.#answerFailure(reply, start, failure, name, place);
      else this.#noteCounted(reply, start);
    } finally {
      this.#run = null;
      propagation.targets = TO_ALL;
      if (ownUnit) propagation.endUnit();
      client.commandCount += this.#client.commandCount - commandsBefore;
      if (this.#client.writeOffset !== client.writeOffset) client.writeOffset = context.replication.offset;
      if (this.#client.fileOffset !== client.fileOffset) client.fileOffset = context.persistence.offset;
    }
  }

  call(words: ScriptWords): Reply {
    const reply = this.#reply;
    reply.at = 0;
    if (reply.buffer.length > REPLY_BYTES_KEPT) reply.reset(true);
    reply.protocol = this.#client.protocol;
    const refusal = this.#execute(words);
    if (refusal !== null) reply.error(refusal);
    if (reply.buffer[0] === MINUS) this.#noteError();
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
    call.sourceStart = 0;
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

  #noteError(): void {
    const { buffer, at } = this.#reply;
    if (this.#errors.length === ERRORS_KEPT) this.#errors.shift();
    this.#errors.push(buffer.utf8Slice(1, at - 2));
  }

  #answerFailure(reply: Reply, start: number, failure: ScriptFailure, name: string, place: string): void {
    reply.at = start;
    const where = failure.line === 0 ? '' : ` script: ${name}, on ${place}:${failure.line}.`;
    reply.error(`${failure.message}${where}`);
    // What a command answered was counted when it did.
    if (this.#errors.includes(failure.message)) reply.lastErrorCode = '';
  }

  #noteCounted(reply: Reply, start: number): void {
    if (reply.buffer[start] !== MINUS) return;
    if (this.#errors.includes(reply.buffer.utf8Slice(start + 1, reply.at - 2))) reply.lastErrorCode = '';
  }
}
