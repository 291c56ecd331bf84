/** All users of a server, by their names; there is always one called `default`. */
import type { AclCatalogue } from './acl-catalogue.ts';
import { aclProblems, hasSpace } from './acl-problem.ts';
import { AclUser } from './acl-user.ts';

export const DEFAULT_USER = 'default';

/** A user directive: the name and its rules. */
export interface UserRules {
  readonly name: string;
  readonly rules: readonly string[];
}

export class AclUsers {
  readonly catalogue: AclCatalogue;
  readonly default: AclUser;
  readonly #allChannelsByDefault: () => boolean;
  #byName = new Map<string, AclUser>();

  /** `allChannelsByDefault`: acl-pubsub-default is allchannels. */
  constructor(catalogue: AclCatalogue, allChannelsByDefault: () => boolean) {
    this.catalogue = catalogue;
    this.#allChannelsByDefault = allChannelsByDefault;
    this.default = this.make(DEFAULT_USER);
    for (const rule of ['+@all', '~*', '&*', 'on', 'nopass']) this.default.set(rule);
    this.#byName.set(DEFAULT_USER, this.default);
  }

  /** A user that nobody can sign in as, and that is in no list yet. */
  make(name: string): AclUser {
    return new AclUser(name, this.catalogue, this.#allChannelsByDefault);
  }

  get(name: string): AclUser | undefined {
    return this.#byName.get(name);
  }

  /** In the order of their names' bytes. */
  all(): AclUser[] {
    return [...this.#byName.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /**
   * What the user would be after these rules, or the error's text without its code; nothing is changed. The
   * rules of a selector may come as several words.
   */
  planned(name: string, rules: readonly string[]): AclUser | string {
    const merged = mergeSelectors(rules);
    if (typeof merged === 'number') {
      return `Unmatched parenthesis in acl selector starting at '${rules[merged]}'.`;
    }
    const user = this.get(name)?.copy() ?? this.make(name);
    for (const rule of merged) {
      const problem = user.set(rule);
      if (problem !== null) return `Error in ACL SETUSER modifier '${rule}': ${aclProblems[problem]}`;
    }
    return user;
  }

  /** Takes over what `planned` answered. */
  put(user: AclUser): void {
    const known = this.#byName.get(user.name);
    if (known === undefined) this.#byName.set(user.name, user);
    else known.takeOver(user);
  }

  /** Removes a user; undefined when there was none. */
  remove(name: string): AclUser | undefined {
    const user = this.#byName.get(name);
    this.#byName.delete(name);
    return user;
  }

  /** Replaces all users by those of a file, in which `default` may be missing. */
  replaceAll(users: readonly AclUser[]): void {
    const fresh = new AclUsers(this.catalogue, this.#allChannelsByDefault);
    const byName = new Map<string, AclUser>([[DEFAULT_USER, this.default]]);
    this.default.takeOver(users.find(({ name }) => name === DEFAULT_USER) ?? fresh.default);
    for (const user of users) if (user.name !== DEFAULT_USER) byName.set(user.name, user);
    this.#byName = byName;
  }

  /** The password of the default user; empty: none is needed. */
  setDefaultPassword(password: string): void {
    this.default.set('resetpass');
    this.default.set(password === '' ? 'nopass' : `>${password}`);
  }

  /** Takes the users of a configuration in; the error's text when one of them is wrong. */
  configure(directives: readonly UserRules[]): string | undefined {
    for (const { name, rules } of directives) {
      if (hasSpace(name)) return 'Spaces not allowed in ACL usernames';
      const user = name === DEFAULT_USER ? this.default : this.make(name);
      if (name === DEFAULT_USER) user.set('reset');
      const merged = mergeSelectors(rules);
      if (typeof merged === 'number') return `Unmatched parenthesis in the rules of the user named '${name}'`;
      for (const rule of merged) {
        const problem = user.set(rule);
        if (problem === null) continue;
        return `Error loading ACL rule '${rule}' for the user named '${name}': ${aclProblems[problem]}`;
      }
      this.#byName.set(name, user);
    }
    return undefined;
  }
}

/** Puts the words of a selector together; the index of a parenthesis that is never closed. */
export function mergeSelectors(words: readonly string[]): string[] | number {
  const merged: string[] = [];
  let open = -1;
  let selector = '';
  for (const [index, word] of words.entries()) {
    if (open === -1 && !(word.startsWith('(') && !word.endsWith(')'))) {
      merged.push(word);
      continue;
    }
    if (open === -1) {
      open = index;
      selector = word;
      continue;
    }
    selector += ` ${word}`;
    if (!word.endsWith(')')) continue;
    merged.push(selector);
    open = -1;
  }
  return open === -1 ? merged : open;
}
