/**
 * Quicklist: a list of any length as a doubly linked chain of nodes, each with a body (list-body.ts) of many
 * short elements or one long one.
 *
 *   list   | head | tail | elements | nodes | fill i16, compress depth u16 |
 *   node   | previous | next | body | elements 24, spare 8 |
 *
 * A node's ref never changes; its body's does. Nodes further than the compress depth from both ends are LZF
 * when that gains something; head and tail never are. When nodes are made, split and merged follows Redis 7.2
 * (list-limits.ts), because DEBUG and the encodings show it. Changes in the middle: quicklist-edit.ts.
 * Cost: push and pop O(1), seeking an index O(nodes) from the nearer end.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { BODY_CHUNKED, BODY_LZF, BODY_PACKED, BODY_PLAIN, HEAD_BYTES, ListBodies } from './list-body.ts';
import type { ListElement } from './list-element.ts';
import {
  clampCompressDepth,
  clampFill,
  exceedsWithElement,
  isLargeElement,
  nodeBytesMax,
} from './list-limits.ts';
import * as listpack from './listpack.ts';

const LIST_BYTES = 20;
const NODE_BYTES = 16;
const HEAD = 0;
const TAIL = 1;
const ELEMENTS = 2;
const NODES = 3;
const OPTIONS = 4;
const PREVIOUS = 0;
const NEXT = 1;
const BODY = 2;
const COUNT = 3;
const COUNT_MASK = 0xffffff;
/** A list with so many nodes is likely to fill the next one: it need not grow step by step. */
const NODES_BEFORE_WIDE = 16;

export interface QuicklistLimits {
  /** Elements of so many bytes get a node of their own, for tests; 0: by fill. */
  readonly quicklistPackedThreshold: number;
}

export class Quicklists {
  readonly arena: Arena;
  readonly bodies: ListBodies;
  /** What `seek` found besides the node: the index within it. */
  foundIndex = 0;
  readonly #limits: QuicklistLimits;
  readonly #words: Uint32Array[];

  constructor(arena: Arena, limits: QuicklistLimits) {
    this.arena = arena;
    this.bodies = new ListBodies(arena);
    this.#limits = limits;
    this.#words = arena.words;
  }

  create(fill: number, compressDepth: number): number {
    const list = this.arena.allocate(LIST_BYTES);
    const words = this.#words[list >>> SEGMENT_SHIFT];
    const at = (list & UNIT_MASK) << 1;
    words.fill(0, at, at + OPTIONS);
    words[at + OPTIONS] = (clampFill(fill) & 0xffff) | (clampCompressDepth(compressDepth) << 16);
    return list;
  }

  /** Frees up to `nodesMax` nodes, and the list itself after the last: then the answer is true. */
  releaseSome(list: number, nodesMax: number): boolean {
    let node = this.head(list);
    for (; node !== 0 && nodesMax > 0; nodesMax--) {
      const next = this.next(node);
      this.bodies.free(this.body(node));
      this.arena.free(node);
      node = next;
    }
    this.#set(list, HEAD, node);
    if (node !== 0) return false;
    this.arena.free(list);
    return true;
  }

  release(list: number): void {
    this.releaseSome(list, Number.POSITIVE_INFINITY);
  }

  /** A list with the same nodes. */
  copy(list: number): number {
    const copied = this.create(this.fill(list), this.compressDepth(list));
    for (let node = this.head(list); node !== 0; node = this.next(node)) {
      this.#link(
        copied,
        this.tail(copied),
        this.newNode(this.bodies.copy(this.body(node)), this.count(node)),
        true,
      );
      this.#set(copied, ELEMENTS, this.elements(copied) + this.count(node));
    }
    return copied;
  }

  head(list: number): number {
    return this.#get(list, HEAD);
  }

  tail(list: number): number {
    return this.#get(list, TAIL);
  }

  /** Elements of the whole list. */
  elements(list: number): number {
    return this.#get(list, ELEMENTS);
  }

  nodes(list: number): number {
    return this.#get(list, NODES);
  }

  fill(list: number): number {
    return (this.#get(list, OPTIONS) << 16) >> 16;
  }

  compressDepth(list: number): number {
    return this.#get(list, OPTIONS) >>> 16;
  }

  previous(node: number): number {
    return this.#get(node, PREVIOUS);
  }

  next(node: number): number {
    return this.#get(node, NEXT);
  }

  body(node: number): number {
    return this.#get(node, BODY);
  }

  setBody(node: number, body: number): void {
    this.#set(node, BODY, body);
  }

  /** Elements of one node. */
  count(node: number): number {
    return this.#get(node, COUNT) & COUNT_MASK;
  }

  /** Changes the count of a node and of its list. */
  addCount(list: number, node: number, change: number): void {
    this.#set(node, COUNT, this.#get(node, COUNT) + change);
    this.#set(list, ELEMENTS, this.#get(list, ELEMENTS) + change);
  }

  isPlain(node: number): boolean {
    const kind = this.bodies.kind(this.body(node));
    return kind === BODY_PLAIN || kind === BODY_CHUNKED;
  }

  isLarge(list: number, length: number): boolean {
    return isLargeElement(this.fill(list), length, this.#limits.quicklistPackedThreshold);
  }

  /** True when a short element of `length` bytes may join the node (0: no node). */
  allowsInsert(list: number, node: number, length: number): boolean {
    if (node === 0 || this.isPlain(node) || this.isLarge(list, length)) return false;
    return !exceedsWithElement(this.fill(list), this.bodies.bytes(this.body(node)), this.count(node), length);
  }

  // --- the ends

  /** Puts an element at one end; its bytes must not lie in the arena. Returns the elements there are then. */
  push(list: number, atHead: boolean, source: Uint8Array, start: number, length: number): number {
    const words = this.#words[list >>> SEGMENT_SHIFT];
    const at = (list & UNIT_MASK) << 1;
    const node = words[at + (atHead ? HEAD : TAIL)];
    if (node !== 0) {
      const nodeWords = this.#words[node >>> SEGMENT_SHIFT];
      const nodeAt = (node & UNIT_MASK) << 1;
      const body = nodeWords[nodeAt + BODY];
      const held = nodeWords[nodeAt + COUNT] & COUNT_MASK;
      const fill = (words[at + OPTIONS] << 16) >> 16;
      // An end is never compressed; a plain one says 0 here.
      const bytes = this.bodies.packBytes(body);
      if (
        bytes !== 0 &&
        !exceedsWithElement(fill, bytes, held, length) &&
        !isLargeElement(fill, length, this.#limits.quicklistPackedThreshold)
      ) {
        const next = atHead
          ? this.bodies.prepend(body, source, start, length)
          : this.bodies.append(body, source, start, length);
        if (next !== body) nodeWords[nodeAt + BODY] = next;
        nodeWords[nodeAt + COUNT]++;
        return ++words[at + ELEMENTS];
      }
    }
    const wide = words[at + NODES] >= NODES_BEFORE_WIDE;
    this.insertNode(list, node, this.elementNode(list, source, start, length, wide), !atHead);
    return words[at + ELEMENTS];
  }

  /** Reads the element at one end of a list that has one. */
  readEnd(list: number, atHead: boolean, element: ListElement): void {
    const body = this.body(atHead ? this.head(list) : this.tail(list));
    const { bodies } = this;
    if (bodies.kind(body) !== BODY_PACKED) {
      bodies.readPlain(body, element);
      return;
    }
    const bytes = bodies.segment(body);
    const start = bodies.packStart(body);
    element.read(bytes, start, atHead ? listpack.HEADER_BYTES : listpack.last(bytes, start));
  }

  /** Deletes the element at one end of a list that has one; returns the elements that are left. */
  dropEnd(list: number, atHead: boolean): number {
    const words = this.#words[list >>> SEGMENT_SHIFT];
    const at = (list & UNIT_MASK) << 1;
    const node = words[at + (atHead ? HEAD : TAIL)];
    const nodeWords = this.#words[node >>> SEGMENT_SHIFT];
    const nodeAt = (node & UNIT_MASK) << 1;
    if ((nodeWords[nodeAt + COUNT] & COUNT_MASK) === 1) {
      this.deleteNode(list, node);
      return words[at + ELEMENTS];
    }
    const body = nodeWords[nodeAt + BODY];
    const next = atHead ? this.bodies.dropFirst(body) : this.bodies.dropLast(body);
    if (next !== body) nodeWords[nodeAt + BODY] = next;
    nodeWords[nodeAt + COUNT]--;
    return --words[at + ELEMENTS];
  }

  // --- nodes

  newNode(body: number, count: number): number {
    const node = this.arena.allocate(NODE_BYTES);
    this.#set(node, PREVIOUS, 0);
    this.#set(node, NEXT, 0);
    this.#set(node, BODY, body);
    this.#set(node, COUNT, count);
    return node;
  }

  /** A node with one element; a `wide` one has all the memory that it may come to hold. */
  elementNode(list: number, source: Uint8Array, start: number, length: number, wide = false): number {
    const { bodies } = this;
    if (this.isLarge(list, length)) return this.newNode(bodies.createPlain(source, start, length), 1);
    const room = wide ? Math.max(length + 16, nodeBytesMax(this.fill(list)) - HEAD_BYTES) : length + 16;
    return this.newNode(bodies.append(bodies.createPacked(room), source, start, length), 1);
  }

  /** Puts a node beside `beside` (0 in an empty list) and counts its elements. */
  insertNode(list: number, beside: number, node: number, after: boolean): void {
    this.#set(list, ELEMENTS, this.elements(list) + this.count(node));
    this.#link(list, beside, node, after);
    if (this.compressDepth(list) === 0) return;
    if (beside !== 0) this.compressAround(list, beside);
    this.compressAround(list, node);
  }

  /** Takes a node out, with its elements, and frees it. */
  deleteNode(list: number, node: number): void {
    this.bodies.free(this.body(node));
    this.unlinkNode(list, node);
    this.compressAround(list, 0);
  }

  /** Takes a node out and frees it, but not its body. */
  unlinkNode(list: number, node: number): void {
    const previous = this.previous(node);
    const next = this.next(node);
    if (next !== 0) this.#set(next, PREVIOUS, previous);
    else this.#set(list, TAIL, previous);
    if (previous !== 0) this.#set(previous, NEXT, next);
    else this.#set(list, HEAD, next);
    this.#set(list, NODES, this.nodes(list) - 1);
    this.#set(list, ELEMENTS, this.elements(list) - this.count(node));
    this.arena.free(node);
  }

  /** The node with element `index` (0 … elements - 1); its index within the node is `foundIndex`. */
  seek(list: number, index: number): number {
    const elements = this.elements(list);
    if (index < elements / 2) {
      let node = this.head(list);
      for (let count = this.count(node); index >= count; count = this.count(node)) {
        index -= count;
        node = this.next(node);
      }
      this.foundIndex = index;
      return node;
    }
    let left = elements - index;
    let node = this.tail(list);
    for (let count = this.count(node); left > count; count = this.count(node)) {
      left -= count;
      node = this.previous(node);
    }
    this.foundIndex = this.count(node) - left;
    return node;
  }

  /** Bytes of the arena that the list holds, looking at no more than `samples` nodes (0: all). */
  heldBytes(list: number, samples: number): number {
    const nodes = this.nodes(list);
    let seen = 0;
    let bytes = 0;
    for (
      let node = this.head(list);
      node !== 0 && (samples === 0 || seen < samples);
      node = this.next(node)
    ) {
      bytes += this.arena.blockBytes(node) + this.bodies.heldBytes(this.body(node));
      seen++;
    }
    return this.arena.blockBytes(list) + (seen === 0 ? 0 : (bytes / seen) * nodes);
  }

  // --- compression

  /** Unpacks a node that is about to change. */
  decompress(node: number): void {
    const body = this.body(node);
    if (this.bodies.kind(body) === BODY_LZF) this.setBody(node, this.bodies.decompress(body));
  }

  /**
   * Brings the ends of the list into the state that the compress depth asks for, and `node` too (0: only the
   * ends).
   */
  compressAround(list: number, node: number): void {
    const depth = this.compressDepth(list);
    if (depth === 0 || this.nodes(list) < depth * 2) return;
    let forward = this.head(list);
    let backward = this.tail(list);
    let within = false;
    for (let step = 0; step < depth; step++) {
      this.decompress(forward);
      this.decompress(backward);
      if (forward === node || backward === node) within = true;
      if (forward === backward || this.next(forward) === backward) return;
      forward = this.next(forward);
      backward = this.previous(backward);
    }
    if (!within && node !== 0) this.#compress(node);
    this.#compress(forward);
    this.#compress(backward);
  }

  #compress(node: number): void {
    const body = this.body(node);
    if (this.bodies.kind(body) === BODY_PACKED) this.setBody(node, this.bodies.compress(body));
  }

  #link(list: number, beside: number, node: number, after: boolean): void {
    const previous = after ? beside : beside === 0 ? 0 : this.previous(beside);
    const next = after ? (beside === 0 ? 0 : this.next(beside)) : beside;
    this.#set(node, PREVIOUS, previous);
    this.#set(node, NEXT, next);
    if (previous !== 0) this.#set(previous, NEXT, node);
    else this.#set(list, HEAD, node);
    if (next !== 0) this.#set(next, PREVIOUS, node);
    else this.#set(list, TAIL, node);
    this.#set(list, NODES, this.nodes(list) + 1);
  }

  #get(ref: number, word: number): number {
    return this.#words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + word];
  }

  #set(ref: number, word: number, value: number): void {
    this.#words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + word] = value;
  }
}
