/** The same operator with stock Valkey 8 from Debian's package. Needs `make up`. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../kind/environment.ts';
import { runCommand } from '../support/run-command.ts';
import {
  type Access,
  accessTo,
  beginStory,
  killServer,
  podsByRole,
  type RedisCluster,
  redisCli,
  report,
  type Story,
  smallCluster,
  waitReady,
} from './support/story.ts';
import { lostMax, writeThrough } from './support/write-through.ts';

const name = 'stock-valkey';
const image = 'redwarden-test-valkey:8';
const imageDeadlineMs = 300_000;
const quietMs = 12_000;

describe('a RedisCluster of stock Valkey', () => {
  let story: Story;
  let access: Access;
  const manifest = smallCluster(name, { server: { engine: 'Valkey', image } });

  beforeAll(async () => {
    story = await beginStory(name);
    await runCommand(process.execPath, [path.join(repositoryRoot, 'tools', 'valkey-image.ts')], {
      deadlineMs: imageDeadlineMs,
      directory: repositoryRoot,
    });
    await story.cluster.loadImage(path.join(repositoryRoot, 'dist', 'images', 'valkey.tar'));
  }, 600_000);

  afterAll(async () => {
    await story.end();
  }, 180_000);

  it('is Ready after kubectl apply, and redis-cli -c writes and reads through it', async () => {
    const started = performance.now();
    await story.kubectl.apply(manifest);
    await waitReady(story.kubectl, name);
    report(
      `stock Valkey: ${((performance.now() - started) / 1000).toFixed(1)} s from kubectl apply to Ready`,
    );
    access = await accessTo(story.kubectl, name);
    expect(await redisCli(access, ['INFO', 'server'])).toMatch(/valkey_version:8/);
    for (let index = 0; index < 12; index++) {
      expect(await redisCli(access, ['SET', `key:${index}`, `value ${index}`])).toMatch(/OK$/);
      expect(await redisCli(access, ['GET', `key:${index}`])).toMatch(`value ${index}`);
    }
  }, 300_000);

  it('is not changed by a second kubectl apply', async () => {
    const before = await generations();
    expect(await story.kubectl.apply(manifest)).toContain('unchanged');
    await sleep(quietMs);
    expect(await generations()).toEqual(before);
  }, 90_000);

  it('serves again after SIGKILL of a primary, and keeps what it promised', async () => {
    const { primaries } = await podsByRole(story.kubectl, name, access);
    const victim = primaries[0]!;
    const verdict = await writeThrough(access, {
      what: "stock Valkey's primary SIGKILLed",
      wantedSeconds: 10,
      prefix: 'server',
      happen: () => killServer(story.cluster, victim),
    });
    expect(verdict.damaged).toEqual([]);
    expect(verdict.lost.length).toBeLessThanOrEqual(lostMax);
    await waitReady(story.kubectl, name);
  }, 300_000);

  /** The resource and its workloads: generations change with specs only. */
  async function generations(): Promise<string[]> {
    const objects = await story.kubectl.list<RedisCluster>('rediscluster,statefulset,poddisruptionbudget');
    return objects.map(({ metadata }) => `${metadata.name} ${metadata.generation}`);
  }
});
