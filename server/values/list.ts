/**
 * Lists: one listpack while they are small, a quicklist beyond `list-max-listpack-size`, as Redis 7.2
 * converts them. The record of the key does not move when its list changes.
 *
 * `element` and `cursor` are shared by all lists: what they show is valid until the next change or read.
 * Sources of new elements must not lie in the arena. `database.beforeChange` is the caller's.
 */
import { BODY_LZF, BODY_PACKED } from '../structures/list-body.ts';
import { ListCursor } from '../structures/list-cursor.ts';
import { ListElement } from '../structures/list-element.ts';
import { exceedsNode, fitsListpack } from '../structures/list-limits.ts';
import * as listpack from '../structures/listpack.ts';
import { Quicklists } from '../structures/quicklist.ts';
import { deleteRange, insertBeside, replaceElement } from '../structures/quicklist-edit.ts';
import { ENCODING_LISTPACK, ENCODING_QUICKLIST, type Records, TYPE_LIST } from '../structures/record.ts';
import type { ValueStore } from './value-store.ts';
import type { DetachedValue, ValueType } from './value-type.ts';

/** Elements that one node holds, for the effort of freeing. */
const ELEMENTS_PER_NODE = 64;

export class Lists implements ValueType {
  readonly type = TYPE_LIST;
  readonly name = 'list';
  readonly quicklists: Quicklists;
  /** What `readEnd` read. */
  readonly element = new ListElement();
  readonly cursor: ListCursor;
  readonly #store: ValueStore;
  readonly #records: Records;

  constructor(store: ValueStore) {
    this.#store = store;
    this.#records = store.records;
    this.quicklists = new Quicklists(store.arena, store.limits);
    this.cursor = new ListCursor(this.quicklists);
  }

  encodingName(ref: number): string {
    return this.#isQuicklist(ref) ? 'quicklist' : 'listpack';
  }

  count(ref: number): number {
    const root = this.#records.root(ref);
    return this.#isQuicklist(ref) ? this.quicklists.elements(root) : this.quicklists.bodies.count(root);
  }

  release(encoding: number, root: number): void {
    if (encoding === ENCODING_QUICKLIST) this.quicklists.release(root);
    else this.quicklists.bodies.free(root);
  }

  releaseSome(encoding: number, root: number, budget: number): number {
    if (encoding !== ENCODING_QUICKLIST) {
      this.quicklists.bodies.free(root);
      return 0;
    }
    return this.quicklists.releaseSome(root, Math.ceil(budget / ELEMENTS_PER_NODE)) ? 0 : root;
  }

  copy(ref: number): DetachedValue {
    const encoding = this.#records.encoding(ref);
    const root = this.#records.root(ref);
    const { quicklists } = this;
    return {
      encoding,
      root: encoding === ENCODING_QUICKLIST ? quicklists.copy(root) : quicklists.bodies.copy(root),
    };
  }

  heldBytes(ref: number, samples: number): number {
    const root = this.#records.root(ref);
    if (this.#isQuicklist(ref)) return this.quicklists.heldBytes(root, samples);
    return this.quicklists.bodies.heldBytes(root);
  }

  effort(encoding: number, root: number): number {
    return encoding === ENCODING_QUICKLIST ? this.quicklists.nodes(root) * ELEMENTS_PER_NODE : 1;
  }

  /** A list without elements, in the encoding that new lists have. */
  create(): DetachedValue {
    return { encoding: ENCODING_LISTPACK, root: this.createRoot() };
  }

  /** The root of an empty list of encoding ENCODING_LISTPACK. */
  createRoot(): number {
    return this.quicklists.bodies.createPacked();
  }

  /** Makes the list ready for `count` more elements of `bytes` bytes together: it may become a quicklist. */
  prepareGrowth(ref: number, bytes: number, count: number): void {
    if (this.#isQuicklist(ref)) return;
    const root = this.#records.root(ref);
    const { quicklists } = this;
    const held = quicklists.bodies.count(root);
    const fill = this.#store.limits.listMaxListpackSize;
    if (!exceedsNode(fill, quicklists.bodies.bytes(root) + bytes, held + count)) return;
    this.#records.setRoot(ref, this.#quicklistOf(root, held));
    this.#records.setEncoding(ref, ENCODING_QUICKLIST);
  }

  /** Makes a listpack of a quicklist that became small: below half of the limit. */
  shrink(ref: number): void {
    if (this.#isQuicklist(ref)) this.#convertBack(ref, true);
  }

  /** Puts an element at one end; `prepareGrowth` comes first. */
  push(ref: number, atHead: boolean, source: Uint8Array, start: number, length: number): void {
    const root = this.#records.root(ref);
    if (this.#isQuicklist(ref)) {
      this.quicklists.push(root, atHead, source, start, length);
      return;
    }
    const { bodies } = this.quicklists;
    const next = atHead
      ? bodies.prepend(root, source, start, length)
      : bodies.append(root, source, start, length);
    if (next !== root) this.#records.setRoot(ref, next);
  }

  /** Like `prepareGrowth` and `push`; returns the elements there are then. */
  pushOne(ref: number, atHead: boolean, source: Uint8Array, start: number, length: number): number {
    if (!this.#isQuicklist(ref)) {
      this.prepareGrowth(ref, length, 1);
      this.push(ref, atHead, source, start, length);
      return this.count(ref);
    }
    return this.quicklists.push(this.#records.root(ref), atHead, source, start, length);
  }

  /** Reads the element at one end into `element`; the list must have one. */
  readEnd(ref: number, atHead: boolean): ListElement {
    const root = this.#records.root(ref);
    if (this.#isQuicklist(ref)) this.quicklists.readEnd(root, atHead, this.element);
    else {
      const { bodies } = this.quicklists;
      const bytes = bodies.segment(root);
      const start = bodies.packStart(root);
      const at = atHead ? listpack.HEADER_BYTES : listpack.last(bytes, start);
      this.element.read(bytes, start, at);
    }
    return this.element;
  }

  /** Deletes the element at one end; the list must have one. Returns the elements that are left. */
  dropEnd(ref: number, atHead: boolean): number {
    const root = this.#records.root(ref);
    if (this.#isQuicklist(ref)) return this.quicklists.dropEnd(root, atHead);
    const { bodies } = this.quicklists;
    const next = atHead ? bodies.dropFirst(root) : bodies.dropLast(root);
    if (next !== root) this.#records.setRoot(ref, next);
    return bodies.count(next);
  }

  /** The cursor before element `index` (0 … count - 1). */
  open(ref: number, index: number, forward: boolean): ListCursor {
    this.cursor.open(this.#isQuicklist(ref), this.#records.root(ref), index, forward);
    return this.cursor;
  }

  /** Deletes the element that the cursor stands on. */
  deleteAtCursor(ref: number): void {
    this.cursor.delete();
    this.#records.setRoot(ref, this.cursor.root);
  }

  /** Inserts beside the element that the cursor stands on, which ends the walk. */
  insertAtCursor(ref: number, after: boolean, source: Uint8Array, start: number, length: number): void {
    const { quicklists, cursor } = this;
    const root = this.#records.root(ref);
    if (this.#isQuicklist(ref)) {
      insertBeside(quicklists, root, cursor.node, cursor.at, after, source, start, length);
      return;
    }
    const { bodies } = quicklists;
    const at = after ? cursor.at + this.#entryBytes(root, cursor.at) : cursor.at;
    this.#records.setRoot(ref, bodies.replace(root, at, 0, 0, source, start, length));
  }

  /** Puts another element in the place of element `index`. */
  replaceAt(ref: number, index: number, source: Uint8Array, start: number, length: number): void {
    const cursor = this.open(ref, index, true);
    const root = this.#records.root(ref);
    cursor.next();
    if (this.#isQuicklist(ref)) {
      replaceElement(this.quicklists, root, cursor.node, cursor.at, source, start, length);
      return;
    }
    const removed = this.#entryBytes(root, cursor.at);
    const { bodies } = this.quicklists;
    this.#records.setRoot(ref, bodies.replace(root, cursor.at, removed, 1, source, start, length));
  }

  /** Deletes `count` elements from `index` on; both must lie within the list. */
  deleteRange(ref: number, index: number, count: number): void {
    if (count <= 0) return;
    const root = this.#records.root(ref);
    if (this.#isQuicklist(ref)) {
      deleteRange(this.quicklists, root, index, count);
      return;
    }
    const { bodies } = this.quicklists;
    const at = listpack.seek(bodies.segment(root), bodies.packStart(root), index);
    this.#records.setRoot(ref, bodies.delete(root, at, count));
  }

  // --- what files bring

  /** A quicklist that elements can be added to; `settle` ends it. */
  createQuicklist(): number {
    const { limits } = this.#store;
    return this.quicklists.create(limits.listMaxListpackSize, limits.listCompressDepth);
  }

  /** The value that a quicklist is in the encoding that suits its size; root 0 when it is empty. */
  settle(list: number): DetachedValue {
    const { quicklists } = this;
    if (quicklists.elements(list) === 0) {
      quicklists.release(list);
      return { encoding: ENCODING_LISTPACK, root: 0 };
    }
    const body = this.#onlyBody(list, false);
    return body === 0
      ? { encoding: ENCODING_QUICKLIST, root: list }
      : { encoding: ENCODING_LISTPACK, root: body };
  }

  // --- inside

  #isQuicklist(ref: number): boolean {
    return this.#records.encoding(ref) === ENCODING_QUICKLIST;
  }

  #entryBytes(root: number, at: number): number {
    const { bodies } = this.quicklists;
    return listpack.entryBytes(bodies.segment(root), bodies.packStart(root) + at);
  }

  /** A quicklist with one node, or none when the body is empty. */
  #quicklistOf(body: number, count: number): number {
    const { quicklists } = this;
    const list = this.createQuicklist();
    if (count === 0) quicklists.bodies.free(body);
    else quicklists.insertNode(list, 0, quicklists.newNode(body, count), true);
    return list;
  }

  #convertBack(ref: number, halved: boolean): void {
    const body = this.#onlyBody(this.#records.root(ref), halved);
    if (body === 0) return;
    this.#records.setRoot(ref, body);
    this.#records.setEncoding(ref, ENCODING_LISTPACK);
  }

  /** The listpack of a quicklist of one node that is small enough; the quicklist is freed then. Else 0. */
  #onlyBody(list: number, halved: boolean): number {
    const { quicklists } = this;
    if (quicklists.nodes(list) !== 1) return 0;
    const node = quicklists.head(list);
    const body = quicklists.body(node);
    const kind = quicklists.bodies.kind(body);
    if (kind !== BODY_PACKED && kind !== BODY_LZF) return 0;
    const fill = this.#store.limits.listMaxListpackSize;
    if (!fitsListpack(fill, quicklists.bodies.bytes(body), quicklists.count(node), halved)) return 0;
    quicklists.decompress(node);
    const packed = quicklists.body(node);
    quicklists.unlinkNode(list, node);
    quicklists.release(list);
    return packed;
  }
}
