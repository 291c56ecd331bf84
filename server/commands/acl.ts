/** ACL: users and what they may do. */
import { randomBytes } from 'node:crypto';
import { aclCategoryNames, categoryBit } from '../acl/acl-catalogue.ts';
import { readAclFile } from '../acl/acl-file.ts';
import { hasSpace } from '../acl/acl-problem.ts';
import type { AclSelector } from '../acl/acl-selector.ts';
import { DEFAULT_USER } from '../acl/acl-users.ts';
import { loadAclFile, saveAclFile } from './acl-storage.ts';
import { Call } from './call.ts';
import { aclCategories } from './command-facts.ts';
import type { CommandEntry } from './command-table.ts';
import * as errors from './errors.ts';
import { writeHelp } from './help.ts';
import { ADMIN, LOADING, NO_KEY, NOSCRIPT, type Row, STALE } from './row.ts';

const LOOK = NOSCRIPT | LOADING | STALE;
const RULE = ADMIN | LOOK;

// biome-ignore format: a table, one command a row
export const aclCommands: readonly Row[] = [
  // name       arity flags            keys    since    run      summary
  ['ACL',       -2,   0,               NO_KEY, '6.0.0', help,    'A container for Access List Control commands.', {subcommands: [
    ['CAT',     -2,   LOOK,            NO_KEY, '6.0.0', cat,     'Lists the ACL categories, or the commands inside a category.'],
    ['DELUSER', -3,   RULE,            NO_KEY, '6.0.0', deluser, 'Deletes ACL users, and terminates their connections.', {tips: ['request_policy:all_nodes', 'response_policy:all_succeeded']}],
    ['DRYRUN',  -4,   RULE,            NO_KEY, '7.0.0', dryrun,  'Simulates the execution of a command by a user, without executing the command.'],
    ['GENPASS', -2,   LOOK,            NO_KEY, '6.0.0', genpass, 'Generates a pseudorandom, secure password that can be used to identify ACL users.'],
    ['GETUSER', 3,    RULE,            NO_KEY, '6.0.0', getuser, 'Lists the ACL rules of a user.'],
    ['HELP',    2,    LOADING | STALE, NO_KEY, '6.0.0', help,    'Returns helpful text about the different subcommands.'],
    ['LIST',    2,    RULE,            NO_KEY, '6.0.0', list,    'Dumps the effective rules in ACL file format.'],
    ['LOAD',    2,    RULE,            NO_KEY, '6.0.0', load,    'Reloads the rules from the configured ACL file.'],
    ['LOG',     -2,   RULE,            NO_KEY, '6.0.0', log,     'Lists recent security events generated due to ACL rules.'],
    ['SAVE',    2,    RULE,            NO_KEY, '6.0.0', save,    'Saves the effective ACL rules in the configured ACL file.', {tips: ['request_policy:all_nodes', 'response_policy:all_succeeded']}],
    ['SETUSER', -3,   RULE,            NO_KEY, '6.0.0', setuser, 'Creates and modifies an ACL user and its rules.', {tips: ['request_policy:all_nodes', 'response_policy:all_succeeded']}],
    ['USERS',   2,    RULE,            NO_KEY, '6.0.0', users,   'Lists all ACL users.'],
    ['WHOAMI',  2,    LOOK,            NO_KEY, '6.0.0', whoami,  'Returns the authenticated username of the current connection.'],
  ]}],
];

const GENPASS_BITS = 256;
const GENPASS_BITS_MAX = 4096;
const LOG_ENTRIES = 10;
const NO_FILE =
  'ERR This instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a configuration file set) in order to store users in the configuration.';

function cat(call: Call): void {
  const { reply } = call;
  if (call.argc === 2) {
    reply.array(aclCategoryNames.length);
    for (const name of aclCategoryNames) reply.bulkLatin1(name);
    return;
  }
  const wanted = call.latin1(2);
  if (call.argc > 3) {
    reply.error(errors.unknownSubcommand(call.text(1), 'ACL'));
    return;
  }
  if (categoryBit(wanted) === 0) {
    reply.error(`ERR Unknown category '${call.text(2).slice(0, 128)}'`);
    return;
  }
  const category = `@${wanted.toLowerCase()}`;
  const found: string[] = [];
  const look = (entry: CommandEntry): void => {
    if (aclCategories(entry).includes(category)) found.push(entry.name);
    for (const below of entry.subcommands?.values() ?? []) look(below);
  };
  for (const entry of call.table.entries) look(entry);
  reply.array(found.length);
  for (const name of found) reply.bulkLatin1(name);
}

function deluser(call: Call): void {
  const { access } = call.context;
  const names: string[] = [];
  for (let index = 2; index < call.argc; index++) names.push(call.latin1(index));
  if (names.includes(DEFAULT_USER)) {
    call.reply.error("ERR The 'default' user cannot be removed");
    return;
  }
  let deleted = 0;
  for (const name of names) if (access.deleteUser(name, call.client)) deleted++;
  call.reply.integer(deleted);
}

function dryrun(call: Call): void {
  const { access } = call.context;
  const { reply } = call;
  const user = access.users.get(call.latin1(2));
  if (user === undefined) {
    reply.error(`ERR User '${call.text(2)}' not found`);
    return;
  }
  const inner = innerCall(call, 3);
  const entry = entryOf(inner);
  if (entry === null) {
    reply.error(`ERR Command '${call.text(3)}' not found`);
    return;
  }
  if (inner.argc !== entry.arity && (entry.arity > 0 || inner.argc < -entry.arity)) {
    reply.error(errors.wrongArity(entry.name));
    return;
  }
  const denial = access.dryRun(user, inner, entry);
  if (denial === null) reply.ok();
  else reply.bulkLatin1(denial);
}

/** The words from `first` on as a call of their own. */
function innerCall(call: Call, first: number): Call {
  const inner = new Call(call.context, call.table, call.client, call.reply);
  inner.bytes = call.bytes;
  inner.argc = call.argc - first;
  inner.argStart = call.argStart.subarray(first);
  inner.argLength = call.argLength.subarray(first);
  return inner;
}

function entryOf(call: Call): CommandEntry | null {
  const entry = call.table.byName(call.latin1(0));
  if (entry === null || entry.subcommands === null || call.argc < 2) return entry;
  return entry.subcommands.get(call.latin1(1).toLowerCase()) ?? null;
}

function genpass(call: Call): void {
  let bits = GENPASS_BITS;
  if (call.argc > 3) {
    call.reply.error(errors.unknownSubcommand(call.text(1), 'ACL'));
    return;
  }
  if (call.argc === 3) {
    const wide = call.integer64(2);
    if (wide === null) {
      call.reply.error(errors.NOT_INTEGER);
      return;
    }
    bits = Number(wide);
  }
  if (bits <= 0 || bits > GENPASS_BITS_MAX) {
    call.reply.error(
      `ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to ${GENPASS_BITS_MAX}`,
    );
    return;
  }
  const digits = Math.ceil(bits / 4);
  call.reply.bulkLatin1(
    randomBytes(Math.ceil(digits / 2))
      .toString('hex')
      .slice(0, digits),
  );
}

function getuser(call: Call): void {
  const { reply } = call;
  const user = call.context.access.users.get(call.latin1(2));
  if (user === undefined) {
    reply.nullBulk();
    return;
  }
  reply.map(6);
  reply.bulkLatin1('flags');
  const flags = user.flags();
  reply.set(flags.length);
  for (const flag of flags) reply.bulkLatin1(flag);
  reply.bulkLatin1('passwords');
  reply.array(user.passwords.length);
  for (const hash of user.passwords) reply.bulkLatin1(hash);
  writeSelector(call, user.root);
  reply.bulkLatin1('selectors');
  reply.array(user.selectors.length - 1);
  for (const selector of user.selectors.slice(1)) {
    reply.map(3);
    writeSelector(call, selector);
  }
}

function writeSelector(call: Call, selector: AclSelector): void {
  for (const [name, value] of [
    ['commands', selector.describeCommands()],
    ['keys', selector.describeKeys()],
    ['channels', selector.describeChannels()],
  ] as const) {
    call.reply.bulkLatin1(name);
    call.reply.bulkLatin1(value);
  }
}

function list(call: Call): void {
  const all = call.context.access.users.all();
  call.reply.array(all.length);
  for (const user of all) call.reply.bulkLatin1(`user ${user.name} ${user.describe()}`);
}

function load(call: Call): void {
  const { access, config } = call.context;
  const file = config.values.aclfile;
  if (file === '') {
    call.reply.error(NO_FILE);
    return;
  }
  const text = loadAclFile(file);
  const users = typeof text === 'string' ? readAclFile(text, file, access.users) : text.problem;
  if (typeof users === 'string') {
    call.reply.error(`ERR ${users}`);
    return;
  }
  access.replaceUsers(users, call.client);
  call.reply.ok();
}

function log(call: Call): void {
  const { reply, context } = call;
  const { entries } = context.access.log;
  let count = LOG_ENTRIES;
  if (call.argc > 3) {
    reply.error(errors.unknownSubcommand(call.text(1), 'ACL'));
    return;
  }
  if (call.argc === 3) {
    if (call.is(2, 'RESET')) {
      context.access.log.clear();
      reply.ok();
      return;
    }
    const wide = call.integer64(2);
    if (wide === null) {
      reply.error(errors.NOT_INTEGER);
      return;
    }
    count = Math.max(Number(wide), 0);
  }
  count = Math.min(count, entries.length);
  reply.array(count);
  for (const entry of entries.slice(0, count)) {
    reply.map(10);
    reply.bulkLatin1('count');
    reply.integer(entry.count);
    for (const [name, value] of [
      ['reason', entry.reason],
      ['context', entry.context],
      ['object', entry.object],
      ['username', entry.userName],
    ] as const) {
      reply.bulkLatin1(name);
      reply.bulkLatin1(value);
    }
    reply.bulkLatin1('age-seconds');
    reply.double(String((context.keyspace.nowMs - entry.updatedAtMs) / 1000));
    reply.bulkLatin1('client-info');
    reply.bulkText(entry.clientInfo);
    reply.bulkLatin1('entry-id');
    reply.integer(entry.id);
    reply.bulkLatin1('timestamp-created');
    reply.integer(entry.createdAtMs);
    reply.bulkLatin1('timestamp-last-updated');
    reply.integer(entry.updatedAtMs);
  }
}

function save(call: Call): void {
  const { access, config, log: serverLog } = call.context;
  const file = config.values.aclfile;
  if (file === '') {
    call.reply.error(NO_FILE);
    return;
  }
  const problem = saveAclFile(file, access.users);
  if (problem === undefined) {
    call.reply.ok();
    return;
  }
  serverLog.warning(problem);
  call.reply.error(
    'ERR There was an error trying to save the ACLs. Please check the server logs for more information',
  );
}

function setuser(call: Call): void {
  const name = call.latin1(2);
  if (hasSpace(name)) {
    call.reply.error("ERR Usernames can't contain spaces or null characters");
    return;
  }
  const rules: string[] = [];
  for (let index = 3; index < call.argc; index++) rules.push(call.latin1(index));
  const problem = call.context.access.setUser(name, rules, call.client);
  if (problem === undefined) call.reply.ok();
  else call.reply.error(`ERR ${problem}`);
}

function users(call: Call): void {
  const all = call.context.access.users.all();
  call.reply.array(all.length);
  for (const user of all) call.reply.bulkLatin1(user.name);
}

function whoami(call: Call): void {
  const { user } = call.client;
  if (user === null) call.reply.nullBulk();
  else call.reply.bulkLatin1(user.name);
}

function help(call: Call): void {
  writeHelp(call, 'ACL', [
    'CAT [<category>]',
    '    List all commands that belong to <category>, or all command categories',
    '    when no category is specified.',
    'DELUSER <username> [<username> ...]',
    '    Delete a list of users.',
    'DRYRUN <username> <command> [<arg> ...]',
    '    Returns whether the user can execute the given command without executing the command.',
    'GETUSER <username>',
    "    Get the user's details.",
    'GENPASS [<bits>]',
    '    Generate a secure 256-bit user password. The optional `bits` argument can',
    '    be used to specify a different size.',
    'LIST',
    '    Show users details in config file format.',
    'LOAD',
    '    Reload users from the ACL file.',
    'LOG [<count> | RESET]',
    '    Show the ACL log entries.',
    'SAVE',
    '    Save the current config to the ACL file.',
    'SETUSER <username> <attribute> [<attribute> ...]',
    '    Create or modify a user with the specified attributes.',
    'USERS',
    '    List all the registered usernames.',
    'WHOAMI',
    '    Return the current connection username.',
  ]);
}
