/** SLOWLOG and COMMANDLOG: what the observer has noted of slow and large commands. */
import type { Call } from './call.ts';
import type { CommandLog, LogEntry } from './command-log.ts';
import * as errors from './errors.ts';
import { writeHelp } from './help.ts';
import { ADMIN, LOADING, NO_KEY, type Row, STALE } from './row.ts';

const GUARDED = ADMIN | LOADING | STALE;
const ON_ALL_NODES = ['request_policy:all_nodes', 'nondeterministic_output'];
const SUMMED = ['request_policy:all_nodes', 'response_policy:agg_sum', 'nondeterministic_output'];
const RESET_ALL = ['request_policy:all_nodes', 'response_policy:all_succeeded'];

// biome-ignore format: a table, one command a row
export const slowLogCommands: readonly Row[] = [
  // name         arity flags            keys    since     run             summary
  ['COMMANDLOG',  -2,   0,               NO_KEY, '8.1.0',  commandLogHelp, 'A container for command log commands.', {subcommands: [
    ['GET',       4,    GUARDED,         NO_KEY, '8.1.0',  commandLogGet,  'Returns the specified command log\'s entries.', {tips: ON_ALL_NODES}],
    ['HELP',      2,    LOADING | STALE, NO_KEY, '8.1.0',  commandLogHelp, 'Returns helpful text about the different subcommands.'],
    ['LEN',       3,    GUARDED,         NO_KEY, '8.1.0',  commandLogLen,  'Returns the number of entries in the specified type of command log.', {tips: SUMMED}],
    ['RESET',     3,    GUARDED,         NO_KEY, '8.1.0',  commandLogReset, 'Clears all entries from the specified type of command log.', {tips: RESET_ALL}],
  ]}],
  ['SLOWLOG',     -2,   0,               NO_KEY, '2.2.12', slowLogHelp,    'A container for slow log commands.', {subcommands: [
    ['GET',       -2,   GUARDED,         NO_KEY, '2.2.12', slowLogGet,     'Returns the slow log\'s entries.', {tips: ON_ALL_NODES}],
    ['HELP',      2,    LOADING | STALE, NO_KEY, '6.2.0',  slowLogHelp,    'Show helpful text about the different subcommands'],
    ['LEN',       2,    GUARDED,         NO_KEY, '2.2.12', slowLogLen,     'Returns the number of entries in the slow log.', {tips: SUMMED}],
    ['RESET',     2,    GUARDED,         NO_KEY, '2.2.12', slowLogReset,   'Clears all entries from the slow log.', {tips: RESET_ALL}],
  ]}],
];

const SHOWN_BY_DEFAULT = 10;

/** The log that word `index` names; null after an error was answered. */
function namedLog(call: Call, index: number): CommandLog | null {
  const { slow, largeRequests, largeReplies } = call.context.observer;
  if (call.is(index, 'SLOW')) return slow;
  if (call.is(index, 'LARGE-REQUEST')) return largeRequests;
  if (call.is(index, 'LARGE-REPLY')) return largeReplies;
  call.reply.error('ERR type should be one of the following: slow, large-request, large-reply');
  return null;
}

function commandLogGet(call: Call): void {
  const log = namedLog(call, 3);
  if (log !== null) writeNewest(call, log, call.integer(2));
}

function commandLogHelp(call: Call): void {
  writeHelp(call, 'COMMANDLOG', [
    'GET <count> <type>',
    '    Return top <count> entries of the specified <type> from the commandlog (-1 mean all).',
    '    Entries are made of:',
    '    id, timestamp,',
    '        time in microseconds for type of slow,',
    '        or size in bytes for type of large-request,',
    '        or size in bytes for type of large-reply',
    '    arguments array, client IP and port,',
    '    client name',
    'LEN <type>',
    '    Return the length of the specified type of commandlog.',
    'RESET <type>',
    '    Reset the specified type of commandlog.',
  ]);
}

function commandLogLen(call: Call): void {
  const log = namedLog(call, 2);
  if (log !== null) call.reply.integer(log.length);
}

function commandLogReset(call: Call): void {
  const log = namedLog(call, 2);
  if (log === null) return;
  log.reset();
  call.reply.ok();
}

function slowLogGet(call: Call): void {
  if (call.argc > 3) {
    call.reply.error(errors.wrongArity('slowlog|get'));
    return;
  }
  writeNewest(call, call.context.observer.slow, call.argc === 2 ? SHOWN_BY_DEFAULT : call.integer(2));
}

function slowLogHelp(call: Call): void {
  writeHelp(call, 'SLOWLOG', [
    'GET [<count>]',
    '    Return top <count> entries from the slowlog (default: 10, -1 mean all).',
    '    Entries are made of:',
    '    id, timestamp, time in microseconds, arguments array, client IP and port,',
    '    client name',
    'LEN',
    '    Return the length of the slowlog.',
    'RESET',
    '    Reset the slowlog.',
  ]);
}

function slowLogLen(call: Call): void {
  call.reply.integer(call.context.observer.slow.length);
}

function slowLogReset(call: Call): void {
  call.context.observer.slow.reset();
  call.reply.ok();
}

/** The newest `count` entries; -1: all. */
function writeNewest(call: Call, log: CommandLog, count: number): void {
  if (!(count >= -1)) {
    call.reply.error('ERR count should be greater than or equal to -1');
    return;
  }
  const entries = log.newest(count === -1 ? log.length : count);
  call.reply.array(entries.length);
  for (const entry of entries) writeEntry(call, entry);
}

function writeEntry(call: Call, entry: LogEntry): void {
  const { reply } = call;
  reply.array(6);
  reply.integer(entry.id);
  reply.integer(entry.timeSeconds);
  reply.integer(entry.amount);
  reply.array(entry.words.length);
  for (const word of entry.words) reply.bulk(word);
  reply.bulkText(entry.address);
  reply.bulkText(entry.clientName);
}
