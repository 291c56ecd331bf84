/** What the commands on hashes share: reaching one, making one, answering values, counting changes. */
import { NOTIFY_HASH } from '../keyspace/events.ts';
import { ENCODING_LISTPACK, KEY_BYTES_MAX, TYPE_HASH } from '../structures/record.ts';
import type { Hashes } from '../values/hash.ts';
import type { HashEntry } from '../values/hash-cursor.ts';
import type { Reply } from '../wire/reply.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { writeElement } from './set-access.ts';
import { removeIfEmpty, touched } from './value-access.ts';

/** The hashes of this server. */
export function hashesOf(call: Call): Hashes {
  return call.context.keyspace.values.hashes;
}

/** False after answering that a key or every second word from `from` on, a field, is too long. */
export function checkFields(call: Call, from: number, step: number): boolean {
  for (let index = from; index < call.argc; index += step) {
    if (call.argLength[index] > KEY_BYTES_MAX) return refuse(call);
  }
  return call.argLength[1] <= KEY_BYTES_MAX || refuse(call);
}

function refuse(call: Call): false {
  call.reply.error(errors.KEY_TOO_LONG);
  return false;
}

/** Makes the absent key in word 1 an empty hash. */
export function createHash(call: Call): number {
  const root = hashesOf(call).newRoot();
  const { bytes } = call;
  return call.database.addValue(
    bytes,
    call.argStart[1],
    call.argLength[1],
    TYPE_HASH,
    ENCODING_LISTPACK,
    root,
  );
}

/** Sets the field in word `field` to the value in word `value`; answers FIELD_… of values/hash.ts. */
export function setField(call: Call, ref: number, field: number, value: number, expiresAtMs: number): number {
  return hashesOf(call).set(
    ref,
    call.bytes,
    call.argStart[field],
    call.argLength[field],
    call.bytes,
    call.argStart[value],
    call.argLength[value],
    expiresAtMs,
  );
}

/** Answers a field's value as a bulk string. */
export function writeValue(reply: Reply, entry: HashEntry): void {
  if (!entry.chunked) {
    writeElement(reply, entry.value);
    return;
  }
  const length = entry.valueLength();
  reply.bulkHead(length);
  entry.writeValue(reply.buffer, reply.at);
  reply.at += length;
  reply.crlf();
}

/** Counts `changes` changes of the hash at `ref`, the key in word 1. */
export function changedBy(call: Call, ref: number, changes: number): void {
  call.database.fields.look(ref);
  touched(call, 1);
  call.context.keyspace.dirty += changes - 1;
}

/** After fields that had ended were written over: they count as expired, as if they had been found. */
export function noteExpired(call: Call, fields: number): void {
  if (fields === 0) return;
  call.context.keyspace.stats.expiredFields += fields;
  call.notify(NOTIFY_HASH, 'hexpired', 1);
}

/** After `removed` fields went from the hash at `ref`: event, key if it is empty, count of changes. */
export function endRemoval(call: Call, ref: number, removed: number, event: string): void {
  call.notify(NOTIFY_HASH, event, 1);
  if (removeIfEmpty(call, 1, ref, hashesOf(call).count(ref))) call.context.keyspace.dirty += removed - 1;
  else changedBy(call, ref, removed);
}
