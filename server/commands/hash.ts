/** Hash commands on fields and whole hashes. */
import { NOTIFY_HASH } from '../keyspace/events.ts';
import { TYPE_HASH } from '../structures/record.ts';
import { FIELD_NEW, FIELD_UPDATED, FIELD_WAS_EXPIRED, NO_FIELD_EXPIRY } from '../values/hash.ts';
import type { Call } from './call.ts';
import { wrongArity } from './errors.ts';
import {
  changedBy,
  checkFields,
  createHash,
  endRemoval,
  hashesOf,
  noteExpired,
  setField,
  writeValue,
} from './hash-access.ts';
import { lateArray, lateMap } from './late-head.ts';
import { DENYOOM, FAST, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';
import { scanHash } from './scan-elements.ts';
import { writeElement } from './set-access.ts';
import { findValue, readValue, WRONG } from './value-access.ts';

const ANY_ORDER = { tips: ['nondeterministic_output_order'] } as const;

// biome-ignore format: a table, one command a row
export const hashCommands: readonly Row[] = [
  // name     arity flags                   keys     since    run       summary
  ['HDEL',    -3,   WRITE | FAST,           ONE_KEY, '2.0.0', hdel,     'Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain.'],
  ['HEXISTS', 3,    READONLY | FAST,        ONE_KEY, '2.0.0', hexists,  'Determines whether a field exists in a hash.'],
  ['HGET',    3,    READONLY | FAST,        ONE_KEY, '2.0.0', hget,     'Returns the value of a field in a hash.'],
  ['HGETALL', 2,    READONLY,               ONE_KEY, '2.0.0', hgetall,  'Returns all fields and values in a hash.', ANY_ORDER],
  ['HKEYS',   2,    READONLY,               ONE_KEY, '2.0.0', hkeys,    'Returns all fields in a hash.', ANY_ORDER],
  ['HLEN',    2,    READONLY | FAST,        ONE_KEY, '2.0.0', hlen,     'Returns the number of fields in a hash.'],
  ['HMGET',   -3,   READONLY | FAST,        ONE_KEY, '2.0.0', hmget,    'Returns the values of all fields in a hash.'],
  ['HMSET',   -4,   WRITE | DENYOOM | FAST, ONE_KEY, '2.0.0', hmset,    'Sets the values of multiple fields.'],
  ['HSCAN',   -3,   READONLY,               ONE_KEY, '2.8.0', scanHash, 'Iterates over fields and values of a hash.', { tips: ['nondeterministic_output'] }],
  ['HSET',    -4,   WRITE | DENYOOM | FAST, ONE_KEY, '2.0.0', hset,     'Creates or modifies the value of a field in a hash.'],
  ['HSETNX',  4,    WRITE | DENYOOM | FAST, ONE_KEY, '2.0.0', hsetnx,   'Sets the value of a field in a hash only when the field doesn\'t exist.'],
  ['HSTRLEN', 3,    READONLY | FAST,        ONE_KEY, '3.2.0', hstrlen,  'Returns the length of the value of a field.'],
  ['HVALS',   2,    READONLY,               ONE_KEY, '2.0.0', hvals,    'Returns all values in a hash.', ANY_ORDER],
];

function hdel(call: Call): void {
  const ref = findValue(call, 1, TYPE_HASH);
  if (ref === WRONG) return;
  let removed = 0;
  if (ref !== 0) {
    const hashes = hashesOf(call);
    call.database.beforeChange(ref);
    for (let index = 2; index < call.argc; index++) {
      if (!hashes.delete(ref, call.bytes, call.argStart[index], call.argLength[index])) continue;
      removed++;
      if (hashes.count(ref) === 0) break;
    }
    if (removed !== 0) endRemoval(call, ref, removed, 'hdel');
  }
  call.reply.integer(removed);
}

function hexists(call: Call): void {
  const ref = readValue(call, 1, TYPE_HASH);
  if (ref !== WRONG) call.reply.integer(ref !== 0 && hasField(call, ref, 2) ? 1 : 0);
}

function hget(call: Call): void {
  const ref = readValue(call, 1, TYPE_HASH);
  if (ref !== WRONG) writeField(call, ref, 2);
}

function hgetall(call: Call): void {
  const ref = readValue(call, 1, TYPE_HASH);
  if (ref === WRONG) return;
  const { reply } = call;
  if (ref === 0) {
    reply.map(0);
    return;
  }
  const hashes = hashesOf(call);
  const entry = openReading(call, ref);
  const at = reply.at;
  const late = hashes.expiring(ref) !== 0;
  if (!late) reply.map(hashes.count(ref));
  let count = 0;
  for (; entry.next(); count++) {
    writeElement(reply, entry.field);
    writeValue(reply, entry);
  }
  if (late) lateMap(reply, at, count);
}

function hkeys(call: Call): void {
  writeAll(call, true);
}

function hlen(call: Call): void {
  const ref = readValue(call, 1, TYPE_HASH);
  if (ref !== WRONG) call.reply.integer(ref === 0 ? 0 : hashesOf(call).count(ref));
}

function hmget(call: Call): void {
  const ref = readValue(call, 1, TYPE_HASH);
  if (ref === WRONG) return;
  call.reply.array(call.argc - 2);
  for (let index = 2; index < call.argc; index++) writeField(call, ref, index);
}

function hmset(call: Call): void {
  if (setPairs(call) >= 0) call.reply.ok();
}

function hset(call: Call): void {
  const created = setPairs(call);
  if (created >= 0) call.reply.integer(created);
}

function hsetnx(call: Call): void {
  let ref = findValue(call, 1, TYPE_HASH);
  if (ref === WRONG) return;
  if (ref !== 0 && hasField(call, ref, 2)) {
    call.reply.integer(0);
    return;
  }
  if (!checkFields(call, 2, 2)) return;
  if (ref === 0) ref = createHash(call);
  else call.database.beforeChange(ref);
  // A replica may still see a field that has ended here.
  if (hashesOf(call).expiring(ref) !== 0) {
    call.propagateAs(['HSET', call.copy(1), call.copy(2), call.copy(3)]);
  }
  const answer = setField(call, ref, 2, 3, NO_FIELD_EXPIRY);
  changedBy(call, ref, 1);
  noteExpired(call, answer === FIELD_WAS_EXPIRED ? 1 : 0);
  call.notify(NOTIFY_HASH, 'hset', 1);
  call.reply.integer(1);
}

function hstrlen(call: Call): void {
  const ref = readValue(call, 1, TYPE_HASH);
  if (ref === WRONG) return;
  call.reply.integer(ref !== 0 && getField(call, ref, 2) ? hashesOf(call).reading.valueLength() : 0);
}

function hvals(call: Call): void {
  writeAll(call, false);
}

// --- what the commands share

function hasField(call: Call, ref: number, index: number): boolean {
  return hashesOf(call).has(ref, call.bytes, call.argStart[index], call.argLength[index]);
}

/** Reads the value of the field in word `index` into `hashes.reading`. */
function getField(call: Call, ref: number, index: number): boolean {
  const hashes = hashesOf(call);
  return hashes.get(ref, call.bytes, call.argStart[index], call.argLength[index], hashes.reading);
}

function writeField(call: Call, ref: number, index: number): void {
  if (ref !== 0 && getField(call, ref, index)) writeValue(call.reply, hashesOf(call).reading);
  else call.reply.nullBulk();
}

function openReading(call: Call, ref: number): ReturnType<typeof hashesOf>['reading'] {
  const { records } = call.context.keyspace;
  const entry = hashesOf(call).reading;
  entry.open(records.encoding(ref), records.root(ref));
  return entry;
}

function writeAll(call: Call, fields: boolean): void {
  const ref = readValue(call, 1, TYPE_HASH);
  if (ref === WRONG) return;
  const { reply } = call;
  if (ref === 0) {
    reply.array(0);
    return;
  }
  const entry = openReading(call, ref);
  const at = reply.at;
  const late = hashesOf(call).expiring(ref) !== 0;
  if (!late) reply.array(hashesOf(call).count(ref));
  let count = 0;
  for (; entry.next(); count++) {
    if (fields) writeElement(reply, entry.field);
    else writeValue(reply, entry);
  }
  if (late) lateArray(reply, at, count);
}

/** Sets the pairs from word 2 on; the number of new fields, -1 after an error. */
function setPairs(call: Call): number {
  const { argc } = call;
  if ((argc & 1) === 1) {
    call.reply.error(wrongArity(call.entry.name));
    return -1;
  }
  let ref = findValue(call, 1, TYPE_HASH);
  if (ref === WRONG || !checkFields(call, 2, 2)) return -1;
  if (ref === 0) ref = createHash(call);
  else call.database.beforeChange(ref);
  if (argc > 4) expectPairs(call, ref);
  let created = 0;
  let expired = 0;
  for (let index = 2; index < argc; index += 2) {
    const answer = setField(call, ref, index, index + 1, NO_FIELD_EXPIRY);
    if (answer !== FIELD_UPDATED) created++;
    if (answer !== FIELD_UPDATED && answer !== FIELD_NEW) expired++;
  }
  changedBy(call, ref, (argc - 2) >> 1);
  if (expired !== 0) noteExpired(call, expired);
  call.notify(NOTIFY_HASH, 'hset', 1);
  return created;
}

function expectPairs(call: Call, ref: number): void {
  let longest = 0;
  let bytes = 0;
  for (let index = 2; index < call.argc; index++) {
    longest = Math.max(longest, call.argLength[index]);
    bytes += call.argLength[index];
  }
  hashesOf(call).expectFields(ref, (call.argc - 2) >> 1, longest, bytes);
}
