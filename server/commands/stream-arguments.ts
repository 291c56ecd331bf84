/** What the commands of streams share: ids and numbers among the words, the stream of a key, replies. */

import type { ListpackEntry } from '../structures/listpack.ts';
import { KEY_BYTES_MAX, TYPE_STREAM } from '../structures/record.ts';
import {
  ID_COMPLETE,
  ID_INVALID,
  ID_OPEN_SEQUENCE,
  ID_WITHOUT_SEQUENCE,
  parseStreamId,
  type StreamId,
} from '../structures/stream-id.ts';
import type { Streams } from '../values/stream.ts';
import type { StreamIterator } from '../values/stream-iterator.ts';
import type { Reply } from '../wire/reply.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { findValue, readValue } from './value-access.ts';

const INVALID_ID = 'ERR Invalid stream ID specified as stream command argument';
const MAX_32 = 0xffffffff;

/** An integer among the words, of any 64 bits (inexact beyond 2^53); NaN when an error was answered. */
export function readInteger(call: Call, index: number, error: string = errors.NOT_INTEGER): number {
  const value = call.integer(index);
  if (!Number.isNaN(value)) return value;
  const wide = call.integer64(index);
  if (wide !== null) return Number(wide);
  call.reply.error(error);
  return Number.NaN;
}

/** True when word `index` is this one character. */
export function isCharacter(call: Call, index: number, character: string): boolean {
  return call.argLength[index] === 1 && call.bytes[call.argStart[index]] === character.charCodeAt(0);
}

/** What stands in word `index`: an ID_… of stream-id.ts; the sequence of an incomplete id is 0. */
export function parseId(call: Call, index: number, id: StreamId): number {
  return parseStreamId(call.bytes, call.argStart[index], call.argLength[index], id);
}

/** An id that must be one (not `-` or `+`); false when an error was answered. */
export function readId(call: Call, index: number, id: StreamId): boolean {
  const kind = parseId(call, index, id);
  if (kind === ID_COMPLETE || kind === ID_WITHOUT_SEQUENCE) return true;
  call.reply.error(INVALID_ID);
  return false;
}

/** The id of a new entry, `ms-*` included: ID_COMPLETE or ID_OPEN_SEQUENCE, ID_INVALID after an error. */
export function readNewId(call: Call, index: number, id: StreamId): number {
  const kind = parseId(call, index, id);
  if (kind === ID_INVALID) call.reply.error(INVALID_ID);
  return kind === ID_WITHOUT_SEQUENCE ? ID_COMPLETE : kind;
}

/**
 * One end of an interval: `-`, `+`, an id, or `(` and an id for the next one beyond it. False when an error
 * was answered.
 */
export function readBound(call: Call, index: number, id: StreamId, isEnd: boolean): boolean {
  if (isCharacter(call, index, '-')) id.set(0, 0, 0, 0);
  else if (isCharacter(call, index, '+')) id.setMax();
  else {
    const start = call.argStart[index];
    const open = call.argLength[index] > 1 && call.bytes[start] === 40;
    const skipped = open ? 1 : 0;
    const kind = parseStreamId(call.bytes, start + skipped, call.argLength[index] - skipped, id);
    if (kind === ID_INVALID || kind === ID_OPEN_SEQUENCE) {
      call.reply.error(INVALID_ID);
      return false;
    }
    if (kind === ID_WITHOUT_SEQUENCE && isEnd) id.set(id.msHigh, id.msLow, MAX_32, MAX_32);
    if (open && !(isEnd ? id.decrement() : id.increment())) {
      call.reply.error(`ERR invalid ${isEnd ? 'end' : 'start'} ID for the interval`);
      return false;
    }
  }
  return true;
}

export function streamsOf(call: Call): Streams {
  return call.context.keyspace.values.streams;
}

/** The stream of the key in word `index`, for reading: 0 when there is none, WRONG after an error. */
export function readStream(call: Call, index: number): number {
  const ref = readValue(call, index, TYPE_STREAM);
  return ref <= 0 ? ref : streamsOf(call).root(ref);
}

/** The stream of the key in word `index`, to be changed: 0 when there is none, WRONG after an error. */
export function findStream(call: Call, index: number): number {
  const ref = findValue(call, index, TYPE_STREAM);
  if (ref <= 0) return ref;
  call.database.beforeChange(ref);
  return streamsOf(call).root(ref);
}

/** The group in word `index`, 0 when there is none. */
export function groupOf(call: Call, stream: number, index: number): number {
  return streamsOf(call).groups.find(stream, call.bytes, call.argStart[index], call.argLength[index]);
}

/** False, after an error, when word `index` is longer than a name can be. */
export function isNameable(call: Call, index: number): boolean {
  if (call.argLength[index] <= KEY_BYTES_MAX) return true;
  call.reply.error(errors.KEY_TOO_LONG);
  return false;
}

export function replyId(reply: Reply, id: StreamId): void {
  reply.bulkHead(id.textBytes());
  reply.at = id.writeText(reply.buffer, reply.at);
  reply.crlf();
}

/** The entry of a walk: an array of its id and of its fields and values. */
export function replyEntry(reply: Reply, iterator: StreamIterator): void {
  reply.array(2);
  replyId(reply, iterator.id);
  reply.array(iterator.fields * 2);
  const { bytes } = iterator.view;
  for (let left = iterator.fields; left > 0; left--) {
    iterator.nextField();
    replyText(reply, bytes, iterator.field);
    replyText(reply, bytes, iterator.value);
  }
}

function replyText(reply: Reply, bytes: Uint8Array, entry: ListpackEntry): void {
  if (!entry.isInteger) {
    reply.bulkRange(bytes, entry.start, entry.start + entry.length);
    return;
  }
  reply.bulkHead(entry.textLength());
  reply.at = entry.writeText(bytes, reply.buffer, reply.at);
  reply.crlf();
}
