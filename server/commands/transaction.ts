/** MULTI and what belongs to it. Queued commands are kept as their bytes and parsed again by EXEC. */
import type { Cluster } from '../cluster/cluster.ts';
import type { Database } from '../keyspace/database.ts';
import { watchName } from '../keyspace/watch.ts';
import { RequestParser } from '../wire/request.ts';
import { Call } from './call.ts';
import type { Client } from './client.ts';
import type { ServerContext } from './context.ts';
import * as errors from './errors.ts';
import type { Executor } from './execute.ts';
import { routeQueued } from './route.ts';
import {
  ALL_KEYS,
  ALLOW_BUSY,
  FAST,
  LOADING,
  NO_KEY,
  NOSCRIPT,
  type Row,
  SKIP_SLOWLOG,
  STALE,
} from './row.ts';

const FLAGS = NOSCRIPT | LOADING | STALE | FAST;

// biome-ignore format: a table, one command a row
export const transactionCommands: readonly Row[] = [
  // name      arity flags             keys      since    run      summary
  ['DISCARD',  1,    FLAGS | ALLOW_BUSY,            NO_KEY,   '2.0.0', discard, 'Discards a transaction.'],
  ['EXEC',     1,    NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG, NO_KEY, '1.2.0', exec, 'Executes all commands in a transaction.'],
  ['MULTI',    1,    FLAGS | ALLOW_BUSY,            NO_KEY,   '1.2.0', multi,   'Starts a transaction.'],
  ['UNWATCH',  1,    FLAGS | ALLOW_BUSY,            NO_KEY,   '2.2.0', unwatch, 'Forgets about watched keys of a transaction.'],
  ['WATCH',    -2,   FLAGS | ALLOW_BUSY,            ALL_KEYS, '2.2.0', watch,   'Monitors changes to keys to determine the execution of a transaction.'],
];

function discard(call: Call): void {
  if (call.client.queued === null) {
    call.reply.error(errors.DISCARD_WITHOUT_MULTI);
    return;
  }
  endTransaction(call.client, call.context);
  call.reply.ok();
}

function multi(call: Call): void {
  const client = call.client;
  if (client.queued !== null) {
    call.reply.error(errors.NESTED_MULTI);
    client.queueError = true;
    return;
  }
  client.queued = [];
  client.queuedBytes = 0;
  client.queuedFlags = 0;
  client.queuedLacks = 0;
  client.queueError = false;
  call.reply.ok();
}

function exec(call: Call): void {
  const { client, context, reply } = call;
  const queued = client.queued;
  if (queued === null) {
    reply.error(errors.EXEC_WITHOUT_MULTI);
    return;
  }
  if (client.watched !== null) meetExpired(client, context);
  const broken = client.watchBroken;
  const refused = client.queueError;
  const inner = innerCall(call);
  // What comes from our primary or a file runs wherever its slot is now.
  const routed = context.cluster !== null && (client.kind === 'normal' || client.kind === 'pubsub');
  const redirect = routed ? routeQueued(inner.call, queued, context.cluster as Cluster) : null;
  endTransaction(client, context);
  if (redirect !== null) {
    reply.error(redirect);
    return;
  }
  if (refused) {
    reply.error(errors.EXEC_ABORT);
    return;
  }
  if (broken) {
    reply.nullArray();
    return;
  }
  const start = reply.at;
  reply.array(queued.length);
  const before = client.writeOffset;
  client.writeOffset = NOTHING_WRITTEN;
  context.propagation.beginUnit();
  runQueued(call, queued, 0, start, before);
}

/**
 * Runs what was queued from `from` on and ends the transaction. When a script among it stands still, the rest
 * waits for its end.
 */
function runQueued(
  call: Call,
  queued: readonly Uint8Array[],
  from: number,
  start: number,
  before: number,
): void {
  const { client, context, reply } = call;
  const inner = innerCall(call);
  for (let index = from; index < queued.length; index++) {
    const bytes = queued[index];
    const end = parser.parse(bytes, 0, bytes.length, true);
    inner.call.take(parser, 0, end);
    inner.executor.executeTrusted(inner.call);
    if (context.scripts.suspended === null) continue;
    call.waits = true;
    context.scripts.continueWith(reply, start, (late, muted) => {
      const rest = new Call(context, call.table, client, late);
      runQueued(rest, queued, index + 1, 0, before);
      if (context.scripts.suspended !== null) return;
      client.link.unblock((to) => to.raw(late.buffer.subarray(0, muted ? 0 : late.at)));
    });
    return;
  }
  context.propagation.endUnit();
  // The end of the transaction belongs to its writes.
  client.writeOffset = client.writeOffset === NOTHING_WRITTEN ? before : context.replication.offset;
}

/** A watched key that has expired unnoticed has changed, too. */
function meetExpired(client: Client, context: ServerContext): void {
  const { keyspace } = context;
  for (const { databaseIndex, key, stale } of client.watched?.values() ?? []) {
    if (!stale && hasExpired(keyspace.databases[databaseIndex], key)) client.watchBroken = true;
  }
}

/** Whether the key is there and its time is over. */
function hasExpired(database: Database, key: Buffer): boolean {
  return database.findAny(key, 0, key.length) !== 0 && database.findLive(key, 0, key.length) === 0;
}

/** SWAPDB may have put keys whose time is over in the place of none: no change for who watches them. */
export function noteSwapped(context: ServerContext, indexes: readonly number[]): void {
  for (const client of context.clients.all()) {
    for (const watched of client.watched?.values() ?? []) {
      if (!indexes.includes(watched.databaseIndex)) continue;
      watched.stale = hasExpired(context.keyspace.databases[watched.databaseIndex], watched.key);
    }
  }
}

const NOTHING_WRITTEN = -1;
const parser = new RequestParser();
let cached: { call: Call; executor: Executor } | null = null;
let makeExecutor: ((context: ServerContext) => Executor) | null = null;

/** Wired once: how EXEC runs what was queued. */
export function setTransactionExecutor(make: (context: ServerContext) => Executor): void {
  makeExecutor = make;
  cached = null;
}

/** A second call, because the words of EXEC's own are still in use by who called it. */
function innerCall(call: Call): { call: Call; executor: Executor } {
  if (makeExecutor === null) throw new Error('setTransactionExecutor was not called');
  if (cached === null || cached.call.context !== call.context) {
    cached = {
      call: new Call(call.context, call.table, call.client, call.reply),
      executor: makeExecutor(call.context),
    };
    cached.call.inTransaction = true;
  }
  cached.call.client = call.client;
  cached.call.reply = call.reply;
  return cached;
}

function watch(call: Call): void {
  const { client, context } = call;
  if (client.queued !== null) {
    call.reply.error(errors.WATCH_INSIDE_MULTI);
    client.queueError = true;
    return;
  }
  client.watched ??= new Map();
  for (let index = 1; index < call.argc; index++) {
    // An expired key that is still there must not break the watch when it goes.
    call.database.find(call.bytes, call.argStart[index], call.argLength[index]);
    const name = watchName(client.databaseIndex, call.bytes, call.argStart[index], call.argLength[index]);
    if (client.watched.has(name)) continue;
    const key = call.copy(index);
    const { databaseIndex } = client;
    client.watched.set(name, { databaseIndex, key, stale: hasExpired(call.database, key) });
    context.keyspace.watches.add(name, client);
  }
  call.reply.ok();
}

function unwatch(call: Call): void {
  forgetWatches(call.client, call.context);
  call.reply.ok();
}

/** Leaves MULTI and forgets the watches, as EXEC, DISCARD, RESET and the end of a connection do. */
export function endTransaction(client: Client, context: ServerContext): void {
  client.queued = null;
  client.queuedBytes = 0;
  client.queueError = false;
  forgetWatches(client, context);
}

function forgetWatches(client: Client, context: ServerContext): void {
  if (client.watched !== null) {
    for (const name of client.watched.keys()) context.keyspace.watches.remove(name, client);
    client.watched = null;
  }
  client.watchBroken = false;
}
