/** COMMAND: what the server can do, derived from the rows of the command tables. */

import { matchesGlob } from '../structures/glob.ts';
import type { Call } from './call.ts';
import { aclCategories, flagNamesOf, groupOf } from './command-facts.ts';
import type { CommandEntry } from './command-table.ts';
import * as errors from './errors.ts';
import { writeHelp } from './help.ts';
import { LOADING, MOVABLE_KEYS, NO_KEY, READONLY, type Row, STALE } from './row.ts';

const ANYTIME = LOADING | STALE;

// biome-ignore format: a table, one command a row
export const commandCommands: readonly Row[] = [
  // name       arity flags    keys    since    run      summary
  ['COMMAND',   -1,   ANYTIME, NO_KEY, '2.8.13', info,   'Returns detailed information about all commands.', {group: 'server', tips: ['nondeterministic_output_order'], subcommands: [
    ['COUNT',   2,    ANYTIME, NO_KEY, '2.8.13', count,  'Returns a count of commands.'],
    ['DOCS',    -2,   ANYTIME, NO_KEY, '7.0.0',  docs,   'Returns documentary information about one, multiple or all commands.', {tips: ['nondeterministic_output_order']}],
    ['GETKEYS', -3,   ANYTIME, NO_KEY, '2.8.13', getkeys, 'Extracts the key names from an arbitrary command.'],
    ['HELP',    2,    ANYTIME, NO_KEY, '5.0.0',  help,   'Returns helpful text about the different subcommands.'],
    ['INFO',    -2,   ANYTIME, NO_KEY, '2.8.13', info,   'Returns information about one, multiple or all commands.', {tips: ['nondeterministic_output_order']}],
    ['LIST',    -2,   ANYTIME, NO_KEY, '7.0.0',  list,   'Returns a list of command names.', {tips: ['nondeterministic_output_order']}],
  ]}],
];

const INFO_FIELDS = 10;

function count(call: Call): void {
  call.reply.integer(call.table.entries.length);
}

/** The entries named from word 2 on, null where there is none; all of them when no name is given. */
function namedEntries(call: Call): (CommandEntry | null)[] {
  if (call.argc <= 2) return [...call.table.entries];
  const found: (CommandEntry | null)[] = [];
  for (let index = 2; index < call.argc; index += 1) found.push(call.table.byName(call.latin1(index)));
  return found;
}

function info(call: Call): void {
  const entries = namedEntries(call);
  call.reply.array(entries.length);
  for (const entry of entries) {
    if (entry === null) call.reply.nullArray();
    else writeInfo(call, entry);
  }
}

function writeInfo(call: Call, entry: CommandEntry): void {
  const { reply } = call;
  reply.array(INFO_FIELDS);
  reply.bulkLatin1(entry.name);
  reply.integer(entry.arity);
  writeStatusSet(call, flagNamesOf(entry.flags));
  reply.integer(entry.firstKey);
  reply.integer(entry.lastKey);
  reply.integer(entry.keyStep);
  writeStatusSet(call, aclCategories(entry));
  const tips = entry.row[7]?.tips ?? [];
  reply.array(tips.length);
  for (const tip of tips) reply.bulkLatin1(tip);
  writeKeySpecs(call, entry);
  const below = entry.subcommands === null ? [] : [...entry.subcommands.values()];
  reply.array(below.length);
  for (const subcommand of below) writeInfo(call, subcommand);
}

function writeStatusSet(call: Call, names: readonly string[]): void {
  call.reply.set(names.length);
  for (const name of names) call.reply.simple(name);
}

/**
 * A plain range of keys is one specification; keys found by a function have none that could be written down.
 */
function writeKeySpecs(call: Call, entry: CommandEntry): void {
  const { reply } = call;
  if (entry.firstKey === 0 || (entry.flags & MOVABLE_KEYS) !== 0) {
    reply.set(0);
    return;
  }
  const last = entry.lastKey < 0 ? entry.lastKey : entry.lastKey - entry.firstKey;
  reply.set(1);
  reply.map(3);
  reply.bulkLatin1('flags');
  writeStatusSet(call, (entry.flags & READONLY) === 0 ? ['RW', 'update'] : ['RO', 'access']);
  reply.bulkLatin1('begin_search');
  writeSearch(call, 'index', [['index', entry.firstKey]]);
  reply.bulkLatin1('find_keys');
  writeSearch(call, 'range', [
    ['lastkey', last],
    ['keystep', entry.keyStep],
    ['limit', 0],
  ]);
}

function writeSearch(call: Call, type: string, numbers: readonly (readonly [string, number])[]): void {
  const { reply } = call;
  reply.map(2);
  reply.bulkLatin1('type');
  reply.bulkLatin1(type);
  reply.bulkLatin1('spec');
  reply.map(numbers.length);
  for (const [name, number] of numbers) {
    reply.bulkLatin1(name);
    reply.integer(number);
  }
}

function docs(call: Call): void {
  const entries = namedEntries(call).filter((entry) => entry !== null);
  call.reply.map(entries.length);
  for (const entry of entries) writeDocs(call, entry, groupOf(entry.row));
}

function writeDocs(call: Call, entry: CommandEntry, group: string): void {
  const { reply } = call;
  const below = entry.subcommands === null ? [] : [...entry.subcommands.values()];
  reply.bulkLatin1(entry.name);
  reply.map(below.length > 0 ? 4 : 3);
  for (const [name, value] of [
    ['summary', entry.row[6]],
    ['since', entry.row[4]],
    ['group', group],
  ] as const) {
    reply.bulkLatin1(name);
    reply.bulkText(value);
  }
  if (below.length === 0) return;
  reply.bulkLatin1('subcommands');
  reply.map(below.length);
  for (const subcommand of below) writeDocs(call, subcommand, group);
}

function list(call: Call): void {
  let entries: CommandEntry[] = [...call.table.entries];
  if (call.argc === 5 && call.is(2, 'FILTERBY')) {
    const wanted = call.latin1(4);
    if (call.is(3, 'ACLCAT')) {
      entries = withSubcommands(entries).filter((entry) => aclCategories(entry).includes(`@${wanted}`));
    } else if (call.is(3, 'PATTERN')) {
      entries = withSubcommands(entries).filter((entry) => matches(wanted, entry.name));
    } else if (call.is(3, 'MODULE')) {
      entries = [];
    } else {
      call.reply.error(errors.SYNTAX);
      return;
    }
  } else if (call.argc !== 2) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  call.reply.set(entries.length);
  for (const entry of entries) call.reply.bulkLatin1(entry.name);
}

function withSubcommands(entries: readonly CommandEntry[]): CommandEntry[] {
  return entries.flatMap((entry) => [entry, ...(entry.subcommands?.values() ?? [])]);
}

function matches(pattern: string, name: string): boolean {
  const text = Buffer.from(name);
  return matchesGlob(Buffer.from(pattern), text, 0, text.length, true);
}

/** Looks at words 2 and on as a command of its own and answers its keys. */
function getkeys(call: Call): void {
  const whole = { argc: call.argc, starts: call.argStart, lengths: call.argLength };
  call.argc -= 2;
  call.argStart = whole.starts.subarray(2);
  call.argLength = whole.lengths.subarray(2);
  try {
    writeKeys(call);
  } finally {
    call.argc = whole.argc;
    call.argStart = whole.starts;
    call.argLength = whole.lengths;
  }
}

function writeKeys(call: Call): void {
  let entry = call.table.byName(call.latin1(0));
  if (entry !== null && entry.subcommands !== null && call.argc > 1) {
    entry = entry.subcommands.get(call.latin1(1).toLowerCase()) ?? null;
  }
  if (entry === null) {
    call.reply.error('ERR Invalid command specified');
  } else if (!entry.hasKeys) {
    call.reply.error('ERR The command has no key arguments');
  } else if (call.argc !== entry.arity && (entry.arity > 0 || call.argc < -entry.arity)) {
    call.reply.error('ERR Invalid number of arguments specified for command');
  } else {
    const found = entry.findKeys(call);
    if (found < 0) {
      call.reply.error('ERR Invalid arguments specified for command');
      return;
    }
    call.reply.array(found);
    for (let key = 0; key < found; key += 1) call.reply.bulk(call.copy(call.keyPositions[key] ?? 0));
  }
}

function help(call: Call): void {
  writeHelp(call, 'COMMAND', [
    '(no subcommand)',
    '    Return details about all Redis commands.',
    'COUNT',
    '    Return the total number of commands in this Redis server.',
    'LIST',
    '    Return a list of all commands in this Redis server.',
    'INFO [<command-name> ...]',
    '    Return details about multiple Redis commands.',
    '    If no command names are given, documentation details for all',
    '    commands are returned.',
    'DOCS [<command-name> ...]',
    '    Return documentation details about multiple Redis commands.',
    '    If no command names are given, documentation details for all',
    '    commands are returned.',
    'GETKEYS <full-command>',
    '    Return the keys from a full Redis command.',
  ]);
}
