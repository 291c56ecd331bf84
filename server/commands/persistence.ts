/** Commands that save the dataset. */
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import {
  ADMIN,
  FAST,
  LOADING,
  NO_ASYNC_LOADING,
  NO_KEY,
  NO_MULTI,
  NOSCRIPT,
  type Row,
  STALE,
} from './row.ts';

const SAVING = ADMIN | NOSCRIPT | NO_ASYNC_LOADING;

// biome-ignore format: a table, one command a row
export const persistenceCommands: readonly Row[] = [
  // name           arity flags                     keys    since    run           summary
  ['BGREWRITEAOF', 1,    SAVING,                    NO_KEY, '1.0.0', bgrewriteaof, 'Asynchronously rewrites the append-only file to disk.', {group: 'server'}],
  ['BGSAVE',       -1,   SAVING,                    NO_KEY, '1.0.0', bgsave,       'Asynchronously saves the database(s) to disk.', {group: 'server'}],
  ['LASTSAVE',     1,    LOADING | STALE | FAST,    NO_KEY, '1.0.0', lastsave, 'Returns the Unix timestamp of the last successful save to disk.', {group: 'server', tips: ['nondeterministic_output']}],
  ['SAVE',         1,    SAVING | NO_MULTI,         NO_KEY, '1.0.0', save,         'Synchronously saves the database(s) to disk.', {group: 'server'}],
];

const CANCELLED = 'BGSAVE CANCEL';
const SAVE_RUNS = 'ERR Background save already in progress';

function bgrewriteaof(call: Call): void {
  const { aof, snapshots } = call.context.persistence;
  const scheduled = snapshots.active && !aof.rewriting;
  if (call.inTransaction && !aof.rewriting) {
    aof.schedule();
    call.reply.simple('Background append only file rewriting scheduled');
  } else if (!aof.rewrite())
    call.reply.error('ERR Background append only file rewriting already in progress');
  else if (scheduled) call.reply.simple('Background append only file rewriting scheduled');
  else if (aof.rewriting) call.reply.simple('Background append only file rewriting started');
  else
    call.reply.error(
      "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
    );
}

function bgsave(call: Call): void {
  const { save, snapshots } = call.context.persistence;
  const schedule = call.argc === 2 && call.is(1, 'SCHEDULE');
  if (call.argc === 2 && call.is(1, 'CANCEL')) cancel(call);
  else if (call.argc > 1 && !schedule) call.reply.error(errors.SYNTAX);
  else if (save.running || snapshots.has('sync')) call.reply.error(SAVE_RUNS);
  else if (snapshots.active || call.inTransaction) {
    if (!schedule && !call.inTransaction) {
      call.reply.error(
        "ERR Another child process is active (AOF?): can't BGSAVE right now. " +
          'Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.',
      );
      return;
    }
    save.scheduled = true;
    call.reply.simple('Background saving scheduled');
  } else {
    // A file that is refused at once shows in the log and in INFO, as when a child finds out.
    save.start();
    call.reply.simple('Background saving started');
  }
}

/** BGSAVE CANCEL: the save that runs, full syncs among them, or else the one that is to come. */
function cancel(call: Call): void {
  const { persistence, log } = call.context;
  const { save, snapshots } = persistence;
  if (save.running || snapshots.has('sync')) {
    log.notice('Background saving will be aborted due to user request');
    snapshots.cancel('save', CANCELLED);
    snapshots.cancel('sync', CANCELLED);
    call.reply.simple('Background saving cancelled');
  } else if (save.scheduled) {
    log.notice('Scheduled background saving will be cancelled due to user request');
    save.scheduled = false;
    call.reply.simple('Scheduled background saving cancelled');
  } else call.reply.error('ERR Background saving is currently not in progress or scheduled');
}

function lastsave(call: Call): void {
  call.reply.integer(Math.floor(call.context.persistence.save.lastSaveMs / 1000));
}

function save(call: Call): void {
  const { save, snapshots } = call.context.persistence;
  if (save.running || snapshots.has('sync')) call.reply.error(SAVE_RUNS);
  else if (save.saveNow() === null) call.reply.ok();
  else call.reply.error('ERR');
}
