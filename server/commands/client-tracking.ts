/** CLIENT TRACKING and what belongs to it: client-side caching. */
import type { TrackingOptions } from '../pubsub/tracking.ts';
import type { Call } from './call.ts';
import type { CommandEntry } from './command-table.ts';
import * as errors from './errors.ts';
import { LOADING, NO_KEY, NOSCRIPT, PUBSUB, type Row, STALE } from './row.ts';

const FLAGS = NOSCRIPT | LOADING | STALE;

// biome-ignore format: a table, one command a row
export const trackingCommands: readonly Row[] = [
  // name          arity flags  keys    since    run           summary
  ['CACHING',      3,    FLAGS, NO_KEY, '6.0.0', caching,      'Instructs the server whether to track the keys in the next request.'],
  ['GETREDIR',     2,    FLAGS, NO_KEY, '6.0.0', getredir,     'Returns the client ID to which the connection\'s tracking notifications are redirected.'],
  ['TRACKING',     -3,   FLAGS, NO_KEY, '6.0.0', tracking,     'Controls server-assisted client-side caching for the connection.'],
  ['TRACKINGINFO', 2,    FLAGS, NO_KEY, '6.2.0', trackinginfo, 'Returns information about server-assisted client-side caching for the connection.'],
];

function caching(call: Call): void {
  const { tracking: state } = call.client;
  if (state === null) {
    call.reply.error(
      'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
    );
  } else if (call.is(2, 'YES')) {
    if (state.options.optIn) acceptCaching(call);
    else call.reply.error('ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.');
  } else if (call.is(2, 'NO')) {
    if (state.options.optOut) acceptCaching(call);
    else call.reply.error('ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.');
  } else call.reply.error(errors.SYNTAX);
}

function acceptCaching(call: Call): void {
  const { tracking: state } = call.client;
  if (state !== null) state.caching = true;
  call.reply.ok();
}

function getredir(call: Call): void {
  call.reply.integer(redirectOf(call));
}

function redirectOf(call: Call): number {
  return call.client.tracking?.options.redirect ?? -1;
}

const OTHER_MODE =
  'before disabling tracking for this client, and then re-enabling it with a different mode.';

function tracking(call: Call): void {
  const { client, context, reply } = call;
  const prefixes: string[] = [];
  const options = readOptions(call, prefixes);
  if (options === null) return;
  if (call.is(2, 'OFF')) {
    context.tracking.disable(client);
    reply.ok();
    return;
  }
  const problem = call.is(2, 'ON') ? conflict(call, options, prefixes) : errors.SYNTAX;
  if (problem !== null) {
    reply.error(problem);
    return;
  }
  context.tracking.enable(client, options, prefixes);
  reply.ok();
}

/** The words behind ON or OFF; null when an error was answered. */
function readOptions(call: Call, prefixes: string[]): TrackingOptions | null {
  let redirect = 0;
  const found = { broadcast: false, optIn: false, optOut: false, noLoop: false };
  for (let index = 3; index < call.argc; index++) {
    const more = index + 1 < call.argc;
    if (call.is(index, 'REDIRECT') && more) {
      if (redirect !== 0) {
        call.reply.error('ERR A client can only redirect to a single other client');
        return null;
      }
      const id = call.integer64(++index);
      if (id === null) {
        call.reply.error(errors.NOT_INTEGER);
        return null;
      }
      redirect = Number(id);
      if (call.context.clients.byId(redirect) === undefined) {
        call.reply.error('ERR The client ID you want redirect to does not exist');
        return null;
      }
    } else if (call.is(index, 'BCAST')) found.broadcast = true;
    else if (call.is(index, 'OPTIN')) found.optIn = true;
    else if (call.is(index, 'OPTOUT')) found.optOut = true;
    else if (call.is(index, 'NOLOOP')) found.noLoop = true;
    else if (call.is(index, 'PREFIX') && more) prefixes.push(call.latin1(++index));
    else {
      call.reply.error(errors.SYNTAX);
      return null;
    }
  }
  return { redirect, ...found };
}

/** Why these options do not go together, or not with what the client has; null when they do. */
function conflict(call: Call, options: TrackingOptions, prefixes: readonly string[]): string | null {
  const { broadcast, optIn, optOut } = options;
  const before = call.client.tracking?.options;
  if (!broadcast && prefixes.length > 0) return 'ERR PREFIX option requires BCAST mode to be enabled';
  if (before !== undefined && before.broadcast !== broadcast) {
    return `ERR You can't switch BCAST mode on/off ${OTHER_MODE}`;
  }
  if (broadcast && (optIn || optOut)) return 'ERR OPTIN and OPTOUT are not compatible with BCAST';
  if (optIn && optOut) return "ERR You can't specify both OPTIN mode and OPTOUT mode";
  if (before !== undefined && ((optIn && before.optOut) || (optOut && before.optIn))) {
    return `ERR You can't switch OPTIN/OPTOUT mode ${OTHER_MODE}`;
  }
  return broadcast ? overlap(prefixes, [...(call.client.tracking?.prefixes ?? [])]) : null;
}

/** A client has no two prefixes of which one begins with the other. */
function overlap(prefixes: readonly string[], existing: readonly string[]): string | null {
  const end = 'Prefixes for a single client must not overlap.';
  for (const [index, prefix] of prefixes.entries()) {
    const old = existing.find((other) => other.startsWith(prefix) || prefix.startsWith(other));
    if (old !== undefined) return `ERR Prefix '${prefix}' overlaps with an existing prefix '${old}'. ${end}`;
    const twin = prefixes
      .slice(index + 1)
      .find((other) => other.startsWith(prefix) || prefix.startsWith(other));
    if (twin !== undefined) {
      return `ERR Prefix '${prefix}' overlaps with another provided prefix '${twin}'. ${end}`;
    }
  }
  return null;
}

function trackinginfo(call: Call): void {
  const { reply, client } = call;
  const state = client.tracking;
  const options = state?.options;
  const flags = [state === null ? 'off' : 'on'];
  if (options?.broadcast) flags.push('bcast');
  if (options?.optIn) flags.push('optin');
  if (options?.optIn && state?.caching) flags.push('caching-yes');
  if (options?.optOut) flags.push('optout');
  if (options?.optOut && state?.caching) flags.push('caching-no');
  if (options?.noLoop) flags.push('noloop');
  if (state?.brokenRedirect) flags.push('broken_redirect');
  reply.map(3);
  reply.bulkText('flags');
  reply.set(flags.length);
  for (const flag of flags) reply.bulkText(flag);
  reply.bulkText('redirect');
  reply.integer(redirectOf(call));
  reply.bulkText('prefixes');
  const prefixes = [...(state?.prefixes ?? [])].sort();
  reply.array(prefixes.length);
  for (const prefix of prefixes) reply.bulkLatin1(prefix);
}

/** Read-only scripts: their commands tell which keys they read. */
const READING_SCRIPTS: ReadonlySet<string> = new Set(['eval_ro', 'evalsha_ro', 'fcall_ro']);

/** After a command that reads: the client that tracks may hold its keys from now on. */
export function rememberKeys(call: Call, entry: CommandEntry): void {
  const { tracking } = call.context;
  const client = tracking.current;
  const state = client?.tracking ?? null;
  if (client === null || state === null || state.options.broadcast) return;
  const { optIn, optOut } = state.options;
  if ((optIn && !state.caching) || (optOut && state.caching)) return;
  if ((entry.flags & PUBSUB) !== 0 || READING_SCRIPTS.has(entry.name)) return;
  const count = entry.findKeys(call);
  for (let key = 0; key < count; key++) {
    const word = call.keyPositions[key];
    tracking.remember(client, call.bytes, call.argStart[word], call.argLength[word]);
  }
}
