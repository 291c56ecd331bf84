/** Sorted set commands without order: random members and the cursor walk. */
import { TYPE_ZSET } from '../structures/record.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { readSigned } from './list-arguments.ts';
import { ONE_KEY, READONLY, type Row } from './row.ts';
import { scanSortedSet } from './scan-elements.ts';
import { sortedSetsOf, writeElement, writeElementsHead, writeMember } from './sorted-set-access.ts';
import { readValue } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const sortedSetRandomCommands: readonly Row[] = [
  // name         arity flags     keys     since    run            summary
  ['ZRANDMEMBER', -2,   READONLY, ONE_KEY, '6.2.0', zrandmember,   'Returns one or more random members from a sorted set.', { tips: ['nondeterministic_output'] }],
  ['ZSCAN',       -3,   READONLY, ONE_KEY, '2.8.0', scanSortedSet, 'Iterates over members and scores of a sorted set.', { tips: ['nondeterministic_output'] }],
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

// --- what the commands share

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
