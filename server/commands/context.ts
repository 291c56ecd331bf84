import type { Cluster } from '../cluster/cluster.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../config/log.ts';
import type { ContainerGuard } from '../keyspace/container-guard.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Stats } from '../keyspace/stats.ts';
import type { LastSave, Persistence } from '../persistence/persistence.ts';
import type { PubSub } from '../pubsub/pubsub.ts';
import type { Tracking } from '../pubsub/tracking.ts';
import type { Propagation } from '../replication/propagation.ts';
import type { Replication } from '../replication/replication.ts';
import type { Access } from './access.ts';
import type { BlockedClients } from './blocked-clients.ts';
import type { Client } from './client.ts';
import type { Observer } from './observer.ts';
import type { ScriptRunner } from './script-runner.ts';

/** The connections, as commands see them. Filled by the sessions room. */
export interface ClientRegistry {
  readonly count: number;
  /**
   * CLIENT PAUSE ALL: unix ms until which no command of a client runs; writes alone are paused by
   * replication.
   */
  pausedUntilMs: number;
  all(): Iterable<Client>;
  byId(id: number): Client | undefined;
}

/** What INFO prints: section name in lower case -> lines `field:value`. Filled by the metrics room. */
export interface InfoSource {
  render(sections: readonly string[]): string;
}

/** The parts of one server, handed to every command. Wired in server.ts. */
export interface ServerContext {
  readonly config: Config;
  readonly log: Log;
  readonly stats: Stats;
  readonly keyspace: Keyspace;
  readonly guard: ContainerGuard;
  readonly propagation: Propagation;
  readonly persistence: Persistence;
  readonly replication: Replication;
  /** null when cluster-enabled is no. */
  readonly cluster: Cluster | null;
  readonly clients: ClientRegistry;
  readonly blocking: BlockedClients;
  readonly pubsub: PubSub;
  readonly tracking: Tracking;
  readonly scripts: ScriptRunner;
  readonly access: Access;
  readonly observer: Observer;
  readonly info: InfoSource;
  /** 40 hex digits, new at every start. */
  readonly runId: string;
  readonly startedAtMs: number;
  /** Ends the process in order: hand-over, last save, close. `failed` is told when the server goes on. */
  shutdown(options: LastSave, failed: (error: string) => void): void;
  /** False when no shutdown is under way. */
  abortShutdown(): boolean;
  /** Until when a shutdown waits for replicas, Unix ms; 0: none does. */
  readonly shutdownDeadlineMs: number;
}
