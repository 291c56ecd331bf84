import { describe, expect, it } from 'vitest';
import { Prng } from '../structures/prng.ts';
import { AclCatalogue, type AclCommand, aclCategoryNames, categoryBit } from './acl-catalogue.ts';
import { type AclRequest, channelsAfter, denialOf } from './acl-check.ts';
import { printAclFile, readAclFile } from './acl-file.ts';
import { AclLog } from './acl-log.ts';
import { KEY_READ, KEY_WRITE } from './acl-selector.ts';
import { hashPassword } from './acl-user.ts';
import { AclUsers } from './acl-users.ts';

/** GET and SET, SELECT, and CONFIG with two subcommands. */
function catalogue(): AclCatalogue {
  let id = 0;
  const command = (
    name: string,
    categories: string,
    subcommands: AclCommand[] | null = null,
  ): AclCommand => ({
    id: id++,
    name,
    categories: categories.split(' ').reduce((bits, category) => bits | categoryBit(category), 0),
    isSubcommand: name.includes('|'),
    subcommands,
  });
  return new AclCatalogue([
    command('get', 'read string fast'),
    command('set', 'write string slow'),
    command('select', 'fast connection'),
    command('publish', 'pubsub fast'),
    command('config', 'slow', [command('config|get', 'admin slow'), command('config|set', 'admin slow')]),
  ]);
}

function users(): AclUsers {
  return new AclUsers(catalogue(), () => false);
}

/** A user after these rules; throws when one is refused. */
function made(all: AclUsers, name: string, ...rules: string[]) {
  const user = all.planned(name, rules);
  if (typeof user === 'string') throw new Error(user);
  all.put(user);
  return all.get(name) ?? user;
}

/** A request whose words from `keys` on are keys. */
function request(
  all: AclUsers,
  words: string[],
  access = KEY_READ | KEY_WRITE,
  channels = false,
): AclRequest {
  const [name = '', second = ''] = words;
  const command = all.catalogue.find(`${name}|${second}`) ?? all.catalogue.find(name);
  if (command === undefined) throw new Error(`no command ${name}`);
  const bytes = Buffer.from(words.join(''), 'latin1');
  let at = 0;
  const starts = words.map((word) => {
    at += word.length;
    return at - word.length;
  });
  const hasKeys = name === 'get' || name === 'set';
  return {
    id: command.id,
    free: false,
    argumentIndex: command.isSubcommand ? 2 : 1,
    bytes,
    argc: words.length,
    argStart: Int32Array.from(starts),
    argLength: Int32Array.from(words.map((word) => word.length)),
    findKeys: () => (hasKeys ? 1 : 0),
    keyWord: () => 1,
    keyAccess: () => access,
    channelsFrom: 1,
    channelsTo: channels ? 2 : 0,
    channelsArePatterns: false,
  };
}

describe('AclUsers', () => {
  it('begins with a default user that may do everything', () => {
    const all = users();
    expect(all.default.describe()).toBe('on nopass sanitize-payload ~* &* +@all');
    expect(all.default.unrestricted).toBe(true);
  });

  it('prints rules in the order in which they hold, without what later ones replace', () => {
    const all = users();
    const user = made(all, 'u', '+@all', '-@admin', '+get', '-GET', '+config|get', '+config');
    expect(user.root.describeCommands()).toBe('+@all -@admin -get +config');
    expect(made(all, 'u', '-@all', '+config|get', '+config|set', '-config').root.describeCommands()).toBe(
      '-@all -config',
    );
  });

  it('prints keys, channels, passwords and selectors as ACL LIST does', () => {
    const user = made(users(), 'u', 'on', '>a', '~k*', '%R~r*', '&ch*', '+get', '(+set', '~x)');
    expect(user.describe()).toBe(
      `on sanitize-payload #${hashPassword(Buffer.from('a'))} ~k* %R~r* resetchannels &ch* -@all +get (~x resetchannels -@all +set)`,
    );
  });

  it.each([
    ['foo', 'Syntax error'],
    ['+nosuch', 'Unknown command or category name in ACL'],
    ['+@nosuch', 'Unknown command or category name in ACL'],
    ['+config|nosuch', 'Unknown command or category name in ACL'],
    ['+config|get|x', 'Allowing first-arg of a subcommand is not supported'],
    ['+select|', 'Syntax error'],
    ['%X~a', 'Syntax error'],
    ['%RR~a', 'Syntax error'],
    ['~a b', 'Syntax error'],
    ['<secret', 'The password you are trying to remove from the user does not exist'],
    [
      '#12',
      'The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters',
    ],
  ])('refuses %s and changes nothing', (rule, words) => {
    const all = users();
    made(all, 'u', 'on', '+get');
    const before = all.get('u')?.describe();
    expect(all.planned('u', ['~a', rule])).toBe(`Error in ACL SETUSER modifier '${rule}': ${words}`);
    expect(all.get('u')?.describe()).toBe(before);
  });

  it('refuses patterns after all keys and channels', () => {
    const all = users();
    expect(all.planned('u', ['~*', '~a'])).toContain("Try 'resetkeys'");
    expect(all.planned('u', ['&*', '&a'])).toContain("Try 'resetchannels'");
    expect(all.planned('u', ['(+get', '~a'])).toBe(
      "Unmatched parenthesis in acl selector starting at '(+get'.",
    );
  });

  it('resets a user to nothing', () => {
    const all = users();
    made(all, 'u', 'on', 'nopass', '+@all', '~*', '(+get)');
    expect(made(all, 'u', 'reset').describe()).toBe('off sanitize-payload resetchannels -@all');
  });

  it('prints rules that lead to the same user (seeded)', () => {
    const seed = 20261123;
    const random = new Prng(seed);
    const names = [
      'get',
      'set',
      'select',
      'config',
      'config|get',
      'config|set',
      ...aclCategoryNames.map((n) => `@${n}`),
    ];
    const all = users();
    for (let round = 0; round < 300; round++) {
      const rules = Array.from({ length: 8 }, () => {
        const name = names[random.below(names.length)] ?? 'get';
        return `${random.below(2) === 0 ? '+' : '-'}${name}`;
      });
      const user = made(all, 'u', 'reset', ...rules);
      const again = made(all, 'v', 'reset', ...user.describe().split(' '));
      expect(again.describe(), `seed ${seed}: ${rules.join(' ')}`).toBe(user.describe());
      for (let id = 0; id < all.catalogue.count; id++) {
        expect(again.root.allows(id), `seed ${seed}: ${rules.join(' ')}`).toBe(user.root.allows(id));
      }
    }
  });
});

describe('denialOf', () => {
  it('names the command first, then the key, then the channel', () => {
    const all = users();
    const user = made(all, 'u', 'on', '+get', '+publish', '%R~r*', '&news*');
    expect(denialOf(user, request(all, ['set', 'r1']))).toEqual({ reason: 'command', word: 0 });
    expect(denialOf(user, request(all, ['get', 'x'], KEY_READ))).toEqual({ reason: 'key', word: 1 });
    expect(denialOf(user, request(all, ['get', 'r1'], KEY_READ))).toBeNull();
    expect(denialOf(user, request(all, ['get', 'r1'], KEY_WRITE))).toEqual({ reason: 'key', word: 1 });
    expect(denialOf(user, request(all, ['publish', 'x'], 0, true))).toEqual({ reason: 'channel', word: 1 });
    expect(denialOf(user, request(all, ['publish', 'news1'], 0, true))).toBeNull();
  });

  it('wants one selector to allow all of a command', () => {
    const all = users();
    const user = made(all, 'u', '+get', '~a*', '(+set ~b*)');
    expect(denialOf(user, request(all, ['get', 'a1']))).toBeNull();
    expect(denialOf(user, request(all, ['set', 'b1']))).toBeNull();
    expect(denialOf(user, request(all, ['set', 'a1']))).toEqual({ reason: 'key', word: 1 });
  });

  it('allows a command with certain first arguments', () => {
    const all = users();
    const user = made(all, 'u', '+select|0', '+config|get');
    expect(denialOf(user, request(all, ['select', '0']))).toBeNull();
    expect(denialOf(user, request(all, ['select', '1']))?.reason).toBe('command');
    expect(denialOf(user, request(all, ['config', 'get']))).toBeNull();
    expect(denialOf(user, request(all, ['config', 'set']))?.reason).toBe('command');
  });
});

describe('channelsAfter', () => {
  it('is null as long as nothing is lost', () => {
    const all = users();
    const user = made(all, 'u', '&a', '&b');
    expect(channelsAfter(user, made(users(), 'u', '&a', '&b', '&c'))).toBeNull();
    expect(channelsAfter(user, made(users(), 'u', '&*'))).toBeNull();
    expect(channelsAfter(user, made(users(), 'u', '&a'))?.map(({ text }) => text)).toEqual(['a']);
  });
});

describe('readAclFile', () => {
  it('reads what printAclFile wrote', () => {
    const all = users();
    made(all, 'u', 'on', '>a', '~k*', '+get', '(+set ~x)');
    const text = printAclFile(all);
    const read = readAclFile(text, 'users.acl', all);
    expect(Array.isArray(read) && read.map((user) => `user ${user.name} ${user.describe()}\n`).join('')).toBe(
      text,
    );
  });

  it('names every wrong line and takes none', () => {
    const text = 'user a on +nosuch\nfoo\nuser b ~x y z\nuser a on\n\n';
    expect(readAclFile(text, 'f', users())).toBe(
      "f:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. f:2 should start with user keyword followed by the username. f:3: Syntax error. WARNING: Duplicate user 'a' found on line 4. WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
    );
  });
});

describe('AclLog', () => {
  const denial = { reason: 'key', context: 'toplevel', object: 'k', userName: 'u', clientInfo: '' } as const;

  it('counts equal denials within a minute as one, and keeps the newest', () => {
    const log = new AclLog();
    log.add(denial, 0, 2);
    log.add(denial, 59_000, 2);
    log.add(denial, 200_000, 2);
    log.add({ ...denial, object: 'other' }, 200_000, 2);
    expect(log.entries.map(({ object, count }) => [object, count])).toEqual([
      ['other', 1],
      ['k', 1],
    ]);
    expect(log.denied.key).toBe(4);
  });
});
