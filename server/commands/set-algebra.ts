/** Set commands on several sets: intersection, union, difference. */

import { Int64, parseInt64 } from '../structures/int64.ts';
import { ENCODING_INTSET, ENCODING_LISTPACK, ENCODING_TABLE, TYPE_SET } from '../structures/record.ts';
import { SetValue } from '../values/set.ts';
import type { SetCursor } from '../values/set-cursor.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { lateSet } from './late-head.ts';
import { readAtLeast } from './list-arguments.ts';
import { countedKeys } from './pop-request.ts';
import { ALL_KEYS, DENYOOM, MOVABLE_KEYS, NO_KEY, READONLY, type Row, WRITE } from './row.ts';
import { checkNames, setsOf, storeSet, writeElement } from './set-access.ts';
import { readValue, WRONG } from './value-access.ts';

const ANY_ORDER = { tips: ['nondeterministic_output_order'] } as const;
const SINTERCARD_KEYS = { keys: (call: Call): number => countedKeys(call, 1) };

// biome-ignore format: a table, one command a row
export const setAlgebraCommands: readonly Row[] = [
  // name         arity flags                    keys      since    run          summary
  ['SDIFF',       -2,   READONLY,                ALL_KEYS, '1.0.0', sdiff,       'Returns the difference of multiple sets.', ANY_ORDER],
  ['SDIFFSTORE',  -3,   WRITE | DENYOOM,         ALL_KEYS, '1.0.0', sdiffstore,  'Stores the difference of multiple sets in a key.'],
  ['SINTER',      -2,   READONLY,                ALL_KEYS, '1.0.0', sinter,      'Returns the intersect of multiple sets.', ANY_ORDER],
  ['SINTERCARD',  -3,   READONLY | MOVABLE_KEYS, NO_KEY,   '7.0.0', sintercard,  'Returns the number of members of the intersect of multiple sets.', SINTERCARD_KEYS],
  ['SINTERSTORE', -3,   WRITE | DENYOOM,         ALL_KEYS, '1.0.0', sinterstore, 'Stores the intersect of multiple sets in a key.'],
  ['SUNION',      -2,   READONLY,                ALL_KEYS, '1.0.0', sunion,      'Returns the union of multiple sets.', ANY_ORDER],
  ['SUNIONSTORE', -3,   WRITE | DENYOOM,         ALL_KEYS, '1.0.0', sunionstore, 'Stores the union of multiple sets in a key.'],
];

const number = new Int64();

function sdiff(call: Call): void {
  const refs = operands(call, 1, call.argc);
  if (refs !== null) answerSet(call, difference(call, refs));
}

function sdiffstore(call: Call): void {
  if (!checkNames(call, 1, 1)) return;
  const refs = operands(call, 2, call.argc);
  if (refs !== null) storeSet(call, 1, difference(call, refs), 'sdiffstore');
}

function sinter(call: Call): void {
  const refs = operands(call, 1, call.argc);
  if (refs === null) return;
  const { reply } = call;
  const at = reply.at;
  let count = 0;
  if (beginIntersection(call, refs)) {
    const cursor = setsOf(call).reading;
    while (nextCommon(call, refs, cursor)) {
      writeElement(reply, cursor);
      count++;
    }
  }
  lateSet(reply, at, count);
}

function sintercard(call: Call): void {
  const keys = readAtLeast(call, 1, 1, 'ERR numkeys should be greater than 0');
  if (Number.isNaN(keys)) return;
  if (keys > call.argc - 2) {
    call.reply.error("ERR Number of keys can't be greater than number of args");
    return;
  }
  let limit = 0;
  for (let index = 2 + keys; index < call.argc; index += 2) {
    if (!call.is(index, 'LIMIT') || index + 1 === call.argc) {
      call.reply.error(errors.SYNTAX);
      return;
    }
    limit = readAtLeast(call, index + 1, 0, "ERR LIMIT can't be negative");
    if (Number.isNaN(limit)) return;
  }
  const refs = operands(call, 2, 2 + keys);
  if (refs === null) return;
  let count = 0;
  if (beginIntersection(call, refs)) {
    const cursor = setsOf(call).reading;
    while ((limit === 0 || count < limit) && nextCommon(call, refs, cursor)) count++;
  }
  call.reply.integer(count);
}

function sinterstore(call: Call): void {
  if (!checkNames(call, 1, 1)) return;
  const refs = operands(call, 2, call.argc);
  if (refs === null) return;
  const sets = setsOf(call);
  const { records } = call.context.keyspace;
  const result = new SetValue();
  const some = beginIntersection(call, refs);
  result.encoding =
    some && records.encoding(refs[0]) !== ENCODING_INTSET ? ENCODING_LISTPACK : ENCODING_INTSET;
  result.root = sets.newRoot(result.encoding);
  if (some) {
    const fromTable = records.encoding(refs[0]) === ENCODING_TABLE;
    let onlyIntegers = true;
    while (nextCommon(call, refs, sets.reading)) {
      if (onlyIntegers) onlyIntegers = isInteger(sets.reading, fromTable);
      sets.addMember(result, sets.reading);
    }
    if (onlyIntegers && sets.countOf(result.encoding, result.root) > 0) sets.toIntset(result);
  }
  storeSet(call, 1, result, 'sinterstore');
}

function sunion(call: Call): void {
  const refs = operands(call, 1, call.argc);
  if (refs !== null) answerSet(call, union(call, refs));
}

function sunionstore(call: Call): void {
  if (!checkNames(call, 1, 1)) return;
  const refs = operands(call, 2, call.argc);
  if (refs !== null) storeSet(call, 1, union(call, refs), 'sunionstore');
}

// --- what the commands share

/** Records of the sets in words `from` to `to` - 1, 0 for what is not there; null after WRONGTYPE. */
function operands(call: Call, from: number, to: number): number[] | null {
  const refs: number[] = [];
  for (let index = from; index < to; index++) {
    const ref = readValue(call, index, TYPE_SET);
    if (ref === WRONG) return null;
    refs.push(ref);
  }
  return refs;
}

function answerSet(call: Call, result: SetValue): void {
  const sets = setsOf(call);
  call.reply.set(sets.countOf(result.encoding, result.root));
  sets.reading.open(result.encoding, result.root);
  while (sets.reading.next()) writeElement(call.reply, sets.reading);
  sets.release(result.encoding, result.root);
}

function openReading(call: Call, ref: number): SetCursor {
  const { records } = call.context.keyspace;
  const cursor = setsOf(call).reading;
  cursor.open(records.encoding(ref), records.root(ref));
  return cursor;
}

/** Puts the smallest set first and begins to walk over it; false when one of them is empty. */
function beginIntersection(call: Call, refs: number[]): boolean {
  if (refs.includes(0)) return false;
  const sets = setsOf(call);
  refs.sort((left, right) => sets.count(left) - sets.count(right));
  openReading(call, refs[0]);
  return true;
}

/** Moves to the next member that all sets have. */
function nextCommon(call: Call, refs: readonly number[], cursor: SetCursor): boolean {
  const sets = setsOf(call);
  const { records } = call.context.keyspace;
  while (cursor.next()) {
    let index = 1;
    for (; index < refs.length; index++) {
      const other = refs[index];
      if (other !== refs[0] && !sets.hasMember(records.encoding(other), records.root(other), cursor)) break;
    }
    if (index === refs.length) return true;
  }
  return false;
}

/** A text is one only when it comes from a table: listpacks and intsets have their integers as such. */
function isInteger(member: SetCursor, fromTable: boolean): boolean {
  if (member.isInteger) return true;
  return fromTable && parseInt64(member.bytes, member.start, member.length, number);
}

function newResult(call: Call): SetValue {
  const result = new SetValue();
  result.root = setsOf(call).newRoot(ENCODING_INTSET);
  return result;
}

function union(call: Call, refs: readonly number[]): SetValue {
  const result = newResult(call);
  for (const ref of refs) if (ref !== 0) addAll(call, result, ref);
  return result;
}

function addAll(call: Call, result: SetValue, ref: number): void {
  const sets = setsOf(call);
  const cursor = openReading(call, ref);
  while (cursor.next()) sets.addMember(result, cursor);
}

function difference(call: Call, refs: readonly number[]): SetValue {
  const [first, ...others] = refs;
  const result = newResult(call);
  if (first === 0 || others.includes(first)) return result;
  const sets = setsOf(call);
  const present = others.filter((ref) => ref !== 0);
  let all = sets.count(first);
  for (const ref of present) all += sets.count(ref);
  // Looking every member of the first up in the others, or taking all of the others away: what is less work.
  if (Math.floor((sets.count(first) * (present.length + 1)) / 2) <= all)
    subtractByLookup(call, result, first, present);
  else subtractByRemoval(call, result, first, present);
  return result;
}

function subtractByLookup(call: Call, result: SetValue, first: number, others: number[]): void {
  const sets = setsOf(call);
  const { records } = call.context.keyspace;
  others.sort((left, right) => sets.count(right) - sets.count(left));
  const cursor = openReading(call, first);
  while (cursor.next()) {
    let index = 0;
    for (; index < others.length; index++) {
      const other = others[index];
      if (sets.hasMember(records.encoding(other), records.root(other), cursor)) break;
    }
    if (index === others.length) sets.addMember(result, cursor);
  }
}

function subtractByRemoval(call: Call, result: SetValue, first: number, others: readonly number[]): void {
  const sets = setsOf(call);
  addAll(call, result, first);
  for (const other of others) {
    const cursor = openReading(call, other);
    while (cursor.next()) {
      cursor.asText();
      sets.removeFrom(result, cursor.bytes, cursor.start, cursor.length);
    }
    if (sets.countOf(result.encoding, result.root) === 0) return;
  }
}
