/**
 * The clock of the cluster: what happens ten times a second, when a link comes or goes, and at the end of
 * every turn.
 */
import type { BusMessage } from './bus-message.ts';
import { PING } from './bus-message.ts';
import { receiveMessage } from './bus-receive.ts';
import type { BusLink } from './cluster-environment.ts';
import { updateClusterState } from './cluster-health.ts';
import type { ClusterState } from './cluster-state.ts';
import { advanceElection } from './election.ts';
import { suspectIfSilent } from './failure-detector.ts';
import { sendFirstPing, sendPing } from './gossip.ts';
import { abortManualFailoverIfLate, advanceManualFailover } from './manual-failover.ts';
import { closeLink, removeNode } from './membership.ts';
import { type ClusterNode, HANDSHAKE, MEET_WANTED, MYSELF, NO_ADDRESS, NO_FAILOVER } from './node-table.ts';
import { readNodesConf } from './nodes-conf.ts';
import { migrateToOrphan } from './replica-migration.ts';
import { leaveSubReplica } from './slot-updates.ts';

export const TICK_MS = 100;
const HANDSHAKE_TIMEOUT_MIN_MS = 1000;
const RANDOM_PING_EVERY_TICKS = 10;
const RANDOM_PING_CHOICES = 5;

/**
 * Starts from the content of nodes.conf, or as a new node alone; the answer is why that is impossible, or
 * null.
 */
export function initialise(state: ClusterState, nodesConf: string): string | null {
  if (nodesConf.trim() === '') {
    state.nodes.add(state.myself);
    state.saveSoon(true);
  } else {
    const reason = readNodesConf(state, nodesConf);
    if (reason !== null) return reason;
    // The address may be another one since; the first peer that reaches us tells.
    if (state.nodes.size > 1) state.myself.ip = '';
    const { primary } = state.myself;
    if (state.myself.isReplica && primary !== null && primary.ip !== '') {
      state.environment.replication.replicate(primary.ip, primary.port, primary.id);
    }
  }
  refreshMyself(state);
  state.updateSoon();
  settle(state);
  return null;
}

/** One frame came in on `link`. */
export function receive(state: ClusterState, link: BusLink, message: BusMessage): void {
  receiveMessage(state, link, message);
  settle(state);
}

/** The same for a shell in which many frames come in one turn: it calls `settle` when the turn ends. */
export function receiveInTurn(state: ClusterState, link: BusLink, message: BusMessage): void {
  receiveMessage(state, link, message);
  settleAllButFile(state);
}

/** The outgoing link of `node` is up. */
export function linkConnected(state: ClusterState, node: ClusterNode): void {
  sendFirstPing(state, node, node.has(MEET_WANTED));
  // A MEET goes out once; from now on the handshake timeout decides.
  node.clear(MEET_WANTED);
  settle(state);
}

/** A link ended by itself or could not be opened. The next tick opens a new one. */
export function linkClosed(state: ClusterState, link: BusLink): void {
  const node = link.node;
  link.node = null;
  if (node === null) return;
  if (node.inboundLink === link) node.inboundLink = null;
  if (node.link !== link) return;
  node.link = null;
  // From now on the node is late: no link means no pong.
  if (node.pingSentAt === 0) node.pingSentAt = state.now;
}

/** To be called every 100 ms. */
export function tick(state: ClusterState): void {
  state.ticks++;
  refreshMyself(state);
  keepLinks(state);
  if (state.ticks % RANDOM_PING_EVERY_TICKS === 0) pingOldestOfFew(state);
  for (const node of [...state.nodes.all()]) {
    if (node.has(MYSELF | HANDSHAKE)) continue;
    if (node.has(NO_ADDRESS)) suspectWithoutAddress(state, node);
    else watchNode(state, node);
  }
  abortManualFailoverIfLate(state);
  if (state.myself.isReplica) {
    leaveSubReplica(state);
    advanceManualFailover(state);
    advanceElection(state);
    if (state.myself.isReplica) migrateToOrphan(state);
  }
  if (!state.ok) state.pending.update = true;
  settle(state);
}

/** Announced names and addresses may be changed by CONFIG SET. */
function refreshMyself(state: ClusterState): void {
  const { myself, settings } = state;
  const ip = settings.announceIp === '' ? myself.ip : settings.announceIp;
  const noFailover = settings.replicaNoFailover || state.leaving ? NO_FAILOVER : 0;
  const changed =
    myself.ip !== ip ||
    myself.port !== settings.port ||
    myself.busPort !== settings.busPort ||
    myself.hostname !== settings.announceHostname ||
    myself.nodeName !== settings.announceNodeName ||
    (myself.flags & NO_FAILOVER) !== noFailover;
  if (!changed) return;
  myself.ip = ip;
  myself.port = settings.port;
  myself.plainPort = settings.plainPort;
  myself.busPort = settings.busPort;
  myself.hostname = settings.announceHostname;
  myself.nodeName = settings.announceNodeName;
  myself.flags = (myself.flags & ~NO_FAILOVER) | noFailover;
  state.saveSoon();
  state.pending.routing = true;
}

function keepLinks(state: ClusterState): void {
  const handshakeMs = Math.max(state.settings.nodeTimeoutMs, HANDSHAKE_TIMEOUT_MIN_MS);
  const limit = state.settings.linkSendBufferLimit;
  for (const node of [...state.nodes.all()]) {
    // Without an address there is still the host name, if it has announced one.
    if (node.has(MYSELF) || (node.has(NO_ADDRESS) && (node.hostname === '' || node.busPort === 0))) continue;
    if (node.has(HANDSHAKE) && state.now - node.createdAt > handshakeMs) {
      removeNode(state, node);
      continue;
    }
    if (limit > 0 && node.link !== null && node.link.queuedBytes > limit) {
      state.environment.log(
        'warning',
        `Freeing outgoing cluster link for node ${node.id}, it exceeded the limit.`,
      );
      closeLink(node);
      state.linksFreedByLimit++;
    }
    if (node.link !== null) continue;
    node.link = state.environment.connect(node);
    if (node.link === null && node.pingSentAt === 0) node.pingSentAt = state.now;
  }
}

/** Of five random nodes the one that was silent longest, so that every node hears from somebody. */
function pingOldestOfFew(state: ClusterState): void {
  let oldest: ClusterNode | null = null;
  for (let i = 0; i < RANDOM_PING_CHOICES; i++) {
    const node = state.nodes.random(state.environment.random());
    if (node === null || node.link === null || node.pingSentAt !== 0 || node.has(MYSELF | HANDSHAKE))
      continue;
    if (oldest === null || node.pongReceivedAt < oldest.pongReceivedAt) oldest = node;
  }
  if (oldest?.link) sendPing(state, oldest.link, PING);
}

/**
 * Somebody else answers at its address, as when it came back without its nodes.conf: it cannot be asked any
 * more, but it can be missed, so that its replicas take over. Redis leaves its slots to nobody.
 */
function suspectWithoutAddress(state: ClusterState, node: ClusterNode): void {
  if (node.pingSentAt === 0) node.pingSentAt = state.now;
  suspectIfSilent(state, node);
}

function watchNode(state: ClusterState, node: ClusterNode): void {
  const halfMs = state.settings.nodeTimeoutMs / 2;
  const { now } = state;
  const link = node.link;
  if (
    link !== null &&
    now - link.createdAt > state.settings.nodeTimeoutMs &&
    node.pingSentAt !== 0 &&
    now - node.pingSentAt > halfMs &&
    now - node.dataReceivedAt > halfMs
  ) {
    // Perhaps only the connection is dead: a new one tells before the timeout is over.
    closeLink(node);
  }
  if (node.link !== null && node.pingSentAt === 0 && now - node.pongReceivedAt > halfMs) {
    sendPing(state, node.link, PING);
    return;
  }
  if (
    state.manual.endsAt !== 0 &&
    state.manual.replica === node &&
    node.link !== null &&
    state.myself.isPrimary
  ) {
    sendPing(state, node.link, PING);
    return;
  }
  suspectIfSilent(state, node);
}

const SETTLE_ROUNDS_MAX = 8;

/**
 * Does what the turn has left to do: elections, the state, nodes.conf, routing. Every entry point ends with
 * it.
 */
export function settle(state: ClusterState): void {
  settleAllButFile(state);
  const { pending } = state;
  if (!pending.save) return;
  const durable = pending.durable;
  pending.save = false;
  pending.durable = false;
  state.environment.save(durable);
}

/**
 * The same for commands: many may come in one turn (a migration sends thousands), and nodes.conf is written
 * once, when the turn ends and before its replies leave.
 */
export function settleAllButFile(state: ClusterState): void {
  const { pending } = state;
  for (let round = 0; round < SETTLE_ROUNDS_MAX; round++) {
    if (!pending.manual && !pending.failover && !pending.update) break;
    if (pending.manual) {
      pending.manual = false;
      if (state.myself.isReplica) advanceManualFailover(state);
    }
    if (pending.failover) {
      pending.failover = false;
      if (state.myself.isReplica) advanceElection(state);
    }
    if (pending.update) updateClusterState(state);
  }
  if (pending.routing) {
    pending.routing = false;
    state.environment.routingChanged();
  }
}
