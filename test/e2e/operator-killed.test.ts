/** The operator dies in the middle of its work, and the work gets done all the same. Needs `make up`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../support/wait-until.ts';
import {
  accessTo,
  aimAt,
  beginStory,
  operatorPod,
  podsByRole,
  podsOf,
  readyDeadlineMs,
  redisCli,
  report,
  type Story,
  smallCluster,
  waitReady,
} from './support/story.ts';

const name = 'operator-killed';

describe('an operator that is killed', () => {
  let story: Story;

  beforeAll(async () => {
    story = await beginStory(name);
  }, 180_000);

  afterAll(async () => {
    await story.end();
  }, 180_000);

  it('in the middle of forming a cluster comes back and finishes it', async () => {
    const killOperator = await aimAt(story.cluster, await operatorPod(story.kubectl));
    const { restartCount } = (await operatorPod(story.kubectl)).status.containerStatuses![0]!;
    await story.kubectl.apply(smallCluster(name));
    await waitUntil(
      'a server that knows another',
      readyDeadlineMs,
      async () => {
        const pods = (await podsOf(story.kubectl, name)).filter((pod) => pod.status.podIP !== undefined);
        const access = await accessTo(story.kubectl, name);
        for (const pod of pods) {
          const info = await redisCli(access, ['CLUSTER', 'INFO'], pod.status.podIP);
          if (/cluster_known_nodes:[2-6]/.test(info)) return info;
        }
        return undefined;
      },
      10,
    );
    await killOperator();
    const started = performance.now();
    await waitReady(story.kubectl, name);
    report(
      `operator killed while forming: Ready ${((performance.now() - started) / 1000).toFixed(1)} s later`,
    );
    const operator = await operatorPod(story.kubectl);
    expect(operator.status.containerStatuses?.[0]?.restartCount).toBe(restartCount + 1);
    const access = await accessTo(story.kubectl, name);
    const { primaries, replicas } = await podsByRole(story.kubectl, name, access);
    expect([primaries.length, replicas.length]).toEqual([3, 3]);
    for (const { status } of [...primaries, ...replicas]) {
      const info = await redisCli(access, ['CLUSTER', 'INFO'], status.podIP);
      for (const line of ['state:ok', 'slots_ok:16384', 'known_nodes:6', 'size:3']) {
        expect(info).toContain(`cluster_${line}`);
      }
    }
  }, 400_000);
});
