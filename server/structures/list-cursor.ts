/**
 * Walks over a list in either direction, whether it is one listpack body or a quicklist; the element it
 * stands on may be deleted. Reads compressed nodes without unpacking them in place. One cursor serves many
 * walks; no other change of the list is allowed during one, and `element` is valid until the next step.
 */
import { BODY_LZF, BODY_PACKED } from './list-body.ts';
import { ListElement } from './list-element.ts';
import * as listpack from './listpack.ts';
import type { Quicklists } from './quicklist.ts';
import { deleteElement } from './quicklist-edit.ts';

export class ListCursor {
  readonly element = new ListElement();
  /** The list's root: of a listpack it may be another one after `delete`. */
  root = 0;
  /** The node of the current element, 0 in a listpack; its place in the node. */
  node = 0;
  at = 0;
  readonly #lists: Quicklists;
  #quicklist = false;
  #forward = true;
  /** Place of the element that the next step reads; 0: the node is at its end. */
  #nextAt = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #packStart = 0;
  #plain = false;
  #changed = false;

  constructor(lists: Quicklists) {
    this.#lists = lists;
  }

  /** Stands before element `index` (0 … count - 1), so that `next` reads it first. */
  open(quicklist: boolean, root: number, index: number, forward: boolean): void {
    this.root = root;
    this.#quicklist = quicklist;
    this.#forward = forward;
    this.#changed = false;
    if (quicklist) {
      this.node = this.#lists.seek(root, index);
      this.#enter(this.#lists.body(this.node));
      this.#nextAt = this.#plain ? listpack.HEADER_BYTES : this.#seek(this.#lists.foundIndex);
    } else {
      this.node = 0;
      this.#enter(root);
      this.#nextAt = this.#seek(index);
    }
  }

  /** Reads the next element; false when there is none. */
  next(): boolean {
    if (this.#nextAt === 0 && !this.#nextNode()) return false;
    const at = this.#nextAt;
    this.at = at;
    if (this.#plain) {
      this.#lists.bodies.readPlain(this.#lists.body(this.node), this.element);
      this.#nextAt = 0;
      return true;
    }
    const after = this.element.read(this.#bytes, this.#packStart, at);
    this.#nextAt = this.#forward ? after : listpack.previous(this.#bytes, this.#packStart, at);
    return true;
  }

  /**
   * For who reads many elements forwards by itself: where the next one lies, as a position in `runBytes`,
   * with those behind it up to an end mark; -1 when it stands alone or there is none. `endRun` goes on from
   * where the reader came to.
   */
  beginRun(): number {
    if (this.#nextAt === 0 && !this.#nextNode()) return -1;
    return this.#plain ? -1 : this.#packStart + this.#nextAt;
  }

  get runBytes(): Buffer {
    return this.#bytes;
  }

  endRun(position: number): void {
    this.#nextAt = this.#bytes[position] === listpack.END ? 0 : position - this.#packStart;
  }

  /** Deletes the current element; `next` goes on with the one behind it. */
  delete(): void {
    const lists = this.#lists;
    const { at, node } = this;
    if (!this.#quicklist) {
      this.root = lists.bodies.delete(this.root, at, 1);
      this.#enter(this.root);
    } else {
      const following = this.#forward ? lists.next(node) : lists.previous(node);
      if (deleteElement(lists, this.root, node, at)) {
        this.#changed = false;
        this.node = following;
        this.#nextAt = 0;
        if (following !== 0) this.#enterNode();
        return;
      }
      this.#changed = true;
      this.#enter(lists.body(node));
    }
    if (this.#forward) this.#nextAt = this.#bytes[this.#packStart + at] === listpack.END ? 0 : at;
  }

  /** Ends a walk that deleted: the node it stands in is compressed again. */
  close(): void {
    if (this.#changed) this.#lists.compressAround(this.root, this.node);
    this.#changed = false;
  }

  #nextNode(): boolean {
    if (this.node === 0) return false;
    const lists = this.#lists;
    const following = this.#forward ? lists.next(this.node) : lists.previous(this.node);
    this.close();
    this.node = following;
    if (following === 0) return false;
    this.#enterNode();
    return true;
  }

  #enterNode(): void {
    this.#enter(this.#lists.body(this.node));
    if (this.#plain || this.#forward) this.#nextAt = listpack.HEADER_BYTES;
    else this.#nextAt = listpack.last(this.#bytes, this.#packStart);
  }

  #enter(body: number): void {
    const { bodies } = this.#lists;
    const kind = bodies.kind(body);
    this.#plain = kind !== BODY_PACKED && kind !== BODY_LZF;
    if (kind === BODY_PACKED) {
      this.#bytes = bodies.segment(body);
      this.#packStart = bodies.packStart(body);
    } else if (kind === BODY_LZF) {
      this.#bytes = bodies.unpacked(body);
      this.#packStart = 0;
    }
  }

  #seek(index: number): number {
    return listpack.seek(this.#bytes, this.#packStart, index);
  }
}
