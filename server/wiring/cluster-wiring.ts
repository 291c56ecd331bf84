/** The cluster and what it needs of the other parts. */
import { Cluster } from '../cluster/cluster.ts';
import type { Client } from '../commands/client.ts';
import { noteSubscribed } from '../commands/pubsub.ts';
import type { Server } from '../server.ts';

export function makeCluster(server: Server): Cluster {
  const { config, log, keyspace, replication } = server;
  // Looked up at every use: a full synchronisation puts another dataset in place.
  const database = () => keyspace.databases[0];
  return new Cluster({
    config,
    log,
    replication: {
      replicate: (host, port) => {
        replication.replicate(host, port);
      },
      promote: () => replication.promote(),
      offset: () => replication.offset,
      linkUp: () => replication.linkUp,
      primarySilentMs: () => replication.primarySilentMs(),
      pauseWrites: (durationMs) => replication.pauseWrites(Date.now() + durationMs),
      resumeWrites: () => replication.resumeWrites(),
      flushData: () => {
        database().flush();
      },
    },
    keys: {
      countKeysInSlot: (slot) => database().countInSlot(slot),
      keysInSlot: (slot, limit) => database().keysInSlot(slot, limit),
      deleteSlotKeys: (slot) => {
        for (const key of database().keysInSlot(slot, Number.POSITIVE_INFINITY)) {
          server.propagation.words(0, ['DEL', key]);
        }
        database().flushSlot(slot);
      },
      isEmpty: () => database().size === 0,
    },
    deliver: (channel, payload, sharded) => {
      if (sharded) server.pubsub.publishSharded(channel, payload);
      else server.pubsub.publish(channel, payload);
    },
    routingChanged: () => {
      const { pubsub, cluster } = server;
      // At the start nobody listens yet, and the cluster is not there.
      if (pubsub === undefined || cluster === null || cluster === undefined) return;
      for (const slot of [...pubsub.slots]) {
        if (cluster.hasShardOf(slot)) continue;
        for (const subscriber of pubsub.dropSlot(slot)) noteSubscribed(subscriber as Client);
      }
    },
    fatal: (reason) => {
      log.warning(reason);
      process.exit(1);
    },
  });
}
