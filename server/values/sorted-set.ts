/** Sorted sets: members with scores, a listpack while small, then a table of members beside a rank tree. */
import { RankTree } from '../structures/rank-tree.ts';
import { ENCODING_LISTPACK, type Records, TYPE_ZSET } from '../structures/record.ts';
import type { Table } from '../structures/table.ts';
import { TableWalk } from '../structures/table-walk.ts';
import { SortedSetBody } from './sorted-set-body.ts';
import type { ValueStore } from './value-store.ts';
import type { DetachedValue, ValueType } from './value-type.ts';

const NOTHING = (): void => {};

export class SortedSets implements ValueType {
  readonly type = TYPE_ZSET;
  readonly name = 'zset';
  readonly #store: ValueStore;
  readonly #records: Records;
  readonly #elements: Table;
  readonly #trees: RankTree;
  readonly #walk: TableWalk;
  readonly #opened: SortedSetBody;
  readonly #releaseElement = (ref: number): void => this.#records.release(ref);

  constructor(store: ValueStore) {
    this.#store = store;
    this.#records = store.records;
    this.#elements = store.elements;
    this.#trees = new RankTree(store.arena, store.records);
    this.#walk = new TableWalk(store.arena);
    this.#opened = new SortedSetBody(store, this.#trees);
  }

  /** The sorted set of a key's record; one at a time, valid until the next call. */
  open(ref: number): SortedSetBody {
    return this.#opened.open(ref, this.#records.encoding(ref), this.#records.root(ref));
  }

  /** The sorted set of a key's record in an object of its own, for who needs several at once. */
  openApart(ref: number): SortedSetBody {
    const body = new SortedSetBody(this.#store, this.#trees);
    return body.open(ref, this.#records.encoding(ref), this.#records.root(ref));
  }

  /** Root of a new empty sorted set, a listpack. */
  newRoot(): number {
    return this.#opened.openEmpty().root;
  }

  /** A new empty sorted set of no key yet. */
  detached(): SortedSetBody {
    return new SortedSetBody(this.#store, this.#trees).openEmpty();
  }

  encodingName(ref: number): string {
    return this.#records.encoding(ref) === ENCODING_LISTPACK ? 'listpack' : 'skiplist';
  }

  count(ref: number): number {
    const root = this.#records.root(ref);
    const small = this.#records.encoding(ref) === ENCODING_LISTPACK;
    return small ? this.#opened.packed.count(root) : this.#trees.count(root);
  }

  tableOf(encoding: number, root: number): number {
    return encoding === ENCODING_LISTPACK ? 0 : this.#trees.owner(root);
  }

  release(encoding: number, root: number): void {
    if (encoding === ENCODING_LISTPACK) this.#store.arena.free(root);
    else this.releaseSome(encoding, root, Number.POSITIVE_INFINITY);
  }

  /** Empties the tree in order, then frees the table, which only knows refs of what has gone by then. */
  releaseSome(encoding: number, root: number, budget: number): number {
    if (encoding === ENCODING_LISTPACK) {
      this.#store.arena.free(root);
      return 0;
    }
    const count = Math.min(this.#trees.count(root), budget);
    this.#trees.removeRange(root, 0, count, this.#releaseElement);
    if (this.#trees.count(root) > 0) return root;
    const table = this.#trees.owner(root);
    if (!this.#walk.releaseSome(this.#elements, table, budget - count, NOTHING)) return root;
    this.#trees.destroy(root);
    return 0;
  }

  effort(encoding: number, root: number): number {
    return encoding === ENCODING_LISTPACK ? 1 : this.#trees.count(root);
  }

  copy(ref: number): DetachedValue {
    const target = this.detached();
    target.copyFrom(this.openApart(ref));
    return { encoding: target.encoding, root: target.root };
  }

  heldBytes(ref: number, samples: number): number {
    const root = this.#records.root(ref);
    if (this.#records.encoding(ref) === ENCODING_LISTPACK) return this.#store.arena.blockBytes(root);
    const body = this.openApart(ref);
    const count = body.count;
    const looked = samples === 0 ? count : Math.min(samples, count);
    let bytes = 0;
    let more = body.seek(0);
    for (let left = looked; more && left > 0; left--) {
      bytes += this.#records.heldBytes(body.elementRef);
      more = body.next();
    }
    const elements = looked === 0 ? 0 : (bytes / looked) * count;
    return (
      Math.round(elements) +
      this.#trees.heldBytes(root) +
      TableWalk.heldBytes(this.#store.arena, this.#trees.owner(root))
    );
  }
}
