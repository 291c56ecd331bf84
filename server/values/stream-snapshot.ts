/**
 * The nodes that a stream had at one moment, for who writes them one by one while the stream changes.
 *
 *   nodes by id:   written | not yet written ............ last one at that moment | newer
 *                            changed since: kept here as they were; the others are those of the stream
 *
 * A node that is not yet written is kept once, when it changes first: as a copy, or as itself when it leaves
 * the stream. Newer nodes have greater ids and nobody cares for them. A stream whose key goes stays until the
 * end.
 */
import type { Arena } from '../structures/arena.ts';
import { ID_TREE_WORDS, IdCursor, type IdTree } from '../structures/id-tree.ts';
import { StreamId } from '../structures/stream-id.ts';
import { NodeView, type StreamNodes } from './stream-nodes.ts';

export class StreamSnapshot {
  readonly stream: number;
  /** The key has gone: the stream is the snapshot's to free. */
  orphaned = false;
  /** The node that `next` opened. */
  readonly id = new StreamId();
  readonly view = new NodeView();
  bytes = 0;
  readonly #nodes: IdTree;
  readonly #blocks: StreamNodes;
  readonly #arena: Arena;
  /** Head of the tree of nodes that are kept. */
  readonly #kept: number;
  readonly #from = new StreamId();
  readonly #last = new StreamId();
  readonly #cursor = new IdCursor();
  readonly #keptId = new StreamId();
  #left: number;

  constructor(stream: number, nodes: IdTree, blocks: StreamNodes, arena: Arena) {
    this.stream = stream;
    this.#nodes = nodes;
    this.#blocks = blocks;
    this.#arena = arena;
    this.#kept = arena.allocate(ID_TREE_WORDS * 4);
    nodes.clear(this.#kept);
    this.#left = nodes.count(stream);
    if (nodes.last(stream, this.#cursor)) nodes.idAt(this.#cursor, this.#last);
  }

  /** Nodes that `next` has not opened. */
  get left(): number {
    return this.#left;
  }

  /** Opens the next node as it was; false behind the last one. What the last call opened may go. */
  next(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    const cursor = this.#cursor;
    const isKept = this.#nodes.seek(this.#kept, this.#from, cursor);
    let node = 0;
    if (isKept) {
      this.#nodes.idAt(cursor, this.#keptId);
      node = this.#nodes.valueAt(cursor);
    }
    // The stream's own one comes first only when it is below all that are kept.
    if (this.#nodes.seek(this.stream, this.#from, cursor)) {
      this.#nodes.idAt(cursor, this.id);
      if (!isKept || this.id.compare(this.#keptId) < 0) {
        this.#open(this.#nodes.valueAt(cursor));
        return true;
      }
    }
    if (!isKept) throw new Error('a node of a stream is lost to its snapshot');
    this.id.copyFrom(this.#keptId);
    this.#open(node);
    return true;
  }

  /** A node is about to change: keeps a copy if that is still to be written. */
  beforeChange(id: StreamId, node: number): void {
    if (!this.#wants(id)) return;
    const view = new NodeView();
    this.#blocks.open(node, view);
    this.#nodes.insert(this.#kept, id, this.#blocks.store(view.bytes, view.start));
  }

  /** A node has left the stream: true when it is kept, otherwise the caller frees it. */
  take(id: StreamId, node: number): boolean {
    return this.#wants(id) && this.#nodes.insert(this.#kept, id, node);
  }

  /** Frees what is kept. */
  end(): void {
    this.#nodes.releaseSome(this.#kept, Number.POSITIVE_INFINITY, (node) => this.#blocks.free(node));
    this.#arena.free(this.#kept);
  }

  #wants(id: StreamId): boolean {
    if (this.#left === 0 || id.compare(this.#from) < 0 || id.compare(this.#last) > 0) return false;
    return this.#nodes.find(this.#kept, id) === 0;
  }

  #open(node: number): void {
    this.#blocks.open(node, this.view);
    this.bytes = this.#blocks.bytes(node);
    this.#from.copyFrom(this.id);
    this.#from.increment();
  }
}
