/**
 * A selector: a set of commands, of key patterns and of channel patterns that go together. Every user has
 * one, the root, and may have more; a command is allowed when one of them allows all of it.
 *
 * Beside the set of commands it keeps the rules that led to it, in their order, to print them: `+@all -get`
 * and
 * `-@all +get` say what holds for commands that nobody has named.
 */
import { type AclCatalogue, type AclCommand, categoryBit } from './acl-catalogue.ts';
import { type AclProblem, hasSpace } from './acl-problem.ts';

export const KEY_READ = 1;
export const KEY_WRITE = 2;
const KEY_ALL = KEY_READ | KEY_WRITE;

export interface KeyPattern {
  /** One character a byte. */
  readonly text: string;
  readonly bytes: Buffer;
  /** KEY_READ, KEY_WRITE or both. */
  access: number;
}

export interface ChannelPattern {
  readonly text: string;
  readonly bytes: Buffer;
}

export class AclSelector {
  allKeys = false;
  allChannels = false;
  /** Every command, without exception. */
  allCommands = false;
  keys: KeyPattern[] = [];
  channels: ChannelPattern[] = [];
  readonly #catalogue: AclCatalogue;
  /** 1 for every command that is allowed, by its number. */
  #allowed: Uint8Array;
  /** Commands that are allowed with certain first arguments only, by their number. */
  #firstArguments = new Map<number, string[]>();
  /** True after `+@all`: commands of the future are allowed. */
  #startsWithAll = false;
  /** What followed `+@all` or `-@all`. */
  #rules: string[] = [];

  constructor(catalogue: AclCatalogue) {
    this.#catalogue = catalogue;
    this.#allowed = new Uint8Array(catalogue.count);
  }

  copy(): AclSelector {
    const other = new AclSelector(this.#catalogue);
    other.allKeys = this.allKeys;
    other.allChannels = this.allChannels;
    other.allCommands = this.allCommands;
    other.keys = this.keys.map((pattern) => ({ ...pattern }));
    other.channels = [...this.channels];
    other.#allowed = this.#allowed.slice();
    for (const [id, names] of this.#firstArguments) other.#firstArguments.set(id, [...names]);
    other.#startsWithAll = this.#startsWithAll;
    other.#rules = [...this.#rules];
    return other;
  }

  allows(id: number): boolean {
    return this.#allowed[id] === 1;
  }

  /** The first arguments, in lower case, with which a command is allowed that otherwise is not. */
  firstArgumentsOf(id: number): readonly string[] | undefined {
    return this.#firstArguments.get(id);
  }

  /** Applies one rule. */
  set(rule: string): AclProblem | null {
    const lower = rule.toLowerCase();
    switch (lower) {
      case 'allkeys':
      case '~*':
        this.allKeys = true;
        this.keys = [];
        return null;
      case 'resetkeys':
        this.allKeys = false;
        this.keys = [];
        return null;
      case 'allchannels':
      case '&*':
        this.allChannels = true;
        this.channels = [];
        return null;
      case 'resetchannels':
        this.allChannels = false;
        this.channels = [];
        return null;
      case 'allcommands':
      case '+@all':
        this.#setAll(true);
        return null;
      case 'nocommands':
      case '-@all':
        this.#setAll(false);
        return null;
      default:
        return this.#setOther(rule, lower);
    }
  }

  #setOther(rule: string, lower: string): AclProblem | null {
    const sign = rule[0];
    if (sign === '~' || sign === '%') return this.#addKeys(rule);
    if (sign === '&') return this.#addChannel(rule.slice(1));
    if (sign !== '+' && sign !== '-') return 'syntax';
    const allow = sign === '+';
    const name = lower.slice(1);
    if (name.startsWith('@')) return this.#setCategory(name, allow);
    if (allow && name.includes('|')) return this.#allowPart(name);
    const command = this.#catalogue.find(name);
    if (command === undefined) return 'unknownCommand';
    this.#setCommand(command, allow);
    this.#noteRule(command.name, allow);
    return null;
  }

  #setAll(allow: boolean): void {
    this.#allowed.fill(allow ? 1 : 0);
    this.allCommands = allow;
    this.#startsWithAll = allow;
    this.#rules = [];
    this.#firstArguments.clear();
  }

  #setCategory(name: string, allow: boolean): AclProblem | null {
    const bit = categoryBit(name.slice(1));
    if (bit === 0) return 'unknownCommand';
    this.#noteRule(name, allow);
    for (const command of this.#catalogue.commands) {
      if ((command.categories & bit) !== 0) this.#setCommand(command, allow);
      for (const below of command.subcommands ?? []) {
        if ((below.categories & bit) !== 0) this.#setCommand(below, allow);
      }
    }
    return null;
  }

  #setCommand(command: AclCommand, allow: boolean): void {
    if (!allow) this.allCommands = false;
    this.#allowed[command.id] = allow ? 1 : 0;
    this.#firstArguments.delete(command.id);
    for (const below of command.subcommands ?? []) this.#allowed[below.id] = allow ? 1 : 0;
  }

  /** `+command|subcommand`, or `+command|argument` where there are no subcommands. */
  #allowPart(name: string): AclProblem | null {
    const bar = name.lastIndexOf('|');
    const command = this.#catalogue.find(name.slice(0, bar));
    const part = name.slice(bar + 1);
    if (command === undefined) return 'unknownCommand';
    if (command.isSubcommand) return 'firstArgumentOfSubcommand';
    if (part === '') return 'syntax';
    if (command.subcommands !== null) {
      const below = this.#catalogue.find(name);
      if (below === undefined) return 'unknownCommand';
      this.#setCommand(below, true);
    } else {
      const known = this.#firstArguments.get(command.id) ?? [];
      if (!known.includes(part)) this.#firstArguments.set(command.id, [...known, part]);
    }
    this.#noteRule(name, true);
    return null;
  }

  /** A rule takes the place of earlier ones of the same command and of what is below it. */
  #noteRule(name: string, allow: boolean): void {
    this.#rules = this.#rules.filter(
      (rule) => rule.slice(1) !== name && !rule.slice(1).startsWith(`${name}|`),
    );
    this.#rules.push(`${allow ? '+' : '-'}${name}`);
  }

  #addKeys(rule: string): AclProblem | null {
    if (this.allKeys) return 'keysAfterAll';
    let access = KEY_ALL;
    let text = rule.slice(1);
    if (rule[0] === '%') {
      // The pattern may be missing: then it is the empty one.
      const found = /^%([rw]{1,2})(?:~|$)/i.exec(rule);
      const letters = found?.[1]?.toUpperCase() ?? '';
      if (found === null || letters === 'RR' || letters === 'WW') return 'syntax';
      access = (letters.includes('R') ? KEY_READ : 0) | (letters.includes('W') ? KEY_WRITE : 0);
      text = rule.slice(found[0].length);
    }
    if (hasSpace(text)) return 'syntax';
    const known = this.keys.find((pattern) => pattern.text === text);
    if (known === undefined) this.keys.push({ text, bytes: Buffer.from(text, 'latin1'), access });
    else known.access |= access;
    return null;
  }

  #addChannel(text: string): AclProblem | null {
    if (this.allChannels) return 'channelsAfterAll';
    if (hasSpace(text)) return 'syntax';
    if (!this.channels.some((pattern) => pattern.text === text)) {
      this.channels.push({ text, bytes: Buffer.from(text, 'latin1') });
    }
    return null;
  }

  /** The rules of commands: `-@all +get`. */
  describeCommands(): string {
    return [this.#startsWithAll ? '+@all' : '-@all', ...this.#rules].join(' ');
  }

  describeKeys(): string {
    return this.allKeys ? '~*' : this.keys.map(describeKeyPattern).join(' ');
  }

  describeChannels(): string {
    return this.allChannels ? '&*' : this.channels.map(({ text }) => `&${text}`).join(' ');
  }

  /** All rules, as ACL LIST prints them. */
  describe(): string {
    const keys = this.describeKeys();
    const channels = this.allChannels ? '&*' : ['resetchannels', this.describeChannels()].join(' ').trimEnd();
    return [...(keys === '' ? [] : [keys]), channels, this.describeCommands()].join(' ');
  }
}

function describeKeyPattern({ text, access }: KeyPattern): string {
  if (access === KEY_ALL) return `~${text}`;
  return access === KEY_READ ? `%R~${text}` : `%W~${text}`;
}
