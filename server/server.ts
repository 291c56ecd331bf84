/**
 * One server: owns all parts, starts them in order, ticks them, stops them. The tour of the code begins here.
 *
 *   main.ts -> Server.start() -> listen -> load -> ready
 *   a request: sessions/connection.ts -> commands/execute.ts -> handler -> keyspace -> propagation -> turn
 */
import { randomBytes } from 'node:crypto';
import { unlinkSync, writeFileSync } from 'node:fs';
import type { Cluster } from './cluster/cluster.ts';
import { Access } from './commands/access.ts';
import { allCommands } from './commands/all-commands.ts';
import { CommandApplier } from './commands/applier.ts';
import { BlockedClients } from './commands/blocked-clients.ts';
import type { Client } from './commands/client.ts';
import { CommandTable } from './commands/command-table.ts';
import type { ServerContext } from './commands/context.ts';
import { Executor } from './commands/execute.ts';
import { Observer } from './commands/observer.ts';
import { ScriptRunner } from './commands/script-runner.ts';
import { setTransactionExecutor } from './commands/transaction.ts';
import type { Config } from './config/config.ts';
import type { Log } from './config/log.ts';
import type { ContainerGuard } from './keyspace/container-guard.ts';
import { Keyspace } from './keyspace/keyspace.ts';
import { Stats } from './keyspace/stats.ts';
import type { AdminServer } from './metrics/admin-server.ts';
import { Info } from './metrics/info.ts';
import type { LastSave, Persistence } from './persistence/persistence.ts';
import { notifySubscribers } from './pubsub/keyspace-notifications.ts';
import { PubSub } from './pubsub/pubsub.ts';
import type { Tracking } from './pubsub/tracking.ts';
import { Propagation } from './replication/propagation.ts';
import type { Replication } from './replication/replication.ts';
import { replicationInfo } from './replication/replication-info.ts';
import { bindAddress, restrictSocket } from './sessions/listener.ts';
import { Clients, Sessions } from './sessions/sessions.ts';
import { Turn } from './sessions/turn.ts';
import { loadUsers, renameCommands } from './wiring/access-wiring.ts';
import { makeCluster } from './wiring/cluster-wiring.ts';
import { applyLiveSettings } from './wiring/live-settings.ts';
import { makePersistence } from './wiring/persistence-wiring.ts';
import { makeReplication } from './wiring/replication-wiring.ts';
import { Shutdown } from './wiring/shutdown.ts';
import { makeTracking } from './wiring/tracking-wiring.ts';
import { Upkeep } from './wiring/upkeep.ts';

const TICK_MS = 100;
const RUN_ID_BYTES = 20;

export class Server implements ServerContext {
  readonly config: Config;
  readonly log: Log;
  readonly stats = new Stats();
  readonly keyspace: Keyspace;
  readonly propagation = new Propagation();
  readonly persistence: Persistence;
  readonly replication: Replication;
  readonly cluster: Cluster | null;
  readonly clients = new Clients();
  readonly info: Info;
  readonly runId = randomBytes(RUN_ID_BYTES).toString('hex');
  readonly startedAtMs = Date.now();
  readonly table: CommandTable;
  readonly executor: Executor;
  readonly turn: Turn;
  readonly blocking: BlockedClients;
  readonly observer = new Observer(() => this.keyspace.nowMs);
  readonly scripts: ScriptRunner;
  readonly access: Access;
  readonly pubsub: PubSub;
  readonly tracking: Tracking;
  readonly sessions: Sessions;
  #admin: AdminServer | null = null;
  readonly #shutdown: Shutdown;
  readonly #upkeep: Upkeep;
  #timer: NodeJS.Timeout | null = null;

  constructor(config: Config, log: Log, version: string) {
    this.config = config;
    this.log = log;
    const { values } = config;
    this.keyspace = new Keyspace({
      databases: values['cluster-enabled'] ? 1 : values.databases,
      perSlot: values['cluster-enabled'],
      stats: this.stats,
      random: Math.random,
    });
    this.keyspace.setNow(Date.now());
    this.table = new CommandTable(allCommands);
    this.executor = new Executor(this, this.table);
    setTransactionExecutor(() => this.executor);
    this.access = new Access(this, this.table);
    this.scripts = new ScriptRunner(this, this.table, this.executor);
    this.persistence = makePersistence(this);
    this.turn = new Turn(
      this.persistence,
      () => {
        this.keyspace.setNow(Date.now());
        this.executor.refreshCalm();
      },
      () => {
        if (this.blocking.ready) this.blocking.serve();
        this.tracking.endTurn();
        this.cluster?.endTurn();
      },
      () => this.sessions.afterTurn(),
    );
    this.blocking = new BlockedClients(this, this.table, this.executor, () => this.turn.begin());
    this.pubsub = new PubSub(this.turn.messages);
    notifySubscribers(this.keyspace.events, this.pubsub);
    this.tracking = makeTracking(this);
    this.replication = makeReplication(this);
    this.cluster = values['cluster-enabled'] ? makeCluster(this) : null;
    this.info = new Info({
      context: this,
      table: this.table,
      persistence: this.persistence,
      replication: { infoLines: () => replicationInfo(this.replication, this.keyspace.nowMs) },
      version,
      os: `${process.platform} ${process.arch}`,
    });
    this.sessions = new Sessions(this, this.executor, this.table, this.turn, this.clients, {
      onClosed: (client) => this.#clientClosed(client),
    });
    this.#upkeep = new Upkeep(this);
    this.#shutdown = new Shutdown(this, () => this.#close());
    applyLiveSettings(this);
  }

  /**
   * Listens, loads the data, joins cluster or primary. Throws an Error whose message says why it cannot
   * serve.
   */
  async start(): Promise<void> {
    const { values } = this.config;
    const problem = renameCommands(this) ?? loadUsers(this);
    if (problem !== undefined) throw new Error(problem);
    // What is loaded may hold functions.
    await this.scripts.scripting.engine.start();
    await this.#listen();
    const mode = values['cluster-enabled'] ? 'cluster' : 'standalone';
    // Who waits for these lines connects at once.
    this.log.notice(`Running mode=${mode}, port=${values.port}. PID: ${process.pid}`);
    this.log.notice('Server initialized');
    if (this.cluster !== null) {
      const reason = await this.cluster.start();
      if (reason !== null) throw new Error(reason);
    }
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    await Promise.all([this.persistence.load(), this.#openAdmin()]);
    this.keyspace.dirty = 0;
    this.#restoreReplication();
    this.replication.loaded();
    this.cluster?.dataLoaded();
    const { replicaof } = values;
    if (replicaof !== undefined) this.replication.replicate(replicaof.host, replicaof.port);
    this.replication.started(this.persistence.loads.found);
    if (values.pidfile !== '') writeFileSync(values.pidfile, `${process.pid}\n`);
    this.log.notice('Ready to accept connections tcp');
    if (values.unixsocket !== '') this.log.notice('Ready to accept connections unix');
  }

  /** Opens the HTTP port, if any; its code is loaded only then, because starting shall not wait for it. */
  async #openAdmin(): Promise<void> {
    const { values } = this.config;
    const port = values['admin-port'];
    if (port === 0) return;
    const { AdminServer } = await import('./metrics/admin-server.ts');
    this.#admin = new AdminServer({ port, address: values['admin-bind'], info: this.info, log: this.log });
    await this.#admin.listen();
  }

  shutdown(options: LastSave, failed: (error: string) => void): void {
    this.#shutdown.begin(options, failed);
  }

  abortShutdown(): boolean {
    return this.#shutdown.abort();
  }

  get shutdownDeadlineMs(): number {
    return this.#shutdown.deadlineMs;
  }

  /** SIGTERM and SIGINT. */
  signalled(signal: 'SIGTERM' | 'SIGINT'): void {
    this.scripts.debugging.forget(null);
    this.#shutdown.signalled(signal);
  }

  /** A command applier for a file or the primary's stream. */
  makeApplier(kind: 'aof' | 'primary'): CommandApplier {
    return new CommandApplier(this, this.table, this.executor, kind, () => this.sessions.lookAhead);
  }

  async #listen(): Promise<void> {
    const { values } = this.config;
    const backlog = values['tcp-backlog'];
    if (values.port !== 0) {
      for (const address of values.bind) {
        const { host, optional } = bindAddress(address);
        try {
          await this.sessions.listen({ host, port: values.port, backlog, ipv6Only: host.includes(':') });
        } catch (error) {
          const code = (error as NodeJS.ErrnoException).code;
          if (optional && (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT')) continue;
          this.log.warning(
            `Warning: Could not create server TCP listening socket ${host}:${values.port}: ${code}`,
          );
          throw new Error(`Failed listening on port ${values.port} (tcp), aborting.`);
        }
      }
    }
    if (values.unixsocket !== '') {
      try {
        unlinkSync(values.unixsocket);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
      await this.sessions.listen({ path: values.unixsocket });
      restrictSocket(values.unixsocket, values.unixsocketperm, values.unixsocketgroup);
    }
  }

  /**
   * A dataset that knows its place in a history lets replicas and primary continue instead of copying all.
   */
  #restoreReplication(): void {
    const fields = this.persistence.loadedFields;
    const id = fields.get('repl-id');
    const offset = Number(fields.get('repl-offset') ?? Number.NaN);
    const { expired } = this.persistence.loads;
    if (id === undefined || !Number.isSafeInteger(offset) || expired?.tooMany === true) return;
    this.replication.restore(id, offset, Number(fields.get('repl-stream-db') ?? 0));
    const word = this.config.values['lazyfree-lazy-expire'] ? 'UNLINK' : 'DEL';
    for (const [database, key] of expired?.keys ?? []) this.propagation.words(database, [word, key]);
  }

  get guard(): ContainerGuard {
    return this.#upkeep.guard;
  }

  #tick(): void {
    if (this.keyspace.switches.cronPaused) return;
    const startedMs = performance.now();
    const nowMs = Date.now();
    const { keyspace } = this;
    keyspace.setNow(nowMs);
    this.#upkeep.release();
    this.log.role = this.replication.role === 'replica' ? 'S' : 'M';
    // A script that stands still is in the middle of its changes: nothing may come between them.
    const midway = this.scripts.suspended !== null;
    if (this.persistence.loading === null && !midway) {
      this.#upkeep.tick(nowMs);
      this.replication.tick(nowMs);
    }
    this.persistence.tick(nowMs);
    const endedMs = performance.now();
    this.info.tick(endedMs);
    this.info.loop.tick(endedMs, (endedMs - startedMs) * 1000, this.stats.totalCommandsProcessed);
    this.sessions.tick(nowMs);
    if (this.blocking.keyCount !== 0) this.blocking.redirectMoved();
    this.turn.schedule();
    if (!midway) this.#shutdown.tick();
  }

  #clientClosed(client: Client): void {
    this.blocking.forget(client);
    this.observer.monitors.delete(client);
    this.pubsub.forget(client);
    this.tracking.disable(client);
    this.scripts.debugging.forget(client);
    if (client.kind === 'replica') this.replication.primary.detach(client.id);
  }

  /** Ends every part; the process can exit after it. */
  #close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#upkeep.stop();
    this.blocking.stop();
    this.replication.stop();
    this.cluster?.stop();
    this.sessions.close();
    this.#admin?.close();
    if (this.config.values.pidfile !== '') {
      try {
        unlinkSync(this.config.values.pidfile);
      } catch (error) {
        this.log.warning(`Removing the pid file failed: ${(error as Error).message}`);
      }
    }
  }
}
