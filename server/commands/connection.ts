/** Commands about the connection itself. */

import { DEFAULT_USER } from '../acl/acl-users.ts';
import { REDIS_VERSION } from '../config/config-file.ts';
import type { Call } from './call.ts';
import { clientCommands, isClientName } from './client-commands.ts';
import * as errors from './errors.ts';
import { noteSubscribed } from './pubsub.ts';
import { ALLOW_BUSY, FAST, LOADING, NO_AUTH, NO_KEY, NOSCRIPT, type Row, STALE } from './row.ts';
import { endTransaction } from './transaction.ts';

const ANY_TIME = LOADING | STALE | FAST;

// biome-ignore format: a table, one command a row
export const connectionCommands: readonly Row[] = [
  // name    arity flags                           keys    since    run     summary
  ['AUTH',   -2,   NOSCRIPT | ANY_TIME | NO_AUTH | ALLOW_BUSY,  NO_KEY, '1.0.0', auth,   'Authenticates the connection.'],
  ['CLIENT', -2,   0,                              NO_KEY, '2.4.0', unknown, 'A container for client connection commands.', {subcommands: clientCommands}],
  ['ECHO',   2,    ANY_TIME,                       NO_KEY, '1.0.0', echo,   'Returns the given string.'],
  ['HELLO',  -1,   NOSCRIPT | ANY_TIME | NO_AUTH | ALLOW_BUSY,  NO_KEY, '6.0.0', hello,  'Handshakes with the Redis server.'],
  ['PING',   -1,   FAST,                           NO_KEY, '1.0.0', ping,   'Returns the server\'s liveliness response.', {tips: ['request_policy:all_shards', 'response_policy:all_succeeded']}],
  ['QUIT',   -1,   NOSCRIPT | ANY_TIME | NO_AUTH | ALLOW_BUSY,  NO_KEY, '1.0.0', quit,   'Closes the connection.'],
  ['RESET',  1,    NOSCRIPT | ANY_TIME | NO_AUTH | ALLOW_BUSY,  NO_KEY, '6.2.0', reset,  'Resets the connection.'],
  ['SELECT', 2,    LOADING | STALE | FAST,         NO_KEY, '1.0.0', select, 'Changes the selected database.'],
];

function auth(call: Call): void {
  if (call.argc > 3) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  const { access } = call.context;
  if (call.argc === 2 && access.users.default.noPassword) {
    call.reply.error(errors.NO_PASSWORD_SET);
    return;
  }
  const user = call.argc === 3 ? call.latin1(1) : DEFAULT_USER;
  if (!access.signIn(call, user, call.copy(call.argc - 1))) call.reply.error(errors.WRONG_PASSWORD);
  else call.reply.ok();
}

function echo(call: Call): void {
  const start = call.argStart[1];
  call.reply.bulkRange(call.bytes, start, start + call.argLength[1]);
}

function hello(call: Call): void {
  const { client } = call;
  let protocol: number = client.protocol;
  let next = 1;
  if (call.argc > 1) {
    protocol = call.integer(1);
    if (Number.isNaN(protocol)) {
      call.reply.error('ERR Protocol version is not an integer or out of range');
      return;
    }
    if (protocol !== 2 && protocol !== 3) {
      call.reply.error('NOPROTO unsupported protocol version');
      return;
    }
    next = 2;
  }
  let name: string | null = null;
  // Of several the last one counts.
  let authAt = 0;
  for (; next < call.argc; next++) {
    if (call.is(next, 'AUTH') && next + 2 < call.argc) {
      authAt = next;
      next += 2;
    } else if (call.is(next, 'SETNAME') && next + 1 < call.argc) name = call.text(++next);
    else {
      call.reply.error(`ERR Syntax error in HELLO option '${call.text(next)}'`);
      return;
    }
  }
  const { access } = call.context;
  if (authAt > 0 && !access.signIn(call, call.latin1(authAt + 1), call.copy(authAt + 2))) {
    call.reply.error(errors.WRONG_PASSWORD);
    return;
  }
  if (!client.authenticated && access.signInNeeded) {
    call.reply.error(HELLO_WITHOUT_AUTH);
    return;
  }
  if (name !== null) {
    if (!isClientName(call, name)) return;
    client.name = name;
  }
  client.protocol = protocol === 3 ? 3 : 2;
  call.reply.protocol = client.protocol;
  answerHello(call);
}

const HELLO_WITHOUT_AUTH =
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time';

function answerHello(call: Call): void {
  const { context, reply, client } = call;
  const zone = context.config.values['availability-zone'];
  reply.map(zone === '' ? 7 : 8);
  reply.bulkText('server');
  reply.bulkText('redis');
  reply.bulkText('version');
  reply.bulkText(REDIS_VERSION);
  reply.bulkText('proto');
  reply.integer(client.protocol);
  reply.bulkText('id');
  reply.integer(client.id);
  reply.bulkText('mode');
  reply.bulkText(context.cluster === null ? 'standalone' : 'cluster');
  reply.bulkText('role');
  reply.bulkText(context.replication.role === 'primary' ? 'master' : 'replica');
  reply.bulkText('modules');
  reply.array(0);
  if (zone === '') return;
  reply.bulkText('availability_zone');
  reply.bulkText(zone);
}

function ping(call: Call): void {
  if (call.argc > 2) call.reply.error(errors.wrongArity('ping'));
  else if (call.client.subscribed && call.client.protocol === 2) {
    call.reply.array(2);
    call.reply.bulkLatin1('pong');
    if (call.argc === 2) echo(call);
    else call.reply.bulkLatin1('');
  } else if (call.argc === 1) call.reply.pong();
  else echo(call);
}

function quit(call: Call): void {
  call.reply.ok();
  call.client.link.closeAfterReplies('QUIT');
}

function reset(call: Call): void {
  const { client, context } = call;
  endTransaction(client, context);
  context.pubsub.forget(client);
  context.tracking.disable(client);
  noteSubscribed(client);
  client.databaseIndex = 0;
  client.protocol = 2;
  client.name = '';
  client.replyMode = 'on';
  client.asking = false;
  client.readonlyMode = false;
  client.noEvict = false;
  client.noTouch = false;
  client.importSource = false;
  context.observer.monitors.delete(client);
  context.access.admit(client);
  call.reply.protocol = 2;
  call.reply.simple('RESET');
}

function select(call: Call): void {
  const wide = call.integer64(1);
  const index = Number(wide);
  if (wide === null) call.reply.error(errors.NOT_INTEGER);
  else if ((index | 0) !== index) call.reply.error(errors.NOT_INTEGER_32);
  else if (call.context.cluster !== null && index !== 0) {
    call.reply.error('ERR SELECT is not allowed in cluster mode');
  } else if (call.context.keyspace.databases[index] === undefined) {
    call.reply.error(errors.DB_INDEX_OUT_OF_RANGE);
  } else {
    call.client.databaseIndex = index;
    call.reply.ok();
  }
}

function unknown(call: Call): void {
  call.reply.error(errors.SYNTAX);
}
