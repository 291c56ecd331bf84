/** XDELEX and XACKDEL of Redis 8.2: entries go together with what groups know of them. */
import { NOTIFY_STREAM } from '../keyspace/events.ts';
import { StreamId } from '../structures/stream-id.ts';
import * as layoutWords from '../values/stream-layout.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { FAST, ONE_KEY, type Row, WRITE } from './row.ts';
import { deleteEntry } from './stream.ts';
import { findStream, groupOf, parseId, readId, readInteger, streamsOf } from './stream-arguments.ts';
import { touched } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const streamDeleteCommands: readonly Row[] = [
  // name     arity flags         keys     since    run      summary
  ['XACKDEL', -6,   WRITE | FAST, ONE_KEY, '8.2.0', xackdel, 'Acknowledges and deletes one or multiple messages for a stream consumer group.'],
  ['XDELEX',  -5,   WRITE | FAST, ONE_KEY, '8.2.0', xdelex,  'Deletes one or multiple entries from the stream.'],
];

/** What becomes of the pending entries of an entry that is to go. */
type Strategy = 'KEEPREF' | 'DELREF' | 'ACKED';
const STRATEGIES: readonly Strategy[] = ['KEEPREF', 'DELREF', 'ACKED'];

// Answers for each id.
const NOT_THERE = -1;
const DELETED = 1;
const STILL_NEEDED = 2;

const id = new StreamId();
const lastId = new StreamId();
let strategy: Strategy = 'KEEPREF';

function xdelex(call: Call): void {
  const first = readWords(call, 2);
  if (first < 0) return;
  const stream = findStream(call, 1);
  if (stream < 0) return;
  answerEach(call, first, () => {
    if (stream === 0 || !streamsOf(call).entries.exists(stream, id)) return NOT_THERE;
    return remove(call, stream) ? DELETED : STILL_NEEDED;
  });
}

function xackdel(call: Call): void {
  const first = readWords(call, 3);
  if (first < 0) return;
  const stream = findStream(call, 1);
  if (stream < 0) return;
  const group = stream === 0 ? 0 : groupOf(call, stream, 2);
  answerEach(call, first, () => {
    if (group === 0 || !streamsOf(call).groups.acknowledge(group, id)) return NOT_THERE;
    touched(call, 1);
    return remove(call, stream) ? DELETED : STILL_NEEDED;
  });
}

/** Reads the strategy and IDS: the word of the first id, -1 after an error. */
function readWords(call: Call, start: number): number {
  strategy = 'KEEPREF';
  let index = start;
  const named = STRATEGIES.find((name) => call.is(start, name));
  if (named !== undefined) {
    strategy = named;
    index++;
  }
  if (index + 1 >= call.argc || !call.is(index, 'IDS')) return refuse(call, errors.SYNTAX);
  const count = readInteger(call, index + 1, 'ERR Number of IDs must be a positive integer');
  if (Number.isNaN(count)) return -1;
  if (count <= 0) return refuse(call, 'ERR Number of IDs must be a positive integer');
  if (call.argc - index - 2 !== count)
    return refuse(call, 'ERR The `numids` parameter must match the number of arguments');
  for (let word = index + 2; word < call.argc; word++) if (!readId(call, word, id)) return -1;
  return index + 2;
}

function refuse(call: Call, error: string): -1 {
  call.reply.error(error);
  return -1;
}

/** Answers what `outcome` says of each `id`. */
function answerEach(call: Call, first: number, outcome: () => number): void {
  let deleted = false;
  call.reply.array(call.argc - first);
  for (let word = first; word < call.argc; word++) {
    parseId(call, word, id);
    const result = outcome();
    if (result === DELETED) deleted = true;
    call.reply.integer(result);
  }
  if (!deleted) return;
  touched(call, 1);
  call.notify(NOTIFY_STREAM, 'xdel', 1);
}

/** Deletes the entry as the strategy wants; false when a group still needs it. */
function remove(call: Call, stream: number): boolean {
  const { groups } = streamsOf(call);
  if (strategy === 'ACKED' && isNeeded(call, stream)) return false;
  deleteEntry(call, stream, id);
  if (strategy !== 'DELREF') return true;
  for (let slot = groups.count(stream) - 1; slot >= 0; slot--)
    groups.acknowledge(groups.at(stream, slot), id);
  return true;
}

/** Whether a group has not been given the entry, or has not acknowledged it. */
function isNeeded(call: Call, stream: number): boolean {
  const { groups, layout } = streamsOf(call);
  for (let slot = groups.count(stream) - 1; slot >= 0; slot--) {
    const group = groups.at(stream, slot);
    layout.readId(group, layoutWords.GROUP_LAST_ID, lastId);
    if (id.compare(lastId) > 0 || groups.pending.find(group, id) !== 0) return true;
  }
  return false;
}
