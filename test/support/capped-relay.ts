/** A TCP relay to a local port; the line from the server has a speed, by a bucket of tokens. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { joinSockets } from './join-sockets.ts';

/** What may pass at once after silence, in milliseconds of the line. */
const BURST_MS = 20;
const HELD_BYTES_MAX = 4 * 1024 * 1024;

export class CappedRelay {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();
  /** Bytes that came from the server. */
  bytes = 0;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async to(targetPort: number, bytesPerSecond: number): Promise<CappedRelay> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const relay = new CappedRelay(server, (server.address() as { port: number }).port);
    server.on('connection', (near) => relay.#join(near, targetPort, bytesPerSecond / 1000));
    return relay;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #join(near: Socket, targetPort: number, bytesPerMs: number): void {
    const far = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    joinSockets(near, far, this.#sockets);
    near.pipe(far);
    this.#cap(far, near, bytesPerMs);
  }

  #cap(from: Socket, to: Socket, bytesPerMs: number): void {
    let tokens = BURST_MS * bytesPerMs;
    let filledMs = performance.now();
    const goOn = (): void => {
      if (to.writableLength > HELD_BYTES_MAX) to.once('drain', () => from.resume());
      else from.resume();
    };
    from.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length;
      to.write(chunk);
      const nowMs = performance.now();
      tokens = Math.min(tokens + (nowMs - filledMs) * bytesPerMs, BURST_MS * bytesPerMs) - chunk.length;
      filledMs = nowMs;
      if (tokens >= 0 && to.writableLength <= HELD_BYTES_MAX) return;
      from.pause();
      setTimeout(goOn, Math.max(0, -tokens / bytesPerMs));
    });
    from.on('end', () => to.end());
  }
}
