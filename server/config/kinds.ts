/**
 * What the value of a configuration parameter can be: how its words are read, how `CONFIG GET` prints it. The
 * error texts are the ones Redis prints.
 */

import { quote } from './grammar.ts';

/** Why a value is refused, in the words a client or the start-up message shows. */
export class Refusal {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** What a value is read against: some directives add to what earlier lines said. */
export interface ReadContext<T> {
  /** The value before this line. */
  readonly previous: T;
  /** True for the first line of this directive in the configuration that is being read. */
  readonly first: boolean;
  /** True when the words come from a file or the command line, false for CONFIG SET. */
  readonly starting: boolean;
}

export interface Kind<T> {
  /** The kind's name in the documentation. */
  readonly type: string;
  /** True when a directive takes any number of words; otherwise exactly one. */
  readonly many: boolean;
  read(words: readonly string[], context: ReadContext<T>): T | Refusal;
  /** The value as `CONFIG GET` prints it. */
  print(value: T): string;
  /** The value as lines of a configuration file without the directive's name; absent: `print`, one line. */
  lines?(value: T): readonly string[];
}

export const INT_MAX = 2_147_483_647n;
export const INT_MIN = -2_147_483_648n;
export const UINT_MAX = 4_294_967_295n;
export const INT64_MAX = 9_223_372_036_854_775_807n;
const UINT64_MAX = 18_446_744_073_709_551_615n;

const INTEGER = /^(0|-?[1-9][0-9]*)$/;
const MEMORY = /^([0-9]*)([a-z]*)$/;
const UNITS: Readonly<Record<string, bigint>> = {
  '': 1n,
  b: 1n,
  k: 1000n,
  kb: 1024n,
  m: 1_000_000n,
  mb: 1_048_576n,
  g: 1_000_000_000n,
  gb: 1_073_741_824n,
};

function one<T>(type: string, read: (word: string) => T | Refusal, print: (value: T) => string): Kind<T> {
  return { type, many: false, read: (words) => read(words[0] ?? ''), print };
}

/** Numbers above 2^53 lose their last digits; only the largest one is ever written by people. */
function printNumber(value: number): string {
  return value >= Number(INT64_MAX) ? INT64_MAX.toString() : String(value);
}

function outside(least: bigint | string, most: bigint | string): Refusal {
  return new Refusal(`argument must be between ${least} and ${most} inclusive`);
}

/** `yes` or `no`. */
export const yesNo: Kind<boolean> = one<boolean>(
  'yes/no',
  (word) => {
    const lower = word.toLowerCase();
    if (lower === 'yes' || lower === 'no') return lower === 'yes';
    return new Refusal("argument must be 'yes' or 'no'");
  },
  (value) => (value ? 'yes' : 'no'),
);

function readInteger(word: string, least: bigint, most: bigint): number | Refusal {
  if (!INTEGER.test(word)) return new Refusal("argument couldn't be parsed into an integer");
  const value = BigInt(word);
  if (BigInt.asIntN(64, value) !== value) return new Refusal("argument couldn't be parsed into an integer");
  return value < least || value > most ? outside(least, most) : Number(value);
}

/** An integer between two bounds, both allowed. */
export function integer(least: bigint, most: bigint): Kind<number> {
  return one<number>('integer', (word) => readInteger(word, least, most), printNumber);
}

/** An integer between two bounds, both allowed, or one beyond them. */
export function integerOr(least: bigint, most: bigint, other: bigint): Kind<number> {
  const read = (word: string): number | Refusal =>
    word === String(other) ? Number(other) : readInteger(word, least, most);
  return one<number>('integer', read, printNumber);
}

/** File mode bits in octal digits. */
export const fileMode: Kind<number> = one<number>(
  'octal',
  (word) => {
    if (!/^[0-7]+$/.test(word)) return new Refusal("argument couldn't be parsed as an octal number");
    const value = Number.parseInt(word, 8);
    return value > 0o777 ? outside('0', '777') : value;
  },
  (value) => value.toString(8),
);

function readMemory(word: string): bigint | undefined {
  const match = MEMORY.exec(word.toLowerCase());
  const unit = match === null ? undefined : UNITS[match[2] ?? ''];
  if (match === null || unit === undefined) return undefined;
  const bytes = BigInt(match[1] || '0') * unit;
  return bytes > UINT64_MAX ? UINT64_MAX : bytes;
}

/** Bytes as people write them: the largest unit that divides the value. */
function writeMemory(bytes: number): string {
  if (bytes === 0 || bytes % 1024 !== 0) return printNumber(bytes);
  if (bytes % 1_073_741_824 === 0) return `${bytes / 1_073_741_824}gb`;
  if (bytes % 1_048_576 === 0) return `${bytes / 1_048_576}mb`;
  return `${bytes / 1024}kb`;
}

/** Bytes, written with an optional unit: `100`, `64kb`, `1gb`, `5m` (powers of ten without the `b`). */
export function memory(least: bigint, most: bigint): Kind<number> {
  const read = (word: string): number | Refusal => {
    const bytes = readMemory(word);
    if (bytes === undefined) return new Refusal('argument must be a memory value');
    return bytes < least || bytes > most ? outside(least, most) : Number(bytes);
  };
  return { ...one<number>('memory', read, printNumber), lines: (value) => [writeMemory(value)] };
}

/** Bytes or a share of another limit: positive values are bytes, negative ones percent. */
export const memoryOrPercent: Kind<number> = {
  ...one<number>(
    'memory or percent',
    (word) => {
      const percent = /^([0-9]+)%$/.exec(word);
      if (percent !== null) {
        const share = Number(percent[1]);
        return share > 100 ? new Refusal('percentage argument must be less or equal to 100') : -share;
      }
      const bytes = readMemory(word);
      if (bytes === undefined) return new Refusal('argument must be a memory or percent value');
      return bytes > INT64_MAX ? outside('0', INT64_MAX) : Number(bytes);
    },
    (value) => (value < 0 ? `${-value}%` : printNumber(value)),
  ),
  lines: (value) => [value < 0 ? `${-value}%` : writeMemory(value)],
};

/** Any text; `check` may refuse it with a reason. */
export function text(check?: (word: string) => string | undefined): Kind<string> {
  const read = (word: string): string | Refusal => {
    const reason = check?.(word);
    return reason === undefined ? word : new Refusal(reason);
  };
  return { ...one<string>('text', read, (value) => value), lines: (value) => [quote(value)] };
}

/** One of a few words, without regard to case. */
export function oneOf<const C extends string>(...choices: readonly C[]): Kind<C> {
  const read = (word: string): C | Refusal =>
    choices.find((choice) => choice === word.toLowerCase()) ??
    new Refusal(`argument(s) must be one of the following: ${choices.join(', ')}`);
  return one<C>('choice', read, (value) => value);
}

/** Any of a few words together; the first choice alone means none of the others. */
export function someOf<const C extends string>(...choices: readonly C[]): Kind<readonly C[]> {
  const none = choices[0];
  return {
    type: 'choices',
    many: true,
    read(words) {
      const wanted = words.map((word) => word.toLowerCase());
      if (words.length === 0 || wanted.some((word) => !choices.some((choice) => choice === word))) {
        return new Refusal(`argument(s) must be one of the following: ${choices.join(', ')}`);
      }
      return choices.filter((choice) => choice !== none && wanted.includes(choice));
    },
    print: (value) => (value.length === 0 ? (none ?? '') : value.join(' ')),
  };
}

/** A kind of which only one value works so far; any other is refused rather than silently ignored. */
export function onlyYet<T>(kind: Kind<T>, works: T, reason: string): Kind<T> {
  return {
    ...kind,
    read(words, context) {
      const value = kind.read(words, context);
      return value instanceof Refusal || value === works ? value : new Refusal(reason);
    },
  };
}

/** A number kind that moves values outside the bounds to the nearest bound. */
export function clamped(kind: Kind<number>, least: number, most: number): Kind<number> {
  return {
    ...kind,
    read(words, context) {
      const value = kind.read(words, context);
      return value instanceof Refusal ? value : Math.min(Math.max(value, least), most);
    },
  };
}
