import { describe, expect, it } from 'vitest';
import { NO_EXPIRY } from '../keyspace/database.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Stats } from '../keyspace/stats.ts';
import { datasetDigest } from './dataset-digest.ts';

function keyspaceWith(entries: readonly (readonly [number, string, string, number])[]): Keyspace {
  const keyspace = new Keyspace({ databases: 4, perSlot: false, stats: new Stats(), random: () => 0.5 });
  for (const [database, key, value, expiresAtMs] of entries) {
    const keyBytes = Buffer.from(key);
    const valueBytes = Buffer.from(value);
    keyspace.databases[database]?.setString(
      keyBytes,
      0,
      keyBytes.length,
      valueBytes,
      0,
      valueBytes.length,
      expiresAtMs,
    );
  }
  return keyspace;
}

describe('datasetDigest', () => {
  it('is zero without keys', () => {
    expect(datasetDigest(keyspaceWith([]))).toBe('0'.repeat(40));
  });

  it('is what redis-server prints for the same data', () => {
    expect(datasetDigest(keyspaceWith([[0, 'a', 'b', NO_EXPIRY]]))).toBe(
      '479783d7290f02957dfbe3408a858ba13eea1709',
    );
    const later = 9_000_000_000_000;
    const all = [
      [0, 'a', 'b', later],
      [0, 'counter', '12345', NO_EXPIRY],
      [3, 'x', 'y', NO_EXPIRY],
    ] as const;
    expect(datasetDigest(keyspaceWith(all))).toBe('9c3d36ac5ed53b481fa36f0fbc0ff4cf136e6e72');
    expect(datasetDigest(keyspaceWith([...all].reverse()))).toBe('9c3d36ac5ed53b481fa36f0fbc0ff4cf136e6e72');
  });
});
