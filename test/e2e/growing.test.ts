/** More shards while a client writes: nothing is lost, and nobody notices much. Needs `make up`. */
import { describe, expect, it } from 'vitest';
import { waitUntil } from '../support/wait-until.ts';
import { ChecksumClient } from './support/checksum-client.ts';
import { clusterStory } from './support/cluster-story.ts';
import { slotOf } from './support/routed-client.ts';
import {
  conditionOf,
  podsByRole,
  podsOf,
  type RedisCluster,
  redisCli,
  report,
  waitReady,
} from './support/story.ts';

const name = 'growing';
const growDeadlineMs = 240_000;
/** Keys there before the move, so that slots are not empty. */
const keysBefore = 8_000;

describe('a RedisCluster that grows', () => {
  const story = clusterStory(name);

  it('from 3 to 4 shards loses no acknowledged write, before or during the move', async () => {
    const filler = new ChecksumClient({ ...story.access, prefix: 'before', writesPerSecond: 1_600 });
    await waitUntil('keys', 60_000, async () => (filler.acknowledged >= keysBefore ? true : undefined));
    await filler.stop();
    const client = new ChecksumClient({ ...story.access, prefix: 'during', writesPerSecond: 200 });
    await waitUntil('200 writes', 30_000, async () => (client.acknowledged >= 200 ? true : undefined));
    const moment = performance.now();
    await story.kubectl.patch('rediscluster', name, { spec: { shards: 4 } });
    await waitReady(story.kubectl, name, growDeadlineMs);
    const seconds = (performance.now() - moment) / 1000;
    const { longestMs } = client.outageSince(moment);
    await client.stop();
    report(`3 to 4 shards: Ready after ${seconds.toFixed(1)} s, longest silence ${longestMs} ms`);
    for (const each of [filler, client]) {
      const { acknowledged, refused, lost, damaged } = await each.verify();
      report(`  ${acknowledged} writes acknowledged, ${refused} refused; lost ${lost.length}`);
      expect({ lost, damaged }).toEqual({ lost: [], damaged: [] });
      await each.close();
    }
  }, 500_000);

  it('has eight members, a quarter of the slots on each primary, and every key where its slot is', async () => {
    expect(await podsOf(story.kubectl, name)).toHaveLength(8);
    const { primaries } = await podsByRole(story.kubectl, name, story.access);
    expect(primaries).toHaveLength(4);
    const cluster = await story.kubectl.get<RedisCluster>('rediscluster', name);
    expect(conditionOf(cluster, 'Available')?.status).toBe('True');
    for (const pod of primaries) {
      const host = pod.status.podIP ?? '';
      const owned = await redisCli(story.access, ['CLUSTER', 'NODES'], host);
      const own = owned.split('\n').find((line) => line.includes('myself')) ?? '';
      const ranges = own
        .split(' ')
        .slice(8)
        .map((range) => range.split('-').map(Number));
      const slots = ranges.reduce((sum, [from = 0, to = from]) => sum + to - from + 1, 0);
      expect(slots).toBe(4096);
      const keys = (await redisCli(story.access, ['KEYS', 'before:*'], host)).split('\n');
      const strays = keys.filter((key) => {
        const slot = slotOf(key);
        return !ranges.some(([from = 0, to = from]) => from <= slot && slot <= to);
      });
      expect(strays).toEqual([]);
    }
  }, 120_000);
});
