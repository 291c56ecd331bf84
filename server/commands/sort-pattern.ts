/** The patterns of SORT's BY and GET: a key, or a field of a hash, made from each element. */
import { keySlot } from '../structures/crc16.ts';
import { TYPE_HASH, TYPE_STRING } from '../structures/record.ts';
import type { Call } from './call.ts';
import { copyString } from './string-access.ts';

const STAR = 42;
const HASH = 35;
const OPEN = 123;
const CLOSE = 125;
const ARROW = Buffer.from('->');
const GLOB_BYTES = Buffer.from('*?[\\');

export class SortPattern {
  /** `#`: the element itself. */
  readonly isElement: boolean;
  /** A pattern without `*` names no key at all. */
  readonly isConstant: boolean;
  readonly #before: Buffer;
  readonly #behind: Buffer;
  readonly #field: Buffer | null;

  constructor(pattern: Buffer) {
    const star = pattern.indexOf(STAR);
    this.isElement = pattern.length === 1 && pattern[0] === HASH;
    this.isConstant = star < 0;
    const arrow = pattern.indexOf(ARROW, star + 1);
    const hasField = arrow >= 0 && arrow + ARROW.length < pattern.length;
    this.#before = pattern.subarray(0, Math.max(0, star));
    this.#behind = pattern.subarray(star + 1, hasField ? arrow : pattern.length);
    this.#field = hasField ? pattern.subarray(arrow + ARROW.length) : null;
  }

  /** What the pattern leads to for an element; null when there is nothing, or not a string or hash. */
  lookUp(call: Call, element: Buffer): Buffer | null {
    if (this.isElement) return element;
    if (this.isConstant) return null;
    const key = Buffer.concat([this.#before, element, this.#behind]);
    const ref = call.database.read(key, 0, key.length);
    if (ref === 0) return null;
    const { records } = call.context.keyspace;
    const type = records.type(ref);
    if (this.#field === null) return type === TYPE_STRING ? copyString(call, ref) : null;
    return type === TYPE_HASH ? hashValue(call, ref, this.#field) : null;
  }
}

function hashValue(call: Call, ref: number, field: Buffer): Buffer | null {
  const { values, records } = call.context.keyspace;
  const entry = values.hashes.newEntry();
  if (!values.hashes.get(ref, field, 0, field.length, entry)) return null;
  if (!entry.chunked) return entry.value.copy();
  const value = Buffer.allocUnsafe(records.valueLength(entry.record));
  records.copyValue(entry.record, 0, value.length, value, 0);
  return value;
}

/** The slot that all keys of a pattern are in, -1 when they may be in several. */
export function patternSlot(pattern: Buffer): number {
  let open = -1;
  for (let at = 0; at < pattern.length; at++) {
    const byte = pattern[at];
    if (GLOB_BYTES.includes(byte)) return -1;
    if (byte === OPEN && open < 0) open = at;
    else if (byte === CLOSE && open >= 0 && at > open + 1) break;
  }
  return keySlot(pattern, 0, pattern.length);
}
