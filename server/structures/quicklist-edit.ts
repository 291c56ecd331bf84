/**
 * Changes in the middle of a quicklist: insert, replace, delete a range. When a node is split and with whom
 * it is merged follows Redis 7.2.
 *
 * An element is named by its node and its place `at` in the node's listpack (HEADER_BYTES in a plain node).
 * Sources must not lie in the arena.
 */
import { exceedsNode } from './list-limits.ts';
import * as listpack from './listpack.ts';
import type { Quicklists } from './quicklist.ts';

/** A node that grows by replacing beyond this is split. */
const NODE_BYTES_MAX = 1024 * 1024;

/** Inserts an element before or after another one. */
export function insertBeside(
  lists: Quicklists,
  list: number,
  node: number,
  at: number,
  after: boolean,
  source: Uint8Array,
  start: number,
  length: number,
): void {
  const atEdge = after ? isLast(lists, node, at) : at === listpack.HEADER_BYTES;
  const fits = lists.allowsInsert(list, node, length);
  if (fits) {
    lists.decompress(node);
    insertWithin(lists, list, node, at, after, source, start, length);
    lists.compressAround(list, node);
    return;
  }
  const neighbour = after ? lists.next(node) : lists.previous(node);
  if (atEdge && lists.allowsInsert(list, neighbour, length)) {
    lists.decompress(neighbour);
    const body = lists.body(neighbour);
    const { bodies } = lists;
    lists.setBody(
      neighbour,
      after ? bodies.prepend(body, source, start, length) : bodies.append(body, source, start, length),
    );
    lists.addCount(list, neighbour, 1);
    lists.compressAround(list, neighbour);
    lists.compressAround(list, node);
    return;
  }
  const large = lists.isLarge(list, length);
  if (atEdge || lists.isPlain(node)) {
    lists.insertNode(list, node, lists.elementNode(list, source, start, length), after);
    return;
  }
  lists.decompress(node);
  const rest = splitNode(lists, list, node, after ? nextAt(lists, node, at) : at);
  if (large) {
    lists.insertNode(list, node, lists.elementNode(list, source, start, length), true);
    return;
  }
  const target = after ? rest : node;
  const body = lists.body(target);
  lists.setBody(
    target,
    after
      ? lists.bodies.prepend(body, source, start, length)
      : lists.bodies.append(body, source, start, length),
  );
  lists.addCount(list, target, 1);
  mergeAround(lists, list, after ? node : rest);
}

/** Puts another element in the place of one. */
export function replaceElement(
  lists: Quicklists,
  list: number,
  node: number,
  at: number,
  source: Uint8Array,
  start: number,
  length: number,
): void {
  const large = lists.isLarge(list, length);
  const { bodies } = lists;
  if (lists.isPlain(node)) {
    if (large) {
      bodies.free(lists.body(node));
      lists.setBody(node, bodies.createPlain(source, start, length));
    } else {
      insertBeside(lists, list, node, at, true, source, start, length);
      lists.deleteNode(list, node);
    }
    return;
  }
  lists.decompress(node);
  const body = lists.body(node);
  if (!large && bodies.bytes(body) + length < NODE_BYTES_MAX) {
    const removed = nextAt(lists, node, at) - at;
    lists.setBody(node, bodies.replace(body, at, removed, 1, source, start, length));
    lists.compressAround(list, node);
    return;
  }
  if (!isLast(lists, node, at)) splitNode(lists, list, node, nextAt(lists, node, at));
  const added = lists.elementNode(list, source, start, length);
  lists.insertNode(list, node, added, true);
  if (lists.count(node) === 1) {
    lists.deleteNode(list, node);
    return;
  }
  lists.decompress(node);
  lists.setBody(node, bodies.dropLast(lists.body(node)));
  lists.addCount(list, node, -1);
  const merged = mergeAround(lists, list, added);
  lists.compressAround(list, merged);
  if (lists.previous(merged) !== 0) lists.compressAround(list, lists.previous(merged));
  if (lists.next(merged) !== 0) lists.compressAround(list, lists.next(merged));
}

/** Deletes `count` elements from `index` on; both must lie within the list. */
export function deleteRange(lists: Quicklists, list: number, index: number, count: number): void {
  if (count <= 0) return;
  let node = lists.seek(list, index);
  let within = lists.foundIndex;
  while (count > 0) {
    const next = lists.next(node);
    const here = Math.min(count, lists.count(node) - within);
    if (here === lists.count(node)) lists.deleteNode(list, node);
    else {
      lists.decompress(node);
      const body = lists.body(node);
      const at = listpack.seek(lists.bodies.segment(body), lists.bodies.packStart(body), within);
      lists.setBody(node, lists.bodies.delete(body, at, here));
      lists.addCount(list, node, -here);
      lists.compressAround(list, node);
    }
    count -= here;
    node = next;
    within = 0;
  }
}

/** Deletes one element. Answers whether its node went with it. */
export function deleteElement(lists: Quicklists, list: number, node: number, at: number): boolean {
  if (lists.count(node) === 1) {
    lists.deleteNode(list, node);
    return true;
  }
  lists.decompress(node);
  lists.setBody(node, lists.bodies.delete(lists.body(node), at, 1));
  lists.addCount(list, node, -1);
  return false;
}

function isLast(lists: Quicklists, node: number, at: number): boolean {
  if (lists.count(node) === 1) return true;
  lists.decompress(node);
  const body = lists.body(node);
  return listpack.next(lists.bodies.segment(body), lists.bodies.packStart(body), at) === 0;
}

/** Where the next entry of a packed node would stand: it may be the end mark's place. */
function nextAt(lists: Quicklists, node: number, at: number): number {
  const body = lists.body(node);
  return at + listpack.entryBytes(lists.bodies.segment(body), lists.bodies.packStart(body) + at);
}

function insertWithin(
  lists: Quicklists,
  list: number,
  node: number,
  at: number,
  after: boolean,
  source: Uint8Array,
  start: number,
  length: number,
): void {
  const place = after ? nextAt(lists, node, at) : at;
  lists.setBody(node, lists.bodies.replace(lists.body(node), place, 0, 0, source, start, length));
  lists.addCount(list, node, 1);
}

/** Moves the elements from `at` on into a new node behind; answers that node. */
function splitNode(lists: Quicklists, list: number, node: number, at: number): number {
  const body = lists.bodies.owned(lists.body(node));
  const bytes = lists.bodies.segment(body);
  const start = lists.bodies.packStart(body);
  let moved = 0;
  for (let entry = at; entry !== 0; entry = listpack.next(bytes, start, entry)) moved++;
  const rest = lists.newNode(lists.bodies.split(body, at, moved), moved);
  lists.setBody(node, lists.bodies.trimmed(body));
  lists.addCount(list, node, -moved);
  lists.insertNode(list, node, rest, true);
  lists.decompress(node);
  lists.decompress(rest);
  return rest;
}

function allowsMerge(lists: Quicklists, list: number, first: number, second: number): boolean {
  if (first === 0 || second === 0 || lists.isPlain(first) || lists.isPlain(second)) return false;
  const { bodies } = lists;
  const bytes = bodies.bytes(lists.body(first)) + bodies.bytes(lists.body(second)) - listpack.EMPTY_BYTES;
  return !exceedsNode(lists.fill(list), bytes, lists.count(first) + lists.count(second));
}

/** Merges two neighbours into the first. */
function mergeNodes(lists: Quicklists, list: number, first: number, second: number): void {
  lists.decompress(first);
  lists.decompress(second);
  const moved = lists.count(second);
  lists.setBody(first, lists.bodies.merge(lists.body(first), lists.body(second)));
  lists.unlinkNode(list, second);
  lists.addCount(list, first, moved);
  lists.compressAround(list, first);
}

/** Tries to merge a node with its neighbours, and those with theirs; answers the node it is in then. */
function mergeAround(lists: Quicklists, list: number, center: number): number {
  const previous = lists.previous(center);
  const before = previous === 0 ? 0 : lists.previous(previous);
  if (allowsMerge(lists, list, before, previous)) mergeNodes(lists, list, before, previous);
  const next = lists.next(center);
  const behind = next === 0 ? 0 : lists.next(next);
  if (allowsMerge(lists, list, next, behind)) mergeNodes(lists, list, next, behind);
  let target = center;
  const left = lists.previous(center);
  if (allowsMerge(lists, list, left, center)) {
    mergeNodes(lists, list, left, center);
    target = left;
  }
  const right = lists.next(target);
  if (allowsMerge(lists, list, target, right)) mergeNodes(lists, list, target, right);
  lists.compressAround(list, target);
  return target;
}
