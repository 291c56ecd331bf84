/** COPY, MOVE, RENAME, RENAMENX, SWAPDB: values that come under another key or into another database. */
import type { Database } from '../keyspace/database.ts';
import { NOTIFY_GENERIC, NOTIFY_NEW } from '../keyspace/events.ts';
import { moveKey, swapDatabases } from '../keyspace/key-moves.ts';
import { TYPE_STRING } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { findKey } from './find-key.ts';
import { checkKey, copyString } from './string-access.ts';
import { noteSwapped } from './transaction.ts';

const SAME_OBJECT = 'ERR source and destination objects are the same';
const MOVE_IN_CLUSTER = 'ERR MOVE is not allowed in cluster mode';
const COPY_IN_CLUSTER = 'ERR Copying to another database is not allowed in cluster mode';
const SWAPDB_IN_CLUSTER = 'ERR SWAPDB is not allowed in cluster mode';
const INT32_MIN = -2147483648;
const INT32_MAX = 2147483647;

export function copy(call: Call): void {
  let target = call.database;
  let replace = false;
  for (let index = 3; index < call.argc; index++) {
    if (call.is(index, 'REPLACE')) replace = true;
    else if (call.is(index, 'DB') && index + 1 < call.argc) {
      const database = databaseAt(call, ++index);
      if (database === null) return;
      target = database;
    } else {
      call.reply.error(errors.SYNTAX);
      return;
    }
  }
  if (call.context.cluster !== null && target.index !== call.database.index) {
    call.reply.error(COPY_IN_CLUSTER);
    return;
  }
  if (target === call.database && sameWords(call, 1, 2)) {
    call.reply.error(SAME_OBJECT);
    return;
  }
  if (!checkKey(call, 2)) return;
  const { bytes } = call;
  const start = call.argStart[2];
  const length = call.argLength[2];
  const there = target.find(bytes, start, length) !== 0;
  // Looked up last: the other search may have freed an expired record.
  const ref = call.database.read(bytes, call.argStart[1], call.argLength[1]);
  if (ref === 0 || (there && !replace)) {
    call.reply.integer(0);
    return;
  }
  copyTo(call, ref, target);
  const { events } = call.context.keyspace;
  // What is replaced counts as deleted first.
  if (there) events.emit(NOTIFY_NEW, 'new', target.index, bytes, start, length);
  events.emit(NOTIFY_GENERIC, 'copy_to', target.index, bytes, start, length);
  call.reply.integer(1);
}

/** Copies value and expiry of a live record to the key in word 2, over what is there. */
function copyTo(call: Call, ref: number, target: Database): void {
  const { keyspace } = call.context;
  const { records } = keyspace;
  const { bytes } = call;
  const start = call.argStart[2];
  const length = call.argLength[2];
  const type = records.type(ref);
  const expiresAtMs = records.expiresAtMs(ref);
  if (type === TYPE_STRING) {
    const value = copyString(call, ref);
    const encoding = records.encoding(ref);
    target.setString(bytes, start, length, value, 0, value.length, expiresAtMs, encoding);
    return;
  }
  const value = keyspace.values.of(type).copy(ref);
  target.putValue(bytes, start, length, type, value.encoding, value.root, expiresAtMs);
  keyspace.changed(target.index, bytes, start, length);
}

export function move(call: Call): void {
  if (call.context.cluster !== null) {
    call.reply.error(MOVE_IN_CLUSTER);
    return;
  }
  const target = databaseAt(call, 2);
  if (target === null) return;
  if (target === call.database) {
    call.reply.error(SAME_OBJECT);
    return;
  }
  const { keyspace } = call.context;
  const { bytes } = call;
  const start = call.argStart[1];
  const length = call.argLength[1];
  const there = target.find(bytes, start, length) !== 0;
  const ref = findKey(call, 1);
  if (there || ref === 0) {
    call.reply.integer(0);
    return;
  }
  moveKey(keyspace, call.database, ref, target, bytes, start, length);
  changedPair(call, call.database, 1, target, 1);
  call.notify(NOTIFY_GENERIC, 'move_from', 1);
  keyspace.events.emit(NOTIFY_GENERIC, 'move_to', target.index, bytes, start, length);
  call.reply.integer(1);
}

export function rename(call: Call): void {
  if (renameTo(call, true)) call.reply.ok();
}

export function renamenx(call: Call): void {
  if (renameTo(call, false)) call.reply.integer(1);
}

/** False after another answer than that of success. */
function renameTo(call: Call, overwrite: boolean): boolean {
  if (findKey(call, 1) === 0) {
    call.reply.error(errors.NO_SUCH_KEY);
    return false;
  }
  if (sameWords(call, 1, 2)) {
    if (!overwrite) call.reply.integer(0);
    return overwrite;
  }
  if (!checkKey(call, 2)) return false;
  const there = findKey(call, 2) !== 0;
  if (there && !overwrite) {
    call.reply.integer(0);
    return false;
  }
  const { database, bytes } = call;
  const ref = findKey(call, 1);
  moveKey(call.context.keyspace, database, ref, database, bytes, call.argStart[2], call.argLength[2]);
  changedPair(call, database, 1, database, 2);
  if (there) call.notify(NOTIFY_NEW, 'new', 2);
  call.notify(NOTIFY_GENERIC, 'rename_from', 1);
  call.notify(NOTIFY_GENERIC, 'rename_to', 2);
  return true;
}

export function swapdb(call: Call): void {
  if (call.context.cluster !== null) {
    call.reply.error(SWAPDB_IN_CLUSTER);
    return;
  }
  const { keyspace } = call.context;
  const left = call.integer(1);
  const right = call.integer(2);
  if (!isInt32(left) || !isInt32(right)) {
    call.reply.error(`ERR invalid ${isInt32(left) ? 'second' : 'first'} DB index`);
    return;
  }
  const [one, other] = [keyspace.databases[left], keyspace.databases[right]];
  if (one === undefined || other === undefined) {
    call.reply.error(errors.DB_INDEX_OUT_OF_RANGE);
    return;
  }
  if (left !== right) {
    // Who watches or waits for a key that either database has sees another one from now on. What has expired
    // and is watched goes first: it would seem to expire in its new place.
    const concerned = (key: Uint8Array, waits: boolean): boolean =>
      [one, other].some((database) =>
        waits ? database.findLive(key, 0, key.length) !== 0 : database.find(key, 0, key.length) !== 0,
      );
    keyspace.watches.touchWhere(left, concerned);
    keyspace.watches.touchWhere(right, concerned);
    swapDatabases(keyspace, left, right);
    noteSwapped(call.context, [left, right]);
  }
  keyspace.dirty++;
  call.reply.ok();
}

// --- what the commands share

/** The database that word `index` names; null after an error was answered. */
function databaseAt(call: Call, index: number): Database | null {
  const number = call.integer64(index);
  if (number === null) {
    call.reply.error(errors.NOT_INTEGER);
    return null;
  }
  if (!isInt32(Number(number))) {
    call.reply.error(errors.NOT_INTEGER_32);
    return null;
  }
  const database = call.context.keyspace.databases[Number(number)];
  if (database !== undefined) return database;
  call.reply.error(errors.DB_INDEX_OUT_OF_RANGE);
  return null;
}

function isInt32(value: number): boolean {
  return value >= INT32_MIN && value <= INT32_MAX;
}

function sameWords(call: Call, left: number, right: number): boolean {
  const word = (index: number): Uint8Array =>
    call.bytes.subarray(call.argStart[index], call.argStart[index] + call.argLength[index]);
  return Buffer.compare(word(left), word(right)) === 0;
}

/** A key went from word `left` to word `right`: one change, of which the watchers of both hear. */
function changedPair(call: Call, from: Database, left: number, to: Database, right: number): void {
  const { keyspace } = call.context;
  keyspace.changed(from.index, call.bytes, call.argStart[left], call.argLength[left]);
  keyspace.changed(to.index, call.bytes, call.argStart[right], call.argLength[right]);
  keyspace.dirty--;
}
