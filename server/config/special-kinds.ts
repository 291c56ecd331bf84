/** Parameters with a grammar of their own: save points, buffer limits, addresses, event classes. */

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Kind, type ReadContext, Refusal } from './kinds.ts';

/** Snapshot when at least `changes` keys changed within `seconds`. */
export interface SavePoint {
  readonly seconds: number;
  readonly changes: number;
}

/** Bounds of one class of clients' output buffers; 0 bytes: no bound. */
export interface OutputLimit {
  readonly hardBytes: number;
  readonly softBytes: number;
  readonly softSeconds: number;
}

export interface OutputLimits {
  readonly normal: OutputLimit;
  readonly replica: OutputLimit;
  readonly pubsub: OutputLimit;
}

/** The primary that `replicaof` names. */
export interface PrimaryAddress {
  readonly host: string;
  readonly port: number;
}

const BIND_ADDRESSES_MAX = 16;
const UNIT = /^([0-9]+)(b|kb?|mb?|gb?)?$/i;
const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 2 ** 10,
  m: 1e6,
  mb: 2 ** 20,
  g: 1e9,
  gb: 2 ** 30,
};

function bytesOf(word: string): number {
  const match = UNIT.exec(word);
  if (match === null) return Number.NaN;
  return Number(match[1]) * (UNIT_BYTES[(match[2] ?? '').toLowerCase()] ?? Number.NaN);
}

/** `save <seconds> <changes> …`; lines add up, the first one replaces the default, `save ""` clears. */
export const savePoints: Kind<readonly SavePoint[]> = {
  type: 'save points',
  many: true,
  read(words, context) {
    if (words.length === 0 || (words.length === 1 && words[0] === '')) return [];
    if (words.length % 2 !== 0) return new Refusal('Invalid save parameters');
    const points: SavePoint[] = context.starting && !context.first ? [...context.previous] : [];
    for (let index = 0; index < words.length; index += 2) {
      const seconds = Number(words[index]);
      const changes = Number(words[index + 1]);
      const valid = Number.isSafeInteger(seconds) && Number.isSafeInteger(changes);
      if (!valid || seconds < 1 || changes < 0) return new Refusal('Invalid save parameters');
      points.push({ seconds, changes });
    }
    return points;
  },
  print: (points) => points.map((point) => `${point.seconds} ${point.changes}`).join(' '),
  lines: (points) =>
    points.length === 0 ? ['""'] : points.map((point) => `${point.seconds} ${point.changes}`),
};

/** One `<class> <hard> <soft> <seconds>` group, or the reason it is refused. */
function readLimit(words: readonly string[]): [keyof OutputLimits, OutputLimit] | Refusal {
  const name = words[0]?.toLowerCase();
  const group = name === 'slave' ? 'replica' : name;
  if (group !== 'normal' && group !== 'replica' && group !== 'pubsub') {
    return new Refusal('Invalid client class specified in buffer limit configuration.');
  }
  const hardBytes = bytesOf(words[1] ?? '');
  const softBytes = bytesOf(words[2] ?? '');
  const softSeconds = Number(words[3]);
  const valid = Number.isFinite(hardBytes) && Number.isFinite(softBytes) && Number.isSafeInteger(softSeconds);
  if (!valid || softSeconds < 0) {
    return new Refusal('Error in hard, soft or soft_seconds setting in buffer limit configuration.');
  }
  return [group, { hardBytes, softBytes, softSeconds }];
}

/** `client-output-buffer-limit <class> <hard> <soft> <seconds> …`; classes not named keep their bounds. */
export const outputLimits: Kind<OutputLimits> = {
  type: 'buffer limits',
  many: true,
  read(words, context) {
    if (words.length === 0 || words.length % 4 !== 0) {
      return new Refusal('Wrong number of arguments in buffer limit configuration.');
    }
    const limits: { -readonly [K in keyof OutputLimits]: OutputLimit } = { ...context.previous };
    for (let index = 0; index < words.length; index += 4) {
      const limit = readLimit(words.slice(index, index + 4));
      if (limit instanceof Refusal) return limit;
      limits[limit[0]] = limit[1];
    }
    return limits;
  },
  print: (limits) => limitLines(limits, 'slave').join(' '),
  lines: (limits) => limitLines(limits, 'replica'),
};

function limitLines(limits: OutputLimits, replicaName: string): string[] {
  const show = (name: string, limit: OutputLimit): string =>
    `${name} ${limit.hardBytes} ${limit.softBytes} ${limit.softSeconds}`;
  return [show('normal', limits.normal), show(replicaName, limits.replica), show('pubsub', limits.pubsub)];
}

/** Addresses to listen on; a leading `-` makes an address optional, `*` is every IPv4 address. */
export const addresses: Kind<readonly string[]> = {
  type: 'addresses',
  many: true,
  read(words) {
    if (words.length > BIND_ADDRESSES_MAX) return new Refusal('Too many bind addresses specified.');
    return words.length === 1 && words[0] === '' ? [] : words;
  },
  print: (value) => value.join(' '),
  lines: (value) => [value.length === 0 ? '""' : value.join(' ')],
};

/** `replicaof <host> <port>` or `replicaof no one`; undefined: a primary. */
export const primaryAddress: Kind<PrimaryAddress | undefined> = {
  type: 'address',
  many: true,
  read(words) {
    if (words.length === 1 && words[0] === '') return undefined;
    if (words.length !== 2) return new Refusal('wrong number of arguments');
    const [host = '', portText = ''] = words;
    if (host.toLowerCase() === 'no' && portText.toLowerCase() === 'one') return undefined;
    const port = Number(portText);
    const valid = /^[0-9]+$/.test(portText) && port <= 65_535;
    return valid ? { host, port } : new Refusal('Invalid primary port');
  },
  print: (value) => (value === undefined ? '' : `${value.host} ${value.port}`),
  lines: (value) => (value === undefined ? [] : [`${value.host} ${value.port}`]),
};

/** The bits of keyspace notification classes, with the letters that name them. */
export const notifyBits = {
  K: 1,
  E: 2,
  g: 4,
  $: 8,
  l: 16,
  s: 32,
  h: 64,
  z: 128,
  x: 256,
  e: 512,
  t: 1024,
  m: 2048,
  d: 8192,
  n: 16_384,
} as const;

const NOTIFY_ALL = 4 | 8 | 16 | 32 | 64 | 128 | 256 | 512 | 1024 | 8192;
const NOTIFY_ALL_LETTERS = 'g$lshzxetd';

/** Letters of event classes as bits; `A` stands for every class but `m` and `n`. */
export const notifyClasses: Kind<number> = {
  type: 'event classes',
  many: false,
  read(words) {
    let bits = 0;
    for (const letter of words[0] ?? '') {
      if (letter === 'A') bits |= NOTIFY_ALL;
      else if (letter in notifyBits) bits |= notifyBits[letter as keyof typeof notifyBits];
      else return new Refusal("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    }
    return bits;
  },
  print(bits) {
    let letters = (bits & NOTIFY_ALL) === NOTIFY_ALL ? 'A' : '';
    if (letters === '') for (const letter of NOTIFY_ALL_LETTERS) letters += hasBit(bits, letter);
    for (const letter of 'KEmn') letters += hasBit(bits, letter);
    return letters;
  },
};

function hasBit(bits: number, letter: string): string {
  return (bits & notifyBits[letter as keyof typeof notifyBits]) === 0 ? '' : letter;
}

/** Numbers of a fixed count, or of any when `count` is 0; `noNumber`: what is said of other words. */
export function numbers(
  count: number,
  least: number,
  most: number,
  reason: string,
  noNumber = reason,
): Kind<readonly number[]> {
  return {
    type: 'numbers',
    many: true,
    read(words) {
      if (count === 0 && words.length === 1 && words[0] === '') return [];
      if (count !== 0 && words.length !== count) return new Refusal('wrong number of arguments');
      const values = words.map(Number);
      if (values.some(Number.isNaN)) return new Refusal(noNumber);
      const valid = values.every((value) => Number.isFinite(value) && value >= least && value <= most);
      return valid ? values : new Refusal(reason);
    },
    print: (values) => values.join(' '),
  };
}

/** A folder that exists; kept as an absolute path. */
export const folder: Kind<string> = {
  type: 'folder',
  many: false,
  read(words, context: ReadContext<string | undefined>) {
    const path = resolve(context.previous ?? '.', words[0] ?? '');
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return new Refusal('No such file or directory');
    return found.isDirectory() ? path : new Refusal('Not a directory');
  },
  print: (value) => value,
};
