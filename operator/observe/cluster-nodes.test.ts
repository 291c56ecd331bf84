import { describe, expect, it } from 'vitest';
import { parseClusterNodes } from './cluster-nodes.ts';

const TEXT = [
  'aa01 10.0.0.1:6379@16379,p-0.nodes.default.svc myself,master - 0 0 3 connected 0-5 9 [7->-bb02] [8-<-cc03]',
  'bb02 10.0.0.2:6379@16379,,shard-id=f00 slave,fail aa01 1 2 3 disconnected',
  'cc03 :0@0 master,noaddr - 1 2 0 disconnected',
  'dd04 fd00::1:6379@16379 handshake - 1 0 0 connected',
  '',
].join('\n');

describe('parseClusterNodes', () => {
  const table = parseClusterNodes(TEXT);
  it('reads slots and open slots of the node itself', () => {
    expect(table.myself?.slots).toEqual([
      { first: 0, last: 5 },
      { first: 9, last: 9 },
    ]);
    expect(table.openSlots).toEqual([
      { slot: 7, direction: 'migrating', peerId: 'bb02' },
      { slot: 8, direction: 'importing', peerId: 'cc03' },
    ]);
    expect(table.myself?.hostname).toBe('p-0.nodes.default.svc');
  });
  it('reads roles, failures and followed primaries', () => {
    expect(table.entries[1]).toMatchObject({
      role: 'replica',
      primaryId: 'aa01',
      failed: true,
      connected: false,
      hostname: undefined,
    });
  });
  it('marks a node without address, and reads IPv6', () => {
    expect(table.entries[2]).toMatchObject({ noAddress: true, host: '' });
    expect(table.entries[3]).toMatchObject({ host: 'fd00::1', port: 6379, handshake: true });
  });
  it('skips lines that are none', () => {
    expect(parseClusterNodes('\nvars currentEpoch 3\n').entries).toEqual([]);
  });
});
