/** List commands that take from one of several lists, or move an element from one list to another. */
import { NOTIFY_LIST } from '../keyspace/events.ts';
import { TYPE_LIST } from '../structures/record.ts';
import type { Call } from './call.ts';
import { createList, endRemoval, popRange } from './list.ts';
import { LEFT, listsOf, NO_SIDE, RIGHT, readSide } from './list-arguments.ts';
import { countedKeys, type PopRequest, readPopRequest } from './pop-request.ts';
import { DENYOOM, MOVABLE_KEYS, NO_KEY, type Row, TWO_KEYS, WRITE } from './row.ts';
import { findValue, touched, WRONG } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const listMovingCommands: readonly Row[] = [
  // name       arity flags                 keys      since    run        summary
  ['LMOVE',     5,    WRITE | DENYOOM,      TWO_KEYS, '6.2.0', lmove,     'Returns an element after popping it from one list and pushing it to another. Deletes the list if the last element was moved.'],
  ['LMPOP',     -4,   WRITE | MOVABLE_KEYS, NO_KEY,   '7.0.0', lmpop,     'Returns multiple elements from a list after removing them. Deletes the list if the last element was popped.', { keys: (call) => countedKeys(call, 1) }],
  ['RPOPLPUSH', 3,    WRITE | DENYOOM,      TWO_KEYS, '1.2.0', rpoplpush, 'Returns the last element of a list after removing and pushing it to another list. Deletes the list if the last element was popped.'],
];

function lmove(call: Call): void {
  const from = readSide(call, 3);
  if (from === NO_SIDE) return;
  const to = readSide(call, 4);
  if (to === NO_SIDE) return;
  moveFound(call, from, to);
}

function lmpop(call: Call): void {
  const request = readPopRequest(call, 1, LIST_ENDS);
  if (request === null) return;
  if (popFirstFound(call, request)) return;
  call.reply.nullArray();
}

function rpoplpush(call: Call): void {
  moveFound(call, RIGHT, LEFT);
}

function moveFound(call: Call, from: number, to: number): void {
  const source = findValue(call, 1, TYPE_LIST);
  if (source === WRONG) return;
  if (source === 0) call.reply.nullBulk();
  else moveElement(call, source, from, to);
}

// --- what the blocking forms share

/**
 * Moves an element of the list `source` (word 1) to the list in word 2 and answers it; false after an error.
 */
export function moveElement(call: Call, source: number, from: number, to: number): boolean {
  let target = findValue(call, 2, TYPE_LIST);
  if (target === WRONG) return false;
  if (target === 0) {
    target = createList(call, 2);
    if (target === 0) return false;
  } else call.database.beforeChange(target);
  const lists = listsOf(call);
  const { reply } = call;
  const element = lists.readEnd(source, from === LEFT);
  const length = element.end - element.start;
  reply.bulkRange(element.bytes, element.start, element.end);
  // From here on the reply holds the element's only copy outside the arena.
  const start = reply.at - 2 - length;
  call.database.beforeChange(source);
  lists.dropEnd(source, from === LEFT);
  lists.prepareGrowth(target, length, 1);
  lists.push(target, to === LEFT, reply.buffer, start, length);
  touched(call, 2);
  // The move is one change, which `endRemoval` counts.
  call.context.keyspace.dirty--;
  call.notify(NOTIFY_LIST, to === LEFT ? 'lpush' : 'rpush', 2);
  call.notify(NOTIFY_LIST, from === LEFT ? 'lpop' : 'rpop', 1);
  endRemoval(call, 1, source, 1);
  return true;
}

/** As LMPOP and BLMPOP name the ends. */
export const LIST_ENDS = ['LEFT', 'RIGHT'] as const;

/** Pops from the first list that is there and propagates it as LPOP or RPOP. False when there is none. */
export function popFirstFound(call: Call, request: PopRequest): boolean {
  const atHead = request.end === 0;
  for (let index = request.firstKey; index < request.firstKey + request.keyCount; index++) {
    const ref = findValue(call, index, TYPE_LIST);
    if (ref === WRONG) return true;
    if (ref === 0) continue;
    call.reply.array(2);
    const start = call.argStart[index];
    call.reply.bulkRange(call.bytes, start, start + call.argLength[index]);
    const popped = popRange(call, index, ref, atHead, request.count);
    call.propagateAs([atHead ? 'LPOP' : 'RPOP', call.copy(index), String(popped)]);
    return true;
  }
  return false;
}
