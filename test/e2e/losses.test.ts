/**
 * What users fear: servers, nodes and all pods lost, while a client writes keys with checksums. Needs `make
 * up`.
 */
import { describe, expect, it } from 'vitest';
import { timeLimits } from '../kind/time-limits.ts';
import { waitUntil } from '../support/wait-until.ts';
import { ChecksumClient } from './support/checksum-client.ts';
import { clusterStory } from './support/cluster-story.ts';
import { killServer, type Pod, podsByRole, podsOf, redisCli, report, waitWhole } from './support/story.ts';
import { describeVerdict, lostMax, writeThrough } from './support/write-through.ts';

const name = 'losses';
const keysWritten = 500;
const members = 6;

describe('a RedisCluster that loses', () => {
  const story = clusterStory(name);

  it('the server process of a primary (SIGKILL) serves all slots again, and keeps what it promised', async () => {
    const { primaries } = await podsByRole(story.kubectl, name, story.access);
    const victim = primaries[0]!;
    const verdict = await writeThrough(story.access, {
      what: 'server of a primary SIGKILLed',
      wantedSeconds: 10,
      prefix: 'server',
      happen: () => killServer(story.cluster, victim),
    });
    expect(verdict.damaged).toEqual([]);
    expect(verdict.lost.length).toBeLessThanOrEqual(lostMax);
    await waitWhole(story.kubectl, name, story.access, members);
  }, 300_000);

  it('a whole node with one primary serves again without it, and is whole when the node is back', async () => {
    const node = await nodeWithOnePrimary();
    const verdict = await writeThrough(story.access, {
      what: 'node with a primary killed',
      wantedSeconds: 15,
      prefix: 'node',
      happen: () => story.cluster.killNode(node),
    });
    expect(verdict.damaged).toEqual([]);
    expect(verdict.lost.length).toBeLessThanOrEqual(lostMax);
    const started = performance.now();
    await story.cluster.startNode(node);
    await waitWhole(story.kubectl, name, story.access, members, timeLimits.nodeReturnMs + 60_000);
    report(
      `node started again: all in sync and Ready after ${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
  }, 400_000);

  it('the volume of a primary goes on with its replica, and the new member under a new node id', async () => {
    const { primaries } = await podsByRole(story.kubectl, name, story.access);
    const pod = primaries[0]!.metadata.name;
    const idBefore = await redisCli(story.access, ['CLUSTER', 'MYID'], primaries[0]!.status.podIP);
    const verdict = await writeThrough(story.access, {
      what: 'volume and pod of a primary deleted',
      wantedSeconds: 15,
      prefix: 'volume',
      happen: async () => {
        await story.kubectl.remove('pvc', `data-${pod}`, { wait: false });
        await story.kubectl.remove('pod', pod, { force: true, wait: false });
      },
    });
    expect(verdict.damaged).toEqual([]);
    expect(verdict.lost.length).toBeLessThanOrEqual(lostMax);
    await waitUntil('a table without the old node id', 120_000, async () => {
      await waitWhole(story.kubectl, name, story.access, members);
      const nodes = await redisCli(story.access, ['CLUSTER', 'NODES']);
      if (nodes.includes(idBefore) || nodes.split('\n').length !== members) throw new Error(nodes);
      return true;
    });
  }, 400_000);

  it('all its pods at once heals by itself, with its data', async () => {
    const client = new ChecksumClient({ ...story.access, prefix: 'all', writesPerSecond: 200 });
    await waitUntil('writes', 30_000, async () => (client.acknowledged >= keysWritten ? true : undefined));
    await client.stop();
    const before = new Set((await podsOf(story.kubectl, name)).map((pod) => pod.metadata.uid));
    const started = performance.now();
    const all = ['delete', 'pods', '--selector', `redwarden.dev/cluster=${name}`, '--wait=false'];
    await story.kubectl.run([...all, '--grace-period=0', '--force']);
    await waitUntil('other pods', 120_000, async () => {
      const pods = await podsOf(story.kubectl, name);
      return pods.length === members && pods.every((pod) => !before.has(pod.metadata.uid)) ? true : undefined;
    });
    await waitWhole(story.kubectl, name, story.access, members);
    report(
      `all six pods deleted: Ready after ${((performance.now() - started) / 1000).toFixed(1)} s (wanted: 60)`,
    );
    const verdict = await client.verify();
    await client.close();
    expect(verdict.lost.length).toBeLessThanOrEqual(lostMax);
    expect(verdict.damaged).toEqual([]);
    report(`  ${describeVerdict(verdict)}`);
  }, 400_000);

  /** A worker on which exactly one primary runs: with two of three lost, the rest may not elect. */
  async function nodeWithOnePrimary(): Promise<string> {
    const { primaries } = await podsByRole(story.kubectl, name, story.access);
    const count = (pod: Pod) => primaries.filter((each) => each.spec.nodeName === pod.spec.nodeName).length;
    const alone = primaries.find((pod) => count(pod) === 1);
    if (alone === undefined) throw new Error('all primaries run on one node');
    return alone.spec.nodeName;
  }
});
