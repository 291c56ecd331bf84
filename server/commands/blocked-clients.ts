/**
 * Clients that wait for keys, per key in the order they came.
 *
 *   handler finds nothing -> blockForKeys -> block: the request's bytes are kept, the connection runs no more
 *   a key changes         -> Watches touches its BlockedKey -> `ready`
 *   the command, transaction or script has ended -> serve(): keys in the order they became ready, clients in
 *                            the order they came; each runs its command again through the executor, which may
 *                            make further keys ready (BLMOVE), until none is
 *
 * A command that is run again and blocks again keeps its place and its deadline. Who waits is not counted as
 * a command until it is answered. Cost: O(keys) a block, O(log clients) for the deadline; a key that nobody
 * waits for costs nothing.
 */
import { watchName } from '../keyspace/watch.ts';
import { Reply } from '../wire/reply.ts';
import { RequestParser } from '../wire/request.ts';
import { NO_LINK } from './applier.ts';
import { type BlockRequest, UNBLOCKED_BY_ROLE } from './blocking.ts';
import { Call } from './call.ts';
import { Client } from './client.ts';
import type { CommandTable } from './command-table.ts';
import type { ServerContext } from './context.ts';
import { Deadlines } from './deadlines.ts';
import { type Executor, HELD } from './execute.ts';
import { WRITE } from './row.ts';
import { BlockedKey, Waiter, type WaiterOwner } from './waiter.ts';

/** How soon a command that may not run now (CLIENT PAUSE) is tried again. */
const HELD_LOOK_MS = 10;
const REPLY_BYTES_KEPT = 1024 * 1024;
/** Whose call it is between two runs. */
const NOBODY = new Client(0, NO_LINK, 0);

export class BlockedClients implements WaiterOwner {
  /** Some key has something for who waits: `serve` must be called when the command has ended. */
  ready = false;
  readonly #context: ServerContext;
  readonly #executor: Executor;
  readonly #beginTurn: () => void;
  readonly #keys = new Map<string, BlockedKey>();
  readonly #clients = new Map<Client, Waiter>();
  readonly #deadlines = new Deadlines<Waiter>((waiter) => waiter.timeOut());
  readonly #call: Call;
  readonly #parser = new RequestParser();
  readonly #reply = new Reply();
  readonly #held = new Set<Waiter>();
  #readyKeys: BlockedKey[] = [];
  #serving = false;
  /** Whose command is being run again. */
  #running: Waiter | null = null;
  #blockedAgain = false;
  #heldTimer: NodeJS.Timeout | null = null;

  /** `beginTurn` sets the clock of the turn and sees to its end. */
  constructor(context: ServerContext, table: CommandTable, executor: Executor, beginTurn: () => void) {
    this.#context = context;
    this.#executor = executor;
    this.#beginTurn = beginTurn;
    this.#call = new Call(context, table, NOBODY, this.#reply);
    this.#call.runsAgain = true;
    this.#parser.bulkBytesMax = Number.POSITIVE_INFINITY;
  }

  /** Keys that somebody waits for. */
  get keyCount(): number {
    return this.#keys.size;
  }

  /** Keys whose end somebody waits for as well. */
  get noKeyCount(): number {
    let count = 0;
    for (const key of this.#keys.values()) if (key.wakesOnDelete > 0) count++;
    return count;
  }

  /** Clients that wait with a deadline. */
  get deadlineCount(): number {
    return this.#deadlines.size;
  }

  /** For `blockForKeys`: the command being run in `call` waits for its keys. */
  block(call: Call, request: BlockRequest): void {
    // The executor counts it when the handler returns; what waits has not run.
    call.waits = true;
    call.entry.calls--;
    call.client.commandCount--;
    this.#context.stats.totalCommandsProcessed--;
    if (this.#running !== null && this.#running.client === call.client) {
      this.#blockedAgain = true;
      return;
    }
    const waiter = new Waiter(this, call, request, this.#context.keyspace.nowMs);
    const { databaseIndex } = call.client;
    for (let index = 0; index < request.keyCount; index++) {
      const word = request.firstKey + index * (request.keyStep ?? 1);
      const key = this.#keyOf(databaseIndex, call.bytes, call.argStart[word], call.argLength[word]);
      if (key.waiters.has(waiter)) continue;
      key.waiters.add(waiter);
      waiter.keys.push(key);
      if (waiter.wakeOnDelete) key.wakesOnDelete++;
    }
    this.#clients.set(call.client, waiter);
    if (request.timeoutMs > 0) this.#deadlines.add(waiter);
    call.client.waiting = waiter;
    call.client.blocked = true;
    call.client.link.block();
  }

  /** Runs the commands of those whose keys became ready. Between commands only. */
  serve(): void {
    // A script that stands still is in the middle of its changes.
    if (this.#serving || this.#context.scripts.suspended !== null) return;
    this.#serving = true;
    this.#beginTurn();
    // A transaction keeps its clock; who waited for its end does not.
    this.#context.keyspace.setNow(Date.now());
    while (this.#readyKeys.length > 0) {
      const keys = this.#readyKeys;
      this.#readyKeys = [];
      for (const key of keys) {
        key.ready = false;
        this.#serveKey(key);
      }
    }
    this.ready = false;
    this.#serving = false;
  }

  /** Ends every wait, and the connections with it: this server became a replica. */
  failAll(): void {
    for (const waiter of [...this.#clients.values()]) {
      const { link } = waiter.client;
      waiter.fail(UNBLOCKED_BY_ROLE);
      link.closeAfterReplies('the server became a replica');
    }
  }

  /** Answers who waits for keys that another node of the cluster serves by now. */
  redirectMoved(): void {
    const { cluster } = this.#context;
    if (cluster === null) return;
    for (const waiter of [...this.#clients.values()]) {
      const error = cluster.route(waiter.slot, {
        write: (waiter.entry.flags & WRITE) !== 0,
        // A slot that is on its way is waited for at both ends.
        asking: true,
        readonlyMode: waiter.client.readonlyMode,
        keyCount: 1,
        movesKeys: false,
        missingKeys: () => 0,
      });
      if (error !== null) waiter.fail(error);
    }
  }

  /** The client has gone. */
  forget(client: Client): void {
    const waiter = this.#clients.get(client);
    if (waiter !== undefined) this.#detach(waiter);
  }

  stop(): void {
    this.#deadlines.stop();
    if (this.#heldTimer !== null) clearTimeout(this.#heldTimer);
    this.#heldTimer = null;
  }

  /** For keys: something has changed. */
  markReady(key: BlockedKey): void {
    this.#readyKeys.push(key);
    if (!this.ready) {
      this.ready = true;
      this.#beginTurn();
    }
  }

  /** For waiters: the client is answered with what `write` makes. */
  answer(waiter: Waiter, write: (reply: Reply) => void): void {
    this.#detach(waiter);
    const { client } = waiter;
    client.blocked = false;
    client.link.unblock(waiter.muted ? () => {} : write);
  }

  /** For waiters: an answer without a run counts as one. */
  answerUnserved(waiter: Waiter, error: string | null): void {
    if (this.#clients.get(waiter.client) !== waiter) return;
    this.#beginTurn();
    waiter.entry.calls++;
    waiter.client.commandCount++;
    this.#context.stats.totalCommandsProcessed++;
    if (error === null) {
      this.answer(waiter, waiter.onTimeout);
      return;
    }
    this.#executor.countFailure(waiter.entry, error);
    this.answer(waiter, (reply) => reply.error(error));
  }

  #serveKey(key: BlockedKey): void {
    const { databases, records } = this.#context.keyspace;
    const database = databases[key.databaseIndex];
    let left = key.waiters.size;
    for (const waiter of key.waiters) {
      if (left-- === 0) break;
      // An expired key is nobody's gain, and nobody's to delete here.
      const ref = database.findLive(key.bytes, 0, key.bytes.length);
      if (waiter.wakeOnDelete || (ref !== 0 && records.type(ref) === waiter.type)) this.#runAgain(waiter);
      else if (ref === 0 && key.wakesOnDelete === 0) break;
    }
  }

  #runAgain(waiter: Waiter): void {
    const call = this.#call;
    const reply = this.#reply;
    reply.at = 0;
    if (reply.buffer.length > REPLY_BYTES_KEPT) reply.reset(true);
    this.#parser.parse(waiter.request, 0, waiter.request.length, true);
    call.take(this.#parser, 0, waiter.request.length);
    call.client = waiter.client;
    call.client.asking = waiter.asking;
    this.#running = waiter;
    this.#blockedAgain = false;
    const { link } = waiter.client;
    link.holdMessages(true);
    const outcome = this.#executor.execute(call);
    this.#running = null;
    call.client = NOBODY;
    if (outcome === HELD) this.#hold(waiter);
    else if (!this.#blockedAgain && this.#clients.get(waiter.client) === waiter) {
      const bytes = Buffer.from(reply.buffer.subarray(0, reply.at));
      this.answer(waiter, (to) => to.raw(bytes));
    }
    link.holdMessages(false);
  }

  /** Commands are paused: looks again a little later. */
  #hold(waiter: Waiter): void {
    this.#held.add(waiter);
    this.#heldTimer ??= setTimeout(() => {
      this.#heldTimer = null;
      this.#beginTurn();
      const held = [...this.#held];
      this.#held.clear();
      for (const each of held) for (const key of each.keys) key.watchBroken = true;
    }, HELD_LOOK_MS);
  }

  #keyOf(databaseIndex: number, bytes: Uint8Array, start: number, length: number): BlockedKey {
    const name = watchName(databaseIndex, bytes, start, length);
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = new BlockedKey(this, name, databaseIndex, Buffer.from(bytes.subarray(start, start + length)));
      this.#keys.set(name, key);
      this.#context.keyspace.watches.add(name, key);
    }
    return key;
  }

  #detach(waiter: Waiter): void {
    this.#deadlines.remove(waiter);
    this.#held.delete(waiter);
    this.#clients.delete(waiter.client);
    waiter.client.waiting = null;
    for (const key of waiter.keys) {
      key.waiters.delete(waiter);
      if (waiter.wakeOnDelete) key.wakesOnDelete--;
      if (key.waiters.size > 0) continue;
      this.#keys.delete(key.name);
      this.#context.keyspace.watches.remove(key.name, key);
    }
  }
}
