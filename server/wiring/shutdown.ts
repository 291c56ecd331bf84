/**
 * The orderly end: a primary of a cluster hands over, replicas catch up, the data is saved, the process
 * exits. A failed save keeps the server up unless it was forced.
 */
import type { Server } from '../server.ts';

export interface ShutdownOptions {
  /** null: when save points are set. */
  readonly save: boolean | null;
  /** Do not wait for anybody. */
  readonly now: boolean;
  readonly force: boolean;
}

const LOOK_EVERY_MS = 20;

export class Shutdown {
  readonly #server: Server;
  readonly #close: () => void;
  #running = false;

  constructor(server: Server, close: () => void) {
    this.#server = server;
    this.#close = close;
  }

  signalled(signal: 'SIGTERM' | 'SIGINT'): void {
    const { log, config } = this.#server;
    if (this.#running) {
      log.warning(`You insist... exiting now.`);
      process.exit(1);
    }
    log.warning(`Received ${signal} scheduling shutdown...`);
    const words = config
      .print(signal === 'SIGTERM' ? 'shutdown-on-sigterm' : 'shutdown-on-sigint')
      .split(' ');
    const save = words.includes('save') ? true : words.includes('nosave') ? false : null;
    this.begin({ save, now: words.includes('now'), force: words.includes('force') });
  }

  begin(options: ShutdownOptions): void {
    if (this.#running) return;
    this.#running = true;
    this.#run(options).catch((error: unknown) => {
      this.#server.log.warning(`Shutdown failed: ${error instanceof Error ? error.message : String(error)}`);
      this.#running = false;
    });
  }

  async #run(options: ShutdownOptions): Promise<void> {
    const { log, persistence, cluster, config } = this.#server;
    log.notice('User requested shutdown...');
    const deadlineMs = config.values['shutdown-timeout'] * 1000;
    if (!options.now && deadlineMs > 0 && persistence.loading === null) {
      if (cluster !== null) {
        const result = await cluster.handOver(deadlineMs);
        if (result === 'done') log.notice('Handed over to a replica.');
        else if (result === 'timeout') log.warning('No replica took over in time; ending as a primary.');
      }
      await this.#waitForReplicas(deadlineMs);
    }
    const failure = persistence.shutdown(options.save);
    if (failure !== null && !options.force) {
      log.warning(`Error trying to save the DB, can't exit: ${failure}`);
      this.#server.replication.resumeWrites();
      cluster?.stay();
      this.#running = false;
      return;
    }
    this.#server.turn.flush();
    this.#close();
    log.warning('Redis is now ready to exit, bye bye...');
    process.exit(0);
  }

  /** Replicas get what they miss, so that any of them can go on without us. */
  async #waitForReplicas(deadlineMs: number): Promise<void> {
    const { replication, log } = this.#server;
    if (replication.role === 'replica' || replication.replicas.length === 0) return;
    const untilMs = Date.now() + deadlineMs;
    replication.pauseWrites(untilMs);
    replication.primary.requestAcksNow();
    const target = replication.offset;
    const lagging = () => replication.replicas.filter((replica) => replica.ackedOffset < target);
    if (lagging().length > 0) {
      log.notice(`${lagging().length} lagging replicas when shutting down; waiting for them.`);
    }
    while (lagging().length > 0 && Date.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    for (const replica of lagging())
      log.warning(`Lagging replica ${replica.peer.link.remoteAddress} at shutdown.`);
    const count = replication.replicas.length;
    log.notice(`${count - lagging().length} of ${count} replicas are in sync when shutting down.`);
  }
}
