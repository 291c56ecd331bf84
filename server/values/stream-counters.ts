/** How far a group is behind its stream, where that can be known: entries read and lag. */
import { StreamId } from '../structures/stream-id.ts';
import type { Streams } from './stream.ts';
import { UNKNOWN_READ } from './stream-groups.ts';
import * as words from './stream-layout.ts';

const first = new StreamId();
const last = new StreamId();
const deleted = new StreamId();
const groupId = new StreamId();

function read(streams: Streams, stream: number): void {
  streams.layout.readId(stream, words.STREAM_FIRST_ID, first);
  streams.layout.readId(stream, words.STREAM_LAST_ID, last);
  streams.layout.readId(stream, words.STREAM_DELETED_ID, deleted);
}

/** Whether an entry at or above `from` was deleted, as far as the greatest deleted id tells. */
export function hasDeletedFrom(streams: Streams, stream: number, from: StreamId): boolean {
  if (streams.length(stream) === 0) return false;
  streams.layout.readId(stream, words.STREAM_DELETED_ID, deleted);
  return !deleted.isZero() && from.compare(deleted) <= 0;
}

/** How many entries up to `id` were ever added; UNKNOWN_READ when deletions hide it. */
export function entriesReadAt(streams: Streams, stream: number, id: StreamId): number {
  const added = streams.added(stream);
  if (added === 0) return 0;
  read(streams, stream);
  const length = streams.length(stream);
  if (length === 0 && id.compare(last) <= 0) return added;
  if (!id.isZero() && id.compare(deleted) < 0) return UNKNOWN_READ;
  const order = id.compare(last);
  if (order === 0) return added;
  if (order > 0) return UNKNOWN_READ;
  if (deleted.isZero() || deleted.compare(first) < 0) {
    const behind = id.compare(first);
    if (behind < 0) return added - length;
    if (behind === 0) return added - length + 1;
  }
  return UNKNOWN_READ;
}

/** Entries that a group has not been given yet; -1 when deletions hide it. */
export function lagOf(streams: Streams, stream: number, group: number): number {
  const added = streams.added(stream);
  if (added === 0) return 0;
  const { layout } = streams;
  layout.readId(group, words.GROUP_LAST_ID, groupId);
  const known = layout.number(group, words.GROUP_READ);
  if (known !== UNKNOWN_READ && !hasDeletedFrom(streams, stream, groupId)) return added - known;
  const estimated = entriesReadAt(streams, stream, groupId);
  return estimated === UNKNOWN_READ ? -1 : added - estimated;
}
