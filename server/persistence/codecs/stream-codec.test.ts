import { describe, expect, it } from 'vitest';
import { Keyspace } from '../../keyspace/keyspace.ts';
import { Stats } from '../../keyspace/stats.ts';
import { IdCursor } from '../../structures/id-tree.ts';
import { Prng } from '../../structures/prng.ts';
import { ENCODING_STREAM, TYPE_STREAM } from '../../structures/record.ts';
import { StreamId } from '../../structures/stream-id.ts';
import * as layoutWords from '../../values/stream-layout.ts';
import { dumpRecord, openPayload, sealPayload } from '../dump-payload.ts';
import { NEED_MORE, RdbSource } from '../rdb-source.ts';
import { RdbWriter } from '../rdb-writer.ts';
import { RecordWriter } from '../record-writer.ts';
import { StreamCodec } from './stream-codec.ts';

function make(): { keyspace: Keyspace; writer: RecordWriter; codec: StreamCodec } {
  const keyspace = new Keyspace({ databases: 1, perSlot: false, stats: new Stats(), random: Math.random });
  keyspace.values.limits.streamNodeMaxEntries = 10;
  return { keyspace, writer: new RecordWriter(keyspace), codec: new StreamCodec(keyspace.values.streams) };
}

type Made = ReturnType<typeof make>;
const name = Buffer.from('key');
const MIN = new StreamId();
const MAX = new StreamId();
MAX.setMax();

function addEntry(made: Made, stream: number, at: number): void {
  const bytes = Buffer.from(`field${at}`);
  const words = { bytes, argStart: Int32Array.of(0, 5), argLength: Int32Array.of(5, bytes.length - 5) };
  made.keyspace.values.streams.entries.append(stream, words, 0, 1, StreamId.of(at, at % 3));
}

/** A stream with entries, deleted ones, two groups, consumers and pending entries; its key's record. */
function addStream(made: Made, entries: number): number {
  const { streams } = made.keyspace.values;
  const stream = streams.create();
  for (let at = 1; at <= entries; at++) addEntry(made, stream, at);
  for (let at = 5; at < entries; at += 7) streams.entries.delete(stream, StreamId.of(at, at % 3));
  const wide = new StreamId();
  wide.set(0xffffffff, 0xfffffffe, 0x80000000, 7);
  for (const [group, lastId, read] of [
    ['a', wide, -1],
    ['team', StreamId.of(4, 0), 3],
  ] as const) {
    const ref = streams.groups.create(stream, Buffer.from(group), 0, group.length, lastId, read);
    for (const who of ['x', 'yy', 'nobody']) {
      const consumer = streams.groups.createConsumer(ref, Buffer.from(who), 0, who.length, 1_700_000_000_123);
      if (who === 'nobody') continue;
      streams.layout.setNumber(consumer, layoutWords.CONSUMER_ACTIVE, 1_700_000_000_999);
      for (let at = who === 'x' ? 1 : 2; at <= entries; at += 2)
        streams.groups.addPending(ref, consumer, StreamId.of(at, at % 3), 1_700_000_000_000 + at, at);
    }
  }
  return made.keyspace.databases[0].addValue(name, 0, 3, TYPE_STREAM, ENCODING_STREAM, stream);
}

/** All that a stream holds, as text. */
function describeStream(made: Made, stream: number, counters: boolean, activity: boolean): string[] {
  const { streams } = made.keyspace.values;
  const { layout, groups } = streams;
  const id = new StreamId();
  const idAt = (ref: number, word: number): string => {
    layout.readId(ref, word, id);
    return id.toString();
  };
  const lines = [`${streams.length(stream)} last ${idAt(stream, layoutWords.STREAM_LAST_ID)}`];
  lines.push(`first ${idAt(stream, layoutWords.STREAM_FIRST_ID)}`);
  if (counters)
    lines.push(`deleted ${idAt(stream, layoutWords.STREAM_DELETED_ID)} of ${streams.added(stream)}`);
  const iterator = streams.iterator();
  iterator.begin(stream, MIN, MAX, false);
  while (iterator.next()) {
    const line = [iterator.id.toString()];
    for (let left = iterator.fields; left > 0; left--) {
      iterator.nextField();
      line.push(String(iterator.field.copyText(iterator.view.bytes)));
      line.push(String(iterator.value.copyText(iterator.view.bytes)));
    }
    lines.push(line.join(' '));
  }
  const cursor = new IdCursor();
  for (let slot = 0; slot < groups.count(stream); slot++) {
    const group = groups.at(stream, slot);
    lines.push(
      `group ${layout.name(group, layoutWords.GROUP_NAME)} ${idAt(group, layoutWords.GROUP_LAST_ID)}`,
    );
    if (counters) lines.push(`read ${layout.number(group, layoutWords.GROUP_READ)}`);
    for (let index = 0; index < groups.consumerCount(group); index++) {
      const consumer = groups.consumerAt(group, index);
      const seen = layout.number(consumer, layoutWords.CONSUMER_SEEN);
      lines.push(`consumer ${layout.name(consumer, layoutWords.CONSUMER_NAME)} ${seen}`);
      if (activity) lines.push(`active ${layout.number(consumer, layoutWords.CONSUMER_ACTIVE)}`);
      const tree = groups.pendingOfConsumer;
      for (let there = tree.first(consumer, cursor); there; there = tree.next(cursor)) {
        tree.idAt(cursor, id);
        const pending = tree.valueAt(cursor);
        lines.push(`${id} ${layout.deliveredMs(pending)} ${layout.deliveries(pending)}`);
      }
    }
  }
  return lines;
}

/** Decodes bytes that come in pieces; the root of the stream. */
function decode(made: Made, rdbType: number, bytes: Uint8Array, pieceBytes: number): number {
  const decoder = made.codec.decoder(rdbType);
  const source = new RdbSource();
  for (let end = pieceBytes; ; end += pieceBytes) {
    source.bytes = Buffer.from(bytes);
    source.end = Math.min(end, bytes.length);
    for (;;) {
      source.settle();
      try {
        if (!decoder.step(source)) continue;
        expect(source.at).toBe(bytes.length);
        return decoder.result().root;
      } catch (error) {
        if (error !== NEED_MORE || end >= bytes.length) throw error;
        source.at = source.stepStart;
        break;
      }
    }
  }
}

describe('StreamCodec', () => {
  it('brings back what it wrote in every version, whole and in pieces', () => {
    for (const [version, rdbType] of [
      [9, 15],
      [10, 19],
      [11, 21],
      [80, 21],
    ] as const) {
      const made = make();
      const ref = addStream(made, 57);
      expect(made.codec.rdbType(ref, version)).toBe(rdbType);
      const writer = new RdbWriter(true);
      made.codec.write(writer, ref, version);
      const bytes = writer.take();
      const counters = rdbType >= 19;
      const expected = describeStream(made, made.keyspace.values.streams.root(ref), counters, rdbType === 21);
      for (const piece of [1, 7, 100, bytes.length]) {
        const other = make();
        const root = decode(other, rdbType, bytes, piece);
        expect(describeStream(other, root, counters, rdbType === 21)).toEqual(expected);
        other.keyspace.values.streams.release(ENCODING_STREAM, root);
        expect(other.keyspace.arena.usedBytes).toBe(0);
      }
    }
  });

  it('keeps an empty stream, its last id and its groups', () => {
    const made = make();
    const { streams } = made.keyspace.values;
    const stream = streams.create();
    streams.layout.writeId(stream, layoutWords.STREAM_LAST_ID, StreamId.of(9, 9));
    streams.groups.create(stream, name, 0, 3, MIN, -1);
    const ref = made.keyspace.databases[0].addValue(name, 0, 3, TYPE_STREAM, ENCODING_STREAM, stream);
    const opened = openPayload(dumpRecord(made.writer, ref), made.writer.codecs, { checksum: false });
    if (opened.kind !== 'value') throw new Error('no value');
    expect(describeStream(made, opened.value.root, true, true)).toEqual(
      describeStream(made, stream, true, true),
    );
  });

  it.each([1, 2, 3, 4, 5, 6])(
    'writes in pieces what a stream was, whatever happens meanwhile, seed %i',
    (seed) => {
      const random = new Prng(seed);
      const made = make();
      const { streams } = made.keyspace.values;
      const ref = addStream(made, 400);
      const stream = streams.root(ref);
      const whole = new RdbWriter(false);
      made.codec.write(whole, ref, 11);
      const pieces = made.codec.pieces(ref, 11);
      if (pieces === null) throw new Error('a stream of 40 nodes is written at once');
      expect(made.codec.pieces(ref, 11)).toBeNull();
      const writer = new RdbWriter(false);
      pieces.head(writer);
      let clock = 400;
      for (let done = false; !done; done = pieces.step(writer)) {
        for (let change = random.below(60); change > 0; change--) {
          const at = 1 + random.below(clock);
          const kind = random.below(seed === 6 ? 40 : 400);
          if (kind === 0) {
            const maxLength = random.below(300);
            streams.entries.trim(stream, { maxLength, minId: null, approximate: false, limit: 0 });
          } else if (random.below(2) === 0) addEntry(made, stream, ++clock);
          else streams.entries.delete(stream, StreamId.of(at, at % 3));
        }
        if (seed === 5) {
          streams.groups.find(stream, Buffer.from('a'), 0, 1);
          if (streams.groups.count(stream) > 1) {
            const group = streams.groups.at(stream, 0);
            streams.groups.removeFound(stream);
            streams.groups.releaseSome(group, Number.POSITIVE_INFINITY);
          }
        }
        if (seed === 4 && made.keyspace.databases[0].size > 0) made.keyspace.databases[0].remove(name, 0, 3);
      }
      pieces.end();
      expect(Buffer.from(writer.take()).equals(Buffer.from(whole.take()))).toBe(true);
      made.keyspace.databases[0].flush();
      expect(made.keyspace.arena.usedBytes).toBe(0);
    },
  );

  it('writes commands that name all of it', () => {
    const made = make();
    const commands: string[] = [];
    made.codec.commands(addStream(made, 9), name, (words) => commands.push(words.join(' ')));
    expect(commands[0]).toBe('XADD key 1-1 field 1');
    expect(commands).toContain('XSETID key 9-0 ENTRIESADDED 9 MAXDELETEDID 0-0');
    expect(commands).toContain('XGROUP CREATE key team 4-0 ENTRIESREAD 3');
    expect(commands).toContain('XGROUP CREATECONSUMER key team nobody');
    expect(commands).toContain('XCLAIM key team yy 0 4-1 TIME 1700000000004 RETRYCOUNT 4 JUSTID FORCE');
  });

  it('refuses every cut and survives garbage without a leak', () => {
    const made = make();
    const whole = dumpRecord(made.writer, addStream(made, 12), false).slice(0, -10);
    made.keyspace.databases[0].remove(name, 0, 3);
    const { streams } = made.keyspace.values;
    const before = made.keyspace.arena.usedBytes;
    const open = (payload: Uint8Array): boolean => {
      const opened = openPayload(sealPayload(payload, 11), made.writer.codecs, { checksum: false });
      if (opened.kind !== 'value') return false;
      const { root } = opened.value;
      describeStream(made, root, true, true);
      for (let at = 1; at <= 12; at++) streams.entries.delete(root, StreamId.of(at, at % 3));
      streams.entries.trim(root, { maxLength: 2, minId: null, approximate: false, limit: 0 });
      addEntry(made, root, 5_000_000);
      streams.release(ENCODING_STREAM, root);
      return true;
    };
    for (let length = 1; length < whole.length; length++) expect(open(whole.subarray(0, length))).toBe(false);
    expect(open(whole)).toBe(true);
    const random = new Prng(Date.now() % 1_000_000);
    for (let round = 0; round < 20_000; round++) {
      const broken = Buffer.from(whole);
      for (let change = random.below(4); change >= 0; change--)
        broken[1 + random.below(broken.length - 1)] = random.below(256);
      try {
        open(broken);
      } catch (error) {
        throw new Error(`seed ${random.seed}, round ${round}: ${broken.toString('hex')}`, { cause: error });
      }
    }
    expect(made.keyspace.arena.usedBytes).toBe(before);
  });
});
