/** What the commands on sets share: reaching one, making one, answering members, storing results. */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_GENERIC, NOTIFY_SET } from '../keyspace/events.ts';
import { KEY_BYTES_MAX, TYPE_SET } from '../structures/record.ts';
import type { ElementText } from '../values/element-text.ts';
import type { Sets, SetValue } from '../values/set.ts';
import type { Reply } from '../wire/reply.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { removeIfEmpty, touched } from './value-access.ts';

/** The sets of this server. */
export function setsOf(call: Call): Sets {
  return call.context.keyspace.values.sets;
}

/** False after answering that one of the words `from` to `to` is too long to be a key or member. */
export function checkNames(call: Call, from: number, to: number): boolean {
  for (let index = from; index <= to; index++) {
    if (call.argLength[index] <= KEY_BYTES_MAX) continue;
    call.reply.error(errors.KEY_TOO_LONG);
    return false;
  }
  return true;
}

/**
 * Makes the absent key in word `index` an empty set that will get the member in word `member` and about
 * `sizeHint` in all.
 */
export function createSet(call: Call, index: number, member: number, sizeHint: number): number {
  const sets = setsOf(call);
  const { bytes } = call;
  const encoding = sets.encodingFor(bytes, call.argStart[member], call.argLength[member], sizeHint);
  const root = sets.newRoot(encoding);
  return call.database.addValue(bytes, call.argStart[index], call.argLength[index], TYPE_SET, encoding, root);
}

/** Answers an element as a bulk string. */
export function writeElement(reply: Reply, element: ElementText): void {
  element.asText();
  reply.bulkRange(element.bytes, element.start, element.start + element.length);
}

/** Counts `changes` changes of the key in word `index`. */
export function changedBy(call: Call, index: number, changes: number): void {
  touched(call, index);
  call.context.keyspace.dirty += changes - 1;
}

/** After `removed` members went from the set at `ref`: event, key if it is empty, count of changes. */
export function endRemoval(call: Call, index: number, ref: number, removed: number, event: string): void {
  call.notify(NOTIFY_SET, event, index);
  if (removeIfEmpty(call, index, ref, setsOf(call).count(ref))) call.context.keyspace.dirty += removed - 1;
  else changedBy(call, index, removed);
}

/**
 * A result in place of what the key in word `index` holds; an empty one deletes the key. Answers its size.
 */
export function storeSet(call: Call, index: number, result: SetValue, event: string): void {
  const { database, reply } = call;
  const start = call.argStart[index];
  const length = call.argLength[index];
  const sets = setsOf(call);
  const count = sets.countOf(result.encoding, result.root);
  if (count === 0) {
    sets.release(result.encoding, result.root);
    if (database.remove(call.bytes, start, length)) call.notify(NOTIFY_GENERIC, 'del', index);
    reply.integer(0);
    return;
  }
  database.putValue(call.bytes, start, length, TYPE_SET, result.encoding, result.root, NO_EXPIRY);
  touched(call, index);
  call.notify(NOTIFY_SET, event, index);
  reply.integer(count);
}
