/** Cluster mode: whether the keys of a call are served here, and where else if not. */
import type { Cluster } from '../cluster/cluster.ts';
import { keySlot } from '../structures/crc16.ts';
import type { Call } from './call.ts';
import type { CommandEntry } from './command-table.ts';
import { CROSS_SLOT } from './errors.ts';
import { WRITE } from './row.ts';

/** The error to answer with (MOVED, ASK, CROSSSLOT, CLUSTERDOWN, TRYAGAIN), null when the call may run. */
export function route(call: Call, entry: CommandEntry, cluster: Cluster): string | null {
  // EXEC runs what was routed when it was queued.
  const count = entry.findKeys(call);
  if (count <= 0) return null;
  const first = call.keyPositions[0];
  const slot = keySlot(call.bytes, call.argStart[first], call.argLength[first]);
  for (let key = 1; key < count; key++) {
    const position = call.keyPositions[key];
    if (keySlot(call.bytes, call.argStart[position], call.argLength[position]) !== slot) return CROSS_SLOT;
  }
  if (cluster.owned[slot] === 1) return null;
  return cluster.route(slot, {
    write: (entry.flags & WRITE) !== 0,
    asking: call.client.asking || entry.name === 'restore-asking',
    readonlyMode: call.client.readonlyMode,
    keyCount: count,
    movesKeys: entry.name === 'migrate',
    missingKeys: () => missingKeys(call, count),
  });
}

function missingKeys(call: Call, count: number): number {
  const database = call.context.keyspace.databases[0];
  let missing = 0;
  for (let key = 0; key < count; key++) {
    const position = call.keyPositions[key];
    if (database.find(call.bytes, call.argStart[position], call.argLength[position]) === 0) missing++;
  }
  return missing;
}
