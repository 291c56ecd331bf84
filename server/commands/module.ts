/** MODULE: there are none, and none can be loaded; tools ask all the same. */
import type { Call } from './call.ts';
import { isLocal } from './config.ts';
import { writeHelp } from './help.ts';
import { ADMIN, LOADING, NO_ASYNC_LOADING, NO_KEY, NOSCRIPT, PROTECTED, type Row, STALE } from './row.ts';

const LOADS = ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED;

// biome-ignore format: a table, one command a row
export const moduleCommands: readonly Row[] = [
  // name       arity flags            keys    since    run      summary
  ['MODULE',    -2,   0,               NO_KEY, '4.0.0', help,    'A container for module commands.', {subcommands: [
    ['HELP',    2,    LOADING | STALE, NO_KEY, '5.0.0', help,    'Returns helpful text about the different subcommands.'],
    ['LIST',    2,    ADMIN | NOSCRIPT, NO_KEY, '4.0.0', list,   'Returns all loaded modules.', {tips: ['nondeterministic_output_order']}],
    ['LOAD',    -3,   LOADS,           NO_KEY, '4.0.0', load,    'Loads a module.'],
    ['LOADEX',  -3,   LOADS,           NO_KEY, '7.0.0', load,    'Loads a module using extended parameters.'],
    ['UNLOAD',  3,    LOADS,           NO_KEY, '4.0.0', unload,  'Unloads a module.'],
  ]}],
];

const REFUSED =
  'ERR MODULE command not allowed. If the enable-module-command option is set to "local", you can run it from a ' +
  'local connection, otherwise you need to set this option in the configuration file, and then restart the server.';

function help(call: Call): void {
  writeHelp(call, 'MODULE', [
    'LIST',
    '    Return a list of loaded modules.',
    'LOAD <path> [<arg> ...]',
    '    Load a module library from <path>, passing to it any optional arguments.',
    'LOADEX <path> [[CONFIG NAME VALUE]...] [ARGS ...]',
    '    Load a module library from <path>, while passing it module configurations and optional arguments.',
    'UNLOAD <name>',
    '    Unload a module.',
  ]);
}

function list(call: Call): void {
  call.reply.array(0);
}

function load(call: Call): void {
  if (!isAllowed(call)) return;
  call.context.log.warning(`Module ${call.text(2)} failed to load: this server takes no modules`);
  call.reply.error('ERR Error loading the extension. Please check the server logs.');
}

function unload(call: Call): void {
  if (isAllowed(call)) call.reply.error('ERR Error unloading module: no such module with that name');
}

function isAllowed(call: Call): boolean {
  const allowed = call.context.config.values['enable-module-command'];
  if (allowed === 'yes' || (allowed === 'local' && isLocal(call))) return true;
  call.reply.error(REFUSED);
  return false;
}
