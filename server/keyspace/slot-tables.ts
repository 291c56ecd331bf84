/**
 * The tables of one database: one, or one a slot in cluster mode, so that counting and listing a slot never
 * walks other keys. Walks, samples and tidying; what happens to single keys stands in database.ts.
 */
import { SLOT_COUNT } from '../structures/crc16.ts';
import type { TableTidy } from '../structures/table-tidy.ts';
import type { TableTouch } from '../structures/table-touch.ts';
import type { Keyspace } from './keyspace.ts';

export class SlotTables {
  /** Keys, expired ones that nobody has met yet included. */
  size = 0;
  protected readonly keyspace: Keyspace;
  /** Headers of the tables: one, or one a slot (0: no key was ever there). */
  protected readonly headers: Uint32Array;

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace;
    this.headers = new Uint32Array(keyspace.perSlot ? SLOT_COUNT : 1);
  }

  /** Reads the places of keys that will be looked up soon, by slot (0 outside cluster mode) and hash. */
  touch(touch: TableTouch, slots: Uint16Array, hashes: Int32Array, count: number): number {
    return touch.read(this.headers, slots, hashes, count);
  }

  /** Tables of this database. */
  get tables(): number {
    let tables = 0;
    for (const header of this.headers) if (header !== 0) tables++;
    return tables;
  }

  /** Slots that may have a table: 1 outside cluster mode. */
  get slots(): number {
    return this.headers.length;
  }

  hasTable(slot: number): boolean {
    return this.headers[slot] !== 0;
  }

  /** One step of tidying the table of a slot, which there is: see TableTidy. */
  tidySlot(slot: number, tidy: TableTidy, entry: number, move: (ref: number) => number): number {
    this.keyspace.table.found = 0;
    if (entry === 0) this.headers[slot] = tidy.moveHeader(this.headers[slot]);
    return tidy.step(this.headers[slot], entry, move);
  }

  countInSlot(slot: number): number {
    const header = this.headers[slot];
    return header === 0 ? 0 : this.keyspace.table.count(header);
  }

  /** One step of a walk over all keys, with the guarantee of SCAN; a cursor is an integer below 2^51. */
  scan(cursor: number, visit: (ref: number) => void): number {
    const slots = this.headers.length;
    let slot = cursor % slots;
    let position = Math.floor(cursor / slots);
    while (slot < slots && this.headers[slot] === 0) {
      slot++;
      position = 0;
    }
    if (slot >= slots) return 0;
    position = this.keyspace.table.scan(this.headers[slot], position, visit);
    if (position !== 0) return position * slots + slot;
    return slot + 1 >= slots ? 0 : slot + 1;
  }

  /** Up to `max` keys of a slot, copied. */
  keysInSlot(slot: number, max: number): Buffer[] {
    const keys: Buffer[] = [];
    const header = this.headers[slot];
    if (header === 0) return keys;
    const { table, records } = this.keyspace;
    let cursor = 0;
    do {
      cursor = table.scan(header, cursor, (ref) => {
        if (keys.length < max) keys.push(records.copyKey(ref));
      });
    } while (cursor !== 0 && keys.length < max);
    return keys;
  }

  /** A random record, 0 when the database is empty. */
  sample(): number {
    if (this.size === 0) return 0;
    const random = this.keyspace.random;
    let slot = 0;
    if (this.headers.length > 1) {
      slot = Math.floor(random() * SLOT_COUNT);
      while (this.countInSlot(slot) === 0) slot = (slot + 1) % SLOT_COUNT;
    }
    return this.keyspace.table.sample(this.headers[slot], random);
  }

  /**
   * Fills `into` with up to `max` records from a random place on, only with ones that expire when `expiring`;
   * how many there are.
   */
  sampleSome(into: Uint32Array, max: number, expiring: boolean): number {
    const { random, tableSample } = this.keyspace;
    const slots = this.headers.length;
    let slot = slots === 1 ? 0 : Math.floor(random() * slots);
    for (let left = slots; left > 0; left--) {
      const header = this.headers[slot];
      const found = header === 0 ? 0 : tableSample.take(header, random, into, max, expiring);
      if (found !== 0) return found;
      if (++slot === slots) slot = 0;
    }
    return 0;
  }
}
