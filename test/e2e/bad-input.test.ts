/**
 * Manifests that the API server accepts and that cannot work: the condition says what to do, and doing it
 * helps. Needs `make up`.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  beginStory,
  operatorPod,
  type Pod,
  podsOf,
  readyDeadlineMs,
  type Story,
  smallCluster,
  waitCondition,
  waitReady,
} from './support/story.ts';

const noticedDeadlineMs = 120_000;

/** Three shards without replicas are enough to start or not to start. */
function badCluster(name: string, spec: object): object {
  return smallCluster(name, { replicasPerShard: 0, ...spec });
}

describe('a RedisCluster that cannot work', () => {
  let story: Story;
  let operator: Pod;

  beforeAll(async () => {
    story = await beginStory('bad-input');
    operator = await operatorPod(story.kubectl);
    await story.kubectl.apply([
      badCluster('no-secret', { auth: { passwordSecretRef: { name: 'my-password', key: 'word' } } }),
      badCluster('no-image', { server: { image: 'redwarden-no-such-image:1', imagePullPolicy: 'Never' } }),
      badCluster('no-place', { pod: { nodeSelector: { disk: 'made-of-gold' } } }),
    ]);
  }, 180_000);

  afterAll(async () => {
    await story.end();
  }, 180_000);

  it('for want of its Secret says which one and what must be in it, and starts no pod', async () => {
    const message = await waitCondition(
      story.kubectl,
      'no-secret',
      'Stalled',
      /^True SecretMissing/,
      noticedDeadlineMs,
    );
    expect(message).toContain('my-password');
    expect(message).toContain('word');
    expect(await podsOf(story.kubectl, 'no-secret')).toEqual([]);
  }, 150_000);

  it('for want of its image names the pod, the image and the fields to look at', async () => {
    const message = await waitCondition(
      story.kubectl,
      'no-image',
      'Stalled',
      /^True ErrImageNeverPull/,
      noticedDeadlineMs,
    );
    expect(message).toContain('no-image-shard-');
    expect(message).toContain('redwarden-no-such-image:1');
    expect(message).toContain('spec.server.imagePullPolicy');
  }, 150_000);

  it('for want of a place says why no node fits and what to relax', async () => {
    const message = await waitCondition(
      story.kubectl,
      'no-place',
      'PlacementSatisfied',
      /^False Unschedulable/,
      noticedDeadlineMs,
    );
    expect(message).toContain("didn't match Pod's node affinity/selector");
    expect(message).toContain('spec.placement');
    const stalled = await waitCondition(story.kubectl, 'no-place', 'Stalled', /^True/, noticedDeadlineMs);
    expect(stalled).toContain('Unschedulable');
  }, 200_000);

  it('gets Ready once the Secret is there', async () => {
    await story.kubectl.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'my-password' },
      stringData: { word: 'open sesame' },
    });
    await waitReady(story.kubectl, 'no-secret', readyDeadlineMs);
  }, 240_000);

  it('gets Ready once the image is one that exists', async () => {
    await story.kubectl.patch('rediscluster', 'no-image', { spec: { server: null } });
    await waitReady(story.kubectl, 'no-image', readyDeadlineMs);
  }, 240_000);

  it('gets Ready once there is a node that fits', async () => {
    await story.kubectl.patch('rediscluster', 'no-place', { spec: { pod: null } });
    await waitReady(story.kubectl, 'no-place', readyDeadlineMs);
  }, 240_000);

  it('has not made the operator restart', async () => {
    const now = await operatorPod(story.kubectl);
    expect(now.metadata.uid).toBe(operator.metadata.uid);
    const [before, after] = [operator, now].map((pod) => pod.status.containerStatuses?.[0]?.restartCount);
    expect(after).toBe(before);
  });
});
