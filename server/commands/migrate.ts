/**
 * MIGRATE: moves keys to another server. The server goes on serving meanwhile, so a key that changes while
 * its copy travels is sent again; after some rounds writes are paused for the last one. A key is deleted here
 * only when the target has acknowledged exactly the value that we still hold.
 */
import { NOTIFY_GENERIC } from '../keyspace/events.ts';
import { type Watcher, watchName } from '../keyspace/watch.ts';
import { dumpRecord } from '../persistence/dump-payload.ts';
import { RecordWriter } from '../persistence/record-writer.ts';
import { type RespClient, RespFailure, type Word } from '../wire/client.ts';
import { RespError } from '../wire/reply-parser.ts';
import type { Call } from './call.ts';
import type { ServerContext } from './context.ts';
import { NOT_INTEGER, SYNTAX } from './errors.ts';
import { connectTarget, type MigrateTarget, releaseTarget } from './migrate-target.ts';
import { MOVABLE_KEYS, type Row, WRITE } from './row.ts';

// biome-ignore format: a table, one command a row
export const migrateCommands: readonly Row[] = [
  // name      arity flags                 keys       since    run      summary
  ['MIGRATE',  -6,   WRITE | MOVABLE_KEYS, [3, 3, 1], '2.6.0', migrate, 'Atomically transfer keys from one instance to another.', { group: 'generic', keys: findKeys , tips: ['nondeterministic_output']}],
];

const DEFAULT_TIMEOUT_MS = 1000;
/** What Redis 7.0 and everything later reads. */
const PAYLOAD_VERSION = 10;
const BATCH_BYTES = 16 * 1024 * 1024;
/** Rounds in which keys that changed meanwhile are sent again before writes are paused. */
const ROUNDS_RUNNING = 4;
const ROUNDS_MAX = 8;

interface MigrateRequest {
  readonly target: MigrateTarget;
  readonly timeoutMs: number;
  readonly copy: boolean;
  readonly replace: boolean;
  readonly keys: readonly Buffer[];
}

/** A key on its way. `changed` is set by the keyspace as soon as the key is touched. */
interface Moving extends Watcher {
  readonly key: Buffer;
  readonly name: string;
  /** The target holds a copy that we have sent. */
  sent: boolean;
  /** The target has it and we do not: never to be touched again. */
  done: boolean;
}

/** Where the word KEYS stands, with the empty key that it demands; -1 without it. */
function keysWordAt(call: Call): number {
  if (call.argLength[3] !== 0) return -1;
  for (let index = 6; index < call.argc; index++) {
    if (call.is(index, 'AUTH')) index += 1;
    else if (call.is(index, 'AUTH2')) index += 2;
    else if (call.is(index, 'KEYS')) return index;
  }
  return -1;
}

function findKeys(call: Call): number {
  const word = keysWordAt(call);
  const first = word < 0 ? 3 : word + 1;
  const count = word < 0 ? 1 : call.argc - first;
  call.reserveKeys(count);
  for (let key = 0; key < count; key++) call.keyPositions[key] = first + key;
  return count;
}

/** The request, or null after an error reply. */
function readRequest(call: Call): MigrateRequest | null {
  let copy = false;
  let replace = false;
  let username = '';
  let password = '';
  let keys = [call.copy(3)];
  for (let index = 6; index < call.argc; index++) {
    const more = call.argc - 1 - index;
    if (call.is(index, 'COPY')) copy = true;
    else if (call.is(index, 'REPLACE')) replace = true;
    else if (call.is(index, 'AUTH') && more >= 1) password = call.text(++index);
    else if (call.is(index, 'AUTH2') && more >= 2) {
      username = call.text(++index);
      password = call.text(++index);
    } else if (call.is(index, 'KEYS')) {
      if (call.argLength[3] !== 0) {
        call.reply.error(
          'ERR When using MIGRATE KEYS option, the key argument must be set to the empty string',
        );
        return null;
      }
      keys = [];
      for (index += 1; index < call.argc; index++) keys.push(call.copy(index));
    } else {
      call.reply.error(SYNTAX);
      return null;
    }
  }
  const database = call.integer(4);
  const timeout = call.integer(5);
  const port = call.integer(2);
  if (Number.isNaN(database) || Number.isNaN(timeout) || Number.isNaN(port)) {
    call.reply.error(NOT_INTEGER);
    return null;
  }
  const target = { host: call.text(1), port, database, username, password };
  return { target, timeoutMs: timeout > 0 ? timeout : DEFAULT_TIMEOUT_MS, copy, replace, keys };
}

function migrate(call: Call): void {
  call.propagateNothing();
  const request = readRequest(call);
  if (request === null) return;
  if (call.inTransaction) {
    call.reply.error('ERR MIGRATE is not allowed inside a transaction');
    return;
  }
  const { context } = call;
  const databaseIndex = call.client.databaseIndex;
  const present = request.keys.filter((key) => call.database.find(key, 0, key.length) !== 0);
  if (present.length === 0) {
    call.reply.simple('NOKEY');
    return;
  }
  const finish = call.defer();
  const move = new Move(context, databaseIndex, request);
  move.run(present).then(
    (problem) => finish((reply) => (problem === null ? reply.ok() : reply.error(problem))),
    (error: unknown) => {
      // A bug: the process ends and says why.
      queueMicrotask(() => {
        throw error;
      });
    },
  );
}

class Move {
  readonly #context: ServerContext;
  readonly #databaseIndex: number;
  readonly #request: MigrateRequest;

  constructor(context: ServerContext, databaseIndex: number, request: MigrateRequest) {
    this.#context = context;
    this.#databaseIndex = databaseIndex;
    this.#request = request;
  }

  /** The error for the client, or null when all keys are at the target. */
  async run(keys: readonly Buffer[]): Promise<string | null> {
    const { watches } = this.#context.keyspace;
    const moving = keys.map((key): Moving => {
      const name = watchName(this.#databaseIndex, key, 0, key.length);
      return { key, name, watchBroken: false, sent: false, done: false };
    });
    for (const each of moving) watches.add(each.name, each);
    try {
      const problem = await this.#attempt(moving, false);
      // A connection that was kept may have been closed by the target meanwhile: once more with a new one.
      return problem === STALE_CONNECTION ? await this.#attempt(moving, true) : problem;
    } finally {
      for (const each of moving) watches.remove(each.name, each);
    }
  }

  async #attempt(moving: readonly Moving[], fresh: boolean): Promise<string | null> {
    const { target, timeoutMs } = this.#request;
    const client = await connectTarget(target, timeoutMs, fresh);
    if (client instanceof RespFailure) {
      return client.kind === 'auth'
        ? `ERR Target instance replied with error: ${client.message}`
        : 'IOERR error or timeout connecting to the client';
    }
    if (client instanceof RespError) return `ERR Target instance replied with error: ${client.message}`;
    const problem = await this.#sendAll(client, moving);
    releaseTarget(target, client);
    return problem === 'closed' ? (fresh ? CLOSED : STALE_CONNECTION) : problem;
  }

  async #sendAll(client: RespClient, moving: readonly Moving[]): Promise<string | null> {
    const { replication, keyspace } = this.#context;
    let open = moving.filter((each) => !each.done);
    let firstProblem: string | null = null;
    let paused = false;
    for (let round = 0; open.length > 0 && round < ROUNDS_MAX; round++) {
      if (round === ROUNDS_RUNNING && replication.writesPausedUntilMs <= keyspace.nowMs) {
        replication.pauseWrites(keyspace.nowMs + this.#request.timeoutMs);
        paused = true;
      }
      const changed: Moving[] = [];
      for (let at = 0; at < open.length; ) {
        const batch = this.#nextBatch(open, at);
        at += batch.length;
        const problem = await this.#sendBatch(client, batch, changed);
        if (problem !== null) firstProblem ??= problem;
        if (client.failure !== undefined) break;
      }
      open = client.failure === undefined ? changed : [];
    }
    if (paused) replication.resumeWrites();
    if (open.length > 0) firstProblem ??= 'IOERR keys change faster than they can be moved';
    return firstProblem;
  }

  /** Keys from `at` on, as many as their values are small. */
  #nextBatch(open: readonly Moving[], at: number): Moving[] {
    const batch: Moving[] = [];
    let bytes = 0;
    for (let index = at; index < open.length && bytes < BATCH_BYTES; index++) {
      const each = open[index] as Moving;
      const ref = this.#database.find(each.key, 0, each.key.length);
      if (ref !== 0) bytes += this.#context.keyspace.records.valueLength(ref);
      batch.push(each);
    }
    return batch;
  }

  /**
   * Sends the values as they are now; keys that the target has unchanged are deleted, the others go to
   * `changed`.
   */
  async #sendBatch(client: RespClient, batch: readonly Moving[], changed: Moving[]): Promise<string | null> {
    const options = { deadlineMs: this.#request.timeoutMs };
    const answers = await Promise.all(
      batch.map((each) => {
        each.watchBroken = false;
        const words = this.#wordsFor(each);
        if (words === null) return null;
        if (this.#context.cluster !== null && words[0] === 'DEL') void client.call(['ASKING'], options);
        return client.call(words, options);
      }),
    );
    let problem: string | null = null;
    const done: Moving[] = [];
    for (const [index, answer] of answers.entries()) {
      const each = batch[index] as Moving;
      if (answer === null) continue;
      if (answer instanceof RespFailure) {
        problem ??=
          answer.kind === 'closed' ? 'closed' : 'IOERR error or timeout reading from target instance';
      } else if (answer instanceof RespError) {
        problem ??= `ERR Target instance replied with error: ${answer.message}`;
      } else {
        each.sent = true;
        if (this.#request.copy) continue;
        if (each.watchBroken) changed.push(each);
        else done.push(each);
      }
    }
    return this.#deleteHere(done) ?? problem;
  }

  /** What brings the target's copy in line with ours; null when neither has the key. */
  #wordsFor(each: Moving): Word[] | null {
    const { keyspace, cluster } = this.#context;
    const ref = this.#database.find(each.key, 0, each.key.length);
    if (ref === 0) return each.sent ? ['DEL', each.key] : null;
    const { records } = keyspace;
    const writer = new RecordWriter(keyspace);
    writer.version = PAYLOAD_VERSION;
    const expiresAtMs = records.expiresAtMs(ref);
    const ttl = expiresAtMs < 0 ? 0 : Math.max(1, expiresAtMs - keyspace.nowMs);
    const command = cluster === null ? 'RESTORE' : 'RESTORE-ASKING';
    const words: Word[] = [command, each.key, ttl, dumpRecord(writer, ref)];
    if (this.#request.replace || each.sent) words.push('REPLACE');
    return words;
  }

  get #database() {
    return this.#context.keyspace.databases[this.#databaseIndex];
  }

  /** Why keys must stay although the target has them, or null. */
  #deleteHere(moved: readonly Moving[]): string | null {
    if (moved.length > 0 && this.#context.replication.role === 'replica') {
      return 'ERR this node became a replica while its keys were moving';
    }
    const gone: Buffer[] = [];
    for (const each of moved) {
      each.done = true;
      if (!this.#database.remove(each.key, 0, each.key.length)) continue;
      gone.push(each.key);
      const { events } = this.#context.keyspace;
      events.emit(NOTIFY_GENERIC, 'del', this.#databaseIndex, each.key, 0, each.key.length);
    }
    if (gone.length > 0) this.#context.propagation.words(this.#databaseIndex, ['DEL', ...gone]);
    return null;
  }
}

const STALE_CONNECTION = 'IOERR the kept connection was closed';
const CLOSED = 'IOERR error or timeout writing to target instance';
