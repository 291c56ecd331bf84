/** A user's first hour: apply, look, write, apply again, meddle, delete, come back. Needs `make up`. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../kind/environment.ts';
import { waitUntil } from '../support/wait-until.ts';
import {
  type Access,
  accessTo,
  beginStory,
  podsByRole,
  podsOf,
  readyDeadlineMs,
  redisCli,
  report,
  type Story,
  waitReady,
} from './support/story.ts';

const file = path.join(repositoryRoot, 'examples', 'quickstart.yaml');
const name = 'quickstart';
const keys = Array.from({ length: 20 }, (_, index) => `first:${index}`);
/** Longer than the operator's pause between two passes over a healthy cluster. */
const quietMs = 12_000;
const ownedKinds = 'statefulset,service,configmap,secret,poddisruptionbudget,networkpolicy,pvc,pod';

interface Owned {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
}

interface Event {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

describe('a first RedisCluster', () => {
  let story: Story;
  let access: Access;

  beforeAll(async () => {
    story = await beginStory('first-steps');
  }, 180_000);

  afterAll(async () => {
    await story.end();
  }, 180_000);

  it('is Ready after kubectl apply -f examples/quickstart.yaml', async () => {
    const started = performance.now();
    await story.kubectl.applyFile(file);
    await waitReady(story.kubectl, name);
    const seconds = (performance.now() - started) / 1000;
    report(`3 shards with a replica each: ${seconds.toFixed(1)} s from kubectl apply to Ready (wanted: 60)`);
    access = await accessTo(story.kubectl, name);
  }, 240_000);

  it('shows itself in the columns of kubectl get', async () => {
    const [head, row] = (await story.kubectl.run(['get', 'rediscluster', name])).trim().split('\n');
    expect(head?.split(/\s+/)).toEqual('NAME SHARDS REPLICAS READY SLOTS MEMORY PHASE AGE'.split(' '));
    expect(row).toMatch(/^quickstart +3 +1 +True +16384 +\d+% +Ready +\d+/);
  });

  it('takes and returns keys of all shards through an unmodified redis-cli -c', async () => {
    for (const key of keys) expect(await redisCli(access, ['SET', key, `value of ${key}`])).toMatch(/OK$/);
    for (const key of keys) expect(await redisCli(access, ['GET', key])).toMatch(`value of ${key}`);
    const nodes = await redisCli(access, ['CLUSTER', 'NODES']);
    expect(nodes.split('\n').filter((line) => /\b(master|slave)\b/.test(line))).toHaveLength(6);
  }, 120_000);

  it('is not changed by a second kubectl apply of the same file, and kubectl diff shows nothing', async () => {
    const { generation } = (await waitReady(story.kubectl, name)).metadata;
    // A probe that is late on a busy machine changes a status: then it is asked once more.
    await waitUntil('owned objects as they were', 3 * quietMs, async () => {
      const before = await ownedObjects();
      expect(await story.kubectl.applyFile(file)).toContain('unchanged');
      expect(await story.kubectl.run(['diff', '--filename', file])).toBe('');
      await sleep(quietMs);
      expect(await ownedObjects()).toEqual(before);
      return true;
    });
    expect((await waitReady(story.kubectl, name)).metadata.generation).toBe(generation);
  }, 120_000);

  it("undoes somebody's CONFIG SET, with an event that names both values", async () => {
    const [pod] = await podsOf(story.kubectl, name);
    const host = pod?.status.podIP ?? '';
    await redisCli(access, ['CONFIG', 'SET', 'maxmemory-policy', 'noeviction'], host);
    await waitUntil('the policy of the spec', 60_000, async () => {
      const value = await redisCli(access, ['CONFIG', 'GET', 'maxmemory-policy'], host);
      return value.includes('volatile-ttl') ? true : undefined;
    });
    await waitUntil('an event', 30_000, async () => {
      const events = await story.kubectl.list<Event>('events');
      const told = events.find(({ message }) =>
        /maxmemory-policy.*noeviction|noeviction.*maxmemory-policy/.test(message),
      );
      if (told === undefined) throw new Error(events.map((event) => event.message).join('\n'));
      expect(told.message).toContain('volatile-ttl');
      return true;
    });
  }, 120_000);

  it('leaves volumes and password when it is deleted, and nothing else', async () => {
    await story.kubectl.run(['delete', '--filename', file], 60_000);
    await waitUntil('only claims and Secrets left', 120_000, async () => {
      const kinds = new Map<string, number>();
      for (const { kind, metadata } of await ownedObjects()) {
        if (metadata.name === 'kube-root-ca.crt') continue;
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
      const left = [...kinds].map(([kind, count]) => `${count} ${kind}`).sort();
      if (left.join() !== '1 Secret,6 PersistentVolumeClaim') throw new Error(left.join(', '));
      return true;
    });
    await story.kubectl.get('secret', `${name}-auth`);
  }, 200_000);

  it('serves the retained data with the retained password when it is applied again', async () => {
    await story.kubectl.applyFile(file);
    await waitReady(story.kubectl, name, readyDeadlineMs);
    const again = await accessTo(story.kubectl, name);
    expect(again.password).toBe(access.password);
    for (const key of keys) expect(await redisCli(again, ['GET', key])).toMatch(`value of ${key}`);
    const { primaries, replicas } = await podsByRole(story.kubectl, name, again);
    expect([primaries.length, replicas.length]).toEqual([3, 3]);
  }, 300_000);

  /** Everything in the namespace that is made for the cluster, with its version. */
  async function ownedObjects(): Promise<Owned[]> {
    const objects = await story.kubectl.list<Owned>(ownedKinds);
    return objects.map(({ kind, metadata }) => {
      return { kind, metadata: { name: metadata.name, resourceVersion: metadata.resourceVersion } };
    });
  }
});
