/** The name of an element of a table in RDB: a member, or the field of a hash. */
import type { Records } from '../../structures/record.ts';
import type { RdbWriter } from '../rdb-writer.ts';

export function writeName(writer: RdbWriter, records: Records, element: number): void {
  const start = records.keyStart(element);
  writer.string(records.segment(element), start, start + records.keyLength(element));
}
