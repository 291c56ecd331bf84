/** What a value of each type adds to the digest of its key. */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { formatShortest } from '../structures/double.ts';
import { TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_STRING, TYPE_ZSET } from '../structures/record.ts';
import { DIGEST_BYTES, mix, xor } from './digest.ts';
import { streamDigest } from './stream-digest.ts';

/** Takes up the value of the key at `ref`. */
type ValueDigest = (digest: Buffer, keyspace: Keyspace, ref: number) => void;

const FIELD_EXPIRES = Buffer.from('!!hexpire!!');

const digests = new Map<number, ValueDigest>([
  [TYPE_STRING, stringDigest],
  [TYPE_LIST, listDigest],
  [TYPE_SET, setDigest],
  [TYPE_ZSET, sortedSetDigest],
  [TYPE_HASH, hashDigest],
  [TYPE_STREAM, streamDigest],
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

function setDigest(digest: Buffer, keyspace: Keyspace, ref: number): void {
  const cursor = keyspace.values.sets.newCursor();
  cursor.open(keyspace.records.encoding(ref), keyspace.records.root(ref));
  while (cursor.next()) {
    cursor.asText();
    xor(digest, cursor.bytes.subarray(cursor.start, cursor.start + cursor.length));
  }
}

function sortedSetDigest(digest: Buffer, keyspace: Keyspace, ref: number): void {
  const body = keyspace.values.sortedSets.openApart(ref);
  for (let more = body.seek(0); more; more = body.next()) {
    const element = Buffer.alloc(DIGEST_BYTES);
    mix(element, body.bytes.subarray(body.start, body.start + body.length));
    mix(element, Buffer.from(formatShortest(body.score)));
    xor(digest, element);
  }
}

function hashDigest(digest: Buffer, keyspace: Keyspace, ref: number): void {
  const cursor = keyspace.values.hashes.newCursor();
  cursor.open(keyspace.records.encoding(ref), keyspace.records.root(ref));
  while (cursor.next()) {
    const element = Buffer.alloc(DIGEST_BYTES);
    mix(element, cursor.field.copy());
    mix(element, cursor.copyValue());
    if (cursor.expiresAtMs >= 0) xor(element, FIELD_EXPIRES);
    xor(digest, element);
  }
}
