/** CLUSTER and what clients of a cluster say on their connection. The decisions stand in the cluster room. */
import { isIP } from 'node:net';
import type { Cluster } from '../cluster/cluster.ts';
import {
  bumpEpoch,
  type ConfigRefusal,
  flushSlots,
  forget,
  releaseSlots,
  reset,
  setConfigEpoch,
  setSlotImporting,
  setSlotMigrating,
  setSlotOwner,
  setSlotStable,
  startFailover,
  startReplicating,
  takeSlots,
} from '../cluster/cluster-admin.ts';
import { failureReportCount } from '../cluster/failure-detector.ts';
import { startHandshake } from '../cluster/membership.ts';
import { describeNode, describeNodes } from '../cluster/nodes-conf.ts';
import { keySlot, SLOT_COUNT } from '../structures/crc16.ts';
import type { Call } from './call.ts';
import { describeInfo, writeLinks, writeShards, writeSlots } from './cluster-topology.ts';
import { NOT_INTEGER, SYNTAX, wrongArity } from './errors.ts';
import {
  ADMIN,
  FAST,
  type Handler,
  LOADING,
  NO_ASYNC_LOADING,
  NO_KEY,
  NOSCRIPT,
  type Row,
  STALE,
} from './row.ts';

const DISABLED = 'ERR This instance has cluster support disabled';
const BAD_SLOT = 'ERR Invalid or out of range slot';
const CHANGE = NO_ASYNC_LOADING | ADMIN | STALE;
const PORT_MAX = 65_535;
const BUS_PORT_OFFSET = 10_000;

// biome-ignore format: a table, one command a row
const subcommands: readonly Row[] = [
  // name                   arity flags          keys    since    run                            summary
  ['ADDSLOTS',              -3, CHANGE,          NO_KEY, '3.0.0', within(addSlots),              'Assign slots to this node.'],
  ['ADDSLOTSRANGE',         -4, CHANGE,          NO_KEY, '7.0.0', within(addSlotsRange),         'Assign ranges of slots to this node.'],
  ['BUMPEPOCH',              2, CHANGE,          NO_KEY, '3.0.0', within(bumpEpochCommand),      'Give this node a new configuration epoch.', {tips: ['nondeterministic_output']}],
  ['COUNT-FAILURE-REPORTS',  3, ADMIN | STALE,   NO_KEY, '3.0.0', within(countFailureReports),   'How many nodes report a node as failing.', {tips: ['nondeterministic_output']}],
  ['COUNTKEYSINSLOT',        3, STALE,           NO_KEY, '3.0.0', within(countKeysInSlot),       'Number of keys in a slot of this node.'],
  ['DELSLOTS',              -3, CHANGE,          NO_KEY, '3.0.0', within(delSlots),              'Leave slots without an owner.'],
  ['DELSLOTSRANGE',         -4, CHANGE,          NO_KEY, '7.0.0', within(delSlotsRange),         'Leave ranges of slots without an owner.'],
  ['FAILOVER',              -2, CHANGE,          NO_KEY, '3.0.0', within(failover),              'Let this replica take over from its primary.'],
  ['FLUSHSLOTS',             2, CHANGE,          NO_KEY, '3.0.0', within(flushSlotsCommand),     'Give up all slots of this node.'],
  ['FORGET',                 3, CHANGE,          NO_KEY, '3.0.0', within(forgetCommand),         'Remove a node from the view of this node.'],
  ['GETKEYSINSLOT',          4, STALE,           NO_KEY, '3.0.0', within(getKeysInSlot),         'Keys of a slot on this node.', {tips: ['nondeterministic_output']}],
  ['HELP',                   2, LOADING | STALE, NO_KEY, '5.0.0', help,                          'Text about the subcommands.'],
  ['INFO',                   2, STALE,           NO_KEY, '3.0.0', within(info),                  'State of the cluster in numbers.', {tips: ['nondeterministic_output']}],
  ['KEYSLOT',                3, STALE,           NO_KEY, '3.0.0', within(keySlotCommand),        'The slot of a key.'],
  ['LINKS',                  2, STALE,           NO_KEY, '7.0.0', within(writeLinks),            'Connections of the cluster bus.', {tips: ['nondeterministic_output']}],
  ['MEET',                  -4, CHANGE,          NO_KEY, '3.0.0', within(meet),                  'Shake hands with another node.'],
  ['MYID',                   2, STALE,           NO_KEY, '3.0.0', within(myId),                  'Id of this node.'],
  ['MYSHARDID',              2, STALE,           NO_KEY, '7.2.0', within(myShardId),             'Id of the shard of this node.', {tips: ['nondeterministic_output']}],
  ['NODES',                  2, STALE,           NO_KEY, '3.0.0', within(nodes),                 'All nodes, as in nodes.conf.', {tips: ['nondeterministic_output']}],
  ['REPLICAS',               3, ADMIN | STALE,   NO_KEY, '5.0.0', within(replicas),              'Replicas of a primary.', {tips: ['nondeterministic_output']}],
  ['REPLICATE',              3, CHANGE,          NO_KEY, '3.0.0', within(replicate),             'Make this node a replica of a primary.'],
  ['RESET',                 -2, ADMIN | STALE | NOSCRIPT, NO_KEY, '3.0.0', within(resetCommand),          'Make this node a new one.'],
  ['SAVECONFIG',             2, CHANGE,          NO_KEY, '3.0.0', within(saveConfig),            'Write nodes.conf now.'],
  ['SET-CONFIG-EPOCH',       3, CHANGE,          NO_KEY, '3.0.0', within(setConfigEpochCommand), 'Set the configuration epoch of a new node.'],
  ['SETSLOT',               -4, CHANGE,          NO_KEY, '3.0.0', within(setSlot),               'Begin, end or settle the move of a slot.'],
  ['SHARDS',                 2, LOADING | STALE, NO_KEY, '7.0.0', within(writeShards),           'Slots and nodes, shard by shard.', {tips: ['nondeterministic_output']}],
  ['SLAVES',                 3, ADMIN | STALE,   NO_KEY, '3.0.0', within(replicas),              'Replicas of a primary, by the older name.', {tips: ['nondeterministic_output']}],
  ['SLOTS',                  2, LOADING | STALE, NO_KEY, '3.0.0', within(writeSlots),            'Slot ranges and their nodes.', {tips: ['nondeterministic_output']}],
];

// biome-ignore format: a table, one command a row
export const clusterCommands: readonly Row[] = [
  // name       arity flags                   keys    since    run             summary
  ['ASKING',     1, FAST,                     NO_KEY, '3.0.0', asking,         'Serve the next command although its slot is only being imported.'],
  ['CLUSTER',   -2, 0,                        NO_KEY, '3.0.0', container,      'Container of the commands about the cluster.', { subcommands, group: 'cluster' }],
  ['READONLY',   1, FAST | LOADING | STALE,   NO_KEY, '3.0.0', readOnly,       'Serve reads of this connection from a replica.'],
  ['READWRITE',  1, FAST | LOADING | STALE,   NO_KEY, '3.0.0', readWrite,      'Serve reads of this connection from primaries only.'],
];

/** The handler of a command that makes sense in cluster mode only. */
function within(run: (call: Call, cluster: Cluster) => void): Handler {
  return (call) => {
    const { cluster } = call.context;
    if (cluster === null) call.reply.error(DISABLED);
    else run(call, cluster);
  };
}

/** Answers OK or with why the change was refused, after the rest of the cluster state has settled. */
function answer(call: Call, cluster: Cluster, refusal: ConfigRefusal): void {
  cluster.settle();
  if (refusal === null) call.reply.ok();
  else call.reply.error(refusal);
}

/** NaN when the word is no slot. */
function slotAt(call: Call, index: number): number {
  const slot = call.integer(index);
  return slot >= 0 && slot < SLOT_COUNT ? slot : Number.NaN;
}

/** More words than any form of the subcommand has. */
function unknownForm(call: Call): void {
  const name = call.text(1);
  call.reply.error(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try CLUSTER HELP.`);
}

/** The slots that words 2… name one by one, or null after an error reply. */
function slotList(call: Call): number[] | null {
  const slots: number[] = [];
  for (let index = 2; index < call.argc; index++) {
    const slot = slotAt(call, index);
    if (Number.isNaN(slot)) {
      call.reply.error(BAD_SLOT);
      return null;
    }
    slots.push(slot);
  }
  return slots;
}

/** The slots that words 2… name as pairs of first and last, or null after an error reply. */
function slotRangeList(call: Call): number[] | null {
  if (call.argc % 2 === 1) {
    call.reply.error(wrongArity(call.entry.name));
    return null;
  }
  const slots: number[] = [];
  for (let index = 2; index < call.argc; index += 2) {
    const first = slotAt(call, index);
    const last = slotAt(call, index + 1);
    if (Number.isNaN(first) || Number.isNaN(last)) {
      call.reply.error(BAD_SLOT);
      return null;
    }
    if (first > last) {
      call.reply.error(`ERR start slot number ${first} is greater than end slot number ${last}`);
      return null;
    }
    if (slots.length + last - first >= SLOT_COUNT) {
      call.reply.error(`ERR Slot ${first} specified multiple times`);
      return null;
    }
    for (let slot = first; slot <= last; slot++) slots.push(slot);
  }
  return slots;
}

function addSlots(call: Call, cluster: Cluster): void {
  const slots = slotList(call);
  if (slots !== null) answer(call, cluster, takeSlots(cluster.state, slots));
}

function addSlotsRange(call: Call, cluster: Cluster): void {
  const slots = slotRangeList(call);
  if (slots !== null) answer(call, cluster, takeSlots(cluster.state, slots));
}

function bumpEpochCommand(call: Call, cluster: Cluster): void {
  const bumped = bumpEpoch(cluster.state);
  cluster.settle();
  call.reply.simple(`${bumped ? 'BUMPED' : 'STILL'} ${cluster.state.myself.configEpoch}`);
}

function countFailureReports(call: Call, cluster: Cluster): void {
  const node = cluster.state.nodes.byId(call.latin1(2));
  if (node === undefined) call.reply.error(`ERR Unknown node ${call.text(2)}`);
  else call.reply.integer(failureReportCount(cluster.state, node));
}

function countKeysInSlot(call: Call, cluster: Cluster): void {
  const slot = slotAt(call, 2);
  if (Number.isNaN(call.integer(2))) call.reply.error(NOT_INTEGER);
  else if (Number.isNaN(slot)) call.reply.error('ERR Invalid slot');
  else call.reply.integer(cluster.state.environment.keys.countKeysInSlot(slot));
}

function delSlots(call: Call, cluster: Cluster): void {
  const slots = slotList(call);
  if (slots !== null) answer(call, cluster, releaseSlots(cluster.state, slots));
}

function delSlotsRange(call: Call, cluster: Cluster): void {
  const slots = slotRangeList(call);
  if (slots !== null) answer(call, cluster, releaseSlots(cluster.state, slots));
}

function failover(call: Call, cluster: Cluster): void {
  const force = call.argc === 3 && call.is(2, 'FORCE');
  const takeover = call.argc === 3 && call.is(2, 'TAKEOVER');
  if (call.argc > 3) unknownForm(call);
  else if (call.argc === 3 && !force && !takeover) call.reply.error(SYNTAX);
  else
    answer(call, cluster, startFailover(cluster.state, takeover ? 'takeover' : force ? 'force' : 'normal'));
}

function flushSlotsCommand(call: Call, cluster: Cluster): void {
  answer(call, cluster, flushSlots(cluster.state));
}

function forgetCommand(call: Call, cluster: Cluster): void {
  answer(call, cluster, forget(cluster.state, call.text(2)));
}

function getKeysInSlot(call: Call, cluster: Cluster): void {
  const slot = slotAt(call, 2);
  const count = call.integer(3);
  if (Number.isNaN(call.integer(2)) || Number.isNaN(count)) {
    call.reply.error(NOT_INTEGER);
    return;
  }
  if (Number.isNaN(slot) || !(count >= 0)) {
    call.reply.error('ERR Invalid slot or number of keys');
    return;
  }
  const keys = cluster.state.environment.keys.keysInSlot(slot, count);
  call.reply.array(keys.length);
  for (const key of keys) call.reply.bulk(key);
}

function info(call: Call, cluster: Cluster): void {
  call.reply.verbatim(describeInfo(cluster.state));
}

function keySlotCommand(call: Call): void {
  call.reply.integer(keySlot(call.bytes, call.argStart[2], call.argLength[2]));
}

function meet(call: Call, cluster: Cluster): void {
  if (call.argc > 5) {
    unknownForm(call);
    return;
  }
  const ip = call.text(2);
  const port = call.integer(3);
  if (!(port >= 0)) {
    call.reply.error(`ERR Invalid base port specified: ${call.text(3)}`);
    return;
  }
  const busPort = call.argc === 5 ? call.integer(4) : port + BUS_PORT_OFFSET;
  if (!(busPort >= 0)) {
    call.reply.error(`ERR Invalid bus port specified: ${call.text(4)}`);
    return;
  }
  if (isIP(ip) === 0 || port === 0 || busPort === 0 || port > PORT_MAX || busPort > PORT_MAX) {
    call.reply.error(`ERR Invalid node address specified: ${ip}:${call.text(3)}`);
    return;
  }
  startHandshake(cluster.state, ip, port, busPort);
  answer(call, cluster, null);
}

function myId(call: Call, cluster: Cluster): void {
  call.reply.bulkLatin1(cluster.state.myself.id);
}

function myShardId(call: Call, cluster: Cluster): void {
  call.reply.bulkLatin1(cluster.state.myself.shardId);
}

function nodes(call: Call, cluster: Cluster): void {
  call.reply.verbatim(describeNodes(cluster.state));
}

function replicas(call: Call, cluster: Cluster): void {
  const node = cluster.state.nodes.byId(call.latin1(2));
  if (node === undefined) call.reply.error(`ERR Unknown node ${call.text(2)}`);
  else if (node.isReplica) call.reply.error('ERR The specified node is not a master');
  else {
    call.reply.array(node.replicas.length);
    for (const replica of node.replicas) call.reply.bulkText(describeNode(cluster.state, replica, false));
  }
}

function replicate(call: Call, cluster: Cluster): void {
  answer(call, cluster, startReplicating(cluster.state, call.text(2)));
}

function resetCommand(call: Call, cluster: Cluster): void {
  const hard = call.argc === 3 && call.is(2, 'HARD');
  if (call.argc > 3) unknownForm(call);
  else if (call.argc === 3 && !hard && !call.is(2, 'SOFT')) call.reply.error(SYNTAX);
  else answer(call, cluster, reset(cluster.state, hard));
}

function saveConfig(call: Call, cluster: Cluster): void {
  cluster.state.saveNow();
  call.reply.ok();
}

function setConfigEpochCommand(call: Call, cluster: Cluster): void {
  const epoch = call.integer(2);
  if (Number.isNaN(epoch)) call.reply.error(NOT_INTEGER);
  else if (epoch < 0) call.reply.error(`ERR Invalid config epoch specified: ${call.text(2)}`);
  else answer(call, cluster, setConfigEpoch(cluster.state, epoch));
}

function setSlot(call: Call, cluster: Cluster): void {
  if (cluster.state.myself.isReplica) {
    call.reply.error('ERR You can use SETSLOT only with masters.');
    return;
  }
  const slot = slotAt(call, 2);
  const { state } = cluster;
  if (Number.isNaN(slot)) call.reply.error(BAD_SLOT);
  else if (call.is(3, 'MIGRATING') && call.argc === 5) {
    answer(call, cluster, setSlotMigrating(state, slot, call.text(4)));
  } else if (call.is(3, 'IMPORTING') && call.argc === 5) {
    answer(call, cluster, setSlotImporting(state, slot, call.text(4)));
  } else if (call.is(3, 'STABLE') && call.argc === 4) {
    answer(call, cluster, setSlotStable(state, slot));
  } else if (call.is(3, 'NODE') && call.argc === 5) {
    answer(call, cluster, setSlotOwner(state, slot, call.text(4)));
  } else {
    call.reply.error('ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP');
  }
}

function container(call: Call): void {
  call.reply.error(wrongArity('cluster'));
}

function help(call: Call): void {
  const lines = ['CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:'];
  for (const row of subcommands) lines.push(row[0], `    ${row[6]}`);
  call.reply.array(lines.length);
  for (const line of lines) call.reply.simple(line);
}

function asking(call: Call): void {
  if (call.context.cluster === null) {
    call.reply.error(DISABLED);
    return;
  }
  call.client.asking = true;
  call.reply.ok();
}

function readOnly(call: Call): void {
  call.client.readonlyMode = true;
  call.reply.ok();
}

function readWrite(call: Call): void {
  call.client.readonlyMode = false;
  call.reply.ok();
}
