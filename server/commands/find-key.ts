/** How commands on keys of any type come to them. */
import { NOTIFY_KEY_MISS } from '../keyspace/events.ts';
import type { Call } from './call.ts';

/** The live record of the key in word `index` for a change, 0 when there is none. */
export function findKey(call: Call, index: number): number {
  return call.database.find(call.bytes, call.argStart[index], call.argLength[index]);
}

/** Like `findKey` for a read that leaves the access clock alone: hit or miss is counted. */
export function peekKey(call: Call, index: number): number {
  const ref = findKey(call, index);
  const { stats } = call.context.keyspace;
  if (ref !== 0) stats.keyspaceHits++;
  else {
    stats.keyspaceMisses++;
    call.notify(NOTIFY_KEY_MISS, 'keymiss', index);
  }
  return ref;
}

/** A copy of a record's key, null when it has expired (which deletes it on a primary). */
export function liveKey(call: Call, ref: number): Buffer | null {
  const { keyspace } = call.context;
  const { records } = keyspace;
  const key = keyOf(call, ref);
  const expiresAtMs = records.expiresAtMs(ref);
  if (expiresAtMs < 0 || expiresAtMs > keyspace.nowMs || keyspace.seesExpired) return key;
  call.database.find(key, 0, key.length);
  return null;
}

/** A copy of a record's key. */
export function keyOf(call: Call, ref: number): Buffer {
  const { records } = call.context.keyspace;
  const start = records.keyStart(ref);
  return Buffer.from(records.segment(ref).subarray(start, start + records.keyLength(ref)));
}
