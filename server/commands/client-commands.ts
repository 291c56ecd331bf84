/** CLIENT: what is known of connections, and how to end or pause them. */
import { UNBLOCKED_BY_CLIENT } from './blocking.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import * as errors from './errors.ts';
import { ADMIN, LOADING, NO_KEY, NOSCRIPT, type Row, STALE } from './row.ts';

const FLAGS = NOSCRIPT | LOADING | STALE;

// biome-ignore format: a table, one command a row
export const clientCommands: readonly Row[] = [
  // name       arity flags         keys    since    run       summary
  ['GETNAME',   2,    FLAGS,        NO_KEY, '2.6.9', getname,  'Returns the name of the connection.'],
  ['HELP',      2,    LOADING | STALE, NO_KEY, '5.0.0', help,     'Returns helpful text about the different subcommands.'],
  ['ID',        2,    FLAGS,        NO_KEY, '5.0.0', id,       'Returns the unique client ID of the connection.'],
  ['INFO',      2,    FLAGS,        NO_KEY, '6.2.0', info,     'Returns information about the connection.'],
  ['KILL',      -3,   FLAGS | ADMIN, NO_KEY, '2.4.0', kill,    'Terminates open connections.'],
  ['LIST',      -2,   FLAGS | ADMIN, NO_KEY, '2.4.0', list,    'Lists open connections.'],
  ['NO-EVICT',  3,    FLAGS | ADMIN, NO_KEY, '7.0.0', noEvict, 'Sets the client eviction mode of the connection.'],
  ['NO-TOUCH',  3,    FLAGS,        NO_KEY, '7.2.0', noTouch,  'Controls whether commands sent by the client affect the LRU/LFU of accessed keys.'],
  ['PAUSE',     -3,   FLAGS | ADMIN, NO_KEY, '3.0.0', pause,   'Suspends commands processing.'],
  ['REPLY',     3,    FLAGS,        NO_KEY, '3.2.0', reply,    'Instructs the server whether to reply to commands.'],
  ['SETINFO',   4,    FLAGS,        NO_KEY, '7.2.0', setinfo,  'Sets information specific to the client or connection.'],
  ['SETNAME',   3,    FLAGS,        NO_KEY, '2.6.9', setname,  'Sets the connection name.'],
  ['UNBLOCK',   -3,   FLAGS | ADMIN, NO_KEY, '5.0.0', unblock, 'Unblocks a client blocked by a blocking command from a different connection.'],
  ['UNPAUSE',   2,    FLAGS | ADMIN, NO_KEY, '6.2.0', unpause, 'Resumes processing commands from paused clients.'],
];

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

function info(call: Call): void {
  call.reply.verbatim(describe(call, call.client));
}

function list(call: Call): void {
  let wanted: ((client: Client) => boolean) | null = () => true;
  if (call.argc >= 4 && call.is(2, 'ID')) {
    const ids = new Set<number>();
    for (let index = 3; index < call.argc; index++) ids.add(call.integer(index));
    wanted = ids.has(Number.NaN) ? null : (client) => ids.has(client.id);
    if (wanted === null) {
      call.reply.error('ERR Invalid client ID');
      return;
    }
  } else if (call.argc === 4 && call.is(2, 'TYPE')) {
    wanted = typeFilter(call, 3);
    if (wanted === null) return;
  } else if (call.argc !== 2) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  let text = '';
  for (const client of call.context.clients.all()) if (wanted(client)) text += describe(call, client);
  call.reply.verbatim(text);
}

function kill(call: Call): void {
  if (call.argc === 3) {
    const address = call.text(2);
    for (const client of call.context.clients.all()) {
      if (client.link.remoteAddress !== address) continue;
      end(call, client);
      call.reply.ok();
      return;
    }
    call.reply.error('ERR No such client');
    return;
  }
  const filters = killFilters(call);
  if (filters === null) return;
  let killed = 0;
  for (const client of [...call.context.clients.all()]) {
    if (!filters.every((filter) => filter(client))) continue;
    end(call, client);
    killed++;
  }
  call.reply.integer(killed);
}

type Filter = (client: Client) => boolean;

function killFilters(call: Call): Filter[] | null {
  const filters: Filter[] = [];
  let skipMe = true;
  for (let index = 2; index < call.argc; index += 2) {
    const value = index + 1 < call.argc ? call.text(index + 1) : null;
    let filter: Filter | null = null;
    if (value !== null && call.is(index, 'ID')) {
      const wanted = call.integer(index + 1);
      if (Number.isNaN(wanted) || wanted < 1) {
        call.reply.error('ERR client-id should be greater than 0');
        return null;
      }
      filter = (client) => client.id === wanted;
    } else if (value !== null && call.is(index, 'ADDR'))
      filter = (client) => client.link.remoteAddress === value;
    else if (value !== null && call.is(index, 'LADDR'))
      filter = (client) => client.link.localAddress === value;
    else if (value !== null && call.is(index, 'USER')) filter = (client) => client.userName === value;
    else if (value !== null && call.is(index, 'TYPE')) {
      filter = typeFilter(call, index + 1);
      if (filter === null) return null;
    } else if (value !== null && call.is(index, 'SKIPME') && /^(yes|no)$/i.test(value)) {
      skipMe = value.toLowerCase() === 'yes';
      continue;
    }
    if (filter === null) {
      call.reply.error(errors.SYNTAX);
      return null;
    }
    filters.push(filter);
  }
  if (skipMe) filters.push((client) => client !== call.client);
  return filters;
}

function typeFilter(call: Call, index: number): Filter | null {
  const kinds: Record<string, Client['kind']> = {
    normal: 'normal',
    master: 'primary',
    replica: 'replica',
    slave: 'replica',
    pubsub: 'pubsub',
  };
  const kind = kinds[call.text(index).toLowerCase()];
  if (kind !== undefined) return (client) => client.kind === kind;
  call.reply.error(`ERR Unknown client type '${call.text(index)}'`);
  return null;
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
  const timeoutMs = call.integer(2);
  if (Number.isNaN(timeoutMs) || timeoutMs < 0) {
    call.reply.error('ERR timeout is not an integer or out of range');
    return;
  }
  const { clients, replication, keyspace } = call.context;
  const writesOnly = call.argc === 4 && call.is(3, 'WRITE');
  if (call.argc > 4 || (call.argc === 4 && !writesOnly && !call.is(3, 'ALL'))) {
    call.reply.error(errors.SYNTAX);
    return;
  }
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
    if (client.replyMode === 'on') client.replyMode = 'skip-next';
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

const FLAG_OF_KIND: Record<Client['kind'], string> = {
  normal: '',
  replica: 'S',
  primary: 'M',
  aof: '',
  pubsub: 'P',
};

/** One line of CLIENT LIST. */
export function describe(call: Pick<Call, 'context'>, client: Client): string {
  const { nowMs } = call.context.keyspace;
  let flags = FLAG_OF_KIND[client.kind];
  if (client.queued !== null) flags += 'x';
  if (client.watchBroken) flags += 'd';
  if (client.blocked) flags += 'b';
  if (client.readonlyMode) flags += 'r';
  if (client.noEvict) flags += 'e';
  if (client.noTouch) flags += 'T';
  const fields: [string, string | number][] = [
    ['id', client.id],
    ['addr', client.link.remoteAddress],
    ['laddr', client.link.localAddress],
    ['fd', -1],
    ['name', client.name],
    ['age', Math.floor((nowMs - client.createdAtMs) / 1000)],
    ['idle', Math.floor((nowMs - client.lastInteractionMs) / 1000)],
    ['flags', flags === '' ? 'N' : flags],
    ['db', client.databaseIndex],
    ['sub', client.subscriptions?.channels.size ?? 0],
    ['psub', client.subscriptions?.patterns.size ?? 0],
    ['ssub', client.subscriptions?.shardChannels.size ?? 0],
    ['multi', client.queued === null ? -1 : client.queued.length],
    ['qbuf', client.link.queryBytes],
    ['qbuf-free', client.link.queryCapacity - client.link.queryBytes],
    ['argv-mem', 0],
    ['multi-mem', client.queuedBytes],
    ['rbs', 0],
    ['rbp', 0],
    ['obl', 0],
    ['oll', client.link.pendingBytes > 0 ? 1 : 0],
    ['omem', client.link.pendingBytes],
    ['tot-mem', client.link.memoryBytes],
    ['events', 'r'],
    ['cmd', client.lastCommand?.name ?? 'NULL'],
    ['user', client.userName],
    ['redir', -1],
    ['resp', client.protocol],
    ['lib-name', client.libraryName],
    ['lib-ver', client.libraryVersion],
  ];
  return `${fields.map(([name, value]) => `${name}=${value}`).join(' ')}\n`;
}
