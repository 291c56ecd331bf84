/** Consumer groups: XGROUP, XACK, XPENDING. */
import { NOTIFY_STREAM } from '../keyspace/events.ts';
import { IdCursor } from '../structures/id-tree.ts';
import { StreamId } from '../structures/stream-id.ts';
import { UNKNOWN_READ } from '../values/stream-groups.ts';
import * as layoutWords from '../values/stream-layout.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { writeHelp } from './help.ts';
import {
  DENYOOM,
  FAST,
  type KeyPlace,
  LOADING,
  NO_KEY,
  ONE_KEY,
  READONLY,
  type Row,
  STALE,
  WRITE,
} from './row.ts';
import { addStream } from './stream.ts';
import {
  findStream,
  groupOf,
  isCharacter,
  isNameable,
  parseId,
  readBound,
  readId,
  readInteger,
  readStream,
  replyId,
  streamsOf,
} from './stream-arguments.ts';
import { touched } from './value-access.ts';

const SECOND_KEY: KeyPlace = [2, 2, 1];

// biome-ignore format: a table, one command a row
const xgroupCommands: readonly Row[] = [
  ['CREATE',         -5, WRITE | DENYOOM, SECOND_KEY, '5.0.0', create,         'Creates a consumer group.'],
  ['CREATECONSUMER', 5,  WRITE | DENYOOM, SECOND_KEY, '6.2.0', createConsumer, 'Creates a consumer in a consumer group.'],
  ['DELCONSUMER',    5,  WRITE,           SECOND_KEY, '5.0.0', delConsumer,    'Deletes a consumer from a consumer group.'],
  ['DESTROY',        4,  WRITE,           SECOND_KEY, '5.0.0', destroy,        'Destroys a consumer group.'],
  ['HELP',           2,  LOADING | STALE, NO_KEY,     '5.0.0', help,           'Returns helpful text about the different subcommands.'],
  ['SETID',          -5, WRITE,           SECOND_KEY, '5.0.0', setId,          'Sets the last-delivered ID of a consumer group.'],
];

// biome-ignore format: a table, one command a row
export const streamGroupCommands: readonly Row[] = [
  // name      arity flags         keys     since    run       summary
  ['XACK',     -4,   WRITE | FAST, ONE_KEY, '5.0.0', xack,     'Returns the number of messages that were successfully acknowledged by the consumer group member of a stream.'],
  ['XGROUP',   -2,   0,            NO_KEY,  '5.0.0', help,     'A container for consumer groups commands.', { subcommands: xgroupCommands }],
  ['XPENDING', -3,   READONLY,     ONE_KEY, '5.0.0', xpending, 'Returns the information and entries from a stream consumer group\'s pending entries list.', { tips: ['nondeterministic_output'] }],
];

const KEY_NEEDED =
  'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.';

const id = new StreamId();
const from = new StreamId();
const to = new StreamId();
const cursor = new IdCursor();
/** Half of what a pending entry holds: the effort counts it twice. */
const PENDING_BYTES_HALF = 28;
let entriesRead = UNKNOWN_READ;
let makesStream = false;

// --- XGROUP

function create(call: Call): void {
  if (!readGroupOptions(call, true)) return;
  let stream = findStream(call, 2);
  if (stream < 0) return;
  if (stream === 0 && !makesStream) {
    call.reply.error(KEY_NEEDED);
    return;
  }
  const streams = streamsOf(call);
  if (isCharacter(call, 4, '$')) {
    if (stream === 0) id.set(0, 0, 0, 0);
    else streams.layout.readId(stream, layoutWords.STREAM_LAST_ID, id);
  } else if (!readId(call, 4, id)) return;
  if (!isNameable(call, 2) || !isNameable(call, 3)) return;
  if (stream === 0) {
    stream = streams.create();
    addStream(call, 2, stream);
  }
  const { bytes, argStart, argLength } = call;
  if (streams.groups.create(stream, bytes, argStart[3], argLength[3], id, entriesRead) === 0) {
    call.reply.error('BUSYGROUP Consumer Group name already exists');
    return;
  }
  call.reply.ok();
  touched(call, 2);
  call.notify(NOTIFY_STREAM, 'xgroup-create', 2);
}

/** MKSTREAM (of CREATE only) and ENTRIESREAD; false after an error. */
function readGroupOptions(call: Call, creates: boolean): boolean {
  entriesRead = UNKNOWN_READ;
  makesStream = false;
  for (let index = 5; index < call.argc; index++) {
    if (creates && call.is(index, 'MKSTREAM')) makesStream = true;
    else if (call.is(index, 'ENTRIESREAD') && index + 1 < call.argc) {
      entriesRead = readInteger(call, ++index);
      if (Number.isNaN(entriesRead)) return false;
      if (entriesRead >= 0 || entriesRead === UNKNOWN_READ) continue;
      call.reply.error('ERR value for ENTRIESREAD must be positive or -1');
      return false;
    } else {
      const name = call.text(1).slice(0, 128);
      call.reply.error(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try XGROUP HELP.`);
      return false;
    }
  }
  return true;
}

/** The stream of an XGROUP subcommand, which must exist; 0 after an error. */
function neededStream(call: Call): number {
  const stream = findStream(call, 2);
  if (stream > 0) return stream;
  if (stream === 0) call.reply.error(KEY_NEEDED);
  return 0;
}

/** The group of an XGROUP or XINFO subcommand, which must exist; 0 after an error. */
export function neededGroup(call: Call, stream: number): number {
  const group = groupOf(call, stream, 3);
  if (group !== 0) return group;
  call.reply.error(`NOGROUP No such consumer group '${call.text(3)}' for key name '${call.text(2)}'`);
  return 0;
}

function createConsumer(call: Call): void {
  const stream = neededStream(call);
  const group = stream === 0 ? 0 : neededGroup(call, stream);
  if (group === 0 || !isNameable(call, 4)) return;
  const { bytes, argStart, argLength } = call;
  const { nowMs } = call.context.keyspace;
  const made = streamsOf(call).groups.createConsumer(group, bytes, argStart[4], argLength[4], nowMs);
  if (made !== 0) {
    touched(call, 2);
    call.notify(NOTIFY_STREAM, 'xgroup-createconsumer', 2);
  }
  call.reply.integer(made === 0 ? 0 : 1);
}

function delConsumer(call: Call): void {
  const stream = neededStream(call);
  const group = stream === 0 ? 0 : neededGroup(call, stream);
  if (group === 0) return;
  const { groups } = streamsOf(call);
  const consumer = groups.findConsumer(group, call.bytes, call.argStart[4], call.argLength[4]);
  let pending = 0;
  if (consumer !== 0) {
    pending = groups.removeFoundConsumer(group, consumer);
    touched(call, 2);
    call.notify(NOTIFY_STREAM, 'xgroup-delconsumer', 2);
  }
  call.reply.integer(pending);
}

function destroy(call: Call): void {
  const stream = neededStream(call);
  if (stream === 0) return;
  const group = groupOf(call, stream, 3);
  if (group !== 0) {
    const { groups } = streamsOf(call);
    groups.removeFound(stream);
    const effort = groups.effort(group);
    // Two entries of trees and one record for each pending entry.
    const bytes = effort * PENDING_BYTES_HALF;
    const release = (budget: number): boolean => groups.releaseSome(group, budget);
    call.context.keyspace.lazyFree.releasePart(effort, bytes, release);
    // Who waits in the group wakes up and learns that it has gone.
    touched(call, 2);
    call.notify(NOTIFY_STREAM, 'xgroup-destroy', 2);
  }
  call.reply.integer(group === 0 ? 0 : 1);
}

function setId(call: Call): void {
  if (!readGroupOptions(call, false)) return;
  const stream = neededStream(call);
  const group = stream === 0 ? 0 : neededGroup(call, stream);
  if (group === 0) return;
  const { layout } = streamsOf(call);
  if (isCharacter(call, 4, '$')) layout.readId(stream, layoutWords.STREAM_LAST_ID, id);
  else if (isCharacter(call, 4, '-')) id.set(0, 0, 0, 0);
  else if (isCharacter(call, 4, '+')) id.setMax();
  else if (!readId(call, 4, id)) return;
  layout.writeId(group, layoutWords.GROUP_LAST_ID, id);
  layout.setNumber(group, layoutWords.GROUP_READ, entriesRead);
  call.reply.ok();
  touched(call, 2);
  call.notify(NOTIFY_STREAM, 'xgroup-setid', 2);
}

function help(call: Call): void {
  writeHelp(call, 'XGROUP', [
    'CREATE <key> <groupname> <id|$> [option]',
    '    Create a new consumer group. Options are:',
    '    * MKSTREAM',
    '      Create the empty stream if it does not exist.',
    '    * ENTRIESREAD entries_read',
    "      Set the group's entries_read counter (internal use).",
    'CREATECONSUMER <key> <groupname> <consumer>',
    '    Create a new consumer in the specified group.',
    'DELCONSUMER <key> <groupname> <consumer>',
    '    Remove the specified consumer.',
    'DESTROY <key> <groupname>',
    '    Remove the specified group.',
    'SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]',
    '    Set the current group ID and entries_read counter.',
  ]);
}

// --- XACK, XPENDING

function xack(call: Call): void {
  const stream = findStream(call, 1);
  if (stream < 0) return;
  const group = stream === 0 ? 0 : groupOf(call, stream, 2);
  if (group === 0) {
    call.reply.integer(0);
    return;
  }
  for (let index = 3; index < call.argc; index++) if (!readId(call, index, id)) return;
  const { groups } = streamsOf(call);
  let acknowledged = 0;
  for (let index = 3; index < call.argc; index++) {
    parseId(call, index, id);
    if (groups.acknowledge(group, id)) acknowledged++;
  }
  if (acknowledged > 0) touched(call, 1);
  call.reply.integer(acknowledged);
}

function xpending(call: Call): void {
  if (call.argc !== 3 && (call.argc < 6 || call.argc > 9)) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  let start = 3;
  let count = 0;
  let idleMs = 0;
  if (call.argc >= 6) {
    if (call.is(3, 'IDLE')) {
      idleMs = readInteger(call, 4);
      if (Number.isNaN(idleMs)) return;
      if (call.argc < 8) {
        call.reply.error(errors.SYNTAX);
        return;
      }
      start = 5;
    }
    count = readInteger(call, start + 2);
    if (Number.isNaN(count)) return;
    if (!readBound(call, start, from, false) || !readBound(call, start + 1, to, true)) return;
  }
  const stream = readStream(call, 1);
  if (stream < 0) return;
  const group = stream === 0 ? 0 : groupOf(call, stream, 2);
  if (group === 0)
    call.reply.error(`NOGROUP No such key '${call.text(1)}' or consumer group '${call.text(2)}'`);
  else if (call.argc === 3) replySummary(call, group);
  else replyPending(call, group, start + 3, count, idleMs);
}

/** Number of pending entries, first and last id, number for each consumer that has some. */
function replySummary(call: Call, group: number): void {
  const { reply } = call;
  const { groups, layout } = streamsOf(call);
  const count = groups.pending.count(group);
  reply.array(4);
  reply.integer(count);
  if (count === 0) {
    reply.nullBulk();
    reply.nullBulk();
    reply.nullArray();
    return;
  }
  groups.pending.first(group, cursor);
  groups.pending.idAt(cursor, id);
  replyId(reply, id);
  groups.pending.last(group, cursor);
  groups.pending.idAt(cursor, id);
  replyId(reply, id);
  const at = reply.at;
  let shown = 0;
  for (let slot = 0; slot < groups.consumerCount(group); slot++) {
    const consumer = groups.consumerAt(group, slot);
    const owned = groups.pendingOfConsumer.count(consumer);
    if (owned === 0) continue;
    reply.array(2);
    reply.bulk(layout.name(consumer, layoutWords.CONSUMER_NAME));
    reply.bulkLatin1(String(owned));
    shown++;
  }
  reply.arrayBefore(at, shown);
}

/** Id, consumer, idle ms and deliveries of the entries between `from` and `to`. */
function replyPending(call: Call, group: number, consumerWord: number, count: number, idleMs: number): void {
  const { reply } = call;
  const { groups, layout } = streamsOf(call);
  const named = consumerWord < call.argc;
  let holder = group;
  if (named) {
    const { bytes, argStart, argLength } = call;
    holder = groups.findConsumer(group, bytes, argStart[consumerWord], argLength[consumerWord]);
    if (holder === 0) {
      reply.array(0);
      return;
    }
  }
  const tree = named ? groups.pendingOfConsumer : groups.pending;
  const { nowMs } = call.context.keyspace;
  const at = reply.at;
  let shown = 0;
  let there = tree.seek(holder, from, cursor);
  for (; there && shown < count; there = tree.next(cursor)) {
    tree.idAt(cursor, id);
    if (id.compare(to) > 0) break;
    const pending = tree.valueAt(cursor);
    const idle = nowMs - layout.deliveredMs(pending);
    if (idleMs !== 0 && idle < idleMs) continue;
    reply.array(4);
    replyId(reply, id);
    reply.bulk(layout.name(layout.owner(pending), layoutWords.CONSUMER_NAME));
    reply.integer(Math.max(idle, 0));
    reply.integer(layout.deliveries(pending));
    shown++;
  }
  reply.arrayBefore(at, shown);
}
