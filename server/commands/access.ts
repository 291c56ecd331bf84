/**
 * Who may do what: users, signing in, the test before every command of a restricted user, what was denied.
 */
import { AclCatalogue, type AclCommand, categoryBit } from '../acl/acl-catalogue.ts';
import {
  allowsChannelBytes,
  channelsAfter,
  type Denial,
  denialOf,
  mayReadAllKeys,
} from '../acl/acl-check.ts';
import { AclLog, type DenialContext, type LoggedReason } from '../acl/acl-log.ts';
import type { ChannelPattern } from '../acl/acl-selector.ts';
import type { AclUser } from '../acl/acl-user.ts';
import { AclUsers } from '../acl/acl-users.ts';
import { CallRequest } from './acl-request.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import { describeClient } from './client-info.ts';
import { aclCategories } from './command-facts.ts';
import type { CommandEntry, CommandTable } from './command-table.ts';
import type { ServerContext } from './context.ts';

export class Access {
  readonly users: AclUsers;
  readonly log = new AclLog();
  readonly #context: ServerContext;
  readonly #request = new CallRequest();

  constructor(context: ServerContext, table: CommandTable) {
    this.#context = context;
    const { values } = context.config;
    this.users = new AclUsers(catalogueOf(table), () => values['acl-pubsub-default'] === 'allchannels');
  }

  /** Nobody is anybody without a password. */
  get signInNeeded(): boolean {
    const { default: user } = this.users;
    return !user.noPassword || !user.enabled;
  }

  /** A new connection. */
  admit(client: Client): void {
    client.user = this.users.default;
    client.authenticated = !this.signInNeeded;
  }

  /** Makes the call's client the user when name and password fit; a failure is noted. */
  signIn(call: Call, name: string, password: Uint8Array): boolean {
    const { client } = call;
    const user = this.users.get(name);
    if (user?.enabled && user.hasPassword(password)) {
      client.user = user;
      client.authenticated = true;
      return true;
    }
    this.#note(call, 'auth', call.latin1(0), name);
    return false;
  }

  /** Why a client's command is refused, the words behind `NOPERM `; null when it may run. */
  refusal(call: Call, entry: CommandEntry, where: DenialContext): string | null {
    const { user } = call.client;
    if (user === null || user.unrestricted) return null;
    const denial = denialOf(user, this.#request.take(call, entry));
    if (denial === null) return null;
    this.#noteDenial(call, entry, denial, where);
    return wordsOfDenial(user, entry, denial);
  }

  /** Why a queued command may not run any more; null when it may. */
  refusalInExec(call: Call, entry: CommandEntry): string | null {
    const { user } = call.client;
    if (user === null || user.unrestricted) return null;
    const denial = denialOf(user, this.#request.take(call, entry));
    if (denial === null) return null;
    this.#noteDenial(call, entry, denial, 'multi');
    return reasonsInExec[denial.reason];
  }

  /** What ACL DRYRUN answers; null when the user may. */
  dryRun(user: AclUser, call: Call, entry: CommandEntry): string | null {
    const denial = denialOf(user, this.#request.take(call, entry));
    if (denial === null) return null;
    if (denial.reason === 'command') return wordsOfDenial(user, entry, denial);
    const word = call.latin1(denial.word);
    return `User ${user.name} has no permissions to access the '${word}' ${denial.reason}`;
  }

  /** True when the call's user may run this with these words; nothing is noted. */
  mayRun(call: Call, entry: CommandEntry): boolean {
    const { user } = call.client;
    return user === null || denialOf(user, this.#request.take(call, entry)) === null;
  }

  /** True when the client may read any key with this command: what SORT's BY and GET need. */
  mayReadAllKeys(call: Call): boolean {
    const { user } = call.client;
    return user === null || user.unrestricted || mayReadAllKeys(user, call.entry.id);
  }

  /** Changes or makes a user; subscribers that lose a channel by it are closed. The error's text. */
  setUser(name: string, rules: readonly string[], acting: Client): string | undefined {
    const planned = this.users.planned(name, rules);
    if (typeof planned === 'string') return planned;
    const known = this.users.get(name);
    if (known !== undefined) {
      const kept = channelsAfter(known, planned);
      if (kept !== null) this.#closeSubscribers((client) => client.user === known, kept, acting);
    }
    this.users.put(planned);
    return undefined;
  }

  /** Removes a user and closes its connections; false when there is none. */
  deleteUser(name: string, acting: Client): boolean {
    const user = this.users.remove(name);
    if (user === undefined) return false;
    for (const client of [...this.#context.clients.all()]) {
      if (client.user !== user) continue;
      client.user = this.users.default;
      client.authenticated = false;
      this.#close(client, 'its user was deleted', acting);
    }
    return true;
  }

  /**
   * All users are replaced: connections of those that are gone are closed, the others go on as the new ones.
   */
  replaceUsers(users: readonly AclUser[], acting: Client | null): void {
    const formerDefault = this.users.default.copy();
    this.users.replaceAll(users);
    for (const client of [...this.#context.clients.all()]) {
      const former = client.user;
      if (former === null) continue;
      const next = this.users.get(former.name);
      if (next === undefined) {
        this.#close(client, 'its user is gone', acting);
        continue;
      }
      const kept = channelsAfter(next === former ? formerDefault : former, next);
      client.user = next;
      if (kept !== null) this.#closeSubscribers((one) => one === client, kept, acting);
    }
  }

  /** Counts and notes a denial. */
  #note(call: Call, reason: LoggedReason, object: string, userName: string, where?: DenialContext): void {
    const { keyspace, config } = this.#context;
    const client = call.context.scripts.caller ?? call.client;
    const context = where ?? (call.client.queued === null ? 'toplevel' : 'multi');
    const clientInfo = describeClient(call.context, client).trimEnd();
    this.log.add(
      { reason, context, object, userName, clientInfo },
      keyspace.nowMs,
      config.values['acllog-max-len'],
    );
  }

  #noteDenial(call: Call, entry: CommandEntry, denial: Denial, where: DenialContext): void {
    const object = denial.reason === 'command' ? entry.name : call.latin1(denial.word);
    const queued = where === 'toplevel' && call.client.queued !== null;
    this.#note(call, denial.reason, object, call.client.userName, queued ? 'multi' : where);
  }

  #closeSubscribers(
    wanted: (client: Client) => boolean,
    kept: readonly ChannelPattern[],
    acting: Client | null,
  ): void {
    for (const client of [...this.#context.clients.all()]) {
      if (wanted(client) && losesSubscription(client, kept)) this.#close(client, 'it lost a channel', acting);
    }
  }

  /** Who acts gets its reply first. */
  #close(client: Client, reason: string, acting: Client | null): void {
    if (client === acting) client.link.closeAfterReplies(reason);
    else client.link.destroy(reason);
  }
}

const reasonsInExec: Readonly<Record<Denial['reason'], string>> = {
  command: 'no permission to execute the command or subcommand',
  key: 'no permission to touch the specified keys',
  channel: 'no permission to access one of the channels used as arguments to the command',
};

function wordsOfDenial(user: AclUser, entry: CommandEntry, denial: Denial): string {
  if (denial.reason === 'command') {
    return `User ${user.name} has no permissions to run the '${entry.name}' command`;
  }
  return `No permissions to access a ${denial.reason}`;
}

function losesSubscription(client: Client, kept: readonly ChannelPattern[]): boolean {
  if (client.subscriptions === null) return false;
  const { channels, patterns, shardChannels } = client.subscriptions;
  const lost = (name: string, isPattern: boolean): boolean => {
    const bytes = Buffer.from(name, 'latin1');
    return !allowsChannelBytes(kept, bytes, 0, bytes.length, isPattern);
  };
  for (const name of patterns) if (lost(name, true)) return true;
  for (const name of channels) if (lost(name, false)) return true;
  for (const name of shardChannels) if (lost(name, false)) return true;
  return false;
}

/** The commands of the table as rules name them. */
function catalogueOf(table: CommandTable): AclCatalogue {
  return new AclCatalogue(table.entries.map(commandOf));
}

function commandOf(entry: CommandEntry): AclCommand {
  let categories = 0;
  for (const name of aclCategories(entry)) categories |= categoryBit(name.slice(1));
  const { id, name, isSubcommand, subcommands } = entry;
  const below = subcommands === null ? null : [...subcommands.values()].map(commandOf);
  return { id, name, categories, isSubcommand, subcommands: below };
}
