/** Stream commands on the entries of one stream. */
import { NOTIFY_STREAM } from '../keyspace/events.ts';
import { ENCODING_STREAM, TYPE_STREAM } from '../structures/record.ts';
import { StreamId } from '../structures/stream-id.ts';
import { textBytes } from '../values/stream-entries.ts';
import * as layoutWords from '../values/stream-layout.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { DENYOOM, FAST, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';
import {
  findStream,
  isNameable,
  readBound,
  readId,
  readInteger,
  readStream,
  replyEntry,
  replyId,
  streamsOf,
} from './stream-arguments.ts';
import { propagateTrimmed, readTrimOptions, trimOptions, xtrim } from './stream-trim.ts';
import { touched } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const streamCommands: readonly Row[] = [
  // name        arity flags                   keys     since    run        summary
  ['XADD',       -5,   WRITE | DENYOOM | FAST, ONE_KEY, '5.0.0', xadd,      'Appends a new message to a stream. Creates the key if it doesn\'t exist.', { tips: ['nondeterministic_output'] }],
  ['XDEL',       -3,   WRITE | FAST,           ONE_KEY, '5.0.0', xdel,      'Returns the number of messages after removing them from a stream.'],
  ['XLEN',       2,    READONLY | FAST,        ONE_KEY, '5.0.0', xlen,      'Return the number of messages in a stream.'],
  ['XRANGE',     -4,   READONLY,               ONE_KEY, '5.0.0', xrange,    'Returns the messages from a stream within a range of IDs.'],
  ['XREVRANGE',  -4,   READONLY,               ONE_KEY, '5.0.0', xrevrange, 'Returns the messages from a stream within a range of IDs in reverse order.'],
  ['XSETID',     -3,   WRITE | DENYOOM | FAST, ONE_KEY, '5.0.0', xsetid,    'An internal command for replicating stream values.'],
  ['XTRIM',      -4,   WRITE,                  ONE_KEY, '5.0.0', xtrim,     'Deletes messages from the beginning of a stream.', { tips: ['nondeterministic_output'] }],
];

/** Fields and values of one entry together: a listpack is no longer. */
const ENTRY_BYTES_MAX = 2 ** 30;
const ID_NOT_ABOVE = 'ERR The ID specified in XADD is equal or smaller than the target stream top item';

const id = new StreamId();
const last = new StreamId();
const from = new StreamId();
const to = new StreamId();

function xadd(call: Call): void {
  const idWord = readTrimOptions(call, true);
  if (idWord < 0) return;
  const first = idWord + 1;
  const words = call.argc - first;
  if (words < 2 || words % 2 === 1) {
    call.reply.error(errors.wrongArity('xadd'));
    return;
  }
  const options = trimOptions;
  if (options.idGiven && options.sequenceGiven && options.id.isZero()) {
    call.reply.error('ERR The ID specified in XADD must be greater than 0-0');
    return;
  }
  if (!isNameable(call, 1)) return;
  let stream = findStream(call, 1);
  if (stream < 0) return;
  if (stream === 0 && !options.createsStream) {
    call.reply.nullBulk();
    return;
  }
  const streams = streamsOf(call);
  if (stream === 0) last.set(0, 0, 0, 0);
  else streams.layout.readId(stream, layoutWords.STREAM_LAST_ID, last);
  if (!makeId(call)) return;
  if (textBytes(call, first, words / 2) > ENTRY_BYTES_MAX) {
    call.reply.error('ERR Elements are too large to be stored');
    return;
  }
  const isNew = stream === 0;
  if (isNew) stream = streams.create();
  streams.entries.append(stream, call, first, words / 2, id);
  if (isNew) addStream(call, 1, stream);
  replyId(call.reply, id);
  touched(call, 1);
  call.notify(NOTIFY_STREAM, 'xadd', 1);
  if (options.trims && streams.entries.trim(stream, options) > 0) call.notify(NOTIFY_STREAM, 'xtrim', 1);
  const made = !options.idGiven || !options.sequenceGiven;
  if (made || (options.trims && options.approximate))
    propagateTrimmed(call, stream, idWord, made ? id : null);
}

/** Makes a stream the value of the key in word `index`, which does not exist. */
export function addStream(call: Call, index: number, stream: number): void {
  const { bytes, argStart, argLength } = call;
  call.database.addValue(bytes, argStart[index], argLength[index], TYPE_STREAM, ENCODING_STREAM, stream);
}

/** Sets `id` to the id of a new entry behind `last`; false when an error was answered. */
function makeId(call: Call): boolean {
  const options = trimOptions;
  if (last.isMax()) {
    call.reply.error('ERR The stream has exhausted the last possible ID, unable to add more items');
    return false;
  }
  if (!options.idGiven) {
    id.set(0, 0, 0, 0);
    id.setMs(call.context.keyspace.nowMs);
    if (id.msHigh > last.msHigh || (id.msHigh === last.msHigh && id.msLow > last.msLow)) return true;
    id.copyFrom(last);
    id.increment();
    return true;
  }
  id.copyFrom(options.id);
  if (!options.sequenceGiven && id.sameMs(last)) {
    id.copyFrom(last);
    id.increment();
    // A sequence that overflows would change the milliseconds.
    if (id.sameMs(last)) return true;
  } else if (id.compare(last) > 0) return true;
  call.reply.error(ID_NOT_ABOVE);
  return false;
}

function xdel(call: Call): void {
  const stream = findStream(call, 1);
  if (stream < 0) return;
  if (stream === 0) {
    call.reply.integer(0);
    return;
  }
  for (let index = 2; index < call.argc; index++) if (!readId(call, index, id)) return;
  let deleted = 0;
  for (let index = 2; index < call.argc; index++) {
    readId(call, index, id);
    if (deleteEntry(call, stream, id)) deleted++;
  }
  if (deleted > 0) {
    touched(call, 1);
    call.notify(NOTIFY_STREAM, 'xdel', 1);
  }
  call.reply.integer(deleted);
}

/** Deletes an entry and keeps first and greatest deleted id; false when it is not there. */
export function deleteEntry(call: Call, stream: number, which: StreamId): boolean {
  const { entries, layout } = streamsOf(call);
  if (!entries.delete(stream, which)) return false;
  noteDeleted(call, stream, which);
  layout.readId(stream, layoutWords.STREAM_FIRST_ID, from);
  if (from.equals(which)) entries.noteFirst(stream);
  return true;
}

/** Keeps the greatest id that was deleted. */
function noteDeleted(call: Call, stream: number, deleted: StreamId): void {
  const { layout } = streamsOf(call);
  layout.readId(stream, layoutWords.STREAM_DELETED_ID, last);
  if (deleted.compare(last) > 0) layout.writeId(stream, layoutWords.STREAM_DELETED_ID, deleted);
}

function xlen(call: Call): void {
  const stream = readStream(call, 1);
  if (stream >= 0) call.reply.integer(stream === 0 ? 0 : streamsOf(call).length(stream));
}

function xrange(call: Call): void {
  range(call, false);
}

function xrevrange(call: Call): void {
  range(call, true);
}

function range(call: Call, reverse: boolean): void {
  if (!readBound(call, reverse ? 3 : 2, from, false) || !readBound(call, reverse ? 2 : 3, to, true)) return;
  let count = Number.POSITIVE_INFINITY;
  for (let index = 4; index < call.argc; index += 2) {
    if (!call.is(index, 'COUNT') || index + 1 >= call.argc) {
      call.reply.error(errors.SYNTAX);
      return;
    }
    count = readInteger(call, index + 1);
    if (Number.isNaN(count)) return;
  }
  const stream = readStream(call, 1);
  if (stream < 0) return;
  if (stream === 0) call.reply.array(0);
  else if (count <= 0) call.reply.nullArray();
  else replyRange(call, stream, from, to, count, reverse);
}

/** An array of the entries from one id to another, at most `count` of them. */
export function replyRange(
  call: Call,
  stream: number,
  first: StreamId,
  end: StreamId,
  count: number,
  reverse: boolean,
): void {
  const { reply } = call;
  const iterator = streamsOf(call).walk;
  const at = reply.at;
  let seen = 0;
  iterator.begin(stream, first, end, reverse);
  while (seen < count && iterator.next()) {
    replyEntry(reply, iterator);
    seen++;
  }
  reply.arrayBefore(at, seen);
}

function xsetid(call: Call): void {
  if (!readId(call, 2, id)) return;
  const added = readSetIdOptions(call);
  if (Number.isNaN(added)) return;
  const stream = findStream(call, 1);
  if (stream < 0) return;
  const refusal = stream === 0 ? errors.NO_SUCH_KEY : setIdRefusal(call, stream, added);
  if (refusal !== '') {
    call.reply.error(refusal);
    return;
  }
  const { layout } = streamsOf(call);
  layout.writeId(stream, layoutWords.STREAM_LAST_ID, id);
  if (added >= 0) layout.setNumber(stream, layoutWords.STREAM_ADDED, added);
  if (!from.isZero()) layout.writeId(stream, layoutWords.STREAM_DELETED_ID, from);
  call.reply.ok();
  touched(call, 1);
  call.notify(NOTIFY_STREAM, 'xsetid', 1);
}

/** ENTRIESADDED, -1 without it, NaN after an error; MAXDELETEDID goes to `from`. */
function readSetIdOptions(call: Call): number {
  let added = -1;
  from.set(0, 0, 0, 0);
  for (let index = 3; index < call.argc; index += 2) {
    const more = index + 1 < call.argc;
    if (more && call.is(index, 'ENTRIESADDED')) {
      added = readInteger(call, index + 1);
      if (Number.isNaN(added)) return added;
      if (added < 0) return refuse(call, 'ERR entries_added must be positive');
    } else if (more && call.is(index, 'MAXDELETEDID')) {
      if (!readId(call, index + 1, from)) return Number.NaN;
      if (id.compare(from) < 0)
        return refuse(
          call,
          'ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id',
        );
    } else return refuse(call, errors.SYNTAX);
  }
  return added;
}

function refuse(call: Call, error: string): number {
  call.reply.error(error);
  return Number.NaN;
}

/** Why the stream cannot get `id` as its last one, '' when it can. */
function setIdRefusal(call: Call, stream: number, added: number): string {
  const streams = streamsOf(call);
  streams.layout.readId(stream, layoutWords.STREAM_DELETED_ID, last);
  if (id.compare(last) < 0)
    return 'ERR The ID specified in XSETID is smaller than current max_deleted_entry_id';
  const length = streams.length(stream);
  if (length === 0) return '';
  streams.entries.edge(stream, true, false, last);
  if (id.compare(last) < 0)
    return 'ERR The ID specified in XSETID is smaller than the target stream top item';
  return added >= 0 && length > added
    ? 'ERR The entries_added specified in XSETID is smaller than the target stream length'
    : '';
}
