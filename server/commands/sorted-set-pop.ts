/** Sorted set commands that take the members with the lowest or the highest scores. */
import { NOTIFY_ZSET } from '../keyspace/events.ts';
import { TYPE_ZSET } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { readAtLeast } from './list-arguments.ts';
import { countedKeys, type PopRequest, readPopRequest } from './pop-request.ts';
import { FAST, MOVABLE_KEYS, NO_KEY, ONE_KEY, type Row, WRITE } from './row.ts';
import { endRemoval, NOT_POSITIVE, sortedSetsOf, writeMember, writeScore } from './sorted-set-access.ts';
import { findValue } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const sortedSetPopCommands: readonly Row[] = [
  // name     arity flags                 keys     since    run      summary
  ['ZMPOP',   -4,   WRITE | MOVABLE_KEYS, NO_KEY,  '7.0.0', zmpop,   'Returns the highest- or lowest-scoring members from one or more sorted sets after removing them. Deletes the sorted set if the last member was popped.', { keys: (call) => countedKeys(call, 1) }],
  ['ZPOPMAX', -2,   WRITE | FAST,         ONE_KEY, '5.0.0', zpopmax, 'Returns the highest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.'],
  ['ZPOPMIN', -2,   WRITE | FAST,         ONE_KEY, '5.0.0', zpopmin, 'Returns the lowest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.'],
];

function zmpop(call: Call): void {
  const request = readPopRequest(call, 1, SORTED_SET_ENDS);
  if (request !== null && !popFirstFound(call, request)) call.reply.nullArray();
}

function zpopmax(call: Call): void {
  popFromOne(call, true);
}

function zpopmin(call: Call): void {
  popFromOne(call, false);
}

function popFromOne(call: Call, highest: boolean): void {
  if (call.argc > 3) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  const given = call.argc === 3;
  const count = given ? readAtLeast(call, 2, 0, NOT_POSITIVE) : 1;
  if (Number.isNaN(count)) return;
  const ref = findValue(call, 1, TYPE_ZSET);
  if (ref < 0) return;
  if (ref === 0 || count === 0) {
    call.reply.array(0);
    return;
  }
  const taken = Math.min(count, sortedSetsOf(call).open(ref).count);
  const nested = given && call.reply.protocol === 3;
  call.reply.array(nested ? taken : taken * 2);
  popElements(call, 1, ref, highest, taken, nested);
}

// --- what the blocking forms share

/** As ZMPOP and BZMPOP name the ends. */
export const SORTED_SET_ENDS = ['MAX', 'MIN'] as const;

/** Pops from the first key that is there and answers; false when none is. */
export function popFirstFound(call: Call, request: PopRequest): boolean {
  const highest = request.end === 0;
  for (let key = 0; key < request.keyCount; key++) {
    const index = request.firstKey + key;
    const ref = findValue(call, index, TYPE_ZSET);
    if (ref < 0) return true;
    if (ref === 0) continue;
    const taken = Math.min(request.count, sortedSetsOf(call).open(ref).count);
    call.reply.array(2);
    call.reply.bulkRange(call.bytes, call.argStart[index], call.argStart[index] + call.argLength[index]);
    call.reply.array(taken);
    popElements(call, index, ref, highest, taken, true);
    call.propagateAs([highest ? 'ZPOPMAX' : 'ZPOPMIN', call.copy(index), String(taken)]);
    return true;
  }
  return false;
}

/**
 * Answers and removes `count` elements of the sorted set `ref` in word `index`; the head is written already.
 */
export function popElements(
  call: Call,
  index: number,
  ref: number,
  highest: boolean,
  count: number,
  nested: boolean,
): void {
  const { reply } = call;
  call.database.beforeChange(ref);
  const body = sortedSetsOf(call).open(ref);
  let more = body.seek(highest ? body.count - 1 : 0);
  for (let left = count; more && left > 0; left--) {
    if (nested) reply.array(2);
    writeMember(reply, body);
    writeScore(reply, body.score);
    if (left > 1) more = highest ? body.previous() : body.next();
  }
  body.removeRange(highest ? body.count - count : 0, count);
  endRemoval(call, index, ref, count, NOTIFY_ZSET, highest ? 'zpopmax' : 'zpopmin');
}
