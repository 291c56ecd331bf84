/** How commands come to the value of a key that has a type. */
import { NOTIFY_GENERIC } from '../keyspace/events.ts';
import type { Call } from './call.ts';
import { WRONG_TYPE } from './errors.ts';

/** In place of a ref: the key holds another type, and the client was told. */
export const WRONG = -1;

/**
 * The record of the key in word `index`, 0 when there is none, WRONG when it is of another type. Counts hit
 * or miss and refreshes the access clock.
 */
export function readValue(call: Call, index: number, type: number): number {
  const ref = call.database.read(call.bytes, call.argStart[index], call.argLength[index]);
  return ref === 0 ? 0 : checked(call, ref, type);
}

/** Like `readValue`, for a command that will change the value: neither hit nor miss. */
export function findValue(call: Call, index: number, type: number): number {
  const ref = call.database.find(call.bytes, call.argStart[index], call.argLength[index]);
  return ref === 0 ? 0 : checked(call, ref, type);
}

function checked(call: Call, ref: number, type: number): number {
  if (call.context.keyspace.records.type(ref) === type) return ref;
  call.reply.error(WRONG_TYPE);
  return WRONG;
}

/**
 * Word `index` and every `step`th after it are keys: has the memory of the next ones read. Returns the word
 * from which on to ask again.
 */
export function readKeysAhead(call: Call, index: number, step: number): number {
  const { keyTouch } = call.context.keyspace;
  return keyTouch.read(call.database, call.bytes, call.argStart, call.argLength, index, call.argc, step);
}

/** Counts a change of the key in word `index` and breaks the WATCH of others. */
export function touched(call: Call, index: number): void {
  const { keyspace } = call.context;
  keyspace.changed(call.database.index, call.bytes, call.argStart[index], call.argLength[index]);
}

/**
 * After a removal: deletes the key in word `index` when its value has no elements left; true when it did.
 * `ref` must be what the key's record is now.
 */
export function removeIfEmpty(call: Call, index: number, ref: number, count: number): boolean {
  if (count !== 0) {
    call.context.keyspace.values.shrink(ref);
    return false;
  }
  const { database } = call;
  if (database.findAny(call.bytes, call.argStart[index], call.argLength[index]) !== ref)
    throw new Error('an emptied value is not the one its key names');
  database.removeFound(ref);
  call.notify(NOTIFY_GENERIC, 'del', index);
  return true;
}
