/** Which clients CLIENT LIST and CLIENT KILL mean. */
import type { Call } from './call.ts';
import type { Client, ClientKind } from './client.ts';
import * as errors from './errors.ts';

export type ClientFilter = (client: Client) => boolean;

const kinds: ReadonlyMap<string, ClientKind> = new Map([
  ['normal', 'normal'],
  ['master', 'primary'],
  ['primary', 'primary'],
  ['replica', 'replica'],
  ['slave', 'replica'],
  ['pubsub', 'pubsub'],
]);

/** Reads the filters from word 2 on: what all of them together select; null after an error was answered. */
export function clientFilter(call: Call, skipMe: boolean): ClientFilter | null {
  const filters: ClientFilter[] = [];
  let skips = skipMe;
  let index = 2;
  while (index < call.argc) {
    if (call.is(index, 'ID')) {
      const ids = new Set<number>();
      index = readIds(call, index + 1, ids);
      if (index < 0) return null;
      filters.push((client) => ids.has(client.id));
      continue;
    }
    if (call.is(index, 'SKIPME') && index + 1 < call.argc) {
      if (!call.is(index + 1, 'YES') && !call.is(index + 1, 'NO')) return refuse(call, errors.SYNTAX);
      skips = call.is(index + 1, 'YES');
    } else {
      const filter = index + 1 < call.argc ? readFilter(call, index) : refuse(call, errors.SYNTAX);
      if (filter === null) return null;
      filters.push(filter);
    }
    index += 2;
  }
  if (skips) filters.push((client) => client !== call.client);
  return (client) => filters.every((filter) => filter(client));
}

/** Takes numbers until a word is none; where it stands, -1 after an error was answered. */
function readIds(call: Call, first: number, ids: Set<number>): number {
  let index = first;
  for (; index < call.argc; index += 1) {
    const id = call.integer64(index);
    if (id === null) break;
    if (id < 1n) {
      refuse(call, 'ERR client-id should be greater than 0');
      return -1;
    }
    ids.add(Number(id));
  }
  return index;
}

function readFilter(call: Call, index: number): ClientFilter | null {
  const value = call.text(index + 1);
  if (call.is(index, 'ADDR')) return (client) => client.link.remoteAddress === value;
  if (call.is(index, 'LADDR')) return (client) => client.link.localAddress === value;
  if (call.is(index, 'TYPE')) {
    const kind = kinds.get(value.toLowerCase());
    if (kind === undefined) return refuse(call, `ERR Unknown client type '${value}'`);
    return (client) => client.kind === kind;
  }
  if (call.is(index, 'USER')) {
    const user = call.context.access.users.get(call.latin1(index + 1));
    if (user === undefined) return refuse(call, `ERR No such user '${value}'`);
    return (client) => client.user === user;
  }
  if (call.is(index, 'MAXAGE')) {
    const seconds = call.integer64(index + 1);
    if (seconds === null) return refuse(call, 'ERR maxage is not an integer or out of range');
    if (seconds < 1n) return refuse(call, 'ERR maxage should be greater than 0');
    const { nowMs } = call.context.keyspace;
    return (client) => ageSeconds(client, nowMs) >= Number(seconds);
  }
  return refuse(call, errors.SYNTAX);
}

/** Whole seconds between the second a client came and this one. */
function ageSeconds(client: Client, nowMs: number): number {
  return Math.floor(nowMs / 1000) - Math.floor(client.createdAtMs / 1000);
}

function refuse(call: Call, error: string): null {
  call.reply.error(error);
  return null;
}
