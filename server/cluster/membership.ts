/** Who belongs to the cluster, and who is primary or replica of whom. */
import { type ClusterState, FORGET_BAN_MS } from './cluster-state.ts';
import { resetElection } from './election.ts';
import { resetManualFailover } from './manual-failover.ts';
import {
  type ClusterNode,
  HANDSHAKE,
  MEET_WANTED,
  MIGRATE_TO,
  NODES_MAX,
  PRIMARY,
  REPLICA,
} from './node-table.ts';

/** False, with a log line, when the table is full. */
export function addNode(state: ClusterState, node: ClusterNode): boolean {
  if (state.nodes.add(node)) return true;
  state.environment.log('warning', `Not adding node ${node.id}: known, or more than ${NODES_MAX} nodes`);
  return false;
}

export function closeLink(node: ClusterNode): void {
  const link = node.link;
  if (link === null) return;
  node.link = null;
  link.node = null;
  link.close();
}

function closeInboundLink(node: ClusterNode): void {
  const link = node.inboundLink;
  if (link === null) return;
  node.inboundLink = null;
  link.node = null;
  link.close();
}

/** Takes a node out of every structure. */
export function removeNode(state: ClusterState, node: ClusterNode): void {
  state.slots.forget(node);
  for (const other of state.nodes.all()) other.failureReports.delete(node);
  node.unfollow();
  for (const replica of [...node.replicas]) replica.unfollow();
  if (state.manual.replica === node) resetManualFailover(state);
  closeLink(node);
  closeInboundLink(node);
  state.nodes.remove(node);
  state.saveSoon();
  state.updateSoon();
}

/** Removes a node and keeps gossip from bringing it back for a while. */
export function forgetNode(state: ClusterState, node: ClusterNode, banMs = FORGET_BAN_MS): void {
  for (const [id, until] of state.banned) if (until <= state.now) state.banned.delete(id);
  state.banned.set(node.id, state.now + banMs);
  removeNode(state, node);
}

/**
 * Begins to know a node by its address only; its name comes with the first pong. False when one is under way.
 */
export function startHandshake(state: ClusterState, ip: string, port: number, busPort: number): boolean {
  for (const node of state.nodes.all()) {
    if (node.has(HANDSHAKE) && node.ip === ip && node.busPort === busPort) return false;
  }
  const node = state.newNode(state.environment.newNodeId(), HANDSHAKE | MEET_WANTED);
  node.ip = ip;
  node.port = port;
  node.busPort = busPort;
  return addNode(state, node);
}

/** The node says, or has decided, that it is a primary. */
export function becomePrimary(state: ClusterState, node: ClusterNode): void {
  if (node.isPrimary) return;
  if (node.primary !== null) {
    node.unfollow();
    if (node !== state.myself) node.set(MIGRATE_TO);
  }
  node.clear(REPLICA);
  node.set(PRIMARY);
  state.updateSoon();
  state.saveSoon();
}

/** We become a replica of `primary`: no slots, no migrations, its stream. */
export function followPrimary(state: ClusterState, primary: ClusterNode): void {
  const { myself } = state;
  if (myself.isPrimary) {
    myself.clear(PRIMARY | MIGRATE_TO);
    myself.set(REPLICA);
    state.slots.clearMigrations();
  }
  myself.follow(primary);
  myself.shardId = primary.shardId;
  state.environment.replication.replicate(primary.ip, primary.port, primary.id);
  resetManualFailover(state);
  resetElection(state);
  state.saveSoon();
  state.updateSoon();
}
