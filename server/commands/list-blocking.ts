/** List commands that wait for an element. They are propagated as what they did in the end. */
import { TYPE_LIST } from '../structures/record.ts';
import type { Reply } from '../wire/reply.ts';
import { blockForKeys, parseTimeout } from './blocking.ts';
import type { Call } from './call.ts';
import { popOne } from './list.ts';
import { LEFT, NO_SIDE, RIGHT, readSide } from './list-arguments.ts';
import { LIST_ENDS, moveElement, popFirstFound } from './list-moving.ts';
import { countedKeys, readPopRequest } from './pop-request.ts';
import { BLOCKING, DENYOOM, MOVABLE_KEYS, NO_KEY, type Row, TWO_KEYS, WRITE } from './row.ts';
import { findValue, WRONG } from './value-access.ts';

/** All words but the last, the timeout. */
const KEYS_THEN_TIMEOUT = [1, -2, 1] as const;

// biome-ignore format: a table, one command a row
export const listBlockingCommands: readonly Row[] = [
  // name        arity flags                            keys               since    run         summary
  ['BLMOVE',     6,    WRITE | DENYOOM | BLOCKING,      TWO_KEYS,          '6.2.0', blmove,     'Pops an element from a list, pushes it to another list and returns it. Blocks until an element is available otherwise. Deletes the list if the last element was moved.'],
  ['BLMPOP',     -5,   WRITE | BLOCKING | MOVABLE_KEYS, NO_KEY,            '7.0.0', blmpop,     'Pops the first element from one of multiple lists. Blocks until an element is available otherwise. Deletes the list if the last element was popped.', { keys: (call) => countedKeys(call, 2) }],
  ['BLPOP',      -3,   WRITE | BLOCKING,                KEYS_THEN_TIMEOUT, '2.0.0', blpop,      'Removes and returns the first element in a list. Blocks until an element is available otherwise. Deletes the list if the last element was popped.'],
  ['BRPOP',      -3,   WRITE | BLOCKING,                KEYS_THEN_TIMEOUT, '2.0.0', brpop,      'Removes and returns the last element in a list. Blocks until an element is available otherwise. Deletes the list if the last element was popped.'],
  ['BRPOPLPUSH', 4,    WRITE | DENYOOM | BLOCKING,      TWO_KEYS,          '2.2.0', brpoplpush, 'Pops an element from a list, pushes it to another list and returns it. Block until an element is available otherwise. Deletes the list if the last element was popped.'],
];

const nullArray = (reply: Reply): void => reply.nullArray();

function blmove(call: Call): void {
  const from = readSide(call, 3);
  if (from === NO_SIDE) return;
  const to = readSide(call, 4);
  if (to === NO_SIDE) return;
  const timeoutMs = parseTimeout(call, 5);
  if (timeoutMs < 0 || !moveOrBlock(call, from, to, timeoutMs)) return;
  call.propagateAs(['LMOVE', call.copy(1), call.copy(2), call.copy(3), call.copy(4)]);
}

function blmpop(call: Call): void {
  const request = readPopRequest(call, 2, LIST_ENDS);
  if (request === null) return;
  const timeoutMs = parseTimeout(call, 1);
  if (timeoutMs < 0 || popFirstFound(call, request)) return;
  const { firstKey, keyCount } = request;
  blockForKeys(call, { firstKey, keyCount, type: TYPE_LIST, timeoutMs, onTimeout: nullArray });
}

function blpop(call: Call): void {
  blockingPop(call, true);
}

function brpop(call: Call): void {
  blockingPop(call, false);
}

function brpoplpush(call: Call): void {
  const timeoutMs = parseTimeout(call, 3);
  if (timeoutMs < 0 || !moveOrBlock(call, RIGHT, LEFT, timeoutMs)) return;
  call.propagateAs(['RPOPLPUSH', call.copy(1), call.copy(2)]);
}

// --- what the commands share

function blockingPop(call: Call, atHead: boolean): void {
  const timeoutMs = parseTimeout(call, call.argc - 1);
  if (timeoutMs < 0) return;
  const keyCount = call.argc - 2;
  for (let index = 1; index <= keyCount; index++) {
    const ref = findValue(call, index, TYPE_LIST);
    if (ref === WRONG) return;
    if (ref === 0) continue;
    const start = call.argStart[index];
    call.reply.array(2);
    call.reply.bulkRange(call.bytes, start, start + call.argLength[index]);
    popOne(call, index, ref, atHead);
    call.propagateAs([atHead ? 'LPOP' : 'RPOP', call.copy(index)]);
    return;
  }
  blockForKeys(call, { firstKey: 1, keyCount, type: TYPE_LIST, timeoutMs, onTimeout: nullArray });
}

/** True when an element was moved. */
function moveOrBlock(call: Call, from: number, to: number, timeoutMs: number): boolean {
  const source = findValue(call, 1, TYPE_LIST);
  if (source === WRONG) return false;
  if (source !== 0) return moveElement(call, source, from, to);
  if (call.mayBlock) {
    blockForKeys(call, { firstKey: 1, keyCount: 1, type: TYPE_LIST, timeoutMs, onTimeout: nullArray });
  } else call.reply.nullBulk();
  return false;
}
