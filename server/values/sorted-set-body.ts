/**
 * The content of one sorted set, whichever its encoding: a listpack, or a table of scored records for the
 * lookup by member beside a rank tree for the order. `SortedSets` opens the one of a key; a detached one
 * belongs to no key yet. Ranks begin at 0 with the lowest score.
 */
import { hashBytes } from '../structures/hash.ts';
import { type RankTree, RankTreeCursor } from '../structures/rank-tree.ts';
import { ENCODING_LISTPACK, ENCODING_SKIPLIST, type Records } from '../structures/record.ts';
import type { Table } from '../structures/table.ts';
import { ScoredListpack } from './scored-listpack.ts';
import type { ValueStore } from './value-store.ts';

/** A listpack never grows beyond this, whatever the limits say: every change of it copies it. */
const LISTPACK_BYTES_MAX = 1024 * 1024;

const NO_BYTES = Buffer.alloc(0);

export class SortedSetBody {
  encoding = ENCODING_LISTPACK;
  root = 0;
  /** The key's record that learns of a new root; 0: detached. */
  keyRef = 0;
  /** The current element, by `seek`, `next` and `previous`: member in bytes[start, start + length). */
  bytes: Uint8Array = NO_BYTES;
  start = 0;
  length = 0;
  /** Record of the current element; only of a large set. */
  elementRef = 0;
  /** Of the current element, and of what `find` found. */
  score = 0;
  /** False: walks leave `score` alone, which saves reading it. */
  readsScores = true;
  readonly #store: ValueStore;
  readonly #records: Records;
  readonly #elements: Table;
  readonly #trees: RankTree;
  /** Access to the listpack. */
  readonly packed: ScoredListpack;
  readonly #cursor = new RankTreeCursor();
  /** What `find` found: place in the listpack, or record; and the hash it looked for. */
  #found = 0;
  #hash = 0;
  /** Place of the current element in the listpack. */
  #at = 0;
  readonly #dropElement = (ref: number): void => {
    const records = this.#records;
    const bytes = records.segment(ref);
    const start = records.keyStart(ref);
    const length = records.keyLength(ref);
    const table = this.#trees.owner(this.root);
    if (this.#elements.find(table, hashBytes(bytes, start, length), bytes, start, length) !== ref)
      throw new Error('an element of the order is not in the table');
    this.#store.beforeElement(table, ref);
    this.#elements.removeFound(table);
    records.release(ref);
  };

  constructor(store: ValueStore, trees: RankTree) {
    this.#store = store;
    this.#records = store.records;
    this.#elements = store.elements;
    this.#trees = trees;
    this.packed = new ScoredListpack(store.arena);
  }

  /** Makes this the content behind `root`; `keyRef` 0: it stays detached. */
  open(keyRef: number, encoding: number, root: number): this {
    this.keyRef = keyRef;
    this.readsScores = true;
    this.encoding = encoding;
    this.root = root;
    return this;
  }

  /** Makes this a new empty sorted set of no key. */
  openEmpty(): this {
    return this.open(0, ENCODING_LISTPACK, this.packed.blocks.create());
  }

  get count(): number {
    return this.encoding === ENCODING_LISTPACK ? this.packed.count(this.root) : this.#trees.count(this.root);
  }

  /** Gives up a listpack that cannot hold so many new elements, or one of so many bytes. */
  prepareGrowth(elements: number, bytesMax: number): void {
    const { limits } = this.#store;
    if (elements > limits.zsetMaxListpackEntries || bytesMax > limits.zsetMaxListpackValue) this.convert();
  }

  /** Makes room for so many members in an empty table. */
  prepare(members: number): void {
    this.#elements.prepare(this.#trees.owner(this.root), members);
  }

  /** Looks for a member; when it is there `score` is its score. */
  find(member: Uint8Array, start: number, length: number): boolean {
    if (this.encoding === ENCODING_LISTPACK) {
      this.#found = this.packed.find(this.root, member, start, length);
      if (this.#found === 0) return false;
      this.score = this.packed.scoreAt(this.root, this.#found);
      return true;
    }
    this.#hash = hashBytes(member, start, length);
    this.#found = this.#elements.find(this.#trees.owner(this.root), this.#hash, member, start, length);
    if (this.#found === 0) return false;
    this.score = this.#records.score(this.#found);
    return true;
  }

  /** Adds the member that `find` just did not find. The bytes must not lie in this sorted set. */
  add(member: Uint8Array, start: number, length: number, score: number): void {
    if (this.encoding === ENCODING_LISTPACK) {
      if (this.#fitsListpack(length)) {
        this.#setRoot(ENCODING_LISTPACK, this.packed.insert(this.root, member, start, length, score));
        return;
      }
      this.convert();
      this.#hash = hashBytes(member, start, length);
    }
    this.#addToTree(this.#hash, member, start, length, score);
  }

  /** Adds a member that is known not to be there. */
  addNew(member: Uint8Array, start: number, length: number, score: number): void {
    if (this.encoding !== ENCODING_LISTPACK) this.#hash = hashBytes(member, start, length);
    this.add(member, start, length, score);
  }

  /**
   * Adds a member to the table of a large set, not yet to its order: `order` must follow before anything else
   * happens to the set. The record, 0 when the member is there already.
   */
  addUnordered(member: Uint8Array, start: number, length: number, score: number): number {
    const table = this.#trees.owner(this.root);
    const hash = hashBytes(member, start, length);
    if (this.#elements.find(table, hash, member, start, length) !== 0) return 0;
    const ref = this.#records.newScored(this.#store.epoch, member, start, length, score);
    this.#elements.insert(table, hash, ref);
    return ref;
  }

  /** Takes records of `addUnordered` into the order, the last one first: best when they were descending. */
  order(refs: Uint32Array, count: number): void {
    this.#trees.insertBackward(this.root, refs, count);
  }

  #fitsListpack(length: number): boolean {
    const { limits } = this.#store;
    return (
      length <= limits.zsetMaxListpackValue &&
      this.packed.count(this.root) < limits.zsetMaxListpackEntries &&
      this.packed.blocks.bytes(this.root) + length < LISTPACK_BYTES_MAX
    );
  }

  #addToTree(hash: number, member: Uint8Array, start: number, length: number, score: number): void {
    const ref = this.#records.newScored(this.#store.epoch, member, start, length, score);
    this.#elements.insert(this.#trees.owner(this.root), hash, ref);
    this.#trees.insert(this.root, ref);
  }

  /** Gives the member that `find` just found another score. */
  setFoundScore(member: Uint8Array, start: number, length: number, score: number): void {
    if (this.encoding === ENCODING_LISTPACK) {
      const rest = this.packed.delete(this.root, this.#found, 1);
      this.#setRoot(ENCODING_LISTPACK, this.packed.insert(rest, member, start, length, score));
    } else {
      this.#store.beforeElement(this.#trees.owner(this.root), this.#found);
      this.#trees.setScore(this.root, this.#found, score);
    }
  }

  /** Removes the member that `find` just found. */
  removeFound(): void {
    if (this.encoding === ENCODING_LISTPACK) {
      this.#setRoot(ENCODING_LISTPACK, this.packed.delete(this.root, this.#found, 1));
      return;
    }
    const table = this.#trees.owner(this.root);
    this.#store.beforeElement(table, this.#found);
    this.#trees.remove(this.root, this.#found);
    this.#elements.removeFound(table);
    this.#records.release(this.#found);
  }

  /** Members before the one that `find` just found. */
  rankOfFound(): number {
    return this.encoding === ENCODING_LISTPACK
      ? this.packed.rankAt(this.root, this.#found)
      : this.#trees.rankOf(this.root, this.#found);
  }

  /** Members with a score below `score`, or of at most that when `inclusive`. */
  countBelowScore(score: number, inclusive: boolean): number {
    return this.encoding === ENCODING_LISTPACK
      ? this.packed.countBelowScore(this.root, score, inclusive)
      : this.#trees.countBelowScore(this.root, score, inclusive);
  }

  /** Members below the given one, or up to it when `inclusive`; all scores are taken for equal. */
  countBelowMember(member: Uint8Array, start: number, length: number, inclusive: boolean): number {
    return this.encoding === ENCODING_LISTPACK
      ? this.packed.countBelowMember(this.root, member, start, length, inclusive)
      : this.#trees.countBelowMember(this.root, member, start, length, inclusive);
  }

  /** Makes the element of this rank the current one; false when there is none. */
  seek(rank: number): boolean {
    if (rank < 0 || rank >= this.count) return false;
    if (this.encoding === ENCODING_LISTPACK) this.#showPlace(this.packed.seek(this.root, rank));
    else this.#showRecord(this.#trees.at(this.root, rank, this.#cursor));
    return true;
  }

  /** Goes on to the element after the current one; nothing may have changed. */
  next(): boolean {
    return this.encoding === ENCODING_LISTPACK
      ? this.#showPlace(this.packed.next(this.root, this.#at))
      : this.#showRecord(this.#trees.next(this.#cursor));
  }

  /** Goes back to the element before the current one; otherwise like `next`. */
  previous(): boolean {
    return this.encoding === ENCODING_LISTPACK
      ? this.#showPlace(this.packed.previous(this.root, this.#at))
      : this.#showRecord(this.#trees.previous(this.#cursor));
  }

  /**
   * Records of up to `max` elements of a large set into `target`, from the one that `seek` or this found on;
   * their number. The walk by `next` and `previous` ends with it.
   */
  collect(reverse: boolean, max: number, target: Uint32Array): number {
    return this.#trees.collect(this.#cursor, reverse, max, target);
  }

  #showPlace(at: number): boolean {
    this.#at = at;
    if (at === 0) return false;
    const packed = this.packed;
    if (this.readsScores) this.score = packed.scoreAt(this.root, at);
    packed.readMember(this.root, at);
    this.bytes = packed.bytes;
    this.start = packed.start;
    this.length = packed.length;
    return true;
  }

  #showRecord(ref: number): boolean {
    if (ref === 0) return false;
    const records = this.#records;
    this.elementRef = ref;
    this.bytes = records.segment(ref);
    this.start = records.keyStart(ref);
    this.length = records.keyLength(ref);
    if (this.readsScores) this.score = records.score(ref);
    return true;
  }

  /** Removes `count` elements from `rank` on. */
  removeRange(rank: number, count: number): void {
    if (count <= 0) return;
    if (this.encoding === ENCODING_LISTPACK) {
      const at = this.packed.seek(this.root, rank);
      this.#setRoot(ENCODING_LISTPACK, this.packed.delete(this.root, at, count));
    } else this.#trees.removeRange(this.root, rank, count, this.#dropElement);
  }

  /** Gives up the listpack for a table and a tree. */
  convert(): void {
    if (this.encoding !== ENCODING_LISTPACK) return;
    const packed = this.packed;
    const old = this.root;
    const root = this.#trees.create(this.#elements.create());
    this.root = root;
    for (let at = packed.blocks.first(old); at !== 0; at = packed.next(old, at)) {
      const score = packed.scoreAt(old, at);
      packed.readMember(old, at);
      const { bytes, start, length } = packed;
      this.#addToTree(hashBytes(bytes, start, length), bytes, start, length, score);
    }
    packed.blocks.free(old);
    this.#setRoot(ENCODING_SKIPLIST, root);
  }

  /** Makes a table that is small enough a listpack: what a command has collected is stored like that. */
  settle(): void {
    if (this.encoding === ENCODING_LISTPACK) return;
    const { limits } = this.#store;
    if (this.count > limits.zsetMaxListpackEntries) return;
    let bytes = 0;
    for (let more = this.seek(0); more; more = this.next()) {
      if (this.length > limits.zsetMaxListpackValue) return;
      bytes += this.length;
    }
    if (bytes > LISTPACK_BYTES_MAX) return;
    let root = this.packed.blocks.create();
    for (let more = this.seek(0); more; more = this.next())
      root = this.packed.append(root, this.bytes, this.start, this.length, this.score);
    const old = this.root;
    this.#trees.removeRange(old, 0, this.count, this.#dropElement);
    this.#elements.destroy(this.#trees.owner(old), () => {});
    this.#trees.destroy(old);
    this.#setRoot(ENCODING_LISTPACK, root);
  }

  /** Fills this empty set from a valid, ordered listpack of `elements` pairs; false when that is too many. */
  takeListpack(bytes: Uint8Array, elements: number): boolean {
    if (elements > this.#store.limits.zsetMaxListpackEntries || bytes.length > LISTPACK_BYTES_MAX)
      return false;
    const { blocks } = this.packed;
    blocks.free(this.root);
    this.#setRoot(ENCODING_LISTPACK, blocks.copyIn(bytes, 0));
    return true;
  }

  /** Calls `visit` with every element of a large set in no order, one step of a scan; the next cursor. */
  scan(cursor: number, visit: (ref: number) => void): number {
    return this.#elements.scan(this.#trees.owner(this.root), cursor, visit);
  }

  /** Adds all elements of `source` to this empty one. */
  copyFrom(source: SortedSetBody): void {
    if (source.encoding === ENCODING_LISTPACK) {
      const { blocks } = this.packed;
      blocks.free(this.root);
      this.#setRoot(ENCODING_LISTPACK, blocks.copy(source.root));
      return;
    }
    this.convert();
    for (let more = source.seek(0); more; more = source.next()) this.#addCurrent(source);
  }

  #addCurrent(source: SortedSetBody): void {
    const hash = hashBytes(source.bytes, source.start, source.length);
    this.#addToTree(hash, source.bytes, source.start, source.length, source.score);
  }

  #setRoot(encoding: number, root: number): void {
    const changed = this.root !== root || this.encoding !== encoding;
    this.root = root;
    this.encoding = encoding;
    if (this.keyRef === 0) return;
    if (changed || this.#records.root(this.keyRef) !== root) {
      this.#records.setRoot(this.keyRef, root);
      this.#records.setEncoding(this.keyRef, encoding);
    }
  }
}
