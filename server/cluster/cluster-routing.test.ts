import { beforeEach, describe, expect, it } from 'vitest';
import { reset, setSlotImporting, setSlotMigrating, setSlotOwner, takeSlots } from './cluster-admin.ts';
import { initialise, settle } from './cluster-core.ts';
import type { ClusterEnvironment, ClusterSettings } from './cluster-environment.ts';
import { computeOwned, type RouteRequest, routeSlot } from './cluster-routing.ts';
import { ClusterState } from './cluster-state.ts';
import { type ClusterNode, PRIMARY, REPLICA } from './node-table.ts';

const OTHER = 'b'.repeat(40);

interface Settable {
  preferredEndpoint: ClusterSettings['preferredEndpoint'];
  allowReadsWhenDown: boolean;
  allowShardChannelsWhenDown: boolean;
}

function newState(keysInSlot: Map<number, number>): { state: ClusterState; settings: Settable } {
  let clock = 1_000_000;
  const settings = {
    nodeTimeoutMs: 1000,
    requireFullCoverage: false,
    allowReadsWhenDown: false,
    allowShardChannelsWhenDown: true,
    allowReplicaMigration: true,
    preferredEndpoint: 'ip' as const,
    announceIp: '10.0.0.1',
    announceHostname: 'host-a',
    announceNodeName: '',
    port: 7000,
    plainPort: 0,
    busPort: 17000,
  };
  const environment = {
    now: () => (clock += 10_000),
    random: () => 0.5,
    newNodeId: () => 'a'.repeat(40),
    connect: () => null,
    save: () => undefined,
    routingChanged: () => undefined,
    log: () => undefined,
    replication: {
      replicate: () => undefined,
      promote: () => undefined,
      offset: () => 0,
      flushData: () => undefined,
    },
    keys: {
      countKeysInSlot: (slot: number) => keysInSlot.get(slot) ?? 0,
      isEmpty: () => keysInSlot.size === 0,
      deleteSlotKeys: () => undefined,
    },
  };
  const state = new ClusterState(
    settings as unknown as ClusterSettings,
    environment as unknown as ClusterEnvironment,
  );
  initialise(state, '');
  return { state, settings: settings as Settable };
}

describe('routing', () => {
  let state: ClusterState;
  let settings: Settable;
  let other: ClusterNode;
  const keys = new Map<number, number>();
  const ask = (slot: number, change: Partial<RouteRequest> = {}): string | null =>
    routeSlot(state, slot, {
      write: false,
      asking: false,
      readonlyMode: false,
      keyCount: 1,
      movesKeys: false,
      missingKeys: () => 0,
      ...change,
    });

  beforeEach(() => {
    keys.clear();
    ({ state, settings } = newState(keys));
    other = state.newNode(OTHER, PRIMARY);
    Object.assign(other, { ip: '10.0.0.2', port: 7001, hostname: 'host-b' });
    state.nodes.add(other);
    takeSlots(state, [1, 2, 3]);
    state.slots.assign(100, other);
    settle(state);
  });

  it('serves own slots and sends clients to the owner of others', () => {
    const owned = new Uint8Array(16384);
    computeOwned(state, owned);
    expect([owned[0], owned[1], owned[3], owned[100]]).toEqual([0, 1, 1, 0]);
    expect(ask(1)).toBeNull();
    expect(ask(100)).toBe('MOVED 100 10.0.0.2:7001');
    expect(ask(0)).toBe('CLUSTERDOWN Hash slot not served');
  });

  it('names what cluster-preferred-endpoint-type says', () => {
    settings.preferredEndpoint = 'hostname';
    expect(ask(100)).toBe('MOVED 100 host-b:7001');
    other.hostname = '';
    expect(ask(100)).toBe('MOVED 100 ?:7001');
    settings.preferredEndpoint = 'unknown-endpoint';
    expect(ask(100)).toBe('MOVED 100 :7001');
  });

  it('asks elsewhere for keys that a migrating slot no longer holds', () => {
    expect(setSlotMigrating(state, 1, OTHER)).toBeNull();
    const owned = new Uint8Array(16384);
    computeOwned(state, owned);
    expect(owned[1]).toBe(0);
    expect(ask(1)).toBeNull();
    expect(ask(1, { missingKeys: () => 1 })).toBe('ASK 1 10.0.0.2:7001');
    expect(ask(1, { keyCount: 2, missingKeys: () => 1 })).toBe(
      'TRYAGAIN Multiple keys request during rehashing of slot',
    );
    expect(ask(1, { movesKeys: true, missingKeys: () => 1 })).toBeNull();
  });

  it('serves an importing slot to those who say ASKING only', () => {
    expect(setSlotImporting(state, 100, OTHER)).toBeNull();
    expect(ask(100)).toBe('MOVED 100 10.0.0.2:7001');
    expect(ask(100, { asking: true })).toBeNull();
    expect(ask(100, { asking: true, keyCount: 2, missingKeys: () => 1 })).toContain('TRYAGAIN');
  });

  it('takes a new epoch at the end of an import, and gives no slot away that still has keys', () => {
    setSlotImporting(state, 100, OTHER);
    other.configEpoch = 7;
    expect(setSlotOwner(state, 100, state.myself.id)).toBeNull();
    expect([state.myself.configEpoch, state.slots.importingFrom[100]]).toEqual([8, 0]);
    keys.set(1, 5);
    expect(setSlotOwner(state, 1, OTHER)).toContain("ERR Can't assign hashslot 1 to a different node");
  });

  it('becomes a replica when its last slot is given away', () => {
    for (const slot of [1, 2, 3]) expect(setSlotOwner(state, slot, OTHER)).toBeNull();
    expect(state.myself.primary).toBe(other);
  });

  it('refuses everything while the cluster is down, reads aside when they are allowed', () => {
    state.ok = false;
    expect(ask(1)).toBe('CLUSTERDOWN The cluster is down');
    settings.allowReadsWhenDown = true;
    expect(ask(1)).toBeNull();
    expect(ask(1, { write: true })).toBe('CLUSTERDOWN The cluster is down and only accepts read commands');
  });

  it('serves reads of its primary as a replica to those who say READONLY only', () => {
    state.slots.releaseAllOf(state.myself);
    state.myself.flags = (state.myself.flags & ~PRIMARY) | REPLICA;
    state.myself.follow(other);
    expect(ask(100)).toContain('MOVED');
    expect(ask(100, { readonlyMode: true })).toBeNull();
    expect(ask(100, { readonlyMode: true, write: true })).toContain('MOVED');
  });

  it('serves sharded channels on every node of the shard, by a parameter while the cluster is down, never by ASK', () => {
    expect(ask(100, { channels: true })).toContain('MOVED');
    state.slots.migratingTo[1] = other.index;
    expect(ask(1, { channels: true, missingKeys: () => 1 })).toBeNull();
    state.ok = false;
    expect(ask(1, { channels: true })).toBeNull();
    settings.allowShardChannelsWhenDown = false;
    expect(ask(1, { channels: true })).toBe('CLUSTERDOWN The cluster is down');
    state.ok = true;
    state.slots.releaseAllOf(state.myself);
    state.myself.flags = (state.myself.flags & ~PRIMARY) | REPLICA;
    state.myself.follow(other);
    expect(ask(100, { channels: true })).toBeNull();
  });

  it('keeps the slots of a repeated or busy request as they were', () => {
    expect(takeSlots(state, [200, 200])).toBe('ERR Slot 200 specified multiple times');
    expect(takeSlots(state, [200, 1])).toBe('ERR Slot 1 is already busy');
    expect(state.slots.owner[200]).toBe(0);
  });

  it('is a new node after a hard reset, and refuses one while it has keys', () => {
    keys.set(1, 1);
    expect(reset(state, true)).toContain('master nodes containing keys');
    keys.clear();
    expect(reset(state, true)).toBeNull();
    expect([state.nodes.size, state.currentEpoch, state.slots.assignedCount]).toEqual([1, 0, 0]);
  });
});
