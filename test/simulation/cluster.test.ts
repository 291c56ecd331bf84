import { describe, expect, it } from 'vitest';
import { SLOT_COUNT } from '../../server/cluster/bus-message.ts';
import { settle } from '../../server/cluster/cluster-core.ts';
import { bumpEpochWithoutConsensus } from '../../server/cluster/election.ts';
import { startManualFailover } from '../../server/cluster/manual-failover.ts';
import { slotRanges } from '../../server/cluster/slots.ts';
import { World, type WorldNode } from './cluster-world.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 8);
const FIRST_SEED = Number(process.env['SEED'] ?? 1);

interface Shape {
  readonly shards: number;
  readonly replicas: number;
}

/** A formed cluster: node i < shards is a primary, the others follow in turn. */
function form(seed: number, shape: Shape): World {
  const world = new World(seed, shape.shards * (1 + shape.replicas));
  const [first, ...others] = world.nodes as [WorldNode, ...WorldNode[]];
  for (const node of others) world.meet(first, node);
  const share = Math.ceil(SLOT_COUNT / shape.shards);
  for (let i = 0; i < shape.shards; i++) {
    world.assignSlots(world.nodes[i] as WorldNode, i * share, Math.min(SLOT_COUNT, (i + 1) * share) - 1);
  }
  const acquainted = (): boolean =>
    world.nodes.every((node) => {
      const state = world.stateOf(node);
      return state.nodes.size === world.nodes.length && [...state.peers()].length === world.nodes.length - 1;
    });
  if (!world.runUntil(30_000, acquainted)) throw new Error(`seed ${seed}: the nodes do not meet`);
  for (let i = shape.shards; i < world.nodes.length; i++) {
    world.replicateOf(world.nodes[i] as WorldNode, world.nodes[i % shape.shards] as WorldNode);
  }
  if (!world.runUntil(30_000, () => disagreement(world) === null)) {
    throw new Error(`seed ${seed}: does not form: ${disagreement(world)}`);
  }
  return world;
}

/** What keeps the living nodes from being one healthy cluster, or null. */
function disagreement(world: World): string | null {
  const living = world.living();
  const views = living.map((node) => {
    const state = world.stateOf(node);
    return Array.from(state.slots.owner, (index) => state.nodes.byIndex(index)?.id ?? '-');
  });
  for (const [i, node] of living.entries()) {
    const state = world.stateOf(node);
    if (!state.ok) return `node ${node.number} says that the cluster is down`;
    const differs = (views[i] as string[]).findIndex((owner, slot) => owner !== views[0]?.[slot]);
    if (differs >= 0) return `nodes ${living[0]?.number} and ${node.number} differ about slot ${differs}`;
    if (state.myself.isReplica && state.myself.primary?.isPrimary !== true)
      return `node ${node.number} follows no primary`;
  }
  const ids = new Map(living.map((node) => [world.stateOf(node).myself.id, node]));
  const epochs = new Set<number>();
  for (const id of new Set(views[0])) {
    const owner = ids.get(id);
    if (owner === undefined) return `slots belong to ${id}, which is down`;
    const state = world.stateOf(owner);
    if (!state.myself.isPrimary) return `slots belong to ${id}, which is a replica`;
    if (epochs.has(state.myself.configEpoch)) return `two primaries have epoch ${state.myself.configEpoch}`;
    epochs.add(state.myself.configEpoch);
  }
  return null;
}

type Fault = (world: World) => void;

const FAULTS: readonly Fault[] = [
  function crashOne(world): void {
    const living = world.living();
    if (living.length > 1) world.crash(world.pick(living));
  },
  function restartAll(world): void {
    for (const node of world.nodes) if (!node.alive) world.start(node, { newAddress: world.random() < 0.5 });
  },
  function split(world): void {
    const sides = 2 + world.below(2);
    world.partition(new Map(world.nodes.map((node) => [node, world.below(sides)])));
  },
  function isolateOne(world): void {
    world.partition(new Map([[world.pick(world.nodes), 1]]));
  },
  function heal(world): void {
    world.partition(new Map());
  },
  function worsenNetwork(world): void {
    world.faults.loss = world.random() * 0.2;
    world.faults.duplication = world.random() * 0.1;
    world.faults.delayMsMax = 1 + world.below(400);
  },
  function failOver(world): void {
    const state = world.stateOf(world.pick(world.living()));
    if (!state.myself.isReplica || state.myself.primary === null) return;
    startManualFailover(state, world.pick(['normal', 'normal', 'force', 'takeover'] as const));
    settle(state);
  },
  function moveSlot(world): void {
    const state = world.stateOf(world.pick(world.living()));
    if (!state.myself.isPrimary || state.myself.slotCount === 0) return;
    const slot = world.below(SLOT_COUNT);
    state.slots.assign(slot, state.myself);
    bumpEpochWithoutConsensus(state);
    state.updateSoon();
    settle(state);
  },
];

function calm(world: World): void {
  world.partition(new Map());
  Object.assign(world.faults, { loss: 0, duplication: 0, delayMsMax: 20 });
}

function torment(world: World, seconds: number): void {
  for (let second = 0; second < seconds; second += 2) {
    if (world.random() < 0.6) world.pick(FAULTS)(world);
    world.run(2000);
  }
}

function explain(world: World, problem: string | null): string | null {
  return problem === null ? null : `seed ${world.seed}: ${problem}\n${world.log.slice(-60).join('\n')}`;
}

describe('cluster core under simulation', () => {
  const seeds = Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i);

  it.each(seeds)(
    'seed %i: heals after loss, delay, partitions, crashes and moves',
    { timeout: 120_000 },
    (seed) => {
      const world = form(seed, { shards: 3 + (seed % 3), replicas: 1 + (seed % 2) });
      torment(world, 60);
      calm(world);
      for (const node of world.nodes) if (!node.alive) world.start(node);
      world.runUntil(120_000, () => disagreement(world) === null);
      expect(explain(world, disagreement(world))).toBeNull();
      expect(explain(world, world.violations[0] ?? null)).toBeNull();
    },
  );

  it.each(seeds)('seed %i: a dead primary is replaced by its replica', (seed) => {
    const world = form(seed, { shards: 3, replicas: 2 });
    Object.assign(world.faults, { loss: 0.02, duplication: 0.02, delayMsMax: 50 });
    world.run(2000);
    const victim = world.nodes[seed % 3] as WorldNode;
    world.crash(victim);
    const healed = world.runUntil(30_000, () => disagreement(world) === null);
    expect(explain(world, healed ? null : disagreement(world))).toBeNull();
    expect(explain(world, world.violations[0] ?? null)).toBeNull();
    // The old primary comes back elsewhere, and as a replica.
    world.start(victim, { newAddress: true });
    world.runUntil(30_000, () => victim.state?.myself.isReplica === true && disagreement(world) === null);
    expect(explain(world, disagreement(world))).toBeNull();
    expect(victim.state?.myself.isReplica).toBe(true);
  });

  it.each(seeds.slice(0, 2))('seed %i: damaged frames break neither a node nor its slot map', (seed) => {
    const world = form(seed, { shards: 3, replicas: 1 });
    world.faults.corruption = 0.3;
    expect(() => world.run(20_000)).not.toThrow();
    for (const node of world.living()) {
      const { slots, nodes, myself } = world.stateOf(node);
      expect(nodes.byId(myself.id)).toBe(myself);
      const counted = new Map<number, number>();
      for (const index of slots.owner) counted.set(index, (counted.get(index) ?? 0) + 1);
      for (const known of nodes.all()) {
        expect(known.slotCount).toBe(counted.get(known.index) ?? 0);
        expect(slotRanges(known.slots).reduce((sum, [first, last]) => sum + last - first + 1, 0)).toBe(
          known.slotCount,
        );
        expect(known.primary === null || known.primary.replicas.includes(known)).toBe(true);
      }
    }
  });

  it('a minority of primaries elects nobody and takes no writes', () => {
    const world = form(7, { shards: 3, replicas: 1 });
    const minority = [world.nodes[0], world.nodes[3], world.nodes[4]] as WorldNode[];
    world.partition(new Map(minority.map((node) => [node, 1])));
    world.run(30_000);
    const epochs = minority.map((node) => world.stateOf(node));
    expect(epochs.map((state) => state.ok)).toEqual([false, false, false]);
    expect(epochs.filter((state) => state.myself.isPrimary).length).toBe(1);
    expect(world.violations).toEqual([]);
  });

  it('all nodes with new addresses at once: heals when one node is introduced to the others', () => {
    const world = form(11, { shards: 3, replicas: 1 });
    for (const node of world.nodes) world.crash(node);
    for (const node of world.nodes) world.start(node, { newAddress: true });
    for (const node of world.nodes.slice(1)) world.meet(world.nodes[0] as WorldNode, node);
    const healed = world.runUntil(60_000, () => disagreement(world) === null);
    expect(explain(world, healed ? null : disagreement(world))).toBeNull();
  });

  it('manual failover swaps the roles and loses no write', () => {
    const world = form(5, { shards: 3, replicas: 1 });
    const replica = world.nodes[3] as WorldNode;
    const primary = world.nodes[0] as WorldNode;
    startManualFailover(world.stateOf(replica), 'normal');
    settle(world.stateOf(replica));
    const swapped = world.runUntil(5000, () => world.stateOf(primary).myself.isReplica);
    expect(explain(world, swapped ? null : 'no swap')).toBeNull();
    expect(world.stateOf(replica).myself.isPrimary).toBe(true);
    expect(replica.offset).toBeGreaterThanOrEqual(primary.offset);
    world.runUntil(10_000, () => disagreement(world) === null);
    expect(explain(world, disagreement(world))).toBeNull();
  });
});
