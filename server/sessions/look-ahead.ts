/**
 * Reads ahead in a pipeline: before the commands are executed one by one, the places of all their keys are
 * read, so that the memory is on its way for several of them at once. When all of them are about one key, the
 * places of its elements are read instead. Without effect on what the commands do.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { keySlot } from '../structures/crc16.ts';
import { hashBytes } from '../structures/hash.ts';
import { TYPE_STRING, TYPE_ZSET } from '../structures/record.ts';
import { ARENA_BYTES_MIN, KEY_BYTES_MAX, TableTouch, TOUCH_MAX } from '../structures/table-touch.ts';
import { RequestParser } from '../wire/request.ts';

const STAR = 42;

export class LookAhead {
  readonly #keyspace: Keyspace;
  readonly #parser = new RequestParser();
  readonly #touch: TableTouch;
  readonly #hashes = new Int32Array(TOUCH_MAX);
  readonly #slots = new Uint16Array(TOUCH_MAX);
  /** Start and length of the words that may name elements: the third and the fourth of each command. */
  readonly #words = new Int32Array(TOUCH_MAX * 4);
  readonly #header = new Uint32Array(1);
  /** Whether the last look found nothing worth reading ahead: one key without a table of elements. */
  idle = false;
  /** Keeps what was read from being left out as unused. */
  sum = 0;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.#touch = new TableTouch(keyspace.arena);
  }

  /** Looks at the commands in bytes[at, end), the first argument taken for a key; returns how far it came. */
  read(database: number, bytes: Uint8Array, at: number, end: number): number {
    if (this.#keyspace.arena.reservedBytes <= ARENA_BYTES_MIN) return end;
    const parser = this.#parser;
    const perSlot = this.#keyspace.perSlot;
    let count = 0;
    let oneKey = true;
    let start = 0;
    let length = 0;
    this.idle = false;
    while (count < TOUCH_MAX && at < end && bytes[at] === STAR) {
      const next = parser.parse(bytes, at, end, true);
      if (next < 0) break;
      at = next;
      if (parser.argc < 2 || parser.argLength[1] > KEY_BYTES_MAX) continue;
      const again = count > 0 && isRepeated(bytes, start, length, parser.argStart[1], parser.argLength[1]);
      start = parser.argStart[1];
      length = parser.argLength[1];
      if (again) {
        this.#slots[count] = this.#slots[count - 1];
        this.#hashes[count] = this.#hashes[count - 1];
      } else {
        if (count > 0) oneKey = false;
        this.#slots[count] = perSlot ? keySlot(bytes, start, length) : 0;
        this.#hashes[count] = hashBytes(bytes, start, length);
      }
      this.#noteWords(count++);
    }
    if (count < 2) return at;
    if (oneKey) {
      this.#readElements(database, bytes, start, length, count);
      return at;
    }
    this.sum ^= this.#keyspace.databases[database].touch(this.#touch, this.#slots, this.#hashes, count);
    return at;
  }

  #noteWords(index: number): void {
    const { argc, argStart, argLength } = this.#parser;
    const at = index * 4;
    this.#words[at + 1] = argc > 2 ? argLength[2] : 0;
    this.#words[at] = argc > 2 ? argStart[2] : 0;
    this.#words[at + 3] = argc > 3 ? argLength[3] : 0;
    this.#words[at + 2] = argc > 3 ? argStart[3] : 0;
  }

  /** All commands are about one key. */
  #readElements(database: number, bytes: Uint8Array, start: number, length: number, count: number): void {
    const { databases, records, values } = this.#keyspace;
    const ref = databases[database].findAny(bytes, start, length);
    const type = ref === 0 ? TYPE_STRING : records.type(ref);
    const table =
      type === TYPE_STRING ? 0 : (values.of(type).tableOf?.(records.encoding(ref), records.root(ref)) ?? 0);
    this.idle = table === 0;
    if (table === 0) return;
    const word = type === TYPE_ZSET ? 2 : 0;
    for (let index = 0; index < count; index++) {
      const at = index * 4 + word;
      this.#slots[index] = 0;
      this.#hashes[index] = hashBytes(bytes, this.#words[at], Math.min(this.#words[at + 1], KEY_BYTES_MAX));
    }
    this.#header[0] = table;
    this.sum ^= this.#touch.read(this.#header, this.#slots, this.#hashes, count);
  }
}

/** Whether a key is the one before it. From its end: keys that differ mostly do so there. */
function isRepeated(
  bytes: Uint8Array,
  before: number,
  lengthBefore: number,
  at: number,
  length: number,
): boolean {
  if (length !== lengthBefore) return false;
  let index = length - 1;
  while (index >= 0 && bytes[before + index] === bytes[at + index]) index--;
  return index < 0;
}
