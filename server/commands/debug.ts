/** DEBUG: what tests need and no one else; closed unless `enable-debug-command` opens it. */
import { memory, Refusal } from '../config/kinds.ts';
import { rewriteFile } from '../config/rewrite.ts';
import { NO_EXPIRY } from '../keyspace/database.ts';
import { matchesGlob } from '../structures/glob.ts';
import type { Call } from './call.ts';
import { isLocal } from './config.ts';
import { debugHelp } from './debug-help.ts';
import { debugProtocol } from './debug-protocol.ts';
import {
  debugDigest,
  debugDigestValue,
  debugListpack,
  debugObject,
  debugQuicklist,
  debugSdsLength,
  debugTableStats,
  debugTableStatsOfKey,
} from './debug-values.ts';
import * as errors from './errors.ts';
import { ADMIN, LOADING, NO_KEY, NOSCRIPT, PROTECTED, type Row, STALE } from './row.ts';

// biome-ignore format: a table, one command a row
export const debugCommands: readonly Row[] = [
  // name      arity flags                                           keys    since    run    summary
  ['DEBUG',    -2,   ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED, NO_KEY, '1.0.0', debug, 'A container for debugging commands.'],
];

const SLEEP_SECONDS_MAX = 60;
/** No signal is noticed for so long. */
const DEAF_SLEEP_SECONDS_MAX = 5;
const POPULATE_MAX = 100_000_000;
const THRESHOLD_MAX = 2 ** 32;
const MATCH_ROUNDS = 20_000;
const MATCH_BYTES_MAX = 32;
const DEBUG_REFUSED =
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a ' +
  'local connection, otherwise you need to set this option in the configuration file, and then restart the server.';

/** Fewest and most words, handler. */
type Subcommand = readonly [least: number, most: number, run: (call: Call) => void];

const ANY = Number.POSITIVE_INFINITY;

// biome-ignore format: a table, one subcommand a row
const subcommands: ReadonlyMap<string, Subcommand> = new Map<string, Subcommand>([
  // name                            least most run
  ['AOF-FLUSH-SLEEP',                [3, 3,   ignored]],
  ['ASSERT',                         [2, 2,   () => crash('assertion failed: DEBUG ASSERT')]],
  ['CHANGE-REPL-ID',                 [2, 2,   changeReplicationId]],
  ['CLIENT-ENFORCE-REPLY-LIST',      [3, 3,   ignored]],
  ['CLIENT-EVICTION',                [2, 2,   ignored]],
  ['CONFIG-REWRITE-FORCE-ALL',       [2, 2,   rewriteAll]],
  ['DELAY-RDB-CLIENT-FREE-SECOND',   [3, 3,   ignored]],
  ['DICT-RESIZING',                  [3, 3,   (call) => turn(call, 'tablesFixed', false)]],
  ['DIGEST',                         [2, 2,   debugDigest]],
  ['DIGEST-VALUE',                   [2, ANY, debugDigestValue]],
  ['DROP-CLUSTER-PACKET-FILTER',     [3, 3,   dropPackets]],
  ['ERROR',                          [3, 3,   (call) => call.reply.error(call.text(2))]],
  ['HELP',                           [2, 2,   debugHelp]],
  ['HTSTATS',                        [3, 4,   debugTableStats]],
  ['HTSTATS-KEY',                    [3, 4,   debugTableStatsOfKey]],
  ['LEAK',                           [3, 3,   ignored]],
  ['LISTPACK',                       [3, 3,   debugListpack]],
  ['LOADAOF',                        [2, 2,   loadAof]],
  ['LOG',                            [3, 3,   writeLog]],
  ['OBJECT',                         [3, 4,   debugObject]],
  ['OOM',                            [2, 2,   () => crash('out of memory: DEBUG OOM')]],
  ['PANIC',                          [2, 2,   () => crash('DEBUG PANIC called')]],
  ['PAUSE-AFTER-FORK',               [3, 3,   ignored]],
  ['PAUSE-CRON',                     [3, 3,   (call) => turn(call, 'cronPaused', true)]],
  ['POPULATE',                       [3, 5,   populate]],
  ['PROTOCOL',                       [3, 3,   debugProtocol]],
  ['QUICKLIST',                      [3, 4,   debugQuicklist]],
  ['QUICKLIST-PACKED-THRESHOLD',     [3, 3,   packedThreshold]],
  ['RELOAD',                         [2, ANY, reload]],
  ['REPLICATE',                      [3, ANY, replicate]],
  ['REPLYBUFFER',                    [4, 4,   replyBuffer]],
  ['SDSLEN',                         [3, 3,   debugSdsLength]],
  ['SEGFAULT',                       [2, 2,   segfault]],
  ['SET-ACTIVE-EXPIRE',              [3, 3,   activeExpire]],
  ['SET-DISABLE-DENY-SCRIPTS',       [3, 3,   (call) => turn(call, 'scriptsCallAnything', true)]],
  ['SET-SKIP-CHECKSUM-VALIDATION',   [3, 3,   (call) => turn(call, 'skipsChecksums', true)]],
  ['SLEEP',                          [3, 3,   sleep]],
  ['STRINGMATCH-TEST',               [2, 2,   stringMatchTest]],
  ['STRUCTSIZE',                     [2, 2,   (call) => call.reply.bulkText('bits:64 ')]],
]);

function debug(call: Call): void {
  const allowed = call.context.config.values['enable-debug-command'];
  if (allowed === 'no' || (allowed === 'local' && !isLocal(call))) {
    call.reply.error(DEBUG_REFUSED);
    return;
  }
  const subcommand = subcommands.get(call.text(1).toUpperCase());
  if (subcommand === undefined || call.argc < subcommand[0] || call.argc > subcommand[1]) {
    call.reply.error(
      `ERR unknown subcommand or wrong number of arguments for '${call.text(1).slice(0, 128)}'. Try DEBUG HELP.`,
    );
    return;
  }
  subcommand[2](call);
}

/** For mechanisms of other servers that this one does not have. */
function ignored(call: Call): void {
  call.reply.ok();
}

function dropPackets(call: Call): void {
  const type = call.integer(2);
  const { cluster } = call.context;
  if (cluster === null) call.reply.error('ERR This instance has cluster support disabled');
  else if (Number.isNaN(type)) call.reply.error(errors.NOT_INTEGER);
  else {
    cluster.droppedType = type;
    call.reply.ok();
  }
}

/** Turns a switch: 1 is the position `whenOne`. */
function turn(
  call: Call,
  name: 'cronPaused' | 'scriptsCallAnything' | 'skipsChecksums' | 'tablesFixed',
  whenOne: boolean,
): void {
  const one = call.text(2) !== '0';
  call.context.keyspace.switches[name] = one === whenOne;
  call.reply.ok();
}

/** Ends the process as an internal error does: with a report in the log. */
function crash(reason: string): void {
  setImmediate(() => {
    throw new Error(reason);
  });
}

function segfault(call: Call): void {
  call.context.log.warning('=== REDIS BUG REPORT START: Cut & paste starting from here ===');
  call.context.log.warning('Redis crashed by signal: 11, DEBUG SEGFAULT');
  process.kill(process.pid, 'SIGSEGV');
}

function changeReplicationId(call: Call): void {
  call.context.log.notice('Changing replication IDs after receiving change-repl-id');
  call.context.replication.changeId();
  call.reply.ok();
}

function rewriteAll(call: Call): void {
  const problem = rewriteFile(call.context.config, true);
  if (problem === undefined) call.reply.ok();
  else call.reply.error(`ERR ${problem}`);
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

function loadAof(call: Call): void {
  const failed = 'Error trying to load the AOF files, check server logs.';
  afterLoad(call, async () => ((await call.context.persistence.reloadAof()) === null ? null : failed));
}

/**
 * Saves and loads again. `NOSAVE` only loads; `NOFLUSH` keeps the keys that are there, `MERGE` replaces those
 * that the file has as well, without which they are an error. (Redis ends the process then.)
 */
function reload(call: Call): void {
  let save = true;
  let keepsOthers = false;
  let replacesSame = false;
  for (let index = 2; index < call.argc; index += 1) {
    if (call.is(index, 'NOSAVE')) save = false;
    else if (call.is(index, 'NOFLUSH')) keepsOthers = true;
    else if (call.is(index, 'MERGE')) replacesSame = true;
    else {
      call.reply.error('ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.');
      return;
    }
  }
  const { persistence } = call.context;
  const failed = 'Error trying to load the RDB dump, check server logs.';
  const merging = { keepsOthers, replacesSame };
  afterLoad(call, async () => {
    if ((await persistence.reload(save, merging)) !== null) return failed;
    call.context.log.notice('DB reloaded by DEBUG RELOAD');
    return null;
  });
}

function writeLog(call: Call): void {
  call.context.log.warning(`DEBUG LOG: ${call.text(2)}`);
  call.reply.ok();
}

/** `POPULATE <count> [<prefix>] [<size>]`: keys `prefix:n` with values `value:n`, padded with zero bytes. */
function populate(call: Call): void {
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

function packedThreshold(call: Call): void {
  const bytes = memory(0n, BigInt(THRESHOLD_MAX)).read([call.text(2)], {
    previous: 0,
    first: true,
    starting: false,
  });
  if (bytes instanceof Refusal || bytes >= THRESHOLD_MAX) {
    call.reply.error('ERR argument must be a memory value bigger than 1 and smaller than 4gb');
    return;
  }
  call.context.keyspace.values.limits.quicklistPackedThreshold = bytes;
  call.reply.ok();
}

function replicate(call: Call): void {
  const words: Buffer[] = [];
  for (let index = 2; index < call.argc; index += 1) words.push(call.copy(index));
  call.context.propagation.words(call.client.databaseIndex, words);
  call.reply.ok();
}

/** Replies stand in one buffer for all clients here: there is nothing to resize. */
function replyBuffer(call: Call): void {
  const known = call.is(2, 'PEAK-RESET-TIME') || call.is(2, 'RESIZING');
  if (known) call.reply.ok();
  else call.reply.error(errors.SYNTAX);
}

function activeExpire(call: Call): void {
  call.context.keyspace.activeExpire = call.text(2) !== '0';
  call.reply.ok();
}

/**
 * Blocks the whole server, as the command promises; that is what tests use it for. A long sleep holds the
 * clients and leaves the thread to signals. A member of a cluster stands still all the same: that is how
 * people try what its failure does.
 */
function sleep(call: Call): void {
  const seconds = Number(call.text(2));
  const bounded = Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), SLEEP_SECONDS_MAX) : 0;
  if (bounded > DEAF_SLEEP_SECONDS_MAX && call.mayBlock && call.context.cluster === null) {
    holdClients(call, bounded * 1000);
    return;
  }
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, bounded * 1000);
  call.reply.ok();
}

function holdClients(call: Call, sleepMs: number): void {
  const { client, context } = call;
  const { clients, keyspace } = context;
  const { switches } = keyspace;
  const { cronPaused } = switches;
  clients.pausedUntilMs = Math.max(clients.pausedUntilMs, keyspace.nowMs + sleepMs);
  switches.cronPaused = true;
  const answer = call.defer();
  const wake = (): void => {
    switches.cronPaused = cronPaused;
    if (clients.byId(client.id) === client) answer((reply) => reply.ok());
  };
  setTimeout(wake, sleepMs).unref();
}

/** Random patterns against random texts: what goes wrong ends the process. */
function stringMatchTest(call: Call): void {
  for (let round = 0; round < MATCH_ROUNDS; round += 1) {
    const text = randomWord('ab\\[]-*?^');
    matchesGlob(randomWord('ab\\[]-*?^'), text, 0, text.length, false);
  }
  call.reply.simple('Apparently Redis did not crash: test passed');
}

function randomWord(letters: string): Buffer {
  let word = '';
  for (let left = Math.floor(Math.random() * MATCH_BYTES_MAX); left > 0; left -= 1) {
    word += letters[Math.floor(Math.random() * letters.length)];
  }
  return Buffer.from(word);
}
