/**
 * Reads the places of several keys before a command works on one after the other: the memory is on its way
 * for all of them at once. Without effect on what the command does.
 */
import { keySlot } from '../structures/crc16.ts';
import { hashBytes } from '../structures/hash.ts';
import { ARENA_BYTES_MIN, KEY_BYTES_MAX, TableTouch, TOUCH_MAX } from '../structures/table-touch.ts';
import type { Database } from './database.ts';
import type { Keyspace } from './keyspace.ts';

export class KeyTouch {
  readonly #keyspace: Keyspace;
  readonly #touch: TableTouch;
  readonly #hashes = new Int32Array(TOUCH_MAX);
  readonly #slots = new Uint16Array(TOUCH_MAX);
  /** Keeps what was read from being left out as unused. */
  sum = 0;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.#touch = new TableTouch(keyspace.arena);
  }

  /**
   * Words `from`, `from + step` ... below `to` are keys: reads ahead as many as make sense at once and
   * returns the first word that was not looked at.
   */
  read(
    database: Database,
    bytes: Uint8Array,
    starts: Int32Array,
    lengths: Int32Array,
    from: number,
    to: number,
    step: number,
  ): number {
    if (to - from <= step || this.#keyspace.arena.reservedBytes <= ARENA_BYTES_MIN) return to;
    const { perSlot } = this.#keyspace;
    let count = 0;
    let index = from;
    for (; count < TOUCH_MAX && index < to; index += step) {
      const start = starts[index];
      const length = lengths[index];
      if (length > KEY_BYTES_MAX) continue;
      this.#slots[count] = perSlot ? keySlot(bytes, start, length) : 0;
      this.#hashes[count++] = hashBytes(bytes, start, length);
    }
    this.sum ^= database.touch(this.#touch, this.#slots, this.#hashes, count);
    return index;
  }
}
