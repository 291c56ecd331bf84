/**
 * Consumer groups of streams: groups found by name in a stream, consumers by name in a group, pending entries
 * by id in both. A group or consumer is named by the ref of its record.
 */
import { IdCursor, IdTree } from '../structures/id-tree.ts';
import { NameIndex } from '../structures/name-index.ts';
import { StreamId } from '../structures/stream-id.ts';
import type { StreamLayout } from './stream-layout.ts';
import * as layoutWords from './stream-layout.ts';

/** In place of the number of entries that a group has read: nobody knows. */
export const UNKNOWN_READ = -1;

export class StreamGroups {
  /** Pending entries of groups and of consumers. */
  readonly pending: IdTree;
  readonly pendingOfConsumer: IdTree;
  readonly #layout: StreamLayout;
  readonly #groups: NameIndex;
  readonly #consumers: NameIndex;
  readonly #cursor = new IdCursor();
  readonly #id = new StreamId();

  constructor(layout: StreamLayout) {
    const { arena } = layout;
    this.#layout = layout;
    this.pending = new IdTree(arena, layoutWords.GROUP_PENDING);
    this.pendingOfConsumer = new IdTree(arena, layoutWords.CONSUMER_PENDING);
    this.#groups = new NameIndex(
      arena,
      layoutWords.STREAM_GROUPS,
      layoutWords.NAME_LENGTH,
      layoutWords.GROUP_NAME,
    );
    this.#consumers = new NameIndex(
      arena,
      layoutWords.GROUP_CONSUMERS,
      layoutWords.NAME_LENGTH,
      layoutWords.CONSUMER_NAME,
    );
  }

  // --- groups

  count(stream: number): number {
    return this.#groups.count(stream);
  }

  /** The group at a place in the order of names. */
  at(stream: number, slot: number): number {
    return this.#groups.at(stream, slot);
  }

  /** 0 when there is none. */
  find(stream: number, name: Uint8Array, start: number, length: number): number {
    return this.#groups.find(stream, name, start, length);
  }

  /** Makes a group; 0 when one has the name. `entriesRead` may be UNKNOWN_READ. */
  create(
    stream: number,
    name: Uint8Array,
    start: number,
    length: number,
    lastId: StreamId,
    entriesRead: number,
  ): number {
    if (this.#groups.find(stream, name, start, length) !== 0) return 0;
    const group = this.#layout.newNamed(layoutWords.GROUP_NAME, name, start, length);
    this.#layout.writeId(group, layoutWords.GROUP_LAST_ID, lastId);
    this.#layout.setNumber(group, layoutWords.GROUP_READ, entriesRead);
    this.#groups.insertFound(stream, group);
    return group;
  }

  /** Takes out the group that `find` has just found; the caller frees it by `releaseSome`. */
  removeFound(stream: number): void {
    this.#groups.removeFound(stream);
  }

  /** Elements that freeing a group would visit. */
  effort(group: number): number {
    return this.pending.count(group) * 2 + this.#consumers.count(group);
  }

  /** Frees about `budget` entries of a group that no stream names; true when all of it has gone. */
  releaseSome(group: number, budget: number): boolean {
    const { arena } = this.#layout;
    for (let count = this.#consumers.count(group); count > 0 && budget > 0; count--) {
      const consumer = this.#consumers.at(group, count - 1);
      const before = this.pendingOfConsumer.count(consumer);
      if (!this.pendingOfConsumer.releaseSome(consumer, budget, ignore)) return false;
      budget -= before + 1;
      this.#consumers.pop(group);
      arena.free(consumer);
    }
    if (budget <= 0) return false;
    if (!this.pending.releaseSome(group, budget, (pending) => arena.free(pending))) return false;
    arena.free(group);
    return true;
  }

  /** Frees about `budget` entries of the groups of a stream; true when it has none any more. */
  releaseAll(stream: number, budget: number): boolean {
    for (let count = this.count(stream); count > 0; count--) {
      const group = this.at(stream, count - 1);
      const before = this.pending.count(group);
      if (!this.releaseSome(group, budget)) return false;
      this.#groups.pop(stream);
      budget -= before + 1;
      if (budget <= 0) return count === 1;
    }
    return true;
  }

  // --- consumers

  consumerCount(group: number): number {
    return this.#consumers.count(group);
  }

  consumerAt(group: number, slot: number): number {
    return this.#consumers.at(group, slot);
  }

  findConsumer(group: number, name: Uint8Array, start: number, length: number): number {
    return this.#consumers.find(group, name, start, length);
  }

  /** Makes a consumer that was seen now and never active; 0 when one has the name. */
  createConsumer(group: number, name: Uint8Array, start: number, length: number, nowMs: number): number {
    if (this.#consumers.find(group, name, start, length) !== 0) return 0;
    const consumer = this.#layout.newNamed(layoutWords.CONSUMER_NAME, name, start, length);
    this.#layout.setNumber(consumer, layoutWords.CONSUMER_SEEN, nowMs);
    this.#layout.setNumber(consumer, layoutWords.CONSUMER_ACTIVE, -1);
    this.#consumers.insertFound(group, consumer);
    return consumer;
  }

  /** Removes the consumer that `findConsumer` has just found and its pending entries; the number of those. */
  removeFoundConsumer(group: number, consumer: number): number {
    const { arena } = this.#layout;
    this.#consumers.removeFound(group);
    const cursor = this.#cursor;
    const own = this.pendingOfConsumer;
    const count = own.count(consumer);
    for (let there = own.first(consumer, cursor); there; there = own.next(cursor)) {
      own.idAt(cursor, this.#id);
      this.pending.delete(group, this.#id);
    }
    own.releaseSome(consumer, Number.POSITIVE_INFINITY, (pending) => arena.free(pending));
    arena.free(consumer);
    return count;
  }

  // --- pending entries

  /** Makes an entry pending for a consumer; the id must not be pending in the group. Returns its record. */
  addPending(group: number, consumer: number, id: StreamId, deliveredMs: number, count: number): number {
    const pending = this.#layout.newPending(consumer, deliveredMs, count);
    this.pending.insert(group, id, pending);
    if (consumer !== 0) this.pendingOfConsumer.insert(consumer, id, pending);
    return pending;
  }

  /** Gives a pending entry to a consumer. */
  assign(pending: number, consumer: number, id: StreamId): void {
    const owner = this.#layout.owner(pending);
    if (owner === consumer) return;
    if (owner !== 0) this.pendingOfConsumer.delete(owner, id);
    this.pendingOfConsumer.insert(consumer, id, pending);
    this.#layout.setOwner(pending, consumer);
  }

  /** Forgets a pending entry; false when the id is not pending. */
  acknowledge(group: number, id: StreamId): boolean {
    const pending = this.pending.delete(group, id);
    if (pending === 0) return false;
    const owner = this.#layout.owner(pending);
    if (owner !== 0) this.pendingOfConsumer.delete(owner, id);
    this.#layout.arena.free(pending);
    return true;
  }

  /** Bytes of the arena that the groups of a stream hold. */
  heldBytes(stream: number): number {
    const { arena } = this.#layout;
    let bytes = this.#groups.heldBytes(stream);
    for (let slot = this.count(stream) - 1; slot >= 0; slot--) {
      const group = this.at(stream, slot);
      bytes += arena.blockBytes(group) + this.pending.heldBytes(group) + this.#consumers.heldBytes(group);
      bytes += this.pending.count(group) * layoutWords.PENDING_BYTES;
      for (let index = this.consumerCount(group) - 1; index >= 0; index--) {
        const consumer = this.consumerAt(group, index);
        bytes += arena.blockBytes(consumer) + this.pendingOfConsumer.heldBytes(consumer);
      }
    }
    return bytes;
  }
}

function ignore(): void {}
