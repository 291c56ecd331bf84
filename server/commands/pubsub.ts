/** Publish and subscribe: channels, patterns, sharded channels. */
import {
  remaining,
  type SubscriptionKind,
  type UnsubscribedWord,
  writeUnsubscribed,
} from '../pubsub/pubsub.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import * as errors from './errors.ts';
import { writeHelp } from './help.ts';
import {
  ALL_KEYS,
  FAST,
  LOADING,
  MAY_REPLICATE,
  NO_KEY,
  NOSCRIPT,
  ONE_KEY,
  PUBSUB,
  type Row,
  STALE,
} from './row.ts';

const SUBSCRIBE = PUBSUB | NOSCRIPT | LOADING | STALE;
const PUBLISH = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE;
const LOOK = PUBSUB | LOADING | STALE;

// biome-ignore format: a table, one command a row
export const pubsubCommands: readonly Row[] = [
  // name          arity flags      keys      since    run           summary
  ['PSUBSCRIBE',   -2,   SUBSCRIBE, NO_KEY,   '2.0.0', psubscribe,   'Listens for messages published to channels that match one or more patterns.'],
  ['PUBLISH',      3,    PUBLISH,   NO_KEY,   '2.0.0', publish,      'Posts a message to a channel.'],
  ['PUBSUB',       -2,   0,         NO_KEY,   '2.8.0', help,         'A container for Pub/Sub commands.', {subcommands: [
    ['CHANNELS',      -2, LOOK,            NO_KEY, '2.8.0', channels,      'Returns the active channels.'],
    ['HELP',          2,  LOADING | STALE, NO_KEY, '6.2.0', help,          'Returns helpful text about the different subcommands.'],
    ['NUMPAT',        2,  LOOK,            NO_KEY, '2.8.0', numpat,        'Returns a count of unique pattern subscriptions.'],
    ['NUMSUB',        -2, LOOK,            NO_KEY, '2.8.0', numsub,        'Returns a count of subscribers to channels.'],
    ['SHARDCHANNELS', -2, LOOK,            NO_KEY, '7.0.0', shardchannels, 'Returns the active shard channels.'],
    ['SHARDNUMSUB',   -2, LOOK,            NO_KEY, '7.0.0', shardnumsub,   'Returns the count of subscribers of shard channels.'],
  ]}],
  ['PUNSUBSCRIBE', -1,   SUBSCRIBE, NO_KEY,   '2.0.0', punsubscribe, 'Stops listening to messages published to channels that match one or more patterns.'],
  ['SPUBLISH',     3,    PUBLISH,   ONE_KEY,  '7.0.0', spublish,     'Post a message to a shard channel'],
  ['SSUBSCRIBE',   -2,   SUBSCRIBE, ALL_KEYS, '7.0.0', ssubscribe,   'Listens for messages published to shard channels.'],
  ['SUBSCRIBE',    -2,   SUBSCRIBE, NO_KEY,   '2.0.0', subscribe,    'Listens for messages published to channels.'],
  ['SUNSUBSCRIBE', -1,   SUBSCRIBE, ALL_KEYS, '7.0.0', sunsubscribe, 'Stops listening to messages posted to shard channels.'],
  ['UNSUBSCRIBE',  -1,   SUBSCRIBE, NO_KEY,   '2.0.0', unsubscribe,  'Stops listening to messages posted to channels.'],
];

function psubscribe(call: Call): void {
  listen(call, 'patterns', 'psubscribe');
}

function publish(call: Call): void {
  const { context } = call;
  const channel = word(call, 1);
  const payload = word(call, 2);
  call.reply.integer(context.pubsub.publish(channel, payload));
  if (context.cluster !== null) context.cluster.publish(channel, payload, false);
  else context.propagation.message(call.client.databaseIndex, ['PUBLISH', channel, payload]);
}

function channels(call: Call): void {
  names(call, 'channels');
}

function help(call: Call): void {
  writeHelp(call, 'PUBSUB', [
    'CHANNELS [<pattern>]',
    "    Return the currently active channels matching a <pattern> (default: '*').",
    'NUMPAT',
    '    Return number of subscriptions to patterns.',
    'NUMSUB [<channel> ...]',
    '    Return the number of subscribers for the specified channels, excluding',
    '    pattern subscriptions(default: no channels).',
    'SHARDCHANNELS [<pattern>]',
    "    Return the currently active shard level channels matching a <pattern> (default: '*').",
    'SHARDNUMSUB [<shardchannel> ...]',
    '    Return the number of subscribers for the specified shard level channel(s)',
  ]);
}

function numpat(call: Call): void {
  call.reply.integer(call.context.pubsub.count('patterns'));
}

function numsub(call: Call): void {
  counts(call, 'channels');
}

function shardchannels(call: Call): void {
  names(call, 'shardChannels');
}

function shardnumsub(call: Call): void {
  counts(call, 'shardChannels');
}

function punsubscribe(call: Call): void {
  leave(call, 'patterns', 'punsubscribe');
}

function spublish(call: Call): void {
  const { context } = call;
  const channel = word(call, 1);
  const payload = word(call, 2);
  call.reply.integer(context.pubsub.publishSharded(channel, payload));
  if (context.cluster !== null) context.cluster.publish(channel, payload, true);
  else context.propagation.message(call.client.databaseIndex, ['SPUBLISH', channel, payload]);
}

function ssubscribe(call: Call): void {
  listen(call, 'shardChannels', 'ssubscribe');
}

function subscribe(call: Call): void {
  listen(call, 'channels', 'subscribe');
}

function sunsubscribe(call: Call): void {
  leave(call, 'shardChannels', 'sunsubscribe');
}

function unsubscribe(call: Call): void {
  leave(call, 'channels', 'unsubscribe');
}

// --- what the commands share

/** A view of word `index`, valid while the handler runs. */
function word(call: Call, index: number): Uint8Array {
  const start = call.argStart[index];
  return call.bytes.subarray(start, start + call.argLength[index]);
}

function listen(call: Call, kind: SubscriptionKind, name: string): void {
  const { client, reply } = call;
  for (let index = 1; index < call.argc; index++) {
    const topic = call.copy(index);
    call.context.pubsub.subscribe(kind, client, topic);
    reply.push(3);
    reply.bulkLatin1(name);
    reply.bulk(topic);
    reply.integer(remaining(client, kind === 'shardChannels'));
  }
  client.answeredByMessage = true;
  noteSubscribed(client);
}

function leave(call: Call, kind: SubscriptionKind, name: UnsubscribedWord): void {
  const { client, reply, context } = call;
  let topics: Buffer[];
  if (call.argc === 1) {
    topics = [...(client.subscriptions?.[kind] ?? [])].map((topic) => Buffer.from(topic, 'latin1'));
    if (topics.length === 0) writeUnsubscribed(reply, name, null, client);
  } else topics = Array.from({ length: call.argc - 1 }, (_, index) => call.copy(index + 1));
  for (const topic of topics) {
    context.pubsub.unsubscribe(kind, client, topic);
    writeUnsubscribed(reply, name, topic, client);
  }
  client.answeredByMessage = true;
  noteSubscribed(client);
}

/** After a change of what the client listens to. */
export function noteSubscribed(client: Client): void {
  const { subscriptions } = client;
  client.subscribed = subscriptions !== null && subscriptions.count + subscriptions.shardChannels.size > 0;
  if (client.kind === 'normal' && client.subscribed) client.kind = 'pubsub';
  else if (client.kind === 'pubsub' && !client.subscribed) client.kind = 'normal';
}

function names(call: Call, kind: SubscriptionKind): void {
  if (call.argc > 3) {
    call.reply.error(subcommandSyntax(call));
    return;
  }
  const found = call.context.pubsub.names(kind, call.argc === 3 ? word(call, 2) : null);
  call.reply.array(found.length);
  for (const name of found) call.reply.bulk(name);
}

/** Too many words for a subcommand that takes one at most. */
function subcommandSyntax(call: Call): string {
  return `ERR unknown subcommand or wrong number of arguments for '${call.text(1).slice(0, 128)}'. Try PUBSUB HELP.`;
}

function counts(call: Call, kind: SubscriptionKind): void {
  call.reply.array((call.argc - 2) * 2);
  for (let index = 2; index < call.argc; index++) {
    const name = word(call, index);
    call.reply.bulk(name);
    call.reply.integer(call.context.pubsub.subscriberCount(kind, name));
  }
}

/** Commands of a RESP 2 client that is subscribed. */
const WHILE_SUBSCRIBED: ReadonlySet<string> = new Set([
  'ping',
  'psubscribe',
  'punsubscribe',
  'quit',
  'reset',
  'ssubscribe',
  'subscribe',
  'sunsubscribe',
  'unsubscribe',
]);

/** Why a subscribed RESP 2 client may not run the command, null when it may. */
export function refusalWhileSubscribed(client: Client, name: string): string | null {
  if (!client.subscribed || client.protocol === 3 || WHILE_SUBSCRIBED.has(name)) return null;
  return errors.notWhileSubscribed(name);
}
