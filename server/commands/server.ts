/** Commands about the server as a whole: TIME, SHUTDOWN, MEMORY, DEBUG. */

import { NO_EXPIRY } from '../keyspace/database.ts';
import type { Call } from './call.ts';
import { isLocal } from './config.ts';
import { datasetDigest, recordDigest } from './dataset-digest.ts';
import * as errors from './errors.ts';
import { writeHelp } from './help.ts';
import { ADMIN, FAST, LOADING, NO_KEY, NO_MULTI, NOSCRIPT, READONLY, type Row, STALE } from './row.ts';

const SECOND_KEY = [2, 2, 1] as const;
const ANYTIME = LOADING | STALE;

// biome-ignore format: a table, one command a row
export const serverCommands: readonly Row[] = [
  // name      arity flags                              keys        since    run         summary
  ['DEBUG',    -2,   ADMIN | NOSCRIPT | ANYTIME,        NO_KEY,     '1.0.0', debug,      'A container for debugging commands.', {group: 'server'}],
  ['MEMORY',   -2,   0,                                 NO_KEY,     '4.0.0', memoryHelp, 'A container for memory diagnostics commands.', {group: 'server', subcommands: [
    ['HELP',   2,    ANYTIME,                           NO_KEY,     '4.0.0', memoryHelp, 'Returns helpful text about the different subcommands.'],
    ['USAGE',  -3,   READONLY,                          SECOND_KEY, '4.0.0', usage,      'Estimates the memory usage of a key.'],
  ]}],
  ['SHUTDOWN', -1,   ADMIN | NOSCRIPT | ANYTIME | NO_MULTI, NO_KEY, '1.0.0', shutdown,   'Synchronously saves the database(s) to disk and shuts down the Redis server.', {group: 'server'}],
  ['TIME',     1,    FAST | ANYTIME,                    NO_KEY,     '2.6.0', time,       'Returns the server time.', {group: 'server', tips: ['nondeterministic_output']}],
];

const SLEEP_SECONDS_MAX = 60;
const POPULATE_MAX = 10_000_000;
const DEBUG_REFUSED =
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a ' +
  'local connection, otherwise you need to set this option in the configuration file, and then restart the server.';

function time(call: Call): void {
  const micros = Math.floor((performance.timeOrigin + performance.now()) * 1000);
  call.reply.array(2);
  call.reply.bulkLatin1(String(Math.floor(micros / 1e6)));
  call.reply.bulkLatin1(String(micros % 1e6));
}

/** A shutdown that succeeds answers nothing: the connection ends with the process. */
function shutdown(call: Call): void {
  let save: boolean | null = null;
  let now = false;
  let force = false;
  let abort = false;
  for (let index = 1; index < call.argc; index += 1) {
    if (call.is(index, 'SAVE') && save !== false) save = true;
    else if (call.is(index, 'NOSAVE') && save !== true) save = false;
    else if (call.is(index, 'NOW')) now = true;
    else if (call.is(index, 'FORCE')) force = true;
    else if (call.is(index, 'ABORT')) abort = true;
    else {
      call.reply.error(errors.SYNTAX);
      return;
    }
  }
  if (abort) {
    const alone = call.argc === 2;
    call.reply.error(alone ? 'ERR No shutdown in progress.' : errors.SYNTAX);
    return;
  }
  call.context.shutdown({ save, now, force });
}

function usage(call: Call): void {
  for (let index = 3; index < call.argc; index += 2) {
    if (!call.is(index, 'SAMPLES') || index + 1 >= call.argc) {
      call.reply.error(errors.SYNTAX);
      return;
    }
    if (!(call.integer(index + 1) >= 0)) {
      call.reply.error(errors.NOT_INTEGER);
      return;
    }
  }
  const ref = call.database.find(call.bytes, call.argStart[2] ?? 0, call.argLength[2] ?? 0);
  if (ref === 0) call.reply.nullBulk();
  else call.reply.integer(call.context.keyspace.records.heldBytes(ref));
}

function memoryHelp(call: Call): void {
  writeHelp(call, 'MEMORY', [
    'USAGE <key> [SAMPLES <count>]',
    '    Return memory in bytes used by <key> and its value. Nested values are',
    '    sampled up to <count> times (default: 5, 0 means sample all).',
  ]);
}

/** The subcommands of DEBUG by name: fewest words, handler. */
const debugSubcommands: ReadonlyMap<string, readonly [argc: number, run: (call: Call) => void]> = new Map([
  ['DIGEST', [2, debugDigest]],
  ['DIGEST-VALUE', [2, debugDigestValue]],
  ['HELP', [2, debugHelp]],
  ['LOADAOF', [2, debugLoadAof]],
  ['POPULATE', [3, debugPopulate]],
  ['RELOAD', [2, debugReload]],
  ['SET-ACTIVE-EXPIRE', [3, debugActiveExpire]],
  ['SLEEP', [3, debugSleep]],
] as const);

function debug(call: Call): void {
  const allowed = call.context.config.values['enable-debug-command'];
  if (allowed === 'no' || (allowed === 'local' && !isLocal(call))) {
    call.reply.error(DEBUG_REFUSED);
    return;
  }
  const subcommand = debugSubcommands.get(call.text(1).toUpperCase());
  if (subcommand === undefined || call.argc < subcommand[0]) {
    call.reply.error(
      `ERR unknown subcommand or wrong number of arguments for '${call.text(1).slice(0, 128)}'. Try DEBUG HELP.`,
    );
    return;
  }
  subcommand[1](call);
}

function debugDigest(call: Call): void {
  call.reply.simple(datasetDigest(call.context.keyspace));
}

function debugDigestValue(call: Call): void {
  call.reply.array(call.argc - 2);
  for (let index = 2; index < call.argc; index += 1) {
    const ref = call.database.find(call.bytes, call.argStart[index] ?? 0, call.argLength[index] ?? 0);
    const digest = ref === 0 ? Buffer.alloc(20) : recordDigest(call.context.keyspace, ref, false);
    call.reply.simple(digest.toString('hex'));
  }
}

/** `POPULATE <count> [<prefix>] [<size>]`: keys `prefix:n` with values `value:n`, padded with zero bytes. */
function debugPopulate(call: Call): void {
  const count = call.integer(2);
  const size = call.argc > 4 ? call.integer(4) : 0;
  if (!(count >= 0 && count <= POPULATE_MAX && size >= 0)) {
    call.reply.error(errors.NOT_INTEGER);
    return;
  }
  const prefix = call.argc > 3 ? call.latin1(3) : 'key';
  for (let number = 0; number < count; number += 1) {
    const key = Buffer.from(`${prefix}:${number}`, 'latin1');
    if (call.database.find(key, 0, key.length) !== 0) continue;
    const text = Buffer.from(`value:${number}`);
    const value = size === 0 ? text : Buffer.alloc(size);
    if (size !== 0) text.copy(value, 0, 0, Math.min(text.length, size));
    call.database.setString(key, 0, key.length, value, 0, value.length, NO_EXPIRY);
  }
  call.propagateNothing();
  call.reply.ok();
}

/** Answers when the load is over; other clients get LOADING meanwhile. */
function afterLoad(call: Call, load: () => Promise<string | null>): void {
  if (call.inTransaction) {
    call.reply.error('ERR Command not allowed inside a transaction');
    return;
  }
  const answer = call.defer();
  load().then(
    (failure) => answer((reply) => (failure === null ? reply.ok() : reply.error(`ERR ${failure}`))),
    (error: unknown) => answer((reply) => reply.error(`ERR ${String(error)}`)),
  );
}

function debugLoadAof(call: Call): void {
  afterLoad(call, () => call.context.persistence.reloadAof());
}

/** Saves and loads again; `NOSAVE` only loads. */
function debugReload(call: Call): void {
  const { persistence } = call.context;
  const save = !(call.argc > 2 && call.is(2, 'NOSAVE'));
  afterLoad(call, () => persistence.reload(save));
}

function debugActiveExpire(call: Call): void {
  call.context.keyspace.activeExpire = call.text(2) !== '0';
  call.reply.ok();
}

/** Blocks the whole server, as the command promises; that is what tests use it for. */
function debugSleep(call: Call): void {
  const seconds = Number(call.text(2));
  const bounded = Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), SLEEP_SECONDS_MAX) : 0;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, bounded * 1000);
  call.reply.ok();
}

function debugHelp(call: Call): void {
  writeHelp(call, 'DEBUG', [
    'DIGEST',
    '    Output a hex signature representing the current DB content.',
    'DIGEST-VALUE <key> [<key> ...]',
    '    Output a hex signature of the values of all the specified keys.',
    'LOADAOF',
    '    Flush the AOF buffers on disk and reload the AOF in memory.',
    'POPULATE <count> [<prefix>] [<size>]',
    '    Create <count> string keys named key:<num>. If <prefix> is specified then',
    "    it is used instead of the 'key' prefix. These are not propagated to",
    '    replicas.',
    'RELOAD [NOSAVE]',
    '    Save the RDB on disk and reload it back to memory.',
    'SET-ACTIVE-EXPIRE <0|1>',
    '    Setting it to 0 disables expiring keys (and hash-fields) in background.',
    'SLEEP <seconds>',
    '    Stop the server for <seconds>. Decimals allowed.',
  ]);
}
