/** What a stream adds to the digest of its key: every entry in order, its id with a dot. */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { StreamId } from '../structures/stream-id.ts';
import { mix } from './digest.ts';

export function streamDigest(digest: Buffer, keyspace: Keyspace, ref: number): void {
  const { streams } = keyspace.values;
  const iterator = streams.iterator();
  const end = new StreamId();
  end.setMax();
  iterator.begin(streams.root(ref), new StreamId(), end, false);
  while (iterator.next()) {
    mix(digest, Buffer.from(iterator.id.toString().replace('-', '.')));
    for (let left = iterator.fields; left > 0; left--) {
      iterator.nextField();
      mix(digest, iterator.field.copyText(iterator.view.bytes));
      mix(digest, iterator.value.copyText(iterator.view.bytes));
    }
  }
}
