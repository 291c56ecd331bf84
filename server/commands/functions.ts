/** Functions: libraries of them, and FCALL. */
import type { Library } from '../scripting/library.ts';
import { flagNames } from '../scripting/script.ts';
import { matchesGlob } from '../structures/glob.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { dumpLibraries, openLibraries } from './function-payload.ts';
import { writeHelp } from './help.ts';
import {
  ALLOW_BUSY,
  DENYOOM,
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
  WRITE,
} from './row.ts';
import { flagsByScript } from './script-policy.ts';
import { keysByCount } from './scripting.ts';

const RUNS = NOSCRIPT | SKIP_MONITOR | STALE | MOVABLE_KEYS | NO_MANDATORY_KEYS;
const KEYS = { keys: keysByCount, flagsOf: flagsByFunction };
const CHANGES = NOSCRIPT | WRITE;
const ON_ALL_SHARDS = { tips: ['request_policy:all_shards', 'response_policy:all_succeeded'] };

// biome-ignore format: a table, one command a row
export const functionCommands: readonly Row[] = [
  // name        arity flags                 keys    since    run      summary
  ['FCALL',      -3,   RUNS | MAY_REPLICATE, NO_KEY, '7.0.0', fcall,   'Invokes a function.', KEYS],
  ['FCALL_RO',   -3,   RUNS | READONLY,      NO_KEY, '7.0.0', fcall,   'Invokes a read-only function.', KEYS],
  ['FUNCTION',   -2,   0,                    NO_KEY, '7.0.0', help,    'A container for function commands.', {subcommands: [
    ['DELETE',   3,    CHANGES,              NO_KEY, '7.0.0', del,     'Deletes a library and its functions.', ON_ALL_SHARDS],
    ['DUMP',     2,    NOSCRIPT,             NO_KEY, '7.0.0', dump,    'Dumps all libraries into a serialized binary payload.'],
    ['FLUSH',    -2,   CHANGES,              NO_KEY, '7.0.0', flush,   'Deletes all libraries and functions.', ON_ALL_SHARDS],
    ['HELP',     2,    LOADING | STALE,      NO_KEY, '7.0.0', help,    'Returns helpful text about the different subcommands.'],
    ['KILL',     2,    NOSCRIPT | ALLOW_BUSY, NO_KEY, '7.0.0', kill,   'Terminates a function during execution.', {tips: ['request_policy:all_shards', 'response_policy:one_succeeded']}],
    ['LIST',     -2,   NOSCRIPT,             NO_KEY, '7.0.0', list,    'Returns information about all libraries.', {tips: ['nondeterministic_output_order']}],
    ['LOAD',     -3,   CHANGES | DENYOOM,    NO_KEY, '7.0.0', load,    'Creates a library.', ON_ALL_SHARDS],
    ['RESTORE',  -3,   CHANGES | DENYOOM,    NO_KEY, '7.0.0', restore, 'Restores all libraries from a payload.', ON_ALL_SHARDS],
    ['STATS',    2,    NOSCRIPT | ALLOW_BUSY, NO_KEY, '7.0.0', stats,  'Returns information about a function during execution.', {tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special']}],
  ]}],
];

const FIRST_KEY = 3;

function fcall(call: Call): void {
  const { scripts } = call.context;
  const found = scripts.scripting.libraries.find(call.latin1(1));
  if (found === undefined) {
    call.reply.error('ERR Function not found');
    return;
  }
  const wide = call.integer64(2);
  if (wide === null) call.reply.error('ERR Bad number of keys provided');
  else if (wide > call.argc - FIRST_KEY) {
    call.reply.error("ERR Number of keys can't be greater than number of args");
  } else if (wide < 0) call.reply.error("ERR Number of keys can't be negative");
  else {
    call.propagateNothing();
    const readOnly = (call.entry.flags & READONLY) !== 0;
    scripts.runFunction(call, found.library, found.entry, FIRST_KEY, Number(wide), readOnly);
  }
}

function flagsByFunction(call: Call, flags: number): number {
  const found = call.context.scripts.scripting.libraries.find(call.latin1(1));
  return found === undefined ? flags : flagsByScript(flags, found.entry.flags);
}

function del(call: Call): void {
  if (!call.context.scripts.scripting.libraries.delete(call.latin1(2))) {
    call.reply.error('ERR Library not found');
    return;
  }
  call.context.keyspace.dirty++;
  call.reply.ok();
}

function dump(call: Call): void {
  const { scripts, config } = call.context;
  call.reply.bulk(dumpLibraries(scripts.scripting.libraries.all(), config.values['rdb-version']));
}

function flush(call: Call): void {
  if (call.argc > 3) {
    call.reply.error(errors.unknownSubcommand(call.text(1), 'FUNCTION'));
    return;
  }
  if (call.argc === 3 && !call.is(2, 'SYNC') && !call.is(2, 'ASYNC')) {
    call.reply.error('ERR FUNCTION FLUSH only supports SYNC|ASYNC option');
    return;
  }
  call.context.scripts.scripting.libraries.clear();
  call.context.keyspace.dirty++;
  call.reply.ok();
}

function kill(call: Call): void {
  const refusal = call.context.scripts.kill(true);
  if (refusal === undefined) call.reply.ok();
  else call.reply.error(refusal);
}

function list(call: Call): void {
  const { reply } = call;
  let withCode = false;
  let pattern: Buffer | null = null;
  for (let index = 2; index < call.argc; index++) {
    if (!withCode && call.is(index, 'WITHCODE')) withCode = true;
    else if (pattern === null && call.is(index, 'LIBRARYNAME')) {
      if (index + 1 === call.argc) {
        reply.error('ERR library name argument was not given');
        return;
      }
      pattern = call.copy(++index);
    } else {
      reply.error(`ERR Unknown argument ${call.text(index)}`);
      return;
    }
  }
  const wanted = [...call.context.scripts.scripting.libraries.all()].filter(({ name }) => {
    const bytes = Buffer.from(name, 'latin1');
    return pattern === null || matchesGlob(pattern, bytes, 0, bytes.length, true);
  });
  reply.array(wanted.length);
  for (const library of wanted) writeLibrary(call, library, withCode);
}

function writeLibrary(call: Call, library: Library, withCode: boolean): void {
  const { reply } = call;
  reply.map(withCode ? 4 : 3);
  reply.bulkLatin1('library_name');
  reply.bulkLatin1(library.name);
  reply.bulkLatin1('engine');
  reply.bulkLatin1('LUA');
  reply.bulkLatin1('functions');
  reply.array(library.functions.length);
  for (const { name, description, flags } of library.functions) {
    reply.map(3);
    reply.bulkLatin1('name');
    reply.bulkLatin1(name);
    reply.bulkLatin1('description');
    if (description === null) reply.nullBulk();
    else reply.bulkLatin1(description);
    reply.bulkLatin1('flags');
    const names = flagNames(flags);
    reply.set(names.length);
    for (const flag of names) reply.simple(flag);
  }
  if (!withCode) return;
  reply.bulkLatin1('library_code');
  reply.bulk(library.code);
}

function load(call: Call): void {
  let replace = false;
  for (let index = 2; index < call.argc - 1; index++) {
    if (!call.is(index, 'REPLACE')) {
      call.reply.error(`ERR Unknown option given: ${call.text(index)}`);
      return;
    }
    replace = true;
  }
  const { libraries } = call.context.scripts.scripting;
  const library = libraries.load(call.copy(call.argc - 1), replace ? 'replace' : 'refuse');
  if (typeof library === 'string') {
    call.reply.error(`ERR ${library}`);
    return;
  }
  call.context.keyspace.dirty++;
  call.reply.bulkLatin1(library.name);
}

function restore(call: Call): void {
  if (call.argc > 4) {
    call.reply.error(errors.unknownSubcommand(call.text(1), 'FUNCTION'));
    return;
  }
  const policy = call.argc === 4 ? call.text(3).toLowerCase() : 'append';
  if (policy !== 'append' && policy !== 'replace' && policy !== 'flush') {
    call.reply.error('ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.');
    return;
  }
  const problem = restored(call, policy);
  if (problem !== undefined) {
    call.reply.error(`ERR ${problem}`);
    return;
  }
  call.context.keyspace.dirty++;
  call.reply.ok();
}

/** Takes the libraries of a payload in, all or none; the error's text. */
function restored(call: Call, policy: 'append' | 'replace' | 'flush'): string | undefined {
  const { libraries } = call.context.scripts.scripting;
  const codes = openLibraries(call.copy(2));
  if (typeof codes === 'string') return codes;
  const read: Library[] = [];
  for (const code of codes) {
    const library = libraries.read(code);
    const twice = typeof library !== 'string' && read.some(({ name }) => name === library.name);
    if (typeof library !== 'string') read.push(library);
    if (typeof library === 'string' || twice) {
      libraries.discard(read);
      return typeof library === 'string' ? library : `Library '${library.name}' already exists`;
    }
  }
  if (policy === 'flush') libraries.clear();
  const problem = libraries.join(read, policy === 'replace' ? 'replace' : 'refuse');
  if (problem !== undefined) libraries.discard(read);
  return problem;
}

function stats(call: Call): void {
  const { reply } = call;
  const { libraries } = call.context.scripts.scripting;
  reply.map(2);
  reply.bulkLatin1('running_script');
  writeRunning(call);
  reply.bulkLatin1('engines');
  reply.map(1);
  reply.bulkLatin1('LUA');
  reply.map(2);
  reply.bulkLatin1('libraries_count');
  reply.integer(libraries.count);
  reply.bulkLatin1('functions_count');
  reply.integer(libraries.functionCount);
}

function writeRunning(call: Call): void {
  const { reply, context } = call;
  const { suspended } = context.scripts;
  if (suspended === null) {
    reply.nullBulk();
    return;
  }
  const words = suspended.words();
  reply.map(3);
  reply.bulkLatin1('name');
  reply.bulkLatin1(context.scripts.name);
  reply.bulkLatin1('command');
  reply.array(words.length);
  for (const word of words) reply.bulk(word);
  reply.bulkLatin1('duration_ms');
  reply.integer(Math.floor(performance.now() - suspended.startedMs));
}

function help(call: Call): void {
  writeHelp(call, 'FUNCTION', [
    'LOAD [REPLACE] <FUNCTION CODE>',
    '    Create a new library with the given library name and code.',
    'DELETE <LIBRARY NAME>',
    '    Delete the given library.',
    'LIST [LIBRARYNAME PATTERN] [WITHCODE]',
    '    Return general information on all the libraries:',
    '    * Library name',
    '    * The engine used to run the Library',
    '    * Functions list',
    '    * Library code (if WITHCODE is given)',
    '    It also possible to get only function that matches a pattern using LIBRARYNAME argument.',
    'STATS',
    '    Return information about the current function running:',
    '    * Function name',
    '    * Command used to run the function',
    '    * Duration in MS that the function is running',
    '    If no function is running, return nil',
    '    In addition, returns a list of available engines.',
    'KILL',
    '    Kill the current running function.',
    'FLUSH [ASYNC|SYNC]',
    '    Delete all the libraries.',
    '    When called without the optional mode argument, the behavior is determined by the',
    '    lazyfree-lazy-user-flush configuration directive. Valid modes are:',
    '    * ASYNC: Asynchronously flush the libraries.',
    '    * SYNC: Synchronously flush the libraries.',
    'DUMP',
    '    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command',
    'RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]',
    '    Restore the libraries represented by the given payload, it is possible to give a restore policy to',
    '    control how to handle existing libraries (default APPEND):',
    '    * FLUSH: delete all existing libraries.',
    '    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.',
    '    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old',
    '      libraries with the new libraries (notice that even on this option there is a chance of failure',
    '      in case of functions name collision with another library).',
  ]);
}
