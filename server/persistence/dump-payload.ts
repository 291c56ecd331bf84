/**
 * The payload of DUMP and RESTORE: one RDB value between its type byte and a footer of ten bytes.
 *
 *   type | value | version u16 LE | CRC-64 LE over all before
 */
import { Crc64 } from '../structures/crc64.ts';
import {
  RDB_VERSION_DEFAULT,
  RDB_VERSION_MAX,
  rdbTypeName,
  TYPE_STRING,
  VALKEY_RDB_VERSION,
} from './rdb-format.ts';
import { RdbError, RdbReader, type RdbVisitor } from './rdb-reader.ts';
import { RdbWriter } from './rdb-writer.ts';

const FOOTER_BYTES = 10;
const EMPTY_KEY = Uint8Array.of(0);
const header = new TextEncoder().encode(`REDIS00${RDB_VERSION_DEFAULT}`);

/** What a payload holds; the value is the caller's. */
export type DumpPayload =
  | { readonly kind: 'string'; readonly value: Uint8Array }
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

/** The DUMP payload of a string. */
export function dumpString(value: Uint8Array, start: number, end: number, version: number): Uint8Array {
  const writer = new RdbWriter(true);
  writer.byte(TYPE_STRING);
  writer.string(value, start, end);
  return sealPayload(writer.take(), version);
}

/** Opens a payload. */
export function openPayload(payload: Uint8Array): DumpPayload {
  const size = payload.length - FOOTER_BYTES;
  if (size < 1) return { kind: 'bad-footer' };
  const version = payload[size] | (payload[size + 1] << 8);
  if (version > RDB_VERSION_MAX && version !== VALKEY_RDB_VERSION) return { kind: 'bad-footer' };
  const crc = new Crc64();
  crc.update(payload, 0, size + 2);
  if (!crc.equals(payload, size + 2)) return { kind: 'bad-footer' };
  if (payload[0] !== TYPE_STRING) {
    return { kind: 'bad-data', reason: `a ${rdbTypeName(payload[0], version)} is not supported` };
  }
  return openString(payload, size);
}

/** A payload is a record without its key, so the reader is given an empty key in between. */
function openString(payload: Uint8Array, size: number): DumpPayload {
  let value: Uint8Array | null = null;
  const visitor: RdbVisitor = {
    aux: () => {},
    selectDatabase: () => {},
    resize: () => {},
    string: (record) => {
      value = record.value.slice();
    },
  };
  const reader = new RdbReader(visitor, false);
  try {
    reader.feed(header);
    reader.feed(payload.subarray(0, 1));
    reader.feed(EMPTY_KEY);
    reader.feed(payload.subarray(1, size));
  } catch (error) {
    if (error instanceof RdbError) return { kind: 'bad-data', reason: error.message };
    throw error;
  }
  if (value === null || reader.offset !== header.length + size + 1) {
    return { kind: 'bad-data', reason: 'the payload is no single value' };
  }
  return { kind: 'string', value };
}
