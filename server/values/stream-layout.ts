/**
 * The records of a stream in the arena, word by word. Numbers of 64 bits stand as low and high word, ids as
 * four words (StreamId.writeWords).
 *
 *   stream     tree of nodes 3 | entries 1 | last id 4 | first id 4 | greatest deleted id 4 |
 *              entries ever added 2 | groups 2
 *   group      pending entries 3 | name length 1 | last id 4 | entries read 2 | consumers 2 | name
 *   consumer   pending entries 3 | name length 1 | seen, ms 2 | active, ms 2 | name
 *   pending    delivered, ms: low 32 | count: high 16, ms: high 16 | count: low 32 | consumer
 *
 * A node of a stream is a listpack (stream-nodes.ts). A pending entry stands once and is named by the tree of
 * its group and by the tree of its consumer.
 */
import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from '../structures/arena.ts';
import type { StreamId } from '../structures/stream-id.ts';

const TWO_32 = 4294967296;

export const STREAM_BYTES = 80;
export const STREAM_NODES = 0;
export const STREAM_LENGTH = 3;
export const STREAM_LAST_ID = 4;
export const STREAM_FIRST_ID = 8;
export const STREAM_DELETED_ID = 12;
export const STREAM_ADDED = 16;
export const STREAM_GROUPS = 18;

export const NAME_LENGTH = 3;

export const GROUP_PENDING = 0;
export const GROUP_LAST_ID = 4;
export const GROUP_READ = 8;
export const GROUP_CONSUMERS = 10;
export const GROUP_NAME = 12;

export const CONSUMER_PENDING = 0;
export const CONSUMER_SEEN = 4;
export const CONSUMER_ACTIVE = 6;
export const CONSUMER_NAME = 8;

export const PENDING_BYTES = 16;
const PENDING_CONSUMER = 3;
const PENDING_COUNT_MAX = 2 ** 48 - 1;

/** Access to those words; one arena. */
export class StreamLayout {
  readonly arena: Arena;
  readonly #words: Uint32Array[];

  constructor(arena: Arena) {
    this.arena = arena;
    this.#words = arena.words;
  }

  word(ref: number, index: number): number {
    return this.#words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + index];
  }

  setWord(ref: number, index: number, value: number): void {
    this.#words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + index] = value;
  }

  /** A signed 64-bit number, exact within ±2^53. */
  number(ref: number, index: number): number {
    return (this.word(ref, index + 1) | 0) * TWO_32 + this.word(ref, index);
  }

  setNumber(ref: number, index: number, value: number): void {
    this.setWord(ref, index, value >>> 0);
    this.setWord(ref, index + 1, Math.floor(value / TWO_32));
  }

  readId(ref: number, index: number, id: StreamId): void {
    id.readWords(this.#words[ref >>> SEGMENT_SHIFT], ((ref & UNIT_MASK) << 1) + index);
  }

  writeId(ref: number, index: number, id: StreamId): void {
    id.writeWords(this.#words[ref >>> SEGMENT_SHIFT], ((ref & UNIT_MASK) << 1) + index);
  }

  /** A block with a name behind `nameWord` words, which are zero. */
  newNamed(nameWord: number, name: Uint8Array, start: number, length: number): number {
    const ref = this.arena.allocate(nameWord * 4 + length);
    const at = (ref & UNIT_MASK) << 1;
    this.#words[ref >>> SEGMENT_SHIFT].fill(0, at, at + nameWord);
    this.setWord(ref, NAME_LENGTH, length);
    this.arena.bytes[ref >>> SEGMENT_SHIFT].set(name.subarray(start, start + length), (at + nameWord) << 2);
    return ref;
  }

  /** A copy of the name of a group (GROUP_NAME) or consumer (CONSUMER_NAME). */
  name(ref: number, nameWord: number): Buffer {
    const start = ((ref & UNIT_MASK) << 3) + nameWord * 4;
    return Buffer.from(this.arena.bytes[ref >>> SEGMENT_SHIFT].subarray(start, start + this.word(ref, 3)));
  }

  // --- pending entries

  newPending(consumer: number, deliveredMs: number, count: number): number {
    const ref = this.arena.allocate(PENDING_BYTES);
    this.setWord(ref, 1, 0);
    this.setDelivered(ref, deliveredMs, count);
    this.setWord(ref, PENDING_CONSUMER, consumer);
    return ref;
  }

  deliveredMs(ref: number): number {
    return (this.word(ref, 1) & 0xffff) * TWO_32 + this.word(ref, 0);
  }

  deliveries(ref: number): number {
    return (this.word(ref, 1) >>> 16) * TWO_32 + this.word(ref, 2);
  }

  setDelivered(ref: number, deliveredMs: number, count: number): void {
    const deliveries = Math.min(count, PENDING_COUNT_MAX);
    this.setWord(ref, 0, deliveredMs >>> 0);
    this.setWord(
      ref,
      1,
      (Math.floor(deliveredMs / TWO_32) & 0xffff) | (Math.floor(deliveries / TWO_32) << 16),
    );
    this.setWord(ref, 2, deliveries >>> 0);
  }

  /** The consumer's ref, 0 while none owns the entry. */
  owner(ref: number): number {
    return this.word(ref, PENDING_CONSUMER);
  }

  setOwner(ref: number, consumer: number): void {
    this.setWord(ref, PENDING_CONSUMER, consumer);
  }
}
