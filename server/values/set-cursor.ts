/** A walk over the members of a set of any encoding, without allocation. */
import { Int64 } from '../structures/int64.ts';
import type { Intsets } from '../structures/intset.ts';
import { ListpackEntry } from '../structures/listpack.ts';
import type { ListpackBlocks } from '../structures/listpack-block.ts';
import type { Records } from '../structures/record.ts';
import { ENCODING_INTSET, ENCODING_LISTPACK } from '../structures/record.ts';
import { TableWalk } from '../structures/table-walk.ts';
import { ElementText } from './element-text.ts';

/** Goes over a set that does not change meanwhile. */
export class SetCursor extends ElementText {
  readonly #records: Records;
  readonly #listpacks: ListpackBlocks;
  readonly #intsets: Intsets;
  readonly #walk: TableWalk;
  readonly #entry = new ListpackEntry();
  readonly #number = new Int64();
  #encoding = 0;
  #root = 0;
  /** Next entry of a listpack, next index of an intset. */
  #at = 0;

  constructor(records: Records, listpacks: ListpackBlocks, intsets: Intsets) {
    super();
    this.#records = records;
    this.#listpacks = listpacks;
    this.#intsets = intsets;
    this.#walk = new TableWalk(records.arena);
  }

  open(encoding: number, root: number): void {
    this.#encoding = encoding;
    this.#root = root;
    this.#at = 0;
    if (encoding === ENCODING_LISTPACK) this.#at = this.#listpacks.first(root);
    else if (encoding !== ENCODING_INTSET) this.#walk.open(root);
  }

  /** Moves to the next member; false at the end. */
  next(): boolean {
    if (this.#encoding === ENCODING_INTSET) {
      if (this.#at >= this.#intsets.count(this.#root)) return false;
      this.readIntset(this.#root, this.#at++);
      return true;
    }
    if (this.#encoding === ENCODING_LISTPACK) {
      if (this.#at === 0) return false;
      this.#at = this.readListpack(this.#root, this.#at);
      return true;
    }
    const ref = this.#walk.next();
    if (ref === 0) return false;
    this.readRecord(ref);
    return true;
  }

  readIntset(root: number, index: number): void {
    this.#intsets.get(root, index, this.#number);
    this.setInteger(this.#number.high, this.#number.low);
  }

  /** Reads the entry at `at`; returns where the next one stands, 0 when it was the last. */
  readListpack(root: number, at: number): number {
    const next = this.#listpacks.read(root, at, this.#entry);
    this.setEntry(this.#listpacks.segment(root), this.#entry);
    return next;
  }

  readRecord(ref: number): void {
    const records = this.#records;
    this.setText(records.segment(ref), records.keyStart(ref), records.keyLength(ref));
  }
}
