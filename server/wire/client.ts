/**
 * A RESP client on one TCP connection: connect, authenticate, pipeline calls, each with a deadline.
 *
 * Replies come in the order of the calls, so a call that is given up leaves a reply nobody waits for. That is
 * why a missed deadline closes the connection: whatever else was under way ends as `closed`, and the owner
 * connects again. Calls that may take long (MIGRATE) get a long deadline.
 *
 * Everything that can go wrong in the world is a value: an error reply is a RespError, a broken connection a
 * RespFailure. Nothing here rejects and nothing here reconnects.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import { type Reply, ReplyParser, ReplyProtocolError, RespError, RespPush } from './reply-parser.ts';

export type RespFailureKind =
  /** Name resolution or TCP failed, or the connect deadline passed. */
  | 'connect'
  /** The server refused AUTH or HELLO; the message is the server's. */
  | 'auth'
  /** No reply within the call's deadline. The connection is closed. */
  | 'timeout'
  /** The connection ended before the reply. The command may or may not have run. */
  | 'closed'
  /** The peer does not speak RESP. The connection is closed. */
  | 'protocol'
  /** Too many calls or bytes are waiting; nothing was sent. */
  | 'queueFull';

export class RespFailure {
  readonly kind: RespFailureKind;
  readonly message: string;

  constructor(kind: RespFailureKind, message: string) {
    this.kind = kind;
    this.message = message;
  }
}

/** One word of a command; strings are sent as UTF-8, numbers in decimal. */
export type Word = string | number | bigint | Uint8Array;

export interface RespClientOptions {
  readonly host: string;
  readonly port: number;
  /** Name resolution, TCP, AUTH and HELLO together. */
  readonly connectDeadlineMs: number;
  readonly username?: string;
  readonly password?: string;
  /** Protocol version; 3 sends HELLO. Default 2. */
  readonly protocol?: 2 | 3;
  /** What bulk strings become. Default `string`. */
  readonly bulk?: 'buffer' | 'string';
  /** Calls that wait for a reply. Default 1024. */
  readonly callsMax?: number;
  /** Bytes that wait to be sent, beyond which no further call is taken. Default 64 MiB. */
  readonly unsentBytesMax?: number;
  /** Bytes of one reply. Default 64 MiB. */
  readonly replyBytesMax?: number;
  /** Out-of-band messages of RESP3; dropped when absent. */
  readonly onPush?: (push: RespPush) => void;
}

interface PendingCall {
  readonly resolve: (answer: Reply | RespFailure) => void;
  readonly timer: NodeJS.Timeout;
}

export class RespClient {
  readonly #socket: Socket;
  readonly #options: RespClientOptions;
  readonly #parser: ReplyParser;
  /** Calls that were written and have no reply yet, oldest first; `#head` are answered already. */
  #pending: PendingCall[] = [];
  #head = 0;
  #failure: RespFailure | undefined;
  #corked = false;

  private constructor(socket: Socket, options: RespClientOptions) {
    this.#socket = socket;
    this.#options = options;
    const replyBytesMax = options.replyBytesMax ?? 64 * 1024 * 1024;
    this.#parser = new ReplyParser({
      bulk: options.bulk ?? 'string',
      replyBytesMax,
      bulkBytesMax: replyBytesMax,
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#end(new RespFailure('closed', error.message)));
    socket.on('close', () => this.#end(new RespFailure('closed', 'the server closed the connection')));
  }

  /** A connected and authenticated client, or why there is none. */
  static async connect(options: RespClientOptions): Promise<RespClient | RespFailure> {
    const deadline = Date.now() + options.connectDeadlineMs;
    const socket = await openSocket(options);
    if (socket instanceof RespFailure) return socket;
    const client = new RespClient(socket, options);
    for (const words of greeting(options)) {
      const reply = await client.call(words, { deadlineMs: Math.max(1, deadline - Date.now()) });
      if (reply instanceof RespFailure || reply instanceof RespError) {
        client.close();
        return reply instanceof RespError ? new RespFailure('auth', reply.message) : reply;
      }
    }
    return client;
  }

  /** Why this client takes no calls any more; undefined while it does. */
  get failure(): RespFailure | undefined {
    return this.#failure;
  }

  /**
   * Sends one command. Resolves with the reply (an error reply included) or with the failure; never rejects.
   */
  call(words: readonly Word[], options: { readonly deadlineMs: number }): Promise<Reply | RespFailure> {
    if (this.#failure !== undefined) return Promise.resolve(this.#failure);
    const callsMax = this.#options.callsMax ?? 1024;
    const unsentBytesMax = this.#options.unsentBytesMax ?? 64 * 1024 * 1024;
    if (this.#pending.length - this.#head >= callsMax) {
      return Promise.resolve(new RespFailure('queueFull', `${callsMax} calls are waiting for replies`));
    }
    if (this.#socket.writableLength > unsentBytesMax) {
      return Promise.resolve(new RespFailure('queueFull', `${unsentBytesMax} bytes are waiting to be sent`));
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        const late = new RespFailure(
          'timeout',
          `no reply to ${commandName(words)} within ${options.deadlineMs} ms`,
        );
        resolve(late);
        this.#end(new RespFailure('closed', `the connection was given up: ${late.message}`));
      }, options.deadlineMs);
      this.#pending.push({ resolve, timer });
      this.#write(words);
    });
  }

  /** Ends the connection at once; calls under way end as `closed`. */
  close(): void {
    this.#end(new RespFailure('closed', 'closed by the caller'));
  }

  #write(words: readonly Word[]): void {
    // Commands of one turn leave in one system call.
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    for (const piece of encodeCommand(words)) this.#socket.write(piece);
  }

  #read(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    try {
      this.#parser.feed(chunk, (reply) => this.#answer(reply));
    } catch (error) {
      if (!(error instanceof ReplyProtocolError)) throw error;
      this.#end(new RespFailure('protocol', error.message));
    }
  }

  #answer(reply: Reply): void {
    if (this.#failure !== undefined) return;
    if (reply instanceof RespPush) {
      this.#options.onPush?.(reply);
      return;
    }
    const call = this.#pending[this.#head];
    if (call === undefined) {
      this.#end(new RespFailure('protocol', 'Protocol error: a reply that nobody asked for'));
      return;
    }
    this.#head += 1;
    if (this.#head === this.#pending.length) {
      this.#pending = [];
      this.#head = 0;
    } else if (this.#head >= 1024) {
      this.#pending = this.#pending.slice(this.#head);
      this.#head = 0;
    }
    clearTimeout(call.timer);
    call.resolve(reply);
  }

  #end(failure: RespFailure): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#socket.destroy();
    const calls = this.#pending.slice(this.#head);
    this.#pending = [];
    this.#head = 0;
    for (const call of calls) {
      clearTimeout(call.timer);
      call.resolve(failure);
    }
  }
}

function openSocket(options: RespClientOptions): Promise<Socket | RespFailure> {
  return new Promise((resolve) => {
    const socket = connectSocket({ host: options.host, port: options.port });
    const address = `${options.host}:${options.port}`;
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(new RespFailure('connect', `${address}: not connected within ${options.connectDeadlineMs} ms`));
    }, options.connectDeadlineMs);
    const onError = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(new RespFailure('connect', `${address}: ${errorText(error)}`));
    };
    // After the deadline the listener stays, so that a late error of the destroyed socket finds somebody.
    socket.on('error', onError);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', onError);
      resolve(socket);
    });
  });
}

/** A name with several addresses fails with an AggregateError, whose own message is empty. */
function errorText(error: Error): string {
  if (error.message !== '') return error.message;
  if (error instanceof AggregateError) return error.errors.map((each: Error) => each.message).join('; ');
  return error.name;
}

function greeting(options: RespClientOptions): Word[][] {
  const { username, password } = options;
  if (options.protocol === 3) {
    const credentials = password === undefined ? [] : ['AUTH', username ?? 'default', password];
    return [['HELLO', '3', ...credentials]];
  }
  if (password === undefined) return [];
  return [username === undefined ? ['AUTH', password] : ['AUTH', username, password]];
}

/** Only the command's name: arguments may be secrets. */
function commandName(words: readonly Word[]): string {
  return String(words[0] ?? '').toUpperCase();
}

/** The command as pieces to write; large binary words are not copied. */
export function encodeCommand(words: readonly Word[]): (string | Uint8Array)[] {
  const pieces: (string | Uint8Array)[] = [];
  let text = `*${words.length}\r\n`;
  for (const word of words) {
    if (word instanceof Uint8Array) {
      pieces.push(`${text}$${word.length}\r\n`, word);
      text = '\r\n';
    } else {
      const written = String(word);
      text += `$${Buffer.byteLength(written)}\r\n${written}\r\n`;
    }
  }
  if (text !== '') pieces.push(text);
  return pieces;
}
