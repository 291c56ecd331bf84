/** Cluster mode: whether the keys of a call are served here, and where else if not. */
import type { Cluster } from '../cluster/cluster.ts';
import { keySlot } from '../structures/crc16.ts';
import { RequestParser } from '../wire/request.ts';
import type { Call } from './call.ts';
import type { CommandEntry } from './command-table.ts';
import { CROSS_SLOT } from './errors.ts';
import { PUBSUB, WRITE } from './row.ts';

const NO_KEYS = -1;
export const SEVERAL_SLOTS = -2;

/** The error to answer with (MOVED, ASK, CROSSSLOT, CLUSTERDOWN, TRYAGAIN), null when the call may run. */
export function route(call: Call, entry: CommandEntry, cluster: Cluster): string | null {
  const count = entry.findKeys(call);
  const slot = slotOfKeys(call, count);
  if (slot === NO_KEYS) return null;
  if (slot === SEVERAL_SLOTS) return CROSS_SLOT;
  if (cluster.owned[slot] === 1) return null;
  return cluster.route(slot, {
    write: (entry.flags & WRITE) !== 0,
    asking: call.client.asking || entry.name === 'restore-asking',
    readonlyMode: call.client.readonlyMode,
    channels: (entry.flags & PUBSUB) !== 0,
    keyCount: count,
    movesKeys: entry.name === 'migrate',
    missingKeys: () => missingKeys(call, count),
  });
}

/** The slot of all keys in `call.keyPositions`, NO_KEYS or SEVERAL_SLOTS. */
function slotOfKeys(call: Call, count: number): number {
  if (count <= 0) return NO_KEYS;
  const first = call.keyPositions[0];
  const slot = keySlot(call.bytes, call.argStart[first], call.argLength[first]);
  for (let key = 1; key < count; key++) {
    const position = call.keyPositions[key];
    if (keySlot(call.bytes, call.argStart[position], call.argLength[position]) !== slot) return SEVERAL_SLOTS;
  }
  return slot;
}

/** The slot of a call's keys: -1 when it has none, SEVERAL_SLOTS when they are of several. */
export function keysSlot(call: Call, entry: CommandEntry): number {
  return slotOfKeys(call, entry.findKeys(call));
}

const parser = new RequestParser();

/**
 * Why EXEC may not run what was queued, null when it may: a slot may have moved since a command was queued,
 * and all commands have to be of one slot. Uses `call` for its words; the caller's own words must not lie in
 * it.
 */
export function routeQueued(call: Call, queued: readonly Uint8Array[], cluster: Cluster): string | null {
  let transactionSlot = NO_KEYS;
  for (const bytes of queued) {
    const end = parser.parse(bytes, 0, bytes.length, true);
    call.take(parser, 0, end);
    const entry = call.table.find(call.bytes, call.argStart[0], call.argLength[0]);
    if (entry === null || !entry.hasKeys) continue;
    const redirect = route(call, entry, cluster);
    if (redirect !== null) return redirect;
    const slot = slotOfKeys(call, entry.findKeys(call));
    if (transactionSlot === NO_KEYS) transactionSlot = slot;
    else if (slot !== NO_KEYS && slot !== transactionSlot) return CROSS_SLOT;
  }
  return null;
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
