/** The commands that make a stream from nothing, for AOF files without an RDB head. */
import { IdCursor } from '../../structures/id-tree.ts';
import { StreamId } from '../../structures/stream-id.ts';
import type { Streams } from '../../values/stream.ts';
import * as words from '../../values/stream-layout.ts';

type Put = (words: readonly Uint8Array[]) => void;

const text = (value: string | number): Uint8Array => Buffer.from(String(value));

export function streamCommands(streams: Streams, ref: number, key: Uint8Array, put: Put): void {
  const stream = streams.root(ref);
  const id = new StreamId();
  const from = new StreamId();
  const to = new StreamId();
  to.setMax();
  const iterator = streams.iterator();
  iterator.begin(stream, from, to, false);
  let some = false;
  while (iterator.next()) {
    const command = [text('XADD'), key, text(iterator.id.toString())];
    for (let left = iterator.fields; left > 0; left--) {
      iterator.nextField();
      command.push(
        iterator.field.copyText(iterator.view.bytes),
        iterator.value.copyText(iterator.view.bytes),
      );
    }
    put(command);
    some = true;
  }
  if (!some) put([text('XADD'), key, text('MAXLEN'), text(0), text('0-1'), text('x'), text('y')]);
  streams.layout.readId(stream, words.STREAM_LAST_ID, id);
  const head = [text('XSETID'), key, text(id.toString())];
  streams.layout.readId(stream, words.STREAM_DELETED_ID, id);
  put([
    ...head,
    text('ENTRIESADDED'),
    text(streams.added(stream)),
    text('MAXDELETEDID'),
    text(id.toString()),
  ]);
  for (let slot = 0; slot < streams.groups.count(stream); slot++)
    groupCommands(streams, streams.groups.at(stream, slot), key, put);
}

function groupCommands(streams: Streams, group: number, key: Uint8Array, put: Put): void {
  const { layout, groups } = streams;
  const id = new StreamId();
  const name = layout.name(group, words.GROUP_NAME);
  layout.readId(group, words.GROUP_LAST_ID, id);
  const read = layout.number(group, words.GROUP_READ);
  put([
    ...[text('XGROUP'), text('CREATE'), key, name, text(id.toString())],
    ...[text('ENTRIESREAD'), text(read)],
  ]);
  const cursor = new IdCursor();
  for (let slot = 0; slot < groups.consumerCount(group); slot++) {
    const consumer = groups.consumerAt(group, slot);
    const consumerName = layout.name(consumer, words.CONSUMER_NAME);
    put([text('XGROUP'), text('CREATECONSUMER'), key, name, consumerName]);
    const tree = groups.pendingOfConsumer;
    for (let there = tree.first(consumer, cursor); there; there = tree.next(cursor)) {
      tree.idAt(cursor, id);
      const pending = tree.valueAt(cursor);
      put([
        ...[text('XCLAIM'), key, name, consumerName, text(0), text(id.toString())],
        ...[text('TIME'), text(layout.deliveredMs(pending))],
        ...[text('RETRYCOUNT'), text(layout.deliveries(pending)), text('JUSTID'), text('FORCE')],
      ]);
    }
  }
}
