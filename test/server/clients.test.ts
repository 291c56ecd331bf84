/** Client libraries that people use, unmodified, against the built server: alone and as a cluster. */
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerProcess } from '../support/server-process.ts';
import { agrees, ClusterProcess, eventually, redisCli } from './cluster-harness.ts';

const DEADLINE_MS = 20_000;

describe('one server', () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await ServerProcess.start('redwarden-server', ['--requirepass', 'secret']);
  });
  afterAll(() => server.stop());

  it('serves ioredis: password, pipeline, transaction, scan stream', async () => {
    const redis = new Redis({
      port: server.port,
      host: '127.0.0.1',
      password: 'secret',
      enableReadyCheck: true,
    });
    expect(await redis.set('greeting', 'hello', 'EX', 100)).toBe('OK');
    expect(await redis.ttl('greeting')).toBe(100);
    const pipeline = redis.pipeline();
    for (let index = 0; index < 500; index++) pipeline.set(`k:${index}`, `v:${index}`).get(`k:${index}`);
    const results = await pipeline.exec();
    expect(results?.filter(([error]) => error !== null)).toEqual([]);
    expect(results?.at(-1)?.[1]).toBe('v:499');
    expect(await redis.multi().incr('counter').incrby('counter', 41).exec()).toEqual([
      [null, 1],
      [null, 42],
    ]);
    const keys = new Set<string>();
    for await (const found of redis.scanStream({ match: 'k:*', count: 50 })) {
      for (const key of found as string[]) keys.add(key);
    }
    expect(keys.size).toBe(500);
    await expect(redis.call('NOSUCH', 'list', 'a')).rejects.toThrow(/unknown command 'NOSUCH'/);
    redis.disconnect();
  });

  it('serves node-redis in RESP 3: types of replies, watch and retry', async () => {
    const client = createClient({ url: `redis://:secret@127.0.0.1:${server.port}`, RESP: 3 });
    await client.connect();
    await client.set('number', '7');
    expect(await client.get('number')).toBe('7');
    expect(await client.get('nothing')).toBeNull();
    expect(await client.mGet(['number', 'nothing'])).toEqual(['7', null]);
    expect(await client.configGet('maxmemory')).toEqual({ maxmemory: '0' });
    await client.watch('number');
    const other = client.duplicate();
    await other.connect();
    await other.set('number', '8');
    await expect(client.multi().incr('number').exec()).rejects.toThrow(/watch/i);
    expect(await client.multi().incr('number').exec()).toEqual([9]);
    other.destroy();
    client.destroy();
  });
});

describe('a cluster of three', () => {
  let nodes: ClusterProcess[] = [];
  beforeAll(async () => {
    nodes = await Promise.all([1, 2, 3].map(() => ClusterProcess.create('ours')));
    await redisCli('--cluster', 'create', ...nodes.map((node) => node.address), '--cluster-yes');
    await eventually('the nodes agree', DEADLINE_MS, () => agrees(nodes, 3));
  });
  afterAll(() => Promise.all(nodes.map((node) => node.remove())));

  it('is followed by ioredis and node-redis while a slot moves', async () => {
    const cluster = new Cluster(nodes.map((node) => ({ host: '127.0.0.1', port: node.port })));
    const other = createCluster({ rootNodes: nodes.map((node) => ({ url: `redis://${node.address}` })) });
    await other.connect();
    for (let index = 0; index < 300; index++) await cluster.set(`key:${index}`, `value:${index}`);
    const [first, second] = nodes as [ClusterProcess, ClusterProcess];
    const id = (node: ClusterProcess): Promise<string> => node.text('CLUSTER', 'MYID');
    await redisCli(
      '--cluster',
      'reshard',
      first.address,
      '--cluster-from',
      await id(first),
      '--cluster-to',
      await id(second),
      '--cluster-slots',
      '200',
      '--cluster-yes',
    );
    for (let index = 0; index < 300; index++) {
      expect(await cluster.get(`key:${index}`)).toBe(`value:${index}`);
      expect(await other.get(`key:${index}`)).toBe(`value:${index}`);
    }
    cluster.disconnect();
    other.destroy();
  });
});
