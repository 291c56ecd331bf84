/**
 * A user: whether it may sign in and how, and what it may do. Names and rules are text of one character a
 * byte.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { AclCatalogue } from './acl-catalogue.ts';
import type { AclProblem } from './acl-problem.ts';
import { AclSelector } from './acl-selector.ts';

/** SHA-256 in hexadecimal digits. */
const HASH = /^[0-9a-f]{64}$/;

export class AclUser {
  readonly name: string;
  enabled = false;
  /** Any password signs in. */
  noPassword = false;
  /** Values that the user restores are checked; false: they need not be. */
  sanitizesPayload = true;
  /** Hashes of passwords. */
  passwords: string[] = [];
  /** The first one is the root. */
  selectors: AclSelector[];
  /** It may do everything: nothing needs to be looked at. */
  unrestricted = false;
  readonly #catalogue: AclCatalogue;
  readonly #allChannelsByDefault: () => boolean;

  constructor(name: string, catalogue: AclCatalogue, allChannelsByDefault: () => boolean) {
    this.name = name;
    this.#catalogue = catalogue;
    this.#allChannelsByDefault = allChannelsByDefault;
    const root = new AclSelector(catalogue);
    root.allChannels = allChannelsByDefault();
    this.selectors = [root];
  }

  get root(): AclSelector {
    return this.selectors[0];
  }

  /** A user of the same rights that changes do not reach. */
  copy(): AclUser {
    const other = new AclUser(this.name, this.#catalogue, this.#allChannelsByDefault);
    other.takeOver(this);
    return other;
  }

  /** Becomes what `other` is, apart from its name. */
  takeOver(other: AclUser): void {
    this.enabled = other.enabled;
    this.noPassword = other.noPassword;
    this.sanitizesPayload = other.sanitizesPayload;
    this.passwords = [...other.passwords];
    this.selectors = other.selectors.map((selector) => selector.copy());
    this.#look();
  }

  /** Applies one rule. */
  set(rule: string): AclProblem | null {
    const problem = this.#apply(rule);
    this.#look();
    return problem;
  }

  #look(): void {
    this.unrestricted = this.selectors.some(
      ({ allCommands, allKeys, allChannels }) => allCommands && allKeys && allChannels,
    );
  }

  #apply(rule: string): AclProblem | null {
    switch (rule.toLowerCase()) {
      case '':
        return null;
      case 'on':
      case 'off':
        this.enabled = rule.toLowerCase() === 'on';
        return null;
      case 'skip-sanitize-payload':
      case 'sanitize-payload':
        this.sanitizesPayload = rule.toLowerCase() === 'sanitize-payload';
        return null;
      case 'nopass':
      case 'resetpass':
        this.noPassword = rule.toLowerCase() === 'nopass';
        this.passwords = [];
        return null;
      case 'clearselectors':
        this.selectors = [this.root];
        return null;
      case 'reset':
        this.#reset();
        return null;
      default:
        return this.#applyOther(rule);
    }
  }

  #applyOther(rule: string): AclProblem | null {
    switch (rule[0]) {
      case '>':
      case '#':
        return this.#addPassword(rule);
      case '<':
      case '!':
        return this.#removePassword(rule);
      default:
        if (rule.startsWith('(') && rule.endsWith(')')) return this.#addSelector(rule.slice(1, -1));
        return this.root.set(rule);
    }
  }

  #reset(): void {
    this.noPassword = false;
    this.passwords = [];
    this.enabled = false;
    this.sanitizesPayload = true;
    const root = new AclSelector(this.#catalogue);
    root.allChannels = this.#allChannelsByDefault();
    this.selectors = [root];
  }

  #addPassword(rule: string): AclProblem | null {
    const hash = hashOfRule(rule);
    if (hash === null) return 'badHash';
    if (!this.passwords.includes(hash)) this.passwords.push(hash);
    this.noPassword = false;
    return null;
  }

  #removePassword(rule: string): AclProblem | null {
    const hash = hashOfRule(rule);
    if (hash === null) return 'badHash';
    if (!this.passwords.includes(hash)) return 'noSuchPassword';
    this.passwords = this.passwords.filter((known) => known !== hash);
    return null;
  }

  #addSelector(rules: string): AclProblem | null {
    const selector = new AclSelector(this.#catalogue);
    selector.allChannels = this.#allChannelsByDefault();
    for (const rule of rules.split(/\s+/)) {
      const problem = rule === '' ? null : selector.set(rule);
      if (problem !== null) return problem;
    }
    this.selectors.push(selector);
    return null;
  }

  /** Takes the same time whichever hash is right. */
  hasPassword(password: Uint8Array): boolean {
    if (this.noPassword) return true;
    const given = Buffer.from(hashPassword(password));
    let right = false;
    for (const hash of this.passwords) if (timingSafeEqual(given, Buffer.from(hash))) right = true;
    return right;
  }

  /** The flags in the order in which they are printed. */
  flags(): string[] {
    return [
      this.enabled ? 'on' : 'off',
      ...(this.noPassword ? ['nopass'] : []),
      this.sanitizesPayload ? 'sanitize-payload' : 'skip-sanitize-payload',
    ];
  }

  /** The user as ACL LIST and the ACL file have it, without `user` and its name. */
  describe(): string {
    const words = [...this.flags(), ...this.passwords.map((hash) => `#${hash}`), this.root.describe()];
    for (const selector of this.selectors.slice(1)) words.push(`(${selector.describe()})`);
    return words.join(' ');
  }
}

export function hashPassword(password: Uint8Array): string {
  return createHash('sha256').update(password).digest('hex');
}

/** The hash that `>password` or `#hash` (also `<` and `!`) means, null when it is none. */
function hashOfRule(rule: string): string | null {
  const text = rule.slice(1);
  if (rule[0] === '>' || rule[0] === '<') return hashPassword(Buffer.from(text, 'latin1'));
  return HASH.test(text) ? text : null;
}
