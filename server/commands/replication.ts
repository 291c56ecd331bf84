/** Replication commands: who follows whom, and what primaries and replicas say to each other. */

import { linkState } from '../replication/replication-info.ts';
import {
  CAPABILITY_EOF,
  CAPABILITY_PSYNC2,
  WANTS_NO_FUNCTIONS,
  WANTS_NO_KEYS,
  WANTS_RDB_ONLY,
} from '../replication/replication-seams.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import {
  ADMIN,
  ALLOW_BUSY,
  FAST,
  LOADING,
  NO_ASYNC_LOADING,
  NO_KEY,
  NO_MULTI,
  NOSCRIPT,
  type Row,
  STALE,
} from './row.ts';

const FOLLOW = ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING;
const SYNC_FLAGS = ADMIN | NOSCRIPT | NO_MULTI | NO_ASYNC_LOADING;

// biome-ignore format: a table, one command a row
export const replicationCommands: readonly Row[] = [
  // name        arity flags                              keys    since    run        summary
  ['PSYNC',      -3,   SYNC_FLAGS,                        NO_KEY, '2.8.0', psync,     'An internal command used in replication.', { group: 'server' }],
  ['REPLCONF',   -1,   ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY, NO_KEY, '3.0.0', replconf, 'An internal command for configuring the replication stream.', { group: 'server' }],
  ['REPLICAOF',  3,    FOLLOW,                            NO_KEY, '5.0.0', replicaof, 'Configures a server as replica of another, or promotes it to a master.', { group: 'server' }],
  ['ROLE',       1,    NOSCRIPT | LOADING | STALE | FAST, NO_KEY, '2.8.12', role,     'Returns the replication role.', { group: 'server' }],
  ['SLAVEOF',    3,    FOLLOW,                            NO_KEY, '1.0.0', replicaof, 'Sets a Redis server as a replica of another, or promotes it to being a master.', { group: 'server' }],
  ['SYNC',       1,    SYNC_FLAGS,                        NO_KEY, '1.0.0', sync,      'An internal command used in replication.', { group: 'server' }],
];

const NOT_IN_CLUSTER = 'ERR REPLICAOF not allowed in cluster mode.';
const PORT_MAX = 65_535;
const ADDRESS_LENGTH_MAX = 255;

function psync(call: Call): void {
  const offset = call.integer(2);
  if (Number.isNaN(offset)) {
    const who = call.client.link.remoteAddress;
    call.context.log.warning(`Replica ${who} asks for synchronization but with a wrong offset`);
    call.reply.error(errors.NOT_INTEGER);
    return;
  }
  if (call.argc > 3 && call.is(3, 'FAILOVER') && !takeOver(call)) return;
  attach(call, call.latin1(1), offset, false);
}

/** Our primary hands its role to us; false when an error was answered. */
function takeOver(call: Call): boolean {
  const { replication, cluster, log } = call.context;
  if (call.client.kind === 'replica') return true;
  const refusal =
    cluster === null
      ? replication.takeOver(call.latin1(1))
      : 'ERR PSYNC FAILOVER not allowed in cluster mode.';
  if (refusal !== null) {
    call.reply.error(refusal);
    return false;
  }
  log.notice(`MASTER MODE enabled (failover request from '${clientLabel(call)}')`);
  return true;
}

function sync(call: Call): void {
  attach(call, '?', -1, true);
}

/** The answer goes to the link, and from then on the link belongs to replication. */
function attach(call: Call, id: string, offset: number, legacy: boolean): void {
  const { client, context } = call;
  if (client.kind === 'replica') return;
  const refusal = context.replication.refusalOf(client, { id, offset });
  if (refusal !== null) {
    call.reply.error(refusal);
    return;
  }
  client.kind = 'replica';
  // What it sent behind this is read as a replica's words.
  client.link.block();
  setImmediate(() => client.link.unblock(() => {}));
  context.replication.attach(client, { id, offset }, legacy);
}

function replconf(call: Call): void {
  if (call.argc % 2 === 0) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  for (let index = 1; index < call.argc; index += 2) {
    const option = call.latin1(index).toLowerCase();
    if (option === 'ack' || option === 'getack') {
      converse(call, option, index + 1);
      return;
    }
    const refusal = introduce(call, option, index + 1);
    if (refusal === null) continue;
    call.reply.error(refusal);
    return;
  }
  call.reply.ok();
}

/** Options that run within the stream; none of them is answered here. */
function converse(call: Call, option: 'ack' | 'getack', at: number): void {
  const { replication } = call.context;
  if (option === 'getack') {
    if (call.client.kind === 'primary') replication.replica?.askAck();
    return;
  }
  const offset = call.integer(at);
  if (call.client.kind !== 'replica' || Number.isNaN(offset)) return;
  const filed = call.argc > at + 2 && call.is(at + 1, 'FACK') ? call.integer(at + 2) : -1;
  replication.primary.acknowledged(call.client.id, offset, Number.isNaN(filed) ? -1 : filed);
}

/** What a peer tells of itself before PSYNC; the error when it makes no sense. */
function introduce(call: Call, option: string, at: number): string | null {
  const { client } = call;
  switch (option) {
    case 'listening-port': {
      const port = call.integer(at);
      if (!(port >= 0 && port <= PORT_MAX)) return errors.NOT_INTEGER;
      client.replicaPort = port;
      return null;
    }
    case 'ip-address': {
      const address = call.text(at);
      if (address.length > ADDRESS_LENGTH_MAX) {
        return `ERR REPLCONF ip-address provided by replica instance is too long: ${address.length} bytes`;
      }
      client.replicaAddress = address;
      return null;
    }
    case 'capa':
      if (call.is(at, 'EOF')) client.replicaCapabilities |= CAPABILITY_EOF;
      else if (call.is(at, 'PSYNC2')) client.replicaCapabilities |= CAPABILITY_PSYNC2;
      return null;
    case 'version': {
      const version = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})/.exec(call.text(at));
      if (version === null) return 'ERR Unrecognized version format';
      const [, major, minor, patch] = version;
      client.replicaVersion = Number(major) * 65_536 + Number(minor) * 256 + Number(patch);
      return null;
    }
    case 'resumes':
      if (!/^[0-9a-f]{40}$/.test(call.latin1(at))) return errors.SYNTAX;
      client.replicaResumes = call.latin1(at);
      return null;
    case 'rdb-only': {
      const wanted = call.integer(at);
      if (Number.isNaN(wanted)) return errors.NOT_INTEGER;
      if (wanted === 1) client.replicaCapabilities |= WANTS_RDB_ONLY;
      else client.replicaCapabilities &= ~WANTS_RDB_ONLY;
      return null;
    }
    case 'rdb-filter-only':
      return filterRdb(call, at);
    default:
      return `ERR Unrecognized REPLCONF option: ${call.text(at - 1)}`;
  }
}

/** The parts that the RDB shall have, words between blanks; what is not named stays out. */
function filterRdb(call: Call, at: number): string | null {
  const { client } = call;
  client.replicaCapabilities |= WANTS_NO_KEYS | WANTS_NO_FUNCTIONS;
  for (const part of call.text(at).split(/\s+/)) {
    if (part.toLowerCase() === 'functions') client.replicaCapabilities &= ~WANTS_NO_FUNCTIONS;
    else if (part !== '') return `ERR Unsupported rdb-filter-only option: ${part}`;
  }
  return null;
}

function replicaof(call: Call): void {
  const { config, cluster, log, replication } = call.context;
  if (cluster !== null) {
    call.reply.error(NOT_IN_CLUSTER);
    return;
  }
  if (replication.failover.state !== 'no-failover') {
    call.reply.error('ERR REPLICAOF not allowed while failing over.');
    return;
  }
  const who = `user request from '${clientLabel(call)}'`;
  if (call.is(1, 'NO') && call.is(2, 'ONE')) {
    replication.emptyStart.end('REPLICAOF NO ONE');
    if (replication.role === 'replica') {
      replication.promote();
      config.assign('replicaof', undefined);
      log.notice(`MASTER MODE enabled (${who})`);
    }
    call.reply.ok();
    return;
  }
  const host = call.text(1);
  const port = call.integer(2);
  if (!(port >= 0 && port <= PORT_MAX)) {
    call.reply.error('ERR Invalid master port');
    return;
  }
  if (!replication.replicate(host, port)) {
    call.reply.simple('OK Already connected to specified master');
    return;
  }
  config.assign('replicaof', { host, port });
  log.notice(`REPLICAOF ${host}:${port} enabled (${who})`);
  call.reply.ok();
}

function clientLabel(call: Call): string {
  const { client } = call;
  return `id=${client.id} addr=${client.link.remoteAddress} name=${client.name} db=${client.databaseIndex}`;
}

function role(call: Call): void {
  const { reply, context } = call;
  const { replication } = context;
  if (replication.replica !== null) {
    const state = linkState(replication.replica);
    reply.array(5);
    reply.bulkText('slave');
    reply.bulkText(replication.replica.host);
    reply.integer(replication.replica.port);
    reply.bulkText(state);
    reply.integer(state === 'connected' ? replication.offset : -1);
    return;
  }
  const online = replication.replicas.filter((replica) => replica.state === 'online');
  reply.array(3);
  reply.bulkText('master');
  reply.integer(replication.offset);
  reply.array(online.length);
  for (const replica of online) {
    reply.array(3);
    reply.bulkText(replica.address);
    reply.bulkText(String(replica.peer.replicaPort));
    reply.bulkText(String(replica.ackedOffset));
  }
}
