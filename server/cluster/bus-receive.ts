/** What one frame of a peer does to our view of the cluster. */
import {
  AUTH_ACK,
  AUTH_REQUEST,
  type BusHeader,
  type BusMessage,
  FAIL,
  MEET,
  MESSAGE_EXTENSIONS,
  MFSTART,
  PING,
  PONG,
  PUBLISH_SHARD,
  SLOT_BYTES,
  UPDATE,
} from './bus-message.ts';
import type { BusLink } from './cluster-environment.ts';
import type { ClusterState } from './cluster-state.ts';
import { countVote, resolveEpochCollision, voteIfAllowed } from './election.ts';
import { markFailed, noteAnswer } from './failure-detector.ts';
import { readExtensions, readGossip, sendPing } from './gossip.ts';
import { acceptManualFailover, noteInPausedPrimary } from './manual-failover.ts';
import { addNode, becomePrimary, closeLink, removeNode } from './membership.ts';
import {
  type ClusterNode,
  FAILED,
  HANDSHAKE,
  MEET_WANTED,
  MIGRATE_TO,
  MYSELF,
  NO_ADDRESS,
  NO_FAILOVER,
  PRIMARY,
  REPLICA,
} from './node-table.ts';
import { applySlotClaims, applyUpdate, correctStaleClaims } from './slot-updates.ts';

/** The node that speaks: by the link if that is already known to be it, else by the name in the header. */
function senderOf(state: ClusterState, link: BusLink, header: BusHeader): ClusterNode | null {
  if (!link.inbound && link.node !== null && !link.node.has(HANDSHAKE)) return link.node;
  return state.nodes.byId(header.sender) ?? null;
}

/** Takes in one decoded frame. `settle` has to follow before the turn ends. */
export function receiveMessage(state: ClusterState, link: BusLink, message: BusMessage): void {
  const { header, body } = message;
  if (header.type < state.received.length) {
    state.received[header.type] = (state.received[header.type] as number) + 1;
  }
  const sender = senderOf(state, link, header);
  if (sender !== null) noteSender(state, link, sender, header);
  if (body.kind === 'gossip') {
    receivePing(state, link, sender, message);
    return;
  }
  // Only members may do more than introduce themselves.
  if (sender === null || sender === state.myself || sender.has(HANDSHAKE)) return;
  if (body.kind === 'fail' && header.type === FAIL) receiveFail(state, sender, body.nodeId);
  else if (body.kind === 'publish') {
    state.environment.deliver(body.channel, body.payload, header.type === PUBLISH_SHARD);
  } else if (body.kind === 'update' && header.type === UPDATE) {
    applyUpdate(state, body.nodeId, body.configEpoch, body.slots);
  } else if (header.type === AUTH_ACK) countVote(state, sender, header);
  else if (header.type === AUTH_REQUEST || header.type === MFSTART) {
    // Whose replica it is may be newer than its last ping, and decides the answer.
    learnRole(state, sender, header);
    if (header.type === AUTH_REQUEST) voteIfAllowed(state, sender, header);
    else acceptManualFailover(state, sender);
  }
}

function noteSender(state: ClusterState, link: BusLink, sender: ClusterNode, header: BusHeader): void {
  sender.dataReceivedAt = state.now;
  if (sender.has(HANDSHAKE) || sender === state.myself) return;
  if (link.inbound && link.node === null) {
    // Two incoming links of one node: the newer one counts, the older one ends by itself.
    if (sender.inboundLink !== null) sender.inboundLink.node = null;
    link.node = sender;
    sender.inboundLink = link;
  }
  if (header.currentEpoch > state.currentEpoch) {
    state.currentEpoch = header.currentEpoch;
    state.saveSoon();
  }
  if (header.configEpoch > sender.configEpoch) {
    sender.configEpoch = header.configEpoch;
    // It has won an election of its own since: the one in which we voted against it is over.
    sender.votedAt = 0;
    state.saveSoon();
  }
  sender.offset = header.offset;
  sender.offsetAt = state.now;
  noteInPausedPrimary(state, sender, header);
}

function receiveFail(state: ClusterState, sender: ClusterNode, nodeId: string): void {
  const failing = state.nodes.byId(nodeId);
  if (failing === undefined || failing.has(FAILED | MYSELF)) return;
  state.environment.log('notice', `FAIL message received from ${sender.id} about ${nodeId}`);
  markFailed(state, failing);
}

function receivePing(
  state: ClusterState,
  link: BusLink,
  sender: ClusterNode | null,
  message: BusMessage,
): void {
  const { header, body } = message;
  if (body.kind !== 'gossip') return;
  learnOwnAddress(state, link, header.type);
  if (header.type === MEET && sender === null) introduce(state, link, header);
  if (header.type === PING || header.type === MEET) sendPing(state, link, PONG);
  if (!link.inbound && link.node !== null && !checkIdentity(state, link, link.node, sender, header)) return;
  // The handshake may just have given the node its name.
  const known = sender ?? (link.inbound ? null : senderOf(state, link, header));
  if (known === state.myself) return;
  if (!link.inbound && header.type === PONG && link.node !== null) noteAnswer(state, link.node);
  if (known === null || known.has(HANDSHAKE)) return;
  learnAddress(state, link, known, header);
  learnRole(state, known, header);
  learnSlots(state, known, header);
  readGossip(state, known, body.gossip);
  // Gossip and forgotten nodes may have removed the sender itself.
  const announced = (header.messageFlags & MESSAGE_EXTENSIONS) !== 0;
  if (known.index !== 0) readExtensions(state, known, body.extensions, announced);
}

/** Without an announced address ours is the one under which a peer reached us. */
function learnOwnAddress(state: ClusterState, link: BusLink, type: number): void {
  const { myself, settings } = state;
  if (settings.announceIp !== '' || (type !== MEET && myself.ip !== '')) return;
  if (link.localIp === '' || link.localIp === myself.ip) return;
  myself.ip = link.localIp;
  state.environment.log('notice', `IP address for this node updated to ${myself.ip}`);
  state.saveSoon();
}

/** Somebody whom we do not know wants to meet: we shake hands in turn, and learn the name by that. */
function introduce(state: ClusterState, link: BusLink, header: BusHeader): void {
  const node = state.newNode(state.environment.newNodeId(), HANDSHAKE);
  node.ip = header.ip === '' ? link.remoteIp : header.ip;
  node.port = header.port;
  node.plainPort = header.plainPort;
  node.busPort = header.busPort;
  if (addNode(state, node)) state.saveSoon();
}

/** On a link that we opened: the other end must be who we think. False when the frame is done with. */
function checkIdentity(
  state: ClusterState,
  link: BusLink,
  node: ClusterNode,
  sender: ClusterNode | null,
  header: BusHeader,
): boolean {
  if (node.has(HANDSHAKE)) {
    if (sender !== null) {
      state.environment.log(
        'verbose',
        `Handshake: we already know node ${sender.id}, updating the address if needed.`,
      );
      moveNode(state, sender, node.ip, header);
      removeNode(state, node);
      return false;
    }
    state.nodes.rename(node, header.sender);
    state.environment.log('debug', `Handshake with node ${node.id} completed.`);
    node.clear(HANDSHAKE | MEET_WANTED);
    node.set(header.flags & (PRIMARY | REPLICA));
    noteSender(state, link, node, header);
    state.saveSoon();
    state.updateSoon();
    return true;
  }
  if (node.id === header.sender) return true;
  state.environment.log('debug', `PONG contains mismatching sender ID. About node ${node.id}`);
  if (link.remoteIp === node.ip || node.hostname === '') {
    node.set(NO_ADDRESS);
    node.ip = '';
    // With a host name there is still a way to find it, and the ports are needed for that.
    if (node.hostname === '') {
      node.port = 0;
      node.plainPort = 0;
      node.busPort = 0;
    }
    state.saveSoon();
  }
  closeLink(node);
  return false;
}

/**
 * True when the node is elsewhere than we thought; its link, and our replication if it is our primary,
 * follow.
 */
function moveNode(state: ClusterState, node: ClusterNode, ip: string, header: BusHeader): boolean {
  if (node === state.myself || ip === '') return false;
  const same = node.ip === ip && node.port === header.port && node.busPort === header.busPort;
  if (same && node.plainPort === header.plainPort) return false;
  node.ip = ip;
  node.port = header.port;
  node.plainPort = header.plainPort;
  node.busPort = header.busPort;
  node.clear(NO_ADDRESS);
  closeLink(node);
  state.environment.log('warning', `Address updated for node ${node.id}, now ${ip}:${node.port}`);
  if (state.myself.primary === node) state.environment.replication.replicate(ip, node.port, node.id);
  state.saveSoon();
  state.updateSoon();
  return true;
}

/** The link that we opened leads to the node, though not to the address that we knew; the link stays. */
function foundElsewhere(state: ClusterState, node: ClusterNode, ip: string): void {
  node.ip = ip;
  node.clear(NO_ADDRESS);
  state.environment.log('notice', `Node ${node.id} is now at ${ip}:${node.port}`);
  if (state.myself.primary === node) state.environment.replication.replicate(ip, node.port, node.id);
  state.saveSoon();
  state.updateSoon();
}

function learnAddress(state: ClusterState, link: BusLink, sender: ClusterNode, header: BusHeader): void {
  if (!link.inbound && header.type === PONG && link.remoteIp !== '' && link.remoteIp !== sender.ip) {
    // Found by its host name, or behind an address translation that it announces itself.
    const ip = header.ip === '' ? link.remoteIp : header.ip;
    if (ip !== sender.ip) foundElsewhere(state, sender, ip);
  }
  if (link.inbound && header.type === PING) {
    moveNode(state, sender, header.ip === '' ? link.remoteIp : header.ip, header);
  }
  const noFailover = header.flags & NO_FAILOVER;
  if ((sender.flags & NO_FAILOVER) !== noFailover) {
    sender.flags = (sender.flags & ~NO_FAILOVER) | noFailover;
    state.saveSoon();
  }
}

function learnRole(state: ClusterState, sender: ClusterNode, header: BusHeader): void {
  if (header.primaryId === null) {
    becomePrimary(state, sender);
    return;
  }
  if (!sender.isReplica) {
    // Its slots go to whoever claims them; until then they have no owner.
    state.slots.releaseAllOf(sender);
    sender.clear(PRIMARY | MIGRATE_TO);
    sender.set(REPLICA);
    state.saveSoon();
    state.updateSoon();
  }
  const primary = state.nodes.byId(header.primaryId);
  if (primary === undefined || primary === sender || sender.primary === primary) return;
  sender.follow(primary);
  state.saveSoon();
  state.pending.routing = true;
}

function sameSlots(one: Uint8Array, other: Uint8Array): boolean {
  for (let i = 0; i < SLOT_BYTES; i++) if (one[i] !== other[i]) return false;
  return true;
}

function learnSlots(state: ClusterState, sender: ClusterNode, header: BusHeader): void {
  const shardPrimary = sender.shardPrimary;
  if (shardPrimary !== null && !sameSlots(shardPrimary.slots, header.slots)) {
    if (sender.isPrimary) applySlotClaims(state, sender, header.configEpoch, header.slots);
    correctStaleClaims(state, sender, header.configEpoch, header.slots);
  }
  resolveEpochCollision(state, sender);
}
