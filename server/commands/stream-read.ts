/** XREAD and XREADGROUP: entries of several streams from an id on, waiting for them if asked to. */
import { NOTIFY_STREAM } from '../keyspace/events.ts';
import { IdCursor } from '../structures/id-tree.ts';
import { TYPE_STREAM } from '../structures/record.ts';
import { StreamId } from '../structures/stream-id.ts';
import { entriesReadAt, hasDeletedFrom } from '../values/stream-counters.ts';
import { UNKNOWN_READ } from '../values/stream-groups.ts';
import * as layoutWords from '../values/stream-layout.ts';
import { blockForKeys, parseTimeoutMs } from './blocking.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { BLOCKING, MOVABLE_KEYS, NO_KEY, READONLY, type Row, WRITE } from './row.ts';
import { replyRange } from './stream.ts';
import {
  findStream,
  groupOf,
  isCharacter,
  isNameable,
  readId,
  readInteger,
  readStream,
  replyEntry,
  replyId,
  streamsOf,
} from './stream-arguments.ts';
import { type GroupChange, propagateClaim, propagateConsumer, propagateGroupId } from './stream-effects.ts';
import { touched } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const streamReadCommands: readonly Row[] = [
  // name         arity flags                              keys    since    run         summary
  ['XREAD',       -4,   READONLY | BLOCKING | MOVABLE_KEYS, NO_KEY, '5.0.0', xread,      'Returns messages from multiple streams with IDs greater than the ones requested. Blocks until a message is available otherwise.', { keys: streamKeys }],
  ['XREADGROUP',  -7,   WRITE | BLOCKING | MOVABLE_KEYS,    NO_KEY, '5.0.0', xreadgroup, 'Returns new or historical messages from a stream for a consumer in a group. Blocks until a message is available otherwise.', { keys: streamKeys }],
];

/** Words of a request for entries, by their numbers; 0 where there is none. */
class ReadOptions {
  timeoutMs = -1;
  count = Number.POSITIVE_INFINITY;
  /** Word of the first key, and how many keys; as many ids follow. */
  firstKey = 0;
  keys = 0;
  group = 0;
  consumer = 0;
  acknowledged = false;
}

const options = new ReadOptions();
const MAX_ID = new StreamId();
MAX_ID.setMax();
const from = new StreamId();
const found = new StreamId();
const groupId = new StreamId();
const firstId = new StreamId();
const history = new IdCursor();

/** For each key the id to read from; all ones: what the group has not been given. */
const ids: StreamId[] = [];

function xread(call: Call): void {
  if (readOptions(call, false) && readIds(call, false)) serve(call, false);
}

function xreadgroup(call: Call): void {
  call.propagateNothing();
  if (readOptions(call, true) && readIds(call, true)) serve(call, true);
}

/** Places of the keys: the first half of the words behind STREAMS. */
function streamKeys(call: Call): number {
  for (let index = 1; index < call.argc; index++) {
    if (call.is(index, 'BLOCK') || call.is(index, 'COUNT')) index++;
    else if (call.is(index, 'GROUP')) index += 2;
    else if (call.is(index, 'STREAMS')) {
      const words = call.argc - index - 1;
      if (words === 0 || words % 2 !== 0) return -1;
      call.reserveKeys(words / 2);
      for (let key = 0; key < words / 2; key++) call.keyPositions[key] = index + 1 + key;
      return words / 2;
    } else if (!call.is(index, 'NOACK')) return -1;
  }
  return -1;
}

function refuse(call: Call, error: string): false {
  call.reply.error(error);
  return false;
}

function readOptions(call: Call, grouped: boolean): boolean {
  options.timeoutMs = -1;
  options.count = Number.POSITIVE_INFINITY;
  options.firstKey = 0;
  options.group = 0;
  options.acknowledged = false;
  for (let index = 1; index < call.argc && options.firstKey === 0; index++) {
    const more = call.argc - index - 1;
    if (more > 0 && call.is(index, 'BLOCK')) {
      options.timeoutMs = parseTimeoutMs(call, ++index);
      if (options.timeoutMs < 0) return false;
    } else if (more > 0 && call.is(index, 'COUNT')) {
      const count = readInteger(call, ++index);
      if (Number.isNaN(count)) return false;
      options.count = count <= 0 ? Number.POSITIVE_INFINITY : count;
    } else if (more > 0 && call.is(index, 'STREAMS')) {
      options.firstKey = index + 1;
    } else if (more > 1 && call.is(index, 'GROUP')) {
      if (!grouped) return refuse(call, onlyInGroups('GROUP'));
      options.group = index + 1;
      options.consumer = index + 2;
      index += 2;
    } else if (call.is(index, 'NOACK')) {
      if (!grouped) return refuse(call, onlyInGroups('NOACK'));
      options.acknowledged = true;
    } else return refuse(call, errors.SYNTAX);
  }
  if (options.firstKey === 0) return refuse(call, errors.SYNTAX);
  const words = call.argc - options.firstKey;
  if (words % 2 !== 0)
    return refuse(
      call,
      `ERR Unbalanced '${call.entry.name}' list of streams: for each stream key an ID or '${grouped ? '>' : '$'}' must be specified.`,
    );
  options.keys = words / 2;
  if (grouped && options.group === 0) return refuse(call, 'ERR Missing GROUP option for XREADGROUP');
  return !grouped || isNameable(call, options.consumer);
}

function onlyInGroups(option: string): string {
  return `ERR The ${option} option is only supported by XREADGROUP. You called XREAD instead.`;
}

function meaningless(id: string): string {
  return `ERR The ${id} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The ${id} ID would just return an empty result set.`;
}

/** Reads the ids into `ids` and looks at types and groups of all keys. */
function readIds(call: Call, grouped: boolean): boolean {
  const streams = streamsOf(call);
  for (let key = 0; key < options.keys; key++) {
    if (ids.length <= key) ids.push(new StreamId());
    const id = ids[key];
    const keyWord = options.firstKey + key;
    const idWord = keyWord + options.keys;
    const stream = readStream(call, keyWord);
    if (stream < 0) return false;
    if (grouped && (stream === 0 || groupOf(call, stream, options.group) === 0)) {
      const name = call.text(options.group);
      return refuse(
        call,
        `NOGROUP No such key '${call.text(keyWord)}' or consumer group '${name}' in XREADGROUP with GROUP option`,
      );
    }
    if (isCharacter(call, idWord, '$')) {
      if (grouped) return refuse(call, meaningless('$'));
      if (stream === 0) id.set(0, 0, 0, 0);
      else streams.layout.readId(stream, layoutWords.STREAM_LAST_ID, id);
    } else if (isCharacter(call, idWord, '+')) {
      if (grouped) return refuse(call, meaningless('+'));
      id.set(0, 0, 0, 0);
      if (stream === 0) continue;
      if (streams.entries.edge(stream, true, false, id)) id.decrement();
      else streams.layout.readId(stream, layoutWords.STREAM_LAST_ID, id);
    } else if (isCharacter(call, idWord, '>')) {
      if (!grouped)
        return refuse(
          call,
          'ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.',
        );
      id.setMax();
    } else if (!readId(call, idWord, id)) return false;
  }
  return true;
}

function serve(call: Call, grouped: boolean): void {
  const { reply } = call;
  const at = reply.at;
  let served = 0;
  for (let key = 0; key < options.keys; key++) {
    const word = options.firstKey + key;
    const stream = grouped ? findStream(call, word) : readAgain(call, word);
    if (stream === 0) continue;
    if (grouped ? serveGroup(call, stream, word, ids[key]) : serveReader(call, stream, word, ids[key]))
      served++;
  }
  if (served > 0) {
    // RESP 2 has an array of pairs here, not one array of keys and values.
    if (reply.protocol === 3) reply.mapBefore(at, served);
    else reply.arrayBefore(at, served);
  } else if (options.timeoutMs >= 0) block(call, grouped);
  else reply.nullArray();
}

function readAgain(call: Call, word: number): number {
  const ref = call.database.find(call.bytes, call.argStart[word], call.argLength[word]);
  return ref === 0 ? 0 : streamsOf(call).root(ref);
}

/** Answers one stream of XREAD; false when it has nothing above `after`. */
function serveReader(call: Call, stream: number, word: number, after: StreamId): boolean {
  const streams = streamsOf(call);
  if (streams.length(stream) === 0) return false;
  if (!streams.entries.edge(stream, true, false, found) || found.compare(after) <= 0) return false;
  from.copyFrom(after);
  from.increment();
  replyKey(call, word);
  replyRange(call, stream, from, MAX_ID, options.count, false);
  return true;
}

function replyKey(call: Call, word: number): void {
  if (call.reply.protocol === 2) call.reply.array(2);
  call.reply.bulkRange(call.bytes, call.argStart[word], call.argStart[word] + call.argLength[word]);
}

/** Answers one stream of XREADGROUP; false when the group has nothing new. */
function serveGroup(call: Call, stream: number, word: number, after: StreamId): boolean {
  const streams = streamsOf(call);
  const { layout, entries } = streams;
  const group = groupOf(call, stream, options.group);
  const fromHistory = !after.isMax();
  let some = fromHistory;
  if (fromHistory) from.copyFrom(after);
  else if (streams.length(stream) > 0) {
    layout.readId(group, layoutWords.GROUP_LAST_ID, from);
    some = entries.edge(stream, true, false, found) && found.compare(from) > 0;
  }
  const change: GroupChange = { call, keyWord: word, groupWord: options.group, group };
  const consumer = seenConsumer(change);
  layout.setNumber(consumer, layoutWords.CONSUMER_SEEN, call.context.keyspace.nowMs);
  if (!some) return false;
  from.increment();
  replyKey(call, word);
  if (fromHistory) replyHistory(call, stream, consumer);
  else replyNew(change, stream, consumer);
  touched(call, word);
  return true;
}

/** The consumer of the command, made when it is not there. */
function seenConsumer(change: GroupChange): number {
  const { call, group, keyWord } = change;
  const { groups } = streamsOf(call);
  const { bytes, argStart, argLength } = call;
  const word = options.consumer;
  const known = groups.findConsumer(group, bytes, argStart[word], argLength[word]);
  if (known !== 0) return known;
  const { nowMs } = call.context.keyspace;
  const made = groups.createConsumer(group, bytes, argStart[word], argLength[word], nowMs);
  touched(call, keyWord);
  call.notify(NOTIFY_STREAM, 'xgroup-createconsumer', keyWord);
  if (options.acknowledged) propagateConsumer(change, word);
  return made;
}

/** Entries that nobody in the group has been given, from `from` on; they become pending. */
function replyNew(change: GroupChange, stream: number, consumer: number): void {
  const { call, group } = change;
  const { reply } = call;
  const streams = streamsOf(call);
  const { layout } = streams;
  const { nowMs } = call.context.keyspace;
  const iterator = streams.walk;
  const at = reply.at;
  let seen = 0;
  let moved = false;
  iterator.begin(stream, from, MAX_ID, false);
  while (seen < options.count && iterator.next()) {
    const { id } = iterator;
    layout.readId(group, layoutWords.GROUP_LAST_ID, groupId);
    if (id.compare(groupId) > 0) {
      countRead(call, stream, group, id);
      layout.writeId(group, layoutWords.GROUP_LAST_ID, id);
      moved = true;
    }
    replyEntry(reply, iterator);
    if (!options.acknowledged) {
      const pending = makePending(call, group, consumer, id);
      layout.setNumber(consumer, layoutWords.CONSUMER_ACTIVE, nowMs);
      propagateClaim(change, id, pending);
    }
    seen++;
  }
  // XCLAIM carries the last id, but not the number of entries read.
  if (moved) propagateGroupId(change);
  reply.arrayBefore(at, seen);
}

/** Keeps the count of entries that the group was given while deletions do not hide it. */
function countRead(call: Call, stream: number, group: number, id: StreamId): void {
  const streams = streamsOf(call);
  const { layout } = streams;
  const known = layout.number(group, layoutWords.GROUP_READ);
  layout.readId(stream, layoutWords.STREAM_FIRST_ID, firstId);
  if (known !== UNKNOWN_READ && groupId.compare(firstId) >= 0 && !hasDeletedFrom(streams, stream, groupId))
    layout.setNumber(group, layoutWords.GROUP_READ, known + 1);
  else if (streams.added(stream) > 0)
    layout.setNumber(group, layoutWords.GROUP_READ, entriesReadAt(streams, stream, id));
}

/** The entry's pending record, now the consumer's: XGROUP SETID may have made it pending before. */
function makePending(call: Call, group: number, consumer: number, id: StreamId): number {
  const { layout, groups } = streamsOf(call);
  const { nowMs } = call.context.keyspace;
  const known = groups.pending.find(group, id);
  if (known === 0) return groups.addPending(group, consumer, id, nowMs, 1);
  layout.setDelivered(known, nowMs, 1);
  groups.assign(known, consumer, id);
  return known;
}

/** Entries that were given to this consumer and are pending, from `from` on. */
function replyHistory(call: Call, stream: number, consumer: number): void {
  const { reply } = call;
  const streams = streamsOf(call);
  const { layout } = streams;
  const tree = streams.groups.pendingOfConsumer;
  const iterator = streams.walk;
  const at = reply.at;
  let seen = 0;
  let there = tree.seek(consumer, from, history);
  for (; there && seen < options.count; there = tree.next(history)) {
    tree.idAt(history, found);
    iterator.begin(stream, found, found, false);
    if (iterator.next()) {
      replyEntry(reply, iterator);
      const pending = tree.valueAt(history);
      layout.setDelivered(pending, call.context.keyspace.nowMs, layout.deliveries(pending) + 1);
    } else {
      reply.array(2);
      replyId(reply, found);
      reply.nullArray();
    }
    seen++;
  }
  reply.arrayBefore(at, seen);
}

function block(call: Call, grouped: boolean): void {
  const words: (string | Uint8Array)[] = [];
  let rewritten = false;
  for (let index = 0; index < call.argc; index++) {
    const key = index - options.firstKey - options.keys;
    const start = call.argStart[index];
    if (key >= 0 && isCharacter(call, index, '$')) {
      // What comes later is asked for from here on.
      words.push(ids[key].toString());
      rewritten = true;
    } else words.push(call.bytes.subarray(start, start + call.argLength[index]));
  }
  blockForKeys(call, {
    firstKey: options.firstKey,
    keyCount: options.keys,
    type: TYPE_STREAM,
    timeoutMs: options.timeoutMs,
    onTimeout: (reply) => reply.nullArray(),
    wakeOnDelete: grouped,
    ...(rewritten ? { again: words } : {}),
  });
}
