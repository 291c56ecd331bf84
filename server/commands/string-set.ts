/** SET and the commands that set, or delete, under a condition. */
import { KEEP_EXPIRY, NO_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_GENERIC } from '../keyspace/events.ts';
import { TYPE_STRING } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { EX, type ExpiryUnit, expiryText, PX, PXAT, readExpiresAt } from './expiry-arguments.ts';
import {
  checkKey,
  DIGEST_DIGITS,
  digestOf,
  equalsWord,
  findString,
  isOver,
  readString,
  removeKey,
  removeOver,
  setPlain,
  writeString,
} from './string-access.ts';
import {
  type Condition,
  comparingCondition,
  readStringOptions,
  type StringOptions,
} from './string-options.ts';
import { readKeysAhead } from './value-access.ts';

const BAD_KEY_COUNT = 'ERR numkeys should be greater than 0';
const BAD_DIGEST = 'ERR must be exactly 16 hexadecimal characters';
const CONDITION_NEEDS_STRING = 'ERR Key should be of string type if conditions are specified';

export function delex(call: Call): void {
  if (call.argc !== 2 && call.argc !== 4) {
    call.reply.error(errors.wrongArity(call.entry.name));
    return;
  }
  const condition = call.argc === 4 ? comparingCondition(call, 2) : '';
  if (condition === undefined) {
    call.reply.error('ERR Invalid condition. Use IFEQ, IFNE, IFDEQ or IFDNE');
    return;
  }
  if (!checkDigest(call, condition, 3)) return;
  const ref = call.database.find(call.bytes, call.argStart[1], call.argLength[1]);
  if (ref !== 0 && condition !== '') {
    if (call.context.keyspace.records.type(ref) !== TYPE_STRING) {
      call.reply.error(CONDITION_NEEDS_STRING);
      return;
    }
    if (!comparesAsWanted(call, ref, condition, 3)) {
      call.reply.integer(0);
      return;
    }
  }
  if (ref !== 0) removeKey(call, 1, ref);
  call.reply.integer(ref === 0 ? 0 : 1);
}

export function delifeq(call: Call): void {
  const ref = findString(call, 1);
  if (ref < 0) return;
  const equal = ref !== 0 && equalsWord(call, ref, 2);
  if (equal) removeKey(call, 1, ref);
  call.reply.integer(equal ? 1 : 0);
}

export function getset(call: Call): void {
  const ref = readString(call, 1);
  if (ref < 0 || !checkKey(call, 1)) return;
  if (ref === 0) call.reply.nullBulk();
  else writeString(call, ref);
  setPlain(call, 1, 2, NO_EXPIRY);
  if (call.context.propagation.active) call.propagateAs(['SET', call.copy(1), call.copy(2)]);
}

export function mset(call: Call): void {
  if (!checkPairs(call)) return;
  for (let index = 1, ahead = 1; index < call.argc; index += 2) {
    if (index === ahead) ahead = readKeysAhead(call, index, 2);
    setPlain(call, index, index + 1, NO_EXPIRY);
  }
  call.reply.ok();
}

/** Positions of the keys of MSETEX: as many as its first word says. */
export function msetexKeys(call: Call): number {
  const count = call.argc > 1 ? call.integer(1) : Number.NaN;
  if (!(count >= 1) || count * 2 + 2 > call.argc) return -1;
  call.reserveKeys(count);
  for (let key = 0; key < count; key++) call.keyPositions[key] = 2 + key * 2;
  return count;
}

export function msetex(call: Call): void {
  const count = call.integer(1);
  if (!(count >= 1) || count > 0x7fffffff) {
    call.reply.error(call.integer64(1) === null ? errors.NOT_INTEGER : BAD_KEY_COUNT);
    return;
  }
  const end = 2 + count * 2;
  if (end > call.argc) {
    call.reply.error(errors.wrongArity(call.entry.name));
    return;
  }
  const options = readStringOptions(call, end, 'several');
  if (options === null) return;
  const expiresAtMs = wantedExpiry(call, options);
  if (Number.isNaN(expiresAtMs)) return;
  for (let index = 2; index < end; index += 2) {
    if (!checkKey(call, index)) return;
    if (options.condition === '') continue;
    const found = call.database.find(call.bytes, call.argStart[index], call.argLength[index]) !== 0;
    if (found === (options.condition === 'XX')) continue;
    call.reply.integer(0);
    return;
  }
  const timed = options.unit !== undefined;
  const over = timed && isOver(call, expiresAtMs);
  for (let index = 2; index < end; index += 2) {
    if (over) removeOver(call, index);
    else {
      setPlain(call, index, index + 1, expiresAtMs);
      if (timed) call.notify(NOTIFY_GENERIC, 'expire', index);
    }
  }
  if (timed && !over) {
    const words = Array.from({ length: count * 2 }, (_, at) => call.copy(2 + at));
    call.propagateAs(['MSETEX', String(count), ...words, 'PXAT', expiryText(expiresAtMs)]);
  }
  call.reply.integer(1);
}

export function msetnx(call: Call): void {
  if (!checkPairs(call)) return;
  for (let index = 1; index < call.argc; index += 2) {
    if (call.database.find(call.bytes, call.argStart[index], call.argLength[index]) !== 0) {
      call.reply.integer(0);
      return;
    }
  }
  for (let index = 1; index < call.argc; index += 2) setPlain(call, index, index + 1, NO_EXPIRY);
  call.reply.integer(1);
}

export function psetex(call: Call): void {
  setFor(call, PX);
}

export function set(call: Call): void {
  if (call.argc === 3) {
    if (setPlain(call, 1, 2, NO_EXPIRY)) call.reply.ok();
    return;
  }
  setWithOptions(call);
}

export function setex(call: Call): void {
  setFor(call, EX);
}

export function setnx(call: Call): void {
  if (call.database.find(call.bytes, call.argStart[1], call.argLength[1]) !== 0) {
    call.reply.integer(0);
    return;
  }
  if (setPlain(call, 1, 2, NO_EXPIRY)) call.reply.integer(1);
}

// --- what the commands share

/** True when the words from 1 on are keys with their values; else the error was answered. */
function checkPairs(call: Call): boolean {
  if (call.argc % 2 === 0) {
    call.reply.error(errors.wrongArity(call.entry.name));
    return false;
  }
  for (let index = 1; index < call.argc; index += 2) if (!checkKey(call, index)) return false;
  return true;
}

/** What the key's expiry becomes; NaN after an error was answered. */
function wantedExpiry(call: Call, options: StringOptions): number {
  if (options.unit !== undefined) return readExpiresAt(call, options.time, options.unit, true);
  return options.keepsExpiry ? KEEP_EXPIRY : NO_EXPIRY;
}

/** SETEX and PSETEX: word 2 is the time, word 3 the value. */
function setFor(call: Call, unit: ExpiryUnit): void {
  const expiresAtMs = readExpiresAt(call, 2, unit, true);
  if (Number.isNaN(expiresAtMs) || !checkKey(call, 1)) return;
  storeTimed(call, 3, expiresAtMs);
  call.reply.ok();
}

function setWithOptions(call: Call): void {
  const options = readStringOptions(call, 3, 'set');
  if (options === null || !checkDigest(call, options.condition, options.comparison)) return;
  const expiresAtMs = wantedExpiry(call, options);
  if (Number.isNaN(expiresAtMs)) return;
  const { answersOld } = options;
  const ref = answersOld
    ? readString(call, 1)
    : call.database.find(call.bytes, call.argStart[1], call.argLength[1]);
  if (ref < 0 || !checkKey(call, 1)) return;
  const met = meetsCondition(call, ref, options);
  if (met === null) return;
  if (answersOld) {
    if (ref === 0) call.reply.nullBulk();
    else writeString(call, ref);
  } else if (!met) call.reply.nullBulk();
  if (!met) return;
  // A request that names the moment, and nothing that replicas need not know, is passed on as it came.
  const asItCame = options.unit === PXAT && !answersOld && options.comparison === 0;
  if (options.unit !== undefined) storeTimed(call, 2, expiresAtMs, asItCame);
  else {
    setPlain(call, 1, 2, expiresAtMs);
    // Replicas and files get what was decided here: no GET and no comparison of theirs.
    if (answersOld || options.comparison !== 0) propagatePlain(call, options);
  }
  if (!answersOld) call.reply.ok();
}

/** Null after WRONGTYPE: only strings are compared. */
function meetsCondition(call: Call, ref: number, options: StringOptions): boolean | null {
  const { condition } = options;
  if (condition === '') return true;
  if (condition === 'NX') return ref === 0;
  if (condition === 'XX') return ref !== 0;
  if (ref === 0) return condition === 'IFNE' || condition === 'IFDNE';
  if (call.context.keyspace.records.type(ref) !== TYPE_STRING) {
    call.reply.error(errors.WRONG_TYPE);
    return null;
  }
  return comparesAsWanted(call, ref, condition, options.comparison);
}

/** What IFEQ, IFNE, IFDEQ and IFDNE ask of the string at `ref` and word `index`. */
function comparesAsWanted(call: Call, ref: number, condition: Condition, index: number): boolean {
  if (condition === 'IFEQ' || condition === 'IFNE') {
    return equalsWord(call, ref, index) === (condition === 'IFEQ');
  }
  return (digestOf(call, ref) === call.latin1(index).toLowerCase()) === (condition === 'IFDEQ');
}

/** False after answering that word `index`, which a condition compares with a digest, is none. */
function checkDigest(call: Call, condition: Condition, index: number): boolean {
  if (condition !== 'IFDEQ' && condition !== 'IFDNE') return true;
  if (call.argLength[index] === DIGEST_DIGITS) return true;
  call.reply.error(BAD_DIGEST);
  return false;
}

/**
 * Sets the key to word `value` until `expiresAtMs`; when that is over, the key goes at once. Propagated with
 * the moment in place of a duration, unless `asItCame`.
 */
function storeTimed(call: Call, value: number, expiresAtMs: number, asItCame = false): void {
  if (isOver(call, expiresAtMs)) {
    removeOver(call, 1);
    return;
  }
  setPlain(call, 1, value, expiresAtMs);
  call.notify(NOTIFY_GENERIC, 'expire', 1);
  if (asItCame || !call.context.propagation.active) return;
  call.propagateAs(['SET', call.copy(1), call.copy(value), 'PXAT', expiryText(expiresAtMs)]);
}

function propagatePlain(call: Call, options: StringOptions): void {
  const words = ['SET', call.copy(1), call.copy(2)];
  if (options.condition === 'NX' || options.condition === 'XX') words.push(options.condition);
  if (options.keepsExpiry) words.push('KEEPTTL');
  call.propagateAs(words);
}
