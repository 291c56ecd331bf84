/** What is propagated of a change in a consumer group: commands that repeat it whatever the moment. */
import type { StreamId } from '../structures/stream-id.ts';
import { StreamId as Id } from '../structures/stream-id.ts';
import * as layoutWords from '../values/stream-layout.ts';
import type { Call } from './call.ts';
import { streamsOf } from './stream-arguments.ts';

/** A change of a group: the words that name key and group, and the group's record. */
export interface GroupChange {
  readonly call: Call;
  readonly keyWord: number;
  readonly groupWord: number;
  readonly group: number;
}

const lastId = new Id();

function word(call: Call, index: number): Uint8Array {
  const start = call.argStart[index];
  return call.bytes.subarray(start, start + call.argLength[index]);
}

function groupLastId(change: GroupChange): string {
  streamsOf(change.call).layout.readId(change.group, layoutWords.GROUP_LAST_ID, lastId);
  return lastId.toString();
}

/** The pending entry as it is now belongs to its consumer. */
export function propagateClaim(change: GroupChange, id: StreamId, pending: number): void {
  const { call, keyWord, groupWord } = change;
  if (!call.context.propagation.active) return;
  const { layout } = streamsOf(call);
  call.propagateAs([
    ...['XCLAIM', word(call, keyWord), word(call, groupWord)],
    ...[layout.name(layout.owner(pending), layoutWords.CONSUMER_NAME), '0', id.toString()],
    ...['TIME', String(layout.deliveredMs(pending)), 'RETRYCOUNT', String(layout.deliveries(pending))],
    ...['FORCE', 'JUSTID', 'LASTID', groupLastId(change)],
  ]);
}

/** The group has been given entries that are not pending. */
export function propagateGroupId(change: GroupChange): void {
  const { call, keyWord, groupWord, group } = change;
  if (!call.context.propagation.active) return;
  const read = streamsOf(call).layout.number(group, layoutWords.GROUP_READ);
  call.propagateAs([
    ...['XGROUP', 'SETID', word(call, keyWord), word(call, groupWord), groupLastId(change)],
    ...['ENTRIESREAD', String(read)],
  ]);
}

/** A consumer was made that nothing else names. */
export function propagateConsumer(change: GroupChange, consumerWord: number): void {
  const { call, keyWord, groupWord } = change;
  if (!call.context.propagation.active) return;
  const name = word(call, consumerWord);
  call.propagateAs(['XGROUP', 'CREATECONSUMER', word(call, keyWord), word(call, groupWord), name]);
}
