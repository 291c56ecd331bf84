/** Streams: the type, and what its commands share. A stream is named by the root of its key's record. */
import { IdCursor, IdTree } from '../structures/id-tree.ts';
import { ENCODING_STREAM, TYPE_STREAM } from '../structures/record.ts';
import { StreamId } from '../structures/stream-id.ts';
import { StreamEntries } from './stream-entries.ts';
import { StreamGroups } from './stream-groups.ts';
import { StreamIterator } from './stream-iterator.ts';
import * as words from './stream-layout.ts';
import { StreamLayout } from './stream-layout.ts';
import { NodeView, StreamNodes } from './stream-nodes.ts';
import { StreamSnapshot } from './stream-snapshot.ts';
import type { ValueStore } from './value-store.ts';
import type { DetachedValue, ValueType } from './value-type.ts';

export class Streams implements ValueType {
  readonly type = TYPE_STREAM;
  readonly name = 'stream';
  readonly layout: StreamLayout;
  /** Node ids to the listpacks of a stream. */
  readonly nodes: IdTree;
  readonly blocks: StreamNodes;
  readonly entries: StreamEntries;
  readonly groups: StreamGroups;
  /** A walk for who ends it before anything else runs. */
  readonly walk: StreamIterator;
  readonly #store: ValueStore;

  constructor(store: ValueStore) {
    this.#store = store;
    this.layout = new StreamLayout(store.arena);
    this.nodes = new IdTree(store.arena, words.STREAM_NODES);
    this.blocks = new StreamNodes(store.arena);
    this.entries = new StreamEntries(store, this.layout, this.nodes, this.blocks);
    this.groups = new StreamGroups(this.layout);
    this.walk = this.iterator();
  }

  get limits(): ValueStore['limits'] {
    return this.#store.limits;
  }

  encodingName(): string {
    return 'stream';
  }

  /** The stream of a key's record. */
  root(ref: number): number {
    return this.#store.records.root(ref);
  }

  count(ref: number): number {
    return this.length(this.root(ref));
  }

  /** An empty stream that belongs to no key yet. */
  create(): number {
    const stream = this.#store.arena.allocate(words.STREAM_BYTES);
    for (let index = 0; index < words.STREAM_BYTES / 4; index++) this.layout.setWord(stream, index, 0);
    return stream;
  }

  iterator(): StreamIterator {
    return new StreamIterator(this.nodes, this.blocks);
  }

  length(stream: number): number {
    return this.layout.word(stream, words.STREAM_LENGTH);
  }

  /** Entries ever added, deleted ones included. */
  added(stream: number): number {
    return this.layout.number(stream, words.STREAM_ADDED);
  }

  /** Begins a snapshot of the nodes; `endSnapshot` must follow. One at a time for each stream. */
  snapshot(stream: number): StreamSnapshot {
    const { snapshots } = this.entries;
    if (snapshots.has(stream)) throw new Error('a stream is in two snapshots at once');
    const snapshot = new StreamSnapshot(stream, this.nodes, this.blocks, this.#store.arena);
    snapshots.set(stream, snapshot);
    return snapshot;
  }

  endSnapshot(snapshot: StreamSnapshot): void {
    this.entries.snapshots.delete(snapshot.stream);
    snapshot.end();
    if (snapshot.orphaned) this.release(ENCODING_STREAM, snapshot.stream);
  }

  release(encoding: number, root: number): void {
    this.releaseSome(encoding, root, Number.POSITIVE_INFINITY);
  }

  releaseSome(_encoding: number, root: number, budget: number): number {
    const snapshot = this.entries.snapshots.get(root);
    if (snapshot !== undefined) {
      snapshot.orphaned = true;
      return 0;
    }
    const before = this.nodes.count(root);
    if (!this.nodes.releaseSome(root, budget, (node) => this.blocks.free(node))) return root;
    if (budget - before <= 0) return root;
    if (!this.groups.releaseAll(root, budget - before)) return root;
    this.#store.arena.free(root);
    return 0;
  }

  effort(_encoding: number, root: number): number {
    let effort = this.nodes.count(root);
    for (let slot = this.groups.count(root) - 1; slot >= 0; slot--)
      effort += 1 + this.groups.pending.count(this.groups.at(root, slot));
    return effort;
  }

  copy(ref: number): DetachedValue {
    const from = this.root(ref);
    const to = this.create();
    const { layout } = this;
    for (let index = words.STREAM_LENGTH; index < words.STREAM_GROUPS; index++)
      layout.setWord(to, index, layout.word(from, index));
    const cursor = new IdCursor();
    const id = new StreamId();
    const view = new NodeView();
    for (let there = this.nodes.first(from, cursor); there; there = this.nodes.next(cursor)) {
      this.nodes.idAt(cursor, id);
      this.blocks.open(this.nodes.valueAt(cursor), view);
      this.nodes.insert(to, id, this.blocks.store(view.bytes, view.start));
    }
    for (let slot = 0; slot < this.groups.count(from); slot++)
      this.#copyGroup(this.groups.at(from, slot), to);
    return { encoding: ENCODING_STREAM, root: to };
  }

  heldBytes(ref: number, samples: number): number {
    const stream = this.root(ref);
    const nodes = this.nodes.count(stream);
    const looked = samples === 0 ? nodes : Math.min(samples, nodes);
    const cursor = new IdCursor();
    let bytes = 0;
    let there = this.nodes.first(stream, cursor);
    for (let left = looked; left > 0 && there; left--, there = this.nodes.next(cursor))
      bytes += this.blocks.heldBytes(this.nodes.valueAt(cursor));
    if (looked > 0) bytes = Math.round((bytes / looked) * nodes);
    return words.STREAM_BYTES + this.nodes.heldBytes(stream) + bytes + this.groups.heldBytes(stream);
  }

  #copyGroup(from: number, stream: number): void {
    const { layout, groups } = this;
    const id = new StreamId();
    const name = layout.name(from, words.GROUP_NAME);
    layout.readId(from, words.GROUP_LAST_ID, id);
    const group = groups.create(stream, name, 0, name.length, id, layout.number(from, words.GROUP_READ));
    for (let slot = 0; slot < groups.consumerCount(from); slot++) {
      const old = groups.consumerAt(from, slot);
      const own = layout.name(old, words.CONSUMER_NAME);
      const seen = layout.number(old, words.CONSUMER_SEEN);
      const consumer = groups.createConsumer(group, own, 0, own.length, seen);
      layout.setNumber(consumer, words.CONSUMER_ACTIVE, layout.number(old, words.CONSUMER_ACTIVE));
      const cursor = new IdCursor();
      const tree = groups.pendingOfConsumer;
      for (let there = tree.first(old, cursor); there; there = tree.next(cursor)) {
        const pending = tree.valueAt(cursor);
        tree.idAt(cursor, id);
        groups.addPending(group, consumer, id, layout.deliveredMs(pending), layout.deliveries(pending));
      }
    }
  }
}
