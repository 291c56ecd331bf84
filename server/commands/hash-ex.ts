/** Fields read and written together with their expiry: HGETDEL, HGETEX, HSETEX. */
import { NOTIFY_HASH } from '../keyspace/events.ts';
import { TYPE_HASH } from '../structures/record.ts';
import { FIELD_WAS_EXPIRED, KEEP_FIELD_EXPIRY, NO_FIELD_EXPIRY } from '../values/hash.ts';
import type { Call } from './call.ts';
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
import { endExpiring } from './hash-expiry.ts';
import {
  type FieldOptions,
  fieldsToChange,
  firstField,
  readFieldExpiry,
  readFieldOptions,
} from './hash-expiry-arguments.ts';
import { DENYOOM, FAST, ONE_KEY, type Row, WRITE } from './row.ts';
import { isOver } from './string-access.ts';
import { findValue, readValue, removeIfEmpty, WRONG } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const hashExCommands: readonly Row[] = [
  // name     arity flags                   keys     since    run      summary
  ['HGETDEL', -5,   WRITE | FAST,           ONE_KEY, '8.0.0', hgetdel, 'Returns the values of one or more fields and deletes them from the hash.'],
  ['HGETEX',  -5,   WRITE | FAST,           ONE_KEY, '8.0.0', hgetex,  'Returns the values of one or more fields and optionally sets their expiration time.'],
  ['HSETEX',  -6,   WRITE | DENYOOM | FAST, ONE_KEY, '8.0.0', hsetex,  'Sets the values of one or more fields and optionally their expiration time.'],
];

function hgetdel(call: Call): void {
  const ref = fieldsToChange(call);
  if (ref === WRONG) return;
  const hashes = hashesOf(call);
  let removed = 0;
  call.reply.array(call.argc - 4);
  for (let index = 4; index < call.argc; index++) {
    if (!writeField(call, ref, index)) continue;
    hashes.delete(ref, call.bytes, call.argStart[index], call.argLength[index]);
    removed++;
  }
  if (removed === 0) return;
  call.propagateAs(['HDEL', call.copy(1), ...copies(call, 4)]);
  endRemoval(call, ref, removed, 'hdel');
}

function hgetex(call: Call): void {
  const first = firstField(call, 2, 1);
  if (first === 0) return;
  const options = readFieldOptions(call, first - 2, false);
  if (options === null) return;
  const expiresAtMs = readTime(call, options);
  if (Number.isNaN(expiresAtMs)) return;
  const ref = readValue(call, 1, TYPE_HASH);
  if (ref === WRONG) return;
  const hashes = hashesOf(call);
  const changes = options.persist || options.unit !== undefined;
  const over = options.unit !== undefined && isOver(call, expiresAtMs);
  if (ref !== 0 && changes) call.database.beforeChange(ref);
  const changed: number[] = [];
  call.reply.array(call.argc - first);
  for (let index = first; index < call.argc; index++) {
    if (!writeField(call, ref, index) || !changes) continue;
    const start = call.argStart[index];
    const length = call.argLength[index];
    if (options.persist && hashes.fieldExpiry(ref, call.bytes, start, length) < 0) continue;
    if (over) hashes.delete(ref, call.bytes, start, length);
    else hashes.setFieldExpiry(ref, call.bytes, start, length, expiresAtMs);
    changed.push(index);
  }
  if (changed.length === 0) return;
  if (!options.persist) {
    endExpiring(call, ref, changed, over ? -1 : expiresAtMs);
    return;
  }
  const names = changed.map((index) => call.copy(index));
  call.propagateAs(['HPERSIST', call.copy(1), 'FIELDS', String(names.length), ...names]);
  call.notify(NOTIFY_HASH, 'hpersist', 1);
  changedBy(call, ref, names.length);
}

function hsetex(call: Call): void {
  const first = firstField(call, 2, 2);
  if (first === 0) return;
  const options = readFieldOptions(call, first - 2, true);
  if (options === null) return;
  const found = findValue(call, 1, TYPE_HASH);
  if (found === WRONG) return;
  const expiresAtMs = readTime(call, options);
  if (Number.isNaN(expiresAtMs) || !checkFields(call, first, 2)) return;
  if (!conditionsHold(call, found, first, options)) {
    call.reply.integer(0);
    return;
  }
  if (options.unit !== undefined && isOver(call, expiresAtMs)) endAtOnce(call, found, first);
  else setFields(call, found, first, options, expiresAtMs);
  call.reply.integer(1);
}

// --- what the commands share

/** Answers the value of the field in word `index`, or null; true when it is there. */
function writeField(call: Call, ref: number, index: number): boolean {
  const hashes = hashesOf(call);
  const entry = hashes.reading;
  const start = call.argStart[index];
  if (ref === 0 || !hashes.get(ref, call.bytes, start, call.argLength[index], entry)) {
    call.reply.nullBulk();
    return false;
  }
  writeValue(call.reply, entry);
  return true;
}

function copies(call: Call, from: number): Buffer[] {
  const words: Buffer[] = [];
  for (let index = from; index < call.argc; index++) words.push(call.copy(index));
  return words;
}

/** Unix ms, NO_FIELD_EXPIRY without a time; NaN after an error. */
function readTime(call: Call, options: FieldOptions): number {
  return options.unit === undefined ? NO_FIELD_EXPIRY : readFieldExpiry(call, options.time, options.unit);
}

function conditionsHold(call: Call, ref: number, first: number, options: FieldOptions): boolean {
  if (options.condition === 'nx' && ref !== 0) return false;
  if (options.condition === 'xx' && ref === 0) return false;
  if (options.fieldCondition === '') return true;
  const wanted = options.fieldCondition === 'fxx';
  for (let index = first; index < call.argc; index += 2) {
    const there =
      ref !== 0 && hashesOf(call).has(ref, call.bytes, call.argStart[index], call.argLength[index]);
    if (there !== wanted) return false;
  }
  return true;
}

/** The time is over: fields that are there go, as if they had been set and ended. */
function endAtOnce(call: Call, ref: number, first: number): void {
  const { keyspace } = call.context;
  const hashes = hashesOf(call);
  const removed: Buffer[] = [];
  if (ref !== 0) call.database.beforeChange(ref);
  for (let index = first; index < call.argc; index += 2) {
    keyspace.stats.expiredFields++;
    if (ref === 0) continue;
    if (hashes.deleteAny(ref, call.bytes, call.argStart[index], call.argLength[index])) {
      removed.push(call.copy(index));
    }
  }
  call.notify(NOTIFY_HASH, 'hset', 1);
  call.notify(NOTIFY_HASH, 'hexpire', 1);
  call.notify(NOTIFY_HASH, 'hexpired', 1);
  call.propagateNothing();
  if (removed.length === 0) return;
  call.propagateAs(['HDEL', call.copy(1), ...removed]);
  if (removeIfEmpty(call, 1, ref, hashes.count(ref))) keyspace.dirty += removed.length - 1;
  else changedBy(call, ref, removed.length);
}

function setFields(call: Call, found: number, first: number, options: FieldOptions, time: number): void {
  let ref = found;
  if (ref === 0) ref = createHash(call);
  else call.database.beforeChange(ref);
  const expiresAtMs = options.keepExpiry ? KEEP_FIELD_EXPIRY : time;
  const expired: Buffer[] = [];
  for (let index = first; index < call.argc; index += 2) {
    const answer = setField(call, ref, index, index + 1, expiresAtMs);
    if (answer === FIELD_WAS_EXPIRED) expired.push(call.copy(index));
  }
  // A replica would keep the expiry of a field that had ended here.
  if (options.keepExpiry && expired.length !== 0) call.propagateAs(['HDEL', call.copy(1), ...expired]);
  const words: (string | Uint8Array)[] = ['HSETEX', call.copy(1)];
  if (options.keepExpiry) words.push('KEEPTTL');
  else if (options.unit !== undefined) words.push('PXAT', BigInt(time).toString());
  words.push('FIELDS', String((call.argc - first) / 2), ...copies(call, first));
  call.propagateAs(words);
  changedBy(call, ref, (call.argc - first) / 2);
  noteExpired(call, expired.length);
  call.notify(NOTIFY_HASH, 'hset', 1);
  if (options.unit === undefined) return;
  call.notify(NOTIFY_HASH, 'hexpire', 1);
  call.database.fields.noteAt(ref, time);
}
