/** CONFIG: the parameters of the running server. */

import { findParameter } from '../config/parameter-table.ts';
import { NOT_LOADING } from '../config/parameters.ts';
import { rewriteFile } from '../config/rewrite.ts';
import type { Call } from './call.ts';
import type { CommandEntry } from './command-table.ts';
import * as errors from './errors.ts';
import { writeHelp } from './help.ts';
import { ADMIN, LOADING, NO_KEY, NOSCRIPT, type Row, STALE } from './row.ts';

const GUARDED = ADMIN | NOSCRIPT | LOADING | STALE;

// biome-ignore format: a table, one command a row
export const configCommands: readonly Row[] = [
  // name       arity flags            keys    since    run        summary
  ['CONFIG',    -2,   0,               NO_KEY, '2.0.0', help,      'A container for server configuration commands.', {group: 'server', subcommands: [
    ['GET',       -3, GUARDED,         NO_KEY, '2.0.0', get,       'Returns the effective values of configuration parameters.'],
    ['HELP',      2,  LOADING | STALE, NO_KEY, '5.0.0', help,      'Returns helpful text about the different subcommands.'],
    ['RESETSTAT', 2,  GUARDED,         NO_KEY, '2.0.0', resetstat, 'Resets the server\'s statistics.', {tips: ['request_policy:all_nodes', 'response_policy:all_succeeded']}],
    ['REWRITE',   2,  GUARDED,         NO_KEY, '2.8.0', rewrite,   'Persists the effective configuration to file.', {tips: ['request_policy:all_nodes', 'response_policy:all_succeeded']}],
    ['SET',       -4, GUARDED,         NO_KEY, '2.0.0', set,       'Sets configuration parameters in-flight.', {tips: ['request_policy:all_nodes', 'response_policy:all_succeeded']}],
  ]}],
];

function get(call: Call): void {
  const patterns: string[] = [];
  for (let index = 2; index < call.argc; index += 1) patterns.push(call.text(index));
  const found = call.context.config.get(patterns);
  call.reply.map(found.length);
  for (const [name, value] of found) {
    call.reply.bulkText(name);
    call.reply.bulkText(value);
  }
}

function set(call: Call): void {
  if (call.argc % 2 !== 0) {
    call.reply.error(errors.wrongArity('config|set'));
    return;
  }
  const pairs: [string, string][] = [];
  for (let index = 2; index < call.argc; index += 2) pairs.push([call.text(index), call.text(index + 1)]);
  const loading = call.context.persistence.unready !== null;
  if (loading && pairs.some(([name]) => ((findParameter(name)?.flags ?? 0) & NOT_LOADING) !== 0)) {
    call.reply.error(errors.LOADING_DATASET);
    return;
  }
  const problem = call.context.config.set(pairs, isLocal(call));
  if (problem === undefined) call.reply.ok();
  else call.reply.error(`ERR ${problem}`);
}

/** Whether the client runs on this machine. */
export function isLocal(call: Call): boolean {
  const address = call.client.link.remoteAddress;
  return /^(\/|$|127\.|\[?::1|::ffff:127\.)/.test(address);
}

function rewrite(call: Call): void {
  const { config, log } = call.context;
  const problem = rewriteFile(config);
  if (problem === undefined) {
    log.notice('CONFIG REWRITE executed with success.');
    call.reply.ok();
    return;
  }
  if (config.path !== undefined) log.warning(`CONFIG REWRITE failed: ${problem}`);
  call.reply.error(`ERR ${problem}`);
}

function resetstat(call: Call): void {
  call.context.stats.reset();
  call.context.access.log.resetStatistics();
  call.context.scripts.scripting.cache.evicted = 0;
  for (const entry of call.table.entries) resetEntry(entry);
  call.reply.ok();
}

function resetEntry(entry: CommandEntry): void {
  entry.calls = 0;
  entry.microseconds = 0;
  entry.rejected = 0;
  entry.failed = 0;
  entry.histogram?.reset();
  if (entry.subcommands !== null) for (const below of entry.subcommands.values()) resetEntry(below);
}

function help(call: Call): void {
  writeHelp(call, 'CONFIG', [
    'GET <pattern>',
    '    Return parameters matching the glob-like <pattern> and their values.',
    'SET <directive> <value>',
    '    Set the configuration <directive> to <value>.',
    'RESETSTAT',
    '    Reset statistics reported by the INFO command.',
    'REWRITE',
    '    Rewrite the configuration file.',
  ]);
}
