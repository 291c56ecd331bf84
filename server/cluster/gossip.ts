/** Pings and what they carry of other nodes: built here, and read here when they come in. */

import type { ForgottenNode, PingExtensions } from './bus-extensions.ts';
import { encodeMessage, type GossipEntry, MEET, MESSAGE_EXTENSIONS, PING, PONG } from './bus-message.ts';
import { buildHeader, sendFrame, shardMembers } from './bus-send.ts';
import type { BusLink } from './cluster-environment.ts';
import type { ClusterState } from './cluster-state.ts';
import {
  addFailureReport,
  failureReportCount,
  markFailingIfAgreed,
  removeFailureReport,
} from './failure-detector.ts';
import { addNode, closeLink, forgetNode } from './membership.ts';
import {
  type ClusterNode,
  FAILED,
  HANDSHAKE,
  MYSELF,
  NO_ADDRESS,
  PFAIL,
  PRIMARY,
  REPLICA,
} from './node-table.ts';

/** Every ping names at least this many nodes, and a tenth of the cluster if that is more. */
const GOSSIP_NODES_MIN = 3;
/** Tolerated difference of clocks when a peer says when it last heard a node. */
const CLOCK_SKEW_MS = 500;
const FORGOTTEN_IN_PING_MAX = 100;

function gossipEntry(node: ClusterNode): GossipEntry {
  return {
    id: node.id,
    pingSentSeconds: Math.floor(node.pingSentAt / 1000),
    pongReceivedSeconds: Math.floor(node.pongReceivedAt / 1000),
    ip: node.ip,
    port: node.port,
    busPort: node.busPort,
    plainPort: node.plainPort,
    flags: node.flags,
  };
}

/** A random sample of healthy nodes, and all that look dead to us, so that failures become known quickly. */
function chooseGossip(state: ClusterState): GossipEntry[] {
  const entries: GossipEntry[] = [];
  let available = state.nodes.size - 2;
  const wanted = Math.min(available, Math.max(GOSSIP_NODES_MIN, Math.floor(state.nodes.size / 10)));
  for (let tries = wanted * 3; available > 0 && entries.length < wanted && tries > 0; tries--) {
    const node = state.nodes.random(state.environment.random());
    if (node === null || node === state.myself || node.has(PFAIL) || node.gossipedIn === state.pingsSent)
      continue;
    node.gossipedIn = state.pingsSent;
    available--;
    if (node.has(HANDSHAKE | NO_ADDRESS) || (node.link === null && node.slotCount === 0)) continue;
    entries.push(gossipEntry(node));
  }
  for (const node of state.nodes.all()) {
    if (node.has(PFAIL) && !node.has(HANDSHAKE)) entries.push(gossipEntry(node));
  }
  return entries;
}

function buildExtensions(state: ClusterState, peer: ClusterNode | null): PingExtensions {
  const forgotten: ForgottenNode[] = [];
  for (const [id, until] of state.banned) {
    if (forgotten.length >= FORGOTTEN_IN_PING_MAX) break;
    if (until > state.now) forgotten.push({ id, ttlSeconds: Math.ceil((until - state.now) / 1000) });
  }
  const { hostname, nodeName, shardId } = state.myself;
  return peer?.oldExtensions ? { hostname, forgotten: [] } : { hostname, nodeName, shardId, forgotten };
}

/** Sends PING, PONG or MEET. A ping on our own link starts the wait for its pong. */
export function sendPing(state: ClusterState, link: BusLink, type: number): void {
  state.pingsSent++;
  if (type === PING && !link.inbound && link.node !== null) link.node.pingSentAt = state.now;
  const header = buildHeader(state, type, MESSAGE_EXTENSIONS);
  const gossip = chooseGossip(state);
  const extensions = buildExtensions(state, link.node);
  const frame = encodeMessage(header, { kind: 'gossip', gossip, extensions });
  sendFrame(state, link, type, frame);
}

/** Unasked pongs spread our state at once: to the whole cluster, or to the members of our shard. */
export function broadcastPong(state: ClusterState, audience: 'all' | 'shard'): void {
  const nodes = audience === 'all' ? [...state.nodes.all()] : shardMembers(state);
  for (const node of nodes) {
    if (node.link !== null && !node.has(MYSELF | HANDSHAKE)) sendPing(state, node.link, PONG);
  }
}

/** The first frame on a link that has just come up. */
export function sendFirstPing(state: ClusterState, node: ClusterNode, meet: boolean): void {
  if (node.link === null) return;
  const waitingSince = node.pingSentAt;
  sendPing(state, node.link, meet ? MEET : PING);
  // A node that did not answer before the link broke is still a node that did not answer.
  if (waitingSince !== 0) node.pingSentAt = waitingSince;
}

function learnOfKnown(state: ClusterState, sender: ClusterNode, node: ClusterNode, entry: GossipEntry): void {
  const failing = (entry.flags & (PFAIL | FAILED)) !== 0;
  if (sender.isPrimary && node !== state.myself) {
    if (failing) {
      if (addFailureReport(state, node, sender)) {
        state.environment.log('verbose', `Node ${sender.id} reported node ${node.id} as not reachable.`);
      }
      markFailingIfAgreed(state, node);
    } else if (removeFailureReport(state, node, sender)) {
      state.environment.log('verbose', `Node ${sender.id} reported node ${node.id} is back online.`);
    }
  }
  if (failing) return;
  if (!node.has(PFAIL | FAILED) && node.pingSentAt === 0 && failureReportCount(state, node) === 0) {
    const heardAt = entry.pongReceivedSeconds * 1000;
    if (heardAt <= state.now + CLOCK_SKEW_MS && heardAt > node.pongReceivedAt) node.pongReceivedAt = heardAt;
  }
  const moved = node.ip !== entry.ip || node.port !== entry.port || node.busPort !== entry.busPort;
  if (node !== state.myself && node.has(PFAIL | FAILED) && moved && (entry.flags & NO_ADDRESS) === 0) {
    // We cannot reach it and somebody else can, elsewhere.
    closeLink(node);
    node.ip = entry.ip;
    node.port = entry.port;
    node.plainPort = entry.plainPort;
    node.busPort = entry.busPort;
    node.clear(NO_ADDRESS);
    if (state.myself.primary === node) state.environment.replication.replicate(node.ip, node.port, node.id);
    state.saveSoon();
  }
}

function learnOfNew(state: ClusterState, entry: GossipEntry): void {
  if ((entry.flags & (NO_ADDRESS | HANDSHAKE)) !== 0 || entry.ip === '' || entry.busPort === 0) return;
  if (state.isBanned(entry.id)) return;
  const node = state.newNode(entry.id, entry.flags & (PRIMARY | REPLICA | PFAIL | FAILED));
  if (node.has(FAILED)) node.failedAt = state.now;
  node.ip = entry.ip;
  node.port = entry.port;
  node.plainPort = entry.plainPort;
  node.busPort = entry.busPort;
  addNode(state, node);
}

/** Takes in what a trusted node says of others. */
export function readGossip(state: ClusterState, sender: ClusterNode, entries: readonly GossipEntry[]): void {
  for (const entry of entries) {
    const node = state.nodes.byId(entry.id);
    if (node === undefined) learnOfNew(state, entry);
    else learnOfKnown(state, sender, node, entry);
  }
}

/** A node is of one shard with its primary; the replica follows what the primary says. */
export function setShardId(state: ClusterState, node: ClusterNode, shardId: string): void {
  if (node.shardId === shardId) return;
  node.shardId = shardId;
  if (node !== state.myself && state.myself.primary === node) state.myself.shardId = shardId;
  state.saveSoon();
}

/**
 * Takes in names, the shard and forgotten nodes as the sender announces them. `announced`: it speaks
 * extensions at all, though newer servers send none before they have heard the same of us.
 */
export function readExtensions(
  state: ClusterState,
  sender: ClusterNode,
  extensions: PingExtensions,
  announced: boolean,
): void {
  const sendsSome = extensions.hostname !== undefined || extensions.forgotten.length > 0;
  sender.oldExtensions = extensions.shardId === undefined && (!announced || sendsSome);
  const hostname = extensions.hostname ?? '';
  const nodeName = extensions.nodeName ?? '';
  if (sender.hostname !== hostname || sender.nodeName !== nodeName) {
    sender.hostname = hostname;
    sender.nodeName = nodeName;
    state.saveSoon();
  }
  // Redis 7.0 sends no shard id: its replicas are of the shard of their primary, whatever we called that.
  setShardId(state, sender, extensions.shardId ?? (sender.shardPrimary ?? sender).shardId);
  for (const { id, ttlSeconds } of extensions.forgotten) {
    const node = state.nodes.byId(id);
    if (node === undefined || node === state.myself || node === state.myself.primary || node === sender)
      continue;
    state.environment.log('notice', `Forgetting node ${id}, as node ${sender.id} says`);
    forgetNode(state, node, ttlSeconds * 1000);
  }
}
