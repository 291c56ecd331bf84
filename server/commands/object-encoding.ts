/** The name of a value's encoding, as OBJECT ENCODING and DEBUG OBJECT print it. */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { ENCODING_AUTO, ENCODING_RAW, TYPE_STRING } from '../structures/record.ts';
import { parseInteger64 } from './call.ts';

const INTEGER_BYTES_MAX = 20;
/** The object of a longer string would not fit 64 bytes in Redis. */
const EMBEDDED_BYTES_MAX = 44;

export function encodingNameOf(keyspace: Keyspace, ref: number): string {
  const { records, values } = keyspace;
  const type = records.type(ref);
  if (type !== TYPE_STRING) return values.of(type).encodingName(ref);
  const kept = records.encoding(ref);
  const length = records.valueLength(ref);
  if (kept === ENCODING_RAW || length > EMBEDDED_BYTES_MAX) return 'raw';
  const start = records.valueStart(ref);
  const integer =
    kept === ENCODING_AUTO &&
    length <= INTEGER_BYTES_MAX &&
    parseInteger64(records.segment(ref), start, start + length) !== null;
  return integer ? 'int' : 'embstr';
}
