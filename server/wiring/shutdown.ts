/**
 * The orderly end: a primary of a cluster hands over, replicas catch up, the data is saved, the process
 * exits. What cannot be saved keeps the server up unless it was forced.
 *
 *   signal ──next tick──> begin ──> hand over, replicas catch up ──> last save, nobody is served ──> exit
 *   command ─────────────>  │            │ ABORT                          │ failure
 *                           └────────────┴──> who waits for the end gets an error; the server goes on
 */
import { messageOf } from '../config/failure.ts';
import type { LastSave } from '../persistence/persistence.ts';
import type { AttachedReplica } from '../replication/attached-replica.ts';
import type { Server } from '../server.ts';

const LOOK_EVERY_MS = 20;
const FAILED = 'ERR Errors trying to SHUTDOWN. Check logs.';

type Signal = 'SIGTERM' | 'SIGINT';

export class Shutdown {
  /** When the wait for replicas ends, Unix ms; 0 while nobody is waited for. */
  deadlineMs = 0;
  readonly #server: Server;
  readonly #close: () => void;
  #running = false;
  #aborted = false;
  /** The offset that replicas have to reach. */
  #target = 0;
  /** Came, and the tick has not seen to it. */
  #signal: Signal | null = null;
  /** A signal was refused because the first append-only file is being written: it counts when it is there. */
  #whenWritten: LastSave | null = null;
  /** Clients whose SHUTDOWN is under way: told when it fails. */
  #waiting: ((error: string) => void)[] = [];

  constructor(server: Server, close: () => void) {
    this.#server = server;
    this.#close = close;
  }

  signalled(signal: Signal): void {
    const { log, persistence } = this.#server;
    if (signal === 'SIGINT' && (this.#running || this.#signal !== null)) {
      log.warning('You insist... exiting now.');
      persistence.snapshots.cancelAll('the server ends');
      process.exit(1);
    }
    if (persistence.loading !== null) {
      log.warning('Received shutdown signal during loading, exiting now.');
      process.exit(0);
    }
    log.warning(`Received ${signal} scheduling shutdown...`);
    this.#signal = signal;
  }

  /** Ten times a second: sees to signals. */
  tick(): void {
    const { persistence, config, scripts } = this.#server;
    // A script in the middle of its changes has to end first.
    if (this.#running || scripts.suspended !== null) return;
    const signal = this.#signal;
    if (signal !== null) {
      this.#signal = null;
      const parameter = signal === 'SIGTERM' ? 'shutdown-on-sigterm' : 'shutdown-on-sigint';
      const words = config.print(parameter).split(' ');
      const save = words.includes('save') ? true : words.includes('nosave') ? false : null;
      const options = { save, now: words.includes('now'), force: words.includes('force') };
      this.#start(options, () => {
        if (persistence.aof.state === 'waiting') this.#whenWritten = options;
      });
    } else if (this.#whenWritten !== null && persistence.aof.state !== 'waiting') {
      const options = this.#whenWritten;
      this.#whenWritten = null;
      this.#start(options);
    }
  }

  /** `failed` is told when the server goes on after all. */
  begin(options: LastSave, failed: (error: string) => void): void {
    this.#waiting.push(failed);
    this.#start(options);
  }

  /** False when there is nothing to abort. */
  abort(): boolean {
    if (!this.#running && this.#signal === null && this.#whenWritten === null) return false;
    this.#signal = null;
    this.#whenWritten = null;
    this.#aborted = this.#running;
    this.#server.log.notice('Shutdown manually aborted.');
    if (this.#running) this.#stay();
    return true;
  }

  #start(options: LastSave, refused: () => void = () => {}): void {
    if (this.#running) return;
    this.#running = true;
    this.#aborted = false;
    this.#run(options)
      .catch((error: unknown) => {
        this.#server.log.warning(messageOf(error));
        return false;
      })
      .then((aborted) => {
        this.#running = false;
        if (aborted) return;
        this.#server.log.warning(
          'Errors trying to shut down the server. Check the logs for more information.',
        );
        refused();
        this.#stay();
      });
  }

  /** True when it was aborted; throws when the server cannot end. */
  async #run(options: LastSave): Promise<boolean> {
    const { log, persistence, cluster, config, clients } = this.#server;
    log.notice('User requested shutdown...');
    const loading = persistence.loading !== null;
    const waitMs = config.values['shutdown-timeout'] * 1000;
    if (!options.now && waitMs > 0 && !loading) {
      if (cluster !== null) {
        const result = await cluster.handOver(waitMs);
        if (result === 'done') log.notice('Handed over to a replica.');
        else if (result === 'timeout') log.warning('No replica took over in time; ending as a primary.');
      }
      this.#target = this.#server.replication.offset;
      await this.#waitForReplicas(waitMs);
    } else this.#target = this.#server.replication.offset;
    if (this.#aborted) return true;
    this.#tellLagging();
    // What is changed from here on would be lost.
    const { pausedUntilMs } = clients;
    clients.pausedUntilMs = Number.POSITIVE_INFINITY;
    this.#server.executor.calm = false;
    const failure = await persistence.shutdown(loading ? { ...options, save: false } : options);
    clients.pausedUntilMs = pausedUntilMs;
    if (failure !== null) throw new Error(failure);
    this.#server.turn.flush();
    this.#close();
    log.warning('Redis is now ready to exit, bye bye...');
    process.exit(0);
  }

  /** The server goes on. */
  #stay(): void {
    const { replication, cluster } = this.#server;
    this.deadlineMs = 0;
    replication.resumeWrites();
    cluster?.stay();
    for (const failed of this.#waiting.splice(0)) failed(FAILED);
  }

  /** Replicas get what they miss, so that any of them can go on without us. */
  async #waitForReplicas(waitMs: number): Promise<void> {
    const { replication, log } = this.#server;
    const count = this.#lagging().length;
    if (count === 0) return;
    this.deadlineMs = Date.now() + waitMs;
    replication.pauseWrites(this.deadlineMs);
    replication.primary.requestAcksNow();
    log.notice(`${count} replicas lag behind when shutting down: waiting for them.`);
    while (!this.#aborted && this.#lagging().length > 0 && Date.now() < this.deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  #lagging(): AttachedReplica[] {
    const { replication } = this.#server;
    if (replication.role === 'replica') return [];
    return replication.replicas.filter((replica) => replica.ackedOffset < this.#target);
  }

  #tellLagging(): void {
    const { replication, log } = this.#server;
    const count = replication.replicas.length;
    if (replication.role === 'replica' || count === 0) return;
    const lagging = this.#lagging();
    for (const replica of lagging) {
      const behind = this.#target - replica.ackedOffset;
      const seconds = replica.state === 'online' ? replica.lagSeconds(Date.now()) : 0;
      log.notice(
        `Lagging replica ${replica.label} reported offset ${behind} behind master, ` +
          `lag=${seconds}, state=${replica.state}.`,
      );
    }
    log.notice(`${count - lagging.length} of ${count} replicas are in sync when shutting down.`);
  }
}
