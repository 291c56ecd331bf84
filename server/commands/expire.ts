/** When keys end: EXPIRE and its relatives. */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_GENERIC } from '../keyspace/events.ts';
import type { Call } from './call.ts';
import { EX, EXAT, type ExpiryUnit, expiryText, PX, PXAT, readExpiresAt } from './expiry-arguments.ts';
import { type ExpiryConditions, meetsConditions, readExpiryConditions } from './expiry-conditions.ts';
import { findKey, peekKey } from './find-key.ts';
import { FAST, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';
import { isOver, removeOver } from './string-access.ts';

// biome-ignore format: a table, one command a row
export const expireCommands: readonly Row[] = [
  // name         arity flags            keys     since    run          summary
  ['EXPIRE',      -3,   WRITE | FAST,    ONE_KEY, '1.0.0', expire,      'Sets the expiration time of a key in seconds.'],
  ['EXPIREAT',    -3,   WRITE | FAST,    ONE_KEY, '1.2.0', expireat,    'Sets the expiration time of a key to a Unix timestamp.'],
  ['EXPIRETIME',  2,    READONLY | FAST, ONE_KEY, '7.0.0', expiretime,  'Returns the expiration time of a key as a Unix timestamp.'],
  ['PERSIST',     2,    WRITE | FAST,    ONE_KEY, '2.2.0', persist,     'Removes the expiration time of a key.'],
  ['PEXPIRE',     -3,   WRITE | FAST,    ONE_KEY, '2.6.0', pexpire,     'Sets the expiration time of a key in milliseconds.'],
  ['PEXPIREAT',   -3,   WRITE | FAST,    ONE_KEY, '2.6.0', pexpireat,   'Sets the expiration time of a key to a Unix milliseconds timestamp.'],
  ['PEXPIRETIME', 2,    READONLY | FAST, ONE_KEY, '7.0.0', pexpiretime, 'Returns the expiration time of a key as a Unix milliseconds timestamp.'],
  ['PTTL',        2,    READONLY | FAST, ONE_KEY, '2.6.0', pttl,        'Returns the expiration time in milliseconds of a key.', {tips: ['nondeterministic_output']}],
  ['TTL',         2,    READONLY | FAST, ONE_KEY, '1.0.0', ttl,         'Returns the expiration time in seconds of a key.', {tips: ['nondeterministic_output']}],
];

function expire(call: Call): void {
  setExpiry(call, EX);
}

function expireat(call: Call): void {
  setExpiry(call, EXAT);
}

function expiretime(call: Call): void {
  answerExpiry(call, (expiresAtMs) => Math.floor((expiresAtMs + 500) / 1000));
}

function persist(call: Call): void {
  const ref = findKey(call, 1);
  if (ref === 0 || !call.context.keyspace.records.expires(ref)) {
    call.reply.integer(0);
    return;
  }
  call.database.setExpiry(ref, NO_EXPIRY);
  call.notify(NOTIFY_GENERIC, 'persist', 1);
  call.reply.integer(1);
}

function pexpire(call: Call): void {
  setExpiry(call, PX);
}

function pexpireat(call: Call): void {
  setExpiry(call, PXAT);
}

function pexpiretime(call: Call): void {
  answerExpiry(call, (expiresAtMs) => expiresAtMs);
}

function pttl(call: Call): void {
  answerExpiry(call, (expiresAtMs, nowMs) => Math.max(0, expiresAtMs - nowMs));
}

function ttl(call: Call): void {
  answerExpiry(call, (expiresAtMs, nowMs) => Math.floor((Math.max(0, expiresAtMs - nowMs) + 500) / 1000));
}

// --- what the commands share

const NO_CONDITIONS: ExpiryConditions = { nx: false, xx: false, gt: false, lt: false };

function answerExpiry(call: Call, answer: (expiresAtMs: number, nowMs: number) => number): void {
  const ref = peekKey(call, 1);
  const { keyspace } = call.context;
  const expiresAtMs = ref === 0 ? NO_EXPIRY : keyspace.records.expiresAtMs(ref);
  call.reply.integer(ref === 0 ? -2 : expiresAtMs < 0 ? -1 : answer(expiresAtMs, keyspace.nowMs));
}

function setExpiry(call: Call, unit: ExpiryUnit): void {
  const conditions = call.argc === 3 ? NO_CONDITIONS : readExpiryConditions(call, 3, call.argc);
  if (conditions === null) return;
  const expiresAtMs = readExpiresAt(call, 2, unit, false);
  if (Number.isNaN(expiresAtMs)) return;
  const ref = findKey(call, 1);
  const { keyspace } = call.context;
  if (ref === 0 || !meetsConditions(conditions, keyspace.records.expiresAtMs(ref), expiresAtMs)) {
    call.reply.integer(0);
    return;
  }
  if (isOver(call, expiresAtMs)) removeOver(call, 1);
  else {
    const kept = Math.max(0, expiresAtMs);
    call.database.setExpiry(ref, kept);
    call.notify(NOTIFY_GENERIC, 'expire', 1);
    if (unit !== PXAT && call.context.propagation.active) propagateMoment(call, kept);
  }
  call.reply.integer(1);
}

/** The request with the moment in place of the time that it gave; its conditions stay. */
function propagateMoment(call: Call, expiresAtMs: number): void {
  const words: (string | Uint8Array)[] = ['PEXPIREAT', call.copy(1), expiryText(expiresAtMs)];
  for (let index = 3; index < call.argc; index++) words.push(call.copy(index));
  call.propagateAs(words);
}
