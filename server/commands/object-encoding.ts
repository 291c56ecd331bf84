/** The name of a value's encoding, as OBJECT ENCODING and DEBUG OBJECT print it. */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { ENCODING_RAW, TYPE_STRING } from '../structures/record.ts';
import { parseInteger64 } from './call.ts';

const INTEGER_BYTES_MAX = 20;
const EMBEDDED_BYTES_MAX = 44;

export function encodingNameOf(keyspace: Keyspace, ref: number): string {
  const { records, values } = keyspace;
  const type = records.type(ref);
  if (type !== TYPE_STRING) return values.of(type).encodingName(ref);
  if (records.encoding(ref) === ENCODING_RAW) return 'raw';
  const length = records.valueLength(ref);
  const start = records.valueStart(ref);
  if (length <= INTEGER_BYTES_MAX && parseInteger64(records.segment(ref), start, start + length) !== null) {
    return 'int';
  }
  return length <= EMBEDDED_BYTES_MAX ? 'embstr' : 'raw';
}
