/**
 * Reads ahead in a pipeline: before the commands are executed one by one, the places of all their keys are
 * read, so that the memory is on its way for several of them at once. Without effect on what the commands do.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { keySlot } from '../structures/crc16.ts';
import { hashBytes } from '../structures/hash.ts';
import { TableTouch, TOUCH_MAX } from '../structures/table-touch.ts';
import { RequestParser } from '../wire/request.ts';

const STAR = 42;
/** Data that the processor's cache holds is there anyway; measured even at about 7 MB. */
const ARENA_BYTES_MIN = 8 * 1024 * 1024;
/** Longer keys are not worth a second hash. */
const KEY_BYTES_MAX = 64;

export class LookAhead {
  readonly #keyspace: Keyspace;
  readonly #parser = new RequestParser();
  readonly #touch: TableTouch;
  readonly #hashes = new Int32Array(TOUCH_MAX);
  readonly #slots = new Uint16Array(TOUCH_MAX);
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
    while (count < TOUCH_MAX && at < end && bytes[at] === STAR) {
      const next = parser.parse(bytes, at, end, true);
      if (next < 0) break;
      at = next;
      if (parser.argc < 2 || parser.argLength[1] > KEY_BYTES_MAX) continue;
      const start = parser.argStart[1];
      const length = parser.argLength[1];
      this.#slots[count] = perSlot ? keySlot(bytes, start, length) : 0;
      this.#hashes[count++] = hashBytes(bytes, start, length);
    }
    if (count < 2) return at;
    this.sum ^= this.#keyspace.databases[database].touch(this.#touch, this.#slots, this.#hashes, count);
    return at;
  }
}
