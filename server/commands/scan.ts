/** Keys as a whole: KEYS, RANDOMKEY, SCAN. */
import { matchesGlob } from '../structures/glob.ts';
import { TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_STRING, TYPE_ZSET } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { keyOf, liveKey } from './find-key.ts';

const ANY_TYPE = -1;
const CURSOR_MAX = (1n << 64n) - 1n;
const STAR = 42;
const typeNumbers: ReadonlyMap<string, number> = new Map([
  ['string', TYPE_STRING],
  ['list', TYPE_LIST],
  ['set', TYPE_SET],
  ['zset', TYPE_ZSET],
  ['hash', TYPE_HASH],
  ['stream', TYPE_STREAM],
]);
/** Expired keys that RANDOMKEY meets before it answers null. */
const RANDOM_TRIES = 100;
/** Steps of SCAN for each key it was asked for: in a table of few keys it must not walk over everything. */
const STEPS_PER_KEY = 10;

export function keys(call: Call): void {
  const pattern = call.copy(1);
  const all = pattern.length === 1 && pattern[0] === STAR;
  const found: Buffer[] = [];
  let cursor = 0;
  // What has expired is left to others: nothing changes on the way, so that every key is met once.
  do {
    cursor = call.database.scan(cursor, (ref) => {
      if ((all || matchesKey(call, ref, pattern)) && !hasExpired(call, ref)) found.push(keyOf(call, ref));
    });
  } while (cursor !== 0);
  call.reply.array(found.length);
  for (const key of found) call.reply.bulk(key);
}

export function randomkey(call: Call): void {
  const { deletesExpired } = call.context.keyspace;
  let expired: Buffer | null = null;
  for (let attempt = 0; attempt < RANDOM_TRIES; attempt++) {
    const ref = call.database.sample();
    if (ref === 0) break;
    const key = liveKey(call, ref);
    if (key === null) {
      if (!deletesExpired) expired = keyOf(call, ref);
      continue;
    }
    call.reply.bulk(key);
    return;
  }
  // Where nothing may be deleted now, by CLIENT PAUSE or on a replica, what has expired may be all there is.
  if (expired !== null) call.reply.bulk(expired);
  else call.reply.nullBulk();
}

interface ScanOptions {
  count: number;
  pattern: Buffer | null;
  type: number;
}

export function scan(call: Call): void {
  const word = call.latin1(1);
  if (!/^\+?[0-9]{1,20}$/.test(word) || BigInt(word.replace('+', '')) > CURSOR_MAX) {
    call.reply.error('ERR invalid cursor');
    return;
  }
  const options = scanOptions(call);
  if (options === null) return;
  // A cursor that was never given out ends the walk.
  const start = Number(word);
  const found: Buffer[] = [];
  const cursor = Number.isSafeInteger(start) && start >= 0 ? scanFrom(call, start, options, found) : 0;
  call.reply.array(2);
  call.reply.bulkLatin1(String(cursor));
  call.reply.array(found.length);
  for (const key of found) call.reply.bulk(key);
}

/** Collects keys from a cursor on; the cursor to go on with. */
function scanFrom(call: Call, cursor: number, options: ScanOptions, found: Buffer[]): number {
  const { records } = call.context.keyspace;
  const { pattern, type, count } = options;
  let steps = count * STEPS_PER_KEY;
  let seen = 0;
  do {
    cursor = call.database.scan(cursor, (ref) => {
      seen++;
      if (type !== ANY_TYPE && records.type(ref) !== type) return;
      if (pattern !== null && !matchesKey(call, ref, pattern)) return;
      const key = liveKey(call, ref);
      if (key !== null) found.push(key);
    });
  } while (cursor !== 0 && seen < count && --steps > 0);
  return cursor;
}

function scanOptions(call: Call): ScanOptions | null {
  const options: ScanOptions = { count: 10, pattern: null, type: ANY_TYPE };
  for (let index = 2; index < call.argc; index += 2) {
    const more = index + 1 < call.argc;
    if (call.is(index, 'COUNT') && more) {
      const count = call.integer64(index + 1);
      if (count === null || count < 1n) {
        call.reply.error(count === null ? errors.NOT_INTEGER : errors.SYNTAX);
        return null;
      }
      options.count = Number(count);
    } else if (call.is(index, 'MATCH') && more) options.pattern = scanPattern(call, index + 1);
    else if (call.is(index, 'TYPE') && more) {
      const type = typeNumbers.get(call.latin1(index + 1).toLowerCase());
      if (type === undefined) {
        call.reply.error(`ERR unknown type name '${call.text(index + 1)}'`);
        return null;
      }
      options.type = type;
    } else {
      call.reply.error(scanRefusal(call, index));
      return null;
    }
  }
  return options;
}

/** A pattern that takes every key is none. */
function scanPattern(call: Call, index: number): Buffer | null {
  const pattern = call.copy(index);
  return pattern.length === 1 && pattern[0] === STAR ? null : pattern;
}

function scanRefusal(call: Call, index: number): string {
  if (call.is(index, 'NOVALUES')) return 'ERR NOVALUES option can only be used in HSCAN';
  if (call.is(index, 'NOSCORES')) return 'ERR NOSCORES option can only be used in ZSCAN';
  return errors.SYNTAX;
}

// --- what the commands share

function matchesKey(call: Call, ref: number, pattern: Buffer): boolean {
  const { records } = call.context.keyspace;
  const start = records.keyStart(ref);
  return matchesGlob(pattern, records.segment(ref), start, start + records.keyLength(ref));
}

function hasExpired(call: Call, ref: number): boolean {
  const { records, nowMs, seesExpired } = call.context.keyspace;
  const expiresAtMs = records.expiresAtMs(ref);
  return expiresAtMs >= 0 && expiresAtMs <= nowMs && !seesExpired;
}
