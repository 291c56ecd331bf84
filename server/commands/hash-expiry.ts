/** When fields of hashes end: HEXPIRE and its relatives. */
import { NOTIFY_HASH } from '../keyspace/events.ts';
import { TYPE_HASH } from '../structures/record.ts';
import { NO_FIELD_EXPIRY } from '../values/hash.ts';
import type { Call } from './call.ts';
import { SYNTAX } from './errors.ts';
import { EX, EXAT, type ExpiryUnit, PX, PXAT } from './expiry-arguments.ts';
import { meetsConditions, readExpiryConditions } from './expiry-conditions.ts';
import { changedBy, hashesOf } from './hash-access.ts';
import { countedFields, fieldsToChange, firstField, readFieldExpiry } from './hash-expiry-arguments.ts';
import { DENYOOM, FAST, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';
import { isOver } from './string-access.ts';
import { findValue, readValue, removeIfEmpty, WRONG } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const hashExpiryCommands: readonly Row[] = [
  // name          arity flags                   keys     since    run           summary
  ['HEXPIRE',      -6,   WRITE | DENYOOM | FAST, ONE_KEY, '7.4.0', hexpire,      'Sets the expiration time of hash fields in seconds.'],
  ['HEXPIREAT',    -6,   WRITE | DENYOOM | FAST, ONE_KEY, '7.4.0', hexpireat,    'Sets the expiration time of hash fields to a Unix timestamp.'],
  ['HEXPIRETIME',  -5,   READONLY | FAST,        ONE_KEY, '7.4.0', hexpiretime,  'Returns the expiration time of hash fields as a Unix timestamp.'],
  ['HPERSIST',     -5,   WRITE | FAST,           ONE_KEY, '7.4.0', hpersist,     'Removes the expiration time of hash fields.'],
  ['HPEXPIRE',     -6,   WRITE | DENYOOM | FAST, ONE_KEY, '7.4.0', hpexpire,     'Sets the expiration time of hash fields in milliseconds.'],
  ['HPEXPIREAT',   -6,   WRITE | DENYOOM | FAST, ONE_KEY, '7.4.0', hpexpireat,   'Sets the expiration time of hash fields to a Unix milliseconds timestamp.'],
  ['HPEXPIRETIME', -5,   READONLY | FAST,        ONE_KEY, '7.4.0', hpexpiretime, 'Returns the expiration time of hash fields as a Unix milliseconds timestamp.'],
  ['HPTTL',        -5,   READONLY | FAST,        ONE_KEY, '7.4.0', hpttl,        'Returns the expiration time in milliseconds of hash fields.'],
  ['HTTL',         -5,   READONLY | FAST,        ONE_KEY, '7.4.0', httl,         'Returns the expiration time in seconds of hash fields.'],
];

// Answers for each field.
const NO_FIELD = -2;
const NO_EXPIRY_SET = -1;
const CONDITION_FAILED = 0;
const DONE = 1;
const ENDED = 2;

function hexpire(call: Call): void {
  expireFields(call, EX);
}

function hexpireat(call: Call): void {
  expireFields(call, EXAT);
}

function hexpiretime(call: Call): void {
  answerExpiries(call, (expiresAtMs) => Math.floor((expiresAtMs + 500) / 1000));
}

function hpersist(call: Call): void {
  const ref = fieldsToChange(call);
  if (ref === WRONG) return;
  const hashes = hashesOf(call);
  let changes = 0;
  call.reply.array(call.argc - 4);
  for (let index = 4; index < call.argc; index++) {
    const current = fieldExpiry(call, ref, index);
    if (!(current >= 0)) {
      call.reply.integer(Number.isNaN(current) ? NO_FIELD : NO_EXPIRY_SET);
      continue;
    }
    hashes.setFieldExpiry(ref, call.bytes, call.argStart[index], call.argLength[index], NO_FIELD_EXPIRY);
    changes++;
    call.reply.integer(DONE);
  }
  if (changes === 0) return;
  call.notify(NOTIFY_HASH, 'hpersist', 1);
  changedBy(call, ref, changes);
}

function hpexpire(call: Call): void {
  expireFields(call, PX);
}

function hpexpireat(call: Call): void {
  expireFields(call, PXAT);
}

function hpexpiretime(call: Call): void {
  answerExpiries(call, (expiresAtMs) => expiresAtMs);
}

function hpttl(call: Call): void {
  answerExpiries(call, (expiresAtMs, nowMs) => Math.max(0, expiresAtMs - nowMs));
}

function httl(call: Call): void {
  answerExpiries(call, (expiresAtMs, nowMs) => Math.floor((Math.max(0, expiresAtMs - nowMs) + 500) / 1000));
}

// --- what the commands share

/** Expiry of the field in word `index`: unix ms, NO_FIELD_EXPIRY, or NaN when it is not there. */
function fieldExpiry(call: Call, ref: number, index: number): number {
  if (ref === 0) return Number.NaN;
  return hashesOf(call).fieldExpiry(ref, call.bytes, call.argStart[index], call.argLength[index]);
}

function answerExpiries(call: Call, answer: (expiresAtMs: number, nowMs: number) => number): void {
  if (!call.is(2, 'FIELDS')) {
    call.reply.error(SYNTAX);
    return;
  }
  if (!countedFields(call, 3, 1, SYNTAX)) return;
  const ref = readValue(call, 1, TYPE_HASH);
  if (ref === WRONG) return;
  const { nowMs } = call.context.keyspace;
  call.reply.array(call.argc - 4);
  for (let index = 4; index < call.argc; index++) {
    const expiresAtMs = fieldExpiry(call, ref, index);
    if (Number.isNaN(expiresAtMs)) call.reply.integer(NO_FIELD);
    else call.reply.integer(expiresAtMs < 0 ? NO_EXPIRY_SET : answer(expiresAtMs, nowMs));
  }
}

function expireFields(call: Call, unit: ExpiryUnit): void {
  const first = firstField(call, 3, 1);
  if (first === 0) return;
  const conditions = readExpiryConditions(call, 3, first - 2);
  if (conditions === null) return;
  const expiresAtMs = readFieldExpiry(call, 2, unit);
  if (Number.isNaN(expiresAtMs)) return;
  const ref = findValue(call, 1, TYPE_HASH);
  if (ref === WRONG) return;
  const hashes = hashesOf(call);
  const over = isOver(call, expiresAtMs);
  if (ref !== 0) call.database.beforeChange(ref);
  const changed: number[] = [];
  call.reply.array(call.argc - first);
  for (let index = first; index < call.argc; index++) {
    const start = call.argStart[index];
    const length = call.argLength[index];
    const current = fieldExpiry(call, ref, index);
    if (Number.isNaN(current)) call.reply.integer(NO_FIELD);
    else if (!meetsConditions(conditions, current, expiresAtMs)) call.reply.integer(CONDITION_FAILED);
    else {
      changed.push(index);
      call.reply.integer(over ? ENDED : DONE);
      if (over) hashes.delete(ref, call.bytes, start, length);
      else hashes.setFieldExpiry(ref, call.bytes, start, length, expiresAtMs);
    }
  }
  if (changed.length !== 0) endExpiring(call, ref, changed, over ? -1 : expiresAtMs);
}

/**
 * After the fields in the words `changed` got an expiry, or (`expiresAtMs` -1) ended at once: what replicas,
 * listeners and counters hear of it.
 */
export function endExpiring(call: Call, ref: number, changed: readonly number[], expiresAtMs: number): void {
  const { keyspace } = call.context;
  const names = changed.map((index) => call.copy(index));
  if (expiresAtMs >= 0) {
    const time = BigInt(expiresAtMs).toString();
    call.propagateAs(['HPEXPIREAT', call.copy(1), time, 'FIELDS', String(names.length), ...names]);
    call.notify(NOTIFY_HASH, 'hexpire', 1);
    call.database.fields.noteAt(ref, expiresAtMs);
  } else {
    call.propagateAs(['HDEL', call.copy(1), ...names]);
    keyspace.stats.expiredFields += names.length;
    call.notify(NOTIFY_HASH, 'hexpired', 1);
    if (removeIfEmpty(call, 1, ref, hashesOf(call).count(ref))) {
      keyspace.dirty += names.length - 1;
      return;
    }
  }
  changedBy(call, ref, names.length);
}
