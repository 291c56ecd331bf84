/** The long answers about the cluster: INFO, SLOTS, SHARDS and LINKS. */
import { SLOT_COUNT, TYPE_NAMES } from '../cluster/bus-message.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { endpointOf } from '../cluster/cluster-routing.ts';
import type { ClusterState } from '../cluster/cluster-state.ts';
import { type ClusterNode, FAILED, HANDSHAKE, PFAIL } from '../cluster/node-table.ts';
import { slotRanges } from '../cluster/slots.ts';
import type { Reply } from '../wire/reply.ts';
import type { Call } from './call.ts';

/** The text of CLUSTER INFO. */
export function describeInfo(state: ClusterState): string {
  let failed = 0;
  let suspected = 0;
  for (const node of state.nodes.all()) {
    if (node.has(FAILED)) failed += node.slotCount;
    else if (node.has(PFAIL)) suspected += node.slotCount;
  }
  const assigned = state.slots.assignedCount;
  const lines = [
    `cluster_state:${state.ok ? 'ok' : 'fail'}`,
    `cluster_slots_assigned:${assigned}`,
    `cluster_slots_ok:${assigned - failed - suspected}`,
    `cluster_slots_pfail:${suspected}`,
    `cluster_slots_fail:${failed}`,
    `cluster_known_nodes:${state.nodes.size}`,
    `cluster_size:${state.size}`,
    `cluster_current_epoch:${state.currentEpoch}`,
    `cluster_my_epoch:${(state.myself.shardPrimary ?? state.myself).configEpoch}`,
    ...countLines('sent', state.sent),
    ...countLines('received', state.received),
    `total_cluster_links_buffer_limit_exceeded:${state.linksFreedByLimit}`,
  ];
  return lines.map((line) => `${line}\r\n`).join('');
}

function countLines(direction: 'sent' | 'received', counts: readonly number[]): string[] {
  const lines: string[] = [];
  let total = 0;
  for (const [type, count] of counts.entries()) {
    total += count;
    if (count > 0) lines.push(`cluster_stats_messages_${TYPE_NAMES[type]}_${direction}:${count}`);
  }
  lines.push(`cluster_stats_messages_${direction}:${total}`);
  return lines;
}

/** The replication offset of a node; our own is fresher than what we gossip. */
function offsetOf(state: ClusterState, node: ClusterNode): number {
  return node === state.myself ? state.environment.replication.offset() : node.offset;
}

/** A replica that has not synchronised yet, or is dead, is of no use to clients. */
function isServing(state: ClusterState, replica: ClusterNode): boolean {
  return !replica.has(FAILED) && offsetOf(state, replica) !== 0;
}

function writeEndpoint(reply: Reply, state: ClusterState, node: ClusterNode): void {
  if (state.settings.preferredEndpoint === 'unknown-endpoint') reply.nullBulk();
  else reply.bulkText(endpointOf(state, node));
}

function writeSlotsNode(reply: Reply, state: ClusterState, node: ClusterNode): void {
  reply.array(4);
  writeEndpoint(reply, state, node);
  reply.integer(node.port);
  reply.bulkLatin1(node.id);
  const preferred = state.settings.preferredEndpoint;
  const more: [string, string][] = [];
  if (preferred !== 'ip') more.push(['ip', node.ip]);
  if (preferred !== 'hostname' && node.hostname !== '') more.push(['hostname', node.hostname]);
  reply.map(more.length);
  for (const [name, value] of more) {
    reply.bulkLatin1(name);
    reply.bulkText(value);
  }
}

/** CLUSTER SLOTS: each range with its primary and the replicas that serve. */
export function writeSlots(call: Call, cluster: Cluster): void {
  const { state } = cluster;
  const { reply } = call;
  const ranges: [first: number, last: number, owner: ClusterNode][] = [];
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const owner = state.slots.ownerOf(slot);
    const open = ranges[ranges.length - 1];
    if (owner === null) continue;
    if (open !== undefined && open[1] === slot - 1 && open[2] === owner) open[1] = slot;
    else ranges.push([slot, slot, owner]);
  }
  reply.array(ranges.length);
  for (const [first, last, owner] of ranges) {
    const serving = owner.replicas.filter((replica) => isServing(state, replica));
    reply.array(3 + serving.length);
    reply.integer(first);
    reply.integer(last);
    for (const node of [owner, ...serving]) writeSlotsNode(reply, state, node);
  }
}

function healthOf(state: ClusterState, node: ClusterNode): string {
  if (node.has(FAILED)) return 'fail';
  return node.isReplica && offsetOf(state, node) === 0 ? 'loading' : 'online';
}

function writeShardNode(reply: Reply, state: ClusterState, node: ClusterNode): void {
  const hasHostname = node.hostname !== '';
  reply.map(hasHostname ? 8 : 7);
  reply.bulkLatin1('id');
  reply.bulkLatin1(node.id);
  reply.bulkLatin1('port');
  reply.integer(node.port);
  reply.bulkLatin1('ip');
  reply.bulkText(node.ip);
  reply.bulkLatin1('endpoint');
  writeEndpoint(reply, state, node);
  if (hasHostname) {
    reply.bulkLatin1('hostname');
    reply.bulkText(node.hostname);
  }
  reply.bulkLatin1('role');
  reply.bulkLatin1(node.isReplica ? 'replica' : 'master');
  reply.bulkLatin1('replication-offset');
  reply.integer(offsetOf(state, node));
  reply.bulkLatin1('health');
  reply.bulkLatin1(healthOf(state, node));
}

/** CLUSTER SHARDS: nodes that share a shard id, primaries first, with the slots of the primary. */
export function writeShards(call: Call, cluster: Cluster): void {
  const { state } = cluster;
  const { reply } = call;
  const shards = new Map<string, ClusterNode[]>();
  for (const node of state.nodes.all()) {
    if (node.has(HANDSHAKE)) continue;
    const members = shards.get(node.shardId);
    if (members === undefined) shards.set(node.shardId, [node]);
    else if (node.isPrimary) members.unshift(node);
    else members.push(node);
  }
  reply.array(shards.size);
  for (const members of shards.values()) {
    const owner = members.find((node) => node.slotCount > 0);
    const ranges = owner === undefined ? [] : slotRanges(owner.slots);
    reply.map(2);
    reply.bulkLatin1('slots');
    reply.array(ranges.length * 2);
    for (const [first, last] of ranges) {
      reply.integer(first);
      reply.integer(last);
    }
    reply.bulkLatin1('nodes');
    reply.array(members.length);
    for (const node of members) writeShardNode(reply, state, node);
  }
}

/** CLUSTER LINKS: both directions of every peer. */
export function writeLinks(call: Call, cluster: Cluster): void {
  const { state } = cluster;
  const { reply } = call;
  const links = [...state.nodes.all()].flatMap((node) => {
    const both = [node.link, node.inboundLink];
    return both.flatMap((link) => (link === null ? [] : [{ node, link }]));
  });
  reply.array(links.length);
  for (const { node, link } of links) {
    reply.map(6);
    reply.bulkLatin1('direction');
    reply.bulkLatin1(link.inbound ? 'from' : 'to');
    reply.bulkLatin1('node');
    reply.bulkLatin1(node.id);
    reply.bulkLatin1('create-time');
    reply.integer(Math.floor(link.createdAt));
    reply.bulkLatin1('events');
    reply.bulkLatin1(link.queuedBytes > 0 ? 'rw' : 'r');
    reply.bulkLatin1('send-buffer-allocated');
    reply.integer(link.queuedBytes);
    reply.bulkLatin1('send-buffer-used');
    reply.integer(link.queuedBytes);
  }
}
