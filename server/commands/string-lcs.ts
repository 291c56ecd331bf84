/** LCS: the longest common subsequence of two strings. */
import { TYPE_STRING } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { copyString } from './string-access.ts';

const NEEDS_STRINGS = 'ERR The specified keys must contain string values';
const LENGTH_OR_INDEXES = 'ERR If you want both the length and indexes, please just use IDX.';
const TABLE_TOO_LARGE = 'ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len';
const CELL_BYTES = 4;

interface LcsOptions {
  indexes: boolean;
  length: boolean;
  withMatchLength: boolean;
  matchLengthMin: bigint;
}

/** A run that both strings have: first and last position in each. */
interface Match {
  readonly left: readonly [first: number, last: number];
  readonly right: readonly [first: number, last: number];
}

export function lcs(call: Call): void {
  const { records } = call.context.keyspace;
  const first = call.database.read(call.bytes, call.argStart[1], call.argLength[1]);
  const left = first !== 0 && records.type(first) === TYPE_STRING ? copyString(call, first) : Buffer.alloc(0);
  const wrong = first !== 0 && records.type(first) !== TYPE_STRING;
  // Looking for the second key may free the first one's record, so it was copied before.
  const second = call.database.read(call.bytes, call.argStart[2], call.argLength[2]);
  if (wrong || (second !== 0 && records.type(second) !== TYPE_STRING)) {
    call.reply.error(NEEDS_STRINGS);
    return;
  }
  const right = copyString(call, second);
  const options = lcsOptions(call);
  if (options === null) return;
  if (
    (left.length + 1) * (right.length + 1) * CELL_BYTES >
    call.context.config.values['proto-max-bulk-len']
  ) {
    call.reply.error(TABLE_TOO_LARGE);
    return;
  }
  const table = lcsTable(left, right);
  const length = table[table.length - 1];
  if (options.indexes) answerIndexes(call, options, length, lcsWalk(left, right, table).matches);
  else if (options.length) call.reply.integer(length);
  else call.reply.bulk(lcsWalk(left, right, table).common);
}

function lcsOptions(call: Call): LcsOptions | null {
  const options: LcsOptions = { indexes: false, length: false, withMatchLength: false, matchLengthMin: 0n };
  for (let index = 3; index < call.argc; index++) {
    if (call.is(index, 'IDX')) options.indexes = true;
    else if (call.is(index, 'LEN')) options.length = true;
    else if (call.is(index, 'WITHMATCHLEN')) options.withMatchLength = true;
    else if (call.is(index, 'MINMATCHLEN') && index + 1 < call.argc) {
      const least = call.integer64(++index);
      if (least === null) {
        call.reply.error(errors.NOT_INTEGER);
        return null;
      }
      options.matchLengthMin = least;
    } else {
      call.reply.error(errors.SYNTAX);
      return null;
    }
  }
  if (!options.indexes || !options.length) return options;
  call.reply.error(LENGTH_OR_INDEXES);
  return null;
}

/** Cell (i, j), at i * (right.length + 1) + j: length of the LCS of the first i and the first j bytes. */
function lcsTable(left: Buffer, right: Buffer): Uint32Array {
  const width = right.length + 1;
  const table = new Uint32Array((left.length + 1) * width);
  for (let i = 1; i <= left.length; i++) {
    const byte = left[i - 1];
    const row = i * width;
    for (let j = 1; j < width; j++) {
      const above = table[row - width + j];
      const before = table[row + j - 1];
      if (byte === right[j - 1]) table[row + j] = table[row - width + j - 1] + 1;
      else if (above > before) table[row + j] = above;
      else table[row + j] = before;
    }
  }
  return table;
}

/** The LCS itself and its runs, from the end to the begin, chosen as Redis chooses among equals. */
function lcsWalk(left: Buffer, right: Buffer, table: Uint32Array): { common: Buffer; matches: Match[] } {
  const width = right.length + 1;
  const matches: Match[] = [];
  let rest = table[table.length - 1];
  const common = Buffer.alloc(rest);
  let i = left.length;
  let j = right.length;
  let run = 0;
  // A run begins at i and j whenever it is closed: there the last matching pair stood.
  const close = (): void => {
    if (run > 0) matches.push({ left: [i, i + run - 1], right: [j, j + run - 1] });
    run = 0;
  };
  while (i > 0 && j > 0) {
    if (left[i - 1] === right[j - 1]) {
      common[--rest] = left[i - 1];
      run++;
      i--;
      j--;
      continue;
    }
    close();
    if (table[(i - 1) * width + j] > table[i * width + j - 1]) i--;
    else j--;
  }
  close();
  return { common, matches };
}

function answerIndexes(call: Call, options: LcsOptions, length: number, matches: readonly Match[]): void {
  const { reply } = call;
  const wanted = matches.filter(({ left }) => BigInt(left[1] - left[0] + 1) >= options.matchLengthMin);
  reply.map(2);
  reply.bulkText('matches');
  reply.array(wanted.length);
  for (const { left, right } of wanted) {
    reply.array(options.withMatchLength ? 3 : 2);
    for (const [from, to] of [left, right]) {
      reply.array(2);
      reply.integer(from);
      reply.integer(to);
    }
    if (options.withMatchLength) reply.integer(left[1] - left[0] + 1);
  }
  reply.bulkText('len');
  reply.integer(length);
}
