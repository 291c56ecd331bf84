/** One line about a client, as CLIENT LIST and CLIENT INFO print it. */
import type { Client, ClientKind } from './client.ts';
import type { ServerContext } from './context.ts';

const FLAG_OF_KIND: Record<ClientKind, string> = {
  normal: '',
  replica: 'S',
  primary: 'M',
  aof: '',
  pubsub: 'P',
};

function flagsOf(client: Client, context: ServerContext): string {
  let flags = FLAG_OF_KIND[client.kind];
  if (context.observer.monitors.has(client)) flags += 'O';
  if (client.blocked) flags += 'b';
  if (client.queued !== null) flags += 'x';
  if (client.watchBroken) flags += 'd';
  if (client.closing) flags += 'c';
  if (client.readonlyMode) flags += 'r';
  if (client.noEvict) flags += 'e';
  if (client.noTouch) flags += 'T';
  if (client.importSource) flags += 'I';
  if (client.tracking !== null) flags += 't';
  if (client.tracking?.brokenRedirect) flags += 'R';
  if (client.tracking?.options.broadcast) flags += 'B';
  if (client.link.localAddress.startsWith('/')) flags += 'U';
  return flags === '' ? 'N' : flags;
}

/** The line, with its end. */
export function describeClient(context: ServerContext, client: Client): string {
  const { nowMs } = context.keyspace;
  const { link, subscriptions } = client;
  const fields: readonly (readonly [string, string | number])[] = [
    ['id', client.id],
    ['addr', link.remoteAddress],
    ['laddr', link.localAddress],
    ['fd', client.id + 7],
    ['name', client.name],
    ['age', Math.floor(nowMs / 1000) - Math.floor(client.createdAtMs / 1000)],
    ['idle', Math.floor((nowMs - client.lastInteractionMs) / 1000)],
    ['flags', flagsOf(client, context)],
    ['capa', client.redirectable ? 'r' : ''],
    ['db', client.databaseIndex],
    ['sub', subscriptions?.channels.size ?? 0],
    ['psub', subscriptions?.patterns.size ?? 0],
    ['ssub', subscriptions?.shardChannels.size ?? 0],
    ['multi', client.queued === null ? -1 : client.queued.length],
    ['watch', client.watched?.size ?? 0],
    ['qbuf', link.queryBytes],
    ['qbuf-free', link.queryCapacity - link.queryBytes],
    ['argv-mem', 0],
    ['multi-mem', client.queuedBytes],
    ['rbs', 0],
    ['rbp', 0],
    ['obl', 0],
    ['oll', link.pendingBytes > 0 ? 1 : 0],
    ['omem', link.pendingBytes],
    ['tot-mem', link.memoryBytes],
    ['events', 'r'],
    ['cmd', client.lastCommand?.name ?? 'NULL'],
    ['user', client.userName],
    ['redir', client.tracking?.options.redirect ?? -1],
    ['resp', client.protocol],
    ['lib-name', client.libraryName],
    ['lib-ver', client.libraryVersion],
    ['tot-net-in', client.netInputBytes],
    ['tot-net-out', client.netOutputBytes],
    ['tot-cmds', client.commandCount],
  ];
  return `${fields.map(([name, value]) => `${name}=${value}`).join(' ')}\n`;
}
