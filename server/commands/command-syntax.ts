/** Reads the notation of `command-words.ts` into arguments as COMMAND DOCS describes them. */

/** What stands in one place of a command, or what a group of places is. */
export type ArgumentType =
  | 'string'
  | 'integer'
  | 'double'
  | 'key'
  | 'pattern'
  | 'unix-time'
  | 'pure-token'
  | 'oneof'
  | 'block';

export interface CommandArgument {
  readonly name: string;
  readonly type: ArgumentType;
  /** Empty for a group. */
  readonly shown: string;
  /** Of the command's key specifications; -1: none. */
  readonly keySpec: number;
  /** The word before it, or the word that it is; empty: none. */
  readonly token: string;
  readonly optional: boolean;
  readonly multiple: boolean;
  /** Its word is repeated with it. */
  readonly multipleToken: boolean;
  /** Of a group. */
  readonly parts: readonly CommandArgument[];
}

const typeOfLetter: Readonly<Record<string, ArgumentType>> = {
  i: 'integer',
  d: 'double',
  k: 'key',
  p: 'pattern',
  t: 'unix-time',
};
const wordPattern = /^[^ |(){}[\]]+/;
const tokenPattern = /^[A-Z0-9_-]+$/;
const leafPattern = /^([^:/]+)(?::([idkpt])(\d+|-)?)?(?:\/(.+))?$/;

/** The arguments of a command; a text that is not in the notation is an error of the table. */
export function parseSyntax(text: string): readonly CommandArgument[] {
  const reader = new SyntaxReader(text);
  const parts = reader.sequence();
  if (reader.rest !== '') throw new Error(`assertion failed: "${text}" has "${reader.rest}" at its end`);
  return parts;
}

class SyntaxReader {
  rest: string;

  constructor(text: string) {
    this.rest = text;
  }

  sequence(): CommandArgument[] {
    const parts = [this.#argument()];
    while (this.#took(' ')) parts.push(this.#argument());
    return parts;
  }

  #argument(): CommandArgument {
    if (this.#took('[')) {
      const argument = { ...this.#argument(), optional: true };
      this.#expect(']');
      return this.#repeated(argument);
    }
    const word = this.#word();
    if (tokenPattern.test(word) && this.rest.startsWith(' ')) {
      this.#expect(' ');
      return { ...this.#argument(), token: word };
    }
    const group = word.endsWith('=') && (this.rest.startsWith('(') || this.rest.startsWith('{'));
    return this.#repeated(group ? this.#group(word.slice(0, -1)) : leaf(word));
  }

  #group(name: string): CommandArgument {
    const oneof = this.#took('(');
    if (!oneof) this.#expect('{');
    const parts: CommandArgument[] = oneof ? [this.#argument()] : this.sequence();
    while (oneof && this.#took('|')) parts.push(this.#argument());
    this.#expect(oneof ? ')' : '}');
    return { ...plain, name, type: oneof ? 'oneof' : 'block', parts };
  }

  /** A word up to what repeats it. */
  #word(): string {
    const [found = ''] = wordPattern.exec(this.rest) ?? [];
    const word = found.replace(/\.{3,4}$/, '');
    if (word === '') throw new Error(`assertion failed: no word before "${this.rest}"`);
    this.rest = this.rest.slice(word.length);
    return word;
  }

  #repeated(argument: CommandArgument): CommandArgument {
    if (this.#took('....')) return { ...argument, multiple: true, multipleToken: true };
    return this.#took('...') ? { ...argument, multiple: true } : argument;
  }

  #took(text: string): boolean {
    if (!this.rest.startsWith(text)) return false;
    this.rest = this.rest.slice(text.length);
    return true;
  }

  #expect(text: string): void {
    if (!this.#took(text)) throw new Error(`assertion failed: no "${text}" before "${this.rest}"`);
  }
}

const plain: Omit<CommandArgument, 'name' | 'type'> = {
  shown: '',
  keySpec: -1,
  token: '',
  optional: false,
  multiple: false,
  multipleToken: false,
  parts: [],
};

function leaf(word: string): CommandArgument {
  const [, tokenName, token] = /^([^=]*)=(.+)$/.exec(word) ?? [];
  if (token !== undefined) {
    const name = tokenName === undefined || tokenName === '' ? token : tokenName;
    return { ...plain, name, shown: name, type: 'pure-token', token };
  }
  if (tokenPattern.test(word)) {
    const name = word.toLowerCase();
    return { ...plain, name, shown: name, type: 'pure-token', token: word };
  }
  const [, name = '', letter, spec = '0', shown = name] = leafPattern.exec(word) ?? [];
  if (name === '') throw new Error(`assertion failed: "${word}" is no argument`);
  const type = letter === undefined ? 'string' : (typeOfLetter[letter] ?? 'string');
  const keySpec = type !== 'key' || spec === '-' ? -1 : Number(spec);
  return { ...plain, name, shown, type, keySpec };
}
