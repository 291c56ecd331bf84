/**
 * Streams in RDB: types 15 (Redis 5), 19 (7.0) and 21 (7.2).
 *
 *   stream    = nodes, (16 bytes id, listpack)*, length, last id,
 *               [first id, greatest deleted id, entries ever added]                            from 19 on
 *               groups, group*
 *   group     = name, last id, [entries read]                                                 from 19 on
 *               pending, (16 bytes id, delivered ms in 8 bytes LE, count)*, consumers, consumer*
 *   consumer  = name, seen ms, [active ms]                                                    from 21 on
 *               pending, (16 bytes id)*
 *
 * The halves of an id are lengths of up to 64 bits; "entries read: unknown" is -1 as one of them.
 */
import { IdCursor } from '../../structures/id-tree.ts';
import { TYPE_STREAM } from '../../structures/record.ts';
import { StreamId } from '../../structures/stream-id.ts';
import type { Streams } from '../../values/stream.ts';
import * as words from '../../values/stream-layout.ts';
import { NodeView } from '../../values/stream-nodes.ts';
import type { StreamSnapshot } from '../../values/stream-snapshot.ts';
import { LENGTH_64 } from '../rdb-format.ts';
import { RdbWriter } from '../rdb-writer.ts';
import type { PieceWriter, ValueCodec, ValueDecoder } from '../value-codec.ts';
import { streamCommands } from './stream-commands.ts';
import { StreamDecoder } from './stream-decoder.ts';

export const RDB_STREAM_1 = 15;
export const RDB_STREAM_2 = 19;
export const RDB_STREAM_3 = 21;

const VERSION_STREAM_2 = 10;
const VERSION_STREAM_3 = 11;
const ID_BYTES = 16;
/** Streams of more nodes are written in pieces of so many nodes. */
const NODES_PER_PIECE = 8;

export class StreamCodec implements ValueCodec {
  readonly type = TYPE_STREAM;
  readonly reads = [RDB_STREAM_1, RDB_STREAM_2, RDB_STREAM_3];
  readonly #streams: Streams;
  readonly #id = new StreamId();
  readonly #idBytes = new Uint8Array(ID_BYTES);

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  rdbType(_ref: number, version: number): number {
    return version >= VERSION_STREAM_3
      ? RDB_STREAM_3
      : version >= VERSION_STREAM_2
        ? RDB_STREAM_2
        : RDB_STREAM_1;
  }

  write(writer: RdbWriter, ref: number, version: number): void {
    const streams = this.#streams;
    const { nodes } = streams;
    const stream = streams.root(ref);
    const cursor = new IdCursor();
    const view = new NodeView();
    writer.size(nodes.count(stream));
    for (let there = nodes.first(stream, cursor); there; there = nodes.next(cursor)) {
      nodes.idAt(cursor, this.#id);
      this.#id.writeBytes(this.#idBytes, 0);
      writer.string(this.#idBytes, 0, ID_BYTES);
      const node = nodes.valueAt(cursor);
      streams.blocks.open(node, view);
      writer.string(view.bytes, view.start, view.start + streams.blocks.bytes(node));
    }
    this.#writeRest(writer, stream, version);
  }

  pieces(ref: number, version: number): PieceWriter | null {
    const streams = this.#streams;
    const stream = streams.root(ref);
    if (streams.nodes.count(stream) <= NODES_PER_PIECE || streams.entries.snapshots.has(stream)) return null;
    const rest = new RdbWriter(false);
    this.#writeRest(rest, stream, version);
    return new StreamPieces(streams, streams.snapshot(stream), rest.take());
  }

  /** All that stands behind the nodes. */
  #writeRest(writer: RdbWriter, stream: number, version: number): void {
    const streams = this.#streams;
    const { groups } = streams;
    writer.size(streams.length(stream));
    this.#writeId(writer, stream, words.STREAM_LAST_ID);
    if (version >= VERSION_STREAM_2) {
      this.#writeId(writer, stream, words.STREAM_FIRST_ID);
      this.#writeId(writer, stream, words.STREAM_DELETED_ID);
      this.#writeNumber(writer, stream, words.STREAM_ADDED);
    }
    writer.size(groups.count(stream));
    for (let slot = 0; slot < groups.count(stream); slot++) {
      const group = groups.at(stream, slot);
      this.#writeName(writer, group, words.GROUP_NAME);
      this.#writeId(writer, group, words.GROUP_LAST_ID);
      if (version >= VERSION_STREAM_2) this.#writeNumber(writer, group, words.GROUP_READ);
      this.#writePending(writer, group);
      writer.size(groups.consumerCount(group));
      for (let index = 0; index < groups.consumerCount(group); index++)
        this.#writeConsumer(writer, groups.consumerAt(group, index), version);
    }
  }

  decoder(rdbType: number): ValueDecoder {
    return new StreamDecoder(this.#streams, rdbType >= RDB_STREAM_2, rdbType >= RDB_STREAM_3);
  }

  commands(ref: number, key: Uint8Array, put: (words: readonly Uint8Array[]) => void): void {
    streamCommands(this.#streams, ref, key, put);
  }

  #writePending(writer: RdbWriter, group: number): void {
    const { layout, groups } = this.#streams;
    const cursor = new IdCursor();
    writer.size(groups.pending.count(group));
    for (let there = groups.pending.first(group, cursor); there; there = groups.pending.next(cursor)) {
      groups.pending.idAt(cursor, this.#id);
      this.#id.writeBytes(this.#idBytes, 0);
      writer.raw(this.#idBytes, 0, ID_BYTES);
      const pending = groups.pending.valueAt(cursor);
      writeMilliseconds(writer, layout.deliveredMs(pending));
      writer.size(layout.deliveries(pending));
    }
  }

  #writeConsumer(writer: RdbWriter, consumer: number, version: number): void {
    const { layout, groups } = this.#streams;
    const tree = groups.pendingOfConsumer;
    const cursor = new IdCursor();
    this.#writeName(writer, consumer, words.CONSUMER_NAME);
    writeMilliseconds(writer, layout.number(consumer, words.CONSUMER_SEEN));
    if (version >= VERSION_STREAM_3)
      writeMilliseconds(writer, layout.number(consumer, words.CONSUMER_ACTIVE));
    writer.size(tree.count(consumer));
    for (let there = tree.first(consumer, cursor); there; there = tree.next(cursor)) {
      tree.idAt(cursor, this.#id);
      this.#id.writeBytes(this.#idBytes, 0);
      writer.raw(this.#idBytes, 0, ID_BYTES);
    }
  }

  #writeName(writer: RdbWriter, ref: number, nameWord: number): void {
    const name = this.#streams.layout.name(ref, nameWord);
    writer.string(name, 0, name.length);
  }

  #writeId(writer: RdbWriter, ref: number, word: number): void {
    this.#streams.layout.readId(ref, word, this.#id);
    writeSize64(writer, this.#id.msHigh, this.#id.msLow);
    writeSize64(writer, this.#id.seqHigh, this.#id.seqLow);
  }

  #writeNumber(writer: RdbWriter, ref: number, word: number): void {
    const { layout } = this.#streams;
    writeSize64(writer, layout.word(ref, word + 1), layout.word(ref, word));
  }
}

/**
 * The nodes that a stream had when this was made, and what stood behind them then: groups are few and
 * written at once.
 */
class StreamPieces implements PieceWriter {
  readonly #streams: Streams;
  readonly #snapshot: StreamSnapshot;
  readonly #rest: Uint8Array;
  readonly #idBytes = new Uint8Array(ID_BYTES);

  constructor(streams: Streams, snapshot: StreamSnapshot, rest: Uint8Array) {
    this.#streams = streams;
    this.#snapshot = snapshot;
    this.#rest = rest;
  }

  head(writer: RdbWriter): void {
    writer.size(this.#snapshot.left);
  }

  step(writer: RdbWriter): boolean {
    const snapshot = this.#snapshot;
    for (let left = NODES_PER_PIECE; left > 0; left--) {
      if (!snapshot.next()) {
        writer.raw(this.#rest, 0, this.#rest.length);
        return true;
      }
      snapshot.id.writeBytes(this.#idBytes, 0);
      writer.string(this.#idBytes, 0, ID_BYTES);
      writer.string(snapshot.view.bytes, snapshot.view.start, snapshot.view.start + snapshot.bytes);
    }
    return false;
  }

  end(): void {
    this.#streams.endSnapshot(this.#snapshot);
  }
}

/** A length of 64 bits. */
function writeSize64(writer: RdbWriter, high: number, low: number): void {
  if (high === 0) {
    writer.size(low);
    return;
  }
  writer.byte(LENGTH_64);
  for (let shift = 24; shift >= 0; shift -= 8) writer.byte((high >>> shift) & 255);
  for (let shift = 24; shift >= 0; shift -= 8) writer.byte((low >>> shift) & 255);
}

/** An int64, little-endian. */
function writeMilliseconds(writer: RdbWriter, ms: number): void {
  const high = Math.floor(ms / 0x1_0000_0000);
  for (let shift = 0; shift < 32; shift += 8) writer.byte((ms >>> shift) & 255);
  for (let shift = 0; shift < 32; shift += 8) writer.byte((high >>> shift) & 255);
}
