/** COMMAND: what the server can do, derived from the rows of the command tables. */

import { matchesGlob } from '../structures/glob.ts';
import type { Call } from './call.ts';
import { aclCategories, flagNamesOf, groupOf } from './command-facts.ts';
import { type CommandArgument, parseSyntax } from './command-syntax.ts';
import type { CommandEntry } from './command-table.ts';
import { commandSyntax } from './command-words.ts';
import * as errors from './errors.ts';
import { writeHelp } from './help.ts';
import { keyFlags } from './key-flags.ts';
import { type BeginSearch, type FindKeys, keySpecs } from './key-specs.ts';
import { LOADING, NO_KEY, type Row, STALE } from './row.ts';

const ANYTIME = LOADING | STALE;

// biome-ignore format: a table, one command a row
export const commandCommands: readonly Row[] = [
  // name       arity flags    keys    since    run      summary
  ['COMMAND',   -1,   ANYTIME, NO_KEY, '2.8.13', info,   'Returns detailed information about all commands.', {group: 'server', tips: ['nondeterministic_output_order'], subcommands: [
    ['COUNT',   2,    ANYTIME, NO_KEY, '2.8.13', count,  'Returns a count of commands.'],
    ['DOCS',    -2,   ANYTIME, NO_KEY, '7.0.0',  docs,   'Returns documentary information about one, multiple or all commands.', {tips: ['nondeterministic_output_order']}],
    ['GETKEYS', -3,   ANYTIME, NO_KEY, '2.8.13', getkeys, 'Extracts the key names from an arbitrary command.'],
    ['GETKEYSANDFLAGS', -3, ANYTIME, NO_KEY, '7.0.0', getkeysandflags, 'Extracts the key names and access flags for an arbitrary command.'],
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

function writeKeySpecs(call: Call, entry: CommandEntry): void {
  const { reply } = call;
  const specs = keySpecs(entry);
  reply.set(specs.length);
  for (const { flags, begin, find } of specs) {
    reply.map(3);
    reply.bulkLatin1('flags');
    writeStatusSet(call, flags);
    reply.bulkLatin1('begin_search');
    writeSearch(call, begin.type, beginFields(begin));
    reply.bulkLatin1('find_keys');
    writeSearch(call, find.type, findFields(find));
  }
}

type Fields = readonly (readonly [name: string, value: number | string])[];

function beginFields(begin: BeginSearch): Fields {
  if (begin.type === 'index') return [['index', begin.index]];
  if (begin.type === 'unknown') return [];
  return [
    ['keyword', begin.keyword],
    ['startfrom', begin.from],
  ];
}

function findFields(find: FindKeys): Fields {
  if (find.type === 'unknown') return [];
  if (find.type === 'range') {
    return [
      ['lastkey', find.last],
      ['keystep', find.step],
      ['limit', find.limit],
    ];
  }
  return [
    ['keynumidx', find.countAt],
    ['firstkey', find.first],
    ['keystep', find.step],
  ];
}

function writeSearch(call: Call, type: string, fields: Fields): void {
  const { reply } = call;
  reply.map(2);
  reply.bulkLatin1('type');
  reply.bulkLatin1(type);
  reply.bulkLatin1('spec');
  reply.map(fields.length);
  writeFields(call, fields);
}

function writeFields({ reply }: Call, fields: Fields): void {
  for (const [name, value] of fields) {
    reply.bulkLatin1(name);
    if (typeof value === 'number') reply.integer(value);
    else reply.bulkLatin1(value);
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
  const syntax = commandSyntax.get(entry.name.toUpperCase());
  reply.map(3 + (below.length > 0 ? 1 : 0) + (syntax === undefined ? 0 : 1));
  for (const [name, value] of [
    ['summary', entry.row[6]],
    ['since', entry.row[4]],
    ['group', group],
  ] as const) {
    reply.bulkLatin1(name);
    reply.bulkText(value);
  }
  if (syntax !== undefined) {
    reply.bulkLatin1('arguments');
    writeArguments(call, parseSyntax(syntax));
  }
  if (below.length === 0) return;
  reply.bulkLatin1('subcommands');
  reply.map(below.length);
  for (const subcommand of below) writeDocs(call, subcommand, group);
}

function writeArguments(call: Call, list: readonly CommandArgument[]): void {
  const { reply } = call;
  reply.array(list.length);
  for (const argument of list) {
    const flags = [
      ...(argument.optional ? ['optional'] : []),
      ...(argument.multiple ? ['multiple'] : []),
      ...(argument.multipleToken ? ['multiple_token'] : []),
    ];
    const fields: Fields = [
      ['name', argument.name],
      ['type', argument.type],
      ...(argument.shown === '' ? [] : [['display_text', argument.shown] as const]),
      ...(argument.keySpec < 0 ? [] : [['key_spec_index', argument.keySpec] as const]),
      ...(argument.token === '' ? [] : [['token', argument.token] as const]),
    ];
    reply.map(fields.length + (flags.length > 0 ? 1 : 0) + (argument.parts.length > 0 ? 1 : 0));
    writeFields(call, fields);
    if (flags.length > 0) {
      reply.bulkLatin1('flags');
      writeStatusSet(call, flags);
    }
    if (argument.parts.length === 0) continue;
    reply.bulkLatin1('arguments');
    writeArguments(call, argument.parts);
  }
}

function list(call: Call): void {
  let entries = withSubcommands(call.table.entries);
  if (call.argc === 5 && call.is(2, 'FILTERBY')) {
    const wanted = call.latin1(4);
    if (call.is(3, 'ACLCAT')) {
      entries = entries.filter((entry) => aclCategories(entry).includes(`@${wanted}`));
    } else if (call.is(3, 'PATTERN')) {
      entries = entries.filter((entry) => matches(wanted, entry.name));
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

function getkeys(call: Call): void {
  withInnerCommand(call, () => {
    const entry = innerEntry(call);
    const found = entry === null ? -1 : foundKeys(call, entry);
    if (found < 0) return;
    call.reply.array(found);
    for (let key = 0; key < found; key += 1) call.reply.bulk(call.copy(call.keyPositions[key] ?? 0));
  });
}

function getkeysandflags(call: Call): void {
  withInnerCommand(call, () => {
    const entry = innerEntry(call);
    const found = entry === null ? -1 : foundKeys(call, entry);
    if (entry === null || found < 0) return;
    call.reply.array(found);
    for (let key = 0; key < found; key += 1) {
      const word = call.keyPositions[key] ?? 0;
      call.reply.array(2);
      call.reply.bulk(call.copy(word));
      writeStatusSet(call, keyFlags(call, entry, word));
    }
  });
}

/** Runs `work` while the call looks as if words 2 and on were all of it. */
function withInnerCommand(call: Call, work: () => void): void {
  const whole = { argc: call.argc, starts: call.argStart, lengths: call.argLength };
  call.argc -= 2;
  call.argStart = whole.starts.subarray(2);
  call.argLength = whole.lengths.subarray(2);
  try {
    work();
  } finally {
    call.argc = whole.argc;
    call.argStart = whole.starts;
    call.argLength = whole.lengths;
  }
}

/** The command that the words name; null after an error was answered. */
function innerEntry(call: Call): CommandEntry | null {
  let entry = call.table.byName(call.latin1(0));
  if (entry !== null && entry.subcommands !== null && call.argc > 1) {
    entry = entry.subcommands.get(call.latin1(1).toLowerCase()) ?? null;
  }
  if (entry === null) call.reply.error('ERR Invalid command specified');
  else if (!entry.hasKeys) call.reply.error('ERR The command has no key arguments');
  else if (call.argc !== entry.arity && (entry.arity > 0 || call.argc < -entry.arity)) {
    call.reply.error('ERR Invalid number of arguments specified for command');
  } else return entry;
  return null;
}

/** How many keys there are; -1 after an error was answered. */
function foundKeys(call: Call, entry: CommandEntry): number {
  const found = entry.findKeys(call);
  if (found < 0) call.reply.error('ERR Invalid arguments specified for command');
  return found;
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
    'GETKEYSANDFLAGS <full-command>',
    '    Return the keys and the access flags from a full Redis command.',
  ]);
}
