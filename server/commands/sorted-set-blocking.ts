/** Sorted set commands that wait for a member. They are propagated as what they did in the end. */
import { TYPE_ZSET } from '../structures/record.ts';
import type { Reply } from '../wire/reply.ts';
import { blockForKeys, parseTimeout } from './blocking.ts';
import type { Call } from './call.ts';
import { countedKeys, readPopRequest } from './pop-request.ts';
import { BLOCKING, FAST, MOVABLE_KEYS, NO_KEY, type Row, WRITE } from './row.ts';
import { popElements, popFirstFound, SORTED_SET_ENDS } from './sorted-set-pop.ts';
import { findValue, WRONG } from './value-access.ts';

/** All words but the last, the timeout. */
const KEYS_THEN_TIMEOUT = [1, -2, 1] as const;

// biome-ignore format: a table, one command a row
export const sortedSetBlockingCommands: readonly Row[] = [
  // name      arity flags                            keys               since    run       summary
  ['BZMPOP',   -5,   WRITE | BLOCKING | MOVABLE_KEYS, NO_KEY,            '7.0.0', bzmpop,   'Removes and returns a member by score from one or more sorted sets. Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.', { keys: (call) => countedKeys(call, 2) }],
  ['BZPOPMAX', -3,   WRITE | BLOCKING | FAST,         KEYS_THEN_TIMEOUT, '5.0.0', bzpopmax, 'Removes and returns the member with the highest score from one or more sorted sets. Blocks until a member available otherwise.  Deletes the sorted set if the last element was popped.'],
  ['BZPOPMIN', -3,   WRITE | BLOCKING | FAST,         KEYS_THEN_TIMEOUT, '5.0.0', bzpopmin, 'Removes and returns the member with the lowest score from one or more sorted sets. Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.'],
];

const nullArray = (reply: Reply): void => reply.nullArray();

function bzmpop(call: Call): void {
  const request = readPopRequest(call, 2, SORTED_SET_ENDS);
  if (request === null) return;
  const timeoutMs = parseTimeout(call, 1);
  if (timeoutMs < 0 || popFirstFound(call, request)) return;
  const { firstKey, keyCount } = request;
  blockForKeys(call, { firstKey, keyCount, type: TYPE_ZSET, timeoutMs, onTimeout: nullArray });
}

function bzpopmax(call: Call): void {
  blockingPop(call, true);
}

function bzpopmin(call: Call): void {
  blockingPop(call, false);
}

function blockingPop(call: Call, highest: boolean): void {
  const timeoutMs = parseTimeout(call, call.argc - 1);
  if (timeoutMs < 0) return;
  const keyCount = call.argc - 2;
  for (let index = 1; index <= keyCount; index++) {
    const ref = findValue(call, index, TYPE_ZSET);
    if (ref === WRONG) return;
    if (ref === 0) continue;
    const start = call.argStart[index];
    call.reply.array(3);
    call.reply.bulkRange(call.bytes, start, start + call.argLength[index]);
    popElements(call, index, ref, highest, 1, false);
    call.propagateAs([highest ? 'ZPOPMAX' : 'ZPOPMIN', call.copy(index)]);
    return;
  }
  blockForKeys(call, { firstKey: 1, keyCount, type: TYPE_ZSET, timeoutMs, onTimeout: nullArray });
}
