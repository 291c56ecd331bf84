/** The users that a server starts with: those of its configuration, or those of its ACL file. */
import { readAclFile } from '../acl/acl-file.ts';
import { loadAclFile } from '../commands/acl-storage.ts';
import type { UserDirective } from '../config/config.ts';
import type { Server } from '../server.ts';

const BOTH =
  'Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This setup is very likely to lead to configuration errors and security holes, please define either an ACL file or declare users directly in your redis.conf, but not both.';

/** Why the server cannot start, undefined when the users are there. */
export function loadUsers(server: Server): string | undefined {
  const { access, config, log } = server;
  const { aclfile } = config.values;
  config.userLines = () => (aclfile === '' ? userLines(server) : null);
  if (aclfile === '') {
    const problem = access.users.configure(config.users.map(latin1));
    return problem === undefined ? undefined : `${problem}\nCritical error while loading ACLs. Exiting.`;
  }
  if (config.users.length > 0) return BOTH;
  const text = loadAclFile(aclfile);
  const users = typeof text === 'string' ? readAclFile(text, aclfile, access.users) : text.problem;
  if (typeof users === 'string') return `Aborting Redis startup because of ACL errors: ${users}`;
  access.replaceUsers(users, null);
  for (const { name, enabled } of access.users.all()) {
    if (!enabled) log.notice(`The user '${name}' is disabled.`);
  }
  return undefined;
}

/** Why a command cannot be renamed, undefined when all are that the configuration names. */
export function renameCommands(server: Server): string | undefined {
  for (const [from, to] of server.config.renames) {
    const problem = server.table.rename(from, to);
    if (problem !== undefined) return `${problem}: rename-command ${from} ${to}`;
  }
  return undefined;
}

/** The configuration is read as UTF-8; rules are one character a byte. */
function latin1({ name, rules }: UserDirective): UserDirective {
  const bytes = (text: string): string => Buffer.from(text).toString('latin1');
  return { name: bytes(name), rules: rules.map(bytes) };
}

function userLines(server: Server): string[] {
  const lines = server.access.users.all().map((user) => `user ${user.name} ${user.describe()}`);
  return lines.map((line) => Buffer.from(line, 'latin1').toString());
}
