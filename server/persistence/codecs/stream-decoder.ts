/** Builds a stream from RDB, a node, a pending entry or a name at a time. The format: stream-codec.ts. */
import { IdCursor } from '../../structures/id-tree.ts';
import { totalBytes } from '../../structures/listpack.ts';
import { ENCODING_STREAM, KEY_BYTES_MAX } from '../../structures/record.ts';
import { StreamId } from '../../structures/stream-id.ts';
import type { Streams } from '../../values/stream.ts';
import { entriesReadAt } from '../../values/stream-counters.ts';
import * as words from '../../values/stream-layout.ts';
import { validateNode } from '../../values/stream-validate.ts';
import type { DetachedValue } from '../../values/value-type.ts';
import { LENGTH_64 } from '../rdb-format.ts';
import type { RdbSource } from '../rdb-source.ts';
import type { ValueDecoder } from '../value-codec.ts';

const ID_BYTES = 16;
const TWO_32 = 0x1_0000_0000;

type Stage = 'nodes' | 'node' | 'head' | 'groups' | 'group' | 'pending' | 'consumers' | 'consumer' | 'owned';

export class StreamDecoder implements ValueDecoder {
  readonly #streams: Streams;
  readonly #hasCounters: boolean;
  readonly #hasActivity: boolean;
  readonly #id = new StreamId();
  #stage: Stage = 'nodes';
  #stream: number;
  #nodesLeft = 0;
  #live = 0;
  #groupsLeft = 0;
  #group = 0;
  #pendingLeft = 0;
  #consumersLeft = 0;
  #consumer = 0;
  #ownedLeft = 0;
  #high = 0;
  #low = 0;

  constructor(streams: Streams, hasCounters: boolean, hasActivity: boolean) {
    this.#streams = streams;
    this.#hasCounters = hasCounters;
    this.#hasActivity = hasActivity;
    this.#stream = streams.create();
  }

  step(source: RdbSource): boolean {
    switch (this.#stage) {
      case 'nodes':
        source.missing = 'Stream listpacks len loading failed.';
        this.#nodesLeft = source.size();
        return this.#enter(this.#nodesLeft > 0 ? 'node' : 'head');
      case 'node':
        this.#node(source);
        return this.#enter(--this.#nodesLeft > 0 ? 'node' : 'head');
      case 'head':
        this.#head(source);
        return this.#enter('groups');
      case 'groups':
        source.missing = 'Stream cgroup count loading failed.';
        this.#groupsLeft = source.size();
        return this.#nextGroup();
      case 'group':
        this.#readGroup(source);
        return this.#enter(this.#pendingLeft > 0 ? 'pending' : 'consumers');
      case 'pending':
        this.#pending(source);
        return this.#enter(--this.#pendingLeft > 0 ? 'pending' : 'consumers');
      case 'consumers':
        source.missing = 'Stream consumers num loading failed.';
        this.#consumersLeft = source.size();
        return this.#nextConsumer(source);
      case 'consumer':
        this.#readConsumer(source);
        if (this.#ownedLeft > 0) return this.#enter('owned');
        this.#consumersLeft--;
        return this.#nextConsumer(source);
      case 'owned':
        this.#owned(source);
        if (--this.#ownedLeft > 0) return false;
        this.#consumersLeft--;
        return this.#nextConsumer(source);
    }
  }

  result(): DetachedValue {
    return { encoding: ENCODING_STREAM, root: this.#stream };
  }

  abandon(): void {
    this.#streams.release(ENCODING_STREAM, this.#stream);
    this.#stream = 0;
  }

  #enter(stage: Stage): boolean {
    this.#stage = stage;
    return false;
  }

  #nextGroup(): boolean {
    if (this.#groupsLeft === 0) return true;
    this.#groupsLeft--;
    return this.#enter('group');
  }

  /** To the next consumer, or when the group has all of them to the next group. */
  #nextConsumer(source: RdbSource): boolean {
    if (this.#consumersLeft > 0) return this.#enter('consumer');
    const { layout, groups } = this.#streams;
    const cursor = new IdCursor();
    for (let there = groups.pending.first(this.#group, cursor); there; there = groups.pending.next(cursor)) {
      if (layout.owner(groups.pending.valueAt(cursor)) === 0)
        source.fail('Stream CG PEL entry without consumer');
    }
    return this.#nextGroup();
  }

  #node(source: RdbSource): void {
    source.missing = 'Stream master ID loading failed: invalid encoding or I/O error.';
    const key = source.string();
    if (key.length !== ID_BYTES) source.fail('Stream node key entry is not the size of a stream ID');
    this.#id.readBytes(key, 0);
    source.missing = 'Stream listpacks loading failed.';
    const bytes = source.string();
    const found = validateNode(bytes);
    if (typeof found === 'string') source.fail(`Stream listpack integrity check failed: ${found}`);
    const { nodes, blocks } = this.#streams;
    const node = blocks.store(bytes, 0);
    if (blocks.bytes(node) !== totalBytes(bytes, 0)) throw new Error('a node was stored in another size');
    if (!nodes.insert(this.#stream, this.#id, node)) {
      blocks.free(node);
      source.fail('Listpack re-added with existing key');
    }
    this.#live += found;
  }

  #head(source: RdbSource): void {
    source.missing = 'Stream object metadata loading failed.';
    const length = source.size();
    const wrong = source.lenient ? length !== 0 && this.#live === 0 : length !== this.#live;
    if (wrong) source.fail('Stream length inconsistent with rax entries');
    const last = new StreamId();
    last.copyFrom(this.#readId(source));
    const first = new StreamId();
    const deleted = new StreamId();
    let added = length;
    if (this.#hasCounters) {
      first.copyFrom(this.#readId(source));
      deleted.copyFrom(this.#readId(source));
      this.#size64(source);
      added = this.#high * TWO_32 + this.#low;
    }
    const { layout, entries } = this.#streams;
    layout.setWord(this.#stream, words.STREAM_LENGTH, length);
    layout.writeId(this.#stream, words.STREAM_LAST_ID, last);
    layout.writeId(this.#stream, words.STREAM_FIRST_ID, first);
    layout.writeId(this.#stream, words.STREAM_DELETED_ID, deleted);
    layout.setNumber(this.#stream, words.STREAM_ADDED, added);
    if (!this.#hasCounters) entries.noteFirst(this.#stream);
  }

  #readGroup(source: RdbSource): void {
    source.missing = 'Error reading the consumer group name from Stream';
    const name = this.#name(source);
    source.missing = 'Stream cgroup ID loading failed.';
    const lastId = this.#readId(source);
    let entriesRead = 0;
    if (this.#hasCounters) {
      source.missing = 'Stream cgroup offset loading failed.';
      this.#size64(source);
      entriesRead = (this.#high | 0) * TWO_32 + this.#low;
    } else entriesRead = entriesReadAt(this.#streams, this.#stream, lastId);
    source.missing = 'Stream PEL size loading failed.';
    const pending = source.size();
    this.#group = this.#streams.groups.create(this.#stream, name, 0, name.length, lastId, entriesRead);
    if (this.#group === 0) source.fail(`Duplicated consumer group name ${name}`);
    this.#pendingLeft = pending;
  }

  #pending(source: RdbSource): void {
    source.missing = 'Stream PEL ID loading failed.';
    this.#id.readBytes(source.raw(ID_BYTES), 0);
    source.missing = 'Stream PEL NACK loading failed.';
    const deliveredMs = signedMilliseconds(source);
    const count = source.size();
    const { groups } = this.#streams;
    if (groups.pending.find(this.#group, this.#id) !== 0)
      source.fail('Duplicated global PEL entry loading stream consumer group');
    groups.addPending(this.#group, 0, this.#id, Math.max(deliveredMs, 0), count);
  }

  #readConsumer(source: RdbSource): void {
    source.missing = 'Error reading the consumer name from Stream group.';
    const name = this.#name(source);
    source.missing = 'Stream short read reading seen time.';
    const seenMs = signedMilliseconds(source);
    if (this.#hasActivity) source.missing = 'Stream short read reading active time.';
    const activeMs = this.#hasActivity ? signedMilliseconds(source) : seenMs;
    source.missing = 'Stream consumer PEL num loading failed.';
    const owned = source.size();
    const { groups, layout } = this.#streams;
    this.#consumer = groups.createConsumer(this.#group, name, 0, name.length, seenMs);
    if (this.#consumer === 0) source.fail('Duplicate stream consumer detected.');
    layout.setNumber(this.#consumer, words.CONSUMER_ACTIVE, activeMs);
    this.#ownedLeft = owned;
  }

  #owned(source: RdbSource): void {
    source.missing = 'Stream short read reading PEL streamID.';
    this.#id.readBytes(source.raw(ID_BYTES), 0);
    const { groups, layout } = this.#streams;
    const pending = groups.pending.find(this.#group, this.#id);
    if (pending === 0) source.fail('Consumer entry not found in group global PEL');
    if (layout.owner(pending) !== 0)
      source.fail('Duplicated consumer PEL entry  loading a stream consumer group');
    groups.assign(pending, this.#consumer, this.#id);
  }

  #name(source: RdbSource): Uint8Array {
    const name = source.string();
    if (name.length > KEY_BYTES_MAX) source.fail('the name of a consumer group or consumer is too long');
    return name;
  }

  #readId(source: RdbSource): StreamId {
    this.#size64(source);
    const high = this.#high;
    const low = this.#low;
    this.#size64(source);
    this.#id.set(high, low, this.#high, this.#low);
    return this.#id;
  }

  /** A length of 64 bits, into two words. */
  #size64(source: RdbSource): void {
    if (source.bytes[source.at] !== LENGTH_64) {
      const value = source.size();
      this.#high = Math.floor(value / TWO_32);
      this.#low = value >>> 0;
      return;
    }
    // One by one, as redis-check-rdb reads: it names where a cut file ends within the number.
    source.raw(1);
    const bytes = source.raw(8);
    this.#high = ((bytes[0] << 24) | (bytes[1] << 16) | (bytes[2] << 8) | bytes[3]) >>> 0;
    this.#low = ((bytes[4] << 24) | (bytes[5] << 16) | (bytes[6] << 8) | bytes[7]) >>> 0;
  }
}

function signedMilliseconds(source: RdbSource): number {
  const bytes = source.raw(8);
  const low = (bytes[0] | (bytes[1] << 8) | (bytes[2] << 16) | (bytes[3] << 24)) >>> 0;
  const high = bytes[4] | (bytes[5] << 8) | (bytes[6] << 16) | (bytes[7] << 24);
  return high * TWO_32 + low;
}
