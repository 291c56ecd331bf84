import { NO_LINK } from './applier.ts';
import { Client } from './client.ts';
import type { ServerContext } from './context.ts';

/** The link to the primary, as the client that it is in Redis: none while no stream flows. */
export function primaryClients({ replication, keyspace }: ServerContext): readonly Client[] {
  const { replica } = replication;
  if (replica === null || !replica.linkUp) return [];
  const link = {
    ...NO_LINK,
    remoteAddress: `${replica.host}:${replica.port}`,
    localAddress: replica.localAddress,
    queryBytes: replica.unappliedBytes,
    queryCapacity: replica.unappliedBytes,
    destroy: (reason: string): void => replica.breakLink(reason),
  };
  const client = new Client(replica.clientId, link, Math.min(replica.upSinceMs, keyspace.nowMs));
  client.kind = 'primary';
  client.databaseIndex = replica.database;
  client.lastInteractionMs = Math.min(replica.link.lastIoMs, keyspace.nowMs);
  client.netInputBytes = replica.receivedBytes;
  return [client];
}
