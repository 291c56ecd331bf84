/**
 * Where in the history of replication a place in an append-only file stands, as an annotation line:
 *
 *   #REPL:id=<40 hex digits>;offset=<n>;db=<n>
 *
 * Written once a second and at the end of the server. When nothing follows the last one, the dataset that the
 * files give is exactly the one of that offset, so that a restart can go on with a partial resync.
 */

/** Fields of an RDB's header, which mean the same. */
export type PositionFields = readonly (readonly [name: string, value: string])[];

const PATTERN = /^#REPL:id=([0-9a-f]{40});offset=(\d{1,15});db=(\d{1,5})\s*$/;

/** The annotation for repl-id, repl-offset and repl-stream-db; null when there is no history. */
export function positionAnnotation(fields: PositionFields): string | null {
  const values = new Map(fields);
  const id = values.get('repl-id');
  const offset = values.get('repl-offset');
  if (id === undefined || offset === undefined) return null;
  return `#REPL:id=${id};offset=${offset};db=${values.get('repl-stream-db') ?? '0'}\r\n`;
}

/** The fields of an annotation line, null when it is another one. */
export function readPosition(line: string): PositionFields | null {
  const match = PATTERN.exec(line);
  if (match === null) return null;
  const [, id, offset, database] = match;
  return [
    ['repl-id', id as string],
    ['repl-offset', offset as string],
    ['repl-stream-db', database as string],
  ];
}
