/** Commands about the server as a whole: LOLWUT, MONITOR, SHUTDOWN, TIME. */

import { REDIS_VERSION } from '../config/config-file.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import {
  ADMIN,
  ALLOW_BUSY,
  FAST,
  LOADING,
  NO_KEY,
  NO_MULTI,
  NOSCRIPT,
  READONLY,
  type Row,
  STALE,
} from './row.ts';

const ANYTIME = LOADING | STALE;

// biome-ignore format: a table, one command a row
export const serverCommands: readonly Row[] = [
  // name      arity flags                              keys        since    run         summary
  ['LOLWUT',   -1,   READONLY | FAST,                   NO_KEY,     '5.0.0', lolwut,     'Displays computer art and the Redis version'],
  ['MONITOR',  1,    ADMIN | NOSCRIPT | ANYTIME,        NO_KEY,     '1.0.0', monitor,    'Listens for all requests received by the server in real-time.'],
  ['SHUTDOWN', -1,   ADMIN | NOSCRIPT | ANYTIME | NO_MULTI | ALLOW_BUSY, NO_KEY, '1.0.0', shutdown,   'Synchronously saves the database(s) to disk and shuts down the Redis server.', {group: 'server'}],
  ['TIME',     1,    FAST | ANYTIME,                    NO_KEY,     '2.6.0', time,       'Returns the server time.', {group: 'server', tips: ['nondeterministic_output']}],
];

const ART_COLUMNS = 60;
const ART_ROWS = 8;
const SHADES = ' .:-=+*#%@';

/** A landscape that is another one at each call. */
function lolwut(call: Call): void {
  const heights: number[] = [];
  let height = ART_ROWS / 2;
  for (let column = 0; column < ART_COLUMNS; column += 1) {
    height = Math.min(ART_ROWS, Math.max(0, height + Math.floor(Math.random() * 3) - 1));
    heights.push(height);
  }
  const rows: string[] = [];
  for (let row = ART_ROWS; row > 0; row -= 1) {
    const shade = SHADES[Math.floor(((ART_ROWS - row + 1) / ART_ROWS) * (SHADES.length - 1))] ?? '#';
    rows.push(
      heights
        .map((top) => (top >= row ? shade : ' '))
        .join('')
        .trimEnd(),
    );
  }
  call.reply.verbatim(`${rows.join('\n')}\n\nRedis ver. ${REDIS_VERSION}\n`);
}

/** The connection is shown every command from here on. */
function monitor(call: Call): void {
  if (!call.mayBlock) {
    call.reply.error("ERR MONITOR isn't allowed for DENY BLOCKING client");
    return;
  }
  call.context.observer.monitors.add(call.client);
  call.reply.ok();
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
  const { context } = call;
  if (abort) {
    if (call.argc !== 2) call.reply.error(errors.SYNTAX);
    else if (context.abortShutdown()) call.reply.ok();
    else call.reply.error('ERR No shutdown in progress.');
    return;
  }
  if (save !== false && context.scripts.suspended !== null) {
    call.reply.error(context.scripts.busy);
    return;
  }
  if (!now && !call.mayBlock) {
    call.reply.error("ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client");
    return;
  }
  if (context.scripts.suspended !== null && save !== false) {
    // The data is in the middle of a change: it must not be saved.
    call.reply.error(context.scripts.busy);
    return;
  }
  const answer = call.defer();
  context.shutdown({ save, now, force }, (error) => answer((reply) => reply.error(error)));
}

function time(call: Call): void {
  // Time stands still in scripts and transactions.
  const still = call.inScript || call.inTransaction;
  const nowMs = still ? call.context.keyspace.nowMs : performance.timeOrigin + performance.now();
  const micros = Math.floor(nowMs * 1000);
  call.reply.array(2);
  call.reply.bulkLatin1(String(Math.floor(micros / 1e6)));
  call.reply.bulkLatin1(String(micros % 1e6));
}
