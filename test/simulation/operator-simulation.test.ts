/**
 * The operator's own code against model servers and a model API server, with everything that can go wrong,
 * seeded.
 */
import { describe, expect, it } from 'vitest';
import { NO_TROUBLES, OperatorRun, SPEC } from './operator-run.ts';

const first = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(process.env['RUNS'] ?? 4);
const seeds = Array.from({ length: runs }, (_, index) => first + index);

const TROUBLES = { lossRate: 0.02, killRate: 0.05, refusalRate: 0.05, lagging: true };

describe('the operator, simulated', () => {
  it('forms a cluster, survives the restart of all pods and grows to four shards', async () => {
    const run = new OperatorRun(1);
    run.world.applyCluster(SPEC);
    await run.untilReady(30);
    for (let count = 0; count < 60; count += 1) await run.round();
    expect(run.acknowledged.size).toBeGreaterThan(30);
    const pods = run.world.list<{ metadata: { name: string } }>('Pod');
    for (const pod of pods) await run.world.deletePod(pod.metadata.name);
    await run.round();
    await run.untilReady(30);
    run.world.applyCluster({ ...SPEC, shards: 4 });
    await run.untilReady(80);
    expect(run.world.cluster.status?.shards).toHaveLength(4);
    expect(run.lostKeys()).toEqual([]);
    run.world.applyCluster({ ...SPEC, shards: 4, pod: { annotations: { roll: '1' } } });
    await run.untilReady(80);
    expect(run.lostKeys()).toEqual([]);
    expect(run.world.events.filter((event) => event.reason === 'PodRestarted')).toHaveLength(8);
  });

  it.each(seeds)(
    'seed %i: lost messages, stale caches, a killed operator: converges, and no key is erased',
    async (seed) => {
      const run = new OperatorRun(seed, TROUBLES);
      run.world.applyCluster(SPEC);
      for (let round = 0; round < 40; round += 1) await run.round();
      for (let event = 0; event < 4; event += 1) {
        await disturb(run, event);
        const rounds = 10 + Math.floor(run.random() * 20);
        for (let round = 0; round < rounds; round += 1) await run.round();
      }
      run.troubles = NO_TROUBLES;
      await run.untilReady(250);
      expect(run.lostKeys(), `seed ${seed}`).toEqual([]);
      const ids = run.network
        .live()
        .map((node) => node.id)
        .sort();
      for (const node of run.network.live()) expect([node.id, ...node.known.keys()].sort()).toEqual(ids);
    },
  );
});

async function disturb(run: OperatorRun, event: number): Promise<void> {
  const pods = run.world.list<{ metadata: { name: string } }>('Pod').map((pod) => pod.metadata.name);
  const pick = pods[Math.floor(run.random() * pods.length)] ?? '';
  const kind =
    event === 1
      ? 'grow'
      : ['restart', 'restartAll', 'wipeReplica', 'tamper', 'roll'][Math.floor(run.random() * 5)];
  if (kind === 'grow') run.world.applyCluster({ ...run.world.cluster.spec, shards: 4 });
  if (kind === 'roll') {
    const { spec } = run.world.cluster;
    const annotations = { roll: String(event) };
    run.world.applyCluster({ ...spec, pod: { annotations } });
  }
  if (kind === 'restart') await run.world.deletePod(pick);
  if (kind === 'restartAll') for (const pod of pods) await run.world.deletePod(pod);
  if (kind === 'tamper') run.network.nodeOf(pick)?.settings.set('maxmemory-policy', 'noeviction');
  if (kind !== 'wipeReplica') return;
  // Only a replica whose primary lives and has everything: losing the last copy is nobody's fault.
  const replica = run.network.live().find((node) => node.role === 'replica' && node.linkUp);
  if (replica !== undefined) await run.world.deletePod(replica.pod, 'lose');
}
