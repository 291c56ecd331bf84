/** All connections of one server: the listener, the shared read buffer, who is connected. */
import net, { type Socket } from 'node:net';
import { Call } from '../commands/call.ts';
import type { Client, ClientKind } from '../commands/client.ts';
import type { CommandTable } from '../commands/command-table.ts';
import type { ClientRegistry, ServerContext } from '../commands/context.ts';
import type { Executor } from '../commands/execute.ts';
import { endTransaction } from '../commands/transaction.ts';
import type { OutputLimit, OutputLimits } from '../config/special-kinds.ts';
import type { Reply } from '../wire/reply.ts';
import { RequestParser } from '../wire/request.ts';
import { Arrivals, type ConnectionHandle } from './arrivals.ts';
import { overLimit } from './client-memory.ts';
import { Connection, SHARE_BYTES } from './connection.ts';
import { HeldConnections } from './held-connections.ts';
import { bindAddress, isMissingAddress, listenNow } from './listener.ts';
import { LookAhead } from './look-ahead.ts';
import type { SessionContext } from './session-context.ts';
import type { Turn } from './turn.ts';

const SECOND_MS = 1000;
/** With more clients their memory is looked at by the clock only. */
const EVICTION_LOOK_MAX = 1000;
const NO_LIMIT: OutputLimit = { hardBytes: 0, softBytes: 0, softSeconds: 0 };

/** The clients, by id. */
export class Clients implements ClientRegistry {
  readonly #byId = new Map<number, Client>();
  pausedUntilMs = 0;

  get count(): number {
    return this.#byId.size;
  }

  all(): Iterable<Client> {
    return this.#byId.values();
  }

  byId(id: number): Client | undefined {
    return this.#byId.get(id);
  }

  add(client: Client): void {
    this.#byId.set(client.id, client);
  }

  delete(client: Client): void {
    this.#byId.delete(client.id);
  }
}

export interface SessionHooks {
  /** A client has gone. */
  onClosed(client: Client): void;
}

/** A TCP address or the path of a Unix socket. */
export type ListenPlace =
  | { readonly host: string; readonly port: number; readonly backlog: number; readonly ipv6Only: boolean }
  | { readonly path: string };

export class Sessions implements SessionContext {
  readonly context: ServerContext;
  readonly executor: Executor;
  readonly parser = new RequestParser();
  readonly turn: Turn;
  readonly lookAhead: LookAhead;
  readonly #table: CommandTable;
  readonly #clients: Clients;
  readonly #hooks: SessionHooks;
  readonly #connections = new Set<Connection>();
  readonly #servers: net.Server[] = [];
  /** Those of them that `port` and `bind` name. */
  #tcpServers: net.Server[] = [];
  readonly buffered = new Set<Connection>();
  readonly #arrivals = new Arrivals((handle) => this.#accept(handle));
  readonly #held = new HeldConnections(() => this.#pauses());
  #lastSecondMs = 0;
  /** client-output-buffer-limit. */
  outputLimits: OutputLimits = { normal: NO_LIMIT, replica: NO_LIMIT, pubsub: NO_LIMIT };
  readonly #shared = Buffer.allocUnsafeSlow(SHARE_BYTES);
  #nextId = 1;

  constructor(
    context: ServerContext,
    executor: Executor,
    table: CommandTable,
    turn: Turn,
    clients: Clients,
    hooks: SessionHooks,
  ) {
    this.context = context;
    this.executor = executor;
    this.turn = turn;
    this.lookAhead = new LookAhead(context.keyspace);
    this.#table = table;
    this.#clients = clients;
    this.#hooks = hooks;
  }

  get queryBytesMax(): number {
    return this.context.config.values['client-query-buffer-limit'];
  }

  nextClientId(): number {
    return this.#nextId++;
  }

  callFor(client: Client, reply: Reply): Call {
    return new Call(this.context, this.#table, client, reply);
  }

  outputLimit(kind: ClientKind): OutputLimit {
    // Replication bounds replicas itself: what waits for them is mostly in the shared log.
    if (kind === 'replica') return NO_LIMIT;
    return kind === 'pubsub' ? this.outputLimits.pubsub : this.outputLimits.normal;
  }

  startReading(socket: Socket): void {
    const handle = (socket as unknown as { _handle: { readStart(): number; reading: boolean } | null })
      ._handle;
    if (handle === null) return;
    handle.reading = true;
    handle.readStart();
  }

  remove(connection: Connection): void {
    this.#connections.delete(connection);
    this.buffered.delete(connection);
    this.#held.delete(connection);
    this.#clients.delete(connection.client);
    endTransaction(connection.client, this.context);
    this.#hooks.onClosed(connection.client);
  }

  hold(connection: Connection): void {
    this.#held.add(connection);
  }

  /** Ten times a second or so. */
  tick(nowMs: number): void {
    for (const connection of this.#connections) connection.checkOutputLimit();
    for (const connection of this.buffered) {
      if (connection.shrinkInput(nowMs)) this.buffered.delete(connection);
    }
    this.#evictClients();
    if (nowMs - this.#lastSecondMs < SECOND_MS) return;
    this.#lastSecondMs = nowMs;
    this.#closeIdle(nowMs);
  }

  /** After each turn; with very many clients the tick is often enough. */
  afterTurn(): void {
    if (this.#connections.size <= EVICTION_LOOK_MAX) this.#evictClients();
  }

  /** maxmemory-clients: who holds most goes first. */
  #evictClients(): void {
    const { config, stats, log } = this.context;
    const configured = config.values['maxmemory-clients'];
    if (configured === 0) return;
    const limit = configured > 0 ? configured : Math.floor((config.values.maxmemory / 100) * -configured);
    if (limit === 0) return;
    for (const connection of overLimit(this.#connections, limit)) {
      stats.evictedClients++;
      log.notice(`Evicting client ${connection.remoteAddress}: it holds ${connection.memoryBytes} bytes`);
      connection.destroy('client eviction');
    }
  }

  /** `timeout`: clients that say nothing, but for those that wait or listen. */
  #closeIdle(nowMs: number): void {
    const seconds = this.context.config.values.timeout;
    if (seconds === 0) return;
    for (const connection of this.#connections) {
      const { client } = connection;
      if (client.kind !== 'normal' || client.blocked) continue;
      if (nowMs - client.lastInteractionMs > seconds * SECOND_MS) connection.destroy('idle for too long');
    }
  }

  /** Which pauses hold clients now, one bit each. */
  #pauses(): number {
    const { clients, replication } = this.context;
    const nowMs = Date.now();
    return (clients.pausedUntilMs > nowMs ? 1 : 0) + (replication.writesPausedUntilMs > nowMs ? 2 : 0);
  }

  /** Listens on host and port, or on the path of a Unix socket. Rejects with the system's error. */
  listen(where: ListenPlace): Promise<void> {
    const server = this.#newServer();
    this.#servers.push(server);
    if ('port' in where) this.#tcpServers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(where, () => {
        server.off('error', reject);
        server.on('error', (error) =>
          this.context.log.warning(`Accepting client connection: ${error.message}`),
        );
        resolve();
      });
    });
  }

  /** Listens at these addresses in place of those before; false: it cannot, and all is as it was. */
  moveTo(addresses: readonly string[], port: number, before: readonly string[], portBefore: number): boolean {
    for (const server of this.#tcpServers) {
      this.#servers.splice(this.#servers.indexOf(server), 1);
      server.close();
    }
    this.#tcpServers = [];
    if (this.#listenNow(addresses, port)) return true;
    this.#listenNow(before, portBefore);
    return false;
  }

  #newServer(): net.Server {
    const server = net.createServer({ pauseOnConnect: true }, (socket) => this.#arrivals.arriveIn(socket));
    return server.once('listening', () => this.#arrivals.watch(server));
  }

  #listenNow(addresses: readonly string[], port: number): boolean {
    if (port === 0) return true;
    const backlog = this.context.config.values['tcp-backlog'];
    const handles: net.Socket[] = [];
    for (const { host, optional } of addresses.map(bindAddress)) {
      const handle = listenNow(host, port, backlog);
      if (typeof handle !== 'number') handles.push(handle);
      else if (!optional || !isMissingAddress(handle)) {
        for (const made of handles) (made as unknown as { close(): void }).close();
        return false;
      }
    }
    for (const handle of handles) {
      const server = this.#newServer();
      server.on('error', (error) =>
        this.context.log.warning(`Accepting client connection: ${error.message}`),
      );
      server.listen(handle, backlog);
      this.#servers.push(server);
      this.#tcpServers.push(server);
    }
    return true;
  }

  /** Stops listening and ends every connection. */
  close(): void {
    for (const server of this.#servers) server.close();
    this.#held.stop();
    this.#arrivals.close();
    for (const connection of [...this.#connections]) connection.destroy('server is shutting down');
  }

  #accept(handle: ConnectionHandle): void {
    const { config, stats, log } = this.context;
    if (this.#clients.count >= config.values['maxclients']) {
      stats.rejectedConnections++;
      const refused = new net.Socket({ handle } as unknown as net.SocketConstructorOpts);
      refused.on('error', () => refused.destroy()).end('-ERR max number of clients reached\r\n');
      return;
    }
    stats.totalConnectionsReceived++;
    handle.setNoDelay?.(true);
    const holder: { connection: Connection | null } = { connection: null };
    const socket = new net.Socket({
      handle,
      onread: {
        buffer: this.#shared,
        callback: (length: number, bytes: Uint8Array): boolean =>
          holder.connection?.receive(bytes, length) ?? false,
      },
    } as unknown as net.SocketConstructorOpts);
    const keepAliveSeconds = config.values['tcp-keepalive'];
    if (keepAliveSeconds > 0) socket.setKeepAlive(true, keepAliveSeconds * 1000);
    const connection = new Connection(this, socket);
    holder.connection = connection;
    const { client } = connection;
    if (this.#protected(socket)) {
      connection.write(Buffer.from(PROTECTED_MODE));
      connection.closeAfterReplies('protected mode');
      return;
    }
    this.#connections.add(connection);
    this.#clients.add(client);
    log.debug(`Accepted ${connection.remoteAddress}`);
    socket.resume();
  }

  /** Without a password and with protected-mode, only this machine may connect. */
  #protected(socket: Socket): boolean {
    const { values } = this.context.config;
    if (!values['protected-mode'] || !this.context.access.users.default.noPassword) return false;
    const address = socket.remoteAddress;
    return address !== undefined && !/^(::ffff:)?127\.|^::1$/.test(address);
  }
}

const PROTECTED_MODE =
  '-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the ' +
  'default user. In this mode connections are only accepted from the loopback interface. If you want to connect ' +
  "from external computers, set a password with 'requirepass' or disable protected mode with " +
  "'CONFIG SET protected-mode no' from the loopback interface.\r\n";
