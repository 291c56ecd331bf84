/** Which node serves a slot for a request, and how the answer to the client names it. */
import { SLOT_COUNT } from './bus-message.ts';
import type { ClusterState } from './cluster-state.ts';
import { type ClusterNode, MYSELF } from './node-table.ts';

const NOT_SERVED = 'CLUSTERDOWN Hash slot not served';
const DOWN = 'CLUSTERDOWN The cluster is down';
const DOWN_READ_ONLY = 'CLUSTERDOWN The cluster is down and only accepts read commands';
const TRY_AGAIN = 'TRYAGAIN Multiple keys request during rehashing of slot';

/** What routing asks about a request whose keys are all of one slot. */
export interface RouteRequest {
  readonly write: boolean;
  /** The client sent ASKING, or the command implies it. */
  readonly asking: boolean;
  /** The client sent READONLY. */
  readonly readonlyMode: boolean;
  readonly keyCount: number;
  /** The keys are names of sharded channels: no data, and every node of the shard serves them. */
  readonly channels?: boolean;
  /** MIGRATE: runs on both ends of a move whatever is there. */
  readonly movesKeys: boolean;
  /** How many of the keys are not here. */
  missingKeys(): number;
}

/** What clients are told to connect to: an address, a host name, `?` when that is unknown, or nothing. */
export function endpointOf(state: ClusterState, node: ClusterNode): string {
  switch (state.settings.preferredEndpoint) {
    case 'hostname':
      return node.hostname === '' ? '?' : node.hostname;
    case 'unknown-endpoint':
      return '';
    default:
      return node.ip;
  }
}

/** Fills `owned`: 1 for slots that are served here without asking anything further. */
export function computeOwned(state: ClusterState, owned: Uint8Array): void {
  const { slots, myself } = state;
  if (!state.ok || !myself.isPrimary || myself.slotCount === 0) {
    owned.fill(0);
    return;
  }
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    owned[slot] = slots.owner[slot] === myself.index && slots.migratingTo[slot] === 0 ? 1 : 0;
  }
}

function redirect(state: ClusterState, kind: 'MOVED' | 'ASK', slot: number, node: ClusterNode): string {
  return `${kind} ${slot} ${endpointOf(state, node)}:${node.port}`;
}

/** The error to answer with, or null when the request is to be served here. */
export function routeSlot(state: ClusterState, slot: number, request: RouteRequest): string | null {
  const { slots, myself } = state;
  const owner = slots.ownerOf(slot);
  if (owner === null) return NOT_SERVED;
  const channels = request.channels === true;
  if (!state.ok && channels) {
    if (!state.settings.allowShardChannelsWhenDown) return DOWN;
  } else if (!state.ok) {
    if (!state.settings.allowReadsWhenDown) return DOWN;
    if (request.write) return DOWN_READ_ONLY;
  }
  const target = owner === myself ? slots.migratingNode(slot) : null;
  const importing = owner !== myself && slots.importingFrom[slot] !== 0;
  if ((target !== null || importing) && request.movesKeys) return null;
  if (target !== null && !channels) {
    const missing = request.missingKeys();
    if (missing === 0) return null;
    return missing < request.keyCount ? TRY_AGAIN : redirect(state, 'ASK', slot, target);
  }
  if (importing && request.asking) {
    return request.keyCount > 1 && request.missingKeys() > 0 ? TRY_AGAIN : null;
  }
  if (owner.has(MYSELF)) return null;
  const reads = (request.readonlyMode && !request.write) || channels;
  if (myself.isReplica && reads && myself.primary === owner) return null;
  return redirect(state, 'MOVED', slot, owner);
}
