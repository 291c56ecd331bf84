/** XINFO: what a stream, its groups and their consumers are like. */
import { IdCursor } from '../structures/id-tree.ts';
import { StreamId } from '../structures/stream-id.ts';
import { lagOf } from '../values/stream-counters.ts';
import { UNKNOWN_READ } from '../values/stream-groups.ts';
import * as layoutWords from '../values/stream-layout.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { writeHelp } from './help.ts';
import { type KeyPlace, LOADING, NO_KEY, READONLY, type Row, STALE } from './row.ts';
import { replyRange } from './stream.ts';
import { readInteger, readStream, replyEntry, replyId, streamsOf } from './stream-arguments.ts';
import { neededGroup } from './stream-group.ts';

const SECOND_KEY: KeyPlace = [2, 2, 1];

// biome-ignore format: a table, one command a row
const xinfoCommands: readonly Row[] = [
  ['CONSUMERS', 4,  READONLY,        SECOND_KEY, '5.0.0', consumers, 'Returns a list of the consumers in a consumer group.', { tips: ['nondeterministic_output'] }],
  ['GROUPS',    3,  READONLY,        SECOND_KEY, '5.0.0', groups,    'Returns a list of the consumer groups of a stream.'],
  ['HELP',      2,  LOADING | STALE, NO_KEY,     '5.0.0', help,      'Returns helpful text about the different subcommands.'],
  ['STREAM',    -3, READONLY,        SECOND_KEY, '5.0.0', stream,    'Returns information about a stream.'],
];

// biome-ignore format: a table, one command a row
export const streamInfoCommands: readonly Row[] = [
  ['XINFO', -2, 0, NO_KEY, '5.0.0', help, 'A container for stream introspection commands.', { subcommands: xinfoCommands }],
];

const FULL_COUNT = 10;
/** Of larger streams the nodes of this server's tree are told in place of those Redis' tree would have. */
const TREE_KEYS_MAX = 4096;
const ID_BYTES = 16;
const MIN_ID = new StreamId();
const MAX_ID = new StreamId();
MAX_ID.setMax();
const id = new StreamId();
const cursor = new IdCursor();

/** The stream of a subcommand, which must exist; 0 after an error. */
function neededStream(call: Call): number {
  const found = readStream(call, 2);
  if (found > 0) return found;
  if (found === 0) call.reply.error(errors.NO_SUCH_KEY);
  return 0;
}

function consumers(call: Call): void {
  const found = neededStream(call);
  const group = found === 0 ? 0 : neededGroup(call, found);
  if (group === 0) return;
  const { reply } = call;
  const { groups: all, layout } = streamsOf(call);
  const { nowMs } = call.context.keyspace;
  const count = all.consumerCount(group);
  reply.array(count);
  for (let slot = 0; slot < count; slot++) {
    const consumer = all.consumerAt(group, slot);
    const activeMs = layout.number(consumer, layoutWords.CONSUMER_ACTIVE);
    reply.map(4);
    reply.bulkLatin1('name');
    reply.bulk(layout.name(consumer, layoutWords.CONSUMER_NAME));
    reply.bulkLatin1('pending');
    reply.integer(all.pendingOfConsumer.count(consumer));
    reply.bulkLatin1('idle');
    reply.integer(Math.max(nowMs - layout.number(consumer, layoutWords.CONSUMER_SEEN), 0));
    reply.bulkLatin1('inactive');
    reply.integer(activeMs < 0 ? activeMs : nowMs - activeMs);
  }
}

function groups(call: Call): void {
  const found = neededStream(call);
  if (found === 0) return;
  const { reply } = call;
  const { groups: all, layout } = streamsOf(call);
  const count = all.count(found);
  reply.array(count);
  for (let slot = 0; slot < count; slot++) {
    const group = all.at(found, slot);
    reply.map(6);
    reply.bulkLatin1('name');
    reply.bulk(layout.name(group, layoutWords.GROUP_NAME));
    reply.bulkLatin1('consumers');
    reply.integer(all.consumerCount(group));
    reply.bulkLatin1('pending');
    reply.integer(all.pending.count(group));
    replyProgress(call, found, group);
  }
}

/** Last id, entries read and lag of a group. */
function replyProgress(call: Call, found: number, group: number): void {
  const { reply } = call;
  const streams = streamsOf(call);
  reply.bulkLatin1('last-delivered-id');
  replyIdAt(call, group, layoutWords.GROUP_LAST_ID);
  reply.bulkLatin1('entries-read');
  const read = streams.layout.number(group, layoutWords.GROUP_READ);
  if (read === UNKNOWN_READ) reply.nullBulk();
  else reply.integer(read);
  reply.bulkLatin1('lag');
  const lag = lagOf(streams, found, group);
  if (lag < 0) reply.nullBulk();
  else reply.integer(lag);
}

function replyIdAt(call: Call, ref: number, word: number): void {
  streamsOf(call).layout.readId(ref, word, id);
  replyId(call.reply, id);
}

function help(call: Call): void {
  writeHelp(call, 'XINFO', [
    'CONSUMERS <key> <groupname>',
    '    Show consumers of <groupname>.',
    'GROUPS <key>',
    '    Show the stream consumer groups.',
    'STREAM <key> [FULL [COUNT <count>]',
    '    Show information about the stream.',
  ]);
}

function stream(call: Call): void {
  const found = neededStream(call);
  if (found === 0) return;
  const full = call.argc > 3;
  let count = FULL_COUNT;
  if (full) {
    if (
      (call.argc !== 4 && call.argc !== 6) ||
      !call.is(3, 'FULL') ||
      (call.argc === 6 && !call.is(4, 'COUNT'))
    ) {
      const name = call.text(1).slice(0, 128);
      call.reply.error(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try XINFO HELP.`);
      return;
    }
    if (call.argc === 6) count = readInteger(call, 5);
    if (Number.isNaN(count)) return;
    if (count < 0) count = FULL_COUNT;
    if (count === 0) count = Number.POSITIVE_INFINITY;
  }
  const { reply } = call;
  const streams = streamsOf(call);
  reply.map(full ? 9 : 10);
  reply.bulkLatin1('length');
  reply.integer(streams.length(found));
  reply.bulkLatin1('radix-tree-keys');
  reply.integer(streams.nodes.count(found));
  reply.bulkLatin1('radix-tree-nodes');
  reply.integer(treeNodes(call, found));
  reply.bulkLatin1('last-generated-id');
  replyIdAt(call, found, layoutWords.STREAM_LAST_ID);
  reply.bulkLatin1('max-deleted-entry-id');
  replyIdAt(call, found, layoutWords.STREAM_DELETED_ID);
  reply.bulkLatin1('entries-added');
  reply.integer(streams.added(found));
  reply.bulkLatin1('recorded-first-entry-id');
  replyIdAt(call, found, layoutWords.STREAM_FIRST_ID);
  if (full) replyFull(call, found, count);
  else replyEdges(call, found);
}

function replyEdges(call: Call, found: number): void {
  const { reply } = call;
  const streams = streamsOf(call);
  reply.bulkLatin1('groups');
  reply.integer(streams.groups.count(found));
  for (const name of ['first-entry', 'last-entry'] as const) {
    reply.bulkLatin1(name);
    streams.walk.begin(found, MIN_ID, MAX_ID, name === 'last-entry');
    if (streams.walk.next()) replyEntry(reply, streams.walk);
    else reply.nullBulk();
  }
}

function replyFull(call: Call, found: number, count: number): void {
  const { reply } = call;
  const { groups: all, layout } = streamsOf(call);
  reply.bulkLatin1('entries');
  replyRange(call, found, MIN_ID, MAX_ID, count, false);
  reply.bulkLatin1('groups');
  reply.array(all.count(found));
  for (let slot = 0; slot < all.count(found); slot++) {
    const group = all.at(found, slot);
    reply.map(7);
    reply.bulkLatin1('name');
    reply.bulk(layout.name(group, layoutWords.GROUP_NAME));
    replyProgress(call, found, group);
    replyPending(call, group, true, count);
    reply.bulkLatin1('consumers');
    reply.array(all.consumerCount(group));
    for (let index = 0; index < all.consumerCount(group); index++) {
      const consumer = all.consumerAt(group, index);
      reply.map(5);
      reply.bulkLatin1('name');
      reply.bulk(layout.name(consumer, layoutWords.CONSUMER_NAME));
      reply.bulkLatin1('seen-time');
      reply.integer(layout.number(consumer, layoutWords.CONSUMER_SEEN));
      reply.bulkLatin1('active-time');
      reply.integer(layout.number(consumer, layoutWords.CONSUMER_ACTIVE));
      replyPending(call, consumer, false, count);
    }
  }
}

/** Number of pending entries of a group or consumer, and the first of them. */
function replyPending(call: Call, holder: number, ofGroup: boolean, count: number): void {
  const { reply } = call;
  const { groups: all, layout } = streamsOf(call);
  const tree = ofGroup ? all.pending : all.pendingOfConsumer;
  reply.bulkLatin1('pel-count');
  reply.integer(tree.count(holder));
  reply.bulkLatin1('pending');
  const at = reply.at;
  let shown = 0;
  for (let there = tree.first(holder, cursor); there && shown < count; there = tree.next(cursor)) {
    const pending = tree.valueAt(cursor);
    tree.idAt(cursor, id);
    reply.array(ofGroup ? 4 : 3);
    replyId(reply, id);
    if (ofGroup) reply.bulk(layout.name(layout.owner(pending), layoutWords.CONSUMER_NAME));
    reply.integer(layout.deliveredMs(pending));
    reply.integer(layout.deliveries(pending));
    shown++;
  }
  reply.arrayBefore(at, shown);
}

/** Nodes that Redis' radix tree would have: one a branch, a run of bytes without branches and a key's end. */
function treeNodes(call: Call, found: number): number {
  const { nodes } = streamsOf(call);
  const keys = nodes.count(found);
  if (keys === 0) return 1;
  if (keys > TREE_KEYS_MAX) return keys;
  const bytes = new Uint8Array(ID_BYTES * keys);
  let at = 0;
  for (let there = nodes.first(found, cursor); there; there = nodes.next(cursor), at += ID_BYTES) {
    nodes.idAt(cursor, id);
    id.writeBytes(bytes, at);
  }
  return branchNodes(bytes, 0, keys, 0);
}

/** Nodes of the part of the tree that holds the keys from `first` to `end`, which agree up to `depth`. */
function branchNodes(bytes: Uint8Array, first: number, end: number, depth: number): number {
  if (end - first === 1) return depth < ID_BYTES ? 2 : 1;
  const lastKey = (end - 1) * ID_BYTES;
  let agreed = depth;
  while (bytes[first * ID_BYTES + agreed] === bytes[lastKey + agreed]) agreed++;
  let count = agreed > depth ? 2 : 1;
  let start = first;
  for (let key = first + 1; key <= end; key++) {
    if (key < end && bytes[key * ID_BYTES + agreed] === bytes[start * ID_BYTES + agreed]) continue;
    count += branchNodes(bytes, start, key, agreed + 1);
    start = key;
  }
  return count;
}
