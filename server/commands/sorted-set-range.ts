/** Sorted set commands on ranges: by rank, by score, by member. */
import { NOTIFY_ZSET } from '../keyspace/events.ts';
import { ENCODING_SKIPLIST, TYPE_ZSET } from '../structures/record.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { DENYOOM, FAST, ONE_KEY, READONLY, type Row, TWO_KEYS, WRITE } from './row.ts';
import {
  endRemoval,
  sortedSetsOf,
  storeResult,
  writeElement,
  writeElementsHead,
  writeScore,
} from './sorted-set-access.ts';
import { BY_MEMBER, BY_RANK, BY_SCORE, Interval, readLimit } from './sorted-set-interval.ts';
import { findValue, readValue } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const sortedSetRangeCommands: readonly Row[] = [
  // name              arity flags            keys      since     run               summary
  ['ZCOUNT',           4,    READONLY | FAST, ONE_KEY,  '2.0.0',  zcount,           'Returns the count of members in a sorted set that have scores within a range.'],
  ['ZLEXCOUNT',        4,    READONLY | FAST, ONE_KEY,  '2.8.9',  zlexcount,        'Returns the number of members in a sorted set within a lexicographical range.'],
  ['ZRANGE',           -4,   READONLY,        ONE_KEY,  '1.2.0',  zrange,           'Returns members in a sorted set within a range of indexes.'],
  ['ZRANGEBYLEX',      -4,   READONLY,        ONE_KEY,  '2.8.9',  zrangebylex,      'Returns members in a sorted set within a lexicographical range.'],
  ['ZRANGEBYSCORE',    -4,   READONLY,        ONE_KEY,  '1.0.5',  zrangebyscore,    'Returns members in a sorted set within a range of scores.'],
  ['ZRANGESTORE',      -5,   WRITE | DENYOOM, TWO_KEYS, '6.2.0',  zrangestore,      'Stores a range of members from sorted set in a key.'],
  ['ZREMRANGEBYLEX',   4,    WRITE,           ONE_KEY,  '2.8.9',  zremrangebylex,   'Removes members in a sorted set within a lexicographical range. Deletes the sorted set if all members were removed.'],
  ['ZREMRANGEBYRANK',  4,    WRITE,           ONE_KEY,  '2.0.0',  zremrangebyrank,  'Removes members in a sorted set within a range of indexes. Deletes the sorted set if all members were removed.'],
  ['ZREMRANGEBYSCORE', 4,    WRITE,           ONE_KEY,  '1.2.0',  zremrangebyscore, 'Removes members in a sorted set within a range of scores. Deletes the sorted set if all members were removed.'],
  ['ZREVRANGE',        -4,   READONLY,        ONE_KEY,  '1.2.0',  zrevrange,        'Returns members in a sorted set within a range of indexes in reverse order.'],
  ['ZREVRANGEBYLEX',   -4,   READONLY,        ONE_KEY,  '2.8.9',  zrevrangebylex,   'Returns members in a sorted set within a lexicographical range in reverse order.'],
  ['ZREVRANGEBYSCORE', -4,   READONLY,        ONE_KEY,  '2.2.0',  zrevrangebyscore, 'Returns members in a sorted set within a range of scores in reverse order.'],
];

const LIMIT_NEEDS_KIND =
  'ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX';
const NO_SCORES_BY_MEMBER = 'ERR syntax error, WITHSCORES not supported in combination with BYLEX';

const interval = new Interval();

function zcount(call: Call): void {
  countRange(call, BY_SCORE);
}

function zlexcount(call: Call): void {
  countRange(call, BY_MEMBER);
}

function zrange(call: Call): void {
  options.begin(BY_RANK, true, false, true);
  range(call, 1);
}

function zrangebylex(call: Call): void {
  options.begin(BY_MEMBER, false, false, true);
  range(call, 1);
}

function zrangebyscore(call: Call): void {
  options.begin(BY_SCORE, false, false, true);
  range(call, 1);
}

function zrangestore(call: Call): void {
  options.begin(BY_RANK, true, false, false);
  range(call, 2);
}

function zremrangebylex(call: Call): void {
  removeRange(call, BY_MEMBER, 'zremrangebylex');
}

function zremrangebyrank(call: Call): void {
  removeRange(call, BY_RANK, 'zremrangebyrank');
}

function zremrangebyscore(call: Call): void {
  removeRange(call, BY_SCORE, 'zremrangebyscore');
}

function zrevrange(call: Call): void {
  options.begin(BY_RANK, false, true, true);
  range(call, 1);
}

function zrevrangebylex(call: Call): void {
  options.begin(BY_MEMBER, false, true, true);
  range(call, 1);
}

function zrevrangebyscore(call: Call): void {
  options.begin(BY_SCORE, false, true, true);
  range(call, 1);
}

// --- what the commands share

/** What a command of the ZRANGE family was asked. Reused. */
class RangeOptions {
  kind = BY_RANK;
  reverse = false;
  withScores = false;
  offset = 0;
  limit = -1;
  /** The command may be told another kind and direction. */
  #open = false;
  #mayHaveScores = false;

  begin(kind: number, open: boolean, reverse: boolean, mayHaveScores: boolean): void {
    this.kind = kind;
    this.reverse = reverse;
    this.withScores = false;
    this.offset = 0;
    this.limit = -1;
    this.#open = open;
    this.#mayHaveScores = mayHaveScores;
  }

  /** Reads the options from word `index` on; false after an error was answered. */
  read(call: Call, index: number): boolean {
    let kindGiven = !this.#open;
    let directionGiven = !this.#open;
    for (; index < call.argc; index++) {
      if (this.#mayHaveScores && call.is(index, 'WITHSCORES')) this.withScores = true;
      else if (call.is(index, 'LIMIT') && index + 2 < call.argc) {
        if (!readLimit(call, index, this)) return false;
        index += 2;
      } else if (!directionGiven && call.is(index, 'REV')) {
        this.reverse = true;
        directionGiven = true;
      } else if (!kindGiven && (call.is(index, 'BYLEX') || call.is(index, 'BYSCORE'))) {
        this.kind = call.is(index, 'BYLEX') ? BY_MEMBER : BY_SCORE;
        kindGiven = true;
      } else return refuse(call, errors.SYNTAX);
    }
    if (this.limit !== -1 && this.kind === BY_RANK) return refuse(call, LIMIT_NEEDS_KIND);
    if (this.withScores && this.kind === BY_MEMBER) return refuse(call, NO_SCORES_BY_MEMBER);
    return true;
  }
}

const options = new RangeOptions();

function refuse(call: Call, error: string): false {
  call.reply.error(error);
  return false;
}

/**
 * The range of the sorted set in word `source`, answered or, when that is the second one, stored in the
 * first.
 */
function range(call: Call, source: number): void {
  const stored = source === 2;
  if (call.argc > source + 3 && !options.read(call, source + 3)) return;
  const { kind, reverse } = options;
  // By score and by member the greater end comes first in reverse.
  const swapped = reverse && kind !== BY_RANK;
  const low = swapped ? source + 2 : source + 1;
  if (!interval.read(call, kind, low, swapped ? source + 1 : source + 2)) return;
  const ref = readValue(call, source, TYPE_ZSET);
  if (ref < 0) return;
  if (ref === 0) {
    if (stored) storeResult(call, 1, sortedSetsOf(call).detached(), NOTIFY_ZSET, 'zrangestore');
    else call.reply.array(0);
    return;
  }
  const body = sortedSetsOf(call).open(ref);
  interval.resolve(call, body, reverse);
  if (kind !== BY_RANK) interval.limit(options.offset, options.limit, reverse);
  if (stored) storeRange(call, body, reverse);
  else writeRange(call, body, reverse);
}

function writeRange(call: Call, body: SortedSetBody, reverse: boolean): void {
  const { reply } = call;
  const { from, to } = interval;
  const { withScores } = options;
  writeElementsHead(reply, to - from, withScores);
  if (to === from) return;
  body.readsScores = withScores;
  let more = body.seek(reverse ? to - 1 : from);
  if (body.encoding === ENCODING_SKIPLIST) {
    writeRecords(call, body, reverse);
    return;
  }
  for (let left = to - from; more && left > 0; left--) {
    writeElement(reply, body, withScores);
    if (left > 1) more = reverse ? body.previous() : body.next();
  }
}

/** Records on their way into a reply. */
const refs = new Uint32Array(64);

/** The elements of the interval from where `body` stands on, many at a time. */
function writeRecords(call: Call, body: SortedSetBody, reverse: boolean): void {
  const { reply } = call;
  const { records } = call.context.keyspace;
  const { withScores } = options;
  const nested = withScores && reply.protocol === 3;
  for (let left = interval.to - interval.from; left > 0; ) {
    const count = body.collect(reverse, left, refs);
    if (count === 0) throw new Error('a sorted set has fewer elements than it counts');
    for (let index = 0; index < count; index++) {
      const ref = refs[index];
      const start = records.keyStart(ref);
      if (nested) reply.array(2);
      reply.bulkRange(records.segment(ref), start, start + records.keyLength(ref));
      if (withScores) writeScore(reply, records.score(ref));
    }
    left -= count;
  }
}

function storeRange(call: Call, body: SortedSetBody, reverse: boolean): void {
  const result = sortedSetsOf(call).detached();
  const { from, to } = interval;
  if (options.kind === BY_RANK) result.prepareGrowth(to - from, 0);
  let more = to > from && body.seek(reverse ? to - 1 : from);
  for (let left = to - from; more && left > 0; left--) {
    result.addNew(body.bytes, body.start, body.length, body.score);
    more = reverse ? body.previous() : body.next();
  }
  storeResult(call, 1, result, NOTIFY_ZSET, 'zrangestore');
}

function countRange(call: Call, kind: number): void {
  if (!interval.read(call, kind, 2, 3)) return;
  const ref = readValue(call, 1, TYPE_ZSET);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.integer(0);
    return;
  }
  interval.resolve(call, sortedSetsOf(call).open(ref), false);
  call.reply.integer(interval.to - interval.from);
}

function removeRange(call: Call, kind: number, event: string): void {
  if (!interval.read(call, kind, 2, 3)) return;
  const ref = findValue(call, 1, TYPE_ZSET);
  if (ref < 0) return;
  let removed = 0;
  if (ref !== 0) {
    call.database.beforeChange(ref);
    const body = sortedSetsOf(call).open(ref);
    interval.resolve(call, body, false);
    removed = interval.to - interval.from;
    body.removeRange(interval.from, removed);
  }
  if (removed > 0) endRemoval(call, 1, ref, removed, NOTIFY_ZSET, event);
  call.reply.integer(removed);
}
