import { describe, expect, test } from 'vitest';
import { NO_LINK } from '../commands/applier.ts';
import { Client } from '../commands/client.ts';
import { heldBytes, type MemoryHolder, overLimit } from './client-memory.ts';

function holder(memoryBytes: number, change: (client: Client) => void = () => {}): MemoryHolder {
  const client = new Client(1, NO_LINK, 0);
  change(client);
  return { client, memoryBytes };
}

describe('overLimit', () => {
  test('the largest go, and no more than needed', () => {
    const holders = [holder(10), holder(300), holder(200), holder(100)];
    expect(overLimit(holders, 1000)).toEqual([]);
    expect(overLimit(holders, 610)).toEqual([]);
    expect(overLimit(holders, 609)).toEqual([holders[1]]);
    expect(overLimit(holders, 200)).toEqual([holders[1], holders[2]]);
  });

  test('who asked not to be evicted counts but stays; replicas do neither', () => {
    const safe = holder(1000, (client) => {
      client.noEvict = true;
    });
    const replica = holder(5000, (client) => {
      client.kind = 'replica';
    });
    const small = holder(10);
    expect(overLimit([safe, replica, small], 1010)).toEqual([]);
    expect(overLimit([safe, replica, small], 1009)).toEqual([small]);
  });
});

describe('heldBytes', () => {
  test('queued commands and watched keys count', () => {
    const client = new Client(1, NO_LINK, 0);
    expect(heldBytes(client)).toBe(0);
    client.queuedBytes = 100;
    client.watched = new Map([['0:a', { databaseIndex: 0, key: Buffer.from('a'), stale: false }]]);
    expect(heldBytes(client)).toBeGreaterThan(100);
  });
});
