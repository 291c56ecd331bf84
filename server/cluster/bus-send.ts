/** Builds frames from the state of the cluster and puts them on links. */
import {
  AUTH_ACK,
  AUTH_REQUEST,
  type BusBody,
  type BusHeader,
  encodeMessage,
  FAIL,
  MESSAGE_FORCE_ACK,
  MESSAGE_PAUSED,
  MFSTART,
  PUBLISH,
  PUBLISH_SHARD,
  UPDATE,
} from './bus-message.ts';
import type { BusLink } from './cluster-environment.ts';
import type { ClusterState } from './cluster-state.ts';
import { type ClusterNode, HANDSHAKE, MYSELF } from './node-table.ts';

const NO_SLOTS = new Uint8Array(2048);

/** The header of a frame from us; `messageFlags` adds to those that our state demands. */
export function buildHeader(state: ClusterState, type: number, messageFlags = 0): BusHeader {
  const { myself, settings } = state;
  const shardPrimary = myself.shardPrimary;
  const paused = myself.isPrimary && state.manual.endsAt !== 0 ? MESSAGE_PAUSED : 0;
  return {
    type,
    port: settings.port,
    plainPort: settings.plainPort,
    busPort: settings.busPort,
    currentEpoch: state.currentEpoch,
    configEpoch: shardPrimary === null ? 0 : shardPrimary.configEpoch,
    offset: state.environment.replication.offset(),
    sender: myself.id,
    slots: shardPrimary === null ? NO_SLOTS : shardPrimary.slots,
    primaryId: myself.primary === null ? null : myself.primary.id,
    ip: settings.announceIp,
    flags: myself.flags,
    stateOk: state.ok,
    messageFlags: messageFlags | paused,
  };
}

export function sendFrame(state: ClusterState, link: BusLink, type: number, frame: Uint8Array): void {
  link.send(frame);
  state.sent[type] = (state.sent[type] as number) + 1;
}

function broadcast(state: ClusterState, type: number, frame: Uint8Array): void {
  for (const node of state.nodes.all()) {
    if (node.link === null || node.has(MYSELF | HANDSHAKE)) continue;
    sendFrame(state, node.link, type, frame);
  }
}

/** Tells everybody that a majority holds the node to be failing. */
export function broadcastFail(state: ClusterState, nodeId: string): void {
  broadcast(state, FAIL, encodeMessage(buildHeader(state, FAIL), { kind: 'fail', nodeId }));
}

/** Asks all primaries for their vote in the current epoch. */
export function broadcastAuthRequest(state: ClusterState): void {
  const flags = state.manual.endsAt !== 0 ? MESSAGE_FORCE_ACK : 0;
  broadcast(state, AUTH_REQUEST, encodeMessage(buildHeader(state, AUTH_REQUEST, flags), { kind: 'plain' }));
}

/** Our vote in the current epoch; the caller has made it durable. */
export function sendVote(state: ClusterState, candidate: ClusterNode): void {
  if (candidate.link === null) return;
  const frame = encodeMessage(buildHeader(state, AUTH_ACK), { kind: 'plain' });
  sendFrame(state, candidate.link, AUTH_ACK, frame);
}

/** Corrects a node that claims slots of `owner` with an old epoch. */
export function sendUpdate(state: ClusterState, link: BusLink | null, owner: ClusterNode): void {
  if (link === null) return;
  const body: BusBody = {
    kind: 'update',
    nodeId: owner.id,
    configEpoch: owner.configEpoch,
    slots: owner.slots,
  };
  sendFrame(state, link, UPDATE, encodeMessage(buildHeader(state, UPDATE), body));
}

/** Asks our primary to pause writes for a manual failover. */
export function sendManualFailoverStart(state: ClusterState, primary: ClusterNode): void {
  if (primary.link === null) return;
  sendFrame(state, primary.link, MFSTART, encodeMessage(buildHeader(state, MFSTART), { kind: 'plain' }));
}

/** A published message for the subscribers of other nodes; a sharded one stays within the shard. */
export function broadcastPublish(
  state: ClusterState,
  channel: Uint8Array,
  payload: Uint8Array,
  sharded: boolean,
): void {
  const type = sharded ? PUBLISH_SHARD : PUBLISH;
  const frame = encodeMessage(buildHeader(state, type), { kind: 'publish', channel, payload });
  if (!sharded) {
    broadcast(state, type, frame);
    return;
  }
  for (const node of shardMembers(state)) {
    if (node !== state.myself && node.link !== null) sendFrame(state, node.link, type, frame);
  }
}

/** The primary and the replicas of our shard, ourselves among them. */
export function shardMembers(state: ClusterState): ClusterNode[] {
  const primary = state.myself.shardPrimary;
  return primary === null ? [state.myself] : [primary, ...primary.replicas];
}
