/**
 * A digest of all data that does not depend on the order of keys: equal digests mean equal datasets, also
 * between this server and Redis.
 *
 * Each key gives mix(key), mix(type), mix(value) and, with an expiry, xor('!!expire!!'); the digests of the
 * keys are folded into one by xor. mix(x): digest = SHA1(digest ^ SHA1(x)); xor(x): digest ^= SHA1(x).
 */

import type { Keyspace } from '../keyspace/keyspace.ts';
import { DIGEST_BYTES, mix, xor } from './digest.ts';
import { mixValue } from './value-digests.ts';

const EXPIRES = Buffer.from('!!expire!!');

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The digest of one key's record. */
export function recordDigest(keyspace: Keyspace, ref: number, withKey: boolean): Buffer {
  const { records } = keyspace;
  const digest = Buffer.alloc(DIGEST_BYTES);
  const start = records.keyStart(ref);
  if (withKey) mix(digest, records.segment(ref).subarray(start, start + records.keyLength(ref)));
  mix(digest, number32(records.type(ref)));
  mixValue(digest, keyspace, ref);
  if (records.expires(ref)) xor(digest, EXPIRES);
  return digest;
}

/** The digest of all databases in hexadecimal; all zeros when there is no key. */
export function datasetDigest(keyspace: Keyspace): string {
  const digest = Buffer.alloc(DIGEST_BYTES);
  for (const database of keyspace.databases) {
    if (database.size === 0) continue;
    mix(digest, number32(database.index));
    let cursor = 0;
    do {
      cursor = database.scan(cursor, (ref) => xor(digest, recordDigest(keyspace, ref, true)));
    } while (cursor !== 0);
  }
  return digest.toString('hex');
}
