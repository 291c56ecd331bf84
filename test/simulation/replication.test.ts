import { describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { ReplicationWorld, type WorldNode } from './replication-world.ts';

const SEEDS_PER_RUN = Number(process.env['SEEDS'] ?? 12);

function worldOf(seed: number, ...names: string[]): { world: ReplicationWorld; nodes: WorldNode[] } {
  const world = new ReplicationWorld(new Prng(seed));
  return { world, nodes: names.map((name) => world.add(name)) };
}

function writeSome(node: WorldNode, random: Prng, count: number): void {
  for (let i = 0; i < count; i++) {
    const pair = (): [string, string] => [`k${random.below(9)}`, `${node.name}${random.below(1000)};`];
    if (random.below(4) === 0) node.transaction(random.below(3), [pair(), pair(), pair()]);
    else node.append(random.below(3), ...pair());
  }
}

function sorted(node: WorldNode): [string, string][] {
  return [...node.dataset].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Lets what is under way arrive, pings included. */
function settle(world: ReplicationWorld, primary: WorldNode, followers: readonly WorldNode[]): void {
  world.time.run(5000);
  for (let tries = 0; tries < 100; tries++) {
    if (followers.every((node) => node.replication.offset === primary.replication.offset)) break;
    world.time.run(20 * tries);
  }
  for (const node of followers) {
    expect([node.name, node.replication.offset]).toEqual([node.name, primary.replication.offset]);
    expect(sorted(node).map(([key, value]) => [key, value.length])).toEqual(
      sorted(primary).map(([key, value]) => [key, value.length]),
    );
    expect(sorted(node)).toEqual(sorted(primary));
  }
}

describe('Replication between nodes', () => {
  it('brings a replica to the same dataset and offset, and continues after a broken link', () => {
    const { world, nodes } = worldOf(7, 'a', 'b');
    const [a, b] = nodes as [WorldNode, WorldNode];
    writeSome(a, world.random, 100);
    b.replication.replicate('a', 1);
    world.time.run(500);
    writeSome(a, world.random, 50);
    world.time.run(2000);
    expect(sorted(b)).toEqual(sorted(a));
    expect(b.replication.offset).toBe(a.replication.offset);
    world.cutAll('cable');
    writeSome(a, world.random, 50);
    world.time.run(3000);
    expect(sorted(b)).toEqual(sorted(a));
    expect([a.counters.syncFull, a.counters.syncPartialOk]).toEqual([1, 1]);
    expect(b.logs).toContain('Successful partial resynchronization with master.');
  });

  it('adds nothing to the stream by itself before a ping is due, also when a replica comes at once', () => {
    const { world, nodes } = worldOf(19, 'a', 'b');
    const [a, b] = nodes as [WorldNode, WorldNode];
    a.settings.pingPeriodSeconds = 5;
    b.replication.replicate('a', 1);
    world.time.run(4500);
    expect([b.replication.linkUp, a.replication.offset]).toEqual([true, 0]);
    world.time.run(2000);
    expect(a.replication.offset).toBe('*1\r\n$4\r\nPING\r\n'.length);
  });

  it('lets chained replicas and siblings of a promoted replica continue without a full sync', () => {
    const { world, nodes } = worldOf(8, 'a', 'b', 'c', 'd');
    const [a, b, c, d] = nodes as [WorldNode, WorldNode, WorldNode, WorldNode];
    writeSome(a, world.random, 40);
    b.replication.replicate('a', 1);
    c.replication.replicate('a', 1);
    world.time.run(3000);
    d.replication.replicate('b', 1);
    world.time.run(3000);
    writeSome(a, world.random, 40);
    world.time.run(3000);
    const fullBefore = b.counters.syncFull;
    b.replication.promote();
    writeSome(b, world.random, 40);
    c.replication.replicate('b', 1);
    a.replication.replicate('b', 1);
    settle(world, b, [a, c, d]);
    expect(b.counters.syncFull).toBe(fullBefore);
    expect(b.counters.syncPartialOk).toBeGreaterThanOrEqual(3);
  });

  it('resyncs a former primary fully when it wrote what nobody has', () => {
    const { world, nodes } = worldOf(9, 'a', 'b');
    const [a, b] = nodes as [WorldNode, WorldNode];
    b.replication.replicate('a', 1);
    writeSome(a, world.random, 20);
    world.time.run(3000);
    world.blocked.add('b a');
    world.cutAll('cable');
    writeSome(a, world.random, 5);
    b.replication.promote();
    writeSome(b, world.random, 5);
    a.replication.replicate('b', 1);
    world.time.run(5000);
    expect(b.counters.syncFull).toBe(1);
    expect(sorted(a)).toEqual(sorted(b));
  });

  it('shares one snapshot between replicas that come together, and sends what was written meanwhile', () => {
    const { world, nodes } = worldOf(10, 'a', 'b', 'c', 'd');
    const [a, ...rest] = nodes as [WorldNode, ...WorldNode[]];
    a.settings.disklessSyncDelaySeconds = 2;
    writeSome(a, world.random, 2000);
    for (const node of rest) node.replication.replicate('a', 1);
    for (let i = 0; i < 40; i++) {
      writeSome(a, world.random, 5);
      world.time.run(100);
    }
    world.time.run(3000);
    for (const node of rest) expect(sorted(node)).toEqual(sorted(a));
    const snapshots = a.logs.filter((line) => line.startsWith('Starting BGSAVE for SYNC'));
    expect([snapshots.length, a.counters.syncFull]).toEqual([1, 3]);
  });

  it('answers WAIT when enough replicas acknowledged, at its timeout, and when the role changes', () => {
    const { world, nodes } = worldOf(11, 'a', 'b');
    const [a, b] = nodes as [WorldNode, WorldNode];
    b.replication.replicate('a', 1);
    world.time.run(3000);
    const answers: (number | null)[] = [];
    const wait = (count: number, timeoutMs: number): void => {
      const { offset, primary } = a.replication;
      primary.waitForAcks({
        timeoutMs,
        ready: () => primary.countAcknowledged(offset) >= count,
        done: (outcome) => void answers.push(outcome === null ? null : primary.countAcknowledged(offset)),
        abandoned: () => false,
      });
    };
    a.append(0, 'k', 'v');
    wait(1, 0);
    world.time.run(100);
    expect(answers).toEqual([1]);
    wait(2, 500);
    world.time.run(499);
    expect(answers).toEqual([1]);
    world.time.run(2);
    expect(answers).toEqual([1, 1]);
    wait(2, 0);
    a.replication.replicate('b', 1);
    world.time.run(1);
    expect(answers).toEqual([1, 1, null]);
  });

  it('drops a replica over its output limit, and one that falls silent', () => {
    const { world, nodes } = worldOf(12, 'a', 'b');
    const [a, b] = nodes as [WorldNode, WorldNode];
    a.settings.outputLimit = { hardBytes: 300_000, softBytes: 0, softSeconds: 0 };
    b.replication.replicate('a', 1);
    world.time.run(3000);
    expect(a.replication.replicas.length).toBe(1);
    for (let i = 0; i < 60; i++) a.append(0, 'big', 'x'.repeat(10_000));
    world.time.run(2);
    expect(a.replication.replicas.length).toBe(0);
    settle(world, a, [b]);
    world.cutAll('cable');
    world.blocked.add('b a');
    world.time.run(30);
    expect(a.replication.replicas.length).toBe(0);
    world.blocked.clear();
    settle(world, a, [b]);
    world.silent = true;
    world.time.run(45_000);
    expect([a.replication.replicas.length, b.replication.linkUp]).toEqual([1, true]);
    world.time.run(20_000);
    expect([a.replication.replicas.length, b.replication.linkUp]).toEqual([0, false]);
    world.silent = false;
    settle(world, a, [b]);
  });

  it('ends a slow full sync at the first attempt: what waits goes to the disk, and leaves it', () => {
    const { world, nodes } = worldOf(15, 'a', 'b', 'c');
    const [a, b, c] = nodes as [WorldNode, WorldNode, WorldNode];
    a.spillBytesMax = 1 << 30;
    a.settings.backlogBytes = 16_384;
    a.settings.outputLimit = { hardBytes: 2_000_000, softBytes: 0, softSeconds: 0 };
    c.replication.replicate('a', 1);
    world.time.run(3000);
    for (let i = 0; i < 1500; i++) a.append(0, `k${i}`, 'x'.repeat(1000));
    settle(world, a, [c]);
    b.replication.replicate('a', 1);
    world.time.run(500);
    let spilled = 0;
    for (let i = 0; i < 400; i++) {
      a.append(1, `k${i % 9}`, `${i};`.padEnd(10_000, '.'));
      world.time.run(50);
      spilled = Math.max(spilled, a.replication.backlog?.spilledBytes ?? 0);
    }
    expect(spilled).toBeGreaterThan(500_000);
    settle(world, a, [b, c]);
    expect([a.counters.syncFull, world.spillFiles]).toEqual([2, 0]);
  });

  it('ends the sync of a replica whose changes the disk cannot keep, keeps the data, and syncs it later', () => {
    const { world, nodes } = worldOf(16, 'a', 'b', 'c');
    const [a, b, c] = nodes as [WorldNode, WorldNode, WorldNode];
    a.spillBytesMax = 1 << 30;
    a.settings.backlogBytes = 16_384;
    c.replication.replicate('a', 1);
    world.time.run(3000);
    for (let i = 0; i < 3000; i++) a.append(0, `k${i}`, 'x'.repeat(1000));
    settle(world, a, [c]);
    for (const problem of ['ENOSPC: no space left on device, write', null]) {
      world.diskProblem = problem;
      if (problem === null) a.spillBytesMax = 300_000;
      b.replication.promote();
      b.replication.replicate('a', 1);
      world.time.run(500);
      for (let i = 0; i < 120; i++) {
        a.append(1, `k${i % 9}`, `${i};`.padEnd(10_000, '.'));
        world.time.run(50);
      }
      const lines = a.logs.splice(0).filter((line) => line.startsWith('Replica b:1 is disconnected: '));
      expect(new Set(lines)).toEqual(
        new Set([
          `Replica b:1 is disconnected: ${
            problem === null
              ? 'what waits for it is more than repl-spill-max'
              : `the spill file cannot be written: ${problem}`
          }`,
        ]),
      );
      expect(a.replication.replicas.map((replica) => replica.address)).toContain('c');
    }
    a.spillBytesMax = 1 << 30;
    settle(world, a, [b, c]);
    expect(world.spillFiles).toBe(0);
  });

  it('sends a file with its size in front when repl-diskless-sync is no', () => {
    const { world, nodes } = worldOf(17, 'a', 'b', 'c');
    const [a, b, c] = nodes as [WorldNode, WorldNode, WorldNode];
    a.settings.disklessSync = false;
    writeSome(a, world.random, 500);
    b.replication.replicate('a', 1);
    world.time.run(20);
    c.replication.replicate('a', 1);
    for (let i = 0; i < 30; i++) {
      writeSome(a, world.random, 5);
      world.time.run(20);
    }
    settle(world, a, [b, c]);
    expect(a.logs).toContain('Starting BGSAVE for SYNC with target: disk');
    expect(a.counters.syncFull).toBe(2);
  });

  it('lets a replica join a full sync under way while nothing of it is given back', () => {
    const { world, nodes } = worldOf(18, 'a', 'b', 'c');
    const [a, b, c] = nodes as [WorldNode, WorldNode, WorldNode];
    for (let i = 0; i < 300; i++) a.append(0, `k${i}`, 'x'.repeat(1000));
    b.replication.replicate('a', 1);
    world.time.run(300);
    writeSome(a, world.random, 20);
    c.replication.replicate('a', 1);
    world.time.run(300);
    writeSome(a, world.random, 20);
    settle(world, a, [b, c]);
    expect(a.logs).toContain('Waiting for end of BGSAVE for SYNC');
    expect(a.logs.filter((line) => line.startsWith('Starting BGSAVE'))).toHaveLength(1);
  });

  it('gives the backlog up after repl-backlog-ttl, so that the history begins anew', () => {
    const { world, nodes } = worldOf(13, 'a', 'b');
    const [a, b] = nodes as [WorldNode, WorldNode];
    a.settings.backlogTtlSeconds = 5;
    b.replication.replicate('a', 1);
    world.time.run(3000);
    const before = a.replication.ids.id;
    b.replication.promote();
    world.time.run(8000);
    expect(a.replication.backlog).toBeNull();
    expect(a.propagation.active).toBe(false);
    expect(a.replication.ids.id).not.toBe(before);
  });

  it('continues after a restart whose RDB knew the offset, until the restarted node writes itself', () => {
    const { world, nodes } = worldOf(14, 'a', 'b', 'c');
    const [a, b, c] = nodes as [WorldNode, WorldNode, WorldNode];
    b.replication.replicate('a', 1);
    writeSome(a, world.random, 30);
    world.time.run(3000);
    const position = b.replication.rdbPosition;
    expect(position).not.toBeNull();
    c.dataset = new Map(b.dataset);
    c.replication.restore(position?.id ?? '', position?.offset ?? 0, position?.database ?? 0);
    c.replication.replicate('a', 1);
    writeSome(a, world.random, 30);
    world.time.run(3000);
    expect(sorted(c)).toEqual(sorted(a));
    expect(a.counters.syncFull).toBe(1);
    const other = world.add('e');
    other.dataset = new Map(b.dataset);
    other.replication.restore(a.replication.ids.id, a.replication.offset, 0);
    other.append(0, 'own', 'write');
    expect(other.replication.ids.id2).toBe(a.replication.ids.id);
    other.replication.replicate('a', 1);
    world.time.run(3000);
    expect(sorted(other)).toEqual(sorted(a));
    expect(a.counters.syncFull).toBe(2);
  });

  it('converges after any sequence of cuts, blocks, promotions and writes', () => {
    const first = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    for (let seed = first; seed < first + SEEDS_PER_RUN; seed++) {
      try {
        randomStory(seed);
      } catch (error) {
        throw new Error(`replication simulation, seed ${seed}`, { cause: error });
      }
    }
    console.log(`replication simulation seeds ${first} to ${first + SEEDS_PER_RUN - 1}`);
  });
});

function randomStory(seed: number): void {
  const { world, nodes } = worldOf(seed, 'a', 'b', 'c', 'd');
  const { random } = world;
  const pick = (): WorldNode => nodes[random.below(nodes.length)] as WorldNode;
  for (const node of nodes) {
    node.settings.backlogBytes = random.below(2) === 0 ? 200_000 : 1000;
    node.settings.disklessSync = random.below(3) !== 0;
    node.spillBytesMax = random.below(3) === 0 ? 0 : 200_000 << random.below(5);
  }
  let primary = nodes[0] as WorldNode;
  const follow = (): void => {
    for (const node of nodes) {
      if (node === primary) continue;
      const viaOther = random.below(3) === 0 ? pick() : primary;
      const target =
        viaOther === node || viaOther.replication.replica?.host !== primary.name ? primary : viaOther;
      node.replication.replicate(target.name, 1);
    }
  };
  follow();
  for (let step = 0; step < 60; step++) {
    const dice = random.below(20);
    if (dice < 10) writeSome(primary, random, random.below(20));
    else if (dice < 11) for (let i = 0; i < 25; i++) primary.append(0, `k${i % 9}`, 'y'.repeat(9000));
    else if (dice < 12) world.diskProblem = random.below(2) === 0 ? 'EIO: i/o error' : null;
    else if (dice < 13) world.cutAll('cable');
    else if (dice < 14) world.blocked.add(`${pick().name} ${pick().name}`);
    else if (dice < 15) world.blocked.clear();
    else if (dice < 17) follow();
    else if (dice < 18) {
      const next = pick();
      if (next.replication.replica?.linkUp === true) {
        next.replication.promote();
        primary = next;
        follow();
      }
    }
    world.time.run(random.below(random.below(5) === 0 ? 4000 : 60));
  }
  world.blocked.clear();
  world.diskProblem = null;
  for (const node of nodes) if (node !== primary) node.replication.replicate(primary.name, 1);
  settle(
    world,
    primary,
    nodes.filter((node) => node !== primary),
  );
}
