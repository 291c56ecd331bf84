/** Sorted set commands on single members. */
import { NOTIFY_ZSET } from '../keyspace/events.ts';
import { parseDouble } from '../structures/double.ts';
import { KEY_BYTES_MAX, TYPE_ZSET } from '../structures/record.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { DENYOOM, FAST, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';
import { changedBy, createSortedSet, endRemoval, sortedSetsOf, writeScore } from './sorted-set-access.ts';
import { findValue, readValue } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const sortedSetCommands: readonly Row[] = [
  // name      arity flags                   keys     since    run       summary
  ['ZADD',     -4,   WRITE | DENYOOM | FAST, ONE_KEY, '1.2.0', zadd,     'Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn\'t exist.'],
  ['ZCARD',    2,    READONLY | FAST,        ONE_KEY, '1.2.0', zcard,    'Returns the number of members in a sorted set.'],
  ['ZINCRBY',  4,    WRITE | DENYOOM | FAST, ONE_KEY, '1.2.0', zincrby,  'Increments the score of a member in a sorted set.'],
  ['ZMSCORE',  -3,   READONLY | FAST,        ONE_KEY, '6.2.0', zmscore,  'Returns the score of one or more members in a sorted set.'],
  ['ZRANK',    -3,   READONLY | FAST,        ONE_KEY, '2.0.0', zrank,    'Returns the index of a member in a sorted set ordered by ascending scores.'],
  ['ZREM',     -3,   WRITE | FAST,           ONE_KEY, '1.2.0', zrem,     'Removes one or more members from a sorted set. Deletes the sorted set if all members were removed.'],
  ['ZREVRANK', -3,   READONLY | FAST,        ONE_KEY, '2.0.0', zrevrank, 'Returns the index of a member in a sorted set ordered by descending scores.'],
  ['ZSCORE',   3,    READONLY | FAST,        ONE_KEY, '1.2.0', zscore,   'Returns the score of a member in a sorted set.'],
];

// Options of ZADD, one bit each.
export const NX = 1;
export const XX = 2;
const GT = 4;
const LT = 8;
const INCR = 16;
export const CH = 32;

const NOT_A_NUMBER = 'ERR resulting score is not a number (NaN)';

function zadd(call: Call): void {
  addWithOptions(call, 0);
}

function zcard(call: Call): void {
  const ref = readValue(call, 1, TYPE_ZSET);
  if (ref >= 0) call.reply.integer(ref === 0 ? 0 : sortedSetsOf(call).open(ref).count);
}

function zincrby(call: Call): void {
  addWithOptions(call, INCR);
}

function zmscore(call: Call): void {
  const ref = readValue(call, 1, TYPE_ZSET);
  if (ref < 0) return;
  call.reply.array(call.argc - 2);
  for (let index = 2; index < call.argc; index++) writeScoreOf(call, ref, index);
}

function zrank(call: Call): void {
  rank(call, false);
}

function zrem(call: Call): void {
  const ref = findValue(call, 1, TYPE_ZSET);
  if (ref < 0) return;
  let removed = 0;
  if (ref !== 0) {
    call.database.beforeChange(ref);
    const body = sortedSetsOf(call).open(ref);
    for (let index = 2; index < call.argc && body.count > 0; index++) {
      if (!findMember(call, body, index)) continue;
      body.removeFound();
      removed++;
    }
  }
  if (removed > 0) endRemoval(call, 1, ref, removed, NOTIFY_ZSET, 'zrem');
  call.reply.integer(removed);
}

function zrevrank(call: Call): void {
  rank(call, true);
}

function zscore(call: Call): void {
  const ref = readValue(call, 1, TYPE_ZSET);
  if (ref >= 0) writeScoreOf(call, ref, 2);
}

// --- what the commands share

function findMember(call: Call, body: SortedSetBody, index: number): boolean {
  return body.find(call.bytes, call.argStart[index], call.argLength[index]);
}

/** Answers the score of the member in word `index`; `ref` 0: there is no sorted set. */
function writeScoreOf(call: Call, ref: number, index: number): void {
  const body = ref === 0 ? null : sortedSetsOf(call).open(ref);
  if (body === null || !findMember(call, body, index)) call.reply.nullBulk();
  else writeScore(call.reply, body.score);
}

function rank(call: Call, reverse: boolean): void {
  if (call.argc > 4) {
    call.reply.error(errors.wrongArity(call.entry.name));
    return;
  }
  const withScore = call.argc === 4;
  if (withScore && !call.is(3, 'WITHSCORE')) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  const ref = readValue(call, 1, TYPE_ZSET);
  if (ref < 0) return;
  const body = ref === 0 ? null : sortedSetsOf(call).open(ref);
  if (body === null || !findMember(call, body, 2)) {
    if (withScore) call.reply.nullArray();
    else call.reply.nullBulk();
    return;
  }
  const score = body.score;
  const before = body.rankOfFound();
  if (withScore) call.reply.array(2);
  call.reply.integer(reverse ? body.count - 1 - before : before);
  if (withScore) writeScore(call.reply, score);
}

/** Scores of the ZADD that runs. */
let scores = new Float64Array(64);

function addWithOptions(call: Call, options: number): void {
  let index = 2;
  for (; index < call.argc; index++) {
    const option = addOption(call, index);
    if (option === 0) break;
    options |= option;
  }
  const words = call.argc - index;
  if (words === 0 || words % 2 !== 0) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  const conflict = conflictOf(options, words / 2);
  if (conflict !== '') {
    call.reply.error(conflict);
    return;
  }
  if (readScores(call, index)) addMembers(call, scores, index + 1, 2, options);
}

/** The option in word `index`, 0 when it is none: then the scores begin. */
function addOption(call: Call, index: number): number {
  if (call.argLength[index] > 4 || call.bytes[call.argStart[index]] < 65) return 0;
  if (call.is(index, 'NX')) return NX;
  if (call.is(index, 'XX')) return XX;
  if (call.is(index, 'GT')) return GT;
  if (call.is(index, 'LT')) return LT;
  if (call.is(index, 'CH')) return CH;
  return call.is(index, 'INCR') ? INCR : 0;
}

function conflictOf(options: number, pairs: number): string {
  if ((options & (NX | XX)) === (NX | XX)) return 'ERR XX and NX options at the same time are not compatible';
  const exclusive = options & (NX | GT | LT);
  if ((exclusive & (exclusive - 1)) !== 0)
    return 'ERR GT, LT, and/or NX options at the same time are not compatible';
  if ((options & INCR) !== 0 && pairs > 1) return 'ERR INCR option supports a single increment-element pair';
  return '';
}

/** Reads all scores before anything changes; false after an error was answered. */
function readScores(call: Call, first: number): boolean {
  const pairs = (call.argc - first) >> 1;
  if (pairs > scores.length) scores = new Float64Array(pairs * 2);
  for (let pair = 0, index = first; pair < pairs; pair++, index += 2) {
    const score = parseDouble(call.bytes, call.argStart[index], call.argLength[index]);
    if (Number.isNaN(score)) {
      call.reply.error(errors.NOT_FLOAT);
      return false;
    }
    if (call.argLength[index + 1] > KEY_BYTES_MAX) {
      call.reply.error(errors.KEY_TOO_LONG);
      return false;
    }
    scores[pair] = score;
  }
  return true;
}

/**
 * Adds the members in words `first`, `first + step`, … with the scores in `given`, and answers. Returns the
 * number of changes.
 */
export function addMembers(
  call: Call,
  given: Float64Array,
  first: number,
  step: number,
  options: number,
): number {
  let ref = findValue(call, 1, TYPE_ZSET);
  if (ref < 0) return 0;
  if (ref === 0) {
    if ((options & XX) !== 0) {
      if ((options & INCR) !== 0) call.reply.nullBulk();
      else call.reply.integer(0);
      return 0;
    }
    ref = createSortedSet(call, 1);
    if (ref === 0) return 0;
  } else call.database.beforeChange(ref);
  const body = sortedSetsOf(call).open(ref);
  prepareGrowth(call, body, first, step);
  let added = 0;
  let updated = 0;
  let outcome = NOTHING;
  for (let member = 0, index = first; index < call.argc; member++, index += step) {
    outcome = addOne(call, body, given[member], index, options);
    if (outcome === ADDED) added++;
    else if (outcome === UPDATED) updated++;
  }
  if (added + updated > 0) {
    changedBy(call, 1, added + updated);
    call.notify(NOTIFY_ZSET, (options & INCR) !== 0 ? 'zincr' : 'zadd', 1);
  }
  if (outcome === UNDEFINED) call.reply.error(NOT_A_NUMBER);
  else if ((options & INCR) === 0) call.reply.integer((options & CH) !== 0 ? added + updated : added);
  else if (outcome === NOTHING) call.reply.nullBulk();
  else writeScore(call.reply, sum);
  return added + updated;
}

/** Many members, or a long one: the listpack is given up before it is filled in vain. */
function prepareGrowth(call: Call, body: SortedSetBody, first: number, step: number): void {
  let members = 0;
  let longest = 0;
  for (let index = first; index < call.argc; index += step, members++) {
    if (call.argLength[index] > longest) longest = call.argLength[index];
  }
  body.prepareGrowth(members, longest);
}

// What became of one pair.
const NOTHING = 0;
const ADDED = 1;
const UPDATED = 2;
const SAME = 3;
const UNDEFINED = 4;

/** Score of the member that `addOne` last added or updated. */
let sum = 0;

/** Adds or updates the member in word `index`. */
function addOne(call: Call, body: SortedSetBody, score: number, index: number, options: number): number {
  const start = call.argStart[index];
  const length = call.argLength[index];
  if (!body.find(call.bytes, start, length)) {
    if ((options & XX) !== 0) return NOTHING;
    body.add(call.bytes, start, length, score);
    sum = score;
    return ADDED;
  }
  if ((options & NX) !== 0) return NOTHING;
  const current = body.score;
  if ((options & INCR) !== 0) {
    score += current;
    if (Number.isNaN(score)) return UNDEFINED;
  }
  if ((options & LT) !== 0 && score >= current) return NOTHING;
  if ((options & GT) !== 0 && score <= current) return NOTHING;
  sum = score;
  if (score === current) return SAME;
  body.setFoundScore(call.bytes, start, length, score);
  return UPDATED;
}
