/** When keys end: EXPIRE and its relatives. */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_GENERIC } from '../keyspace/events.ts';
import type { Call } from './call.ts';
import { EX, EXAT, type ExpiryUnit, expiryText, PX, PXAT, readExpiresAt } from './expiry-arguments.ts';
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

function answerExpiry(call: Call, answer: (expiresAtMs: number, nowMs: number) => number): void {
  const ref = peekKey(call, 1);
  const { keyspace } = call.context;
  const expiresAtMs = ref === 0 ? NO_EXPIRY : keyspace.records.expiresAtMs(ref);
  call.reply.integer(ref === 0 ? -2 : expiresAtMs < 0 ? -1 : answer(expiresAtMs, keyspace.nowMs));
}

interface Conditions {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
}

const NO_CONDITIONS: Conditions = { nx: false, xx: false, gt: false, lt: false };

function readConditions(call: Call): Conditions | null {
  const found: Conditions = { nx: false, xx: false, gt: false, lt: false };
  for (let index = 3; index < call.argc; index++) {
    if (call.is(index, 'NX')) found.nx = true;
    else if (call.is(index, 'XX')) found.xx = true;
    else if (call.is(index, 'GT')) found.gt = true;
    else if (call.is(index, 'LT')) found.lt = true;
    else {
      call.reply.error(`ERR Unsupported option ${call.text(index)}`);
      return null;
    }
  }
  if (found.nx && (found.xx || found.gt || found.lt)) {
    call.reply.error('ERR NX and XX, GT or LT options at the same time are not compatible');
    return null;
  }
  if (found.gt && found.lt) {
    call.reply.error('ERR GT and LT options at the same time are not compatible');
    return null;
  }
  return found;
}

/** Without an expiry a key counts as one that ends never: GT refuses, LT sets. */
function meets(conditions: Conditions, current: number, wanted: number): boolean {
  if (conditions.nx) return current < 0;
  if (conditions.xx && current < 0) return false;
  if (conditions.gt) return current >= 0 && wanted > current;
  if (conditions.lt) return current < 0 || wanted < current;
  return true;
}

function setExpiry(call: Call, unit: ExpiryUnit): void {
  const conditions = call.argc === 3 ? NO_CONDITIONS : readConditions(call);
  if (conditions === null) return;
  const expiresAtMs = readExpiresAt(call, 2, unit, false);
  if (Number.isNaN(expiresAtMs)) return;
  const ref = findKey(call, 1);
  const { keyspace } = call.context;
  if (ref === 0 || !meets(conditions, keyspace.records.expiresAtMs(ref), expiresAtMs)) {
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
