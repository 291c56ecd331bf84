/** What a value of each type adds to the digest of its key. */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { TYPE_LIST, TYPE_STRING } from '../structures/record.ts';
import { mix } from './digest.ts';

/** Takes up the value of the key at `ref`. */
type ValueDigest = (digest: Buffer, keyspace: Keyspace, ref: number) => void;

const digests = new Map<number, ValueDigest>([
  [TYPE_STRING, stringDigest],
  [TYPE_LIST, listDigest],
]);

export function mixValue(digest: Buffer, keyspace: Keyspace, ref: number): void {
  const type = keyspace.records.type(ref);
  const add = digests.get(type);
  if (add === undefined) throw new Error(`no digest for values of type ${type}`);
  add(digest, keyspace, ref);
}

function stringDigest(digest: Buffer, keyspace: Keyspace, ref: number): void {
  const { records } = keyspace;
  const value = Buffer.allocUnsafe(records.valueLength(ref));
  records.copyValue(ref, 0, value.length, value, 0);
  mix(digest, value);
}

function listDigest(digest: Buffer, keyspace: Keyspace, ref: number): void {
  const { lists } = keyspace.values;
  const cursor = lists.open(ref, 0, true);
  const { element } = cursor;
  while (cursor.next()) mix(digest, element.bytes.subarray(element.start, element.end));
}
