/** Commands for keys of any type. */
import { NOTIFY_GENERIC } from '../keyspace/events.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { peekKey } from './find-key.ts';
import { copy, move, rename, renamenx, swapdb } from './key-moves.ts';
import { encoding, freq, idletime, objectHelp, refcount } from './object.ts';
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
import { keys, randomkey, scan } from './scan.ts';

const SECOND_KEY = [2, 2, 1] as const;

// biome-ignore format: a table, one command a row
export const genericCommands: readonly Row[] = [
  // name       arity flags            keys      since    run        summary
  ['COPY',      -3,   WRITE | DENYOOM, TWO_KEYS, '6.2.0', copy,      'Copies the value of a key to a new key.'],
  ['DBSIZE',    1,    READONLY | FAST, NO_KEY,   '1.0.0', dbsize,    'Returns the number of keys in the database.', {tips: ['request_policy:all_shards', 'response_policy:agg_sum']}],
  ['DEL',       -2,   WRITE,           ALL_KEYS, '1.0.0', del,       'Deletes one or more keys.', {tips: ['request_policy:multi_shard', 'response_policy:agg_sum']}],
  ['EXISTS',    -2,   READONLY | FAST, ALL_KEYS, '1.0.0', exists,    'Determines whether one or more keys exist.', {tips: ['request_policy:multi_shard', 'response_policy:agg_sum']}],
  ['FLUSHALL',  -1,   WRITE,           NO_KEY,   '1.0.0', flushall,  'Removes all keys from all databases.', {tips: ['request_policy:all_shards', 'response_policy:all_succeeded']}],
  ['FLUSHDB',   -1,   WRITE,           NO_KEY,   '1.0.0', flushdb,   'Remove all keys from the current database.', {tips: ['request_policy:all_shards', 'response_policy:all_succeeded']}],
  ['KEYS',      2,    READONLY,        NO_KEY,   '1.0.0', keys,      'Returns all key names that match a pattern.', {tips: ['request_policy:all_shards', 'nondeterministic_output_order']}],
  ['MOVE',      3,    WRITE | FAST,    ONE_KEY,  '1.0.0', move,      'Moves a key to another database.'],
  ['OBJECT',    -2,   0,               NO_KEY,   '2.2.3', objectHelp, 'A container for object introspection commands.', {subcommands: [
    ['ENCODING', 3,   READONLY,        SECOND_KEY, '2.2.3', encoding, 'Returns the internal encoding of a Redis object.', {tips: ['nondeterministic_output']}],
    ['FREQ',     3,   READONLY,        SECOND_KEY, '4.0.0', freq,     'Returns the logarithmic access frequency counter of a Redis object.', {tips: ['nondeterministic_output']}],
    ['HELP',     2,   LOADING | STALE, NO_KEY,     '6.2.0', objectHelp, 'Returns helpful text about the different subcommands.'],
    ['IDLETIME', 3,   READONLY,        SECOND_KEY, '2.2.3', idletime, 'Returns the time since the last access to a Redis object.', {tips: ['nondeterministic_output']}],
    ['REFCOUNT', 3,   READONLY,        SECOND_KEY, '2.2.3', refcount, 'Returns the reference count of a value of a key.', {tips: ['nondeterministic_output']}],
  ]}],
  ['RANDOMKEY', 1,    READONLY,        NO_KEY,   '1.0.0', randomkey, 'Returns a random key name from the database.', {tips: ['request_policy:all_shards', 'response_policy:special', 'nondeterministic_output']}],
  ['RENAME',    3,    WRITE,           TWO_KEYS, '1.0.0', rename,    'Renames a key and overwrites the destination.'],
  ['RENAMENX',  3,    WRITE | FAST,    TWO_KEYS, '1.0.0', renamenx,  'Renames a key only when the target key name doesn\'t exist.'],
  ['SCAN',      -2,   READONLY,        NO_KEY,   '2.8.0', scan,      'Iterates over the key names in the database.', {tips: ['nondeterministic_output', 'request_policy:special', 'response_policy:special']}],
  ['SWAPDB',    3,    WRITE | FAST,    NO_KEY,   '4.0.0', swapdb,    'Swaps two Redis databases.', {group: 'server'}],
  ['TOUCH',     -2,   READONLY | FAST, ALL_KEYS, '3.2.1', touch,     'Returns the number of existing keys out of those specified after updating the time they were last accessed.', {tips: ['request_policy:multi_shard', 'response_policy:agg_sum']}],
  ['TYPE',      2,    READONLY | FAST, ONE_KEY,  '1.0.0', type,      'Determines the type of value stored at a key.'],
  ['UNLINK',    -2,   WRITE | FAST,    ALL_KEYS, '4.0.0', unlink,    'Asynchronously deletes one or more keys.', {tips: ['request_policy:multi_shard', 'response_policy:agg_sum']}],
];

function dbsize(call: Call): void {
  call.reply.integer(call.database.size);
}

function del(call: Call): void {
  removeKeys(call, call.context.keyspace.lazyFree.policy.userDel);
}

function unlink(call: Call): void {
  removeKeys(call, true);
}

function removeKeys(call: Call, lazily: boolean): void {
  const { lazyFree } = call.context.keyspace;
  let removed = 0;
  lazyFree.lazily = lazily;
  for (let index = 1; index < call.argc; index++) {
    if (!call.database.remove(call.bytes, call.argStart[index], call.argLength[index])) continue;
    removed++;
    call.notify(NOTIFY_GENERIC, 'del', index);
  }
  lazyFree.lazily = lazyFree.policy.serverDel;
  call.reply.integer(removed);
}

function exists(call: Call): void {
  let count = 0;
  for (let index = 1; index < call.argc; index++) if (peekKey(call, index) !== 0) count++;
  call.reply.integer(count);
}

function flushall(call: Call): void {
  if (!flushOptions(call)) return;
  const { keyspace, persistence, replication } = call.context;
  persistence.beforeFlushAll();
  replication.primary.cancelSync('FLUSHALL');
  keyspace.lazyFree.lazily = flushesLazily(call);
  keyspace.dirty += keyspace.flushAll();
  keyspace.lazyFree.lazily = keyspace.lazyFree.policy.serverDel;
  const saved = persistence.afterFlushAll();
  call.context.tracking.flushed(call.context.clients.all());
  // Propagated even when nothing was there: a replica may still hold what expired here.
  if (saved) call.propagateAs(Array.from({ length: call.argc }, (_, index) => call.copy(index)));
  else keyspace.dirty++;
  call.reply.ok();
}

function flushdb(call: Call): void {
  if (!flushOptions(call)) return;
  const { keyspace } = call.context;
  const alone = call.database.size === keyspace.size;
  keyspace.lazyFree.lazily = flushesLazily(call);
  keyspace.dirty += (alone ? keyspace.flushAll() : call.database.flush()) + 1;
  keyspace.lazyFree.lazily = keyspace.lazyFree.policy.serverDel;
  call.context.tracking.flushed(call.context.clients.all());
  call.reply.ok();
}

function flushOptions(call: Call): boolean {
  if (call.argc === 1 || (call.argc === 2 && (call.is(1, 'SYNC') || call.is(1, 'ASYNC')))) return true;
  call.reply.error(errors.SYNTAX);
  return false;
}

function flushesLazily(call: Call): boolean {
  return call.argc === 1 ? call.context.keyspace.lazyFree.policy.userFlush : call.is(1, 'ASYNC');
}

function touch(call: Call): void {
  let count = 0;
  for (let index = 1; index < call.argc; index++) {
    if (call.database.read(call.bytes, call.argStart[index], call.argLength[index]) !== 0) count++;
  }
  call.reply.integer(count);
}

function type(call: Call): void {
  const ref = peekKey(call, 1);
  const { records, values } = call.context.keyspace;
  call.reply.simple(ref === 0 ? 'none' : values.nameOf(records.type(ref)));
}
