/** List commands on one key. */
import { NOTIFY_LIST } from '../keyspace/events.ts';
import { ENCODING_LISTPACK, KEY_BYTES_MAX, TYPE_LIST } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { listsOf, rangeEnd, rangeStart, readAtLeast, readLong, readSigned } from './list-arguments.ts';
import { writeRange } from './list-range.ts';
import { DENYOOM, FAST, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';
import { findValue, readValue, removeIfEmpty, touched } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const listCommands: readonly Row[] = [
  // name     arity flags                   keys     since    run      summary
  ['LINDEX',  3,    READONLY,               ONE_KEY, '1.0.0', lindex,  'Returns an element from a list by its index.'],
  ['LINSERT', 5,    WRITE | DENYOOM,        ONE_KEY, '2.2.0', linsert, 'Inserts an element before or after another element in a list.'],
  ['LLEN',    2,    READONLY | FAST,        ONE_KEY, '1.0.0', llen,    'Returns the length of a list.'],
  ['LPOP',    -2,   WRITE | FAST,           ONE_KEY, '1.0.0', lpop,    'Returns the first elements in a list after removing it. Deletes the list if the last element was popped.'],
  ['LPOS',    -3,   READONLY,               ONE_KEY, '6.0.6', lpos,    'Returns the index of matching elements in a list.'],
  ['LPUSH',   -3,   WRITE | DENYOOM | FAST, ONE_KEY, '1.0.0', lpush,   'Prepends one or more elements to a list. Creates the key if it doesn\'t exist.'],
  ['LPUSHX',  -3,   WRITE | DENYOOM | FAST, ONE_KEY, '2.2.0', lpushx,  'Prepends one or more elements to a list only when the list exists.'],
  ['LRANGE',  4,    READONLY,               ONE_KEY, '1.0.0', lrange,  'Returns a range of elements from a list.'],
  ['LREM',    4,    WRITE,                  ONE_KEY, '1.0.0', lrem,    'Removes elements from a list. Deletes the list if the last element was removed.'],
  ['LSET',    4,    WRITE | DENYOOM,        ONE_KEY, '1.0.0', lset,    'Sets the value of an element in a list by its index.'],
  ['LTRIM',   4,    WRITE,                  ONE_KEY, '1.0.0', ltrim,   'Removes elements from both ends a list. Deletes the list if all elements were trimmed.'],
  ['RPOP',    -2,   WRITE | FAST,           ONE_KEY, '1.0.0', rpop,    'Returns and removes the last elements of a list. Deletes the list if the last element was popped.'],
  ['RPUSH',   -3,   WRITE | DENYOOM | FAST, ONE_KEY, '1.0.0', rpush,   'Appends one or more elements to a list. Creates the key if it doesn\'t exist.'],
  ['RPUSHX',  -3,   WRITE | DENYOOM | FAST, ONE_KEY, '2.2.0', rpushx,  'Appends an element to a list only when the list exists.'],
];

const NOT_POSITIVE = 'ERR value is out of range, must be positive';

function lindex(call: Call): void {
  const ref = readValue(call, 1, TYPE_LIST);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.nullBulk();
    return;
  }
  let index = readLong(call, 2);
  if (Number.isNaN(index)) return;
  const lists = listsOf(call);
  const count = lists.count(ref);
  if (index < 0) index += count;
  if (index < 0 || index >= count) {
    call.reply.nullBulk();
    return;
  }
  const cursor = lists.open(ref, index, true);
  cursor.next();
  const { element } = cursor;
  call.reply.bulkRange(element.bytes, element.start, element.end);
}

function linsert(call: Call): void {
  const after = call.is(2, 'AFTER');
  if (!after && !call.is(2, 'BEFORE')) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  const ref = findValue(call, 1, TYPE_LIST);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.integer(0);
    return;
  }
  const lists = listsOf(call);
  const { bytes, argStart, argLength } = call;
  call.database.beforeChange(ref);
  lists.prepareGrowth(ref, argLength[4], 1);
  const cursor = lists.open(ref, 0, true);
  while (cursor.next()) {
    if (!cursor.element.equals(bytes, argStart[3], argLength[3])) continue;
    lists.insertAtCursor(ref, after, bytes, argStart[4], argLength[4]);
    call.notify(NOTIFY_LIST, 'linsert', 1);
    touched(call, 1);
    call.reply.integer(lists.count(ref));
    return;
  }
  call.reply.integer(-1);
}

function llen(call: Call): void {
  const ref = readValue(call, 1, TYPE_LIST);
  if (ref >= 0) call.reply.integer(ref === 0 ? 0 : listsOf(call).count(ref));
}

function lpop(call: Call): void {
  pop(call, true);
}

interface PositionOptions {
  rank: number;
  /** -1: not given, one answer. */
  count: number;
  lengthMax: number;
}

function lpos(call: Call): void {
  const options = positionOptions(call);
  if (options === null) return;
  const ref = readValue(call, 1, TYPE_LIST);
  if (ref < 0) return;
  if (ref === 0) {
    if (options.count >= 0) call.reply.array(0);
    else call.reply.nullBulk();
    return;
  }
  const found = positions(call, ref, options);
  if (options.count >= 0) {
    call.reply.array(found.length);
    for (const index of found) call.reply.integer(index);
  } else if (found[0] === undefined) call.reply.nullBulk();
  else call.reply.integer(found[0]);
}

function positionOptions(call: Call): PositionOptions | null {
  const options: PositionOptions = { rank: 1, count: -1, lengthMax: 0 };
  for (let index = 3; index < call.argc; index += 2) {
    const more = index + 1 < call.argc;
    if (more && call.is(index, 'RANK')) {
      options.rank = readSigned(call, index + 1);
      if (options.rank === 0) {
        call.reply.error(
          "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
        );
        return null;
      }
    } else if (more && call.is(index, 'COUNT')) {
      options.count = readAtLeast(call, index + 1, 0, "ERR COUNT can't be negative");
    } else if (more && call.is(index, 'MAXLEN')) {
      options.lengthMax = readAtLeast(call, index + 1, 0, "ERR MAXLEN can't be negative");
    } else {
      call.reply.error(errors.SYNTAX);
      return null;
    }
    if (Number.isNaN(options.rank + options.count + options.lengthMax)) return null;
  }
  return options;
}

/** Indexes of the matches that were asked for. */
function positions(call: Call, ref: number, options: PositionOptions): number[] {
  const lists = listsOf(call);
  const { rank } = options;
  const forward = rank > 0;
  const wanted = options.count < 0 ? 1 : options.count === 0 ? Number.POSITIVE_INFINITY : options.count;
  const elements = lists.count(ref);
  const limit = options.lengthMax === 0 ? elements : Math.min(elements, options.lengthMax);
  const cursor = lists.open(ref, forward ? 0 : elements - 1, forward);
  const found: number[] = [];
  let skip = Math.abs(rank) - 1;
  for (let seen = 0; seen < limit && found.length < wanted && cursor.next(); seen++) {
    if (!cursor.element.equals(call.bytes, call.argStart[2], call.argLength[2])) continue;
    if (skip > 0) skip--;
    else found.push(forward ? seen : elements - seen - 1);
  }
  return found;
}

function lpush(call: Call): void {
  push(call, true, true);
}

function lpushx(call: Call): void {
  push(call, true, false);
}

function lrange(call: Call): void {
  const first = readLong(call, 2);
  if (Number.isNaN(first)) return;
  const last = readLong(call, 3);
  if (Number.isNaN(last)) return;
  const ref = readValue(call, 1, TYPE_LIST);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.array(0);
    return;
  }
  const count = listsOf(call).count(ref);
  const start = rangeStart(first, count);
  const length = rangeEnd(last, count) - start;
  if (length <= 0) call.reply.array(0);
  else writeRange(call, ref, start, length, true);
}

function lrem(call: Call): void {
  const wanted = readSigned(call, 2);
  if (Number.isNaN(wanted)) return;
  const ref = findValue(call, 1, TYPE_LIST);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.integer(0);
    return;
  }
  const lists = listsOf(call);
  const most = wanted === 0 ? Number.POSITIVE_INFINITY : Math.abs(wanted);
  let removed = 0;
  const cursor = lists.open(ref, wanted < 0 ? lists.count(ref) - 1 : 0, wanted >= 0);
  while (removed < most && cursor.next()) {
    if (!cursor.element.equals(call.bytes, call.argStart[3], call.argLength[3])) continue;
    if (removed === 0) call.database.beforeChange(ref);
    lists.deleteAtCursor(ref);
    removed++;
  }
  cursor.close();
  if (removed !== 0) {
    call.notify(NOTIFY_LIST, 'lrem', 1);
    endRemoval(call, 1, ref, removed);
  }
  call.reply.integer(removed);
}

function lset(call: Call): void {
  const ref = findValue(call, 1, TYPE_LIST);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.error(errors.NO_SUCH_KEY);
    return;
  }
  let index = readLong(call, 2);
  if (Number.isNaN(index)) return;
  const lists = listsOf(call);
  const count = lists.count(ref);
  if (index < 0) index += count;
  call.database.beforeChange(ref);
  lists.prepareGrowth(ref, call.argLength[3], 1);
  if (index < 0 || index >= count) {
    call.reply.error(errors.INDEX_OUT_OF_RANGE);
    return;
  }
  lists.replaceAt(ref, index, call.bytes, call.argStart[3], call.argLength[3]);
  lists.shrink(ref);
  call.notify(NOTIFY_LIST, 'lset', 1);
  touched(call, 1);
  call.reply.ok();
}

function ltrim(call: Call): void {
  const first = readLong(call, 2);
  if (Number.isNaN(first)) return;
  const last = readLong(call, 3);
  if (Number.isNaN(last)) return;
  const ref = findValue(call, 1, TYPE_LIST);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.ok();
    return;
  }
  const lists = listsOf(call);
  const count = lists.count(ref);
  const start = rangeStart(first, count);
  const end = rangeEnd(last, count);
  call.database.beforeChange(ref);
  const nothing = start >= end;
  const before = nothing ? count : start;
  const behind = nothing ? 0 : count - end;
  lists.deleteRange(ref, 0, before);
  lists.deleteRange(ref, count - before - behind, behind);
  call.notify(NOTIFY_LIST, 'ltrim', 1);
  endRemoval(call, 1, ref, before + behind);
  call.reply.ok();
}

function rpop(call: Call): void {
  pop(call, false);
}

function rpush(call: Call): void {
  push(call, false, true);
}

function rpushx(call: Call): void {
  push(call, false, false);
}

// --- what the commands share

function push(call: Call, atHead: boolean, creates: boolean): void {
  let ref = findValue(call, 1, TYPE_LIST);
  if (ref < 0) return;
  const lists = listsOf(call);
  const { bytes, argStart, argLength, argc } = call;
  if (ref === 0) {
    if (!creates) {
      call.reply.integer(0);
      return;
    }
    ref = createList(call, 1);
    if (ref === 0) return;
  } else call.database.beforeChange(ref);
  let count = 0;
  if (argc === 3) count = lists.pushOne(ref, atHead, bytes, argStart[2], argLength[2]);
  else {
    let added = 0;
    for (let index = 2; index < argc; index++) added += argLength[index];
    lists.prepareGrowth(ref, added, argc - 2);
    for (let index = 2; index < argc; index++) {
      lists.push(ref, atHead, bytes, argStart[index], argLength[index]);
    }
    count = lists.count(ref);
    call.context.keyspace.dirty += argc - 3;
  }
  touched(call, 1);
  call.notify(NOTIFY_LIST, atHead ? 'lpush' : 'rpush', 1);
  call.reply.integer(count);
}

/** An empty list under the key in word `index`; 0 when that is no key, which was answered. */
export function createList(call: Call, index: number): number {
  const length = call.argLength[index];
  if (length > KEY_BYTES_MAX) {
    call.reply.error(errors.KEY_TOO_LONG);
    return 0;
  }
  const root = listsOf(call).createRoot();
  const start = call.argStart[index];
  return call.database.addValue(call.bytes, start, length, TYPE_LIST, ENCODING_LISTPACK, root);
}

function pop(call: Call, atHead: boolean): void {
  if (call.argc > 3) {
    call.reply.error(errors.wrongArity(call.entry.name));
    return;
  }
  let count = 1;
  if (call.argc === 3) {
    count = readAtLeast(call, 2, 0, NOT_POSITIVE);
    if (Number.isNaN(count)) return;
  }
  const ref = findValue(call, 1, TYPE_LIST);
  if (ref < 0) return;
  if (ref === 0) {
    if (call.argc === 3) call.reply.nullArray();
    else call.reply.nullBulk();
    return;
  }
  if (call.argc === 2) popOne(call, 1, ref, atHead);
  else if (count === 0) call.reply.array(0);
  else popRange(call, 1, ref, atHead, count);
}

/** Answers and removes the element at one end; `index` is the key's word. */
export function popOne(call: Call, index: number, ref: number, atHead: boolean): void {
  const lists = listsOf(call);
  const element = lists.readEnd(ref, atHead);
  call.reply.bulkRange(element.bytes, element.start, element.end);
  call.database.beforeChange(ref);
  const left = lists.dropEnd(ref, atHead);
  call.notify(NOTIFY_LIST, atHead ? 'lpop' : 'rpop', index);
  if (left === 0) removeIfEmpty(call, index, ref, 0);
  else {
    lists.shrink(ref);
    touched(call, index);
  }
}

/** Answers and removes up to `most` elements from one end as an array; how many there were. */
export function popRange(call: Call, index: number, ref: number, atHead: boolean, most: number): number {
  const lists = listsOf(call);
  const elements = lists.count(ref);
  const count = Math.min(elements, most);
  writeRange(call, ref, atHead ? 0 : elements - 1, count, atHead);
  call.database.beforeChange(ref);
  lists.deleteRange(ref, atHead ? 0 : elements - count, count);
  call.notify(NOTIFY_LIST, atHead ? 'lpop' : 'rpop', index);
  endRemoval(call, index, ref, count);
  return count;
}

/** After elements went: the empty list goes too, a smaller one may be converted; counts the changes. */
export function endRemoval(call: Call, index: number, ref: number, removed: number): void {
  const lists = listsOf(call);
  if (lists.count(ref) === 0) removeIfEmpty(call, index, ref, 0);
  else {
    lists.shrink(ref);
    touched(call, index);
  }
  call.context.keyspace.dirty += removed - 1;
}
