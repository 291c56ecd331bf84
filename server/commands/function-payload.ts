/** The payload of FUNCTION DUMP and RESTORE: libraries as in a snapshot, with the footer of DUMP. */
import { sealPayload } from '../persistence/dump-payload.ts';
import {
  OPCODE_FUNCTION_PRE_GA,
  OPCODE_FUNCTION2,
  RDB_VERSION_MAX,
  VALKEY_RDB_VERSION,
} from '../persistence/rdb-format.ts';
import { NEED_MORE, RdbError, RdbSource } from '../persistence/rdb-source.ts';
import { RdbWriter } from '../persistence/rdb-writer.ts';
import type { Library } from '../scripting/library.ts';
import { Crc64 } from '../structures/crc64.ts';

const FOOTER_BYTES = 10;

export function dumpLibraries(libraries: Iterable<Library>, version: number): Uint8Array {
  const writer = new RdbWriter(true);
  for (const { code } of libraries) {
    writer.byte(OPCODE_FUNCTION2);
    writer.string(code, 0, code.length);
  }
  return sealPayload(writer.take(), version);
}

/** The code of every library; a string is the error's text without its code. */
export function openLibraries(payload: Buffer): Buffer[] | string {
  const size = payload.length - FOOTER_BYTES;
  const wrong = 'DUMP payload version or checksum are wrong';
  if (size < 0) return wrong;
  const version = payload[size] | (payload[size + 1] << 8);
  if (version > RDB_VERSION_MAX && version !== VALKEY_RDB_VERSION) return wrong;
  const crc = new Crc64();
  crc.update(payload, 0, size + 2);
  if (!crc.equals(payload, size + 2)) return wrong;
  const codes: Buffer[] = [];
  const source = new RdbSource();
  source.version = version;
  source.open(payload.subarray(0, size));
  while (source.at < size) {
    const opcode = source.byte();
    if (opcode === OPCODE_FUNCTION_PRE_GA) return 'Pre-GA function format not supported';
    if (opcode !== OPCODE_FUNCTION2) return 'given type is not a function';
    try {
      codes.push(Buffer.from(source.string()));
    } catch (error) {
      if (error !== NEED_MORE && !(error instanceof RdbError)) throw error;
      return 'failed loading the given functions payload';
    }
  }
  return codes;
}
