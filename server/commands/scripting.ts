/** Scripts: EVAL and its kin, SCRIPT. */
import { readShebang, type Script } from '../scripting/script.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { writeHelp } from './help.ts';
import {
  ALLOW_BUSY,
  LOADING,
  MAY_REPLICATE,
  MOVABLE_KEYS,
  NO_KEY,
  NO_MANDATORY_KEYS,
  NOSCRIPT,
  READONLY,
  type Row,
  SKIP_MONITOR,
  STALE,
} from './row.ts';
import { flagsByScript } from './script-policy.ts';

const RUNS = NOSCRIPT | SKIP_MONITOR | STALE | MOVABLE_KEYS | NO_MANDATORY_KEYS;
const BY_SOURCE = { keys: keysByCount, flagsOf: flagsBySource };
const BY_HASH = { keys: keysByCount, flagsOf: flagsByHash };
const ON_ALL_NODES = { tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'] };

// biome-ignore format: a table, one command a row
export const scriptingCommands: readonly Row[] = [
  // name        arity flags                keys    since    run          summary
  ['EVAL',       -3,   RUNS | MAY_REPLICATE, NO_KEY, '2.6.0', evalScript, 'Executes a server-side Lua script.', BY_SOURCE],
  ['EVALSHA',    -3,   RUNS | MAY_REPLICATE, NO_KEY, '2.6.0', evalKnown,  'Executes a server-side Lua script by SHA1 digest.', BY_HASH],
  ['EVALSHA_RO', -3,   RUNS | READONLY,     NO_KEY, '7.0.0', evalKnown,   'Executes a read-only server-side Lua script by SHA1 digest.', BY_HASH],
  ['EVAL_RO',    -3,   RUNS | READONLY,     NO_KEY, '7.0.0', evalScript,  'Executes a read-only server-side Lua script.', BY_SOURCE],
  ['SCRIPT',     -2,   0,                   NO_KEY, '2.6.0', help,        'A container for Lua scripts management commands.', {subcommands: [
    ['DEBUG',    3,    NOSCRIPT,            NO_KEY, '3.2.0', debug,       'Sets the debug mode of server-side Lua scripts.'],
    ['EXISTS',   -3,   NOSCRIPT,            NO_KEY, '2.6.0', exists,      'Determines whether server-side Lua scripts exist in the script cache.', {tips: ['request_policy:all_shards', 'response_policy:agg_logical_and']}],
    ['FLUSH',    -2,   NOSCRIPT,            NO_KEY, '2.6.0', flush,       'Removes all server-side Lua scripts from the script cache.', ON_ALL_NODES],
    ['HELP',     2,    LOADING | STALE,     NO_KEY, '5.0.0', help,        'Returns helpful text about the different subcommands.'],
    ['KILL',     2,    NOSCRIPT | ALLOW_BUSY, NO_KEY, '2.6.0', kill,        'Terminates a server-side Lua script during execution.', {tips: ['request_policy:all_shards', 'response_policy:one_succeeded']}],
    ['LOAD',     3,    NOSCRIPT | STALE,    NO_KEY, '2.6.0', load,        'Loads a server-side Lua script to the script cache.', ON_ALL_NODES],
    ['SHOW',     3,    NOSCRIPT,            NO_KEY, '8.0.0', show,        'Show server-side Lua script in the script cache.'],
  ]}],
];

const FIRST_KEY = 3;
const NO_SCRIPT = 'NOSCRIPT No matching script. Please use EVAL.';

function evalScript(call: Call): void {
  const keyCount = keyCountOf(call);
  if (keyCount < 0) return;
  const { scripting } = call.context.scripts;
  const source = call.copy(1);
  const script = scripting.load(source, false);
  if (typeof script === 'string') call.reply.error(`ERR ${script}`);
  else run(call, script, keyCount);
}

function evalKnown(call: Call): void {
  const keyCount = keyCountOf(call);
  if (keyCount < 0) return;
  const { scripts } = call.context;
  const script = scripts.scripting.find(call.latin1(1));
  if (scripts.debugging.isNext(call.client)) {
    call.reply.error('ERR Please use EVAL instead of EVALSHA for debugging');
  } else if (script === undefined) call.reply.error(NO_SCRIPT);
  else run(call, script, keyCount);
}

function run(call: Call, script: Script, keyCount: number): void {
  // The effects of the script are what is passed on.
  call.propagateNothing();
  const readOnly = (call.entry.flags & READONLY) !== 0;
  call.context.scripts.run(call, script, FIRST_KEY, keyCount, readOnly);
}

/** Word 2; -1 when it is no count of the words that follow, which is answered. */
function keyCountOf(call: Call): number {
  const wide = call.integer64(2);
  if (wide === null) call.reply.error(errors.NOT_INTEGER);
  else if (wide > call.argc - FIRST_KEY) {
    call.reply.error("ERR Number of keys can't be greater than number of args");
  } else if (wide < 0) call.reply.error("ERR Number of keys can't be negative");
  else return Number(wide);
  return -1;
}

/** The keys of words 3 and on, as many as word 2 says. */
export function keysByCount(call: Call): number {
  const count = call.integer(2);
  if (!(count >= 0 && count <= call.argc - FIRST_KEY)) return -1;
  call.reserveKeys(count);
  for (let key = 0; key < count; key++) call.keyPositions[key] = FIRST_KEY + key;
  return count;
}

/** What the shebang of the script says of the call; the row's flags when there is none. */
function flagsBySource(call: Call, flags: number): number {
  const shebang = readShebang(call.copy(1));
  return typeof shebang === 'string' ? flags : flagsByScript(flags, shebang.flags);
}

function flagsByHash(call: Call, flags: number): number {
  const script = call.context.scripts.scripting.find(call.latin1(1));
  return script === undefined ? flags : flagsByScript(flags, script.shebang.flags);
}

function debug(call: Call): void {
  const { reply } = call;
  const { scripts } = call.context;
  if (call.is(2, 'NO') || call.is(2, 'SYNC')) {
    scripts.debugging.setNext(call.client, call.is(2, 'SYNC'));
    reply.ok();
  } else if (call.is(2, 'YES')) {
    reply.error('ERR SCRIPT DEBUG YES needs a fork of the server, and this one never forks. Use SYNC');
  } else reply.error('ERR Use SCRIPT DEBUG YES/SYNC/NO');
}

function exists(call: Call): void {
  const { cache } = call.context.scripts.scripting;
  call.reply.array(call.argc - 2);
  for (let index = 2; index < call.argc; index++) {
    call.reply.integer(cache.get(call.latin1(index).toLowerCase()) === undefined ? 0 : 1);
  }
}

function flush(call: Call): void {
  if (call.argc > 3 || (call.argc === 3 && !call.is(2, 'SYNC') && !call.is(2, 'ASYNC'))) {
    call.reply.error('ERR SCRIPT FLUSH only support SYNC|ASYNC option');
    return;
  }
  call.context.scripts.scripting.flush();
  call.reply.ok();
}

function kill(call: Call): void {
  const refusal = call.context.scripts.kill(false);
  if (refusal === undefined) call.reply.ok();
  else call.reply.error(refusal);
}

function load(call: Call): void {
  const script = call.context.scripts.scripting.load(call.copy(2), true);
  if (typeof script === 'string') call.reply.error(`ERR ${script}`);
  else call.reply.bulkLatin1(script.sha);
}

function show(call: Call): void {
  const script = call.context.scripts.scripting.find(call.latin1(2));
  if (script === undefined) call.reply.error(NO_SCRIPT);
  else call.reply.bulk(script.source);
}

function help(call: Call): void {
  writeHelp(call, 'SCRIPT', [
    'DEBUG (YES|SYNC|NO)',
    '    Set the debug mode for subsequent scripts executed.',
    'EXISTS <sha1> [<sha1> ...]',
    '    Return information about the existence of the scripts in the script cache.',
    'FLUSH [ASYNC|SYNC]',
    '    Flush the Lua scripts cache. Very dangerous on replicas.',
    '    When called without the optional mode argument, the behavior is determined',
    '     by the lazyfree-lazy-user-flush configuration directive. Valid modes are:',
    '    * ASYNC: Asynchronously flush the scripts cache.',
    '    * SYNC: Synchronously flush the scripts cache.',
    'KILL',
    '    Kill the currently executing Lua script.',
    'LOAD <script>',
    '    Load a script into the scripts cache without executing it.',
    'SHOW <sha1>',
    '    Show a script from the scripts cache.',
  ]);
}
