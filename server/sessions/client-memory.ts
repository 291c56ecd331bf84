/** What a client holds in memory, and which clients must go when all of them together hold too much. */
import type { Client } from '../commands/client.ts';

/** A connection without buffers: socket, handle, client. Estimated. */
export const CONNECTION_BYTES = 4096;
/** A watched key, a subscription: an entry in two tables. Estimated. */
const ENTRY_BYTES = 128;

/** What a client holds besides the buffers of its connection. */
export function heldBytes(client: Client): number {
  const { subscriptions } = client;
  let entries = client.watched === null ? 0 : client.watched.size;
  if (subscriptions !== null) entries += subscriptions.count + subscriptions.shardChannels.size;
  if (client.tracking !== null) entries += client.tracking.prefixes.size;
  return client.queuedBytes + entries * ENTRY_BYTES;
}

export interface MemoryHolder {
  readonly client: Client;
  readonly memoryBytes: number;
}

/**
 * Who must go so that all together hold at most `limitBytes`: the largest first; replicas and whoever asked
 * for it by CLIENT NO-EVICT never.
 */
export function overLimit<T extends MemoryHolder>(holders: Iterable<T>, limitBytes: number): T[] {
  let total = 0;
  const candidates: { holder: T; bytes: number }[] = [];
  for (const holder of holders) {
    const { client } = holder;
    if (client.kind !== 'normal' && client.kind !== 'pubsub') continue;
    const bytes = holder.memoryBytes;
    total += bytes;
    if (!client.noEvict) candidates.push({ holder, bytes });
  }
  const chosen: T[] = [];
  if (total <= limitBytes) return chosen;
  candidates.sort((one, other) => other.bytes - one.bytes);
  for (const { holder, bytes } of candidates) {
    if (total <= limitBytes) break;
    total -= bytes;
    chosen.push(holder);
  }
  return chosen;
}
