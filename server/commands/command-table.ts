/**
 * The rows of all families made ready for execution: found by their name's bytes, with what is derived from a
 * row.
 */
import type { LatencyHistogram } from '../structures/latency-histogram.ts';
import type { Call } from './call.ts';
import { FAST, type Handler, MOVABLE_KEYS, type Row, SKIP_MONITOR } from './row.ts';

/** One command or subcommand at run time. One shape. */
export class CommandEntry {
  readonly row: Row;
  /** Counts commands and subcommands of one table from 0. */
  id = 0;
  readonly isSubcommand: boolean;
  /** Lower case; a subcommand is `container|name`. */
  readonly name: string;
  readonly arity: number;
  readonly flags: number;
  readonly firstKey: number;
  readonly lastKey: number;
  readonly keyStep: number;
  readonly hasKeys: boolean;
  readonly run: Handler;
  readonly flagsOf: ((call: Call, flags: number) => number) | null;
  readonly subcommands: Map<string, CommandEntry> | null;
  /** Leaves a trace at its keys unless CLIENT NO-TOUCH forbids; scripts leave theirs by what they call. */
  readonly touches: boolean;
  /** Takes longer with more data: worth a look at the clock at each call. */
  readonly varies: boolean;
  /** Durations, once there were some. */
  histogram: LatencyHistogram | null = null;
  calls = 0;
  microseconds = 0;
  rejected = 0;
  failed = 0;

  constructor(row: Row, container: string) {
    const [name, arity, flags, keys, , run, , extra] = row;
    this.row = row;
    this.isSubcommand = container !== '';
    this.name = (container === '' ? name : `${container}|${name}`).toLowerCase();
    this.arity = arity;
    this.flags = flags;
    [this.firstKey, this.lastKey, this.keyStep] = keys;
    this.hasKeys = keys[0] !== 0 || (flags & MOVABLE_KEYS) !== 0 || extra?.keys !== undefined;
    this.run = run;
    this.touches = this.hasKeys && (flags & SKIP_MONITOR) === 0 && this.name !== 'touch';
    this.varies = (flags & FAST) === 0 && this.name !== 'set';
    this.flagsOf = extra?.flagsOf ?? null;
    this.subcommands = null;
    if (extra?.subcommands !== undefined) {
      this.subcommands = new Map();
      for (const row of extra.subcommands) {
        const entry = new CommandEntry(row, name);
        this.subcommands.set(row[0].toLowerCase(), entry);
      }
    }
  }

  /**
   * Positions of the keys of a call into `call.keyPositions`; returns their number, -1 for a syntax error.
   */
  findKeys(call: Call): number {
    const special = this.row[7]?.keys;
    if (special !== undefined) return special(call);
    if (this.firstKey === 0) return 0;
    const last = this.lastKey < 0 ? call.argc + this.lastKey : this.lastKey;
    const count = Math.floor((last - this.firstKey) / this.keyStep) + 1;
    call.reserveKeys(count);
    for (let key = 0; key < count; key++) call.keyPositions[key] = this.firstKey + key * this.keyStep;
    return count;
  }
}

const BUCKETS = 2048;
const NAME_BYTES_MAX = 40;

export class CommandTable {
  readonly #buckets: (CommandEntry | null)[] = new Array<CommandEntry | null>(BUCKETS).fill(null);
  readonly #names: Uint8Array[] = new Array<Uint8Array>(BUCKETS).fill(new Uint8Array(0));
  readonly entries: CommandEntry[] = [];
  /** Commands and subcommands. */
  count = 0;

  /** Throws when two rows have one name: a bug. */
  constructor(rows: readonly Row[]) {
    for (const row of rows) {
      const entry = new CommandEntry(row, '');
      if (!this.#insert(entry.name, entry)) throw new Error(`two rows for ${entry.name}`);
      entry.id = this.count++;
      for (const below of entry.subcommands?.values() ?? []) below.id = this.count++;
      this.entries.push(entry);
    }
  }

  /**
   * Lets a command be called by another name only, by none when `to` is empty. It keeps its own name in
   * errors, rules and statistics. Returns why that cannot be.
   */
  rename(from: string, to: string): string | undefined {
    const bytes = Buffer.from(from, 'latin1');
    const entry = this.find(bytes, 0, bytes.length);
    if (entry === null) return 'No such command in rename-command';
    const rest = this.#buckets.flatMap((other, at): [string, CommandEntry][] =>
      other === null || other === entry ? [] : [[Buffer.from(this.#names[at]).toString('latin1'), other]],
    );
    this.#buckets.fill(null);
    for (const [name, other] of rest) this.#insert(name, other);
    if (to === '' || this.#insert(to.toLowerCase(), entry)) return undefined;
    return 'Target command name already exists';
  }

  /** False when the name is taken. */
  #insert(text: string, entry: CommandEntry): boolean {
    const name = Buffer.from(text, 'latin1');
    let at = nameHash(name, 0, name.length) & (BUCKETS - 1);
    for (; this.#buckets[at] !== null; at = (at + 1) & (BUCKETS - 1)) {
      if (sameName(this.#names[at], name, 0, name.length)) return false;
    }
    this.#buckets[at] = entry;
    this.#names[at] = name;
    return true;
  }

  /** By the name's bytes in any case; null when there is none. */
  find(bytes: Uint8Array, start: number, length: number): CommandEntry | null {
    if (length > NAME_BYTES_MAX) return null;
    let at = nameHash(bytes, start, length) & (BUCKETS - 1);
    for (;;) {
      const entry = this.#buckets[at];
      if (entry === null) return null;
      if (sameName(this.#names[at], bytes, start, length)) return entry;
      at = (at + 1) & (BUCKETS - 1);
    }
  }

  byName(name: string): CommandEntry | null {
    const [container, subcommand, more] = name.toLowerCase().split('|');
    if (more !== undefined) return null;
    const bytes = Buffer.from(container ?? '');
    const entry = this.find(bytes, 0, bytes.length);
    if (subcommand === undefined || entry === null) return entry;
    return entry.subcommands?.get(subcommand) ?? null;
  }
}

/** Four letters and the length: enough for names that are known, at the same cost for each of them. */
function nameHash(bytes: Uint8Array, start: number, length: number): number {
  const first = Math.imul(bytes[start] | 32, 48619);
  const quarter = Math.imul(bytes[start + (length >> 2)] | 32, 14579);
  const middle = Math.imul(bytes[start + (length >> 1)] | 32, 60019);
  const last = Math.imul(bytes[start + length - 1] | 32, 21385);
  const hash = (first + quarter + middle + last + length * 257) | 0;
  return hash ^ (hash >>> 11);
}

function sameName(name: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let at = 0; at < length; at++) {
    const byte = bytes[start + at];
    if ((byte >= 65 && byte <= 90 ? byte | 32 : byte) !== name[at]) return false;
  }
  return true;
}
