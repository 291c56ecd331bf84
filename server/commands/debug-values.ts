/** DEBUG's subcommands about single values and tables. */

import type { Keyspace } from '../keyspace/keyspace.ts';
import { lfuCounter } from '../keyspace/lfu.ts';
import { dumpRecord } from '../persistence/dump-payload.ts';
import { ENCODING_LISTPACK, ENCODING_QUICKLIST, TYPE_STRING } from '../structures/record.ts';
import type { Call } from './call.ts';
import { datasetDigest, recordDigest } from './dataset-digest.ts';
import { recordWriter } from './dump.ts';
import * as errors from './errors.ts';
import { encodingNameOf } from './object-encoding.ts';

const DIGEST_BYTES = 20;
/** Type byte and footer of a DUMP payload, which the length of a serialized value does not count. */
const PAYLOAD_FRAME_BYTES = 11;

export function debugDigest(call: Call): void {
  call.reply.simple(datasetDigest(call.context.keyspace));
}

export function debugDigestValue(call: Call): void {
  call.reply.array(call.argc - 2);
  for (let index = 2; index < call.argc; index += 1) {
    const ref = findAny(call, index);
    const digest = ref === 0 ? Buffer.alloc(DIGEST_BYTES) : recordDigest(call.context.keyspace, ref, false);
    call.reply.simple(digest.toString('hex'));
  }
}

/** The record of the key in word `index`, expired or not; 0 when there is none. */
function findAny(call: Call, index: number): number {
  return call.database.findAny(call.bytes, call.argStart[index], call.argLength[index]);
}

/** Like `findAny`; answers the error when there is none. */
function findKey(call: Call): number {
  const ref = findAny(call, 2);
  if (ref === 0) call.reply.error(errors.NO_SUCH_KEY);
  return ref;
}

export function debugObject(call: Call): void {
  const ref = findKey(call);
  if (ref === 0) return;
  const { keyspace, config } = call.context;
  const { records } = keyspace;
  const fast = call.argc > 3 && call.is(3, 'FAST');
  const clock = records.accessClock(ref);
  const minutes = keyspace.freshClock >>> 8;
  const fields = [
    `Value at:0x${(ref * 8).toString(16)}`,
    'refcount:1',
    `encoding:${encodingNameOf(keyspace, ref)}`,
    ...(fast ? [] : [`serializedlength:${serializedLength(keyspace, ref)}`]),
    `lru:${clock}`,
    `lru_seconds_idle:${Math.max(0, (keyspace.freshClock - clock) & 0xffffff)}`,
    `lfu_freq:${lfuCounter(clock, minutes, config.values['lfu-decay-time'])}`,
    `lfu_access_time_minutes:${clock >>> 8}`,
    ...(records.type(ref) !== TYPE_STRING && records.encoding(ref) === ENCODING_QUICKLIST
      ? quicklistFields(call, ref)
      : []),
  ];
  call.reply.simple(fields.join(' '));
}

function serializedLength(keyspace: Keyspace, ref: number): number {
  const writer = recordWriter(keyspace);
  writer.version = 11;
  return dumpRecord(writer, ref).length - PAYLOAD_FRAME_BYTES;
}

function quicklistFields(call: Call, ref: number): string[] {
  const { keyspace, config } = call.context;
  const { lists } = keyspace.values;
  const nodes = lists.quicklists.nodes(keyspace.records.root(ref));
  return [
    `ql_nodes:${nodes}`,
    `ql_avg_node:${(lists.count(ref) / nodes).toFixed(2)}`,
    `ql_listpack_max:${config.values['list-max-listpack-size']}`,
    `ql_compressed:${config.values['list-compress-depth'] === 0 ? 0 : 1}`,
    `ql_uncompressed_size:${lists.heldBytes(ref, 0)}`,
  ];
}

export function debugSdsLength(call: Call): void {
  const ref = findKey(call);
  if (ref === 0) return;
  const { records } = call.context.keyspace;
  if (records.type(ref) !== TYPE_STRING) {
    call.reply.error('ERR Not an sds encoded string.');
    return;
  }
  const key = records.keyLength(ref);
  const value = records.valueLength(ref);
  call.reply.simple(
    `key_sds_len:${key} key_sds_avail:0 obj_alloc:${records.heldBytes(ref)} ` +
      `val_sds_len:${value} val_sds_avail:0 val_alloc:${value}`,
  );
}

export function debugListpack(call: Call): void {
  const ref = findKey(call);
  if (ref === 0) return;
  const { records } = call.context.keyspace;
  const isListpack = records.type(ref) !== TYPE_STRING && records.encoding(ref) === ENCODING_LISTPACK;
  if (isListpack) call.reply.simple('Listpack structure printed on stdout');
  else call.reply.error('ERR Not a listpack encoded object.');
}

export function debugQuicklist(call: Call): void {
  const ref = findKey(call);
  if (ref === 0) return;
  const { records } = call.context.keyspace;
  const isQuicklist = records.type(ref) !== TYPE_STRING && records.encoding(ref) === ENCODING_QUICKLIST;
  if (isQuicklist) call.reply.simple('Quicklist structure printed on stdout');
  else call.reply.error('ERR Not a quicklist encoded object.');
}

/** `HTSTATS <database> [FULL]` */
export function debugTableStats(call: Call): void {
  const index = call.integer(2);
  if (Number.isNaN(index)) {
    call.reply.error(errors.NOT_INTEGER);
    return;
  }
  const database = call.context.keyspace.databases[index];
  if (database === undefined) {
    call.reply.error('ERR Out of range database');
    return;
  }
  const lines = [
    '[Dictionary HT]',
    ...tableLines(database.size),
    '[Expires HT]',
    ...tableLines(database.expiring),
  ];
  call.reply.verbatim(`${lines.join('\n')}\n`);
}

/** `HTSTATS-KEY <key> [FULL]` */
export function debugTableStatsOfKey(call: Call): void {
  const ref = findKey(call);
  if (ref === 0) return;
  const { keyspace } = call.context;
  const encoding = encodingNameOf(keyspace, ref);
  if (encoding !== 'hashtable' && encoding !== 'skiplist') {
    call.reply.error('ERR The value stored at the specified key is not represented using an hash table');
    return;
  }
  const count = keyspace.values.of(keyspace.records.type(ref)).count(ref);
  call.reply.verbatim(`${tableLines(count).join('\n')}\n`);
}

function tableLines(elements: number): string[] {
  if (elements === 0) return ['No stats available for empty dictionaries'];
  const size = 2 ** Math.ceil(Math.log2(Math.max(elements, 4)));
  return [
    'Hash table 0 stats (main hash table):',
    ` table size: ${size}`,
    ` number of elements: ${elements}`,
  ];
}
