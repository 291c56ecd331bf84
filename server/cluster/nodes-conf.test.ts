import { describe, expect, it } from 'vitest';
import type { ClusterEnvironment, ClusterSettings } from './cluster-environment.ts';
import { ClusterState } from './cluster-state.ts';
import { describeNodes, readNodesConf, writeNodesConf } from './nodes-conf.ts';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);
const C = 'c'.repeat(40);
const SHARD = 'd'.repeat(40);

/** A state whose world does nothing: nodes.conf needs a clock and ids only. */
function newState(): ClusterState {
  let ids = 0;
  const environment = { now: () => 1000, random: () => 0, newNodeId: () => String(ids++).padStart(40, '0') };
  return new ClusterState({} as ClusterSettings, environment as unknown as ClusterEnvironment);
}

const FILE = [
  `${A} 10.0.0.1:6379@16379,host-a,tls-port=0,shard-id=${SHARD} myself,master - 0 0 3 connected 0-99 101 [5->-${B}] [7-<-${C}]`,
  `${B} 10.0.0.2:6379@16379,,tls-port=0,shard-id=${C},nodename=second master,fail? - 1000 0 4 disconnected 100`,
  `${C} 10.0.0.3:6379@16379,,tls-port=0,shard-id=${SHARD} slave ${A} 0 1000 3 disconnected`,
  'vars currentEpoch 9 lastVoteEpoch 8',
  '',
].join('\n');

describe('nodes.conf', () => {
  it('reads what Redis 7.2 writes and writes the same bytes', () => {
    const state = newState();
    expect(readNodesConf(state, FILE)).toBeNull();
    expect(writeNodesConf(state)).toBe(FILE);
  });

  it('keeps epochs, roles, slots and moves', () => {
    const state = newState();
    readNodesConf(state, FILE);
    expect(state.myself.id).toBe(A);
    expect([state.currentEpoch, state.lastVoteEpoch]).toEqual([9, 8]);
    expect(state.nodes.byId(C)?.primary).toBe(state.myself);
    expect(state.slots.ownerOf(100)?.id).toBe(B);
    expect(state.slots.migratingNode(5)?.id).toBe(B);
    expect(state.slots.importingNode(7)?.id).toBe(C);
    expect(state.slots.assignedCount).toBe(102);
  });

  it('reads a file of Redis 7.0, which has no fields behind the host name', () => {
    const state = newState();
    expect(
      readNodesConf(state, `${A} 127.0.0.1:7000@17000,host myself,master - 0 0 1 connected 0-16383\n`),
    ).toBeNull();
    expect(state.myself.hostname).toBe('host');
    expect(state.currentEpoch).toBe(1);
  });

  it('shows clients neither shard ids nor empty host names', () => {
    const state = newState();
    readNodesConf(state, FILE);
    expect(describeNodes(state).split('\n')[1]).toBe(
      `${B} 10.0.0.2:6379@16379 master,fail? - 1000 0 4 disconnected 100`,
    );
  });

  it('answers any damaged file with a reason or a state', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    let random = seed;
    const below = (limit: number): number => {
      random = (Math.imul(random, 1103515245) + 12345) >>> 0;
      return Math.floor((random / 4294967296) * limit);
    };
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(FILE);
      for (let i = below(6); i >= 0; i--) bytes[below(bytes.length)] = below(128);
      const text = bytes.toString('latin1', 0, below(4) === 0 ? below(bytes.length) : bytes.length);
      expect(() => readNodesConf(newState(), text), `seed ${seed}, round ${round}`).not.toThrow();
    }
  });

  it.each([
    ['a line that is cut', `${A} 10.0.0.1:6379@16379 myself,master - 0 0`, 'line 1: fewer than eight fields'],
    ['a bad id', `xyz 10.0.0.1:1@2 myself,master - 0 0 1 connected`, 'line 1: node id "xyz"'],
    ['a bad slot', `${A} 10.0.0.1:1@2 myself,master - 0 0 1 connected 0-16384`, 'line 1: slot out of range'],
    ['an unknown flag', `\n${A} 10.0.0.1:1@2 myself,boss - 0 0 1 connected`, 'line 2: unknown flag "boss"'],
    ['nobody is myself', `${A} 10.0.0.1:1@2 master - 0 0 1 connected`, '0 lines are flagged myself'],
    [
      'vars without value',
      `${A} 10.0.0.1:1@2 myself,master - 0 0 1 connected\nvars currentEpoch`,
      'line 2: vars',
    ],
  ])('refuses %s and names the line', (_what, text, reason) => {
    expect(readNodesConf(newState(), text)).toContain(reason);
  });
});
