/** Client-side caching and what it needs of the other parts. */
import { Tracking } from '../pubsub/tracking.ts';
import type { Server } from '../server.ts';

export function makeTracking(server: Server): Tracking {
  const { watches } = server.keyspace;
  const tracking = new Tracking(server.turn.messages, (id) => server.clients.byId(id));
  const changed = (key: Uint8Array, start: number, length: number): void => {
    tracking.changed(key, start, length);
    // Expiry comes outside of commands, too.
    server.turn.schedule();
  };
  tracking.onActive = (active) => {
    watches.listener = active ? changed : null;
  };
  return tracking;
}
