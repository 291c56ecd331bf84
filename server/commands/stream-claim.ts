/** XCLAIM and XAUTOCLAIM: pending entries change their consumer. */
import { NOTIFY_STREAM } from '../keyspace/events.ts';
import { IdCursor } from '../structures/id-tree.ts';
import { ID_COMPLETE, ID_WITHOUT_SEQUENCE, StreamId } from '../structures/stream-id.ts';
import * as layoutWords from '../values/stream-layout.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { FAST, ONE_KEY, type Row, WRITE } from './row.ts';
import {
  findStream,
  groupOf,
  isNameable,
  parseId,
  readBound,
  readId,
  readInteger,
  replyEntry,
  replyId,
  streamsOf,
} from './stream-arguments.ts';
import { type GroupChange, propagateClaim, propagateGroupId } from './stream-effects.ts';
import { touched } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const streamClaimCommands: readonly Row[] = [
  // name        arity flags         keys     since    run         summary
  ['XAUTOCLAIM', -6,   WRITE | FAST, ONE_KEY, '6.2.0', xautoclaim, 'Changes, or acquires, ownership of messages in a consumer group, as if the messages were delivered to as consumer group member.', { tips: ['nondeterministic_output'] }],
  ['XCLAIM',     -6,   WRITE | FAST, ONE_KEY, '5.0.0', xclaim,     'Changes, or acquires, ownership of a message in a consumer group, as if the message was delivered a consumer group member.', { tips: ['nondeterministic_output'] }],
];

const DEFAULT_COUNT = 100;
/** Pending entries that XAUTOCLAIM looks at for each that it may claim. */
const ATTEMPTS_FACTOR = 10;
const COUNT_MAX = Math.floor(2 ** 63 / 16);

class ClaimOptions {
  force = false;
  justId = false;
  /** Unix ms; NaN: none given. */
  deliveredMs = Number.NaN;
  deliveries = -1;
  readonly lastId = new StreamId();
}

const options = new ClaimOptions();
const id = new StreamId();
const last = new StreamId();
const cursor = new IdCursor();

function xclaim(call: Call): void {
  const stream = findStream(call, 1);
  if (stream < 0) return;
  const group = claimedGroup(call, stream);
  if (group === 0) return;
  const idleMs = readInteger(call, 4, 'ERR Invalid min-idle-time argument for XCLAIM');
  if (Number.isNaN(idleMs)) return;
  let end = 5;
  while (end < call.argc && isId(call, end)) end++;
  if (!readClaimOptions(call, end) || !isNameable(call, 3)) return;
  call.propagateNothing();
  const change: GroupChange = { call, keyWord: 1, groupWord: 2, group };
  const { layout } = streamsOf(call);
  layout.readId(group, layoutWords.GROUP_LAST_ID, last);
  let tellsLastId = options.lastId.compare(last) > 0;
  if (tellsLastId) {
    layout.writeId(group, layoutWords.GROUP_LAST_ID, options.lastId);
    touched(call, 1);
  }
  const consumer = claimingConsumer(change);
  const at = call.reply.at;
  let claimed = 0;
  for (let index = 5; index < end; index++) {
    parseId(call, index, id);
    const outcome = claimOne(change, stream, consumer, Math.max(idleMs, 0));
    if (outcome === CLAIMED) claimed++;
    // XCLAIM, as it is propagated, carries the last id.
    if (outcome !== NOT_CLAIMED) tellsLastId = false;
  }
  if (tellsLastId) propagateGroupId(change);
  call.reply.arrayBefore(at, claimed);
}

/** The group in word 2, which must exist; 0 after an error. */
function claimedGroup(call: Call, stream: number): number {
  const group = stream === 0 ? 0 : groupOf(call, stream, 2);
  if (group === 0)
    call.reply.error(`NOGROUP No such key '${call.text(1)}' or consumer group '${call.text(2)}'`);
  return group;
}

function isId(call: Call, index: number): boolean {
  const kind = parseId(call, index, id);
  return kind === ID_COMPLETE || kind === ID_WITHOUT_SEQUENCE;
}

/** Reads the options behind the ids; false after an error. */
function readClaimOptions(call: Call, start: number): boolean {
  const { nowMs } = call.context.keyspace;
  options.force = false;
  options.justId = false;
  options.deliveredMs = Number.NaN;
  options.deliveries = -1;
  options.lastId.set(0, 0, 0, 0);
  for (let index = start; index < call.argc; index++) {
    const more = call.argc - 1 - index > 0;
    if (call.is(index, 'FORCE')) options.force = true;
    else if (call.is(index, 'JUSTID')) options.justId = true;
    else if (more && call.is(index, 'IDLE')) {
      options.deliveredMs = nowMs - readInteger(call, ++index, 'ERR Invalid IDLE option argument for XCLAIM');
      if (Number.isNaN(options.deliveredMs)) return false;
    } else if (more && call.is(index, 'TIME')) {
      options.deliveredMs = readInteger(call, ++index, 'ERR Invalid TIME option argument for XCLAIM');
      if (Number.isNaN(options.deliveredMs)) return false;
    } else if (more && call.is(index, 'RETRYCOUNT')) {
      options.deliveries = readInteger(call, ++index, 'ERR Invalid RETRYCOUNT option argument for XCLAIM');
      if (Number.isNaN(options.deliveries)) return false;
    } else if (more && call.is(index, 'LASTID')) {
      if (!readId(call, ++index, options.lastId)) return false;
    } else {
      call.reply.error(`ERR Unrecognized XCLAIM option '${call.text(index)}'`);
      return false;
    }
  }
  // A time that cannot be is a client's clock that goes wrong.
  if (!(options.deliveredMs >= 0 && options.deliveredMs <= nowMs)) options.deliveredMs = nowMs;
  return true;
}

/** The consumer in word 3, seen now, made when it is not there. */
function claimingConsumer(change: GroupChange): number {
  const { call, group } = change;
  const { groups, layout } = streamsOf(call);
  const { bytes, argStart, argLength } = call;
  const { nowMs } = call.context.keyspace;
  let consumer = groups.findConsumer(group, bytes, argStart[3], argLength[3]);
  if (consumer === 0) {
    consumer = groups.createConsumer(group, bytes, argStart[3], argLength[3], nowMs);
    touched(call, 1);
    call.notify(NOTIFY_STREAM, 'xgroup-createconsumer', 1);
  }
  layout.setNumber(consumer, layoutWords.CONSUMER_SEEN, nowMs);
  return consumer;
}

const NOT_CLAIMED = 0;
const CLAIMED = 1;
/** The entry is no longer in the stream, and no longer pending. */
const FORGOTTEN = 2;

/** Claims the entry `id`, as the options say, and answers it. */
function claimOne(change: GroupChange, stream: number, consumer: number, idleMs: number): number {
  const { call, group } = change;
  const { groups, layout, entries } = streamsOf(call);
  let pending = groups.pending.find(group, id);
  if (!entries.exists(stream, id)) {
    if (pending === 0) return NOT_CLAIMED;
    forget(change, pending);
    return FORGOTTEN;
  }
  const { nowMs } = call.context.keyspace;
  if (pending === 0) {
    if (!options.force) return NOT_CLAIMED;
    pending = groups.addPending(group, 0, id, nowMs, 1);
  } else if (idleMs !== 0 && nowMs - layout.deliveredMs(pending) < idleMs) return NOT_CLAIMED;
  let deliveries = layout.deliveries(pending);
  if (options.deliveries >= 0) deliveries = options.deliveries;
  else if (!options.justId) deliveries++;
  layout.setDelivered(pending, options.deliveredMs, deliveries);
  hand(change, stream, consumer, pending, options.justId);
  return CLAIMED;
}

/** An entry that is pending and no longer in the stream: the claim makes others forget it too. */
function forget(change: GroupChange, pending: number): void {
  const { call, group } = change;
  propagateClaim(change, id, pending);
  streamsOf(call).groups.acknowledge(group, id);
  touched(call, 1);
}

/** Gives a pending entry to the consumer and answers it. */
function hand(change: GroupChange, stream: number, consumer: number, pending: number, justId: boolean): void {
  const { call } = change;
  const streams = streamsOf(call);
  streams.groups.assign(pending, consumer, id);
  if (justId) replyId(call.reply, id);
  else {
    streams.walk.begin(stream, id, id, false);
    streams.walk.next();
    replyEntry(call.reply, streams.walk);
  }
  streams.layout.setNumber(consumer, layoutWords.CONSUMER_ACTIVE, call.context.keyspace.nowMs);
  propagateClaim(change, id, pending);
  touched(call, 1);
}

function xautoclaim(call: Call): void {
  const idleMs = readInteger(call, 4, 'ERR Invalid min-idle-time argument for XAUTOCLAIM');
  if (Number.isNaN(idleMs) || !readBound(call, 5, last, false)) return;
  let count = DEFAULT_COUNT;
  let justId = false;
  for (let index = 6; index < call.argc; index++) {
    if (call.is(index, 'COUNT') && index + 1 < call.argc) {
      count = readInteger(call, ++index, 'ERR COUNT must be > 0');
      if (Number.isNaN(count)) return;
      if (count < 1 || count > COUNT_MAX) {
        call.reply.error('ERR COUNT must be > 0');
        return;
      }
    } else if (call.is(index, 'JUSTID')) justId = true;
    else {
      call.reply.error(errors.SYNTAX);
      return;
    }
  }
  const stream = findStream(call, 1);
  if (stream < 0) return;
  const group = claimedGroup(call, stream);
  if (group === 0 || !isNameable(call, 3)) return;
  call.propagateNothing();
  claimIdle({ call, keyWord: 1, groupWord: 2, group }, stream, Math.max(idleMs, 0), count, justId);
}

/** Claims up to `count` entries that have been idle so long, from `last` on. */
function claimIdle(
  change: GroupChange,
  stream: number,
  idleMs: number,
  count: number,
  justId: boolean,
): void {
  const { call, group } = change;
  const { reply } = call;
  const { groups, layout, entries } = streamsOf(call);
  const consumer = claimingConsumer(change);
  const { nowMs } = call.context.keyspace;
  const tree = groups.pending;
  const deleted: string[] = [];
  reply.array(3);
  const at = reply.at;
  let claimed = 0;
  let there = tree.seek(group, last, cursor);
  for (let attempts = count * ATTEMPTS_FACTOR; there && attempts > 0 && count > 0; attempts--) {
    tree.idAt(cursor, id);
    const pending = tree.valueAt(cursor);
    if (!entries.exists(stream, id)) {
      deleted.push(id.toString());
      forget(change, pending);
      there = tree.seek(group, id, cursor);
      count--;
      continue;
    }
    there = tree.next(cursor);
    if (idleMs !== 0 && nowMs - layout.deliveredMs(pending) < idleMs) continue;
    layout.setDelivered(pending, nowMs, layout.deliveries(pending) + (justId ? 0 : 1));
    hand(change, stream, consumer, pending, justId);
    claimed++;
    count--;
  }
  reply.arrayBefore(at, claimed);
  if (there) tree.idAt(cursor, last);
  else last.set(0, 0, 0, 0);
  replyIdBefore(call, at);
  reply.array(deleted.length);
  for (const text of deleted) reply.bulkLatin1(text);
}

/** Puts `last`, where the next XAUTOCLAIM goes on, before what was written since `at`. */
function replyIdBefore(call: Call, at: number): void {
  const { reply } = call;
  const written = Buffer.from(reply.buffer.subarray(at, reply.at));
  reply.at = at;
  replyId(reply, last);
  reply.raw(written);
}
