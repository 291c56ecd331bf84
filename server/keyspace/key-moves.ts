/** Keys that change their name or their database without their value being copied. */
import { copyBytes, Records } from '../structures/record.ts';
import type { Database } from './database.ts';
import type { Keyspace } from './keyspace.ts';

/**
 * Moves the record that `from.find` just returned to another key, of the same or another database, in place
 * of what that holds. Expiry, access clock and value go with it; nobody is told of the change. The key's
 * bytes must not lie in the arena, and it must be short enough.
 */
export function moveKey(
  keyspace: Keyspace,
  from: Database,
  ref: number,
  to: Database,
  key: Uint8Array,
  start: number,
  length: number,
): void {
  const { arena, records } = keyspace;
  const expiresAtMs = records.expiresAtMs(ref);
  const tail = records.tailBytes(ref);
  const next = arena.allocate(Records.inlineBytes(length, tail, expiresAtMs >= 0));
  const first = records.type(ref) | (records.encoding(ref) << 4) | (records.accessClock(ref) << 8);
  records.writeHeader(
    next,
    first,
    keyspace.epoch,
    length,
    records.valueLength(ref),
    expiresAtMs,
    records.chunked(ref),
  );
  const keyAt = records.keyStart(next);
  copyBytes(key, start, start + length, records.segment(next), keyAt);
  const tailAt = records.valueStart(ref);
  from.takeFound(ref);
  // A running snapshot may have written the record on its way out; its bytes are still in place.
  copyBytes(records.segment(ref), tailAt, tailAt + tail, records.segment(next), keyAt + length);
  arena.free(ref);
  to.adopt(next, key, start, length);
}

/** Exchanges the content of two databases; transactions that watch a key of either must begin anew. */
export function swapDatabases(keyspace: Keyspace, left: number, right: number): void {
  const { databases } = keyspace;
  [databases[left], databases[right]] = [databases[right], databases[left]];
  databases[left].index = left;
  databases[right].index = right;
}
