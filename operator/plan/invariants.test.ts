import { describe, expect, it } from 'vitest';
import { INVARIANTS, violationOf } from './invariants.ts';
import { decide, RULES } from './plan.ts';
import { sketch } from './scenarios/sketch.ts';
import type { Snapshot } from './snapshot.ts';
import { printStep, type Step, targetOf } from './step.ts';
import { topologyOf } from './topology.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const COUNT = 3000;

/** mulberry32. */
function randomFrom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const RANGES = ['0-5460', '5461-10922', '10923-16383', '0-16383', '5000-6000', '16383'];
const ODDITIES = [
  'alone',
  'moved',
  'silent',
  'silent failed',
  'gone',
  'gone silent failed',
  'linkdown',
  'syncing',
];
const STATES = [
  'keys 3',
  'handshake',
  'terminating',
  'old',
  'stuck',
  'unready',
  'set maxmemory 5',
  'nowhere',
];

/** Members in any state that a cluster could be found in, and many that it should never be in. */
function randomSnapshot(random: () => number): { text: string; snapshot: Snapshot } {
  const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)] ?? '';
  const chance = (share: number): boolean => random() < share;
  const shards = 3 + Math.floor(random() * 2);
  const lines = [`shards ${chance(0.9) ? shards : 3} replicas 1`];
  if (chance(0.5)) lines.push('formed');
  else if (chance(0.3)) lines.push('forming');
  for (let shard = 0; shard < shards; shard += 1) {
    for (let ordinal = 0; ordinal < 2; ordinal += 1) {
      if (chance(0.05)) continue;
      const usual = ordinal === 0 ? `primary ${shard < 3 ? RANGES[shard] : ''}` : `replica of ${shard}-0`;
      const odd = chance(0.5) ? 'primary' : `primary ${pick(RANGES)}`;
      const other = `replica of ${Math.floor(random() * shards)}-${Math.floor(random() * 2)}`;
      const words = [chance(0.7) ? usual : chance(0.6) ? odd : other];
      for (let count = 0; count < 2; count += 1) if (chance(0.2)) words.push(pick([...ODDITIES, ...STATES]));
      const peer = `${Math.floor(random() * shards)}-0`;
      if (chance(0.1))
        words.push(`open ${Math.floor(random() * 16384)} ${pick(['migrating', 'importing'])} ${peer}`);
      lines.push(
        `${shard}-${ordinal} zone ${pick(['a', 'b', 'c'])} epoch ${Math.floor(random() * 5)} ${words.join(' ')}`,
      );
    }
  }
  for (let count = 0; count < 2; count += 1) {
    if (chance(0.3))
      lines.push(`ghost ${count} ${pick(['', 'connected', 'handshake', 'slots 5-9', 'of 0-0'])}`);
  }
  const text = lines.join('\n');
  const changes: Partial<Snapshot> = {
    deleting: chance(0.03),
    paused: chance(0.03),
    cachesBehind: chance(0.1),
    smallClaims: chance(0.1) ? [{ name: 'data-c-shard-0-0', uid: 'u', wanted: '2Gi' }] : [],
    objects: chance(0.2)
      ? [{ id: 'StatefulSet/c-shard-0', replicas: pick(['1', '2']) === '1' ? 1 : 2, state: 'stale' }]
      : [],
  };
  const snapshot = sketch(text, changes);
  const nodeIds = new Map(
    chance(0.5) ? snapshot.members.map(({ pod }) => [pod.name, `id-${pod.shard}-${pod.ordinal}`]) : [],
  );
  return { text, snapshot: { ...snapshot, history: { ...snapshot.history, nodeIds } } };
}

describe(`decide on ${COUNT} random snapshots, seed ${seed}`, () => {
  it('breaks no invariant, whatever rules are skipped', () => {
    const random = randomFrom(seed);
    const acted = new Map<string, number>();
    for (let index = 0; index < COUNT; index += 1) {
      const { text, snapshot } = randomSnapshot(random);
      const skip = new Set<string>();
      for (let turn = 0; turn < RULES.length; turn += 1) {
        const plan = decide(snapshot, skip);
        if (plan.rule === 'nothingToDo') break;
        acted.set(plan.rule, (acted.get(plan.rule) ?? 0) + 1);
        for (const step of plan.steps) {
          const violation = violationOf(snapshot, topologyOf(snapshot), step);
          expect(violation, `${plan.rule}: ${printStep(step)}\n${text}`).toBeUndefined();
        }
        if (plan.rule === 'deletion' || plan.rule === 'paused') break;
        skip.add(plan.rule);
      }
    }
    // The snapshots reach every rule that needs no clock.
    for (const rule of RULES)
      if (rule.name !== 'rewriteAof') expect(acted.get(rule.name) ?? 0, rule.name).toBeGreaterThan(0);
  });
});

describe('violationOf', () => {
  const HEALTHY = `shards 3 replicas 1
    formed
    0-0 primary 0-5460 epoch 1
    0-1 replica of 0-0
    1-0 primary 5461-10922 epoch 2 keys 4
    1-1 replica of 1-0
    2-0 primary 10923-16383 epoch 3
    2-1 primary keys 9`;
  const snapshot = sketch(HEALTHY);
  const topology = topologyOf(snapshot);
  const target = (name: string) => {
    const member = topology.live.find((each) => each.pod.name === `c-shard-${name}`);
    if (member === undefined) throw new Error(`no ${name}`);
    return targetOf(member);
  };
  const cases: readonly (readonly [string, Step])[] = [
    ['assignsOnlyToEmptyNodes', { kind: 'addSlots', on: target('2-1'), ranges: [{ first: 1, last: 2 }] }],
    ['attachesOnlyWithoutData', { kind: 'replicate', on: target('2-1'), primary: target('2-0') }],
    ['attachesOnlyWithoutData', { kind: 'replicate', on: target('0-0'), primary: target('1-0') }],
    ['attachesWithinShard', { kind: 'replicate', on: target('0-1'), primary: target('1-0') }],
    ['forgetsOnlyGhosts', { kind: 'forget', on: target('0-0'), nodeId: 'id-1-0' }],
    [
      'movesOnlyOwnedSlots',
      { kind: 'migrateSlots', from: target('0-0'), to: target('1-0'), slots: [9000], others: [] },
    ],
    ['deletesOnlyWithoutSlots', { kind: 'forceDeletePod', pod: 'c-shard-0-0', uid: 'uid-0-0' }],
    ['restartsOneOfAShard', { kind: 'deletePod', pod: 'c-shard-0-0', uid: 'uid-0-0' }],
    ['restartsOneOfAShard', { kind: 'deletePod', pod: 'c-shard-0-1', uid: 'uid-of-before' }],
    ['shrinksOnlyReplicas', { kind: 'applyObject', id: 'StatefulSet/c-shard-0', replicas: 0 }],
  ];
  it.each(cases)('%s names the step that would break it', (name, step) => {
    expect(violationOf(snapshot, topology, step)).toMatch(new RegExp(`^${name}: `));
  });
  it('createsNothingWhileDeleting refuses every step', () => {
    const deleting = { ...snapshot, deleting: true };
    const step: Step = { kind: 'meet', via: target('0-0'), peer: target('0-1') };
    expect(violationOf(deleting, topology, step)).toMatch(/^createsNothingWhileDeleting/);
    expect(INVARIANTS.size).toBe(9);
  });
});
