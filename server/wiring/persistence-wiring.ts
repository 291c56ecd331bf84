/** Persistence and what it needs of the other parts. */
import { systemClock } from '../config/clock.ts';
import { REDIS_VERSION } from '../config/config-file.ts';
import { Persistence } from '../persistence/persistence.ts';
import { TO_FILE } from '../replication/propagation.ts';
import type { Server } from '../server.ts';

export function makePersistence(server: Server): Persistence {
  const { config, log, keyspace, stats, propagation } = server;
  const noteLatency = (event: string, milliseconds: number): void =>
    server.observer.latency.note(event, milliseconds, Date.now());
  return new Persistence({
    config,
    log,
    keyspace,
    stats,
    clock: systemClock,
    serverVersion: REDIS_VERSION,
    applier: () => server.makeApplier('aof'),
    attach: (sink) => propagation.addSink(sink, TO_FILE),
    detach: (sink) => propagation.removeSink(sink),
    inUnit: () => propagation.inUnit,
    silence: (silent) => propagation.silence(silent),
    midway: () => server.scripts.suspended !== null,
    onReleased: () => {
      server.turn.release();
      server.replication.filed();
    },
    // Who follows in a cluster does not say so in its configuration.
    isPrimary: () => config.values.replicaof === undefined && server.cluster?.state.myself.isReplica !== true,
    streamOffset: () => server.replication.offset,
    libraries: {
      codes: () => [...server.scripts.scripting.libraries.all()].map(({ code }) => code),
      take: (codes, { keepsOthers, replacesSame }) =>
        server.scripts.scripting.libraries.take(codes, keepsOthers, replacesSame ? 'replace' : 'refuse'),
    },
    latency: () => (server.observer.latency.thresholdMs === Number.POSITIVE_INFINITY ? null : noteLatency),
    fatal: (message) => {
      log.warning(message);
      process.exit(1);
    },
    replicationFields: () => {
      const position = server.replication.rdbPosition;
      if (position === null) return [];
      return [
        ['repl-stream-db', String(position.database)],
        ['repl-id', position.id],
        ['repl-offset', String(position.offset)],
      ];
    },
  });
}
