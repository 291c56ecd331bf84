/** HRANDFIELD: fields chosen at random, with or without their values. */
import { ENCODING_LISTPACK, TYPE_HASH } from '../structures/record.ts';
import type { HashEntry } from '../values/hash-cursor.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { hashesOf, writeValue } from './hash-access.ts';
import { lateArray } from './late-head.ts';
import { readSigned } from './list-arguments.ts';
import { ONE_KEY, READONLY, type Row } from './row.ts';
import { writeElement } from './set-access.ts';
import { readValue, WRONG } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const hashRandomCommands: readonly Row[] = [
  // name        arity flags     keys     since    run         summary
  ['HRANDFIELD', -2,   READONLY, ONE_KEY, '6.2.0', hrandfield, 'Returns one or more random fields from a hash.', { tips: ['nondeterministic_output'] }],
];

/** Half of the largest count: twice of it would be no count any more. */
const COUNT_WITH_VALUES_MAX = 2 ** 62;
/** When more than this share of the hash is wanted, it is gone through in order. */
const IN_ORDER_SHARE = 3;
/** Attempts for each field that is wanted: many may have ended. */
const ATTEMPTS_PER_FIELD = 10;

function hrandfield(call: Call): void {
  if (call.argc === 2) {
    const ref = readValue(call, 1, TYPE_HASH);
    if (ref === WRONG) return;
    const entry = hashesOf(call).reading;
    if (ref !== 0 && hashesOf(call).chooseField(ref, entry)) writeElement(call.reply, entry.field);
    else call.reply.nullBulk();
    return;
  }
  const wanted = readSigned(call, 2);
  if (Number.isNaN(wanted)) return;
  const withValues = call.argc === 4 && call.is(3, 'WITHVALUES');
  if (call.argc > 4 || (call.argc === 4 && !withValues)) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  if (withValues && Math.abs(wanted) > COUNT_WITH_VALUES_MAX) {
    call.reply.error('ERR value is out of range');
    return;
  }
  const ref = readValue(call, 1, TYPE_HASH);
  if (ref === WRONG) return;
  if (ref === 0 || wanted === 0) {
    call.reply.array(0);
    return;
  }
  const { reply } = call;
  const at = reply.at;
  const written =
    wanted < 0 ? writeRepeated(call, ref, -wanted, withValues) : writeDistinct(call, ref, wanted, withValues);
  lateArray(reply, at, withValues && reply.protocol === 2 ? written * 2 : written);
}

function writePair(call: Call, entry: HashEntry, withValues: boolean): void {
  const { reply } = call;
  if (withValues && reply.protocol === 3) reply.array(2);
  writeElement(reply, entry.field);
  if (withValues) writeValue(reply, entry);
}

/** `count` fields, each chosen from all; the number written. */
function writeRepeated(call: Call, ref: number, count: number, withValues: boolean): number {
  const hashes = hashesOf(call);
  const entry = hashes.reading;
  let written = 0;
  for (; written < count && !call.reply.full; written++) {
    if (!hashes.chooseField(ref, entry)) break;
    writePair(call, entry, withValues);
  }
  return written;
}

/** `count` different fields, or all; the number written. */
function writeDistinct(call: Call, ref: number, count: number, withValues: boolean): number {
  const hashes = hashesOf(call);
  const { records, random } = call.context.keyspace;
  const size = hashes.count(ref);
  const entry = hashes.reading;
  const wanted = Math.min(count, size);
  let written = 0;
  if (wanted * IN_ORDER_SHARE > size || records.encoding(ref) === ENCODING_LISTPACK) {
    entry.open(records.encoding(ref), records.root(ref));
    for (let ahead = size; written < wanted && entry.next(); ahead--) {
      if (random() * ahead >= wanted - written) continue;
      writePair(call, entry, withValues);
      written++;
    }
    return written;
  }
  const taken = new Set<string>();
  for (let attempts = wanted * ATTEMPTS_PER_FIELD; attempts > 0 && written < wanted; attempts--) {
    if (!hashes.chooseField(ref, entry)) break;
    entry.field.asText();
    const { bytes, start, length } = entry.field;
    const text = bytes.latin1Slice(start, start + length);
    if (taken.has(text)) continue;
    taken.add(text);
    writePair(call, entry, withValues);
    written++;
  }
  return written;
}
