/** Commands for keys of any type. */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { lfuCounter } from '../keyspace/eviction.ts';
import { matchesGlob } from '../structures/glob.ts';
import { ENCODING_RAW, TYPE_STRING } from '../structures/record.ts';
import { type Call, parseInteger64 } from './call.ts';
import * as errors from './errors.ts';
import {
  ALL_KEYS,
  DENYOOM,
  FAST,
  LOADING,
  NO_KEY,
  ONE_KEY,
  READONLY,
  type Row,
  STALE,
  TWO_KEYS,
  WRITE,
} from './row.ts';

const SECOND_KEY = [2, 2, 1] as const;

// biome-ignore format: a table, one command a row
export const genericCommands: readonly Row[] = [
  // name       arity flags            keys      since    run        summary
  ['COPY',      -3,   WRITE | DENYOOM, TWO_KEYS, '6.2.0', copy,      'Copies the value of a key to a new key.'],
  ['DBSIZE',    1,    READONLY | FAST, NO_KEY,   '1.0.0', dbsize,    'Returns the number of keys in the database.'],
  ['DEL',       -2,   WRITE,           ALL_KEYS, '1.0.0', del,       'Deletes one or more keys.'],
  ['EXISTS',    -2,   READONLY | FAST, ALL_KEYS, '1.0.0', exists,    'Determines whether one or more keys exist.'],
  ['FLUSHALL',  -1,   WRITE,           NO_KEY,   '1.0.0', flushall,  'Removes all keys from all databases.'],
  ['FLUSHDB',   -1,   WRITE,           NO_KEY,   '1.0.0', flushdb,   'Remove all keys from the current database.'],
  ['KEYS',      2,    READONLY,        NO_KEY,   '1.0.0', keys,      'Returns all key names that match a pattern.'],
  ['MOVE',      3,    WRITE | FAST,    ONE_KEY,  '1.0.0', move,      'Moves a key to another database.'],
  ['OBJECT',    -2,   0,               NO_KEY,   '2.2.3', help,      'A container for object introspection commands.', {subcommands: [
    ['ENCODING', 3,   READONLY,        SECOND_KEY, '2.2.3', encoding, 'Returns the internal encoding of a Redis object.'],
    ['FREQ',     3,   READONLY,        SECOND_KEY, '4.0.0', freq,     'Returns the logarithmic access frequency counter of a Redis object.'],
    ['HELP',     2,   LOADING | STALE, NO_KEY,     '6.2.0', help,     'Returns helpful text about the different subcommands.'],
    ['IDLETIME', 3,   READONLY,        SECOND_KEY, '2.2.3', idletime, 'Returns the time since the last access to a Redis object.'],
    ['REFCOUNT', 3,   READONLY,        SECOND_KEY, '2.2.3', refcount, 'Returns the reference count of a value of a key.'],
  ]}],
  ['RANDOMKEY', 1,    READONLY,        NO_KEY,   '1.0.0', randomkey, 'Returns a random key name from the database.'],
  ['RENAME',    3,    WRITE,           TWO_KEYS, '1.0.0', rename,    'Renames a key and overwrites the destination.'],
  ['RENAMENX',  3,    WRITE | FAST,    TWO_KEYS, '1.0.0', renamenx,  'Renames a key only when the target key name doesn\'t exist.'],
  ['SCAN',      -2,   READONLY,        NO_KEY,   '2.8.0', scan,      'Iterates over the key names in the database.'],
  ['TOUCH',     -2,   READONLY | FAST, ALL_KEYS, '3.2.1', touch,     'Returns the number of existing keys out of those specified after updating the time they were last accessed.'],
  ['TYPE',      2,    READONLY | FAST, ONE_KEY,  '1.0.0', type,      'Determines the type of value stored at a key.'],
  ['UNLINK',    -2,   WRITE | FAST,    ALL_KEYS, '4.0.0', del,       'Asynchronously deletes one or more keys.'],
];

function find(call: Call, index: number): number {
  return call.database.find(call.bytes, call.argStart[index], call.argLength[index]);
}

function copy(call: Call): void {
  let target = call.database;
  let replace = false;
  for (let index = 3; index < call.argc; index++) {
    if (call.is(index, 'REPLACE')) replace = true;
    else if (call.is(index, 'DB') && index + 1 < call.argc) {
      const database = call.context.keyspace.databases[call.integer(++index)];
      if (database === undefined) {
        call.reply.error(errors.DB_INDEX_OUT_OF_RANGE);
        return;
      }
      target = database;
    } else {
      call.reply.error(errors.SYNTAX);
      return;
    }
  }
  const from = call.copy(1);
  const to = call.copy(2);
  if (target === call.database && from.equals(to)) {
    call.reply.error('ERR source and destination objects are the same');
    return;
  }
  const ref = find(call, 1);
  if (ref === 0 || (!replace && target.find(to, 0, to.length) !== 0)) {
    call.reply.integer(0);
    return;
  }
  copyTo(call, find(call, 1), target, to);
  call.reply.integer(1);
}

function dbsize(call: Call): void {
  call.reply.integer(call.database.size);
}

function del(call: Call): void {
  let removed = 0;
  for (let index = 1; index < call.argc; index++) {
    if (call.database.remove(call.bytes, call.argStart[index], call.argLength[index])) removed++;
  }
  call.reply.integer(removed);
}

function exists(call: Call): void {
  let count = 0;
  for (let index = 1; index < call.argc; index++) {
    if (call.database.read(call.bytes, call.argStart[index], call.argLength[index]) !== 0) count++;
  }
  call.reply.integer(count);
}

function flushall(call: Call): void {
  if (!flushOptions(call)) return;
  const { keyspace, persistence } = call.context;
  persistence.beforeFlushAll();
  keyspace.dirty += keyspace.flushAll();
  persistence.afterFlushAll();
  // Propagated even when nothing was there: a replica may still hold what expired here.
  keyspace.dirty++;
  call.reply.ok();
}

function flushdb(call: Call): void {
  if (!flushOptions(call)) return;
  const { keyspace } = call.context;
  const alone = call.database.size === keyspace.size;
  keyspace.dirty += (alone ? keyspace.flushAll() : call.database.flush()) + 1;
  call.reply.ok();
}

function flushOptions(call: Call): boolean {
  if (call.argc === 1 || (call.argc === 2 && (call.is(1, 'SYNC') || call.is(1, 'ASYNC')))) return true;
  call.reply.error(errors.SYNTAX);
  return false;
}

function keys(call: Call): void {
  const pattern = call.copy(1);
  const found: Buffer[] = [];
  const seen = new Set<number>();
  let cursor = 0;
  do {
    cursor = call.database.scan(cursor, (ref) => {
      if (seen.has(ref)) return;
      seen.add(ref);
      const key = liveKey(call, ref);
      if (key !== null && matchesGlob(pattern, key, 0, key.length, false)) found.push(key);
    });
  } while (cursor !== 0);
  call.reply.array(found.length);
  for (const key of found) call.reply.bulk(key);
}

function move(call: Call): void {
  const target = call.context.keyspace.databases[call.integer(2)];
  if (Number.isNaN(call.integer(2))) {
    call.reply.error(errors.NOT_INTEGER);
    return;
  }
  if (target === undefined) {
    call.reply.error(errors.DB_INDEX_OUT_OF_RANGE);
    return;
  }
  if (target === call.database) {
    call.reply.error('ERR source and destination objects are the same');
    return;
  }
  const key = call.copy(1);
  if (find(call, 1) === 0 || target.find(key, 0, key.length) !== 0) {
    call.reply.integer(0);
    return;
  }
  copyTo(call, find(call, 1), target, key);
  call.database.remove(key, 0, key.length);
  call.reply.integer(1);
}

function encoding(call: Call): void {
  const ref = findObject(call);
  if (ref === 0) return;
  const records = call.context.keyspace.records;
  const length = records.valueLength(ref);
  const start = records.valueStart(ref);
  if (records.encoding(ref) === ENCODING_RAW) call.reply.bulkText('raw');
  else if (length <= 20 && parseInteger64(records.segment(ref), start, start + length) !== null) {
    call.reply.bulkText('int');
  } else call.reply.bulkText(length <= 44 ? 'embstr' : 'raw');
}

function freq(call: Call): void {
  const ref = findObject(call);
  if (ref === 0) return;
  const { keyspace, config } = call.context;
  if (!keyspace.eviction.policy.endsWith('lfu')) {
    call.reply.error(
      'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
    );
    return;
  }
  const clock = keyspace.records.accessClock(ref);
  call.reply.integer(lfuCounter(clock, keyspace.freshClock >>> 8, Number(config.values['lfu-decay-time'])));
}

function idletime(call: Call): void {
  const ref = findObject(call);
  if (ref === 0) return;
  const { keyspace } = call.context;
  if (keyspace.eviction.policy.endsWith('lfu')) {
    call.reply.error(
      'ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
    );
    return;
  }
  call.reply.integer((keyspace.freshClock - keyspace.records.accessClock(ref)) & 0xffffff);
}

function refcount(call: Call): void {
  if (findObject(call) !== 0) call.reply.integer(1);
}

function help(call: Call): void {
  const lines = [
    'OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
    'ENCODING <key>',
    '    Return the kind of internal representation used in order to store the value',
    '    associated with a <key>.',
    'FREQ <key>',
    '    Return the access frequency index of the <key>. The returned integer is',
    '    proportional to the logarithm of the recent access frequency of the key.',
    'IDLETIME <key>',
    '    Return the idle time of the <key>, that is the approximated number of',
    '    seconds elapsed since the last access to the key.',
    'REFCOUNT <key>',
    '    Return the number of references of the value associated with the specified',
    '    <key>.',
    'HELP',
    '    Print this help.',
  ];
  call.reply.array(lines.length);
  for (const line of lines) call.reply.simple(line);
}

function randomkey(call: Call): void {
  // An expired key is met at most so often before the answer is null.
  for (let attempt = 0; attempt < 100; attempt++) {
    const ref = call.database.sample();
    if (ref === 0) break;
    const key = liveKey(call, ref);
    if (key === null) continue;
    call.reply.bulk(key);
    return;
  }
  call.reply.nullBulk();
}

function rename(call: Call): void {
  if (renameTo(call, true)) call.reply.ok();
}

function renamenx(call: Call): void {
  if (renameTo(call, false)) call.reply.integer(1);
}

function renameTo(call: Call, overwrite: boolean): boolean {
  const ref = find(call, 1);
  if (ref === 0) {
    call.reply.error(errors.NO_SUCH_KEY);
    return false;
  }
  const from = call.copy(1);
  const to = call.copy(2);
  if (from.equals(to)) {
    if (!overwrite) call.reply.integer(0);
    return overwrite;
  }
  if (!overwrite && call.database.find(to, 0, to.length) !== 0) {
    call.reply.integer(0);
    return false;
  }
  copyTo(call, call.database.find(from, 0, from.length), call.database, to);
  call.database.remove(from, 0, from.length);
  return true;
}

function scan(call: Call): void {
  const word = call.latin1(1);
  if (!/^([+-]?[0-9]{1,20})?$/.test(word)) {
    call.reply.error('ERR invalid cursor');
    return;
  }
  // A cursor that was never given out ends the walk.
  const start = Number(word);
  const known = Number.isSafeInteger(start) && start >= 0;
  const options = scanOptions(call);
  if (options === null) return;
  if (!known) {
    call.reply.array(2);
    call.reply.bulkLatin1('0');
    call.reply.array(0);
    return;
  }
  const found: Buffer[] = [];
  let cursor = start;
  // Buckets hold few keys each; an empty table must not turn one call into a walk over everything.
  let steps = options.count * 10;
  let seen = 0;
  do {
    cursor = call.database.scan(cursor, (ref) => {
      seen++;
      const key = liveKey(call, ref);
      if (key === null || !options.wantsType) return;
      if (options.pattern === null || matchesGlob(options.pattern, key, 0, key.length, false))
        found.push(key);
    });
  } while (cursor !== 0 && seen < options.count && --steps > 0);
  call.reply.array(2);
  call.reply.bulkText(String(cursor));
  call.reply.array(found.length);
  for (const key of found) call.reply.bulk(key);
}

interface ScanOptions {
  count: number;
  pattern: Buffer | null;
  wantsType: boolean;
}

function scanOptions(call: Call): ScanOptions | null {
  const options: ScanOptions = { count: 10, pattern: null, wantsType: true };
  for (let index = 2; index < call.argc; index += 2) {
    if (index + 1 >= call.argc) {
      call.reply.error(errors.SYNTAX);
      return null;
    }
    if (call.is(index, 'COUNT')) {
      options.count = call.integer(index + 1);
      if (Number.isNaN(options.count) || options.count < 1) {
        call.reply.error(Number.isNaN(options.count) ? errors.NOT_INTEGER : errors.SYNTAX);
        return null;
      }
    } else if (call.is(index, 'MATCH')) options.pattern = call.copy(index + 1);
    else if (call.is(index, 'TYPE')) options.wantsType = call.text(index + 1).toLowerCase() === 'string';
    else {
      call.reply.error(errors.SYNTAX);
      return null;
    }
  }
  return options;
}

function touch(call: Call): void {
  exists(call);
}

function type(call: Call): void {
  const ref = find(call, 1);
  call.reply.simple(ref === 0 ? 'none' : 'string');
}

// --- what the commands share

/** The object of an OBJECT subcommand without touching its clock, 0 after answering that there is none. */
function findObject(call: Call): number {
  const ref = find(call, 2);
  if (ref === 0) call.reply.nullBulk();
  return ref;
}

/** A copy of a record's key, null when it has expired (which deletes it on a primary). */
function liveKey(call: Call, ref: number): Buffer | null {
  const { keyspace } = call.context;
  const { records } = keyspace;
  const start = records.keyStart(ref);
  const key = Buffer.from(records.segment(ref).subarray(start, start + records.keyLength(ref)));
  const expiresAtMs = records.expiresAtMs(ref);
  if (expiresAtMs < 0 || expiresAtMs > keyspace.nowMs) return key;
  call.database.find(key, 0, key.length);
  return null;
}

/** Copies value and expiry of a live record to another key, over what is there. */
function copyTo(call: Call, ref: number, target: Call['database'], key: Buffer): void {
  const { records } = call.context.keyspace;
  if (records.type(ref) !== TYPE_STRING) throw new Error('a type without a copy');
  const value = Buffer.allocUnsafe(records.valueLength(ref));
  records.copyValue(ref, 0, value.length, value, 0);
  const expiresAtMs = records.expiresAtMs(ref);
  const encoding = records.encoding(ref);
  target.setString(
    key,
    0,
    key.length,
    value,
    0,
    value.length,
    expiresAtMs < 0 ? NO_EXPIRY : expiresAtMs,
    encoding,
  );
}
