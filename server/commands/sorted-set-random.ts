/** Sorted set commands without order: random members and the cursor walk. */
import { formatDouble, formatDouble17 } from '../structures/double.ts';
import { matchesGlob } from '../structures/glob.ts';
import { ENCODING_LISTPACK, TYPE_ZSET } from '../structures/record.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { readLong, readSigned } from './list-arguments.ts';
import { ONE_KEY, READONLY, type Row } from './row.ts';
import { sortedSetsOf, writeElement, writeElementsHead, writeMember } from './sorted-set-access.ts';
import { readValue } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const sortedSetRandomCommands: readonly Row[] = [
  // name         arity flags     keys     since    run          summary
  ['ZRANDMEMBER', -2,   READONLY, ONE_KEY, '6.2.0', zrandmember, 'Returns one or more random members from a sorted set.', { tips: ['nondeterministic_output'] }],
  ['ZSCAN',       -3,   READONLY, ONE_KEY, '2.8.0', zscan,       'Iterates over members and scores of a sorted set.', { tips: ['nondeterministic_output'] }],
];

const COUNT_MAX = 2 ** 62;

function zrandmember(call: Call): void {
  if (call.argc === 2) {
    const ref = readValue(call, 1, TYPE_ZSET);
    if (ref < 0) return;
    if (ref === 0) {
      call.reply.nullBulk();
      return;
    }
    const body = sortedSetsOf(call).open(ref);
    seekRandom(call, body);
    writeMember(call.reply, body);
    return;
  }
  const wanted = readSigned(call, 2);
  if (Number.isNaN(wanted)) return;
  const withScores = call.argc === 4 && call.is(3, 'WITHSCORES');
  if (call.argc > 4 || (call.argc === 4 && !withScores)) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  if (withScores && Math.abs(wanted) > COUNT_MAX) {
    call.reply.error('ERR value is out of range');
    return;
  }
  const ref = readValue(call, 1, TYPE_ZSET);
  if (ref < 0) return;
  if (ref === 0 || wanted === 0) call.reply.array(0);
  else if (wanted < 0) writeRepeated(call, ref, -wanted, withScores);
  else writeDistinct(call, ref, wanted, withScores);
}

function zscan(call: Call): void {
  const word = call.latin1(2);
  if (!CURSOR.test(word)) {
    call.reply.error('ERR invalid cursor');
    return;
  }
  const ref = readValue(call, 1, TYPE_ZSET);
  if (ref < 0) return;
  const options = ref === 0 ? { count: 10, pattern: null, withScores: true } : scanOptions(call);
  if (options === null) return;
  const found: (Buffer | string)[] = [];
  let cursor = 0;
  if (ref !== 0) {
    const body = sortedSetsOf(call).open(ref);
    if (body.encoding === ENCODING_LISTPACK) collectAll(body, options, found);
    else cursor = collectSome(call, body, Number(word), options, found);
  }
  call.reply.array(2);
  call.reply.bulkLatin1(String(cursor));
  call.reply.array(found.length);
  for (const element of found) {
    if (typeof element === 'string') call.reply.bulkLatin1(element);
    else call.reply.bulk(element);
  }
}

// --- what the commands share

const CURSOR = /^[0-9]{1,20}$/;

interface ScanOptions {
  count: number;
  pattern: Buffer | null;
  withScores: boolean;
}

function scanOptions(call: Call): ScanOptions | null {
  const options: ScanOptions = { count: 10, pattern: null, withScores: true };
  for (let index = 3; index < call.argc; index++) {
    const more = index + 1 < call.argc;
    if (more && call.is(index, 'COUNT')) {
      options.count = readLong(call, ++index);
      if (Number.isNaN(options.count)) return null;
      if (options.count >= 1) continue;
      call.reply.error(errors.SYNTAX);
      return null;
    }
    if (more && call.is(index, 'MATCH')) options.pattern = call.copy(++index);
    else if (call.is(index, 'NOSCORES')) options.withScores = false;
    else {
      const wrong = call.is(index, 'NOVALUES');
      call.reply.error(wrong ? 'ERR NOVALUES option can only be used in HSCAN' : errors.SYNTAX);
      return null;
    }
  }
  return options;
}

/** A listpack is answered whole. */
function collectAll(body: SortedSetBody, options: ScanOptions, found: (Buffer | string)[]): void {
  for (let more = body.seek(0); more; more = body.next()) {
    const { bytes, start, length, score } = body;
    if (options.pattern !== null && !matchesGlob(options.pattern, bytes, start, start + length)) continue;
    found.push(Buffer.from(bytes.subarray(start, start + length)));
    if (options.withScores) found.push(formatDouble(score));
  }
}

/** Some buckets of a table, from the cursor on; the next cursor. */
function collectSome(
  call: Call,
  body: SortedSetBody,
  from: number,
  options: ScanOptions,
  found: (Buffer | string)[],
): number {
  // A cursor that was never given out ends the walk.
  if (!Number.isSafeInteger(from)) return 0;
  const { records } = call.context.keyspace;
  let seen = 0;
  const visit = (element: number): void => {
    seen++;
    const bytes = records.segment(element);
    const start = records.keyStart(element);
    const length = records.keyLength(element);
    if (options.pattern !== null && !matchesGlob(options.pattern, bytes, start, start + length)) return;
    found.push(Buffer.from(bytes.subarray(start, start + length)));
    if (options.withScores) found.push(formatDouble17(records.score(element)));
  };
  let cursor = from;
  let steps = options.count * 10;
  do cursor = body.scan(cursor, visit);
  while (cursor !== 0 && seen < options.count && --steps > 0);
  return cursor;
}

function seekRandom(call: Call, body: SortedSetBody): void {
  body.seek(Math.floor(call.context.keyspace.random() * body.count));
}

/** `count` members, each chosen from all. */
function writeRepeated(call: Call, ref: number, count: number, withScores: boolean): void {
  const body = sortedSetsOf(call).open(ref);
  writeElementsHead(call.reply, count, withScores);
  for (let left = count; left > 0 && !call.reply.full; left--) {
    seekRandom(call, body);
    writeElement(call.reply, body, withScores);
  }
}

/** `count` different members, or all. */
function writeDistinct(call: Call, ref: number, count: number, withScores: boolean): void {
  const { random } = call.context.keyspace;
  const body = sortedSetsOf(call).open(ref);
  const total = body.count;
  const chosen = Math.min(count, total);
  writeElementsHead(call.reply, chosen, withScores);
  if (chosen * 3 > total) {
    // In order: each is taken with the chance that leaves the right number in the end.
    let left = chosen;
    let more = body.seek(0);
    for (let rank = 0; more && left > 0; rank++, more = body.next()) {
      if (random() * (total - rank) >= left) continue;
      writeElement(call.reply, body, withScores);
      left--;
    }
    return;
  }
  const taken = new Set<number>();
  while (taken.size < chosen) {
    const rank = Math.floor(random() * total);
    if (taken.has(rank)) continue;
    taken.add(rank);
    body.seek(rank);
    writeElement(call.reply, body, withScores);
  }
}
