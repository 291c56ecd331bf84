/** Heads of replies whose number of elements is known only after they were written. */
import type { Reply } from '../wire/reply.ts';

const HEAD_BYTES_MAX = 32;
const head = Buffer.alloc(HEAD_BYTES_MAX);

/** Puts the head of a set of `count` elements before what was written from `at` on. */
export function lateSet(reply: Reply, at: number, count: number): void {
  const end = reply.at;
  reply.set(count);
  moveHead(reply, at, end);
}

/** Puts the head of an array of `count` elements before what was written from `at` on. */
export function lateArray(reply: Reply, at: number, count: number): void {
  const end = reply.at;
  reply.array(count);
  moveHead(reply, at, end);
}

/** Puts the head of a map of `pairs` keys and values before what was written from `at` on. */
export function lateMap(reply: Reply, at: number, pairs: number): void {
  const end = reply.at;
  reply.map(pairs);
  moveHead(reply, at, end);
}

/** The head stands at buffer[end, reply.at): it changes places with buffer[at, end). */
function moveHead(reply: Reply, at: number, end: number): void {
  const length = reply.at - end;
  const { buffer } = reply;
  buffer.copy(head, 0, end, reply.at);
  buffer.copyWithin(at + length, at, end);
  head.copy(buffer, at, 0, length);
}
