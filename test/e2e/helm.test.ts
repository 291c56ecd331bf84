/**
 * The chart's life by real Helm: upgrade, uninstall and install again, while a RedisCluster goes on serving
 * and none of its pods is touched. Needs `make up`.
 */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../kind/environment.ts';
import { ensureHelm } from '../kind/tools.ts';
import { refusal } from '../support/kubectl.ts';
import { runCommand } from '../support/run-command.ts';
import { waitUntil } from '../support/wait-until.ts';
import { ChecksumClient } from './support/checksum-client.ts';
import {
  accessTo,
  beginStory,
  operatorNamespace,
  operatorPod,
  podsOf,
  readyDeadlineMs,
  redisCli,
  type Story,
  smallCluster,
  waitReady,
} from './support/story.ts';
import { describeVerdict } from './support/write-through.ts';

const name = 'helm';
const chart = path.join(repositoryRoot, 'charts', 'redwarden');
const helmDeadlineMs = 180_000;

describe('the chart', () => {
  let story: Story;
  let helm: string;
  let podsBefore: string[];

  beforeAll(async () => {
    helm = await ensureHelm();
    story = await beginStory(name);
    await story.kubectl.apply(smallCluster(name, { replicasPerShard: 0 }));
    await waitReady(story.kubectl, name);
    podsBefore = await uids();
  }, 400_000);

  afterAll(async () => {
    // Whatever happened: the next story needs an operator.
    await run('upgrade', '--install', 'redwarden', chart, '--reset-values', '--wait', '--timeout', '150s');
    await story.end();
  }, 400_000);

  it('refuses a value that it does not know', async () => {
    const words = await refusal(run('upgrade', 'redwarden', chart, '--set', 'replicsa=2'));
    expect(words).toContain('replicsa');
  }, 60_000);

  it('helm upgrade changes the operator and no server, while a client writes', async () => {
    const access = await accessTo(story.kubectl, name);
    const client = new ChecksumClient({ ...access, prefix: 'upgrade', writesPerSecond: 100 });
    const operator = (await operatorPod(story.kubectl)).metadata.uid;
    await run('upgrade', 'redwarden', chart, '--set', 'log.level=debug', '--wait', '--timeout', '150s');
    await waitUntil('another operator', 60_000, async () => {
      return (await operatorPod(story.kubectl)).metadata.uid === operator ? undefined : true;
    });
    await waitReady(story.kubectl, name);
    await client.stop();
    const verdict = await client.verify();
    await client.close();
    expect(describeVerdict(verdict)).toMatch(/ acknowledged, 0 refused, 0 lost, 0 damaged$/);
    expect(await uids()).toEqual(podsBefore);
  }, 300_000);

  it('helm uninstall takes the operator away, and leaves RedisClusters that serve', async () => {
    await run('uninstall', 'redwarden', '--wait', '--timeout', '120s');
    const operator = story.kubectl.inNamespace(operatorNamespace);
    const kinds = 'all,sa,role,rolebinding,clusterrole,clusterrolebinding,networkpolicy';
    await waitUntil('nothing of the release', 60_000, async () => {
      const left = await operator.list(kinds, 'app.kubernetes.io/instance=redwarden');
      if (left.length > 0)
        throw new Error(left.map((each) => `${each.kind} ${each.metadata.name}`).join(', '));
      return true;
    });
    const access = await accessTo(story.kubectl, name);
    expect(await redisCli(access, ['SET', 'without', 'an operator'])).toMatch(/OK$/);
    expect(await redisCli(access, ['GET', 'without'])).toMatch('an operator');
    expect(await uids()).toEqual(podsBefore);
  }, 240_000);

  it('helm install finds them again, and changes what was asked for meanwhile', async () => {
    const { metadata } = await story.kubectl.get('rediscluster', name);
    await story.kubectl.patch('rediscluster', name, { spec: { memory: { samples: 9 } } });
    await run('install', 'redwarden', chart, '--wait', '--timeout', '150s');
    const cluster = await waitReady(story.kubectl, name, readyDeadlineMs);
    expect(cluster.metadata.generation).toBe((metadata.generation ?? 0) + 1);
    const access = await accessTo(story.kubectl, name);
    expect(await redisCli(access, ['CONFIG', 'GET', 'maxmemory-samples'])).toContain('9');
    expect(await uids()).toEqual(podsBefore);
  }, 400_000);

  function run(...argv: readonly string[]): Promise<string> {
    return runCommand(helm, [...argv, '--namespace', operatorNamespace], {
      deadlineMs: helmDeadlineMs,
      env: { KUBECONFIG: story.kubectl.kubeconfigPath },
    });
  }

  async function uids(): Promise<string[]> {
    return (await podsOf(story.kubectl, name)).map((pod) => pod.metadata.uid).sort();
  }
});
