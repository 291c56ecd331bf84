/**
 * The sockets of the cluster bus: a listener, and one outgoing connection a peer. Bytes become frames here; a
 * peer that does not speak the protocol loses its connection, and nothing more happens.
 */
import { createServer, isIPv6, type Server, Socket } from 'node:net';
import { type BusMessage, decodeMessage, frameLength } from './bus-message.ts';
import type { BusLink, LogLevel } from './cluster-environment.ts';
import type { ClusterNode } from './node-table.ts';
import { resolveWithin } from './peer-address.ts';

const INBOUND_LINKS_MAX = 20_000;
/**
 * A stranger may not make us keep more than this: enough for a MEET that names every node of the largest
 * cluster.
 */
const STRANGER_FRAME_BYTES_MAX = 2 * 1024 * 1024;
const CONNECT_MS_MIN = 500;
const CONNECT_MS_MAX = 2000;
const FIRST_BUFFER_BYTES = 8 * 1024;

export interface LinkHandlers {
  received(link: BusLink, message: BusMessage): void;
  connected(link: BusLink, node: ClusterNode): void;
  closed(link: BusLink): void;
  log(level: LogLevel, text: string): void;
  now(): number;
  nodeTimeoutMs(): number;
}

/** `::ffff:1.2.3.4` is the same peer as `1.2.3.4`. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

class SocketLink implements BusLink {
  readonly inbound: boolean;
  readonly createdAt: number;
  node: ClusterNode | null = null;
  remoteIp = '';
  localIp = '';
  readonly socket: Socket;
  readonly #handlers: LinkHandlers;
  #buffer: Buffer = Buffer.alloc(0);
  #filled = 0;
  #over = false;

  constructor(socket: Socket, inbound: boolean, handlers: LinkHandlers) {
    this.socket = socket;
    this.inbound = inbound;
    this.createdAt = handlers.now();
    this.#handlers = handlers;
    this.learnAddresses();
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', (error) => this.end(error.message));
    socket.on('close', () => this.end('closed by the peer'));
  }

  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  get over(): boolean {
    return this.#over;
  }

  learnAddresses(): void {
    this.remoteIp = plainAddress(this.socket.remoteAddress);
    this.localIp = plainAddress(this.socket.localAddress);
  }

  send(frame: Uint8Array): void {
    if (!this.#over) this.socket.write(frame);
  }

  close(): void {
    this.#over = true;
    this.socket.destroy();
  }

  /** The connection is gone by itself. */
  end(reason: string): void {
    if (this.#over) return;
    this.close();
    this.#handlers.log('debug', `Cluster link with ${this.node?.id ?? this.remoteIp} ended: ${reason}`);
    this.#handlers.closed(this);
  }

  #read(bytes: Buffer): void {
    if (this.#over) return;
    this.#append(bytes);
    let at = 0;
    while (!this.#over) {
      const length = frameLength(this.#buffer, at, this.#filled);
      if (length < 0) {
        this.#refuse('bytes that are no frame');
        return;
      }
      if (this.node === null && length > STRANGER_FRAME_BYTES_MAX) {
        this.#refuse(`a frame of ${length} bytes from an unknown node`);
        return;
      }
      if (length === 0 || this.#filled - at < length) break;
      // A copy: what the core keeps of a frame must not change with the next read.
      const decoded = decodeMessage(Buffer.from(this.#buffer.subarray(at, at + length)));
      at += length;
      if ('malformed' in decoded) {
        this.#refuse(decoded.malformed);
        return;
      }
      this.#handlers.received(this, decoded.message);
    }
    this.#buffer.copyWithin(0, at, this.#filled);
    this.#filled -= at;
    if (this.#filled === 0 && this.#buffer.length > 1024 * 1024) this.#buffer = Buffer.alloc(0);
  }

  #append(bytes: Buffer): void {
    const needed = this.#filled + bytes.length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BUFFER_BYTES, needed + (needed >> 1)));
      this.#buffer.copy(grown, 0, 0, this.#filled);
      this.#buffer = grown;
    }
    bytes.copy(this.#buffer, this.#filled);
    this.#filled = needed;
  }

  #refuse(reason: string): void {
    const peer = this.node?.id ?? this.remoteIp;
    this.#handlers.log(
      'warning',
      `Protocol error on the cluster bus from ${peer}, closing the link: ${reason}`,
    );
    this.end('protocol error');
  }
}

export class BusLinks {
  readonly #handlers: LinkHandlers;
  readonly #servers: Server[] = [];
  readonly #inbound: Set<SocketLink> = new Set();
  readonly #outgoing: Set<SocketLink> = new Set();
  /** Nodes whose known address failed last: the next attempt asks for the host name. */
  readonly #tryName: WeakSet<ClusterNode> = new WeakSet();

  constructor(handlers: LinkHandlers) {
    this.#handlers = handlers;
  }

  /** Listens on every address, `*` and `-::*` meaning all; the answer is why that is impossible, or null. */
  async listen(addresses: readonly string[], port: number): Promise<string | null> {
    for (const written of addresses) {
      const optional = written.startsWith('-');
      const address = optional ? written.slice(1) : written;
      const host = address === '*' ? '0.0.0.0' : address === '::*' ? '::' : address;
      const reason = await this.#listenOn(host, port);
      if (reason !== null && !optional) return reason;
    }
    return this.#servers.length > 0 ? null : `no address of "${addresses.join(' ')}" can be listened on`;
  }

  #listenOn(host: string, port: number): Promise<string | null> {
    const server = createServer((socket) => this.#accept(socket));
    return new Promise((resolve) => {
      server.once('error', (error) =>
        resolve(`Failed listening on port ${port} (cluster bus): ${error.message}`),
      );
      server.listen({ host, port, ipv6Only: isIPv6(host), backlog: 511 }, () => {
        server.removeAllListeners('error');
        server.on('error', (error) =>
          this.#handlers.log('warning', `Cluster bus listener: ${error.message}`),
        );
        this.#servers.push(server);
        resolve(null);
      });
    });
  }

  #accept(socket: Socket): void {
    if (this.#inbound.size >= INBOUND_LINKS_MAX) {
      this.#handlers.log('warning', `More than ${INBOUND_LINKS_MAX} cluster links, refusing one`);
      socket.destroy();
      return;
    }
    const link = new SocketLink(socket, true, this.#handlers);
    this.#inbound.add(link);
    socket.on('close', () => this.#inbound.delete(link));
  }

  /** Opens the outgoing link of a node: to its address, or after a failure to what its host name says now. */
  connect(node: ClusterNode): BusLink | null {
    const byName = node.hostname !== '' && (node.ip === '' || this.#tryName.has(node));
    if (!byName && node.ip === '') return null;
    const socket = new Socket();
    const link = new SocketLink(socket, false, this.#handlers);
    link.node = node;
    this.#outgoing.add(link);
    const { nodeTimeoutMs } = this.#handlers;
    const deadlineMs = Math.min(Math.max(nodeTimeoutMs() / 10, CONNECT_MS_MIN), CONNECT_MS_MAX);
    const timer = setTimeout(() => link.end(`no connection within ${deadlineMs} ms`), deadlineMs);
    let connected = false;
    socket.on('close', () => {
      clearTimeout(timer);
      this.#outgoing.delete(link);
      // Address and name take turns as long as neither answers.
      if (byName && !connected) this.#tryName.delete(node);
      else this.#tryName.add(node);
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      connected = true;
      link.learnAddresses();
      if (!link.over && link.node !== null) this.#handlers.connected(link, link.node);
    });
    if (!byName) socket.connect(node.busPort, node.ip);
    else void this.#connectByName(link, node, deadlineMs);
    return link;
  }

  async #connectByName(link: SocketLink, node: ClusterNode, deadlineMs: number): Promise<void> {
    const address = await resolveWithin(node.hostname, deadlineMs);
    if (link.over) return;
    if (address === null) link.end(`cannot resolve ${node.hostname}`);
    else link.socket.connect(node.busPort, address);
  }

  /** Ends every link and the listeners. */
  close(): void {
    for (const server of this.#servers) server.close();
    for (const link of [...this.#inbound, ...this.#outgoing]) link.close();
  }
}
