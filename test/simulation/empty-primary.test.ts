import { describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { ReplicationWorld, type WorldNode } from './replication-world.ts';

const SEEDS_PER_RUN = Number(process.env['SEEDS'] ?? 12);
const NAMES = ['a', 'b', 'c'];

function contentOf(node: WorldNode): string {
  return JSON.stringify([...node.dataset].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** The primary's process ends, and one without data starts at its address. */
function restartEmpty(world: ReplicationWorld, node: WorldNode): WorldNode {
  for (const connection of [...world.connections]) {
    if (connection.ends.includes(node.name)) connection.cut('the process ended');
  }
  node.replication.stop();
  const fresh = world.add(node.name);
  fresh.replication.started(false);
  return fresh;
}

function story(seed: number): void {
  const world = new ReplicationWorld(new Prng(seed));
  const { random } = world;
  const nodes = NAMES.map((name) => world.add(name));
  const [primary, ...replicas] = nodes as [WorldNode, WorldNode, WorldNode];
  for (const replica of replicas) replica.replication.replicate('a', 1);
  world.time.run(3000);
  for (let i = 0; i < 30; i++) primary.append(random.below(2), `k${random.below(5)}`, `${i};`);
  for (let k = 0; k < 100; k++) {
    if (replicas.every(({ replication }) => replication.offset === primary.replication.offset)) break;
    world.time.run(500);
  }
  const content = contentOf(primary);
  const fresh = restartEmpty(world, primary);
  for (let step = 0; step < 20; step++) {
    if (random.below(3) === 0) world.cutAll('cable');
    world.time.run(random.below(1000));
    for (const replica of replicas) expect(contentOf(replica)).toBe(content);
  }
  world.time.run(40_000);
  const all = [fresh, ...replicas];
  // Another replica may still follow the address that it was told; nobody may have lost anything.
  for (const node of all) expect([node.name, contentOf(node)]).toEqual([node.name, content]);
  const primaries = all.filter((node) => node.replication.role === 'primary');
  expect(primaries.length).toBe(1);
  expect(primaries).not.toContain(fresh);
  expect(fresh.replication.emptyStart.holds).toBe(false);
  const [taker] = primaries as [WorldNode];
  taker.append(0, 'k0', 'and on');
  world.time.run(10_000);
  for (const node of all) expect([node.name, contentOf(node)]).toEqual([node.name, contentOf(taker)]);
}

describe('A primary that comes back empty, among its replicas', () => {
  it('never empties one of them, follows one that took over, and has the data again, whatever is cut', () => {
    const first = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    for (let seed = first; seed < first + SEEDS_PER_RUN; seed++) {
      try {
        story(seed);
      } catch (error) {
        throw new Error(`empty primary simulation, seed ${seed}`, { cause: error });
      }
    }
    console.log(`empty primary simulation seeds ${first} to ${first + SEEDS_PER_RUN - 1}`);
  });
});
