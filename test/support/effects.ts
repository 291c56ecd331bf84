/** What commands do to others than who sent them: keyspace events, and the stream that a replica gets. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeCommand, replyEnd } from './raw-connection.ts';

const waitMsMax = 10_000;
const stepMs = 2;
const DOLLAR = 36;
const LF = 10;

/** A connection whose bytes are kept as they come. */
class Listener {
  readonly #socket: Socket;
  received = Buffer.alloc(0);

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    this.#socket.on('error', () => this.#socket.destroy());
  }

  write(words: readonly string[]): void {
    this.#socket.write(encodeCommand(words));
  }

  async until(what: string, done: () => boolean): Promise<void> {
    for (let waitedMs = 0; !done(); waitedMs += stepMs) {
      if (waitedMs > waitMsMax) throw new Error(`no ${what} within ${waitMsMax} ms`);
      await sleep(stepMs);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The whole replies in `bytes`, each as its words. */
function wordsOf(bytes: Buffer): string[][] {
  const found: string[][] = [];
  for (let at = 0, end = 0; at < bytes.length; at = end) {
    end = replyEnd(bytes, at);
    if (end < 0) break;
    const words: string[] = [];
    for (let word = bytes.indexOf(LF, at) + 1; word < end; ) {
      const next = replyEnd(bytes, word);
      const start = bytes[word] === DOLLAR ? bytes.indexOf(LF, word) + 1 : word;
      words.push(bytes.toString('latin1', start, next - 2));
      word = next;
    }
    found.push(words);
  }
  return found;
}

/** Keyspace events since the last look, as `database event key`. */
export class EventListener {
  readonly #listener: Listener;
  #round = 0;

  private constructor(listener: Listener) {
    this.#listener = listener;
  }

  static async open(port: number): Promise<EventListener> {
    const events = new EventListener(new Listener(port));
    events.#listener.write(['PSUBSCRIBE', '__keyevent@*']);
    await events.take();
    return events;
  }

  async take(): Promise<string[]> {
    const mark = `round ${++this.#round}.`;
    this.#listener.write(['PING', mark]);
    await this.#listener.until('pong', () => this.#listener.received.includes(mark));
    const messages = wordsOf(this.#listener.received);
    this.#listener.received = Buffer.alloc(0);
    return messages
      .filter(([kind]) => kind === 'pmessage')
      .map(([, , channel = '', key = '']) => `${channel.replace(/^__keyevent@(\d+)__:/, '$1 ')} ${key}`);
  }

  close(): void {
    this.#listener.close();
  }
}

/** A replica in name only: gets a dataset, which must be small, and then the stream. */
export class StreamListener {
  readonly #listener: Listener;

  private constructor(listener: Listener) {
    this.#listener = listener;
  }

  static async attach(port: number): Promise<StreamListener> {
    const listener = new Listener(port);
    listener.write(['SYNC']);
    await listener.until('dataset', () => datasetEnd(listener.received) >= 0);
    listener.received = listener.received.subarray(datasetEnd(listener.received));
    return new StreamListener(listener);
  }

  /** The commands so far, without those that only keep the link. */
  commands(): string[][] {
    return wordsOf(this.#listener.received).filter(([name = '']) => !/^(ping|replconf)$/i.test(name));
  }

  /** Waits for a command that ends with this word. */
  async until(word: string): Promise<void> {
    await this.#listener.until(word, () => this.commands().at(-1)?.at(-1) === word);
  }

  close(): void {
    this.#listener.close();
  }
}

/** Where the dataset of SYNC ends: `$length`, or `$EOF:` with a mark that ends it; -1: not all there. */
function datasetEnd(bytes: Buffer): number {
  let at = 0;
  while (bytes[at] === LF) at++;
  const head = bytes.indexOf(LF, at);
  if (head < 0 || bytes[at] !== DOLLAR) return -1;
  const text = bytes.toString('latin1', at + 1, head - 1);
  if (text.startsWith('EOF:')) {
    const mark = Buffer.from(text.slice(4), 'latin1');
    const found = bytes.indexOf(mark, head + 1);
    return found < 0 ? -1 : found + mark.length;
  }
  const end = head + 1 + Number(text);
  return end <= bytes.length ? end : -1;
}
