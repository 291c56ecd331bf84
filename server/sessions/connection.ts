/**
 * One client connection: bytes in, commands in their order, replies out. All connections read into one shared
 * buffer; only the torn tail of a command is copied. A connection gets SHARE_BYTES of input a turn, then the
 * others.
 */
import type { Socket } from 'node:net';
import type { Call } from '../commands/call.ts';
import { Client, type ClientLink } from '../commands/client.ts';
import { describeClient } from '../commands/client-info.ts';
import { DONE, type Executor } from '../commands/execute.ts';
import { REPLY_BYTES_MAX, type Reply } from '../wire/reply.ts';
import { INCOMPLETE, MALFORMED, type RequestParser } from '../wire/request.ts';
import { CONNECTION_BYTES, heldBytes } from './client-memory.ts';
import { FAILED, SENT, streamHandle, writeNow } from './kernel-writer.ts';
import { describeMalformed } from './malformed-input.ts';
import { PendingInput } from './pending-input.ts';
import type { SessionContext } from './session-context.ts';
import type { TurnMember } from './turn.ts';

/** Input of one connection that is executed in one turn. */
export const SHARE_BYTES = 16 * 1024;
/** Replies of one connection after which the rest of its input waits for the next turn. */
const REPLY_SHARE_BYTES = 1024 * 1024;
/** Runs without a look ahead after one that was of no use. */
const IDLE_RUNS = 16;
/** Replies that output limits do not count while nothing else waits: what Redis keeps outside its lists. */
const UNCOUNTED_BYTES = 16 * 1024;
/** Replies that may wait for a client that has not signed in. */
const STRANGER_BYTES_MAX = 1024;
/** Input that is read of a client that waits for an answer: that it goes must be noticed. */
const BLOCKED_INPUT_BYTES = 1024 * 1024;

export class Connection implements ClientLink, TurnMember {
  readonly client: Client;
  readonly remoteAddress: string;
  readonly #socket: Socket;
  readonly #handle: ReturnType<typeof streamHandle>;
  readonly #session: SessionContext;
  readonly #parser: RequestParser;
  readonly #executor: Executor;
  readonly #call: Call;
  readonly #reply: Reply;
  readonly #input = new PendingInput();
  /** Parse again when so many bytes wait. */
  #needed = 0;
  #reading = true;
  #blocked = false;
  #executing = false;
  /** Runs until the next look ahead. */
  #lookAgain = 0;
  #resuming = false;
  #closed = false;
  /** Replies that the kernel did not take yet. */
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #inFlightBytes = 0;
  #closeReason: string | null = null;
  #localAddress: string | null = null;
  firstSegment = -1;
  lastSegment = -1;
  /** Start and end of messages that go behind the reply of the command being executed; null without one. */
  #ownMessages: number[] | null = null;
  #holdsMessages = false;
  /** When the soft limit of the output was first exceeded, 0 while it is not. */
  #overSoftSinceMs = 0;

  constructor(session: SessionContext, socket: Socket) {
    this.#session = session;
    this.#socket = socket;
    this.#parser = session.parser;
    this.#executor = session.executor;
    this.#reply = session.turn.reply;
    this.remoteAddress = addressText(socket.remoteAddress, socket.remotePort);
    this.client = new Client(session.nextClientId(), this, session.context.keyspace.nowMs);
    session.context.access.admit(this.client);
    this.#call = session.callFor(this.client, this.#reply);
    this.#handle = streamHandle(socket);
    socket.on('error', (error: Error) => this.destroy(error.message));
    socket.on('close', () => this.#gone());
    socket.on('end', () => this.destroy('Client closed connection'));
  }

  /** Asked for seldom, and two calls of the system for each client. */
  get localAddress(): string {
    this.#localAddress ??= addressText(this.#socket.localAddress, this.#socket.localPort);
    return this.#localAddress;
  }

  get pendingBytes(): number {
    return this.#queuedBytes + this.#inFlightBytes;
  }

  get queryBytes(): number {
    return this.#input.tornBytes;
  }

  get queryCapacity(): number {
    return this.#input.capacity;
  }

  /** What this connection holds in memory, about. */
  get memoryBytes(): number {
    return CONNECTION_BYTES + this.#input.capacity + this.pendingBytes + heldBytes(this.client);
  }

  /** Input from the shared buffer, valid only during the call; false: stop reading for now. */
  receive(bytes: Uint8Array, length: number): boolean {
    if (this.#closed) return false;
    const { stats } = this.#session.context;
    stats.totalNetInputBytes += length;
    stats.totalReads++;
    this.client.netInputBytes += length;
    if (this.#input.end === 0 && !this.#blocked && !this.#resuming) {
      const rest = this.#run(bytes, 0, length);
      if (rest < length && !this.#closed) this.#keep(bytes, rest, length);
    } else {
      this.#keep(bytes, 0, length);
      if (!this.#closed && !this.#blocked && !this.#resuming && this.#input.bytes >= this.#needed)
        this.#runPending();
    }
    if (this.#closed) return false;
    const runnable = this.#input.bytes > 0 && this.#input.bytes >= this.#needed;
    if (length < SHARE_BYTES && !this.#blocked && !this.#resuming && !runnable) return true;
    if (this.#blocked && !this.client.closing && this.#input.bytes < BLOCKED_INPUT_BYTES) return true;
    // A full buffer or a full share of replies: there is more to do, and the others come first.
    this.#reading = false;
    if (!this.#blocked && !this.#resuming) this.#resumeLater();
    return false;
  }

  resume(): void {
    this.#resuming = false;
    if (this.#closed || this.#blocked) return;
    if (this.#input.bytes > 0 && this.#input.bytes >= this.#needed) this.#runPending();
    if (this.#closed || this.#blocked || this.#resuming) return;
    if (!this.#reading) {
      this.#reading = true;
      this.#session.startReading(this.#socket);
    }
  }

  block(): void {
    this.#blocked = true;
  }

  unblock(write: (reply: Reply) => void): void {
    this.#blocked = false;
    if (this.#closed) return;
    const { turn } = this.#session;
    const start = turn.messages.at;
    turn.messages.protocol = this.client.protocol;
    write(turn.messages);
    turn.deliver(this, start, turn.messages.at);
    this.#resumeLater();
  }

  /** Bytes beside the replies of commands: a stream of changes, a pushed message. */
  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    if (this.#executing) {
      this.#reply.raw(bytes);
      return;
    }
    const { turn } = this.#session;
    const start = turn.messages.at;
    turn.messages.raw(bytes);
    turn.deliver(this, start, turn.messages.at);
  }

  push(start: number, end: number): void {
    if (this.#closed) return;
    if (this.#executing && this.#executor.evicting) {
      // What goes before the command runs is told before its reply.
      this.#reply.raw(this.#session.turn.messages.buffer.subarray(start, end));
    } else if (!this.#executing && !this.#holdsMessages) this.#session.turn.deliver(this, start, end);
    else if (this.#ownMessages === null) this.#ownMessages = [start, end];
    else this.#ownMessages.push(start, end);
  }

  holdMessages(held: boolean): void {
    this.#holdsMessages = held;
    const places = this.#ownMessages;
    if (held || places === null) return;
    this.#ownMessages = null;
    for (let index = 0; index < places.length; index += 2) this.push(places[index], places[index + 1]);
  }

  send(bytes: Uint8Array): boolean {
    if (this.#closed) return true;
    const { client, pendingBytes } = this;
    const uncounted = pendingBytes === 0 && bytes.length <= UNCOUNTED_BYTES && client.authenticated;
    if (!uncounted && this.#exceeds(pendingBytes + bytes.length)) return true;
    const { stats } = this.#session.context;
    stats.totalNetOutputBytes += bytes.length;
    stats.totalWrites++;
    client.netOutputBytes += bytes.length;
    if (pendingBytes === 0) return this.#pass(bytes);
    this.#queue.push(Buffer.from(bytes));
    this.#queuedBytes += bytes.length;
    return true;
  }

  closeAfterReplies(reason: string): void {
    this.client.closing = true;
    this.#closeReason = reason;
    this.#blocked = true;
    setImmediate(() => this.#closeWhenSent());
  }

  destroy(reason: string): void {
    if (this.#closed) return;
    this.#session.context.log.debug(`Client ${this.remoteAddress} closed: ${reason}`);
    this.#gone();
    this.#socket.destroy();
  }

  /** Runs what waits, at most a share of it. */
  #runPending(): void {
    const input = this.#input;
    const { buffer } = input;
    // A share more than the torn command is known to need: its length may not be known yet.
    const end = Math.min(input.end, input.start + SHARE_BYTES + this.#needed);
    const rest = this.#run(buffer, input.start, end);
    if (this.#closed) return;
    input.start = rest;
    if (rest === input.end) input.clear();
    else if (!this.#blocked && input.bytes >= this.#needed) this.#resumeLater();
  }

  /** Executes the commands in bytes[at, end) and returns the position of the first byte not executed. */
  #run(bytes: Uint8Array, at: number, end: number): number {
    const { client } = this;
    if (client.kind === 'replica') return this.#runReplica(bytes, at, end);
    const call = this.#call;
    const reply = this.#reply;
    const parser = this.#parser;
    const { turn } = this.#session;
    turn.begin();
    const start = turn.place(this);
    const hardLimit = this.#session.outputLimit(client.kind).hardBytes;
    reply.floor = start;
    reply.atMax = start + (hardLimit === 0 ? REPLY_BYTES_MAX : hardLimit);
    this.#executing = true;
    this.#needed = 0;
    const first = at;
    let lookedTo = this.#lookAgain > 0 ? end : at;
    if (this.#lookAgain > 0) this.#lookAgain--;
    while (at < end && !this.#blocked && reply.at - start < REPLY_SHARE_BYTES) {
      if (at !== first && at >= lookedTo && client.authenticated) {
        const looked = this.#session.lookAhead.read(client.databaseIndex, bytes, at, end);
        lookedTo = looked === at ? end : looked;
        if (this.#session.lookAhead.idle) this.#lookAgain = IDLE_RUNS;
      }
      const next = parser.parse(bytes, at, end, client.authenticated);
      if (next === INCOMPLETE) {
        this.#needed = end - at + parser.missing;
        break;
      }
      if (next === MALFORMED) {
        this.#malformed(parser.problem, bytes, at, end);
        at = end;
        break;
      }
      if (parser.argc > 0) {
        call.take(parser, at, next);
        const mode = client.replyMode;
        const before = reply.at;
        if (this.#executor.execute(call) !== DONE) {
          this.#hold();
          break;
        }
        if (mode !== 'on' || client.replyMode !== 'on') this.#silence(mode, before);
        if (this.#ownMessages !== null) this.#writeOwnMessages();
      }
      at = next;
    }
    this.#executing = false;
    if (reply.full) this.#dropReplies(start);
    turn.note(this, start);
    if (turn.full) turn.flush();
    return at;
  }

  /** What a replica says while it is served: the stream goes the other way, so nothing is answered. */
  #runReplica(bytes: Uint8Array, at: number, end: number): number {
    const { client } = this;
    const { context } = this.#session;
    const reply = this.#reply;
    const parser = this.#parser;
    this.#session.turn.begin();
    const start = reply.at;
    this.#needed = 0;
    reply.floor = start;
    reply.atMax = start + REPLY_BYTES_MAX;
    while (at < end && !this.#blocked && !this.#closed) {
      const next = parser.parse(bytes, at, end, client.authenticated);
      if (next === INCOMPLETE) {
        this.#needed = end - at + parser.missing;
        break;
      }
      if (next === MALFORMED) {
        this.destroy(parser.problem);
        return end;
      }
      if (parser.argc > 0) {
        this.#call.take(parser, at, next);
        this.#executor.executeForReplica(this.#call);
      } else context.replication.primary.heard(client.id);
      at = next;
      if (reply.at === start) continue;
      reply.at = start;
      const name = client.lastCommand?.name ?? '<unknown>';
      const who = describeClient(context, client).trimEnd();
      context.log.warning(`Replica generated a reply to command '${name}', disconnecting it: ${who}`);
      this.destroy('a replica asked for a reply');
      return end;
    }
    return at;
  }

  /** CLIENT REPLY OFF and SKIP: takes back what the command wrote, but for what is a message by itself. */
  #silence(mode: Client['replyMode'], before: number): void {
    const { client } = this;
    const message = client.answeredByMessage;
    client.answeredByMessage = false;
    if (mode === 'off' && client.replyMode === 'off' && !message) this.#reply.at = before;
    if (mode === 'skip' && client.replyMode === 'skip') {
      if (!message) this.#reply.at = before;
      client.replyMode = 'on';
    }
    if (client.replyMode === 'skip-next') client.replyMode = 'skip';
  }

  /** The replies are more than may wait for this client: none is sent. */
  #dropReplies(start: number): void {
    const reply = this.#reply;
    const bytes = reply.atMax - start;
    reply.full = false;
    reply.at = start;
    if (!this.#exceeds(bytes + 1)) this.destroy('the replies of one turn are too large');
  }

  /** Messages that the command sent to its own client follow its reply. */
  #writeOwnMessages(): void {
    const places = this.#ownMessages ?? [];
    this.#ownMessages = null;
    const { buffer } = this.#session.turn.messages;
    for (let index = 0; index < places.length; index += 2) {
      this.#reply.raw(buffer.subarray(places[index], places[index + 1]));
    }
  }

  /** Clients are paused: tries this command again when they are not. */
  #hold(): void {
    this.#blocked = true;
    this.client.blocked = true;
    this.#session.hold(this);
  }

  /** The pause is over. */
  release(): void {
    this.#blocked = false;
    this.client.blocked = false;
    this.resume();
  }

  #malformed(problem: string, bytes: Uint8Array, start: number, end: number): void {
    this.#reply.protocol = this.client.protocol;
    this.#reply.error(`ERR ${problem}`);
    const { context } = this.#session;
    context.log.verbose(describeMalformed(context, this.client, problem, bytes, start, end));
    this.closeAfterReplies(problem);
  }

  #resumeLater(): void {
    if (this.#resuming) return;
    this.#resuming = true;
    this.#session.turn.resumeLater(this);
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    if (this.#input.capacity === 0) this.#session.buffered.add(this);
    this.#input.keep(bytes, start, end, this.#needed);
    if (this.#input.bytes <= this.#session.queryBytesMax) return;
    this.#session.context.stats.clientQueryLimitDisconnections++;
    this.destroy('the query buffer limit was exceeded');
  }

  /** Now and then while it has a buffer for input; true when it has no more than it needs. */
  shrinkInput(nowMs: number): boolean {
    return this.#input.shrink(nowMs - this.client.lastInteractionMs);
  }

  /** Hands bytes to the kernel; true when it took all of them. */
  #pass(bytes: Uint8Array): boolean {
    if (this.#handle === null) {
      this.#inFlightBytes = bytes.length;
      this.#socket.write(bytes, () => this.#drained(0));
      return false;
    }
    const result = writeNow(this.#handle, bytes, this.#drained);
    if (result === SENT) return true;
    if (result === FAILED) {
      this.destroy('write failed');
      return true;
    }
    this.#inFlightBytes = bytes.length;
    return false;
  }

  readonly #drained = (status: number): void => {
    if (this.#closed) return;
    if (status < 0) {
      this.destroy('write failed');
      return;
    }
    this.#inFlightBytes = 0;
    while (this.#queue.length > 0 && this.#inFlightBytes === 0) {
      const bytes = this.#queue.length === 1 ? this.#queue[0] : Buffer.concat(this.#queue);
      this.#queue = [];
      this.#queuedBytes = 0;
      if (!this.#pass(bytes)) return;
    }
    this.#overSoftSinceMs = 0;
    if (this.#closeReason !== null) this.#closeWhenSent();
  };

  #closeWhenSent(): void {
    if (this.#closed) return;
    this.#session.turn.flush();
    if (this.pendingBytes === 0) this.destroy(this.#closeReason ?? 'closed');
  }

  /** Now and then: a limit that may be exceeded for some seconds runs out without traffic too. */
  checkOutputLimit(): void {
    if (this.pendingBytes > 0) this.#exceeds(this.pendingBytes);
  }

  /** Whether so many bytes of replies are more than this class of client may have waiting; closes it then. */
  #exceeds(bytes: number): boolean {
    const { hardBytes, softBytes, softSeconds } = this.#session.outputLimit(this.client.kind);
    const { context } = this.#session;
    const { nowMs } = context.keyspace;
    const stranger = !this.client.authenticated && context.access.signInNeeded;
    let exceeded = (hardBytes > 0 && bytes > hardBytes) || (stranger && bytes > STRANGER_BYTES_MAX);
    if (softBytes === 0 || bytes <= softBytes) this.#overSoftSinceMs = 0;
    else if (this.#overSoftSinceMs === 0) this.#overSoftSinceMs = nowMs;
    else if (nowMs - this.#overSoftSinceMs > softSeconds * 1000) exceeded = true;
    if (!exceeded) return false;
    context.stats.clientOutputLimitDisconnections++;
    context.log.warning(
      `Client ${this.remoteAddress} closed: ${bytes} bytes of replies exceed client-output-buffer-limit`,
    );
    this.destroy('output buffer limit');
    return true;
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#inFlightBytes = 0;
    this.#input.drop();
    this.#session.remove(this);
  }
}

function addressText(address: string | undefined, port: number | undefined): string {
  if (address === undefined) return '';
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
