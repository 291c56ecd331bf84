/**
 * The payload of DUMP and RESTORE: one RDB value between its type byte and a footer of ten bytes.
 *
 *   type | value | version u16 LE | CRC-64 LE over all before
 */
import { Crc64 } from '../structures/crc64.ts';
import { TYPE_ZSET } from '../structures/record.ts';
import type { DetachedValue } from '../values/value-type.ts';
import type { Codecs } from './codecs/codecs.ts';
import { damageText, RDB_VERSION_MAX, rdbTypeName, TYPE_STRING, VALKEY_RDB_VERSION } from './rdb-format.ts';
import { NEED_MORE, RdbError, RdbSource } from './rdb-source.ts';
import { RdbWriter } from './rdb-writer.ts';
import type { RecordWriter } from './record-writer.ts';
import type { ValueCodec, ValueDecoder } from './value-codec.ts';

const FOOTER_BYTES = 10;

/** What a payload holds; the value is the caller's. */
export type DumpPayload =
  | { readonly kind: 'string'; readonly value: Uint8Array }
  | { readonly kind: 'value'; readonly type: number; readonly value: DetachedValue }
  /** The footer is missing, of a newer version, or its checksum is wrong. */
  | { readonly kind: 'bad-footer' }
  | { readonly kind: 'bad-data'; readonly reason: string };

/** A payload with its footer. */
export function sealPayload(payload: Uint8Array, version: number): Uint8Array {
  const sealed = new Uint8Array(payload.length + FOOTER_BYTES);
  sealed.set(payload);
  sealed[payload.length] = version & 255;
  sealed[payload.length + 1] = version >>> 8;
  const crc = new Crc64();
  crc.update(sealed, 0, payload.length + 2);
  crc.writeTo(sealed, payload.length + 2);
  return sealed;
}

/** The DUMP payload of a record. Throws RdbError when the writer's version cannot hold its value. */
export function dumpRecord(records: RecordWriter, ref: number, compression = true): Uint8Array {
  const writer = new RdbWriter(compression);
  records.writeValue(writer, ref);
  return sealPayload(writer.take(), records.version);
}

export interface PayloadChecks {
  /** The checksum counts. */
  readonly checksum: boolean;
  /** The version may be any. */
  readonly relaxed?: boolean;
  /** Values are looked at for what no server writes, as doubled elements; their bounds always are. */
  readonly thorough?: boolean;
}

/** Opens a payload: its version, checksum and value as far as `checks` says. */
export function openPayload(
  payload: Uint8Array,
  codecs: Codecs,
  checks: PayloadChecks = { checksum: true },
): DumpPayload {
  const size = payload.length - FOOTER_BYTES;
  if (size < 1) return { kind: 'bad-footer' };
  const version = payload[size] | (payload[size + 1] << 8);
  const known = version <= RDB_VERSION_MAX || version === VALKEY_RDB_VERSION;
  if (!known && checks.relaxed !== true) return { kind: 'bad-footer' };
  const crc = new Crc64();
  crc.update(payload, 0, size + 2);
  if (checks.checksum && !crc.equals(payload, size + 2)) return { kind: 'bad-footer' };
  const source = new RdbSource();
  source.version = version;
  source.thorough = checks.thorough ?? true;
  source.open(Buffer.from(payload.buffer, payload.byteOffset, size));
  try {
    const opened = openValue(source, codecs);
    if (source.at === size) return opened;
    if (opened.kind === 'value' && opened.value.root !== 0)
      codecs.values.of(opened.type).release(opened.value.encoding, opened.value.root);
    return { kind: 'bad-data', reason: 'the payload is longer than its value' };
  } catch (error) {
    if (error === NEED_MORE) return { kind: 'bad-data', reason: 'the payload is shorter than its value' };
    if (error instanceof RdbError) return { kind: 'bad-data', reason: error.message };
    throw error;
  }
}

function openValue(source: RdbSource, codecs: Codecs): DumpPayload {
  const rdbType = source.byte();
  if (rdbType === TYPE_STRING) return { kind: 'string', value: Buffer.from(source.string()) };
  const codec = codecs.reader(rdbType, source.version);
  if (codec === undefined) source.fail(`a ${rdbTypeName(rdbType, source.version)} is not supported`);
  const value = readValue(source, codec, rdbType);
  if (value.root === 0) source.fail('the value is empty');
  return { kind: 'value', type: codec.type, value };
}

function readValue(source: RdbSource, codec: ValueCodec, rdbType: number): DetachedValue {
  let decoder: ValueDecoder | null = null;
  try {
    // A score that is none would break every walk: sorted sets of strangers are always looked at.
    const whole = codec.type === TYPE_ZSET ? null : (codec.whole?.(rdbType, source) ?? null);
    if (whole !== null) return whole;
    decoder = codec.decoder(rdbType);
    while (!decoder.step(source));
    return decoder.result();
  } catch (error) {
    decoder?.abandon();
    if (error instanceof RdbError) source.fail(damageText(rdbType, error.message));
    throw error;
  }
}
