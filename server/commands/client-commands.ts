/** CLIENT: what is known of connections, and how to end or pause them. */
import { parseTimeoutMs, UNBLOCKED_BY_CLIENT } from './blocking.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import { clientFilter } from './client-filter.ts';
import { describeClient } from './client-info.ts';
import { trackingCommands } from './client-tracking.ts';
import * as errors from './errors.ts';
import { primaryClients } from './primary-client.ts';
import { ADMIN, LOADING, NO_KEY, NOSCRIPT, type Row, STALE } from './row.ts';

const FLAGS = NOSCRIPT | LOADING | STALE;

// biome-ignore format: a table, one command a row
export const clientCommands: readonly Row[] = [
  // name       arity flags         keys    since    run       summary
  ['CAPA',      -3,   FLAGS,        NO_KEY, '8.0.0', capa,     'A client claims its capability.'],
  ['GETNAME',   2,    FLAGS,        NO_KEY, '2.6.9', getname,  'Returns the name of the connection.'],
  ['HELP',      2,    LOADING | STALE, NO_KEY, '5.0.0', help,     'Returns helpful text about the different subcommands.'],
  ['ID',        2,    FLAGS,        NO_KEY, '5.0.0', id,       'Returns the unique client ID of the connection.'],
  ['IMPORT-SOURCE', 3, FLAGS,       NO_KEY, '8.1.0', importSource, 'Mark this client as an import source when server is in import mode.'],
  ['INFO',      2,    FLAGS,        NO_KEY, '6.2.0', info,     'Returns information about the connection.', {tips: ['nondeterministic_output']}],
  ['KILL',      -3,   FLAGS | ADMIN, NO_KEY, '2.4.0', kill,    'Terminates open connections.'],
  ['LIST',      -2,   FLAGS | ADMIN, NO_KEY, '2.4.0', list,    'Lists open connections.', {tips: ['nondeterministic_output']}],
  ['NO-EVICT',  3,    FLAGS | ADMIN, NO_KEY, '7.0.0', noEvict, 'Sets the client eviction mode of the connection.'],
  ['NO-TOUCH',  3,    FLAGS,        NO_KEY, '7.2.0', noTouch,  'Controls whether commands sent by the client affect the LRU/LFU of accessed keys.'],
  ['PAUSE',     -3,   FLAGS | ADMIN, NO_KEY, '3.0.0', pause,   'Suspends commands processing.'],
  ['REPLY',     3,    FLAGS,        NO_KEY, '3.2.0', reply,    'Instructs the server whether to reply to commands.'],
  ['SETINFO',   4,    FLAGS,        NO_KEY, '7.2.0', setinfo,  'Sets information specific to the client or connection.', {tips: ['request_policy:all_nodes', 'response_policy:all_succeeded']}],
  ['SETNAME',   3,    FLAGS,        NO_KEY, '2.6.9', setname,  'Sets the connection name.', {tips: ['request_policy:all_nodes', 'response_policy:all_succeeded']}],
  ...trackingCommands,
  ['UNBLOCK',   -3,   FLAGS | ADMIN, NO_KEY, '5.0.0', unblock, 'Unblocks a client blocked by a blocking command from a different connection.'],
  ['UNPAUSE',   2,    FLAGS | ADMIN, NO_KEY, '6.2.0', unpause, 'Resumes processing commands from paused clients.'],
];

function capa(call: Call): void {
  for (let index = 2; index < call.argc; index += 1) {
    if (call.is(index, 'REDIRECT')) call.client.redirectable = true;
  }
  call.reply.ok();
}

function getname(call: Call): void {
  if (call.client.name === '') call.reply.nullBulk();
  else call.reply.bulkText(call.client.name);
}

function help(call: Call): void {
  const lines = ['CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:'];
  for (const [name, , , , , , summary] of clientCommands) lines.push(name, `    ${summary}`);
  call.reply.array(lines.length);
  for (const line of lines) call.reply.simple(line);
}

function id(call: Call): void {
  call.reply.integer(call.client.id);
}

function importSource(call: Call): void {
  if (!call.is(2, 'OFF') && !call.context.config.values['import-mode']) {
    call.reply.error('ERR Server is not in import mode');
    return;
  }
  onOff(call, (on) => {
    call.client.importSource = on;
  });
}

function info(call: Call): void {
  call.reply.verbatim(describeClient(call.context, call.client));
}

function list(call: Call): void {
  // A lone word after LIST is no filter.
  const wanted = call.argc === 3 ? null : clientFilter(call, false);
  if (call.argc === 3) call.reply.error(errors.SYNTAX);
  if (wanted === null) return;
  let text = '';
  for (const client of allClients(call)) {
    if (wanted(client)) text += describeClient(call.context, client);
  }
  call.reply.verbatim(text);
}

/** `KILL <address>`, or filters as those of LIST. */
function kill(call: Call): void {
  const address = call.argc === 3 ? call.text(2) : null;
  const wanted =
    address === null ? clientFilter(call, true) : (client: Client) => client.link.remoteAddress === address;
  if (wanted === null) return;
  let killed = 0;
  for (const client of allClients(call)) {
    if (!wanted(client)) continue;
    end(call, client);
    killed++;
  }
  if (address === null) call.reply.integer(killed);
  else if (killed > 0) call.reply.ok();
  else call.reply.error('ERR No such client');
}

function allClients({ context }: Call): readonly Client[] {
  return [...context.clients.all(), ...primaryClients(context)];
}

function end(call: Call, client: Client): void {
  if (client === call.client) client.link.closeAfterReplies('CLIENT KILL');
  else client.link.destroy('CLIENT KILL');
}

function noEvict(call: Call): void {
  onOff(call, (on) => {
    call.client.noEvict = on;
  });
}

function noTouch(call: Call): void {
  onOff(call, (on) => {
    call.client.noTouch = on;
  });
}

function onOff(call: Call, set: (on: boolean) => void): void {
  const on = call.is(2, 'ON');
  if (!on && !call.is(2, 'OFF')) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  set(on);
  call.reply.ok();
}

function pause(call: Call): void {
  const { clients, replication, keyspace } = call.context;
  const writesOnly = call.argc === 4 && call.is(3, 'WRITE');
  if (call.argc === 4 && !writesOnly && !call.is(3, 'ALL')) {
    call.reply.error('ERR CLIENT PAUSE mode must be WRITE or ALL');
    return;
  }
  const timeoutMs = parseTimeoutMs(call, 2);
  if (timeoutMs < 0) return;
  const untilMs = keyspace.nowMs + timeoutMs;
  replication.clientPauseUntilMs = Math.max(replication.clientPauseUntilMs, untilMs);
  // Once everything stands still it stays so, as long as any pause does.
  if (!writesOnly || clients.pausedUntilMs > keyspace.nowMs) {
    clients.pausedUntilMs = replication.clientPauseUntilMs;
  }
  call.reply.ok();
}

function unblock(call: Call): void {
  const asError = call.argc === 4 && call.is(3, 'ERROR');
  if (call.argc > 3 && !asError && !(call.argc === 4 && call.is(3, 'TIMEOUT'))) {
    call.reply.error('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR');
    return;
  }
  const wanted = call.integer64(2);
  if (wanted === null) {
    call.reply.error(errors.NOT_INTEGER);
    return;
  }
  const waiting = call.context.clients.byId(Number(wanted))?.waiting;
  if (waiting === null || waiting === undefined) {
    call.reply.integer(0);
    return;
  }
  if (asError) waiting.fail(UNBLOCKED_BY_CLIENT);
  else waiting.timeOut();
  call.reply.integer(1);
}

function unpause(call: Call): void {
  call.context.clients.pausedUntilMs = 0;
  call.context.replication.clientPauseUntilMs = 0;
  call.reply.ok();
}

function reply(call: Call): void {
  const { client } = call;
  if (call.is(2, 'ON')) {
    client.replyMode = 'on';
    call.reply.ok();
  } else if (call.is(2, 'OFF')) client.replyMode = 'off';
  else if (call.is(2, 'SKIP')) {
    if (client.replyMode !== 'off') client.replyMode = 'skip-next';
  } else call.reply.error(errors.SYNTAX);
}

function setinfo(call: Call): void {
  const value = call.text(3);
  const library = call.is(2, 'LIB-NAME');
  if (!library && !call.is(2, 'LIB-VER')) {
    call.reply.error(`ERR Unrecognized option '${call.text(2)}'`);
  } else if (!isPrintable(value)) {
    call.reply.error(
      `ERR ${library ? 'lib-name' : 'lib-ver'} cannot contain spaces, newlines or special characters.`,
    );
  } else {
    if (library) call.client.libraryName = value;
    else call.client.libraryVersion = value;
    call.reply.ok();
  }
}

/** Whether a client may be called so; answers the error when not. */
export function isClientName(call: Call, name: string): boolean {
  if (isPrintable(name)) return true;
  call.reply.error('ERR Client names cannot contain spaces, newlines or special characters.');
  return false;
}

function setname(call: Call): void {
  const name = call.text(2);
  if (!isClientName(call, name)) return;
  call.client.name = name;
  call.reply.ok();
}

function isPrintable(text: string): boolean {
  return /^[!-~]*$/.test(text);
}
