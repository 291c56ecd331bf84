/** What users fear: servers, nodes and all pods lost, while a client writes keys with checksums. Needs `make up`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { timeLimits } from '../kind/time-limits.ts';
import { waitUntil } from '../support/wait-until.ts';
import { ChecksumClient, type Verdict } from './support/checksum-client.ts';
import {
  type Access,
  accessTo,
  beginStory,
  killServer,
  type Pod,
  podsByRole,
  podsOf,
  report,
  type Story,
  smallCluster,
  waitReady,
} from './support/story.ts';

const name = 'losses';
const writesPerSecond = 200;
/** A client must see answers again long before this; how long it took is reported. */
const backDeadlineMs = 60_000;
/** Replication trails a primary by less than this, so at most these acknowledged writes may be lost. */
const replicationWindowMs = 1_000;
const lostMax = (writesPerSecond * replicationWindowMs) / 1000;

describe('a RedisCluster that loses', () => {
  let story: Story;
  let access: Access;

  beforeAll(async () => {
    story = await beginStory(name);
    await story.kubectl.apply(smallCluster(name));
    await waitReady(story.kubectl, name);
    access = await accessTo(story.kubectl, name);
  }, 400_000);

  afterAll(async () => {
    await story.end();
  }, 180_000);

  it('the server process of a primary (SIGKILL) serves all slots again, and keeps what it promised', async () => {
    const { primaries } = await podsByRole(story.kubectl, name, access);
    const victim = primaries[0]!;
    const { verdict } = await writeThrough('server', 10, 'primary SIGKILLed', async () => {
      await killServer(story.cluster, victim);
    });
    expect(verdict.damaged).toEqual([]);
    expect(verdict.lost.length).toBeLessThanOrEqual(lostMax);
    await waitReady(story.kubectl, name);
  }, 300_000);

  it('a whole node with one primary serves again without it, and is whole when the node is back', async () => {
    const node = await nodeWithOnePrimary();
    const { verdict } = await writeThrough('node', 15, 'node killed', () => story.cluster.killNode(node));
    expect(verdict.damaged).toEqual([]);
    expect(verdict.lost.length).toBeLessThanOrEqual(lostMax);
    const started = performance.now();
    await story.cluster.startNode(node);
    await waitReady(story.kubectl, name, timeLimits.nodeReturnMs + backDeadlineMs);
    report(`node started again: Ready after ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }, 400_000);

  it('all its pods at once heals by itself, with its data', async () => {
    const client = new ChecksumClient({ ...access, prefix: 'all', writesPerSecond });
    await waitUntil('500 writes', 30_000, async () => (client.acknowledged >= 500 ? true : undefined));
    await client.stop();
    const before = new Set((await podsOf(story.kubectl, name)).map((pod) => pod.metadata.uid));
    const started = performance.now();
    const all = ['delete', 'pods', '--selector', `redwarden.dev/cluster=${name}`, '--wait=false'];
    await story.kubectl.run([...all, '--grace-period=0', '--force']);
    await waitUntil('other pods', 120_000, async () => {
      const pods = await podsOf(story.kubectl, name);
      return pods.length === 6 && pods.every((pod) => !before.has(pod.metadata.uid)) ? true : undefined;
    });
    await waitReady(story.kubectl, name);
    report(
      `all six pods deleted: Ready after ${((performance.now() - started) / 1000).toFixed(1)} s (wanted: 60)`,
    );
    const verdict = await client.verify();
    await client.close();
    expect(verdict.lost.length).toBeLessThanOrEqual(lostMax);
    expect(verdict.damaged).toEqual([]);
    report(`  ${describeVerdict(verdict)}`);
  }, 400_000);

  /** Writes while something bad happens, until all slots have been served for a while; then counts. */
  async function writeThrough(
    prefix: string,
    wantedSeconds: number,
    what: string,
    happen: () => Promise<void>,
  ): Promise<{ verdict: Verdict }> {
    const client = new ChecksumClient({ ...access, prefix, writesPerSecond });
    try {
      await waitUntil('400 writes', 30_000, async () => (client.acknowledged >= 400 ? true : undefined));
      const moment = performance.now();
      await happen();
      await servedForAWhile(client, moment);
      await client.stop();
      const { longestMs, backAfterMs } = worstThird(client, moment);
      report(
        `${what}: back after ${(backAfterMs / 1000).toFixed(1)} s (wanted: ${wantedSeconds}), ` +
          `longest silence ${(longestMs / 1000).toFixed(1)} s`,
      );
      expect(backAfterMs).toBeLessThan(backDeadlineMs);
      const verdict = await client.verify();
      report(`  ${describeVerdict(verdict)}`);
      return { verdict };
    } finally {
      await client.close();
    }
  }

  /** A worker on which exactly one primary runs: with two of three lost, the rest may not elect. */
  async function nodeWithOnePrimary(): Promise<string> {
    const { primaries } = await podsByRole(story.kubectl, name, access);
    const count = (pod: Pod) => primaries.filter((each) => each.spec.nodeName === pod.spec.nodeName).length;
    const alone = primaries.find((pod) => count(pod) === 1);
    if (alone === undefined) throw new Error('all primaries run on one node');
    return alone.spec.nodeName;
  }
});

const slotsPerShard = 16384 / 3;

/** The outage of the shard that had the longest. */
function worstThird(client: ChecksumClient, moment: number): ReturnType<ChecksumClient['outageSince']> {
  const outages = [0, 1, 2].map((shard) =>
    client.outageSince(moment, (slot) => Math.floor(slot / slotsPerShard) === shard),
  );
  return outages.reduce((worst, each) => (each.longestMs > worst.longestMs ? each : worst));
}

/** Every shard has acknowledged writes without a second's pause for some seconds, and an outage is over. */
async function servedForAWhile(client: ChecksumClient, moment: number): Promise<void> {
  const quietMs = 8_000;
  await waitUntil(
    'writes to all shards',
    backDeadlineMs + quietMs,
    async () => {
      if (performance.now() - moment < quietMs + 7_000) return undefined;
      const { longestMs } = worstThird(client, performance.now() - quietMs);
      if (longestMs > 1_000) throw new Error(`no write acknowledged for ${longestMs} ms`);
      return true;
    },
    500,
  );
}

function describeVerdict({ acknowledged, refused, lost, damaged }: Verdict): string {
  return `${acknowledged} writes acknowledged, ${refused} refused; lost ${lost.length}, damaged ${damaged.length}`;
}
