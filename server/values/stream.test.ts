import { describe, expect, test } from 'vitest';
import { Arena } from '../structures/arena.ts';
import { IdCursor } from '../structures/id-tree.ts';
import { Prng } from '../structures/prng.ts';
import { ENCODING_STREAM, Records, TYPE_STREAM } from '../structures/record.ts';
import { StreamId } from '../structures/stream-id.ts';
import { Streams } from './stream.ts';
import type { Words } from './stream-entries.ts';
import * as layoutWords from './stream-layout.ts';
import { NodeView } from './stream-nodes.ts';
import { validateNode } from './stream-validate.ts';
import { ValueStore } from './value-store.ts';

function makeStreams(): { arena: Arena; store: ValueStore; streams: Streams } {
  const arena = new Arena();
  const store = new ValueStore(arena, new Records(arena), Math.random);
  return { arena, store, streams: new Streams(store) };
}

function wordsOf(texts: readonly string[]): Words {
  const parts = texts.map((text) => Buffer.from(text, 'latin1'));
  const argStart = new Int32Array(parts.length);
  const argLength = new Int32Array(parts.length);
  let at = 0;
  for (const [index, part] of parts.entries()) {
    argStart[index] = at;
    argLength[index] = part.length;
    at += part.length;
  }
  return { bytes: Buffer.concat(parts), argStart, argLength };
}

type Entry = readonly [id: string, ...words: string[]];

function entriesOf(
  streams: Streams,
  stream: number,
  from: StreamId,
  to: StreamId,
  reverse: boolean,
): Entry[] {
  const found: Entry[] = [];
  const iterator = streams.iterator();
  iterator.begin(stream, from, to, reverse);
  while (iterator.next()) {
    const texts: string[] = [];
    for (let left = iterator.fields; left > 0; left--) {
      iterator.nextField();
      texts.push(iterator.field.copyText(iterator.view.bytes).toString('latin1'));
      texts.push(iterator.value.copyText(iterator.view.bytes).toString('latin1'));
    }
    found.push([iterator.id.toString(), ...texts]);
  }
  return found;
}

const MIN = new StreamId();
const MAX = new StreamId();
MAX.setMax();

function checkNodes(streams: Streams, stream: number): void {
  const cursor = new IdCursor();
  const view = new NodeView();
  let live = 0;
  for (let there = streams.nodes.first(stream, cursor); there; there = streams.nodes.next(cursor)) {
    const node = streams.nodes.valueAt(cursor);
    streams.blocks.open(node, view);
    const found = validateNode(view.bytes.subarray(view.start, view.start + streams.blocks.bytes(node)));
    expect(found).toBeTypeOf('number');
    live += Number(found);
  }
  expect(live).toBe(streams.length(stream));
}

describe('Streams', () => {
  test.each([1, 2, 3, 4])('behave as a list of entries under random changes, seed %i', (seed) => {
    const random = new Prng(seed);
    const { arena, store, streams } = makeStreams();
    store.limits.streamNodeMaxEntries = [100, 5, 0, 300][seed - 1] as number;
    store.limits.streamNodeMaxBytes = [4096, 0, 300, 100_000][seed - 1] as number;
    const stream = streams.create();
    let model: { at: number; entry: Entry }[] = [];
    let clock = 0;
    for (let step = 0; step < 3000; step++) {
      const kind = random.below(20);
      if (kind < 14) {
        clock += 1 + random.below(3);
        const pairs = 1 + random.below(3);
        const texts = Array.from({ length: pairs * 2 }, (_, index) =>
          index % 2 === 0
            ? `f${random.below(8) === 0 ? index : 0}`
            : String(random.below(100_000)).repeat(1 + random.below(4)),
        );
        const id = StreamId.of(clock, clock % 7);
        streams.entries.append(stream, wordsOf(texts), 0, pairs, id);
        model.push({ at: clock, entry: [id.toString(), ...texts] });
      } else if (kind < 18 && model.length > 0) {
        const at = clock - random.below(200);
        const there = model.some((item) => item.at === at);
        expect(streams.entries.delete(stream, StreamId.of(at, Math.max(at, 0) % 7))).toBe(at > 0 && there);
        model = model.filter((item) => item.at !== at);
      } else if (kind === 18 && random.below(10) === 0) {
        const maxLength = random.below(150);
        const trim = { maxLength, minId: null, approximate: false, limit: 0 };
        expect(streams.entries.trim(stream, trim)).toBe(Math.max(0, model.length - maxLength));
        model = model.slice(Math.max(0, model.length - maxLength));
      } else if (random.below(10) === 0) {
        const at = Math.max(0, clock - random.below(300));
        const trim = { maxLength: 0, minId: StreamId.of(at, 0), approximate: false, limit: 0 };
        const left = model.filter((item) => item.at >= at);
        expect(streams.entries.trim(stream, trim)).toBe(model.length - left.length);
        model = left;
      }
      expect(streams.length(stream)).toBe(model.length);
      if (step % 100 !== 0) continue;
      checkNodes(streams, stream);
      expect(entriesOf(streams, stream, MIN, MAX, false)).toEqual(model.map((item) => item.entry));
      const from = Math.max(0, clock - random.below(200));
      const to = from + random.below(100);
      const within = model.filter((item) => item.at >= from && item.at < to).map((item) => item.entry);
      const [first, end] = [StreamId.of(from, 0), StreamId.of(to, 0)];
      end.decrement();
      if (to === 0) continue;
      expect(entriesOf(streams, stream, first, end, false)).toEqual(within);
      expect(entriesOf(streams, stream, first, end, true)).toEqual(within.reverse());
    }
    streams.release(ENCODING_STREAM, stream);
    expect(arena.usedBytes).toBe(0);
  });

  test('an entry larger than a block is kept in chunks, found, marked and freed', () => {
    const { arena, streams } = makeStreams();
    const stream = streams.create();
    const large = 'x'.repeat(9_000_000);
    streams.entries.append(stream, wordsOf(['a', 'b']), 0, 1, StreamId.of(1, 0));
    streams.entries.append(stream, wordsOf(['big', large, 'small', '7']), 0, 2, StreamId.of(2, 0));
    streams.entries.append(stream, wordsOf(['a', 'c']), 0, 1, StreamId.of(3, 0));
    expect(streams.nodes.count(stream)).toBe(3);
    const found = entriesOf(streams, stream, MIN, MAX, true);
    expect(found.map(([id]) => id)).toEqual(['3-0', '2-0', '1-0']);
    expect(found[1]?.[2]).toBe(large);
    expect(found[1]?.[4]).toBe('7');
    expect(streams.entries.delete(stream, StreamId.of(2, 0))).toBe(true);
    expect(streams.length(stream)).toBe(2);
    streams.release(ENCODING_STREAM, stream);
    expect(arena.usedBytes).toBe(0);
  });

  test('a copy has all of it and nothing in common with the original; both are freed in steps', () => {
    const { arena, store, streams } = makeStreams();
    const stream = streams.create();
    for (let at = 1; at <= 700; at++)
      streams.entries.append(stream, wordsOf(['field', String(at)]), 0, 1, StreamId.of(at, 0));
    for (const name of ['b', 'a']) {
      const group = streams.groups.create(stream, Buffer.from(name), 0, 1, StreamId.of(9, 1), 5);
      for (const who of ['x', 'y']) {
        const consumer = streams.groups.createConsumer(group, Buffer.from(who), 0, 1, 77);
        for (let at = 1; at <= 300; at++)
          if (at % 2 === (who === 'x' ? 0 : 1))
            streams.groups.addPending(group, consumer, StreamId.of(at, 0), 5, at);
      }
    }
    const ref = arena.allocate(Records.inlineBytes(1, 0, false));
    store.records.writeHeader(ref, TYPE_STREAM | (ENCODING_STREAM << 4), 0, 1, stream, -1, false);
    const copy = streams.copy(ref).root;
    expect(entriesOf(streams, copy, MIN, MAX, false)).toEqual(entriesOf(streams, stream, MIN, MAX, false));
    expect(streams.groups.count(copy)).toBe(2);
    const group = streams.groups.at(copy, 0);
    expect(streams.layout.name(group, layoutWords.GROUP_NAME).toString()).toBe('a');
    expect(streams.groups.pending.count(group)).toBe(300);
    const pending = streams.groups.pending.find(group, StreamId.of(8, 0));
    expect(streams.layout.deliveries(pending)).toBe(8);
    const owner = streams.layout.owner(pending);
    expect(streams.layout.name(owner, layoutWords.CONSUMER_NAME).toString()).toBe('x');
    expect(streams.heldBytes(ref, 0)).toBeGreaterThan(700 * 5);
    let left = stream;
    let steps = 0;
    while (left !== 0) {
      left = streams.releaseSome(ENCODING_STREAM, left, 20);
      steps++;
    }
    expect(steps).toBeGreaterThan(30);
    expect(streams.groups.pending.count(group)).toBe(300);
    streams.release(ENCODING_STREAM, copy);
    store.records.release(ref);
    expect(arena.usedBytes).toBe(0);
  });

  test('a consumer that goes takes its pending entries along', () => {
    const { streams } = makeStreams();
    const stream = streams.create();
    const group = streams.groups.create(stream, Buffer.from('g'), 0, 1, MIN, -1);
    const [first, second] = ['a', 'b'].map((name) =>
      streams.groups.createConsumer(group, Buffer.from(name), 0, 1, 1),
    ) as [number, number];
    for (let at = 1; at <= 50; at++)
      streams.groups.addPending(group, at % 5 === 0 ? first : second, StreamId.of(at, 0), 1, 1);
    const stolen = streams.groups.pending.find(group, StreamId.of(7, 0));
    streams.groups.assign(stolen, first, StreamId.of(7, 0));
    expect(streams.groups.acknowledge(group, StreamId.of(5, 0))).toBe(true);
    expect(streams.groups.acknowledge(group, StreamId.of(5, 0))).toBe(false);
    expect(streams.groups.findConsumer(group, Buffer.from('a'), 0, 1)).toBe(first);
    expect(streams.groups.removeFoundConsumer(group, first)).toBe(10);
    expect(streams.groups.pending.count(group)).toBe(39);
    expect(streams.groups.pendingOfConsumer.count(second)).toBe(39);
  });
});
