/** SSCAN, HSCAN and ZSCAN: walks over the elements of a value, some at a time. */
import { formatDouble, formatDouble17 } from '../structures/double.ts';
import { matchesGlob } from '../structures/glob.ts';
import { ENCODING_LISTPACK, ENCODING_TABLE, TYPE_HASH, TYPE_SET, TYPE_ZSET } from '../structures/record.ts';
import type { ElementText } from '../values/element-text.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { readLong } from './list-arguments.ts';
import { readValue, WRONG } from './value-access.ts';

const CURSOR = /^[0-9]{1,20}$/;
const CURSOR_MAX = 18446744073709551615n;
const COUNT_DEFAULT = 10;
/** Buckets that one call looks at for each element it was asked for: many of them may be empty. */
const STEPS_PER_ELEMENT = 10;

/** SSCAN key cursor [MATCH pattern] [COUNT count] */
export function scanSet(call: Call): void {
  const scan = beginScan(call, TYPE_SET);
  if (scan === null) return;
  const { keyspace } = call.context;
  const { records } = keyspace;
  const { sets, elements } = keyspace.values;
  const root = records.root(scan.ref);
  const member = sets.reading;
  if (records.encoding(scan.ref) === ENCODING_TABLE) {
    scanTable(call, scan, (from) =>
      elements.scan(root, from, (record) => {
        scan.seen++;
        member.readRecord(record);
        if (matches(scan, member)) scan.found.push(member.copy());
      }),
    );
    return;
  }
  member.open(records.encoding(scan.ref), root);
  while (member.next()) if (matches(scan, member)) scan.found.push(member.copy());
  endScan(call, scan, 0);
}

/** HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES] */
export function scanHash(call: Call): void {
  const scan = beginScan(call, TYPE_HASH);
  if (scan === null) return;
  const { keyspace } = call.context;
  const { records } = keyspace;
  const { hashes, elements } = keyspace.values;
  const root = records.root(scan.ref);
  const entry = hashes.reading;
  const take = (): void => {
    if (entry.hidden || !matches(scan, entry.field)) return;
    scan.found.push(entry.field.copy());
    if (scan.withValues) scan.found.push(entry.copyValue());
  };
  if (records.encoding(scan.ref) === ENCODING_TABLE) {
    scanTable(call, scan, (from) =>
      elements.scan(root, from, (record) => {
        scan.seen++;
        entry.readRecord(record);
        take();
      }),
    );
    return;
  }
  entry.open(records.encoding(scan.ref), root);
  while (entry.nextAny()) take();
  endScan(call, scan, 0);
}

/** ZSCAN key cursor [MATCH pattern] [COUNT count] [NOSCORES] */
export function scanSortedSet(call: Call): void {
  const scan = beginScan(call, TYPE_ZSET);
  if (scan === null) return;
  const { keyspace } = call.context;
  const { records } = keyspace;
  const body = keyspace.values.sortedSets.open(scan.ref);
  const take = (bytes: Uint8Array, start: number, length: number, score: string): void => {
    if (scan.pattern !== null && !matchesGlob(scan.pattern, bytes, start, start + length, false)) return;
    scan.found.push(Buffer.from(bytes.subarray(start, start + length)));
    if (scan.withValues) scan.found.push(Buffer.from(score));
  };
  if (body.encoding !== ENCODING_LISTPACK) {
    scanTable(call, scan, (from) =>
      body.scan(from, (record) => {
        scan.seen++;
        const score = scan.withValues ? formatDouble17(records.score(record)) : '';
        take(records.segment(record), records.keyStart(record), records.keyLength(record), score);
      }),
    );
    return;
  }
  for (let more = body.seek(0); more; more = body.next())
    take(body.bytes, body.start, body.length, formatDouble(body.score));
  endScan(call, scan, 0);
}

interface Scan {
  readonly ref: number;
  readonly from: number;
  count: number;
  pattern: Buffer | null;
  withValues: boolean;
  seen: number;
  readonly found: Buffer[];
}

/** Reads the words; null after an answer: an error, or that there is no such key. */
function beginScan(call: Call, type: number): Scan | null {
  const word = call.latin1(2);
  if (!CURSOR.test(word) || BigInt(word) > CURSOR_MAX) {
    call.reply.error('ERR invalid cursor');
    return null;
  }
  const ref = readValue(call, 1, type);
  if (ref === WRONG) return null;
  const scan: Scan = {
    ref,
    from: Number(word),
    count: COUNT_DEFAULT,
    pattern: null,
    withValues: true,
    seen: 0,
    found: [],
  };
  if (ref === 0) {
    endScan(call, scan, 0);
    return null;
  }
  return readOptions(call, type, scan) ? scan : null;
}

function readOptions(call: Call, type: number, scan: Scan): boolean {
  for (let index = 3; index < call.argc; index++) {
    const more = index + 1 < call.argc;
    if (more && call.is(index, 'COUNT')) {
      scan.count = readLong(call, ++index);
      if (Number.isNaN(scan.count)) return false;
      if (scan.count < 1) {
        call.reply.error(errors.SYNTAX);
        return false;
      }
    } else if (more && call.is(index, 'MATCH')) {
      const pattern = call.copy(++index);
      scan.pattern = pattern.length === 1 && pattern[0] === 42 ? null : pattern;
    } else if (call.is(index, 'NOVALUES') || call.is(index, 'NOSCORES')) {
      const ofHashes = call.is(index, 'NOVALUES');
      if (type !== (ofHashes ? TYPE_HASH : TYPE_ZSET)) {
        const [option, command] = ofHashes ? ['NOVALUES', 'HSCAN'] : ['NOSCORES', 'ZSCAN'];
        call.reply.error(`ERR ${option} option can only be used in ${command}`);
        return false;
      }
      scan.withValues = false;
    } else {
      call.reply.error(errors.SYNTAX);
      return false;
    }
  }
  return true;
}

function matches(scan: Scan, name: ElementText): boolean {
  if (scan.pattern === null) return true;
  name.asText();
  return matchesGlob(scan.pattern, name.bytes, name.start, name.start + name.length, false);
}

function scanTable(call: Call, scan: Scan, step: (from: number) => number): void {
  // A cursor that was never given out ends the walk.
  let cursor = Number.isSafeInteger(scan.from) ? scan.from : 0;
  if (cursor !== scan.from) {
    endScan(call, scan, 0);
    return;
  }
  let steps = scan.count * STEPS_PER_ELEMENT;
  do cursor = step(cursor);
  while (cursor !== 0 && scan.seen < scan.count && --steps > 0);
  endScan(call, scan, cursor);
}

function endScan(call: Call, scan: Scan, cursor: number): void {
  const { reply } = call;
  reply.array(2);
  reply.bulkLatin1(String(cursor));
  reply.array(scan.found.length);
  for (const element of scan.found) reply.bulk(element);
}
