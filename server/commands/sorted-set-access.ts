/** What the commands of sorted sets share: reaching one, answering members and scores, counting changes. */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_GENERIC } from '../keyspace/events.ts';
import { formatDouble } from '../structures/double.ts';
import { ENCODING_LISTPACK, KEY_BYTES_MAX, TYPE_ZSET } from '../structures/record.ts';
import type { SortedSets } from '../values/sorted-set.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Reply } from '../wire/reply.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { removeIfEmpty, touched } from './value-access.ts';

export const BAD_RANGE = 'ERR min or max is not a float';
export const BAD_LEX_RANGE = 'ERR min or max not valid string range item';
export const NOT_POSITIVE = 'ERR value is out of range, must be positive';

const DOLLAR = 36;
const ZERO = 48;
const CR = 13;
const LF = 10;

/** The sorted sets of this server. */
export function sortedSetsOf(call: Call): SortedSets {
  return call.context.keyspace.values.sortedSets;
}

/** Makes the absent key in word `index` an empty sorted set; 0 after answering that its name is too long. */
export function createSortedSet(call: Call, index: number): number {
  if (call.argLength[index] > KEY_BYTES_MAX) {
    call.reply.error(errors.KEY_TOO_LONG);
    return 0;
  }
  const root = sortedSetsOf(call).newRoot();
  return call.database.addValue(
    call.bytes,
    call.argStart[index],
    call.argLength[index],
    TYPE_ZSET,
    ENCODING_LISTPACK,
    root,
  );
}

/** Counts `changes` changes of the key in word `index`. */
export function changedBy(call: Call, index: number, changes: number): void {
  touched(call, index);
  call.context.keyspace.dirty += changes - 1;
}

/**
 * After `removed` elements went from the sorted set at `ref`: event, key if it is empty, count of changes.
 */
export function endRemoval(
  call: Call,
  index: number,
  ref: number,
  removed: number,
  eventClass: number,
  event: string,
): void {
  call.notify(eventClass, event, index);
  const left = sortedSetsOf(call).open(ref).count;
  if (removeIfEmpty(call, index, ref, left)) call.context.keyspace.dirty += removed - 1;
  else changedBy(call, index, removed);
}

/**
 * A result in place of what the key in word `index` holds; an empty one deletes the key. Answers its size.
 */
export function storeResult(
  call: Call,
  index: number,
  result: SortedSetBody,
  eventClass: number,
  event: string,
): void {
  const { database, reply } = call;
  const start = call.argStart[index];
  const length = call.argLength[index];
  const count = result.count;
  if (count === 0 || length > KEY_BYTES_MAX) {
    sortedSetsOf(call).release(result.encoding, result.root);
    if (count !== 0) reply.error(errors.KEY_TOO_LONG);
    else {
      if (database.remove(call.bytes, start, length)) call.notify(NOTIFY_GENERIC, 'del', index);
      reply.integer(0);
    }
    return;
  }
  const { encoding, root } = result;
  database.putValue(call.bytes, start, length, TYPE_ZSET, encoding, root, NO_EXPIRY);
  touched(call, index);
  call.notify(eventClass, event, index);
  reply.integer(count);
}

/** Answers the current element's member. */
export function writeMember(reply: Reply, body: SortedSetBody): void {
  reply.bulkRange(body.bytes, body.start, body.start + body.length);
}

/**
 * Answers a score: a double of RESP 3, or its text. Small, so that it becomes part of its callers and whole
 * scores, as most are, never become objects of the heap.
 */
export function writeScore(reply: Reply, score: number): void {
  const whole = score | 0;
  if (whole === score && whole >= 0 && reply.protocol === 2 && (whole !== 0 || !Object.is(score, -0)))
    writeWhole(reply, whole);
  else reply.double(formatDouble(score));
}

/** A whole number below 2^31 as a bulk string. */
function writeWhole(reply: Reply, whole: number): void {
  let digits = 1;
  for (let limit = 10; whole >= limit; limit *= 10) digits++;
  reply.reserve(20);
  const { buffer } = reply;
  let at = reply.at;
  buffer[at++] = DOLLAR;
  if (digits === 10) buffer[at++] = ZERO + 1;
  buffer[at++] = ZERO + (digits % 10);
  buffer[at++] = CR;
  buffer[at++] = LF;
  at += digits;
  let rest = whole;
  for (let to = at; digits > 0; digits--) {
    const quotient = (rest / 10) | 0;
    buffer[--to] = ZERO + rest - quotient * 10;
    rest = quotient;
  }
  buffer[at] = CR;
  buffer[at + 1] = LF;
  reply.at = at + 2;
}

/** Head of an answer of `count` elements: pairs are flat in RESP 2 and arrays of two in RESP 3. */
export function writeElementsHead(reply: Reply, count: number, withScores: boolean): void {
  reply.array(withScores && reply.protocol === 2 ? count * 2 : count);
}

/** The current element, after `writeElementsHead`. */
export function writeElement(reply: Reply, body: SortedSetBody, withScores: boolean): void {
  if (withScores && reply.protocol === 3) reply.array(2);
  writeMember(reply, body);
  if (withScores) writeScore(reply, body.score);
}
