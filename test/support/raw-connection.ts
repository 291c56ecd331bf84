/** A connection that returns replies as the bytes that came, so that tests can compare them byte for byte. */
import { connect, type Socket } from 'node:net';

const answerMsMax = 10_000;
const LF = 10;
const largeBytes = 4 * 1024 * 1024;

/** One word of a command. */
export type Word = string | Uint8Array;

/** The command as an array of bulk strings; text as UTF-8. */
export function encodeCommand(words: readonly Word[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === 'string' ? Buffer.from(word) : word;
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

/** Where the reply that starts at `start` ends; -1 when it is not all there. RESP 2 and 3. */
export function replyEnd(bytes: Uint8Array, start: number): number {
  const lineEnd = bytes.indexOf(LF, start);
  if (lineEnd < 0) return -1;
  const type = String.fromCharCode(bytes[start] ?? 0);
  const head = Buffer.from(bytes.subarray(start + 1, lineEnd - 1)).toString();
  let next = lineEnd + 1;
  if ('$=!'.includes(type)) {
    const length = Number(head);
    if (length < 0) return next;
    next += length + 2;
    return next <= bytes.length ? next : -1;
  }
  if (!'*%~>|'.includes(type)) return next;
  let elements = Number(head) * (type === '%' || type === '|' ? 2 : 1);
  if (type === '|') elements += 1;
  for (; elements > 0; elements -= 1) {
    next = replyEnd(bytes, next);
    if (next < 0) return -1;
  }
  return next;
}

interface Waiting {
  resolve(reply: Buffer): void;
  reject(error: Error): void;
}

export class RawConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  #scheduled = false;
  /** Why no reply comes any more, null while some may. */
  #ended: Error | null = null;
  readonly #waiting: Waiting[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('connection closed')));
  }

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        resolve(new RawConnection(socket));
      });
    });
  }

  /** Sends a command and returns its reply. */
  call(words: readonly Word[]): Promise<Buffer> {
    return this.send(encodeCommand(words), 1).then(([reply]) => reply as Buffer);
  }

  /** Sends bytes and returns as many replies as they ask for. */
  send(bytes: Uint8Array, replies: number): Promise<Buffer[]> {
    const answers = Array.from({ length: replies }, () => this.#next());
    this.#socket.write(bytes);
    return Promise.all(answers);
  }

  /** Sends bytes that belong to a reply which is awaited already. */
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  close(): void {
    this.#socket.destroy();
  }

  #next(): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) {
        reject(this.#ended);
        return;
      }
      const timer = setTimeout(() => {
        reject(new Error(`no reply within ${answerMsMax} ms`));
        this.#socket.destroy();
      }, answerMsMax);
      this.#waiting.push({
        resolve(reply) {
          clearTimeout(timer);
          resolve(reply);
        },
        reject(error) {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.length;
    // A large reply comes in many chunks: put them together only when much has come.
    if (this.#chunkBytes < this.#received.length && this.#chunkBytes < largeBytes) {
      this.#joinLater();
      return;
    }
    this.#join();
  }

  #joinLater(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#join();
    });
  }

  #join(): void {
    this.#received = Buffer.concat([this.#received, ...this.#chunks]);
    this.#chunks = [];
    this.#chunkBytes = 0;
    while (this.#waiting.length > 0) {
      const end = this.#received.length === 0 ? -1 : replyEnd(this.#received, 0);
      if (end < 0) return;
      this.#waiting.shift()?.resolve(this.#received.subarray(0, end));
      this.#received = this.#received.subarray(end);
    }
  }

  #fail(error: Error): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}
