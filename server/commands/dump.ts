/** DUMP and RESTORE: one value as bytes that another server takes. */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_GENERIC } from '../keyspace/events.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { dumpRecord, openPayload } from '../persistence/dump-payload.ts';
import { writtenVersion } from '../persistence/rdb-format.ts';
import { RdbError } from '../persistence/rdb-source.ts';
import { RecordWriter, restoredAccessClock } from '../persistence/record-writer.ts';
import { KEY_BYTES_MAX } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { ASKING, DENYOOM, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';

// biome-ignore format: a table, one command a row
export const dumpCommands: readonly Row[] = [
  // name            arity flags                     keys     since    run      summary
  ['DUMP',           2,    READONLY,                 ONE_KEY, '2.6.0', dump,    'Returns a serialized representation of the value stored at a key.', {tips: ['nondeterministic_output']}],
  ['RESTORE',        -4,   WRITE | DENYOOM,          ONE_KEY, '2.6.0', restore, 'Creates a key from the serialized representation of a value.'],
  ['RESTORE-ASKING', -4,   WRITE | DENYOOM | ASKING, ONE_KEY, '3.0.0', restore, 'An internal command for migrating keys in a cluster.'],
];

const BUSY_KEY = 'BUSYKEY Target key name already exists.';
const INVALID_TTL = 'ERR Invalid TTL value, must be >= 0';
const INVALID_IDLETIME = 'ERR Invalid IDLETIME value, must be >= 0';
const INVALID_FREQ = 'ERR Invalid FREQ value, must be >= 0 and <= 255';
const BAD_FOOTER = 'ERR DUMP payload version or checksum are wrong';
const BAD_DATA = 'ERR Bad data format';

function dump(call: Call): void {
  const ref = call.database.read(call.bytes, call.argStart[1], call.argLength[1]);
  if (ref === 0) {
    call.reply.nullBulk();
    return;
  }
  const { keyspace, config } = call.context;
  const writer = recordWriter(keyspace);
  writer.version = writtenVersion(Number(config.values['rdb-version']), keyspace.fieldsExpire);
  try {
    call.reply.bulk(dumpRecord(writer, ref, config.values.rdbcompression));
  } catch (error) {
    if (!(error instanceof RdbError)) throw error;
    call.reply.error(`ERR ${error.message}`);
  }
}

const writers = new WeakMap<Keyspace, RecordWriter>();

/** The one writer of DUMP payloads for a keyspace. */
export function recordWriter(keyspace: Keyspace): RecordWriter {
  let writer = writers.get(keyspace);
  if (writer === undefined) {
    writer = new RecordWriter(keyspace);
    writers.set(keyspace, writer);
  }
  return writer;
}

interface RestoreOptions {
  replace: boolean;
  absolute: boolean;
  idleSeconds: number;
  frequency: number;
}

/** What follows the payload; null after an error was answered. */
function restoreOptions(call: Call): RestoreOptions | null {
  const options: RestoreOptions = { replace: false, absolute: false, idleSeconds: -1, frequency: -1 };
  for (let index = 4; index < call.argc; index++) {
    const more = index + 1 < call.argc;
    if (call.is(index, 'REPLACE')) options.replace = true;
    else if (call.is(index, 'ABSTTL')) options.absolute = true;
    else if (call.is(index, 'IDLETIME') && more && options.frequency < 0) {
      options.idleSeconds = restoreNumber(call, ++index, Number.MAX_SAFE_INTEGER, INVALID_IDLETIME);
      if (options.idleSeconds < 0) return null;
    } else if (call.is(index, 'FREQ') && more && options.idleSeconds < 0) {
      options.frequency = restoreNumber(call, ++index, 255, INVALID_FREQ);
      if (options.frequency < 0) return null;
    } else {
      call.reply.error(errors.SYNTAX);
      return null;
    }
  }
  return options;
}

/** Word `index` as an integer of 0 to `most`; -1 after an error was answered. */
function restoreNumber(call: Call, index: number, most: number, outOfRange: string): number {
  const value = call.integer64(index);
  if (value === null) call.reply.error(errors.NOT_INTEGER);
  else if (value < 0n || value > BigInt(most)) call.reply.error(outOfRange);
  else return Number(value);
  return -1;
}

/** Whether `sanitize-dump-payload` has the payload of this call looked at. */
function looksInside(call: Call): boolean {
  const setting = call.context.config.values['sanitize-dump-payload'];
  if (setting !== 'clients') return setting === 'yes';
  const { kind, user } = call.client;
  return kind === 'normal' && user?.sanitizesPayload !== false;
}

function restore(call: Call): void {
  const options = restoreOptions(call);
  if (options === null) return;
  const { database } = call;
  const { keyspace, persistence } = call.context;
  const key = call.copy(1);
  if (key.length > KEY_BYTES_MAX) {
    call.reply.error(errors.KEY_TOO_LONG);
    return;
  }
  if (!options.replace && database.find(key, 0, key.length) !== 0) {
    call.reply.error(BUSY_KEY);
    return;
  }
  const ttl = restoreNumber(call, 2, Number.MAX_SAFE_INTEGER, INVALID_TTL);
  if (ttl < 0) return;
  const payload = call.copy(3);
  const opened = openPayload(payload, recordWriter(keyspace).codecs, {
    relaxed: call.context.config.values['rdb-version-check'] === 'relaxed',
    checksum: !keyspace.switches.skipsChecksums,
    thorough: looksInside(call),
  });
  if (opened.kind !== 'string' && opened.kind !== 'value') {
    if (opened.kind === 'bad-data') {
      call.context.log.verbose(
        `Internal error in RDB reading offset 0, in a payload of RESTORE -> ${opened.reason}`,
      );
    }
    call.reply.error(opened.kind === 'bad-footer' ? BAD_FOOTER : BAD_DATA);
    return;
  }
  const expiresAtMs = ttl === 0 ? NO_EXPIRY : options.absolute ? ttl : ttl + keyspace.nowMs;
  if (expiresAtMs >= 0 && expiresAtMs <= keyspace.nowMs && keyspace.deletesExpired && !keyspace.seesExpired) {
    if (opened.kind === 'value')
      keyspace.values.of(opened.type).release(opened.value.encoding, opened.value.root);
    if (database.remove(key, 0, key.length)) {
      call.notify(NOTIFY_GENERIC, 'del', 1);
      call.propagateAs([call.context.config.values['lazyfree-lazy-server-del'] ? 'UNLINK' : 'DEL', key]);
    }
    call.reply.ok();
    return;
  }
  if (opened.kind === 'string') {
    database.setString(key, 0, key.length, opened.value, 0, opened.value.length, expiresAtMs);
  } else {
    const { encoding, root } = opened.value;
    database.putValue(key, 0, key.length, opened.type, encoding, root, expiresAtMs);
    keyspace.changed(database.index, key, 0, key.length);
  }
  call.notify(NOTIFY_GENERIC, 'restore', 1);
  const clock = restoredAccessClock(
    persistence.accessAttributes,
    keyspace.nowMs,
    options.idleSeconds,
    options.frequency,
  );
  if (clock >= 0) keyspace.records.setAccessClock(database.findAny(key, 0, key.length), clock);
  if (expiresAtMs >= 0 && !options.absolute) {
    const options = Array.from({ length: call.argc - 4 }, (_, at) => call.copy(4 + at));
    call.propagateAs([call.copy(0), key, String(expiresAtMs), payload, ...options, 'ABSTTL']);
  }
  call.reply.ok();
}
